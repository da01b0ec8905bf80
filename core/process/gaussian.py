r"""Gaussian diffusion: $x_t = \alpha_t x_0 + \sigma_t C^{1/2} z$.

Everything follows from the channel and the belief's mean $\hat x_0$:

    noise      eps = (x_t - alpha x_0) / sigma
    score      C^-1 (alpha x_0 - x_t) / sigma^2                 (Tweedie)
    reverse    x_s = alpha_s x_0 + sigma_s [ r eps + sqrt(1 - r^2) z ]
               r = (sigma_s/alpha_s) / (sigma_t/alpha_t)
    path KL    1/2 int snr |C^-1/2 (x_0 - mean)|^2 d(log snr)   (VDM's continuous bound; I-MMSE)
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.distribution import Distribution, Lattice, Normal
from unnoise.core.noise import Noise, White
from unnoise.core.posterior import Levels, Posterior
from unnoise.core.process.base import Process
from unnoise.core.schedule import Level, Scalar, Schedule

__all__ = ["Gaussian", "reverse_coefficients"]


class Gaussian(Process[Posterior]):
    r"""$q(x_t | x_0) = N(\alpha_t x_0, \sigma_t^2 C)$ with prior $N(0, (\alpha_1^2 + \sigma_1^2)
    C)$.

    The prior's variance is that of unit-variance data at t = 1; for a variance-preserving schedule
    it is C itself.
    """

    def __init__(self, schedule: Schedule, noise: Noise | None = None) -> None:
        super().__init__()
        self.schedule = schedule
        self.noise = White() if noise is None else noise

    def prior(self, batch: Batch) -> Normal:
        (end,) = self.schedule.levels(torch.ones(1))
        return Normal(
            torch.zeros_like(batch.x), _root(end.alpha**2 + end.sigma**2), self.noise, batch
        )

    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Normal:
        return Normal(level.alpha * x_0, level.sigma, self.noise, batch)

    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: Posterior, batch: Batch
    ) -> Normal:
        """The ancestral step: N(a x_t + b mean, c^2 C), DDPM's posterior with x_0 replaced by its
        mean."""
        a, b, c = reverse_coefficients(level, to, noise_level=1.0)
        return Normal(a * x_t + b * posterior.mean, c, self.noise, batch)

    def rate(
        self, x_0: Tensor, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Tensor:
        ratio = level.alpha / level.sigma
        half_snr = 0.5 * ratio * ratio
        error = self.noise.square_norm(x_0 - posterior.mean, batch)
        return error * (half_snr.reshape(-1) if isinstance(half_snr, Tensor) else half_snr)

    def decode(
        self, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Distribution:
        """N(mean, (sigma/alpha)^2 C), right to first order in sigma; a belief over levels decodes
        as itself."""
        if isinstance(posterior, Levels):
            return Lattice(posterior.logits, posterior.values, batch)
        return Normal(posterior.mean, level.sigma / level.alpha, self.noise, batch)

    def eps(self, x_t: Tensor, level: Level, posterior: Posterior) -> Tensor:
        """The noise that the belief sees in x_t, shaped as the state."""
        return (x_t - level.alpha * posterior.mean) / level.sigma


def reverse_coefficients(
    level: Level, to: Level, noise_level: float
) -> tuple[Scalar, Scalar, Scalar]:
    r"""(a, b, c) of the exact-in-noise step $x_s = a x_t + b \hat x_0 + c z$ with any noise level
    $\ell \ge 0$.

    $x_s = \alpha_s \hat x_0 + \sigma_s [r^{\ell^2} \hat\epsilon + \sqrt{1 - r^{2\ell^2}} z]$:
    $\ell = 0$ is DDIM, 1 is DDPM's posterior, and every $\ell$ keeps the marginals (Song et al.
    2021; McAllester 2023).
    """
    r = (to.sigma / to.alpha) / (level.sigma / level.alpha)
    kept = r ** (noise_level**2)
    a = to.sigma * kept / level.sigma
    return a, to.alpha - a * level.alpha, to.sigma * _root(1 - kept**2)


def _root(x: Scalar) -> Scalar:
    return x.clamp(min=0).sqrt() if isinstance(x, Tensor) else max(x, 0.0) ** 0.5
