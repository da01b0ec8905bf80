"""Columns of names or of ordered levels: their alphabet, and what is said of a value outside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.categorical.table.column import Column, Encoded
from unnoise.domains.categorical.table.spelling import Cells, Scalar, Spelling, is_scalar

__all__ = ["LevelColumn", "require_known", "sorted_levels"]


@final
@dataclass(frozen=True)
class LevelColumn(Column):
    """A column whose cells are one of `levels`, or missing, which is one more.

    Attributes:
        spelling: how the column is written.
        levels: in their order, those that occur or were declared.
        gaps: whether the column has a level that says "missing"; it is the last code.
        impute: see `Column`.
    """

    spelling: Spelling
    levels: tuple[Scalar, ...]
    gaps: bool
    impute: bool

    @property
    def size(self) -> int:
        return len(self.levels) + int(self.gaps)

    @property
    def number(self) -> bool:
        return False

    @property
    def hole(self) -> int | None:
        return len(self.levels) if self.gaps else None

    @cached_property
    def index(self) -> dict[tuple[bool, Scalar], int]:
        """The code of every level."""
        return {_key(level): code for code, level in enumerate(self.levels)}

    def encode(self, cells: Cells, holes: bool) -> Encoded:
        if not holes:
            self.refuse_unknown_hole(cells)
        values = cells.values()
        require_known(cells, values, self.levels, self.index)
        empty = 0 if self.hole is None or (holes and self.levels) else self.hole
        codes = [empty if v is None else self.index[_key(v)] for v in values]
        return Encoded(np.array(codes, dtype=np.int64))

    def decode(self, codes: NDArray[np.int64] | None, u: NDArray[np.float64] | None) -> pd.Series:
        assert codes is not None
        table = np.empty(self.size, dtype=object)
        table[: len(self.levels)] = self.levels
        missing = codes == self.hole if self.gaps else np.zeros(len(codes), dtype=bool)
        return self.spelling.write(table[codes], missing)

    def counts(self, cells: Cells) -> NDArray[np.float64]:
        codes = self.encode(cells, holes=False).codes
        assert codes is not None
        return np.bincount(codes, minlength=self.size).astype(np.float64)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "levels",
            "spelling": self.spelling.to_json(),
            "levels": list(self.levels),
            "gaps": self.gaps,
            "impute": self.impute,
        }

    @staticmethod
    def from_json(told: dict[str, Any]) -> LevelColumn:
        spelling = Spelling.from_json(told["spelling"])
        return LevelColumn(spelling, tuple(told["levels"]), told["gaps"], told["impute"])


def sorted_levels(cells: Cells) -> tuple[Scalar, ...]:
    """The distinct values of a column: numbers by size, then strings.

    Raises:
        ValueError: if one is no string, number or truth value, by name.
    """
    found: dict[tuple[bool, Scalar], Scalar] = {}
    for k, v in enumerate(cells.values()):
        if v is None:
            continue
        if not is_scalar(v):
            raise ValueError(
                f"{cells.name}: {cells.row(k)} has {v!r}, a {type(v).__name__}; a level is a string, a number or a truth value"
            )
        found.setdefault(_key(v), v)
    return tuple(sorted(found.values(), key=_order))


def require_known(
    cells: Cells, values: Sequence[Any], levels: Sequence[Scalar], known: Iterable[Any]
) -> None:
    """Refuse values that aren't levels.

    Raises:
        ValueError: if there is one; it is named, with the levels that are nearest to it.
    """
    known = set(known)
    strange = [k for k, v in enumerate(values) if v is not None and _key(v) not in known]
    if strange:
        first, more = strange[0], Counter(values[k] for k in strange)
        others = f" ({len(more)} such values in {len(strange)} rows)" if len(more) > 1 else ""
        raise ValueError(
            f"{cells.name}: {cells.row(first)} has {values[first]!r}, which is no known level{others}; the nearest are {_nearest(values[first], levels)}"
        )


def _nearest(value: Any, levels: Sequence[Scalar], most: int = 3) -> str:
    """The levels nearest to a value, as they are written."""
    numbers = [v for v in levels if not isinstance(v, str | bool)]
    if isinstance(value, int | float) and numbers:
        near: Sequence[Scalar] = sorted(numbers, key=lambda v: abs(v - value))[:most]
    else:
        names = {str(v): v for v in levels}
        close = get_close_matches(str(value), list(names), most, cutoff=0.0)
        near = [names[name] for name in close]
    return ", ".join(repr(v) for v in near) or "none"


def _key(value: Any) -> tuple[bool, Any]:
    """What a value is looked up by: True is not 1 here."""
    return isinstance(value, bool), value


def _order(value: Scalar) -> tuple[bool, float, str]:
    """Numbers and truth values before strings."""
    text = isinstance(value, str)
    return text, 0.0 if text else float(value), str(value)
