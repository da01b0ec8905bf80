"""Columns of numbers: ordinary ones by their ranks, and spikes by a code.

What makes up a hundredth of the column or more, such as the zero that stands for "none", is a spike. It
is a code of its own, beside one for "missing" and one for ordinary numbers, whose law is `Quantiles`.
Where the code isn't "ordinary" the number is free: it owns all ranks, is a fresh normal draw at every
step of training, and tells nothing.

Spikes could be steps of F like other atoms. But then a number had to be drawn on the right side of a
step, and a network blurs what is steep; a code is drawn before the number is sharp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.categorical.table.column import Column, Encoded
from unnoise.domains.categorical.table.quantiles import Array, Quantiles
from unnoise.domains.categorical.table.spelling import Cells, Spelling

__all__ = ["NumberColumn"]

_SPIKE = 0.01, 10  # the share of the rows, and their number, that make a value a spike


@final
@dataclass(frozen=True, eq=False)
class NumberColumn(Column):
    """A column of numbers; its codes are 0, an ordinary number, then the spikes, then missing.

    Attributes:
        spelling: how the column is written.
        quantiles: the law of ordinary numbers.
        spikes: values that are codes, increasing.
        gaps: whether some are missing.
        impute: see `Column`.
    """

    spelling: Spelling
    quantiles: Quantiles
    spikes: Array
    gaps: bool
    impute: bool

    @staticmethod
    def fit(cells: Cells, spelling: Spelling, knots: int, impute: bool) -> NumberColumn:
        """The column that some cells are of; one at least isn't missing."""
        values = cells.numbers()[~cells.missing]
        found, counts = np.unique(values, return_counts=True)
        spikes = found[counts >= max(_SPIKE[1], _SPIKE[0] * len(values))]
        rest = values[~np.isin(values, spikes)]
        single = spelling.dtype in ("float32", "Float32", "float16")
        quantiles = Quantiles.fit(rest if len(rest) else values, knots, single)
        return NumberColumn(spelling, quantiles, spikes, bool(cells.missing.any()), impute)

    @property
    def size(self) -> int:
        codes = 1 + len(self.spikes) + int(self.gaps)
        return codes if codes > 1 else 0

    @property
    def number(self) -> bool:
        return True

    @property
    def hole(self) -> int | None:
        return self.size - 1 if self.gaps else None

    def encode(self, cells: Cells, holes: bool) -> Encoded:
        if not holes:
            self.refuse_unknown_hole(cells)
        values = cells.numbers()
        self._require_whole(cells, values)
        codes = self._codes(values, holes)
        here = (codes == 0) & ~cells.missing
        low, width, log_scale = np.zeros(len(cells)), np.ones(len(cells)), np.zeros(len(cells))
        low[here], width[here] = self.quantiles.interval(values[here])
        log_scale[here] = self.quantiles.log_scale(values[here])
        return Encoded(codes if self.size else None, low, width, log_scale)

    def decode(self, codes: NDArray[np.int64] | None, u: Array | None) -> pd.Series:
        assert u is not None
        values = self.quantiles.decode(u)
        if codes is None:
            return self.spelling.write(values.astype(object), np.zeros(len(u), dtype=bool))
        table = np.concatenate([[np.nan], self.spikes, [np.nan]])
        values = np.where(codes == 0, values, table[codes])
        return self.spelling.write(values.astype(object), np.isnan(values))

    def counts(self, cells: Cells) -> Array:
        codes = self._codes(cells.numbers(), holes=False)
        return np.bincount(codes, minlength=self.size).astype(np.float64)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "numbers",
            "spelling": self.spelling.to_json(),
            "quantiles": self.quantiles.to_json(),
            "spikes": self.spikes.tolist(),
            "gaps": self.gaps,
            "impute": self.impute,
        }

    @staticmethod
    def from_json(told: dict[str, Any]) -> NumberColumn:
        spelling = Spelling.from_json(told["spelling"])
        quantiles = Quantiles.from_json(told["quantiles"])
        spikes = np.array(told["spikes"], dtype=np.float64)
        return NumberColumn(spelling, quantiles, spikes, told["gaps"], told["impute"])

    def _codes(self, values: Array, holes: bool) -> NDArray[np.int64]:
        """The code of each number; of a missing one 0 if it is to be filled."""
        codes = np.zeros(len(values), dtype=np.int64)
        for code, spike in enumerate(self.spikes, start=1):
            codes[values == spike] = code
        if self.hole is not None and not holes:
            codes[np.isnan(values)] = self.hole
        return codes

    def _require_whole(self, cells: Cells, values: Array) -> None:
        if not pd.api.types.is_integer_dtype(self.spelling.type()):
            return
        broken = np.nan_to_num(values) % 1 != 0
        if broken.any():
            k = int(broken.argmax())
            raise ValueError(
                f"{cells.name}: {cells.row(k)} has {values[k]!r}, and the column holds whole numbers; round it"
            )
