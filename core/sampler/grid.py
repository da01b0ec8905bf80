"""Time grids: where a sampler stops on its way from noise to data. A grid is a value, callable on
a schedule.

Every grid returns n + 1 decreasing times from 1 to 0. The end of the schedule's window, t = 0, is
where a sampler makes its last, plain denoise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.schedule import Schedule

__all__ = ["CosineGrid", "Grid", "LogSNRGrid", "PowerGrid", "SigmaGrid"]


class Grid(ABC):
    """A way to choose times."""

    @abstractmethod
    def __call__(self, schedule: Schedule, steps: int) -> Tensor:
        """Times (steps + 1,) in float64, from 1 down to 0."""


@dataclass(frozen=True)
class PowerGrid(Grid):
    """t = u^power, u uniform: power 1 is uniform in time, above 1 is denser near the data."""

    power: float = 1.0

    def __call__(self, schedule: Schedule, steps: int) -> Tensor:
        return _uniform(steps) ** self.power


@dataclass(frozen=True)
class CosineGrid(Grid):
    """t = sin(pi u / 2), u uniform: few entries are unmasked while little is known (MD4, Shi et al.
    2024)."""

    def __call__(self, schedule: Schedule, steps: int) -> Tensor:
        return _pinned(torch.sin(0.5 * torch.pi * _uniform(steps)))


@dataclass(frozen=True)
class LogSNRGrid(Grid):
    """Uniform in log-SNR."""

    def __call__(self, schedule: Schedule, steps: int) -> Tensor:
        u = _uniform(steps)
        return _pinned(
            schedule.time(schedule.log_snr_max + (schedule.log_snr_min - schedule.log_snr_max) * u)
        )


@dataclass(frozen=True)
class SigmaGrid(Grid):
    """Uniform in (sigma / alpha)^(1/rho) (Karras et al. 2022, eq. 5)."""

    rho: float = 7.0

    def __call__(self, schedule: Schedule, steps: int) -> Tensor:
        low, high = (
            torch.tensor(-0.5 * v / self.rho, dtype=torch.float64).exp()
            for v in (schedule.log_snr_max, schedule.log_snr_min)
        )
        return _pinned(
            schedule.time(-2 * self.rho * torch.log(low + (high - low) * _uniform(steps)))
        )


def _uniform(steps: int) -> Tensor:
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64)


def _pinned(t: Tensor) -> Tensor:
    t = t.detach().clamp(0, 1)
    t[0], t[-1] = 1, 0
    return t
