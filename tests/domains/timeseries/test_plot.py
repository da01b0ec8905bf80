"""Figures of answers: what they show is what was drawn, and where it was."""

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unnoise.domains.timeseries.answer import Ahead, Filled
from unnoise.domains.timeseries.frames import Wide
from unnoise.domains.timeseries.plot import BANDS, beside, calibration, fan, gaps

Array = NDArray[np.float64]


def frame(rooms: int = 2, n: int = 30) -> pd.DataFrame:
    """Rooms with two channels, an hour between rows, and holes in the first channel."""
    rng = np.random.default_rng(0)
    stamps = pd.date_range("2026-03-01", periods=n, freq="h")
    parts = [
        pd.DataFrame({"room": f"r{k}", "ts": stamps, "a": rng.normal(size=n), "b": 1.0 * k})
        for k in range(rooms)
    ]
    out = pd.concat(parts, ignore_index=True)
    out.loc[[3, 10, 11, 12], "a"] = np.nan
    return out


def ahead(rooms: int = 2, horizon: int = 4, samples: int = 9) -> Ahead:
    table, layout = frame(rooms), Wide("ts", "room")
    panel = layout.read(table)
    rng = np.random.default_rng(1)
    times = [s.times[-1] + np.arange(1.0, horizon + 1) for s in panel.series]
    return Ahead(
        layout, table, panel, times, [rng.normal(size=(samples, horizon, 2)) for _ in times]
    )


def filled(table: pd.DataFrame, layout: Wide, samples: int = 9) -> Filled:
    panel = layout.read(table)
    rng = np.random.default_rng(1)
    arrays = [
        np.where(np.isnan(s.values), rng.normal(size=(samples, *s.values.shape)), s.values)
        for s in panel.series
    ]
    return Filled(layout, table, panel, [s.times for s in panel.series], arrays)


def line(axes: Axes, label: str) -> tuple[NDArray[np.generic], Array]:
    """What a line shows; dates as pandas has them."""
    (found,) = (each for each in axes.lines if each.get_label() == label)
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata(), np.float64)


def bands(axes: Axes) -> list[tuple[Array, Array]]:
    """The lower and the upper edges of the bands, as they are drawn."""
    out = []
    for each in axes.collections:
        assert isinstance(each, PolyCollection)
        points = np.asarray(each.get_paths()[0].vertices)
        x = np.unique(points[:, 0])
        edges = np.array([[points[points[:, 0] == t, 1].min(), points[points[:, 0] == t, 1].max()] for t in x])  # fmt: skip
        out.append((edges[:, 0], edges[:, 1]))
    return out


