r"""Schedules with alpha = 1: the data stay, the noise grows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unnoise.core.schedule.base import Schedule, exploding

__all__ = ["EDM", "VE"]


class VE(Schedule):
    r"""$\alpha = 1$, $\sigma = \sigma_{min} (\sigma_{max}/\sigma_{min})^t$: geometric (Song &
    Ermon 2019).

    The kernel's standard deviation is $\sigma$ itself; the published SDE starts from variance 0
    and disagrees with it at small t.
    """

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0) -> None:
        super().__init__(*_log_snr_of(sigma_min, sigma_max))

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -2 * tau

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return -0.5 * log_snr

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return exploding(log_snr)


class EDM(Schedule):
    r"""$\alpha = 1$, $\sigma = (\sigma_{min}^{1/\rho} + t(\sigma_{max}^{1/\rho} -
    \sigma_{min}^{1/\rho}))^\rho$ (Karras et al. 2022, eq. 5).

    Uniform steps in t are Karras' time steps.
    """

    def __init__(
        self, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
    ) -> None:
        if not rho > 0:
            raise ValueError(f"EDM: rho must be positive, got {rho}")
        super().__init__(*_log_snr_of(sigma_min, sigma_max))
        self.rho = rho

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -2 * self.rho * torch.log(tau)

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return torch.exp(-0.5 * log_snr / self.rho)

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return exploding(log_snr)


def _log_snr_of(sigma_min: float, sigma_max: float) -> tuple[float, float]:
    if not 0 < sigma_min < sigma_max:
        raise ValueError(f"needs 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}")
    return -2 * math.log(sigma_min), -2 * math.log(sigma_max)
