"""Long frames: a row a measurement, irregular times for every channel."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from unnoise.domains.timeseries.frames import Long, Wide

NAN = np.nan


def stays() -> pd.DataFrame:
    """Two stays; the second measures less, at other times; a row without value asks for it."""
    return pd.DataFrame(
        {
            "what": ["HR", "pH", "HR", "HR", "pH", "HR"],
            "value": [80.0, 7.4, NAN, 90.0, 7.1, 70.0],
            "stay": [2, 2, 2, 1, 2, 1],
            "hours": [0.5, 0.5, 3.0, 4.0, 2.0, 1.0],
            "age": [61, 61, 61, 33, 61, 33],
        },
        index=list("abcdef"),
    )


STAYS = Long("hours", "what", "value", item="stay", static=["age"])


def test_the_axis_is_the_union_of_the_channels_times() -> None:
    panel = STAYS.read(stays())
    two, one = panel.series
    assert panel.channels == ("HR", "pH")
    assert (two.name, one.name) == (2, 1)
    hours = [panel.clock.stamps(s.times).tolist() for s in panel.series]
    assert hours == [[0.5, 2.0, 3.0], [1.0, 4.0]]
    assert np.array_equal(two.values, [[80, 7.4], [NAN, 7.1], [NAN, NAN]], equal_nan=True)
    assert np.array_equal(one.values, [[70, NAN], [90, NAN]], equal_nan=True)
    assert (two.static.tolist(), one.static.tolist()) == ([61], [33])


def test_a_long_frame_is_a_wide_one() -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(
        rng.normal(size=(30, 3)),
        index=pd.date_range("2024-01-01", periods=30, freq="B", name="ts"),
        columns=["a", "b", "c"],
    )
    long = wide.reset_index().melt("ts", var_name="which", value_name="x")
    shuffled = long.sample(frac=1, random_state=1)
    a = Wide().read(wide)
    b = Long("ts", "which", "x").read(shuffled, like=a)
    c = Long("ts", "which", "x").read(long)
    assert (a.series[0].values == b.series[0].values).all()
    assert c.channels == a.channels
    assert c.clock == a.clock


def test_only_rows_without_a_value_are_written() -> None:
    frame = stays()
    panel = STAYS.read(frame)
    values = [np.arange(6.0).reshape(3, 2), np.full((2, 2), -1.0)]
    filled = STAYS.write(frame, panel, values)
    assert_frame_equal(filled, frame.fillna({"value": 4.0}))  # the third time of stay 2, HR


def test_new_times_have_a_row_for_every_channel() -> None:
    frame = stays().astype({"value": np.float32, "what": "category"})
    panel = STAYS.read(frame)
    times = [panel.clock.numbers(np.array(t)) for t in ([5.0, 6.0], [7.0])]
    new = STAYS.new(frame, panel, times, [np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6]])])
    expected = pd.DataFrame(
        {
            "what": pd.Categorical(["HR", "pH"] * 3),
            "value": np.arange(1, 7, dtype=np.float32),
            "stay": [2, 2, 2, 2, 1, 1],
            "hours": [5.0, 5, 6, 6, 7, 7],
        }
    )
    assert_frame_equal(new, expected)


def test_what_is_new_is_read_as_it_was_written() -> None:
    frame = stays()
    panel = STAYS.read(frame)
    layout = Long("hours", "what", "value", item="stay")
    written = layout.new(
        frame, panel, [s.times for s in panel.series], [s.values for s in panel.series]
    )
    again = layout.read(written, like=panel)
    for s, r in zip(panel.series, again.series, strict=True):
        assert (s.times == r.times).all()
        assert np.array_equal(s.values, r.values, equal_nan=True)


def test_stamps_may_be_the_index() -> None:
    frame = stays().set_index("hours")
    layout = Long(None, "what", "value", item="stay")
    panel = layout.read(frame)
    new = layout.new(frame, panel, [np.zeros(1)] * 2, [np.array([[1.0, 2]])] * 2)
    assert new.index.tolist() == [0.5] * 4
    assert new.index.name == "hours"
    assert list(new.columns) == ["what", "value", "stay"]


def test_quantiles_have_a_column_a_level() -> None:
    frame = stays()
    panel = STAYS.read(frame)
    times = [panel.clock.numbers(np.array([5.0])), panel.clock.numbers(np.array([7.0]))]
    cubes = [np.array([[[1.0, 2]], [[3, 4]]]), np.array([[[5.0, 6]], [[7, 8]]])]
    out = STAYS.quantiles(frame, panel, times, cubes, [0.1, 0.9])
    assert out.index.names == ["stay", "hours", "what"]
    assert out.columns.tolist() == [0.1, 0.9]
    assert out.loc[(2, 5.0, "pH")].tolist() == [2, 4]
    assert out.loc[(1, 7.0, "HR")].tolist() == [5, 7]


def test_channels_of_training_stay() -> None:
    panel = STAYS.read(stays())
    few = stays()[lambda f: f["what"] == "pH"]
    again = STAYS.read(few, like=panel)
    assert again.channels == ("HR", "pH")
    assert np.isnan(again.series[0].values[:, 0]).all()
    with pytest.raises(
        ValueError, match=r"column 'what': row 1 \(label b\) has 'SpO2', .* channels 'HR', 'pH'"
    ):
        STAYS.read(stays().replace({"what": {"pH": "SpO2"}}), like=panel)


def test_one_channel_has_one_value_a_stamp() -> None:
    frame = stays()
    frame.loc["e", "hours"] = 0.5
    with pytest.raises(
        ValueError,
        match=r"'hours': row 1 \(label b\) and row 4 \(label e\) have the same stamp 0.5 of series 2, channel 'pH'; drop one",
    ):
        STAYS.read(frame)


def test_a_row_names_a_channel_and_a_series() -> None:
    with pytest.raises(ValueError, match="column 'what': row 0 .* has None, which is none of"):
        STAYS.read(stays().assign(what=[None, "pH", "HR", "HR", "pH", "HR"]))
    with pytest.raises(ValueError, match="column 'stay': row 1 .* names no series"):
        STAYS.read(stays().assign(stay=[2, NAN, 2, 1, 2, 1]))


def test_covariates_agree() -> None:
    with pytest.raises(ValueError, match=r"'age': row 0 .* has 60, .* of one series has 61"):
        STAYS.read(stays().assign(age=[60, 61, 61, 33, 61, 33]))
    layout = Long("hours", "what", "value", "stay", known=["age"])
    with pytest.raises(ValueError, match=r"'age': row 0 .* has 60, .* of one stamp has 61"):
        layout.read(stays().assign(age=[60, 61, 61, 33, 61, 33]))
