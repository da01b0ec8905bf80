r"""Sampling by `torchsde`: slower than our own solvers by two orders of magnitude, and independent of
them.

The reverse process of noise level $\ell$ in the path's own time, t running from 1 to 0:

    dx = [ (p + l^2 k/2) x + (q - l^2 k alpha/2) x0_hat ] dt + l sigma sqrt(k) dw,
    k = -d log-SNR / dt,   p x + q x0_hat the noise-free flow
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unnoise.core.noise import White
from unnoise.core.operator import combine
from unnoise.core.process.gaussian import Gaussian
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.sampler.solver import Draw, Mean, require_noise_level
from unnoise.core.sampler.walk import Angle, Callback, Path, Walk

__all__ = ["TorchSDE"]


@dataclass(frozen=True)
class TorchSDE(Walk):
    """The reverse SDE by `torchsde.sdeint` with a fixed step; needs `pip install 'unnoise[sde]'`.

    Attributes:
        noise_level: l; 0 is the probability flow.
        method: of torchsde: "euler", "milstein", "srk".
        steps: of equal length in the path's time.
        path: the schedule that is walked; None: that of the process.
        denoise: end with E[x_0 | x] at t = 0.
        seed: of torchsde's own Brownian motion; the first state has the generator's.

    Raises:
        ValueError: if the noise level is negative, or steps < 1.
        TypeError: from a call, if the process isn't a `Gaussian` of white noise.
        ModuleNotFoundError: from a call, without torchsde.
    """

    noise_level: float = 1.0
    method: str = "srk"
    steps: int = 100
    path: Path = field(default_factory=Angle)
    denoise: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_noise_level(self.noise_level)
        if self.steps < 1:
            raise ValueError(f"TorchSDE: steps must be at least 1, got {self.steps}")

    def walk(
        self, process: LinearGaussian, mean: Mean, x: Tensor, draw: Draw, callback: Callback | None
    ) -> Tensor:
        if not (isinstance(process, Gaussian) and isinstance(process.noise, White)):
            raise TypeError(
                "TorchSDE: only a Gaussian process of white noise; use our own solvers"
            )
        import torchsde

        flat = x.reshape(len(x), -1)
        brownian = torchsde.BrownianInterval(
            t0=0.0,
            t1=1.0,
            size=tuple(flat.shape),
            dtype=x.dtype,
            device=x.device,
            entropy=self.seed,
            levy_area_approximation="space-time",
        )
        with torch.inference_mode(False), torch.no_grad():
            end: Tensor = torchsde.sdeint(
                _Reverse(process, mean, x.shape, self.noise_level),
                flat,
                torch.tensor([0.0, 1.0], dtype=x.dtype),
                bm=brownian,
                method=self.method,
                dt=1 / self.steps,
            )[-1]
        return end.reshape(x.shape)


class _Reverse:
    """The reverse SDE in torchsde's words: s = 1 - t rises."""

    noise_type = "diagonal"
    sde_type = "ito"

    def __init__(
        self, process: Gaussian, mean: Mean, shape: torch.Size, noise_level: float
    ) -> None:
        self.process = process
        self.mean = mean
        self.shape = shape
        self.square = noise_level**2

    def f(self, s: Any, y: Tensor) -> Tensor:
        level, k = self._level(s)
        ((p, q),) = self.process.slopes([level])
        half = 0.5 * self.square * k
        x = y.reshape(self.shape)
        drift = combine(p + half, x, q - half * level.alpha, self.mean(x, level))
        return -drift.reshape(y.shape)

    def g(self, s: Any, y: Tensor) -> Tensor:
        level, k = self._level(s)
        return torch.full_like(y, float(level.sigma) * (self.square * k) ** 0.5)

    def _level(self, s: Any) -> tuple[Any, float]:
        t = torch.tensor([min(max(1 - float(s), 0.0), 1.0)], dtype=torch.float64)
        (level,) = self.process.schedule.levels(t)
        return level, -self.process.schedule.slope(t)[2].item()
