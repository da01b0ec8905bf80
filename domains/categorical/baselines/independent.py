"""The trivial model of a table: every column by its own frequencies, blind to all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from unnoise.domains.categorical.baselines.forest import ROOT, Forest, ForestLaw

__all__ = ["Independent"]


@dataclass(frozen=True, eq=False)
class Independent(ForestLaw):
    """Independent columns: a forest of roots."""

    @staticmethod
    def fit(x: Tensor, sizes: Sequence[int], add: float = 0.5) -> Independent:
        """The frequencies in codes `x` (N, D), every level with `add` counts more.

        Raises:
            ValueError: If the codes don't fit `sizes`, or `add` isn't positive.
        """
        edges = [(column, ROOT) for column in range(len(sizes))]
        return Independent(Forest.fit(x, sizes, edges, add))
