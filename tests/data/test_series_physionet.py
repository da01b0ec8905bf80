"""Intensive care: its record, the grid of CSDI, and figures of baselines measured before."""

from __future__ import annotations

import io
import math
import re
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from unnoise.data import (
    SOURCES,
    DataError,
    Physionet2012,
    PhysionetGrid,
    load_physionet2012,
    locate,
)
from unnoise.data.series_physionet import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable

    StandIn = Callable[..., None]


@pytest.fixture(scope="module")
def care() -> Physionet2012:
    """All stays, read once."""
    if locate(SOURCES["physionet2012"]) is None:
        pytest.skip("physionet2012 is not in $UNNOISE_DATA, and tests do not download")
    return load_physionet2012(quiet=True)


@pytest.fixture(scope="module")
def grid(care: Physionet2012) -> PhysionetGrid:
    return care.grid()


def test_intensive_care(care: Physionet2012) -> None:
    measured, static = care.measured, care.static
    assert list(measured.columns) == ["stay", "hours", "channel", "value"]
    assert tuple(measured["channel"].cat.categories) == CHANNELS
    assert measured["hours"].between(0, 48).all()
    assert not measured.duplicated(["stay", "hours", "channel"]).any()
    assert measured["stay"].nunique() == 3997 and len(static) == 4000
    ordered = measured["stay"].to_numpy() * 100 + measured["hours"].to_numpy()
    assert (np.diff(ordered) >= 0).all()
    assert measured.groupby("stay")["hours"].nunique().median() == pytest.approx(72, abs=1)
    assert static["ICUType"].isin([1, 2, 3, 4]).all()
    assert static["Age"].between(15, 90).all()
    assert static["Gender"].isin([0, 1]).sum() == 3997
    assert static.loc[132539, "Age"] == 54 and math.isnan(static.loc[132539, "Height"])


def test_the_grid_is_that_of_csdi(grid: PhysionetGrid) -> None:
    assert grid.values.shape == (3997, 48, 35)
    assert np.isnan(grid.values).mean() == pytest.approx(0.805, abs=5e-4)
    # 130,694 values are hidden in fold 1 at one half, says the log of another code (CSBI).
    hidden, parts = grid.hidden(0.5), grid.parts(fold=1)
    assert hidden[parts["test"]].sum() == 130694
    assert not np.isnan(grid.values[hidden]).any()
    assert [len(parts[part]) for part in ("train", "valid", "test")] == [2797, 401, 799]
    assert sorted(np.concatenate([*parts.values()])) == [*range(3997)]
    folds = np.concatenate([grid.parts(fold=fold)["test"] for fold in range(5)])
    assert sorted(folds) == [*range(3997)]


