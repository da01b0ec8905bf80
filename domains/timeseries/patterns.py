r"""What is given of a series: patterns that training draws, so that any question may be asked later.

A pattern is a subset of the entries that are known. The rest are the targets: the model learns p(targets |
given), and what neither is given nor asked costs nothing.

    Points    each entry with a probability of its own window, from `least` to `most`
    Blocks    whole stretches of time of a channel are asked for, as when an instrument fails
    Channels  whole channels are
    Borrowed  what is missing in another window of the batch is asked for, if it is known in this one
    Cut       all from a time on: forecasting
    Mixture   one of several

Gaps of real data are mostly stretches, and a model trained on points alone fills these with too much
confidence: it has always had neighbours (the failure is in CSDI's table of patterns, Tashiro et al. 2021).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.random import Generator, uniform

__all__ = ["Blocks", "Borrowed", "Channels", "Cut", "Mixture", "Pattern", "Points"]


class Pattern(ABC):
    """A law of what is given."""

    @abstractmethod
    def __call__(self, batch: Batch, generator: Generator) -> Tensor:
        """Which known entries are given, booleans shaped as the states (B, T, C)."""


@dataclass(frozen=True)
class Points(Pattern):
    """Each entry with a probability that is uniform on [least, most], one for each state.

    Raises:
        ValueError: if these aren't shares in order.
    """

    least: float = 0.0
    most: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most <= 1:
            raise ValueError(
                f"Points: needs 0 <= least <= most <= 1, got {self.least}, {self.most}"
            )

    def __call__(self, batch: Batch, generator: Generator) -> Tensor:
        share = self.least + (self.most - self.least) * _each(batch, (1, 1), generator)
        return known(batch) & (_each(batch, batch.x.shape[1:], generator) < share)


@dataclass(frozen=True)
class Blocks(Pattern):
    """In a share of the channels, uniform on [0, most], one stretch is asked for, whose length is uniform up to
    the window's; of the rest, single points are, with probability `points`."""

    most: float = 1.0
    points: float = 0.05

    def __call__(self, batch: Batch, generator: Generator) -> Tensor:
        n, channels = batch.x.shape[1:]
        hit = _each(batch, (1, channels), generator) < self.most * _each(batch, (1, 1), generator)
        length = _each(batch, (1, channels), generator) * n
        start = _each(batch, (1, channels), generator) * (n + length) - length
        k = torch.arange(n, device=batch.x.device)[:, None]
        inside = hit & (k >= start) & (k < start + length)
        lone = _each(batch, batch.x.shape[1:], generator) < self.points
        return known(batch) & ~inside & ~lone


@dataclass(frozen=True)
class Channels(Pattern):
    """Each channel with a probability that is uniform on [0, 1], one for each state."""

    def __call__(self, batch: Batch, generator: Generator) -> Tensor:
        share = _each(batch, (1, 1), generator)
        return known(batch) & (_each(batch, (1, batch.x.shape[2]), generator) < share)


@dataclass(frozen=True)
class Borrowed(Pattern):
    """What is missing in the next window of the batch is asked for: gaps as the data have them."""

    def __call__(self, batch: Batch, generator: Generator) -> Tensor:
        return known(batch) & known(batch).roll(1, 0)


@dataclass(frozen=True)
class Cut(Pattern):
    """All before the last `horizon` points that are known of.

    Raises:
        ValueError: if the horizon is less than 1.
    """

    horizon: int

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ValueError(f"Cut: horizon must be at least 1 point, got {self.horizon}")

    def __call__(self, batch: Batch, generator: Generator) -> Tensor:
        points = known(batch).any(2, keepdim=True)
        left = points.flip(1).cumsum(1).flip(1)  # a short series ends before its window does
        return known(batch) & (left > self.horizon)


@dataclass(frozen=True)
class Mixture(Pattern):
    """Each state by one of several patterns, as often as its weight says.

    Raises:
        ValueError: if there aren't as many positive weights as patterns.
    """

    patterns: Sequence[Pattern]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.patterns) != len(self.weights) or not all(w > 0 for w in self.weights):
            raise ValueError(
                f"Mixture: needs a positive weight a pattern, got {len(self.patterns)} and {list(self.weights)}"
            )

    def __call__(self, batch: Batch, generator: Generator) -> Tensor:
        which = _each(batch, (1, 1), generator)
        given, below, total = known(batch), 0.0, sum(self.weights)
        for pattern, weight in zip(self.patterns, self.weights, strict=True):
            here = (which >= below) & (which < below + weight / total)
            given = torch.where(here, pattern(batch, generator), given)
            below += weight / total
        return given


def known(batch: Batch) -> Tensor:
    """Which entries are known, (B, T, C)."""
    if batch.mask is None:
        return torch.ones_like(batch.x, dtype=torch.bool)
    return batch.mask.expand_as(batch.x)


def _each(batch: Batch, shape: Sequence[int], generator: Generator) -> Tensor:
    return uniform((len(batch), *shape), batch.x, generator)
