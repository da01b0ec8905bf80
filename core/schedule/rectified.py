r"""Schedules with alpha + sigma = 1: straight lines between data and noise."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.core.schedule.base import Schedule, straight

__all__ = ["Rectified"]


class Rectified(Schedule):
    r"""$\alpha = 1 - \tau$, $\sigma = \tau$: straight lines between data and noise (Liu et al.
    2023)."""

    def __init__(self, log_snr_max: float = 13.3, log_snr_min: float = -10.0) -> None:
        super().__init__(log_snr_max, log_snr_min)

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return 2 * torch.log((1 - tau) / tau)

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(-0.5 * log_snr)

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return straight(log_snr)