def interpolated(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Straight lines between given values, constant outside them, 0 without any."""
    filled = np.zeros_like(values)
    times = np.arange(values.shape[1])
    for stay, channel in np.argwhere(given.any(1)):
        seen = given[stay, :, channel]
        filled[stay, :, channel] = np.interp(times, times[seen], values[stay, seen, channel])
    return filled


def test_baselines_on_the_grid_are_those_measured(
    grid: PhysionetGrid, care: Physionet2012
) -> None:
    """Mean .708, last value .432, linear .370, linear at one half .414.

    They were measured with the 4,000 stays shuffled, rather than the 3,997 that CSDI shuffles.
    """
    whole = PhysionetGrid(care.static.index.to_numpy(), np.empty((0,)))
    tested = np.flatnonzero(np.isin(grid.stays, whole.stays[whole.parts()["test"]]))
    mean = np.nanmean(grid.values, axis=(0, 1))
    scale = np.nanstd(grid.values, axis=(0, 1))
    z = (grid.values[tested] - mean) / scale
    for ratio, expected in ((0.1, 0.370), (0.5, 0.414)):
        hidden = grid.hidden(ratio)[tested]
        given = ~np.isnan(z) & ~hidden
        error = np.abs(interpolated(z, given) - z)[hidden].mean()
        assert error == pytest.approx(expected, abs=5.5e-4)
    hidden = grid.hidden(0.1)[tested]
    assert np.abs(z[hidden]).mean() == pytest.approx(0.708, abs=5.5e-4)
    stay, hour, channel = np.indices(z.shape)
    seen = ~np.isnan(z) & ~hidden
    latest = np.maximum.accumulate(np.where(seen, hour, -1), axis=1)
    latest = np.where(latest < 0, seen.argmax(1)[:, None], latest)  # the first, before it
    last = np.where(seen.any(1)[:, None], z[stay, latest, channel], 0)
    assert np.abs(last - z)[hidden].mean() == pytest.approx(0.432, abs=5.5e-4)


FIRST = "Time,Parameter,Value\n00:00,RecordID,{}\n00:00,Age,54\n00:00,Gender,-1\n00:00,HR,70\n"
LATER = "01:10,HR,80\n01:50,HR,81\n01:50,HR,82\n02:00,Weight,66\n47:59,pH,7.4\n48:00,pH,7.5\n"


def stays(stand_in: StandIn, **texts: str) -> None:
    """Puts files of stays there, packed; a keyword is a letter and the number."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        for name, text in texts.items():
            info = tarfile.TarInfo(f"set-a/{name[1:]}.txt")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    stand_in("physionet2012", buffer.getvalue())


def test_small_stays(stand_in: StandIn) -> None:
    empty = FIRST.format(9).replace("00:00,HR,70\n", "")
    stays(stand_in, s12=FIRST.format(12) + LATER, s7=FIRST.format(7), s9=empty)
    care = load_physionet2012()
    assert care.static.index.tolist() == [7, 9, 12]
    assert care.static["Age"].tolist() == [54] * 3
    assert care.static[["Gender", "Height", "ICUType", "Weight"]].isna().all(axis=None)
    own = care.measured[care.measured["stay"] == 12]
    assert own["hours"].tolist() == [0, 70 / 60, 110 / 60, 47 + 59 / 60, 48]
    assert own["value"].tolist() == [70, 80, 82, 7.4, 7.5]
    assert own["channel"].tolist() == ["HR", "HR", "HR", "pH", "pH"]
    grid = care.grid()
    assert grid.stays.tolist() == [7, 12]
    rate, acid = CHANNELS.index("HR"), CHANNELS.index("pH")
    assert grid.values[1, :2, rate].tolist() == [70, 82]
    assert grid.values[1, 47, acid] == 7.4
    assert (~np.isnan(grid.values)).sum() == 4


def test_hidden_values_of_each_stay(stand_in: StandIn) -> None:
    stays(stand_in, s12=FIRST.format(12) + LATER, s7=FIRST.format(7))
    grid = load_physionet2012().grid()
    assert grid.hidden(0.7).sum((1, 2)).tolist() == [0, 2]  # of 1 and 3, rounded down
    assert grid.hidden(1).sum((1, 2)).tolist() == [1, 3]
    assert (grid.hidden(0.7) == grid.hidden(0.7, seed=1)).all()
    with pytest.raises(ValueError, match="ratio 10 of values to hide is not between 0 and 1"):
        grid.hidden(10)
    with pytest.raises(ValueError, match="fold 5 is none of 0, 1, 2, 3, 4"):
        grid.parts(fold=5)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "stay 3: no lines of time, parameter and value; put the right copy there"),
        (FIRST[5:], "stay 3: no lines of time, parameter and value"),
        (FIRST[:-1], "stay 3: no lines of time, parameter and value"),
        (
            FIRST.format(3) + "1:10,HR,80\n",
            "a time is not hours and minutes, as in 07:30; put the right",
        ),
        (FIRST, "could not convert string to float: '{}'; put the right copy there"),
    ],
)
def test_damaged_stays(stand_in: StandIn, text: str, fault: str) -> None:
    stays(stand_in, s3=text)
    with pytest.raises(DataError, match=f"set-a.tar.xz.*{re.escape(fault)}"):
        load_physionet2012()
