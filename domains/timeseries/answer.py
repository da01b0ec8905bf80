"""What users get: draws, and what is computed of them, as frames like their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.frames import Layout
from unnoise.domains.timeseries.panel import Panel

__all__ = ["Ahead", "Answer", "Filled"]

Arrays = Sequence[NDArray[np.float64]]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Answer(ABC):
    """Draws of series.

    Attributes:
        layout: how the frame was read.
        frame: the user's.
        panel: what it was read as.
        times: of every series, (T,).
        arrays: draws of every series in the user's units, (S, T, C); NaN where nothing was asked.
    """

    layout: Layout
    frame: pd.DataFrame
    panel: Panel
    times: Arrays
    arrays: Arrays

    @abstractmethod
    def written(self, values: Arrays) -> pd.DataFrame:
        """Values (T, C) of every series as a frame."""

    @abstractmethod
    def samples(self) -> pd.DataFrame:
        """All draws one below the other: `out.loc[s]` is the s-th, and `out.reset_index("sample")` has s as a
        column."""

    def mean(self) -> pd.DataFrame:
        """The mean of the draws: the guess of least square error."""
        return self.written([a.mean(0) for a in self.arrays])

    def median(self) -> pd.DataFrame:
        """The median of the draws: the guess of least absolute error."""
        return self.written([np.median(a, axis=0) for a in self.arrays])

    def quantiles(self, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
        """Quantiles of the draws, stamps as the index: one column a channel and level of a wide frame, a level of a
        long one.

        Raises:
            ValueError: if a level isn't in [0, 1].
        """
        wrong = [q for q in levels if not 0 <= q <= 1]
        if wrong:
            raise ValueError(f"quantiles: a level lies in [0, 1], got {wrong[0]}")
        values = [np.quantile(a, levels, axis=0) for a in self.arrays]
        return self.layout.quantiles(self.frame, self.panel, self.times, values, levels)


@dataclass(frozen=True, eq=False)
class Filled(Answer):
    """A frame whose missing cells were drawn; what was there is as it was."""

    def written(self, values: Arrays) -> pd.DataFrame:
        return self.layout.write(self.frame, self.panel, values)

    def samples(self) -> pd.DataFrame:
        return self.layout.draws(self.frame, self.panel, self.arrays)


@dataclass(frozen=True, eq=False)
class Ahead(Answer):
    """Values at times that the frame doesn't have."""

    def written(self, values: Arrays) -> pd.DataFrame:
        return self.layout.new(self.frame, self.panel, self.times, values)

    def samples(self) -> pd.DataFrame:
        return self.layout.new_draws(self.frame, self.panel, self.times, self.arrays)
