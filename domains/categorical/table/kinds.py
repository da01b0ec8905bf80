"""Kinds of columns, and how one is told from the other.

Names are nominal; whole numbers, or few of them, are ordered levels; other numbers are measured. A
user who knows better says so: `columns={"age": Numeric(), "grade": Ordinal(order=["C", "B", "A"])}`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import pandas as pd

from unnoise.domains.categorical.table.column import Column
from unnoise.domains.categorical.table.levels import LevelColumn, require_known, sorted_levels
from unnoise.domains.categorical.table.numeric import NumberColumn
from unnoise.domains.categorical.table.spelling import Cells, Scalar, Spelling

__all__ = ["Kind", "Nominal", "Numeric", "Ordinal", "infer"]

_MOST_LEVELS = 128  # of a column of numbers that is taken for ordered levels
_OFTEN = 4  # times that each of them occurs, if they are broken numbers


@dataclass(frozen=True, kw_only=True)
class Kind(ABC):
    """What a column is.

    Attributes:
        missing: "level": a missing cell is a level like any other, and is generated as such;
            "impute": it is a hole in the data, and no generated row has one.
        missing_values: what says "missing" beside None and NaN.

    Raises:
        ValueError: if `missing` is something else.
    """

    missing: Literal["level", "impute"] = "level"
    missing_values: Sequence[Scalar] = ()

    def __post_init__(self) -> None:
        if self.missing not in ("level", "impute"):
            raise ValueError(
                f"{type(self).__name__}: missing is 'level' or 'impute', got {self.missing!r}"
            )

    def fit(self, series: pd.Series, missing_values: Sequence[Scalar] = ()) -> Column:
        """The column, fitted; `missing_values` are those of the whole table.

        Raises:
            ValueError: if the column isn't of this kind, or holds nothing to learn from.
        """
        cells = Cells.of(series, [*missing_values, *self.missing_values])
        if self.missing == "impute" and cells.missing.all():
            raise ValueError(f"{cells.name}: every cell is missing, so none can be imputed")
        return self.learn(cells, Spelling.of(series, cells.missing))

    @abstractmethod
    def learn(self, cells: Cells, spelling: Spelling) -> Column:
        """See `fit`."""

    def coded(
        self, cells: Cells, spelling: Spelling, declared: Sequence[Scalar] | None
    ) -> LevelColumn:
        """A column of levels: those declared, or those that occur."""
        if declared is None:
            levels = sorted_levels(cells)
        else:
            levels = tuple(dict.fromkeys(declared))
            known = LevelColumn(spelling, levels, False, False).index
            require_known(cells, cells.values(), levels, known)
        gaps = bool(cells.missing.any())
        return LevelColumn(spelling, levels, gaps, self.missing == "impute")


@final
@dataclass(frozen=True)
class Nominal(Kind):
    """Names.

    Attributes:
        levels: all that there are; None: those that occur.
    """

    levels: Sequence[Scalar] | None = None

    def learn(self, cells: Cells, spelling: Spelling) -> Column:
        return self.coded(cells, spelling, self.levels)


@final
@dataclass(frozen=True)
class Ordinal(Kind):
    """Ordered levels.

    Attributes:
        order: all levels, from the least; None: numbers that occur by their size, categories in
            their own order.
    """

    order: Sequence[Scalar] | None = None

    def learn(self, cells: Cells, spelling: Spelling) -> Column:
        if self.order is not None:
            return self.coded(cells, spelling, self.order)
        found = self.coded(cells, spelling, None)
        if spelling.categories is not None:
            own = [v for v in spelling.categories if v in found.levels]
            return self.coded(cells, spelling, own)
        names = [v for v in found.levels if isinstance(v, str)]
        if names:
            raise ValueError(
                f"{cells.name}: holds {names[0]!r}, and strings have no order of their own; give Ordinal(order=[...])"
            )
        return found


@final
@dataclass(frozen=True)
class Numeric(Kind):
    """Numbers.

    Attributes:
        knots: about how many quantiles are kept, beside values that occur often.

    Raises:
        ValueError: if there are fewer than two.
    """

    knots: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.knots < 2:
            raise ValueError(f"Numeric: knots must be at least 2, got {self.knots}")

    def learn(self, cells: Cells, spelling: Spelling) -> Column:
        if cells.missing.all():
            raise ValueError(f"{cells.name}: every cell is missing, so there are no numbers")
        return NumberColumn.fit(cells, spelling, self.knots, self.missing == "impute")


def infer(series: pd.Series, missing_values: Sequence[Scalar] = ()) -> Kind:
    """The kind of a column by its type and its values.

    Raises:
        ValueError: for dates and other types that are neither names nor numbers.
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return Ordinal() if dtype.ordered else Nominal()
    types = pd.api.types
    if types.is_bool_dtype(dtype) or types.is_object_dtype(dtype) or types.is_string_dtype(dtype):
        return Nominal()
    if not types.is_numeric_dtype(dtype) or types.is_complex_dtype(dtype):
        raise ValueError(
            f"column {series.name!r}: is of type {dtype}; turn it into numbers or strings first"
        )
    cells = Cells.of(series, missing_values)
    values = cells.numbers()[~cells.missing]
    distinct = len(np.unique(values))
    few = distinct <= _MOST_LEVELS
    if few and ((values % 1 == 0).all() or distinct <= max(1, len(values) // _OFTEN)):
        return Ordinal()
    return Numeric()
