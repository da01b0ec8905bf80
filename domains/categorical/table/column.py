"""What a fitted column says to the encoder: at most one code and at most one number a cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.categorical.table.spelling import Cells, Spelling

__all__ = ["Column", "Encoded"]


@dataclass(frozen=True, eq=False)
class Encoded:
    """The cells of a column.

    Attributes:
        codes: (n,), 0 to size - 1; 0 where nothing is known; None: the column has none.
        low: the least rank that a number owns, (n,); None: the column has no numbers.
        width: how many ranks it owns, (n,): 0 for a real number, 1 for one that is missing.
        log_scale: what is added to log p(codes, ranks), (n,): the width of an interval, or the
            slope of the ranks.
    """

    codes: NDArray[np.int64] | None = None
    low: NDArray[np.float64] | None = None
    width: NDArray[np.float64] | None = None
    log_scale: NDArray[np.float64] | float = 0.0


class Column(ABC):
    """A fitted column.

    Attributes:
        spelling: how it is written.
        impute: whether what is missing is never generated.
    """

    spelling: Spelling
    impute: bool

    @property
    @abstractmethod
    def size(self) -> int:
        """The alphabet of its code; 0: it has none."""

    @property
    @abstractmethod
    def number(self) -> bool:
        """Whether it has a number."""

    @property
    @abstractmethod
    def hole(self) -> int | None:
        """The code that says "missing"; None: there is none."""

    @property
    def silent(self) -> bool:
        """Whether all its cells were missing, so that it says nothing else."""
        return self.hole == 0

    @abstractmethod
    def encode(self, cells: Cells, holes: bool) -> Encoded:
        """The cells; `holes`: those missing are to be filled, so that nothing is known of them but
        that they aren't missing. Else a missing cell is a level.

        Raises:
            ValueError: if a cell holds what the column never held, by name.
        """

    @abstractmethod
    def decode(self, codes: NDArray[np.int64] | None, u: NDArray[np.float64] | None) -> pd.Series:
        """A column of codes and of ranks u in (0, 1), whichever it has."""

    @abstractmethod
    def counts(self, cells: Cells) -> NDArray[np.float64]:
        """How often each code occurs, (size,)."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON."""

    def refuse_unknown_hole(self, cells: Cells) -> None:
        """Refuse a missing cell where there was none to learn from.

        Raises:
            ValueError: if there is one.
        """
        if self.hole is None and cells.missing.any():
            raise ValueError(
                f"{cells.name}: {cells.row(int(cells.missing.argmax()))} is missing, and none was when the synthesizer was fitted; impute it first"
            )
