"""The trivial model of quantised images: every pixel by its own frequencies, blind to all others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Kind, LikelihoodResult
from unnoise.core.random import Generator, uniform

__all__ = ["Pixels", "exact"]


@dataclass(frozen=True)
class Pixels:
    """Independent pixels with log-probabilities `log_p` (C, H, W, K)."""

    log_p: Tensor

    @staticmethod
    def fit(x: Tensor, levels: int) -> Pixels:
        """The frequencies in images (N, C, H, W) of levels, smoothed by one count in all."""
        counts = torch.stack([(x == level).sum(0) for level in range(levels)], -1).double()
        return Pixels(((counts + 1 / levels) / (len(x) + 1)).log().float())

    def log_prob(self, x: Tensor) -> Tensor:
        """Nats of each image of levels, (N,)."""
        table = self.log_p.expand(len(x), *self.log_p.shape)
        return table.gather(-1, x.long()[..., None])[..., 0].flatten(1).sum(1)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Images (n, C, H, W) of levels."""
        cdf = self.log_p.double().exp().cumsum(-1)
        u = uniform((n, *cdf.shape[:-1], 1), cdf, generator)
        index = torch.cat([(part >= cdf).sum(-1) for part in torch.split(u, 100)])  # few at once
        return index.clamp(max=cdf.shape[-1] - 1)


def exact(nats: Tensor, batch: Batch) -> LikelihoodResult:
    """Exact log-probabilities as a result."""
    dims = torch.full_like(nats, batch.x[0].numel())  # levels may be too small to hold it
    return LikelihoodResult(nats, dims, Kind.EXACT, torch.zeros_like(nats), nfe=0)