def test_a_fan_shows_the_quantiles_at_their_stamps() -> None:
    answer = ahead()
    figure = fan(answer)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["a, r0", "b, r0", "a, r1", "b, r1"]
    for k, axes in enumerate(figure.axes):
        draws = answer.arrays[k // 2][:, :, k % 2]
        for (low, high), level in zip(bands(axes), BANDS, strict=True):
            ends = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
            np.testing.assert_allclose([low, high], ends, rtol=0, atol=1e-12)
        x, median = line(axes, "median")
        assert np.array_equal(median, np.median(draws, axis=0))
        expected = pd.date_range("2026-03-02 06:00", periods=4, freq="h")
        assert np.array_equal(x, expected.to_numpy())


def test_a_fan_shows_as_much_past_as_is_asked_for_with_its_holes() -> None:
    answer = ahead(rooms=1)
    values = answer.panel.series[0].values[:, 0]
    assert np.array_equal(line(fan(answer).axes[0], "known")[1], values[-12:])
    x, y = line(fan(answer, past=28).axes[0], "known")
    assert np.array_equal(y, values[-28:], equal_nan=True)
    assert np.isnan(y).sum() == 4
    assert x[-1] == np.datetime64("2026-03-02 05:00")


def test_the_truth_is_drawn_where_it_was() -> None:
    answer = ahead(rooms=1)
    truth = np.arange(8.0).reshape(4, 2)
    figure = fan(answer, [truth])
    for c, axes in enumerate(figure.axes):
        assert np.array_equal(line(axes, "truth")[1], truth[:, c])
    with pytest.raises(ValueError, match=r"truth: that of series 'r0' has shape \(3, 2\)"):
        fan(answer, [truth[1:]])


def test_panels_that_have_no_place_are_counted() -> None:
    figure = fan(ahead(rooms=4), most=3)
    assert len(figure.axes) == 3
    assert figure.axes[-1].get_title(loc="right") == "and 5 more"
    with pytest.raises(ValueError, match=r"needs at least 1 panel, got 0"):
        fan(ahead(), most=0)


def test_bands_of_gaps_close_where_a_value_is_known() -> None:
    answer = filled(frame(), Wide("ts", "room"))
    (axes,) = gaps(answer).axes  # the one channel and series that has gaps
    assert axes.get_title(loc="left") == "a, r0"
    values = answer.panel.series[0].values[:, 0]
    known = ~np.isnan(values)
    for low, high in bands(axes):
        assert np.array_equal(low == high, known)
        np.testing.assert_allclose(low[known], values[known], rtol=0, atol=1e-12)
    assert np.array_equal(line(axes, "known")[1], values, equal_nan=True)


def test_of_a_long_series_the_stretch_with_most_gaps_is_shown() -> None:
    table = pd.DataFrame({"t": np.arange(1000.0), "a": np.sin(np.arange(1000.0))})
    table.loc[[5, *range(620, 640), 900], "a"] = np.nan
    (axes,) = gaps(filled(table, Wide("t")), points=20).axes
    x, y = line(axes, "known")
    assert np.array_equal(x, np.arange(620.0, 640.0))
    assert np.isnan(y).all()


def test_a_frame_without_gaps_is_shown_as_it_is() -> None:
    table = pd.DataFrame({"t": np.arange(9.0), "a": np.arange(9.0), "b": 0.5})
    figure = gaps(filled(table, Wide("t")))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    assert np.array_equal(line(figure.axes[0], "known")[1], np.arange(9.0))


def test_stamps_are_those_on_the_wall() -> None:
    table = frame(1).set_index("ts").tz_localize("America/New_York").drop(columns="room")
    layout = Wide()
    panel = layout.read(table)
    times = panel.series[0].times[-1] + np.arange(1.0, 3.0)
    answer = Ahead(layout, table, panel, [times], [np.zeros((5, 2, 2))])
    (first, *_), _ = line(fan(answer).axes[0], "median")
    assert first == np.datetime64("2026-03-02 06:00")
    assert isinstance(fan(answer).axes[0].xaxis.get_major_locator(), mdates.AutoDateLocator)


def ranked(per: int) -> tuple[Array, Array]:
    """Nine samples 1..9 of every entry, and a truth in each of the ten gaps between, equally often."""
    truth = np.tile(np.arange(10) + 0.5, per)
    return np.repeat(np.arange(1.0, 10.0)[:, None], len(truth), 1), truth


def test_a_right_law_is_flat_and_on_the_diagonal() -> None:
    samples, truth = ranked(40)
    figure = calibration(samples, truth, np.random.default_rng(0))
    left, right = figure.axes
    heights = [patch.get_height() for patch in left.patches[1:]]  # type: ignore[attr-defined]
    assert len(heights) == 10
    np.testing.assert_allclose(heights, 1.0, rtol=0, atol=1e-9)
    level, inside = (np.asarray(v, np.float64) for v in right.lines[1].get_data())
    even = np.isclose(level * 5 % 1, 0) | np.isclose(level * 5 % 1, 1)  # whole bins on both sides
    np.testing.assert_allclose(inside[even], level[even], rtol=0, atol=1e-9)


def test_a_law_that_is_too_narrow_is_below_the_diagonal() -> None:
    samples, truth = ranked(10)
    figure = calibration(5 + 0.1 * (samples - 5), truth, np.random.default_rng(0))
    level, inside = (np.asarray(v, np.float64) for v in figure.axes[1].lines[1].get_data())
    middle = (level > 0.05) & (level < 0.95)
    assert (inside[middle] < level[middle]).all()


def test_windows_stand_beside_each_other_on_one_scale() -> None:
    rng = np.random.default_rng(0)
    made, real = rng.normal(size=(20, 7, 3)), 9 * rng.normal(size=(5, 7, 3))
    figure = beside(made, real, 2.0 * np.arange(7), ["u", "v", "w"], paths=4, most=2)
    assert len(figure.axes) == 4
    for k, axes in enumerate(figure.axes):
        x = (real, made)[k % 2][:4, :, k // 2]
        shown = np.array([each.get_ydata() for each in axes.lines])
        assert np.array_equal(shown, x)
        assert np.array_equal(axes.lines[0].get_xdata(), 2.0 * np.arange(7))
    assert [figure.axes[k].get_ylabel() for k in (0, 2)] == ["u", "v"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    with pytest.raises(ValueError, match=r"got \(20, 7, 3\) and \(5, 6, 3\)"):
        beside(made, real[:, 1:])


@pytest.mark.parametrize("make", [lambda: fan(ahead()), lambda: gaps(filled(frame(), Wide("ts", "room")))])  # fmt: skip
def test_figures_can_be_drawn(make: object) -> None:
    """Without a warning, which would be an error here."""
    figure = make()  # type: ignore[operator]
    assert isinstance(figure, Figure)
    figure.canvas.draw()
