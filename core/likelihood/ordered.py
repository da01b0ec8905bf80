r"""The exact likelihood of an absorbing model that reveals its columns one at a time, in one order:

    log p(x) = sum_k log p(x_{o_k} | x_{o_1}, ..., x_{o_{k-1}})

An absorbing diffusion with exact conditionals has the same law in every order (Hoogeboom et al. 2022,
ARDM); a network's conditionals need not agree with each other, and each order is then a model of its
own, whose probabilities sum to one. Its mean over random orders is the diffusion's bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unnoise.core.likelihood.base import Likelihood, Query
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.posterior import Categories
from unnoise.core.process import Jump

__all__ = ["Ordered"]


@dataclass(frozen=True)
class Ordered(Likelihood):
    """log p of the model that reveals columns in an order: exact, D evaluations.

    Attributes:
        order: of the columns; None: as they stand.

    Raises:
        ValueError: if the noise doesn't absorb, or the order isn't one of the columns.
    """

    order: Sequence[int] | None = None

    def estimate(self, query: Query) -> LikelihoodResult:
        process, x = query.process, query.batch.x
        columns = x[0].numel()
        order = list(range(columns)) if self.order is None else list(self.order)
        if not isinstance(process, Jump) or process.rates.mask is None:
            raise ValueError("Ordered needs a Jump process whose rates absorb; take Bound")
        if sorted(order) != list(range(columns)):
            raise ValueError(f"Ordered: the order must name each of {columns} columns once")
        codes = x.reshape(len(x), -1)
        exists = torch.ones_like(codes, dtype=torch.bool)
        if query.batch.mask is not None:
            exists = query.batch.mask.expand_as(x).reshape(codes.shape)
        shown = torch.full_like(codes, float(process.rates.mask))
        nats = x.new_zeros(len(x))
        alphas = (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
        for column, log_snr in zip(order, (2 * torch.logit(alphas)).tolist(), strict=True):
            level = process.schedule.level_of(x.new_full((len(x),), log_snr), x.ndim)
            belief = query.denoiser(shown.reshape(x.shape), level, query.batch)
            if not isinstance(belief, Categories):
                raise ValueError("Ordered needs a belief about x_0, not ratios")
            log_p = torch.log_softmax(belief.logits.flatten(1, -2)[:, column], -1)
            each = log_p.gather(1, codes[:, column : column + 1].long())[:, 0]
            nats = nats + torch.where(exists[:, column], each, 0.0)
            shown[:, column] = codes[:, column]
        return LikelihoodResult(nats, query.dims, Kind.EXACT, torch.zeros_like(nats), columns)
