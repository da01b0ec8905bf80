"""Which layout a frame has, and covariates of the future."""

import numpy as np
import pandas as pd
import pytest

from unnoise.domains.timeseries.frames import Wide, covariates, layout_of

HOURS = pd.date_range("2024-03-30 20:00", periods=8, freq="h")
PATIENTS = Wide("hour", "id", ["a"], known=["dose"])


def test_the_layout_of_a_frame_is_seen() -> None:
    frame = pd.DataFrame({"a": np.arange(8.0), "b": 1}, index=HOURS)
    assert layout_of(frame) == Wide(targets=("a", "b"))
    column = frame.rename_axis("ts").reset_index()
    assert layout_of(column) == Wide("ts", targets=("a", "b"))
    assert layout_of(column.astype({"ts": str})) == Wide("ts", targets=("a", "b"))
    assert layout_of(column, known=["b"]) == Wide("ts", targets=("a",), known=["b"])
    assert layout_of(frame.set_axis(np.arange(8) * 0.5)) == Wide(targets=("a", "b"))
    assert layout_of(frame.set_axis(pd.Index(range(3, 19, 2), name="day"))) == Wide(
        targets=("a", "b")
    )
    assert layout_of(column[2:5]) == layout_of(column.set_axis(np.arange(8) * 0.5))
    assert layout_of(frame.set_axis(pd.Index([str(t) for t in HOURS]))) == layout_of(frame)
    days = column.assign(ts=list(pd.date_range("2024-01-01", periods=8).date))
    assert layout_of(days) == Wide("ts", targets=("a", "b"))
    named = column.assign(id="x")
    assert layout_of(named, item="id") == Wide("ts", "id", ("a", "b"))
    assert layout_of(named, targets=["a"]) == Wide("ts", None, ("a",))


def test_covariates_of_the_future_are_found_by_their_stamps() -> None:
    past = pd.DataFrame({"hour": [0.0, 3, 6, 0, 3], "id": list("pppqq"), "dose": 0, "a": 0.0})
    panel = PATIENTS.read(past)
    times = [np.array([3.0, 4.0]), np.array([2.0])]
    frame = pd.DataFrame(
        {"hour": [6, 12, 9, 99], "id": ["q", "p", "p", "q"], "dose": [3.0, 2, 1, 0]}
    )
    known = covariates(PATIENTS, frame, panel, times)
    assert [k.tolist() for k in known] == [[[1], [2]], [[3]]]
    with pytest.raises(
        ValueError, match="series 'p' has none at 12.0; the frame must cover all 2"
    ):
        covariates(PATIENTS, frame.drop(1), panel, times)
    with pytest.raises(ValueError, match="no rows of series 'q'"):
        covariates(PATIENTS, frame[frame["id"] == "p"], panel, times)
    with pytest.raises(ValueError, match="column 'dose': row 2 .* is missing"):
        covariates(PATIENTS, frame.replace({"dose": {1: np.nan}}), panel, times)
