"""Markov chains: along the columns of a table, and along the steps of several voices.

Both are forests of paths. The voices of music all have tables of their own and know nothing of
each other, but the same tables hold at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.domains.categorical.baselines.forest import ROOT, Forest, ForestLaw, conditionals
from unnoise.domains.categorical.baselines.independent import Independent

__all__ = ["ColumnMarkov", "StepMarkov", "StepUnigram"]


@dataclass(frozen=True, eq=False)
class ColumnMarkov(ForestLaw):
    """Each column given the one before it."""

    @staticmethod
    def fit(x: Tensor, sizes: Sequence[int], add: float = 0.5) -> ColumnMarkov:
        """The frequencies in codes `x` (N, D), every cell of every table with `add` counts more.

        Raises:
            ValueError: If the codes don't fit `sizes`, or `add` isn't positive.
        """
        edges = [(column, column - 1) for column in range(len(sizes))]  # ROOT is -1
        return ColumnMarkov(Forest.fit(x, sizes, edges, add))


@dataclass(frozen=True, eq=False)
class StepUnigram:
    """Every voice at every step by the voice's own frequencies.

    Attributes:
        log_p: (1, S) of each voice, float64, nats.
    """

    log_p: Sequence[Tensor]

    @staticmethod
    def fit(songs: Sequence[Tensor], sizes: Sequence[int], add: float = 0.01) -> StepUnigram:
        """The frequencies in songs (steps, V), which may differ in length.

        Raises:
            ValueError: If the codes don't fit `sizes`, one a voice, or `add` isn't positive.
        """
        return StepUnigram(Independent.fit(torch.cat(list(songs)), sizes, add).forest.log_p)

    def rows(self, steps: int) -> Forest:
        """The law of songs of that many steps, as rows (N, steps * V), step by step."""
        edges = [(column, ROOT) for column in range(steps * len(self.log_p))]
        return Forest(edges, tuple(self.log_p) * steps)


@dataclass(frozen=True, eq=False)
class StepMarkov:
    """Every voice by its own step before; at the first step by its frequencies at all steps.

    Attributes:
        first: (1, S) of each voice, float64, nats.
        log_p: log p(now | before), (S, S) of each voice, float64, nats.
    """

    first: Sequence[Tensor]
    log_p: Sequence[Tensor]

    @staticmethod
    def fit(songs: Sequence[Tensor], sizes: Sequence[int], add: float = 0.01) -> StepMarkov:
        """The frequencies in songs (steps, V), which may differ in length.

        Raises:
            ValueError: If the codes don't fit `sizes`, one a voice, `add` isn't positive, or no
                song has two steps.
        """
        pairs = torch.cat([torch.cat([song[:-1], song[1:]], 1) for song in songs])
        edges = [(len(sizes) + voice, voice) for voice in range(len(sizes))]
        first = StepUnigram.fit(songs, sizes, add).log_p
        return StepMarkov(first, conditionals(pairs, [*sizes, *sizes], edges, add))

    def rows(self, steps: int) -> Forest:
        """The law of songs of that many steps, as rows (N, steps * V), step by step."""
        voices = len(self.first)
        edges = [(column, max(column - voices, ROOT)) for column in range(steps * voices)]
        return Forest(edges, (*self.first, *(tuple(self.log_p) * (steps - 1))))
