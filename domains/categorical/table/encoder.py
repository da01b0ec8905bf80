"""A table as states of the core: rows (n, D), numbers first, then codes in parts of like alphabets.

A part pads its columns to its largest alphabet, so parts are cut where that would more than double
a column's: one column of 10,000 levels costs 10,000, and the others what they did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise.core.rates.base import padded
from unnoise.domains.categorical.table.column import Column
from unnoise.domains.categorical.table.kinds import Kind, infer
from unnoise.domains.categorical.table.levels import LevelColumn
from unnoise.domains.categorical.table.numeric import NumberColumn
from unnoise.domains.categorical.table.spelling import Cells, Label, Scalar

__all__ = ["NUMBERS", "Encoder", "States"]

NUMBERS = "numbers"  # the name of their part
_SMALL = 8  # alphabets up to this size share a part
_COLUMNS: dict[str, type[LevelColumn | NumberColumn]] = {
    "levels": LevelColumn,
    "numbers": NumberColumn,
}


@dataclass(frozen=True, eq=False)
class States:
    """Rows of a table.

    Attributes:
        x: least ranks of numbers and codes, (n, D), float64.
        width: how many ranks each number owns, (n, numbers).
        known: which entries aren't those of missing cells, (n, D).
        log_scale: what takes log p(states) to log p(rows), (n,).
    """

    x: Tensor
    width: Tensor
    known: Tensor
    log_scale: Tensor

    def rows(self, index: Tensor | slice) -> States:
        """Those of an index or a slice."""
        return States(self.x[index], self.width[index], self.known[index], self.log_scale[index])


@final
@dataclass(frozen=True, eq=False)
class Encoder:
    """Fitted columns, in the order of the frame.

    Attributes:
        columns: each of them.
        missing_values: what says "missing" in any of them, beside None and NaN.
    """

    columns: tuple[Column, ...]
    missing_values: tuple[tuple[Scalar, ...], ...]

    @staticmethod
    def fit(
        frame: pd.DataFrame, kinds: Mapping[Label, Kind], missing_values: Sequence[Scalar] = ()
    ) -> Encoder:
        """The encoder of a frame; columns that `kinds` doesn't name are inferred.

        Raises:
            ValueError: if the frame has no rows or columns, two columns of one name, or a column
                that isn't what it was said to be; or if `kinds` names one that isn't there.
        """
        _require_frame(frame)
        if len(frame) < 2 or not len(frame.columns):
            raise ValueError(
                f"fit: needs two rows or more and a column, got {len(frame)} x {len(frame.columns)}"
            )
        strange = set(kinds) - set(frame.columns)
        _refuse("columns names {}, and the frame has no such column", strange)
        columns, marks = [], []
        for name in frame.columns:
            series = frame[name]
            kind = kinds.get(name) or infer(series, missing_values)
            columns.append(kind.fit(series, missing_values))
            marks.append((*missing_values, *kind.missing_values))
        return Encoder(tuple(columns), tuple(marks))

    @property
    def names(self) -> list[Label]:
        """Of the columns."""
        return [column.spelling.name for column in self.columns]

    @cached_property
    def numbers(self) -> list[int]:
        """Columns that have a number."""
        return [i for i, column in enumerate(self.columns) if column.number]

    @cached_property
    def codes(self) -> dict[str, list[int]]:
        """Columns that have a code, by part."""
        some = [i for i, column in enumerate(self.columns) if column.size]
        parts: list[list[int]] = []
        for i in sorted(some, key=lambda i: self.columns[i].size):
            if not parts or self.columns[i].size > self._room(parts[-1]):
                parts.append([])
            parts[-1].append(i)
        return {f"codes{k}": part for k, part in enumerate(parts)}

    @cached_property
    def sizes(self) -> dict[str, list[int]]:
        """Alphabets of the columns of every part of codes."""
        return {part: [self.columns[i].size for i in some] for part, some in self.codes.items()}

    @cached_property
    def widths(self) -> dict[str, int]:
        """Entries of every part of a state."""
        numbers = {NUMBERS: len(self.numbers)} if self.numbers else {}
        return numbers | {part: len(some) for part, some in self.codes.items()}

    @property
    def marks(self) -> tuple[int, ...]:
        """Where a state says of numbers whether they are ordinary ones."""
        return tuple(self.places[i] for i in self.numbers if i in self.places)

    @property
    def cells(self) -> int:
        """Numbers that a state's beliefs hold: levels of every entry, with padding."""
        return len(self.numbers) + sum(len(s) * (max(s) + 1) for s in self.sizes.values())

    @cached_property
    def places(self) -> dict[int, int]:
        """Where a column's code is in a state."""
        flat = [i for some in self.codes.values() for i in some]
        return {i: len(self.numbers) + k for k, i in enumerate(flat)}

    @cached_property
    def holes(self) -> dict[str, Tensor]:
        """The levels of every part of codes that say "missing", (columns, levels); not those of
        silent columns."""
        out = {}
        for part, some in self.codes.items():
            out[part] = torch.zeros(len(some), max(self.sizes[part]), dtype=torch.bool)
            for row, i in zip(out[part], some, strict=True):
                column = self.columns[i]
                if column.hole is not None and not column.silent:
                    row[column.hole] = True
        return out

    def frequencies(self, frame: pd.DataFrame) -> dict[str, Tensor]:
        """Of every level of every part of codes, (columns, levels), float64, with one row more
        that is spread over all levels: those declared that never occur need some."""
        out = {}
        for part, some in self.codes.items():
            counts = [self.columns[i].counts(self._cells(frame, i)) for i in some]
            laws = [torch.from_numpy((c + 1 / len(c)) / (c.sum() + 1)) for c in counts]
            out[part] = padded(laws, max(self.sizes[part]))
        return out

    def no_frequencies(self) -> dict[str, Tensor]:
        """Frequencies to be overwritten by those of a file."""
        return {
            part: padded([torch.ones(n).double() / n for n in s], max(s))
            for part, s in self.sizes.items()
        }

    def encode(self, frame: pd.DataFrame, holes: bool = False) -> States:
        """A frame as states; for `holes` see `Column.encode`.

        Raises:
            ValueError: if the frame has no rows, other columns, or a value that wasn't seen.
        """
        self.require_columns(frame)
        n = len(frame)
        x = np.zeros((n, sum(self.widths.values())))
        known = np.ones(x.shape, dtype=bool)
        width, log_scale = np.zeros((n, len(self.numbers))), np.zeros(n)
        for i, column in enumerate(self.columns):
            cells = self._cells(frame, i)
            encoded = column.encode(cells, holes)
            log_scale += encoded.log_scale
            if encoded.low is not None:
                k = self.numbers.index(i)
                x[:, k], width[:, k] = encoded.low, encoded.width
                known[:, k] = ~cells.missing
            if encoded.codes is not None:
                x[:, self.places[i]] = encoded.codes
                known[:, self.places[i]] = ~cells.missing | column.silent
        return States(*(torch.from_numpy(a) for a in (x, width, known, log_scale)))

    def decode(self, x: Tensor) -> pd.DataFrame:
        """States (n, D), normal numbers and codes, as a frame."""
        k = len(self.numbers)
        u = torch.special.ndtr(x[:, :k].double()).cpu().numpy()
        codes = x[:, k:].round().long().cpu().numpy()
        columns = []
        for i, column in enumerate(self.columns):
            code = codes[:, self.places[i] - k] if column.size else None
            columns.append(
                column.decode(code, u[:, self.numbers.index(i)] if column.number else None)
            )
        return pd.concat(columns, axis=1)

    def filled(
        self, frame: pd.DataFrame, rows: NDArray[np.int64], drawn: pd.DataFrame
    ) -> pd.DataFrame:
        """The frame with its missing cells from `drawn`, whose rows are those at places `rows`."""
        out = {}
        for i, column in enumerate(self.columns):
            name, cells = column.spelling.name, self._cells(frame, i)
            series = frame[name]
            out[name] = series
            if cells.missing.any() and not column.silent:
                values = series.astype(object).to_numpy(copy=True)
                fresh = drawn[name].astype(object).to_numpy()
                holes = cells.missing[rows]
                values[rows[holes]] = fresh[holes]
                dtype = column.spelling.refilled(series.dtype)
                out[name] = pd.Series(values, frame.index, dtype=object, name=name).astype(dtype)
        return pd.DataFrame({name: out[name] for name in frame.columns}, index=frame.index)

    def reopened(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Generated states with their holes in columns that shall have none, and which entries
        aren't such holes, (n, D)."""
        x, known = x.clone(), torch.ones_like(x, dtype=torch.bool)
        for i, column in enumerate(self.columns):
            if column.impute and column.hole is not None:
                place = self.places[i]
                known[:, place] = x[:, place] != column.hole
                if column.number:
                    known[:, self.numbers.index(i)] = known[:, place]
        x[~known] = 0
        return x, known

    def require_columns(self, frame: pd.DataFrame) -> None:
        """Refuse a frame that isn't one of this table.

        Raises:
            ValueError: if it has no rows, or other columns; they are named.
        """
        _require_frame(frame)
        _refuse("the frame lacks the columns {}", set(self.names) - set(frame.columns))
        _refuse(
            "the frame has columns that weren't there when the synthesizer was fitted: {}",
            set(frame.columns) - set(self.names),
        )
        if not len(frame):
            raise ValueError("the frame has no rows")

    def _cells(self, frame: pd.DataFrame, i: int) -> Cells:
        return Cells.of(frame[self.names[i]], self.missing_values[i])

    def _room(self, part: Sequence[int]) -> int:
        """The largest alphabet that joins a part."""
        return max(_SMALL, 2 * self.columns[part[0]].size)

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [column.to_json() for column in self.columns],
            "missing_values": [list(marks) for marks in self.missing_values],
        }

    @staticmethod
    def from_json(told: dict[str, Any]) -> Encoder:
        columns = tuple(_COLUMNS[c["kind"]].from_json(c) for c in told["columns"])
        return Encoder(columns, tuple(tuple(marks) for marks in told["missing_values"]))


def _require_frame(frame: pd.DataFrame) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"needs a pandas DataFrame, got {type(frame).__name__}")
    twice = frame.columns[frame.columns.duplicated()]
    _refuse("two columns are named {}; rename one", set(twice))


def _refuse(message: str, names: Iterable[Any]) -> None:
    if found := sorted(names, key=str):
        raise ValueError(message.format(", ".join(repr(v) for v in found)))
