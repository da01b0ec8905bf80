r"""Denoising: weight x rate at drawn times.

    loss = E_t [ weight(t) rate(t) ]

with the rate that of the process: the path KL's integrand, in nats per unit of log-SNR. With
`Elbo` the loss is the bound's integral in nats, because int rate d(log-SNR) = E_t[ |d log-SNR /
dt| rate ]; with `Simple` it is Ho et al.'s unweighted noise error, E|eps - eps_hat|^2. For a
process with hidden parts (a velocity) the rate has them integrated out: hybrid score matching.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.objective.base import Integral, weighed
from unnoise.core.objective.weight import Elbo, Simple, Weight
from unnoise.core.process import Process
from unnoise.core.random import Generator
from unnoise.core.schedule import Level
from unnoise.core.times import Times, Uniform

__all__ = ["Denoising", "Weighted"]


class Weighted(Integral):
    """loss = mean over the batch of weight(t) rate(t) / (entries of the state).

    Args:
        weight: what the network cares about; None: `Simple`.
        times: where it looks; None: `Uniform`.
        stratified: see `Integral`.
        condition_dropout: see `Integral`.
    """

    def __init__(
        self,
        weight: Weight | None = None,
        times: Times | None = None,
        stratified: bool = True,
        condition_dropout: float = 0.0,
    ) -> None:
        super().__init__(Uniform() if times is None else times, stratified, condition_dropout)
        self.weight = Simple() if weight is None else weight

    @abstractmethod
    def rate(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        x_t: Tensor,
        level: Level,
        batch: Batch,
        generator: Generator,
    ) -> Tensor:
        """Nats per unit of log-SNR, (B,), at noisy versions x_t of the batch's states."""

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """The loss of each state, (B,), in nats per entry up to the weight.

        Raises:
            ValueError: if the schedule is learned, and the loss would change with it.
        """
        told, level, inverse_density = self.draw(process, batch, generator)
        self._require_one_loss(inverse_density)
        x_t = process.marginal(batch.x, level, batch).sample(generator)
        rate = self.rate(process, denoiser, x_t, level, told, generator)
        weight = self.weight(level, process.schedule)
        entries = (
            batch.dims().clamp(min=1) if batch.mask is not None else math.prod(batch.x.shape[1:])
        )
        return weighed(rate, weight * inverse_density / entries)

    def extra_repr(self) -> str:
        return f"weight={self.weight}, {super().extra_repr()}"

    def _require_one_loss(self, inverse_density: Tensor | float) -> None:
        learns = isinstance(inverse_density, Tensor) and inverse_density.requires_grad
        if learns and isinstance(self.times, Uniform) and not isinstance(self.weight, Elbo):
            raise ValueError(
                f"{type(self).__name__}: with uniform times and {self.weight} the loss itself changes with a learned schedule; "
                "take the weight Elbo(), learn the times alone with times=Along(Learned()), or freeze the schedule by requires_grad_(False)"
            )


class Denoising(Weighted):
    """The process's own rate: for a Gaussian one snr |x_0 - mean|^2 / 2, denoising score matching
    (Vincent 2011)."""

    def rate(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        x_t: Tensor,
        level: Level,
        batch: Batch,
        generator: Generator,
    ) -> Tensor:
        return process.rate(batch.x, x_t, level, denoiser(x_t, level, batch), batch)
