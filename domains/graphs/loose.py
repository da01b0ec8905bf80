r"""Weights where there is no edge: free numbers.

A state has a number for every pair, and a law needs one for all of them. Where there is no edge, the number
is free: a standard normal z of its own. Its noisy version has one law at every log-SNR, whatever the graph,

    x_t ~ N(0, alpha^2 + sigma^2),   E[z | x_t] = c x_t,   c = alpha / (alpha^2 + sigma^2)

so it tells nothing, and its cost is known but for what a belief departs from that mean. The rate, z
integrated out and what it costs at best taken off, is

    snr / 2 ( sum_there |x_0 - mean|^2 + sum_free |c x_t - mean|^2 )

and the bound is one of log p(codes, weights of edges). The mask says which numbers are there; in sampling
all are, for which of them will have an edge isn't known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.distribution import Centred, Distribution, Normal
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian, Process, Product
from unnoise.core.process.gaussian import half_snr
from unnoise.core.random import Generator, normal
from unnoise.core.schedule import Level, Scalar, Schedule

__all__ = ["Loose", "firm"]


class Loose(Process[Posterior]):
    """White noise on numbers (B, D) that are free outside of the mask.

    Args:
        process: of numbers of unit variance.
    """

    def __init__(self, process: Gaussian) -> None:
        super().__init__()
        self.process = process
        self.schedule = process.schedule

    def prior(self, batch: Batch) -> Normal:
        return self.process.prior(batch)

    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Distribution:
        law = self.process.marginal(x_0, level, batch)
        return law if batch.mask is None else Loosened(law.mean * batch.mask, law, _norm(level))

    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: Posterior, batch: Batch
    ) -> Normal:
        return self.process.reverse(x_t, level, to, posterior, batch)

    def rate(
        self, x_0: Tensor, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Tensor:
        free = level.alpha / _norm(level) ** 2 * x_t
        aim = x_0 if batch.mask is None else torch.where(batch.mask, x_0, free)
        return half_snr(level) * (aim - posterior.mean).square().sum(1)

    def decode(
        self, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Distribution:
        return self.process.decode(x_t, level, posterior, batch)

    def on(self, schedule: Schedule) -> Loose:
        return Loose(self.process.on(schedule))

    def dims(self, batch: Batch) -> Tensor:
        return self.process.dims(batch)

    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        return self.process.excess(x_0, x_t, level, batch)


@dataclass(frozen=True, eq=False)
class Loosened(Centred):
    """A law of the entries that are there, beside N(0, spread^2) of those that are free; its density is
    that of the former."""

    mean: Tensor
    law: Normal
    spread: Scalar

    def sample(self, generator: Generator = None) -> Tensor:
        z = normal(self.mean, generator)
        return self.mean + torch.where(self._there, self.law.scale * z, self.spread * z)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.law.log_prob(x)

    def on(self, values: Tensor) -> Distribution:
        return self.law.on(values)

    @property
    def _there(self) -> Tensor:
        mask = self.law.batch.mask
        assert mask is not None
        return mask


def firm(process: Process[Any]) -> Process[Any]:
    """The process of states in which every number is there."""
    if not isinstance(process, Product):
        return process
    parts = {name: process.process(name) for name in process.widths}
    parts = {name: p.process if isinstance(p, Loose) else p for name, p in parts.items()}
    return Product(process.schedule, parts, process.widths)


def _norm(level: Level) -> Scalar:
    if isinstance(level.alpha, Tensor) and isinstance(level.sigma, Tensor):
        return torch.hypot(level.alpha, level.sigma)
    return math.hypot(level.alpha, level.sigma)
