"""Time series to data frames: a row is a time, a column a channel, a missing value NaN.

The index has the stamps and, where the gaps are all alike, their frequency. Nothing is scaled,
filled or dropped. pbcseq is long instead: a row is a visit of a patient. A set with a protocol of
its own, of what is hidden or forecast, has a loader of its own, which this one names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.data.errors import DataError, unknown
from unnoise.data.registry import SOURCES
from unnoise.data.series_exchange import CURRENCIES
from unnoise.data.store import find

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_series"]

_MISSING = -200  # in air-quality


def load_series(name: str, *, quiet: bool = False) -> pd.DataFrame:
    """Loads a set of time series; needs pandas, and the last five names statsmodels.

        etth1, etth2    17,420 hours x 7: loads, and the oil's temperature in degrees C
        exchange        7,588 days x 8: US dollars a unit; the file has no stamps, so days count
                        from 0
        vic-elec        52,608 half-hours (UTC) x 3: demand in MWh, degrees C, and whether it is a
                        holiday
        air-quality     9,357 hours x 13, with gaps: sensors, degrees C, humidity
        beijing-pm25    43,824 hours x 8: PM2.5 in ug/m3, with gaps, and the weather; the
                        direction of the wind is a string
        pbcseq          1,945 visits x 19, with gaps: `id` is the patient, `day` the time in days
                        since enrolment
        co2             2,284 weeks x 1, with gaps: ppm
        elnino          732 months x 1: degrees C
        macrodata       203 quarters x 12
        nile            100 years x 1: 10^8 m3 a year
        sunspots        309 years x 1

    Args:
        name: One of these.
        quiet: Whether a download does without its progress bar.

    Returns:
        Columns are named as in the file. Numbers are float64, or int64 where the file has whole
        numbers and no gaps. Stamps are the starts of months, quarters and years.

    Raises:
        DataError: If there is none of that name, or its file is neither here nor to be had, or
            damaged.
    """
    if name in _OWN:
        raise DataError(f"{name} comes with a protocol; {_OWN[name]} reads it")
    if name in _EMBEDDED:
        return _EMBEDDED[name]()
    if name not in _FILES:
        raise unknown("set of time series", name, [*_FILES, *_EMBEDDED, *_OWN])
    source = SOURCES[name]
    return _FILES[name](find(source, quiet=quiet) / source.files[0].path)


def _transformer(path: Path) -> pd.DataFrame:
    return _stamped(_table(path, index_col="date", parse_dates=True), "h")


def _currencies(path: Path) -> pd.DataFrame:
    return _table(path, names=[*CURRENCIES]).rename_axis("day")


def _demand(path: Path) -> pd.DataFrame:
    frame = _table(path, index_col="Time", parse_dates=True)
    return _stamped(frame[["Demand", "Temperature", "Holiday"]], "30min")


def _sensors(path: Path) -> pd.DataFrame:
    """Decimals have commas; every line ends with two empty fields, and the last hold nothing."""
    import pandas as pd

    frame = _table(path, sep=";", decimal=",", na_values=[_MISSING])
    frame = frame.dropna(how="all").dropna(axis="columns", how="all")
    stamps = frame.pop("Date") + " " + frame.pop("Time")
    frame.index = pd.DatetimeIndex(pd.to_datetime(stamps, format="%d/%m/%Y %H.%M.%S"), name="date")
    return _stamped(frame.astype(float), "h")


def _pollution(path: Path) -> pd.DataFrame:
    import pandas as pd

    frame = _table(path).drop(columns="No")
    parts = frame[["year", "month", "day", "hour"]]
    frame = frame.drop(columns=parts.columns)
    frame.index = pd.DatetimeIndex(pd.to_datetime(parts), name="date")
    return _stamped(frame, "h")


def _visits(path: Path) -> pd.DataFrame:
    return _table(path).drop(columns="rownames")


def _carbon() -> pd.DataFrame:
    from statsmodels.datasets import co2

    frame: pd.DataFrame = co2.load_pandas().data
    return frame.rename_axis("date")


def _el_nino() -> pd.DataFrame:
    """A row a year and a column a month, laid end to end."""
    import pandas as pd
    from statsmodels.datasets import elnino

    wide = elnino.load_pandas().data.set_index("YEAR")
    stamps = _starts(wide.index[0], 12 * len(wide), "MS")
    return pd.DataFrame({"temperature": wide.to_numpy().ravel()}, index=stamps)


def _economy() -> pd.DataFrame:
    from statsmodels.datasets import macrodata

    frame: pd.DataFrame = macrodata.load_pandas().data
    stamps = _starts(frame["year"].iloc[0], len(frame), "QS")
    return frame.drop(columns=["year", "quarter"]).set_index(stamps)


def _flow() -> pd.DataFrame:
    from statsmodels.datasets import nile

    return _yearly(nile.load_pandas().data, "year")


def _sun() -> pd.DataFrame:
    from statsmodels.datasets import sunspots

    return _yearly(sunspots.load_pandas().data, "YEAR")


def _yearly(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    stamps = _starts(frame[column].iloc[0], len(frame), "YS")
    return frame.drop(columns=column).set_index(stamps)


def _starts(year: float, periods: int, frequency: str) -> pd.DatetimeIndex:
    """The first days of so many months, quarters or years, from that year on."""
    import pandas as pd

    return pd.date_range(f"{int(year)}-01-01", periods=periods, freq=frequency, name="date")


def _table(path: Path, **options: Any) -> pd.DataFrame:
    """A table of text, whose numbers are read to the last bit."""
    import pandas as pd

    return pd.read_csv(path, float_precision="round_trip", **options)


def _stamped(frame: pd.DataFrame, frequency: str) -> pd.DataFrame:
    """The frame, whose stamps are known to have that frequency."""
    import pandas as pd

    frame.index = pd.DatetimeIndex(frame.index, freq=frequency)
    return frame


_FILES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "air-quality": _sensors,
    "beijing-pm25": _pollution,
    "etth1": _transformer,
    "etth2": _transformer,
    "exchange": _currencies,
    "pbcseq": _visits,
    "vic-elec": _demand,
}
_EMBEDDED: dict[str, Callable[[], pd.DataFrame]] = {
    "co2": _carbon,
    "elnino": _el_nino,
    "macrodata": _economy,
    "nile": _flow,
    "sunspots": _sun,
}
_OWN = {
    "aqi36": "load_aqi36()",
    "exchange-nips": "load_exchange_nips()",
    "physionet2012": "load_physionet2012()",
}
