"""How a column of a frame is written: its name, its type, and what stands for a missing value.

What a column holds is turned into plain Python scalars on the way in, and back into the very type
on the way out, so that a generated frame can't be told from the real one by its form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Cells", "Label", "Scalar", "Spelling", "is_scalar", "plain"]

Scalar = str | int | float | bool
Label = str | int  # of a column

_NULLS = {"None": None, "NA": pd.NA, "nan": float("nan")}


@dataclass(frozen=True)
class Spelling:
    """The form of a column.

    Attributes:
        name: of the column.
        dtype: pandas' name of its type.
        categories: of a categorical type, those that never occur among them.
        ordered: whether these are ordered.
        hole: the value that stands for a missing one; None: pandas' own.
        null: which of None, nan and NA that is, where a column of objects may hold any.
    """

    name: Label
    dtype: str
    categories: tuple[Scalar, ...] | None = None
    ordered: bool = False
    hole: Scalar | None = None
    null: str = "nan"

    @staticmethod
    def of(series: pd.Series, missing: NDArray[np.bool_]) -> Spelling:
        """The form of a column, given which of its cells are missing."""
        dtype, categories, ordered = str(series.dtype), None, False
        if isinstance(series.dtype, pd.CategoricalDtype):
            categories = tuple(plain(v) for v in series.cat.categories)
            ordered = bool(series.cat.ordered)
        elif isinstance(series.dtype, pd.StringDtype):
            dtype = f"string[{series.dtype.storage}]"
        holes = series[missing]
        values = [plain(v) for v in holes[holes.notna()].unique()]
        hole = values[0] if values else None
        null = next((_null(v) for v in holes[holes.isna()]), "nan")
        return Spelling(_label(series.name), dtype, categories, ordered, hole, null)

    def write(self, values: NDArray[np.object_], missing: NDArray[np.bool_]) -> pd.Series:
        """Values (n,) as a column of this form; what is there where one is missing isn't read."""
        hole = _NULLS[self.null] if self.hole is None else self.hole
        held = np.where(missing, hole, values) if missing.any() else values
        return pd.Series(held, dtype=object, name=self.name).astype(self.type())

    def type(self) -> Any:
        """The pandas type."""
        if self.categories is not None:
            return pd.CategoricalDtype(list(self.categories), self.ordered)
        return self.dtype

    def refilled(self, dtype: Any) -> Any:
        """The type of a column of `dtype` whose holes are filled: its own if it may hold them and
        the table's values, else that of the table."""
        own = self.type()
        floats = pd.api.types.is_float_dtype
        return dtype if floats(dtype) and floats(own) else own

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(told: dict[str, Any]) -> Spelling:
        categories = told["categories"]
        return Spelling(
            **{**told, "categories": None if categories is None else tuple(categories)}
        )


@dataclass(frozen=True, eq=False)
class Cells:
    """A column as it is read.

    Attributes:
        series: the column.
        missing: which of its cells are missing, (n,).
    """

    series: pd.Series
    missing: NDArray[np.bool_]

    @staticmethod
    def of(series: pd.Series, missing_values: Sequence[Scalar]) -> Cells:
        """A column whose missing cells are pandas' own and those that hold one of
        `missing_values`."""
        missing = series.isna().to_numpy(dtype=bool)
        if missing_values:
            missing = missing | series.isin(list(missing_values)).to_numpy(dtype=bool)
        return Cells(series, missing)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def name(self) -> str:
        """What the column is called in a message."""
        return f"column {self.series.name!r}"

    @property
    def whole(self) -> bool:
        """Whether the column's type is one of whole numbers."""
        return bool(pd.api.types.is_integer_dtype(self.series.dtype))

    def row(self, place: int) -> str:
        """What a row is called in a message."""
        return f"row {self.series.index[place]!r}"

    def values(self) -> list[Any]:
        """The cells as plain scalars, None where missing."""
        held = self.series.astype(object).tolist()
        return [None if m else plain(v) for v, m in zip(held, self.missing, strict=True)]

    def numbers(self) -> NDArray[np.float64]:
        """The cells as numbers, NaN where missing.

        Raises:
            ValueError: if one isn't a number, or is infinite or too large a whole one; it is named.
        """
        if _is_number(self.series.dtype):
            out = self.series.to_numpy(dtype=np.float64, na_value=np.nan)
            out = np.where(self.missing, np.nan, out)
        else:
            out = np.full(len(self), np.nan)
            for k, v in enumerate(self.values()):
                if v is None:
                    continue
                if isinstance(v, bool | str) or not is_scalar(v):
                    raise ValueError(
                        f"{self.name}: {self.row(k)} has {v!r}, which isn't a number; make it Nominal(), or list the value in missing_values"
                    )
                out[k] = v
        wrong = np.isinf(out) | (np.abs(out) > 2.0**53 if self.whole else False)
        if wrong.any():
            k = int(wrong.argmax())
            raise ValueError(
                f"{self.name}: {self.row(k)} has {self.series.iloc[k]!r}, which is infinite or beyond 2^53; bound it, or make it a string"
            )
        return np.asarray(out)


def is_scalar(value: Any) -> bool:
    """Whether a value may be a level."""
    return isinstance(value, str | int | float)


def plain(value: Any) -> Any:
    """A numpy scalar as the Python scalar that it is; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _null(value: Any) -> str:
    """The name of a null; what compares equal to nothing is nan."""
    return next((name for name, null in _NULLS.items() if value is null), "nan")


def _is_number(dtype: Any) -> bool:
    is_bool: bool = pd.api.types.is_bool_dtype(dtype)
    return bool(pd.api.types.is_numeric_dtype(dtype)) and not is_bool


def _label(name: Any) -> Label:
    label: Label = plain(name)
    if isinstance(label, float) or not is_scalar(label):
        raise ValueError(f"columns are named by strings or whole numbers, got {name!r}")
    return label
