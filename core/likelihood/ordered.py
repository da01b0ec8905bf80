r"""Likelihoods of a model that reveals masked columns one at a time.

    MaskedBound   -log p(x) <= sum_k E[ 1/k sum_masked -log p(x_d | the rest) ]    any order
    Ordered       log p(x) = sum_k log p(x_{o_k} | x_{o_1}, ..., x_{o_{k-1}})      one order

The first is the bound of the absorbing diffusion with the time integrated out (`core.masking`): what
`Bound` estimates, at a fraction of its variance. The second is exact, for the model that reveals
columns in that order: with exact conditionals all orders have one law; a network's need not agree
with each other, and each order is then a law of its own, whose mean of log p over orders is the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unnoise.core.likelihood.base import Likelihood, Query, average
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.masking import masked, require_absorbing
from unnoise.core.posterior import Categories
from unnoise.core.random import low_discrepancy

__all__ = ["MaskedBound", "Ordered"]


@dataclass(frozen=True)
class MaskedBound(Likelihood):
    """The bound of the absorbing noise, a lower bound on log p(x), estimated without bias.

    Numbers of masked columns are stratified over the draws of an item; its standard error is that
    of independent draws, which is an upper bound.

    Attributes:
        draws: evaluations for each item.

    Raises:
        ValueError: if there is none.
    """

    draws: int = 32

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"MaskedBound: draws must be at least 1, got {self.draws}")

    def estimate(self, query: Query) -> LikelihoodResult:
        process, batch = require_absorbing(query.process), query.batch
        shift = low_discrepancy(batch.x, query.generator)

        def draw(k: int) -> torch.Tensor:
            share = (k + shift) / self.draws
            return masked(process, batch, share, query.generator).nats(query.denoiser, batch)

        nats, stderr = average(draw, self.draws)
        return LikelihoodResult(-nats, query.dims, Kind.LOWER_BOUND, stderr, self.draws)


@dataclass(frozen=True)
class Ordered(Likelihood):
    """log p of the model that reveals columns in an order: exact, D evaluations.

    Attributes:
        order: of the columns; None: as they stand.

    Raises:
        TypeError: if the noise doesn't absorb, or the belief isn't about x_0.
        ValueError: if the order isn't one of the columns.
    """

    order: Sequence[int] | None = None

    def estimate(self, query: Query) -> LikelihoodResult:
        process, x = require_absorbing(query.process), query.batch.x
        columns = x[0].numel()
        order = list(range(columns)) if self.order is None else list(self.order)
        if sorted(order) != list(range(columns)):
            raise ValueError(f"Ordered: the order must name each of {columns} columns once")
        codes = x.reshape(len(x), -1)
        exists = torch.ones_like(codes, dtype=torch.bool)
        if query.batch.mask is not None:
            exists = query.batch.mask.expand_as(x).reshape(codes.shape)
        shown = torch.full_like(codes, float(process.rates.states - 1))
        nats = x.new_zeros(len(x))
        alphas = (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
        for column, log_snr in zip(order, (2 * torch.logit(alphas)).tolist(), strict=True):
            level = process.schedule.level_of(x.new_full((len(x),), log_snr), x.ndim)
            belief = query.denoiser(shown.reshape(x.shape), level, query.batch)
            if not isinstance(belief, Categories):
                raise TypeError("Ordered needs a belief about x_0, not ratios")
            log_p = torch.log_softmax(belief.logits.flatten(1, -2)[:, column], -1)
            each = log_p.gather(1, codes[:, column : column + 1].long())[:, 0]
            nats = nats + torch.where(exists[:, column], each, 0.0)
            shown[:, column] = codes[:, column]
        return LikelihoodResult(nats, query.dims, Kind.EXACT, torch.zeros_like(nats), columns)
