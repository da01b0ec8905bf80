"""The gains for a batch of windows, and what is computed with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.domains.timeseries.reference.kalman import Gains, Smoother

__all__ = ["Conditioning"]


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The gains for the windows of a batch: `fold` brings values (B, T, C, n) to their columns.

    Windows with the same gaps and the same pattern share one row of gains, and are its columns.
    """

    gains: Gains
    rows: int  # B

    @property
    def shared(self) -> bool:
        return len(self.gains.given[0]) < self.rows

    def fold(self, y: Tensor) -> Tensor:
        """Values (B, T, C, n), of which only those given are read, as columns of the gains."""
        y = y.permute(1, 2, 0, 3).flatten(2)[:, None] if self.shared else y.transpose(0, 1)
        return torch.where(self.gains.given[..., None], y, 0.0)

    def unfold(self, y: Tensor) -> Tensor:
        """The inverse of `fold`: (B, T, C, n)."""
        if self.shared:
            return y[:, 0].reshape(*y.shape[::2], self.rows, -1).permute(2, 0, 1, 3)
        return y.transpose(0, 1)

    def mean(self, values: Tensor, smoother: Smoother) -> Tensor:
        """E[H z | y] of values (B, T, C, n), shaped as they are."""
        return self.unfold(self.gains.chain.observe(smoother.mean(self.fold(values)), 2))

    def law(self, values: Tensor) -> Tensor:
        """E[H z | y] and Var[H z | y] of values (B, T, C): (2, B, T, C)."""
        smoother, chain = self.gains.smoother(), self.gains.chain
        mean = self.mean(values[..., None], smoother)[..., 0]
        variance = chain.observe(chain.observe(smoother.variance(), 2), 3)
        entries = variance.diagonal(dim1=2, dim2=3).transpose(0, 1)
        return torch.stack([mean, entries.clamp(min=0.0).expand_as(mean)])

    def log_prob(self, values: Tensor) -> Tensor:
        """The log density of the given entries of values (B, T, C), (B,)."""
        w = self.unfold(self.gains.filter(self.fold(values[..., None]))[0])
        dims = self.gains.given.sum((0, 2)).double()
        log_det = self.gains.log_det() + math.log(2 * math.pi) * dims
        return -0.5 * (w.square().sum((1, 2, 3)) + log_det)
