"""A column or an index as stamps, and stamps as a column or an index of the same type.

Dates, periods (their start counts), text in ISO 8601, and numbers are stamps. Other text is refused,
for nobody can tell whether 01/02/2020 is in January.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from unnoise.domains.timeseries.clock import Stamps

__all__ = ["is_dated", "read_stamps", "row", "spelled"]


def row(frame: pd.DataFrame | pd.Series | pd.Index, k: int) -> str:
    """What a row is called in a message: its position, from 0, and its label."""
    index = frame if isinstance(frame, pd.Index) else frame.index
    return f"row {k} (label {index[k]})"


def is_dated(dtype: Any) -> bool:
    """Whether a type holds dates or periods only."""
    return bool(pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype))


def read_stamps(column: pd.Series, title: str) -> Stamps:
    """The stamps of a column, (n,), as nanoseconds or float64.

    Args:
        column: with the labels of the rows as its index.
        title: what messages call it.

    Raises:
        ValueError: if a stamp is missing, can't be read, or isn't in the zone of the others.
    """
    missing = column.isna().to_numpy(bool)
    if missing.any():
        k = int(missing.argmax())
        raise ValueError(f"{title}: {row(column, k)} has no stamp; fill it in, or drop the row")
    dtype = column.dtype
    if isinstance(dtype, pd.PeriodDtype):
        return pd.DatetimeIndex(column.dt.to_timestamp()).as_unit("ns")
    if is_dated(dtype):
        return _nanoseconds(pd.DatetimeIndex(column), title)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        return _numbers(column, title)
    return _parsed(column.astype(object), title)


def spelled(stamps: Stamps, like: pd.Series) -> pd.Series | pd.Index:
    """Stamps in the type of those of `like`, as an index; text becomes dates."""
    dtype = like.dtype
    if not isinstance(stamps, pd.DatetimeIndex):
        whole = pd.api.types.is_integer_dtype(dtype) and (stamps == np.rint(stamps)).all()
        floats = pd.api.types.is_float_dtype(dtype) and np.dtype(np.float64)
        return pd.Index(stamps).astype(dtype if whole or floats else np.float64)
    if isinstance(dtype, pd.PeriodDtype):
        return stamps.to_period(dtype.freq)
    if is_dated(dtype):
        unit = pd.DatetimeIndex(like.iloc[:1]).unit
        coarse = stamps.as_unit(unit)
        return coarse.astype(dtype) if (coarse.as_unit("ns") == stamps).all() else stamps
    return stamps


def _nanoseconds(stamps: pd.DatetimeIndex, title: str) -> pd.DatetimeIndex:
    try:
        return stamps.as_unit("ns")
    except pd.errors.OutOfBoundsDatetime as error:
        raise ValueError(
            f"{title}: a stamp lies outside the years 1678 to 2261; use numbers, such as years"
        ) from error


def _numbers(column: pd.Series, title: str) -> Stamps:
    stamps = column.to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(stamps) | (np.abs(stamps) > 2.0**53)
    if wrong.any():
        k = int(wrong.argmax())
        raise ValueError(
            f"{title}: {row(column, k)} has {column.iloc[k]}, which is infinite or beyond 2^53; Unix stamps become dates by pd.to_datetime(..., unit='ns')"
        )
    return stamps


def _parsed(column: pd.Series, title: str) -> Stamps:
    """Text in ISO 8601, or objects that are dates, all of them in one zone or in none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # mixed zones are one before they are an error
            read = pd.to_datetime(column, format="ISO8601")
    except (ValueError, TypeError, FutureWarning):
        raise _complaint(column, title) from None
    if not is_dated(read.dtype):
        raise _complaint(column, title)
    return _nanoseconds(pd.DatetimeIndex(read), title)


def _complaint(column: pd.Series, title: str) -> ValueError:
    """What is wrong with a column that can't be parsed: its first bad row."""
    first = None
    for k, value in enumerate(column):
        try:
            stamp = pd.to_datetime(value, format="ISO8601") if isinstance(value, str) else value
            offset = pd.Timestamp(stamp).utcoffset()
        except (ValueError, TypeError):
            return ValueError(
                f"{title}: {row(column, k)} has {value!r}, which isn't a date in ISO 8601 (2020-12-31 23:59); convert the column by pd.to_datetime(..., format=...)"
            )
        if k == 0:
            first = offset
        elif offset != first:
            mixed = "time zones" if None not in (offset, first) else "stamps with and without zone"
            return ValueError(
                f"{title}: mixes {mixed}, {column.iloc[0]!r} and {value!r} in {row(column, k)}; convert the column by pd.to_datetime(..., utc=True)"
            )
    return ValueError(f"{title}: can't be read as dates; convert it by pd.to_datetime")
