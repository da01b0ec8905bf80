"""Intensive care: irregular, sparse, many channels; and the hourly grid that figures belong to.

Stays of the challenge of 2012 are lists of measurements, each with its minute. Most figures are on
a coarser table: the last value of each hour, 48 x 35. Of it Tashiro et al. (2021), CSDI, hide 10,
50 or 90 % of the values of each stay, drawn without replacement, and test on a fifth of the stays;
training may see all of its own. Their draws are numpy's legacy ones, in the order of the stays and
of CSDI's channels, and are repeated here. A stay with no value on the grid is left out.

References:
    Silva et al. (2012), Predicting in-hospital mortality of ICU patients; Tashiro et al. (2021),
    CSDI: conditional score-based diffusion models for probabilistic time series imputation.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unnoise.data.errors import DataError
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHANNELS", "Physionet2012", "PhysionetGrid", "load_physionet2012"]

CHANNELS = (
    *("DiasABP", "HR", "Na", "Lactate", "NIDiasABP", "PaO2", "WBC", "pH", "Albumin", "ALT"),
    *("Glucose", "SaO2", "Temp", "AST", "Bilirubin", "HCO3", "BUN", "RespRate", "Mg", "HCT"),
    *("SysABP", "FiO2", "K", "GCS", "Cholesterol", "NISysABP", "TroponinT", "MAP", "TroponinI"),
    *("PaCO2", "Platelets", "Urine", "NIMAP", "Creatinine", "ALP"),
)
"""CSDI's 35, in its order, which its draws depend on: all but MechVent and Weight."""

_STATIC = ("Age", "Gender", "Height", "ICUType", "Weight")
_HEADER = b"Time,Parameter,Value\n"
_HOURS = 48
_FOLDS, _TRAIN = 0.2, 0.7  # of the stays: one test fold, training


@dataclass(frozen=True, eq=False)
class PhysionetGrid:
    """The last value of each hour, in the units of the file.

    Attributes:
        stays: Their numbers, ascending, (3997,).
        values: NaN where nothing was measured, (3997, 48, 35) in the order of `CHANNELS`.
    """

    stays: NDArray[np.int64]
    values: NDArray[np.float64]

    def hidden(self, ratio: float, seed: int = 1) -> NDArray[np.bool_]:
        """What CSDI hides: of the values of each stay, that ratio, rounded down.

        Raises:
            ValueError: If the ratio is not between 0 and 1.
        """
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio {ratio} of values to hide is not between 0 and 1")
        rng = np.random.RandomState(seed)
        hidden = np.zeros(self.values.shape, dtype=np.bool_)
        flat = hidden.reshape(len(hidden), -1)
        for stay, seen in enumerate(~np.isnan(self.values).reshape(flat.shape)):
            places = np.flatnonzero(seen)
            flat[stay, rng.choice(places, int(len(places) * ratio), replace=False)] = True
        return hidden

    def parts(self, seed: int = 1, fold: int = 0) -> dict[str, NDArray[np.int64]]:
        """Places of the stays that CSDI puts into `train`, `valid` and `test` (one of 5 folds).

        Raises:
            ValueError: If the fold is not 0, 1, 2, 3 or 4.
        """
        if fold not in range(5):
            raise ValueError(f"fold {fold} is none of 0, 1, 2, 3, 4")
        count = len(self.stays)
        order = np.arange(count)
        np.random.RandomState(seed).shuffle(order)
        start, stop = int(fold * _FOLDS * count), int((fold + 1) * _FOLDS * count)
        rest = np.delete(order, np.arange(start, stop))
        np.random.RandomState(seed).shuffle(rest)
        cut = int(_TRAIN * count)
        return {"train": rest[:cut], "valid": rest[cut:], "test": order[start:stop]}


@dataclass(frozen=True, eq=False)
class Physionet2012:
    """Stays in intensive care.

    Attributes:
        measured: One measurement a row, by stay and time: `stay`, its number; `hours` since
            admission, 0 to 48, to the minute; `channel`, one of `CHANNELS`; `value`, in the
            units of the challenge. Errors of the record (a temperature of -17.8) are left in. Of
            values with the same stay, minute and channel, the last of the file counts.
        static: One row a stay, its number the index: `Age` in years, `Gender` (1 male),
            `Height` in cm, `ICUType` 1 to 4, `Weight` in kg; NaN if unknown.
    """

    measured: pd.DataFrame
    static: pd.DataFrame

    def grid(self) -> PhysionetGrid:
        """The hourly table; the 49th hour, a single minute, has no row in it."""
        frame = self.measured
        hour = frame["hours"].to_numpy().astype(np.int64)
        within = frame.assign(hour=hour)[hour < _HOURS]
        last = within.drop_duplicates(["stay", "hour", "channel"], keep="last")
        stays, place = np.unique(last["stay"].to_numpy(), return_inverse=True)
        values = np.full((len(stays), _HOURS, len(CHANNELS)), np.nan)
        values[place, last["hour"], last["channel"].cat.codes] = last["value"]
        return PhysionetGrid(stays, values)


def load_physionet2012(*, quiet: bool = False) -> Physionet2012:
    """Loads the 4,000 stays of set A, in a few seconds; needs pandas.

    Args:
        quiet: Whether a download does without its progress bar.

    Raises:
        DataError: If the file is not here or damaged.
    """
    import pandas as pd

    source = SOURCES["physionet2012"]
    path = find(source, quiet=quiet) / source.files[0].path
    stays, lines = _records(path)
    measured = lines[lines["channel"].isin(CHANNELS)]
    measured = measured.drop_duplicates(["stay", "hours", "channel"], keep="last")
    kind = pd.CategoricalDtype([*CHANNELS])
    measured = measured.astype({"channel": kind}).reset_index(drop=True)
    first = lines[lines["channel"].isin(_STATIC) & (lines["hours"] == 0)]
    first = first.drop_duplicates(["stay", "channel"]).astype({"channel": str})
    static = first.pivot(index="stay", columns="channel", values="value")
    static = static.reindex(index=stays, columns=pd.Index(_STATIC))
    return Physionet2012(measured, static.mask(static < 0).rename_axis(index="stay"))


def _records(path: Path) -> tuple[pd.Index, pd.DataFrame]:
    """The numbers of the stays, ascending, and all lines of all of them, as one table."""
    import pandas as pd

    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar if member.isfile()]
        texts = {int(PurePosixPath(name).stem): file.read() for name, file in members if file}
    for stay, text in texts.items():
        if not (text.startswith(_HEADER) and text.endswith(b"\n")):
            raise DataError(
                f"{path}, stay {stay}: no lines of time, parameter and value; "
                "put the right copy there"
            )
    stays = pd.Index(sorted(texts), name="stay")
    bodies = [texts[stay][len(_HEADER) :] for stay in stays]
    try:
        lines = pd.read_csv(
            io.BytesIO(b"".join(bodies)),
            names=["time", "channel", "value"],
            dtype={"time": "category", "channel": "category", "value": np.float64},
        )
    except ValueError as error:
        raise DataError(f"{path}: {error}; put the right copy there") from error
    clock = lines.pop("time").cat
    hours = clock.categories.str.extract(r"^(\d\d):([0-5]\d)$").astype(float)
    if hours.isna().any(axis=None):
        raise DataError(
            f"{path}: a time is not hours and minutes, as in 07:30; put the right copy there"
        )
    minutes = 60 * hours[0] + hours[1]
    lines.insert(0, "hours", minutes.to_numpy()[clock.codes] / 60)
    lines.insert(0, "stay", np.repeat(stays, [body.count(b"\n") for body in bodies]))
    return stays, lines
