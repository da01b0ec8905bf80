r"""The importance-weighted bound (Burda et al. 2016) of the ancestral chain:

    log p(x) >= E log 1/k sum_i w_i,   w = p(x, x_{0:T}) / q(x_{0:T} | x),   x_{0:T} ~ q(. | x)

with the forward process, walked backwards, as proposal: x_1 ~ q(x_1 | x), then x_s ~ q(x_s | x_t,
x). One trajectory is the discrete bound; more tighten it, up to log p of the chain itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from unnoise.core.likelihood.base import Likelihood, Query
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.sampler.grid import Grid, LogSNRGrid
from unnoise.core.schedule import Level

__all__ = ["ImportanceWeighted"]


@dataclass(frozen=True)
class ImportanceWeighted(Likelihood):
    """A lower bound on log p(x) of the ancestral sampler, which k trajectories tighten.

    The standard error is that of log mean w to first order; one trajectory doesn't tell it (NaN).
    Costs k (T + 1) evaluations.

    Attributes:
        k: trajectories for each item.
        steps: T, the steps of the sampler.
        grid: where they end.

    Raises:
        ValueError: if k or steps is less than 1.
    """

    k: int = 8
    steps: int = 32
    grid: Grid = field(default_factory=LogSNRGrid)

    def __post_init__(self) -> None:
        if self.k < 1 or self.steps < 1:
            raise ValueError(
                f"ImportanceWeighted: k and steps must be at least 1, got k={self.k} and steps={self.steps}"
            )

    def estimate(self, query: Query) -> LikelihoodResult:
        schedule = query.process.schedule
        levels = schedule.levels(self.grid(schedule, self.steps))
        log_w = torch.stack([log_weight(query, levels) for _ in range(self.k)])
        nats = torch.logsumexp(log_w, 0) - math.log(self.k)
        share = torch.softmax(log_w.detach(), 0)
        stderr = (
            math.sqrt(self.k) * share.std(0) if self.k > 1 else torch.full_like(nats, math.nan)
        )
        cost = self.k * (self.steps + 1)
        return LikelihoodResult(nats, query.dims, Kind.LOWER_BOUND, stderr, cost)


def log_weight(query: Query, levels: Sequence[Level]) -> Tensor:
    """log p(x, x_{0:T}) / q(x_{0:T} | x) of one trajectory from q, (B,)."""
    batch, dtype = query.batch, query.batch.x.dtype
    law = query.process.marginal(batch.x, levels[0], batch)
    x_t = law.sample(query.generator)
    log_w = query.prior.log_prob(x_t) - law.log_prob(x_t)
    for level, to in pairwise(levels):
        true, believed = query.step(x_t, level, to)
        x_s = true.sample(query.generator)
        log_w = log_w + (believed.log_prob(x_s) - true.log_prob(x_s)).to(dtype)
        x_t = x_s.to(dtype)
    return log_w + query.decoded(x_t, levels[-1])
