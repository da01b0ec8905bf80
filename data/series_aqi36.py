"""Air of Beijing: where sensors failed, and what is hidden besides to test imputation.

Yi et al. (2016) hid readings in the shape of the real gaps of another month. So there are two
tables: the truth, and what of it is given. Readings that are in the first and not in the second
are held out. Months 3, 6, 9 and 12 are for testing, as in Cao et al. (2018), BRITS. Of the others,
January is for validation, as in Tashiro et al. (2021), CSDI, at its default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unnoise.data.errors import DataError
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["Aqi36", "load_aqi36"]

_TEST, _VALID = (3, 6, 9, 12), (1,)


@dataclass(frozen=True, eq=False)
class Aqi36:
    """The two tables, hour by hour; a column is a station.

    Attributes:
        truth: PM2.5 in ug/m3, NaN where the sensor failed, (8759, 36).
        given: The same with the held-out readings NaN too.
        stations: `latitude` and `longitude` of each, in degrees, in the order of the columns.
    """

    truth: pd.DataFrame
    given: pd.DataFrame
    stations: pd.DataFrame

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Whether a reading is known and not given, (hours, stations)."""
        return np.asarray(self.truth.notna() & self.given.isna())

    @property
    def parts(self) -> dict[str, NDArray[np.bool_]]:
        """Whether an hour is in `train`, `valid` or `test`, (hours,) each."""
        month = self.truth.index.month
        test, valid = np.isin(month, _TEST), np.isin(month, _VALID)
        return {"train": ~test & ~valid, "valid": valid, "test": test}


def load_aqi36(*, quiet: bool = False) -> Aqi36:
    """Loads PM2.5 at 36 stations of Beijing, May 2014 to April 2015; needs pandas.

    Args:
        quiet: Whether a download does without its progress bar.

    Raises:
        DataError: If the files are not here, damaged, or give what is not the truth.
    """
    import pandas as pd

    source = SOURCES["aqi36"]
    folder = find(source, quiet=quiet)
    ground, missing, places = (folder / file.path for file in source.files)
    truth, given = _hourly(ground), _hourly(missing)
    stations = pd.read_csv(places, dtype={"sensor_id": str}, index_col="sensor_id")
    if not (truth.axes[0].equals(given.axes[0]) and truth.axes[1].equals(given.axes[1])):
        raise DataError(
            f"{missing}: not the hours and stations of {ground}; put the right copy there"
        )
    wrong = given.notna() & (given != truth)
    if wrong.any(axis=None):
        hour, station = next(iter(wrong.stack()[lambda each: each].index))
        raise DataError(
            f"{missing}: {station} at {hour} is not as in {ground}; put the right copy there"
        )
    if list(stations.index) != list(truth.columns):
        raise DataError(f"{places}: not the stations of {ground}; put the right copy there")
    return Aqi36(truth, given, stations)


def _hourly(path: Path) -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_csv(path, index_col="datetime", parse_dates=True).astype(float)
    frame.index = pd.DatetimeIndex(frame.index, freq="h")
    return frame.rename_axis(columns="station")
