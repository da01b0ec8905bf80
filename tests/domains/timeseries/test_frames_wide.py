"""Wide frames: read as a panel in any order of rows, written as they were."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.datasets
from numpy.typing import NDArray
from pandas.testing import assert_frame_equal

from unnoise.domains.timeseries.calendar import periods
from unnoise.domains.timeseries.frames import Wide, layout_of
from unnoise.domains.timeseries.future import future
from unnoise.domains.timeseries.panel import Panel

BERLIN = "Europe/Berlin"
HOURS = pd.date_range("2024-03-30 20:00", periods=8, freq="h")
INDEXES = {
    "dates": HOURS,
    "named": HOURS.rename("when"),
    "seconds": HOURS.as_unit("s"),
    "zone": HOURS.tz_localize("UTC").tz_convert(BERLIN),
    "periods": HOURS.to_period("h"),
    "months": pd.period_range("2024-01", periods=8, freq="M"),
    "business days": pd.date_range("2024-01-04", periods=8, freq="B"),
    "whole": pd.Index([3, 5, 7, 9, 11, 13, 15, 17]),
    "numbers": pd.Index([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]),
    "counts": pd.RangeIndex(8),
    "singles": pd.Index(np.arange(8, dtype=np.float32)),
    "text": pd.Index([str(t) for t in HOURS]),
}


def values(n: int = 8) -> dict[str, NDArray[np.float64]]:
    a = np.arange(1.0, n + 1)
    return {"a": np.where(np.arange(n) == 2, np.nan, a), "b": -a}


def patients() -> pd.DataFrame:
    """Two series of 3 and 2 stamps, rows shuffled, labels of rows not unique."""
    return pd.DataFrame(
        {
            "hour": [5.0, 1.0, 0.0, 7.5, 2.0],
            "id": ["p", "q", "p", "q", "p"],
            "dose": [50, 10, 0, 75, 20],
            "age": [60, 40, 60, 40, 60],
            "a": [3.0, np.nan, 1.0, 5.0, 2.0],
            "b": pd.array([3, 4, None, 5, 2], dtype="Int64"),
            "c": np.array([np.nan, 4, 1, 5, 2], np.float32),
        },
        index=[7, 7, 0, 1, 2],
    )


PATIENTS = Wide("hour", "id", ["a", "b", "c"], known=["dose"], static=["age"])


def ones(panel: Panel) -> list[NDArray[np.float64]]:
    return [np.full(s.values.shape, 9.25) for s in panel.series]


@pytest.mark.parametrize("kind", INDEXES)
def test_a_regular_index_has_times_0_1_2(kind: str) -> None:
    frame = pd.DataFrame(values(), index=INDEXES[kind])
    (series,) = Wide().read(frame).series
    assert series.name is None
    assert (series.times == np.arange(8)).all()
    assert np.array_equal(series.values, frame.to_numpy(), equal_nan=True)


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("kind", INDEXES)
def test_the_order_of_rows_does_not_matter(kind: str, column: bool) -> None:
    frame = pd.DataFrame(values(), index=INDEXES[kind])
    layout = Wide()
    if column:
        frame, layout = frame.rename_axis("ts").reset_index(), Wide("ts")
    shuffled = frame.iloc[[3, 1, 0, 7, 2, 6, 5, 4]]
    a, b = layout.read(frame), layout.read(shuffled)
    assert a.clock == b.clock
    assert np.array_equal(a.series[0].values, b.series[0].values, equal_nan=True)
    filled = layout.write(shuffled, b, [np.full((8, 2), 9.25)])
    assert_frame_equal(filled, shuffled.fillna({"a": 9.25}))


@pytest.mark.parametrize("kind", [k for k in INDEXES if k != "text"])
def test_new_times_go_on_as_the_index_does(kind: str) -> None:
    index = INDEXES[kind]
    frame = pd.DataFrame(values(), index=index)
    head, tail = frame.iloc[:5], frame.iloc[5:]
    panel = Wide().read(head)
    new = Wide().new(head, panel, future(panel, 3), [tail.to_numpy()])
    assert_frame_equal(new, tail, check_index_type=False)
    assert new.index.dtype == index.dtype
    if isinstance(index, pd.DatetimeIndex):
        assert new.index.freq == index.freq


@pytest.mark.parametrize("dtype", ["datetime64[s, Asia/Tokyo]", "timestamp[us, UTC][pyarrow]"])
def test_new_times_have_the_type_of_the_frame_that_asks(dtype: str) -> None:
    frame = pd.DataFrame(values(), index=INDEXES["zone"].rename("ts")).reset_index()
    panel = Wide("ts").read(frame)
    other = frame.astype({"ts": dtype})
    layout = Wide("ts")
    new = layout.new(other, panel, future(panel, 1), [np.zeros((1, 2))])
    assert new["ts"].dtype == dtype
    assert new["ts"][0] == INDEXES["zone"][-1] + pd.Timedelta(1, "h")
    assert layout.read(other, like=panel).series[0].times.tolist() == list(range(8))


def test_new_times_of_text_are_dates() -> None:
    frame = pd.DataFrame(values(), index=INDEXES["text"])
    panel = Wide().read(frame)
    new = Wide().new(frame, panel, future(panel, 2), [np.zeros((2, 2))])
    assert list(new.index) == list(pd.date_range(HOURS[-1], periods=3, freq="h")[1:])


def test_a_forecast_crosses_the_end_of_winter_time() -> None:
    full = pd.date_range("2024-03-25", periods=10, freq="D", tz=BERLIN)
    frame = pd.DataFrame({"a": np.arange(9.0)}, index=full[:9])
    panel = Wide().read(frame)
    new = Wide().new(frame, panel, future(panel, 1), [np.zeros((1, 1))])
    assert new.index.equals(full[9:])
    assert new.index.freq == "D"


def test_groups_of_unequal_length() -> None:
    panel = PATIENTS.read(patients())
    p, q = panel.series
    assert (p.name, q.name, panel.clock.origin, panel.clock.unit) == ("p", "q", 0.0, 3.0)
    assert (p.times * 3).tolist() == [0, 2, 5]
    assert (q.times * 3).tolist() == [1, 7.5]
    assert p.known[:, 0].tolist() == [0, 20, 50]
    assert (p.static.tolist(), q.static.tolist()) == ([60], [40])
    nan = np.nan
    assert np.array_equal(p.values, [[1, nan, 1], [2, 2, 2], [3, 3, nan]], equal_nan=True)
    assert np.array_equal(q.values, [[nan, 4, 4], [5, 5, 5]], equal_nan=True)


def test_only_holes_are_written() -> None:
    frame = patients()
    before = frame.copy()
    panel = PATIENTS.read(frame)
    filled = PATIENTS.write(frame, panel, ones(panel))
    assert_frame_equal(frame, before)
    expected = before.assign(
        a=[3.0, 9.25, 1.0, 5.0, 2.0],
        b=pd.array([3, 4, 9.25, 5, 2], dtype="Float64"),
        c=np.array([9.25, 4, 1, 5, 2], np.float32),
    )
    assert_frame_equal(filled, expected)


def test_nothing_to_write_changes_nothing() -> None:
    frame = patients()
    panel = PATIENTS.read(frame)
    assert_frame_equal(PATIENTS.write(frame, panel, [s.values for s in panel.series]), frame)


def test_new_times_of_groups() -> None:
    frame = patients()
    panel = PATIENTS.read(frame)
    times = [np.array([2.0, 3.0]), np.array([4.0])]
    new = PATIENTS.new(frame, panel, times, [np.ones((2, 3)), np.full((1, 3), 2.0)])
    expected = pd.DataFrame(
        {
            "hour": [6.0, 9.0, 12.0],
            "id": ["p", "p", "q"],
            "a": [1.0, 1.0, 2.0],
            "b": [1.0, 1.0, 2.0],
            "c": np.array([1, 1, 2], np.float32),
        }
    )
    assert_frame_equal(new, expected)


def test_stamps_as_index_and_names_of_series_as_a_column() -> None:
    frame = patients().set_index("hour")
    layout = Wide(None, "id", ["a"])
    panel = layout.read(frame)
    new = layout.new(frame, panel, [np.array([2.0]), np.array([4.0])], [np.ones((1, 1))] * 2)
    expected = pd.DataFrame(
        {"id": ["p", "q"], "a": [1.0, 1.0]}, index=pd.Index([6.0, 12.0], name="hour")
    )
    assert_frame_equal(new, expected)


@pytest.mark.parametrize("dtype", ["category", "string", "object"])
def test_names_of_series_keep_their_type(dtype: str) -> None:
    frame = patients().astype({"id": dtype})
    panel = PATIENTS.read(frame)
    new = PATIENTS.new(frame, panel, [np.zeros(1)] * 2, [np.zeros((1, 3))] * 2)
    assert new["id"].dtype == frame["id"].dtype
    assert list(new["id"]) == ["p", "q"]


def test_quantiles_have_a_column_each() -> None:
    frame = pd.DataFrame(values(), index=HOURS.rename("when"))
    panel = Wide().read(frame)
    cube = np.arange(2 * 3 * 2, dtype=float).reshape(2, 3, 2)  # levels, times, channels
    out = Wide().quantiles(frame, panel, future(panel, 3), [cube], [0.1, 0.9])
    assert out.columns.names == ["channel", "quantile"]
    assert np.array_equal(out["a"][0.1], cube[0, :, 0])
    assert np.array_equal(out["b"][0.9], cube[1, :, 1])
    assert out.index.equals(pd.date_range(HOURS[-1], periods=4, freq="h")[1:])
    assert out.index.name == "when"


def test_quantiles_of_groups_have_keys_as_their_index() -> None:
    frame = patients()
    panel = PATIENTS.read(frame)
    cubes = [np.full((1, 2, 3), 1.0), np.full((1, 1, 3), 2.0)]
    out = PATIENTS.quantiles(frame, panel, [np.array([2.0, 3]), np.array([4.0])], cubes, [0.5])
    assert out.index.names == ["id", "hour"]
    assert out.loc[("q", 12.0), ("a", 0.5)] == 2
    assert out.shape == (3, 3)


def test_samples_are_one_level_more() -> None:
    frame = patients()
    panel = PATIENTS.read(frame)
    each = [[v + s for v in ones(panel)] for s in range(3)]
    samples = [np.stack(v) for v in zip(*each, strict=True)]
    out = PATIENTS.draws(frame, panel, samples)
    assert out.index.names[0] == "sample"
    assert_frame_equal(out.loc[2], PATIENTS.write(frame, panel, each[2]))
    assert out.reset_index("sample")["sample"].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    times = [s.times + 9 for s in panel.series]
    out = PATIENTS.new_draws(frame, panel, times, samples)
    assert_frame_equal(out.loc[1], PATIENTS.new(frame, panel, times, each[1]))


def test_the_truth_in_its_holes_makes_a_frame_whole() -> None:
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "ts": pd.Timestamp("2024-01-01", tz=BERLIN) + pd.to_timedelta(rng.permutation(n), "D"),
            "id": rng.choice(["u", "v", "w"], n),
            "y": rng.normal(size=n).astype(np.float32),
        },
        index=rng.integers(0, 50, n),
    )
    layout = layout_of(frame, item="id")
    panel = layout.read(frame)
    holes = frame.copy()
    holes["x"] = frame["x"].where(rng.random(n) < 0.5)
    holes["y"] = frame["y"].where(rng.random(n) < 0.5)
    assert_frame_equal(layout.write(holes, panel, [s.values for s in panel.series]), frame)


def test_the_weekly_carbon_dioxide_of_mauna_loa() -> None:
    co2 = statsmodels.datasets.co2.load_pandas().data
    layout = layout_of(co2)
    panel = layout.read(co2)
    (series,) = panel.series
    assert (series.times == np.arange(2_284)).all()
    assert np.isnan(series.values).sum() == 59
    assert periods(panel) == pytest.approx([365.25 / 7])
    new = layout.new(co2, panel, future(panel, 2), [np.zeros((2, 1))])
    assert [str(t.date()) for t in new.index] == ["2002-01-05", "2002-01-12"]
    assert new.index.freq == co2.index.freq


def test_another_frame_is_read_on_the_clock_of_training() -> None:
    frame = pd.DataFrame(values(), index=HOURS)
    panel = Wide().read(frame.iloc[:5])
    later = frame.iloc[[7, 5]][["b", "a"]].assign(extra="?")
    (series,) = Wide().read(later, like=panel).series
    assert series.times.tolist() == [5, 7]
    assert series.values.tolist() == [[6, -6], [8, -8]]


def test_truth_values_may_be_covariates() -> None:
    frame = pd.DataFrame(values(), index=HOURS).assign(holiday=HOURS.hour == 23)
    (series,) = Wide(known=["holiday"]).read(frame).series
    assert series.known[:, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
