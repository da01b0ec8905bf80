r"""Training objectives: one loss, weight x rate.

    loss = E_t [ weight(t) rate(t) ]

with the rate that of the process: the path KL's integrand, in nats per unit of log-SNR. A weight
changes what the network cares about, not what its optimum is. With `Elbo` the loss is the bound's
integral in nats, because int rate d(log-SNR) = E_t[ |d log-SNR / dt| rate ]. `Simple` is Ho et
al.'s unweighted noise error, E|eps - eps_hat|^2. The times are a separate choice: any density on
[0, 1] whose draws carry 1/density gives the same expectation, with another variance. Low-
discrepancy times, (u + i/B) mod 1, are a stratified uniform draw with one random number a batch
(VDM, appendix I.1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.process import Process
from unnoise.core.random import Generator, low_discrepancy, uniform
from unnoise.core.schedule import Level, Schedule
from unnoise.core.times import Times, Uniform

__all__ = ["Elbo", "MinSNR", "Objective", "Simple", "Weight"]


class Weight(ABC):
    """A positive function of the noise level that multiplies the rate."""

    @abstractmethod
    def __call__(self, level: Level, schedule: Schedule) -> Tensor | float:
        """The weights (B,) at the levels of a batch."""


@dataclass(frozen=True)
class Simple(Weight):
    """2: the loss is E|eps - eps_hat|^2 (Ho et al. 2020, eq. 14)."""

    def __call__(self, level: Level, schedule: Schedule) -> float:
        return 2.0


@dataclass(frozen=True)
class Elbo(Weight):
    """|d log-SNR / dt|: the loss is the continuous bound's integral, in nats."""

    def __call__(self, level: Level, schedule: Schedule) -> Tensor:
        return -schedule.slope(torch.as_tensor(level.t).reshape(-1))[2]


@dataclass(frozen=True)
class MinSNR(Weight):
    """2 min(snr, gamma) / snr: the x_0 error, with a weight clamped at gamma (Hang et al.
    2023)."""

    gamma: float = 5.0

    def __call__(self, level: Level, schedule: Schedule) -> Tensor:
        return 2 * (self.gamma * torch.exp(-torch.as_tensor(level.log_snr).reshape(-1))).clamp(
            max=1
        )


@dataclass(frozen=True)
class Objective:
    """loss = mean over the batch of weight(t) rate(t) / (entries of the state).

    Attributes:
        weight: what the network cares about.
        times: where it looks.
        stratified: low-discrepancy times, one random number a batch, instead of independent ones.
        condition_dropout: the share of rows whose condition is hidden in training, for
            classifier-free guidance.
    """

    weight: Weight = field(default_factory=Simple)
    times: Times = field(default_factory=Uniform)
    stratified: bool = True
    condition_dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.condition_dropout < 1:
            raise ValueError(
                f"Objective: condition_dropout must be in [0, 1), got {self.condition_dropout}"
            )

    def __call__(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """The scalar loss, in nats per entry up to the weight."""
        return self.terms(process, denoiser, batch, generator).mean()

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """The loss of each state, (B,)."""
        if self.condition_dropout > 0 and batch.cond:
            drop = uniform((len(batch),), batch.x, generator) < self.condition_dropout
            batch = batch.without_condition(drop)
        t, inverse_density = self.times.draw(self._quantiles(batch.x, generator), process.schedule)
        level = process.schedule.level(t, batch.x.ndim)
        x_t = process.marginal(batch.x, level, batch).sample(generator)
        rate = process.rate(batch.x, x_t, level, denoiser(x_t, level, batch), batch)
        return rate * (self.weight(level, process.schedule) * inverse_density / batch.dims())

    def _quantiles(self, x: Tensor, generator: Generator) -> Tensor:
        return (
            low_discrepancy(x, generator) if self.stratified else uniform((len(x),), x, generator)
        )
