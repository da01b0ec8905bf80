"""How a network is told the noise level: sines and cosines of the log-SNR."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["LevelEmbedding", "fourier"]

_FREQUENCIES = 16
_FURTHEST = 14.0  # of log-SNR: nobody can tell more noise, or less, from this much


class LevelEmbedding(nn.Module):
    """(B,) log-SNRs, infinite ones too, as (B, width) features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, log_snr: Tensor) -> Tensor:
        out: Tensor = self.layers(fourier(log_snr.clamp(-_FURTHEST, _FURTHEST) / 4))
        return out


def fourier(t: Tensor) -> Tensor:
    """Sines and cosines of t (B,) at geometric frequencies, (B, 32)."""
    frequencies = torch.logspace(-1, math.log10(4), _FREQUENCIES, device=t.device, dtype=t.dtype)
    angles = math.pi * t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)
