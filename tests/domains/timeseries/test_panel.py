"""Clocks, panels and times to come: stamps are numbers and come back to the nanosecond."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pandas.tseries.frequencies import to_offset

from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.future import future, regular_gap
from unnoise.domains.timeseries.panel import Panel, Series

BERLIN = "Europe/Berlin"


def clock_of(stamps: pd.DatetimeIndex | NDArray[np.float64]) -> Clock:
    return Clock.of(stamps, np.zeros(len(stamps), np.int64))


def one(times: object, clock: Clock | None = None, values: object = None) -> Panel:
    t = np.asarray(times, np.float64)
    x = np.zeros((len(t), 1)) if values is None else np.asarray(values, np.float64)
    names = tuple(f"c{c}" for c in range(x.shape[1]))
    return Panel([Series(None, t, x, np.zeros((len(t), 0)))], names, clock=clock or Clock())


@pytest.mark.parametrize("tz", [None, "UTC", BERLIN, "Asia/Kolkata"])
@pytest.mark.parametrize("freq", ["7min", "h", "D", "B", "W-WED", "MS", "ME", "QE", "YE"])
def test_regular_stamps_are_0_1_2_and_come_back(freq: str, tz: str | None) -> None:
    stamps = pd.date_range("2019-02-27 06:30", periods=150, freq=freq, tz=tz).as_unit("ns")
    clock = clock_of(pd.DatetimeIndex(list(stamps)))  # without its frequency
    times = clock.numbers(stamps)
    assert (times == np.arange(len(stamps))).all()
    assert clock.stamps(times).equals(stamps)


@pytest.mark.parametrize("freq", ["h", "B", "ME"])
def test_stamps_before_the_origin_have_negative_times(freq: str) -> None:
    stamps = pd.date_range("2010-01-04", periods=100, freq=freq)
    clock = Clock(stamps[60], to_offset(freq) if freq != "h" else pd.Timedelta(1, "h"))
    assert (clock.numbers(stamps) == np.arange(-60, 40)).all()
    assert clock.stamps(np.arange(-60.0, 40.0)).equals(pd.DatetimeIndex(stamps, freq=None))


def test_an_hour_is_an_hour_and_a_day_is_the_wall_clocks() -> None:
    night = pd.DatetimeIndex(["2024-03-30 12:00", "2024-03-31 12:00"]).tz_localize(BERLIN)
    hours = Clock(night[0], pd.Timedelta(1, "h"))
    days = Clock(night[0], to_offset("D"))
    assert hours.numbers(night).tolist() == [0, 23]
    assert days.numbers(night).tolist() == [0, 1]


def test_a_calendar_clock_is_linear_between_its_steps() -> None:
    clock = Clock(pd.Timestamp("2024-01-05"), to_offset("B"))  # a Friday
    between = pd.DatetimeIndex(["2024-01-06 12:00", "2024-01-08 06:00"])
    assert clock.numbers(between).tolist() == [0.5, 1.25]
    assert clock.stamps(np.array([0.5, 1.25])).equals(between)


def test_irregular_stamps_of_microseconds_come_back_exactly() -> None:
    rng = np.random.default_rng(0)
    us = np.sort(rng.integers(0, 30 * 365 * 86_400 * 10**6, 500))
    stamps = pd.DatetimeIndex(us * 1_000 + pd.Timestamp("1995-01-01").value)
    clock = clock_of(stamps)
    assert clock.stamps(clock.numbers(stamps)).equals(stamps)


def test_the_unit_is_the_median_gap_that_occurs() -> None:
    stamps = pd.Timestamp("2024-01-01 00:00:01") + pd.to_timedelta([0, 2, 5, 9, 20], unit="min")
    assert clock_of(pd.DatetimeIndex(stamps)).unit == pd.Timedelta(3, "min")
    assert clock_of(np.array([3.0, 3.5, 5.0, 9.0])) == Clock(3.0, 1.5)


def test_gaps_across_series_do_not_count() -> None:
    stamps, group = np.array([0.0, 1, 2, 1_000, 1_002]), np.array([0, 0, 0, 1, 1])
    assert Clock.of(stamps, group).unit == 1


@pytest.mark.parametrize(
    ("freq", "holes"), [("B", [3, 7, 8]), ("MS", [2, 5, 6]), ("ME", [4, 9]), ("h", [5, 6])]
)
def test_holes_do_not_hide_the_step_of_the_calendar(freq: str, holes: list[int]) -> None:
    full = pd.date_range("2021-03-01", periods=40, freq=freq)
    times = clock_of(full.delete(holes)).numbers(full)
    assert (times == np.arange(40)).all()


@pytest.mark.parametrize("start", [0.0, 3.7, 1.7e9])
def test_numbers_of_a_grid_are_whole_despite_rounding(start: float) -> None:
    x = start + 0.1 * np.arange(10_000)
    assert (clock_of(x).numbers(x) == np.arange(10_000)).all()
    held = np.delete(x, [5, 6, 500])
    assert (clock_of(held).numbers(x) == np.arange(10_000)).all()


@pytest.mark.parametrize(
    "clock",
    [
        Clock(),
        Clock(1.5, 0.25),
        Clock(pd.Timestamp("2020-02-29", tz=BERLIN), pd.Timedelta(90, "s")),
        Clock(pd.Timestamp("2020-02-29"), to_offset("ME")),
        Clock(pd.Timestamp("2020-02-28", tz="UTC"), to_offset("2B")),
    ],
)
def test_a_clock_comes_back_from_json(clock: Clock) -> None:
    assert Clock.from_json(json.loads(json.dumps(clock.to_json()))) == clock


def test_clocks_that_are_none() -> None:
    day = pd.Timestamp("2024-01-06")
    with pytest.raises(ValueError, match="don't go together"):
        Clock(day, 1.0)
    with pytest.raises(ValueError, match="don't go together"):
        Clock(0.0, pd.Timedelta(1, "h"))
    with pytest.raises(ValueError, match="must be positive"):
        Clock(0.0, 0.0)
    with pytest.raises(ValueError, match="must be positive"):
        Clock(day, pd.Timedelta(0))
    with pytest.raises(ValueError, match="isn't a stamp of 'B'"):
        Clock(day, to_offset("B"))


def test_stamps_of_another_kind_are_refused() -> None:
    day = pd.DatetimeIndex(["2024-01-06"])
    clock = Clock(day[0], pd.Timedelta(1, "h"))
    with pytest.raises(ValueError, match="stamps are dates, and the clock's are numbers"):
        Clock().numbers(day)
    with pytest.raises(ValueError, match="stamps are numbers, and the clock's are dates"):
        clock.numbers(np.zeros(1))
    with pytest.raises(ValueError, match="stamps have one, and the clock has no time zone"):
        clock.numbers(day.tz_localize("UTC"))


@pytest.mark.parametrize(
    ("times", "values", "known", "message"),
    [
        ([], np.zeros((0, 1)), np.zeros((0, 0)), "has no times"),
        ([0, 1], np.zeros((3, 1)), np.zeros((2, 0)), r"values has shape \(3, 1\)"),
        ([0, 1], np.zeros(2), np.zeros((2, 0)), "values has shape"),
        ([0, np.nan], np.zeros((2, 1)), np.zeros((2, 0)), "time 1 isn't finite"),
        ([0, 2, 2], np.zeros((3, 1)), np.zeros((3, 0)), r".* time 2 \(2\) doesn't exceed time 1"),
        ([0, 1], [[0.0], [np.inf]], np.zeros((2, 0)), r"values\[1, 0\] isn't finite"),
        ([0, 1], np.zeros((2, 1)), [[0.0], [np.nan]], r"known\[1, 0\] isn't finite"),
    ],
)
def test_a_series_that_is_none(times: object, values: object, known: object, message: str) -> None:
    with pytest.raises(ValueError, match="series 'x': " + message):
        Series("x", *(np.asarray(v, np.float64) for v in (times, values, known)))


def test_a_panel_that_is_none() -> None:
    s = Series("x", np.zeros(1), np.zeros((1, 2)), np.zeros((1, 0)))
    with pytest.raises(ValueError, match="needs a series and a channel"):
        Panel([], ("a", "b"))
    with pytest.raises(ValueError, match="two series are named 'x'"):
        Panel([s, s], ("a", "b"))
    with pytest.raises(ValueError, match="two columns are named 'a'"):
        Panel([s], ("a", "b"), ("a",))
    with pytest.raises(ValueError, match=r"series 'x' has \(2, 0, 0\) channels"):
        Panel([s], ("a",))


def test_what_cannot_be_learned_is_named() -> None:
    nan = np.nan
    with pytest.raises(ValueError, match="no value is known of 'c1'; leave these"):
        one([0, 1], values=[[1, nan], [2, nan]]).check_learnable()
    with pytest.raises(
        ValueError, match=r"nothing varies in 'c0' \(always 1.5\), 'c1' \(always 0"
    ):
        one([0, 1], values=[[1.5, nan], [1.5, 0]]).check_learnable()
    one([0, 1], values=[[1, 2], [2, 0]]).check_learnable()


@pytest.mark.parametrize("tz", [None, BERLIN])
@pytest.mark.parametrize("freq", ["15min", "h", "D", "B", "MS", "ME", "QE", "W-MON"])
def test_the_future_of_a_regular_series_is_pandas_own(freq: str, tz: str | None) -> None:
    stamps = pd.date_range("2024-02-28", periods=50, freq=freq, tz=tz).as_unit("ns")
    clock = clock_of(stamps[:40])
    panel = one(clock.numbers(stamps[:40]), clock)
    (times,) = future(panel, 10)
    assert clock.stamps(times).equals(pd.DatetimeIndex(stamps[40:], freq=None))
    (asked,) = future(panel, list(stamps[40:]))
    assert (asked == times).all()
    (stepped,) = future(panel, 10, step=freq)
    assert (stepped == times).all()


def test_the_future_of_series_with_gaps_of_their_own() -> None:
    series = [
        Series(k, np.asarray(t, np.float64), np.zeros((len(t), 1)), np.zeros((len(t), 0)))
        for k, t in enumerate([[0, 1, 2, 4], [0.5, 2.5, 4.5], [7]])
    ]
    times = future(Panel(series, ("a",)), 2)
    assert [t.tolist() for t in times] == [[5, 6], [6.5, 8.5], [8, 9]]


def test_a_horizon_may_be_text_or_periods() -> None:
    stamps = pd.date_range("2024-01-01", periods=3, freq="MS")
    panel = one([0, 1, 2], clock_of(stamps))
    for asked in (
        ["2024-04-01", "2024-06-01"],
        list(pd.PeriodIndex(["2024-04", "2024-06"], freq="M")),
    ):
        assert future(panel, asked)[0].tolist() == [3, 5]


def test_steps_of_numbers_count_what_stamps_count() -> None:
    (times,) = future(one([0, 0.5, 2], Clock(100.0, 10.0)), 3, step=5.0)
    assert times.tolist() == [2.5, 3, 3.5]


def test_a_gap_is_one_that_half_have_and_others_multiply() -> None:
    assert regular_gap(np.array([0, 0.1, 0.2, 0.5])) == pytest.approx(0.1)
    assert regular_gap(np.array([0, 1, 2, 3.5])) is None
    assert regular_gap(np.array([0, 1, 3, 5, 7.0])) is None


def test_futures_that_are_none() -> None:
    irregular = one([0, 1, 2.5, 2.7])
    stamps = pd.date_range("2024-01-01", periods=3, freq="h")
    dated = one([0, 1, 2], clock_of(stamps))
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        future(dated, 0)
    with pytest.raises(ValueError, match="the series is irregular.* median gap is 1"):
        future(irregular, 3)
    with pytest.raises(ValueError, match="must be a positive one; got 'h'"):
        future(irregular, 3, step="h")
    with pytest.raises(ValueError, match="'fortnight' is no frequency"):
        future(dated, 3, step="fortnight")
    with pytest.raises(ValueError, match="must be positive, got '-1h'"):
        future(dated, 3, step="-1h")
    with pytest.raises(ValueError, match="00:00 must come after the last of the series"):
        future(dated, ["2024-01-01 02:00"])
    with pytest.raises(ValueError, match="3.0 must come after the stamp before it"):
        future(irregular, [4, 3])
    with pytest.raises(ValueError, match="horizon: row 1 .* has no stamp"):
        future(dated, [pd.Timestamp("2024-01-02"), pd.NaT])
    with pytest.raises(ValueError, match="stamps are numbers, and the clock's are dates"):
        future(dated, [7.0])
    with pytest.raises(ValueError, match="has no stamps"):
        future(dated, [])
