r"""Dequantisation: log probabilities of data on a grid from a model of densities (Ho et al. 2019,
Flow++).

With y = x + D (u - 1/2), u in (0, 1)^d the place in the cell of width D,

    log P(x) >= E_q(u|x) [ log p(y) + d log D - log q(u | x) ],

an equality if q is the model's own law inside the cell, q(u|x) ~ p(y). Uniform noise asks the model
for a density that is flat in every cell; a learned q asks for what the model has. Without any
dequantisation ("lossless"), `Bound`, `IMMSE` and `Flow` decode to the grid themselves.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from unnoise.core.batch import Batch
from unnoise.core.likelihood.base import Likelihood, Query
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.random import Generator, normal, uniform

__all__ = ["Dequantised", "Dequantiser", "UniformNoise", "VariationalDequantiser"]


class Dequantiser(nn.Module, ABC):
    """A law q(u | x) of places in a cell."""

    @abstractmethod
    def forward(self, batch: Batch, generator: Generator = None) -> tuple[Tensor, Tensor]:
        """A draw u in [0, 1], shaped as the state, and log q(u | x) over the entries that exist,
        (B,)."""


class UniformNoise(Dequantiser):
    """q = 1."""

    def forward(self, batch: Batch, generator: Generator = None) -> tuple[Tensor, Tensor]:
        u = uniform(tuple(batch.x.shape), batch.x, generator)
        return u, torch.zeros_like(batch.dims())


class VariationalDequantiser(Dequantiser):
    """u = sigmoid(m(x) + s(x) z), z normal: log q = log N(z) - log s - log u (1 - u), an entry.

    Train it by the bound that it serves: `Dequantised.loss`.

    Args:
        network: (x, batch) -> (B, ..., 2), m and log(s / 1.75); at zero q is the logit-normal nearest to
            uniform, .0095 nats an entry from it.
    """

    def __init__(self, network: Callable[[Tensor, Batch], Tensor]) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, generator: Generator = None) -> tuple[Tensor, Tensor]:
        m, log_s = self.network(batch.x, batch).unbind(-1)
        log_s = log_s + math.log(1.75)
        z = normal(batch.x, generator)
        v = m + log_s.exp() * z
        log_q = softplus(v) + softplus(-v) - log_s - 0.5 * (z.square() + math.log(2 * math.pi))
        log_q = log_q if batch.mask is None else log_q * batch.mask
        return torch.sigmoid(v), log_q.reshape(len(v), -1).sum(1)


@dataclass(frozen=True)
class Dequantised(Likelihood):
    """A lower bound on log probabilities from a likelihood of densities; an estimate, if that is
    one.

    The standard error is that of the wrapped likelihood, without the spread over u, which the
    spread over items shows.

    Attributes:
        likelihood: of the density at y.
        dequantiser: q.
    """

    likelihood: Likelihood
    dequantiser: Dequantiser

    def estimate(self, query: Query) -> LikelihoodResult:
        if query.values is None:
            raise ValueError(
                "Dequantised: the data aren't on a grid, so there is nothing to dequantise; "
                f"take {type(self.likelihood).__name__} itself, or a model with the Quantised transform"
            )
        batch, width = query.batch, (query.values[1] - query.values[0]).item()
        u, log_q = self.dequantiser(batch, query.generator)
        inside = u - 0.5 if batch.mask is None else (u - 0.5) * batch.mask
        y = batch.replace(x=batch.x + width * inside)
        density = self.likelihood.estimate(replace(query, batch=y, values=None))
        nats = density.nats + query.dims * math.log(width) - log_q
        kind = Kind.ESTIMATE if density.kind == Kind.ESTIMATE else Kind.LOWER_BOUND
        return replace(density, nats=nats, kind=kind)

    def loss(self, query: Query) -> Tensor:
        """-log P(x) in nats, a mean over the batch: what a dequantiser is trained by.

        Raises:
            ValueError: if nothing can be trained by it.
        """
        nats = self.estimate(query).nats
        if not nats.requires_grad:
            raise ValueError(
                f"Dequantised: {type(self.likelihood).__name__} with {type(self.dequantiser).__name__} has no gradient; "
                "train a VariationalDequantiser by Bound"
            )
        return -nats.mean()
