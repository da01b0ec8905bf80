"""Weights: what a loss cares about. They change what a network spends itself on, not what its
optimum is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.schedule import Level, Schedule

__all__ = ["Elbo", "MinSNR", "Simple", "VelocityError", "Weight"]


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
        return schedule.speed(torch.as_tensor(level.t).reshape(-1)).detach()


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
class VelocityError(Weight):
    """2 (1 + snr) / snr: the loss is E|v - v_hat|^2, v the velocity of unit total variance (Salimans &
    Ho 2022, "SNR + 1"). A network preconditioned for unit data errs by as much at every level."""

    def __call__(self, level: Level, schedule: Schedule) -> Tensor:
        return 2 * (1 + torch.exp(-torch.as_tensor(level.log_snr).reshape(-1)))
