r"""The variational bound (Ho et al. 2020; VDM, Kingma et al. 2021), in continuous time and on a
grid of steps:

    -log p(x) <= KL(q(x_1|x) || p(x_1)) + path + E[-log p(x | x_0)]
                 prior                           decoder

    path  Bound          int E rate d(log-SNR)
          DiscreteBound  sum_k E KL(q(x_s | x_t, x) || p(x_s | x_t)),  s, t the ends of step k

The first is schedule-free; with an exact denoiser, prior and decoder it is an equality in
expectation and, by I-MMSE, at every x. The second is the bound of the ancestral sampler on that very
grid. For Gaussian diffusion a step's KL is (snr_s - snr_t) / 2 |x - mean|^2, the left end of a
Riemann sum of a falling error: it is above the integral, and sinks to it as steps are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unnoise.core.distribution import opposite
from unnoise.core.likelihood.base import (
    Likelihood,
    PathLikelihood,
    Query,
    average,
    require_pairs,
)
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.random import low_discrepancy
from unnoise.core.sampler.grid import Grid, LogSNRGrid
from unnoise.core.schedule import Level

__all__ = ["Bound", "DiscreteBound", "step_kl"]


@dataclass(frozen=True)
class Bound(PathLikelihood):
    """The bound in continuous time: a lower bound on log p(x), estimated without bias.

    Costs `draws` + 1 evaluations.
    """

    def estimate(self, query: Query) -> LikelihoodResult:
        prior = query.prior_kl()
        path, stderr = self.path(query)
        nats = query.reconstruction(query.ends[0]) - path - prior
        return LikelihoodResult(nats, query.dims, Kind.LOWER_BOUND, stderr, self.draws + 1)


@dataclass(frozen=True)
class DiscreteBound(Likelihood):
    """The bound of the ancestral sampler with `steps` steps: unbiased as an estimate of it.

    Attributes:
        steps: T, the steps of the sampler.
        grid: where they end.
        draws: evaluations for each item, in pairs of opposite noise at stratified steps; None:
            one pair at every step, 2 T evaluations.

    Raises:
        ValueError: if there are no steps, or `draws` is odd or less than 2.
    """

    steps: int = 32
    grid: Grid = field(default_factory=LogSNRGrid)
    draws: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"DiscreteBound: steps must be at least 1, got {self.steps}")
        if self.draws is not None:
            require_pairs(self.draws)

    def estimate(self, query: Query) -> LikelihoodResult:
        prior = query.prior_kl()
        schedule = query.process.schedule
        levels = schedule.levels(self.grid(schedule, self.steps).flip(0))  # from data to noise
        pairs = self.steps if self.draws is None else self.draws // 2
        shift = low_discrepancy(query.batch.x, query.generator)

        def pair(k: int) -> Tensor:
            if self.draws is None:
                return self.steps * step_kl(query, levels[k + 1], levels[k])
            step = ((k + shift) * (self.steps / pairs)).long().clamp(max=self.steps - 1)
            level, to = (rows_of(levels, j, query.batch.x) for j in (step + 1, step))
            return self.steps * step_kl(query, level, to)

        path, stderr = average(pair, pairs)
        nats = query.reconstruction(query.ends[0]) - path - prior
        return LikelihoodResult(nats, query.dims, Kind.LOWER_BOUND, stderr, 2 * pairs + 1)


def step_kl(query: Query, level: Level, to: Level) -> Tensor:
    """E KL(q(x_s | x_t, x) || p(x_s | x_t)) by one pair of opposite noise, (B,)."""
    process, batch = query.process, query.batch
    x_t, other = opposite(process.marginal(batch.x, level, batch), query.generator)

    def kl(x: Tensor) -> Tensor:
        true, believed = query.step(x, level, to)
        at = true.mean  # the covariances are one: log q - log p at q's mean is the KL
        return true.log_prob(at) - believed.log_prob(at)

    nats = 0.5 * (kl(x_t) + kl(other)).to(batch.x.dtype)
    if not query.density:
        return nats
    log_snr, finer = level.condition(batch.x), to.condition(batch.x)
    known = torch.expm1(finer - log_snr) * torch.sigmoid(log_snr).square()
    return nats - known * process.excess(batch.x, x_t, level, batch)


def rows_of(levels: Sequence[Level], index: Tensor, x: Tensor) -> Level:
    """The levels of an index (B,), shaped to broadcast against the states."""
    table = x.new_tensor([(v.t, v.alpha, v.sigma, v.log_snr) for v in levels])
    return Level(*table[index].reshape(-1, 4, *[1] * (x.ndim - 1)).unbind(1))
