"""What tasks of time series ask: everything that is hidden once, and nothing that training has seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from unnoise.data import Aqi36, PhysionetGrid
from unnoise.domains.timeseries.frames import Wide
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.patterns import Points
from unnoise.domains.timeseries.problem import Exam, standard_of
from unnoise.domains.timeseries.tasks.common import covering
from unnoise.domains.timeseries.tasks.forecasting import Horizon, forecasts
from unnoise.domains.timeseries.tasks.imputation import (
    LONGEST,
    beijing,
    held_out,
    hidden_stretches,
    intensive,
)

RNG = np.random.default_rng
CUT = Horizon(4, 8, 3, 1, season=20, recent=10, cycles=1)


def series(points: int, channels: int = 2) -> Series:
    """Every value is the number of its entry."""
    values = np.arange(points * channels, dtype=float).reshape(points, channels)
    return Series(None, np.arange(points, dtype=float), values, np.zeros((points, 0)))


def asked_values(exam: Exam) -> list[float]:
    """In order."""
    return sorted(exam.values[exam.asked])


@pytest.mark.parametrize("points", [3, 4, 8, 10, 11])
def test_windows_ask_for_each_hidden_entry_once_and_never_give_it(points: int) -> None:
    one = series(points)
    hidden = RNG(0).random(one.values.shape) < 0.5
    rows = covering([one], [hidden], 4)
    asked = np.concatenate([part.values[wanted] for part, wanted, _ in rows])
    assert sorted(asked) == one.values[hidden].tolist()
    given = [part.values[told] for part, _, told in rows]
    assert set(np.concatenate(given)) == set(one.values[~hidden])


def test_a_window_that_reaches_back_is_given_what_the_one_before_was() -> None:
    one = series(6, 1)
    hidden = np.array([[0], [0], [1], [0], [0], [1]], dtype=bool)
    (_, *first), (_, *last) = covering([one], [hidden], 4)
    assert [w[:, 0].tolist() for w in first] == [[0, 0, 1, 0], [1, 1, 0, 1]]
    assert [w[:, 0].tolist() for w in last] == [[0, 0, 0, 1], [0, 1, 1, 0]]


def test_an_exam_is_of_unknown_entries_with_a_known_truth() -> None:
    one, units = series(3, 1), standard_of(series(3, 1).values)
    yes, no = np.ones((3, 1), dtype=bool), np.zeros((3, 1), dtype=bool)
    with pytest.raises(ValueError, match="the series: an entry is both asked for and given"):
        Exam.of([one], [yes], [yes], units)
    void = Series(None, one.times, np.full((3, 1), np.nan), one.known)
    with pytest.raises(ValueError, match="an entry is asked for whose truth is unknown"):
        Exam.of([void], [yes], [no], units)


def test_padding_is_neither_asked_for_nor_given() -> None:
    one, units = series(3, 1), standard_of(series(3, 1).values)
    yes, no = np.ones((3, 1), dtype=bool), np.zeros((3, 1), dtype=bool)
    exam = Exam.of([one], [yes], [no], units, 5)
    assert exam.asked[0, :, 0].tolist() == [True] * 3 + [False] * 2
    assert not exam.given.any()


def test_a_part_of_an_exam_is_spread_over_it() -> None:
    yes = np.ones((4, 1), dtype=bool)
    rows = covering([series(40, 1)], [np.repeat(yes, 10, 0)], 4)
    exam = Exam.of(*zip(*rows, strict=True), standard_of(series(40, 1).values))
    assert exam.first(4).values[:, 0, 0].tolist() == [0, 12, 24, 36]
    assert exam.first(None) is exam
    assert exam.first(99) is exam


def test_forecasts_are_of_the_end_and_training_ends_before_validation() -> None:
    frame = pd.DataFrame({"a": np.arange(80.0)}, index=pd.date_range("2020", periods=80, freq="h"))
    data = forecasts(frame, Wide(), CUT, "a ramp")
    assert asked_values(data.test) == list(range(68, 80))
    assert asked_values(data.valid) == list(range(56, 68))
    assert data.train.coords is not None
    assert data.train.coords.max() == 55
    known = data.units.decode(data.train.x.double().numpy())
    assert known.max() == pytest.approx(55, abs=1e-4)
    for exam, start in ((data.test, 68), (data.valid, 56)):
        assert exam.seen[:, 7, 0].tolist() == [start - 1, start + 3, start + 7]
        assert np.isnan(exam.seen[:, 8:]).all()


def test_rivals_are_given_all_that_came_before() -> None:
    frame = pd.DataFrame({"a": np.arange(80.0)}, index=pd.date_range("2020", periods=80, freq="h"))
    data = forecasts(frame, Wide(), CUT, "a ramp")
    naive = data.rivals["seasonal naive"].draw(data.test, 2, RNG(0))  # 20 back, of a context of 8
    assert naive[1, :, 8:, 0].tolist() == [
        [origin + h - 20 for h in range(4)] for origin in (68, 72, 76)
    ]
    few = data.rivals["last value"].draw(data.test.first(2), 2, RNG(0))
    assert few[0, :, 8:, 0].tolist() == [[67] * 4, [75] * 4]


def test_rivals_bridge_gaps_by_lines() -> None:
    values = np.arange(80.0)
    values[60:68] = np.nan
    frame = pd.DataFrame({"a": values}, index=pd.date_range("2020", periods=80, freq="h"))
    data = forecasts(frame, Wide(), CUT, "a ramp")
    last = data.rivals["last value"].draw(data.test.first(1), 2, RNG(0))
    assert last[0, 0, 8:, 0].tolist() == [59] * 4  # nothing is known after: no line leads there
    naive = data.rivals["seasonal naive"].draw(data.test, 2, RNG(0))
    assert naive[0, -1, 8:, 0].tolist() == pytest.approx([56, 57, 58, 59])
    assert data.valid.asked.sum() == 4  # of 12, 8 are unknown


def test_months_of_beijing_are_of_one_part_each() -> None:
    hours = pd.date_range("2014-05-01", "2015-04-30 22:00", freq="h")
    values = RNG(0).random((len(hours), 2))
    values[RNG(1).random(values.shape) < 0.1] = np.nan
    truth = pd.DataFrame(values, hours, columns=["x", "y"])
    given = truth.mask(RNG(2).random(values.shape) < 0.1)
    found = Aqi36(truth, given, pd.DataFrame())
    data = beijing(found)
    for name, exam in (("test", data.test), ("valid", data.valid)):
        wanted = values[found.held_out & found.parts[name][:, None]]
        assert asked_values(exam) == sorted(wanted)
    month = {
        name: set(hours[np.unique(t).astype(int)].month)
        for name, t in (("train", data.train.coords), ("test", data.test.times))
    }
    assert month == {"train": {2, 4, 5, 7, 8, 10, 11}, "test": {3, 6, 9, 12}}
    jumps = np.diff(np.asarray(data.train.coords)) != 1
    assert not jumps.any()  # no window reaches into another month


def test_stays_are_of_one_part_each_and_scored_as_published() -> None:
    values = 5 + 2 * RNG(0).standard_normal((40, 48, 35))
    values[RNG(1).random(values.shape) < 0.5] = np.nan
    grid = PhysionetGrid(np.arange(40), values)
    data = intensive(grid, 50)
    parts, hidden = grid.parts(), grid.hidden(0.5)
    assert len(data.train) == 28
    assert asked_values(data.test) == sorted(values[parts["test"]][hidden[parts["test"]]])
    known = data.units.decode(data.train.x.double().numpy())[np.asarray(data.train.mask)]
    own = values[parts["train"]]
    np.testing.assert_allclose(np.sort(known), np.sort(own[~np.isnan(own)]), atol=1e-4)
    z = data.judged(values).reshape(-1, 35)
    np.testing.assert_allclose(np.nanmean(z, 0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(z, 0), 1)


def test_training_never_has_what_is_held_out_of_its_series() -> None:
    panel = Panel([series(20)], ("a", "b"))
    u = RNG(0).random((20, 2))
    test, valid = u < 0.2, (u >= 0.2) & (u < 0.3)
    data = held_out(panel, [test], [valid], 6, 1, Points(), "numbers")
    entries = panel.series[0].values
    known = data.units.decode(data.train.x.double().numpy())[np.asarray(data.train.mask)]
    assert set(known.round().tolist()) == set(entries[~test & ~valid])
    assert asked_values(data.test) == entries[test].tolist()
    assert asked_values(data.valid) == entries[valid].tolist()
    for exam in (data.test, data.valid):
        assert set(exam.values[exam.given]) <= set(entries[~test & ~valid])


def test_stretches_hide_the_share_of_every_channel_that_was_asked() -> None:
    values = np.ones((2_000, 3))
    values[:1_000, 1] = np.nan
    hidden = hidden_stretches(values, 0.1, RNG(0))
    assert not hidden[np.isnan(values)].any()
    count = hidden.sum(0)
    assert (count >= [200, 100, 200]).all()
    assert (count < np.array([200, 100, 200]) + LONGEST).all()
    starts: NDArray[np.int64] = np.diff(hidden.astype(int), axis=0, prepend=0) == 1
    mean = count.sum() / starts.sum()
    assert 8 < mean < 20  # 12.5, and more where two meet
