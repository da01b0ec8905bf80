r"""Objectives of codes that are not a bound: what a network may be trained by, never what is
reported.

    CrossEntropy     E_t E sum_d -log p(x_0,d | x_t)            its least value is that of the true posterior
    RatioMatching    E_t E sum_d -log p_t(x_t,d | the others)   categorical ratio matching (SDDM, Sun et
                     al. 2023); its least value is sum_d H(X_t,d | X_t,-d), at the true conditionals.
                     For hollow networks: one that sees x_t,d just names it, and the loss is 0

The others are rates of the process, so they are `Denoising` with a weight: with `Elbo` the bound's
integral in nats, which for a network of ratios is score entropy with its constant (SEDD, Lou et al.
2024) and for the absorbing state is MDLM's and MD4's loss. Nats and bits are the bound's alone, with
its prior and its decoder: `core.likelihood.Bound`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.objective.base import Integral
from unnoise.core.posterior import Categories, Levels, Parts
from unnoise.core.process import Jump, Process, Product
from unnoise.core.process.jump import codes, columns, flat
from unnoise.core.random import Generator
from unnoise.core.rates.base import elapsed
from unnoise.core.schedule import Level
from unnoise.core.times import Times, Uniform

__all__ = ["CrossEntropy", "RatioMatching"]


class Columns(Integral):
    """A loss of every column at drawn times, a mean over the columns that exist."""

    def __init__(
        self, times: Times | None = None, stratified: bool = True, condition_dropout: float = 0.0
    ) -> None:
        super().__init__(Uniform() if times is None else times, stratified, condition_dropout)

    @abstractmethod
    def column(
        self, process: Process[Any], x_0: Tensor, x_t: Tensor, level: Level, posterior: Any
    ) -> Tensor:
        """Nats of each column, (B, D).

        Raises:
            TypeError: if they aren't defined for the process, or for such a belief.
        """

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """The loss of each state in nats per column, (B,).

        Raises:
            TypeError: see `column`.
        """
        told, level, inverse_density = self.draw(process, batch, generator)
        x_t = process.marginal(batch.x, level, batch).sample(generator)
        nats = self.column(process, batch.x, x_t, level, denoiser(x_t, level, told))
        if batch.mask is not None:
            nats = nats * batch.mask.expand_as(batch.x).reshape(nats.shape)
        return nats.sum(1) * inverse_density / batch.dims().clamp(min=1)


class CrossEntropy(Columns):
    """-log p(x_0,d | x_t) of every column of codes, every entry of quantised numbers, and every part of
    a product of these."""

    def column(
        self, process: Process[Any], x_0: Tensor, x_t: Tensor, level: Level, posterior: Any
    ) -> Tensor:
        if isinstance(process, Product) and isinstance(posterior, Parts):
            x, y = process.split(x_0), process.split(x_t)
            each = [
                self.column(process.process(k), x[k], y[k], level, posterior.parts[k]) for k in x
            ]
            return torch.cat(each, 1)
        if isinstance(posterior, Levels):
            code = (x_0.flatten(1)[..., None] - posterior.values).abs().argmin(-1)
        elif isinstance(posterior, Categories):
            code = codes(x_0)
        else:
            raise TypeError(
                f"CrossEntropy needs a belief about the levels of x_0 (Categories or Levels), got {type(posterior).__name__}"
            )
        log_p = torch.log_softmax(columns(posterior.logits), -1)
        return -log_p.gather(-1, code[..., None])[..., 0]


class RatioMatching(Columns):
    """-log p_t(x_t,d | the other columns) = log sum_y s_y of every column."""

    def column(
        self, process: Process[Any], x_0: Tensor, x_t: Tensor, level: Level, posterior: Any
    ) -> Tensor:
        if not isinstance(process, Jump):
            raise TypeError(f"RatioMatching is for Jump, got {type(process).__name__}")
        return torch.logsumexp(process.log_ratio(x_t, elapsed(flat(level), x_t), posterior), -1)
