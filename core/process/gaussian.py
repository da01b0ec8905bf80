r"""Gaussian diffusion: $x_t = \alpha_t x_0 + \sigma_t C^{1/2} z$.

Everything follows from the channel and the belief's mean $\hat x_0$:

    noise      eps = (x_t - alpha x_0) / sigma
    score      C^-1 (alpha x_0 - x_t) / sigma^2                 (Tweedie)
    reverse    x_s = alpha_s x_0 + sigma_s [ r^(l^2) eps + sqrt(1 - r^(2 l^2)) z ],  l >= 0
               r = (sigma_s/alpha_s) / (sigma_t/alpha_t)
    path KL    1/2 int snr |C^-1/2 (x_0 - mean)|^2 d(log snr)   (VDM's continuous bound; I-MMSE)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.distribution import Distribution, Normal
from unnoise.core.noise import Noise, White
from unnoise.core.posterior import Posterior
from unnoise.core.process.linear import Frame, LinearGaussian, Step, decode
from unnoise.core.quadrature import multistep
from unnoise.core.random import Generator
from unnoise.core.schedule import Level, Scalar, Schedule

__all__ = ["Gaussian", "effective_std", "reverse_coefficients"]


class Gaussian(LinearGaussian):
    r"""$q(x_t | x_0) = N(\alpha_t x_0, \sigma_t^2 C)$ with prior $N(0, (\alpha_1^2 s^2 +
    \sigma_1^2) C)$, s the standard deviation of the data.

    Args:
        schedule: alpha and sigma.
        noise: its covariance C; None: white.
        data_std: s, in the model's units: the prior's variance is that of such data at t = 1, and
            the path that samplers walk turns fastest where data of that size do. Best measured by
            `effective_std`.

    Raises:
        ValueError: if `data_std` isn't positive.
    """

    def __init__(
        self, schedule: Schedule, noise: Noise | None = None, data_std: float = 1.0
    ) -> None:
        super().__init__()
        if not data_std > 0:
            raise ValueError(f"Gaussian: data_std must be positive, got {data_std}")
        self.schedule = schedule
        self.noise = White() if noise is None else noise
        self.data_std = data_std

    def prior(self, batch: Batch) -> Normal:
        (end,) = self.schedule.levels(torch.ones(1))
        scale = math.hypot(float(end.alpha) * self.data_std, float(end.sigma))
        return Normal(torch.zeros_like(batch.x), scale, self.noise, batch)

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
        return half_snr(level) * self.noise.square_norm(x_0 - posterior.mean, batch)

    def decode(
        self, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Distribution:
        return decode(level, posterior, self.noise, batch)

    def on(self, schedule: Schedule) -> Gaussian:
        return Gaussian(schedule, self.noise, self.data_std)

    def gauge(self, level: Level) -> float:
        return float(level.alpha)

    def steps(self, levels: Sequence[Level], noise_level: float, order: int) -> list[Step]:
        r"""$x_s = a x_t + (1 + \ell^2) \sigma_s e^{-\ell^2 h_s} \int e^{(1 + \ell^2) h} \hat x_0(h)
        dh + c z$, $h = \log\alpha/\sigma$: order 2 takes $\hat x_0$ at the middle of the step, as
        DPM-Solver++ (2M) does; 3 integrates the parabola."""
        half = [0.5 * float(level.log_snr) for level in levels]
        steep = 1 + noise_level**2
        weights = multistep(half, order, lambda u: steep * np.exp(steep * u)) if order > 1 else []
        made = []
        for k, (level, to) in enumerate(pairwise(levels)):
            a, b, c = (float(v) for v in reverse_coefficients(level, to, noise_level))
            if order == 1:
                made.append(Step(level, a, (b,), c))
                continue
            w = weights[k] / math.expm1(steep * (half[k + 1] - half[k]))
            if len(w) == 2:
                lean = 0.5 * (half[k + 1] - half[k]) / (half[k] - half[k - 1])
                w = np.array([1 + lean, -lean])
            made.append(Step(level, a, tuple((b * w).tolist()), c))
        return made

    def slopes(self, levels: Sequence[Level]) -> list[tuple[float, float]]:
        t = torch.tensor([float(level.t) for level in levels], dtype=torch.float64)
        d_alpha, d_sigma, _ = (d.tolist() for d in self.schedule.slope(t))
        return [
            (ds / float(level.sigma), da - ds * float(level.alpha) / float(level.sigma))
            for level, da, ds in zip(levels, d_alpha, d_sigma, strict=True)
        ]

    def frames(self, levels: Sequence[Level]) -> list[Frame]:
        slopes = self.slopes(levels)
        return [Frame(level, p, q) for level, (p, q) in zip(levels, slopes, strict=True)]

    def forward_step(self, level: Level, to: Level) -> tuple[float, float]:
        a = float(to.alpha) / float(level.alpha)
        gained = math.expm1(float(level.log_snr) - float(to.log_snr))  # relative to what is kept
        return a, a * float(level.sigma) * math.sqrt(gained)

    def whitening(self, level: Level) -> tuple[float, float, float]:
        sigma = float(level.sigma)
        return 1 / sigma, -float(level.alpha) / sigma, sigma

    def draw(self, batch: Batch, generator: Generator = None) -> Tensor:
        return self.noise.sample(batch, generator)

    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        eps = (x_t - level.alpha * x_0) / level.sigma
        return 0.5 * (self.noise.square_norm(eps, batch) - self.noise.dims(batch))

    def eps(self, x_t: Tensor, level: Level, posterior: Posterior) -> Tensor:
        """The noise that the belief sees in x_t, shaped as the state."""
        return (x_t - level.alpha * posterior.mean) / level.sigma


def effective_std(x: Tensor) -> float:
    """sqrt(tr S^2 / tr S) of data x (n, ...), S their covariance: the standard deviation of the
    directions that carry the variance, for `data_std`.

    Entries of one variance and no correlation have their own. Data that vary along few directions
    have more, and turn from noise to data earlier than their entries' standard deviation tells.

    Raises:
        ValueError: if there are fewer than two states, or they don't vary.
    """
    flat = x.reshape(len(x), -1).double()
    flat = flat - flat.mean(0)
    trace = flat.square().sum()
    if len(x) < 2 or not trace > 0:
        raise ValueError(f"effective_std: needs two states or more that vary, got {len(x)}")
    gram = flat @ flat.T if len(flat) < flat.shape[1] else flat.T @ flat
    return (gram.square().sum() / (trace * len(x))).sqrt().item()


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


def half_snr(level: Level) -> Tensor | float:
    """snr / 2 of each row, (B,) or a number."""
    ratio = level.alpha / level.sigma
    half = 0.5 * ratio * ratio
    return half.reshape(-1) if isinstance(half, Tensor) else half


def _root(x: Scalar) -> Scalar:
    return x.clamp(min=0).sqrt() if isinstance(x, Tensor) else max(x, 0.0) ** 0.5
