"""The calendar: periods that the data show, phases that follow the wall clock."""

import numpy as np
import pandas as pd
import pytest

from unnoise.domains.timeseries.calendar import Calendar, length, periods
from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.frames import Wide
from unnoise.domains.timeseries.panel import Panel


def panel(stamps: pd.Index) -> Panel:
    return Wide().read(pd.DataFrame({"a": np.arange(len(stamps), dtype=float)}, index=stamps))


def dates(freq: str, n: int, start: str = "2001-01-01", tz: str | None = None) -> pd.Index:
    return pd.date_range(start, periods=n, freq=freq, tz=tz)


CASES = {
    "hourly": ("h", 24 * 14, [24, 168]),
    "half-hourly": ("30min", 48 * 14, [48, 336]),
    "quarter-hourly": ("15min", 96 * 14, [96, 672]),
    "hourly, years": ("h", 24 * 600, [24, 168, 8766]),
    "twelve-hourly": ("12h", 2 * 14, [2, 14]),
    "daily": ("D", 100, [7]),
    "daily, years": ("D", 600, [7, 365.25]),
    "business days": ("B", 100, [5]),
    "weekly": ("W-SUN", 100, [365.25 / 7]),
    "monthly": ("MS", 24, [12]),
    "month ends": ("ME", 24, [12]),
    "quarterly": ("QE", 12, [4]),
    "yearly": ("YS", 30, []),
    "too short": ("h", 35, []),
    "two days": ("h", 37, [24]),
}


@pytest.mark.parametrize("case", CASES)
def test_periods_are_those_that_everyone_uses(case: str) -> None:
    freq, n, expected = CASES[case]
    assert periods(panel(dates(freq, n))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("freq", ["h", "D", "B", "W-SUN", "MS", "ME", "QE"])
def test_a_shift_in_time_changes_no_period(freq: str) -> None:
    a, b = (
        periods(panel(dates(freq, 600, start))) for start in ("1990-03-05", "2011-11-23 05:00")
    )
    assert a == b


def test_numbers_have_no_calendar() -> None:
    p = panel(pd.Index(np.arange(1_000.0)))
    assert periods(p) == ()
    assert Calendar.of(p)(p.series[0].times).shape == (1_000, 0)
    with pytest.raises(ValueError, match="have no day"):
        length(Clock(), "day")


@pytest.mark.parametrize(("freq", "n", "cycle"), [("h", 72, 0), ("D", 60, 0)])
def test_features_turn_once_a_period(freq: str, n: int, cycle: int) -> None:
    p = panel(dates(freq, n))  # from a Monday, midnight
    calendar = Calendar.of(p)
    t = p.series[0].times
    angle = 2 * np.pi * t / calendar.periods[cycle]
    expected = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    assert np.allclose(calendar(t)[:, 2 * cycle : 2 * cycle + 2], expected, atol=1e-12)


def test_names_say_what_features_are() -> None:
    p = panel(dates("h", 24 * 14))
    assert Calendar.of(p).names == ("sin of day", "cos of day", "sin of week", "cos of week")


def test_the_first_of_january_is_phase_0_of_every_year() -> None:
    p = panel(dates("MS", 48))
    year = Calendar.of(p)(p.series[0].times)
    assert np.allclose(year[::12], [0, 1], atol=1e-12)
    assert np.allclose(np.hypot(*year.T), 1)


def test_eight_stays_eight_when_summer_time_ends() -> None:
    stamps = dates("h", 24 * 300, tz="Europe/Berlin")
    p = panel(stamps)
    day = Calendar.of(p)(p.series[0].times)[:, :2]
    eight = day[stamps.hour == 8]
    assert (eight == eight[0]).all()
    assert len(set(stamps[stamps.hour == 8].tz_convert("UTC").hour)) == 2


def test_features_are_of_stamps_and_not_of_the_clock() -> None:
    stamps = dates("h", 24 * 14)
    a, b = (Clock(stamps[0], pd.Timedelta(1, "h")), Clock(stamps[99], pd.Timedelta(7, "min")))
    one, two = (Calendar(c, ("day", "week", "year"))(c.numbers(stamps)) for c in (a, b))
    assert np.allclose(one, two, atol=1e-9)
