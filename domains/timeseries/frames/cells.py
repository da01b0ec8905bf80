"""Columns as numbers, and numbers as columns of the same type."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.frames.stamps import row

__all__ = ["agreed", "filled", "is_number", "numbers", "typed"]


def is_number(column: pd.Series) -> bool:
    """Whether a column's type is one of real numbers; truth values aren't."""
    types = pd.api.types
    strange = types.is_bool_dtype(column.dtype) or types.is_complex_dtype(column.dtype)
    return bool(types.is_numeric_dtype(column.dtype)) and not strange


def numbers(column: pd.Series) -> NDArray[np.float64]:
    """A column of numbers, NaN where missing, (n,).

    Raises:
        ValueError: if its type isn't one of numbers, or one is infinite.
    """
    if not is_number(column):
        raise ValueError(
            f"column {column.name!r}: has type {column.dtype}, which isn't one of numbers; convert it by pd.to_numeric, or leave it out"
        )
    out: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(out).any():
        k = int(np.isinf(out).argmax())
        raise ValueError(
            f"column {column.name!r}: {row(column, k)} is infinite; make it missing, or bound it"
        )
    return out


def _complete(column: pd.Series) -> NDArray[np.float64]:
    """A covariate, (n,): numbers or truth values, none of them missing.

    Raises:
        ValueError: as `numbers`, or if one is missing.
    """
    if pd.api.types.is_bool_dtype(column.dtype):
        column = column.astype("Float64")
    out = numbers(column)
    if np.isnan(out).any():
        k = int(np.isnan(out).argmax())
        raise ValueError(
            f"column {column.name!r}: {row(column, k)} is missing, and covariates are known at all times; fill it in, or make the column a target"
        )
    return out


def agreed(column: pd.Series, place: NDArray[np.int64], n: int, what: str) -> NDArray[np.float64]:
    """The one value of a covariate that all rows of a place have, (n,).

    Raises:
        ValueError: as `numbers`, if one is missing, or if two rows of a place differ.
    """
    values, out = _complete(column), np.empty(n)
    out[place] = values
    off = out[place] != values
    if off.any():
        k = int(off.argmax())
        raise ValueError(
            f"column {column.name!r}: {row(column, k)} has {values[k]:g}, and another row {what} has {out[place[k]]:g}; they must agree"
        )
    return out


def typed(values: NDArray[np.float64], like: pd.Series) -> pd.Series:
    """Real numbers in the type of a column; float64 if that holds whole numbers only."""
    floats = pd.api.types.is_float_dtype(like.dtype)
    return pd.Series(values, dtype=np.float64).astype(like.dtype if floats else np.float64)


def filled(column: pd.Series, values: NDArray[np.float64]) -> pd.Series:
    """A column with values (n,) in the place of its missing cells, those that aren't NaN.

    The type stays, but for nullable whole numbers with holes: these become nullable real ones.
    """
    hole = column.isna().to_numpy(bool) & ~np.isnan(values)
    if not hole.any():
        return column
    out = column if pd.api.types.is_float_dtype(column.dtype) else column.astype("Float64")
    cells = out.array.copy()
    cells[hole] = values[hole]
    return pd.Series(cells, index=column.index, name=column.name)
