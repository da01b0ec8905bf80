"""Densities of times: where a loss or a bound looks along the schedule.

Any density on [0, 1] whose draws carry 1 / density integrates the same function; the choice only
moves the variance.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.schedule import Schedule

__all__ = ["LogSNRTimes", "LogisticTimes", "Times", "Uniform"]


class Times(ABC):
    """A density of times on [0, 1], drawn by its inverse CDF so that quantiles can be
    stratified."""

    @abstractmethod
    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor | float]:
        """Times (n,) at the quantiles u (n,) of the density, and 1 / density at them."""


@dataclass(frozen=True)
class Uniform(Times):
    """t uniform on [0, 1]."""

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, float]:
        return u, 1.0


@dataclass(frozen=True)
class LogSNRTimes(Times):
    """Log-SNR uniform over the schedule's window."""

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
        span = schedule.log_snr_max - schedule.log_snr_min
        t = schedule.time(schedule.log_snr_max - span * u).clamp(0, 1)
        return t, -span / schedule.slope(t)[2]


@dataclass(frozen=True)
class LogisticTimes(Times):
    """Log-SNR from a logistic law cut to the schedule's window: where Gaussian data's error lives
    (Kong et al. 2023, appendix B).

    For data of variance v the noise error is sigmoid(log-SNR + log v) a dimension, whose slope in
    log-SNR is this density with `loc = -log v` and `scale = 1`; a wider spectrum of variances
    wants a larger scale.
    """

    loc: float = 0.0
    scale: float = 2.0

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
        low, high = schedule.log_snr_min, schedule.log_snr_max
        width = self._cdf(high) - self._cdf(low)
        # both tails of the law at the quantile, each exact where it is small; t rises with u
        above = self._tail(high) + width * u
        below = self._cdf(low) + width * (1 - u)
        log_snr = (self.loc + self.scale * torch.log(below / above)).clamp(low, high)
        t = schedule.time(log_snr).clamp(0, 1)
        density_of_log_snr = above * below / (self.scale * width)
        return t, -1 / (density_of_log_snr * schedule.slope(t)[2])

    def _cdf(self, log_snr: float) -> float:
        return 1 / (1 + math.exp((self.loc - log_snr) / self.scale))

    def _tail(self, log_snr: float) -> float:
        return 1 / (1 + math.exp((log_snr - self.loc) / self.scale))
