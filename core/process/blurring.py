r"""Blurring diffusion: heat and noise at once (Rissanen et al. 2023; Hoogeboom & Salimans 2023).

    u_t = V [alpha_t d_t (V' x_0)] + sigma_t z,    d_k = (1 - d_min) e^(-omega_k^2 b^2/2) + d_min

with V' the cosine transform, $\omega_k$ the frequency of a coefficient in radians an entry and $b =
b_{max} \sin^2(\pi t/2)$ the width of the blur in entries, t the angle of a variance-preserving
level: $b = b_{max} / (1 + snr)$. Fine detail drowns first. Every frequency is a scalar channel of its own
log-SNR, $\lambda_k = \lambda + 2 \log d_k$, so steps, slopes and the path KL are those of plain
diffusion, one a frequency:

    path KL    1/2 sum_k snr_k |x_k - mean_k|^2 dlambda_k

A network sees the state as it is, with the log-SNR of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.distribution import Centred, Distribution, Lattice, Normal
from unnoise.core.noise import White
from unnoise.core.noise.cosines import Cosines
from unnoise.core.operator import Coefficient, Frequencies
from unnoise.core.posterior import Levels, Posterior
from unnoise.core.process.gaussian import half_snr, reverse_coefficients
from unnoise.core.process.linear import Frame, LinearGaussian, Step
from unnoise.core.random import Generator, normal
from unnoise.core.schedule import Level, Scalar, Schedule

__all__ = ["Blurring"]


class Blurring(LinearGaussian):
    """Heat dissipation and white noise on states whose last dimensions are `shape`.

    Args:
        schedule: alpha and sigma of the mean (frequency 0).
        shape: the dimensions that blur.
        blur: the blur's largest width, in entries.
        floor: d_min, what is left of the finest detail.
        data_std: of the data, in the model's units.

    Raises:
        ValueError: if blur is negative, or floor isn't in (0, 1], or data_std isn't positive.
    """

    def __init__(
        self,
        schedule: Schedule,
        shape: tuple[int, ...],
        blur: float = 10.0,
        floor: float = 0.001,
        data_std: float = 1.0,
    ) -> None:
        super().__init__()
        if not (blur >= 0 and 0 < floor <= 1 and data_std > 0):
            raise ValueError(
                f"Blurring: needs blur >= 0, floor in (0, 1], data_std > 0, got {blur}, {floor}, {data_std}"
            )
        self.schedule = schedule
        self.noise = White()
        self.basis = Cosines(shape)
        self.blur = blur
        self.floor = floor
        self.data_std = data_std

    def prior(self, batch: Batch) -> Normal:
        (end,) = self.schedule.levels(torch.ones(1))
        scale = (float(end.alpha) ** 2 * self.data_std**2 + float(end.sigma) ** 2) ** 0.5
        return Normal(torch.zeros_like(batch.x), scale, self.noise, batch)

    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Normal:
        mean = self.basis.inverse(self._channels(level, x_0).alpha * self.basis.forward(x_0))
        return Normal(mean, level.sigma, self.noise, batch)

    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: Posterior, batch: Batch
    ) -> Spectrum:
        """The ancestral step, one a frequency."""
        one, two = self._channels(level, x_t), self._channels(to, x_t)
        a, b, c = reverse_coefficients(one, two, noise_level=1.0)
        y, m = self.basis.forward(x_t), self.basis.forward(posterior.mean)
        return Spectrum(self.basis.inverse(a * y + b * m), torch.as_tensor(c), self.basis, batch)

    def rate(
        self, x_0: Tensor, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Tensor:
        error = self.basis.forward(x_0 - posterior.mean).square()
        left, slope = self._left(level.log_snr, x_0)
        weighted = error * left.square() * (1 + 2 * slope)  # snr_k / snr and dlambda_k / dlambda
        return half_snr(level) * weighted.reshape(len(x_0), -1).sum(1)

    def decode(
        self, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Distribution:
        """N(mean_k, 1 / snr_k), right to first order; a belief over levels decodes as itself."""
        if isinstance(posterior, Levels):
            return Lattice(posterior.logits, posterior.values, batch)
        scale = torch.as_tensor(level.sigma / self._channels(level, x_t).alpha)
        return Spectrum(posterior.mean, scale, self.basis, batch)

    def on(self, schedule: Schedule) -> Blurring:
        shape = self.basis.shape
        return Blurring(schedule, shape, self.blur, self.floor, self.data_std)

    def gauge(self, level: Level) -> float:
        return float(level.alpha)

    def steps(self, levels: Sequence[Level], noise_level: float, order: int) -> list[Step]:
        if order > 1:
            raise ValueError(
                "Blurring: its frequencies have log-SNRs of their own, so there is no DPMSolver of order "
                f"{order}; take AdamsBashforth or Heun, or AnyNoise"
            )
        made = []
        for level, to in pairwise(levels):
            one, two = (self._channels(each, self._double) for each in (level, to))
            a, b, c = (
                Frequencies(torch.as_tensor(v), self.basis)
                for v in reverse_coefficients(one, two, noise_level)
            )
            made.append(Step(level, a, (b,), c if noise_level > 0 else 0.0))
        return made

    def slopes(self, levels: Sequence[Level]) -> list[tuple[Coefficient, Coefficient]]:
        t = torch.tensor([float(level.t) for level in levels], dtype=torch.float64)
        d_alpha, d_sigma, d_log_snr = (d.tolist() for d in self.schedule.slope(t))
        made: list[tuple[Coefficient, Coefficient]] = []
        for level, da, ds, dl in zip(levels, d_alpha, d_sigma, d_log_snr, strict=True):
            p, alpha = ds / float(level.sigma), float(level.alpha)
            left, slope = self._left(level.log_snr, self._double)
            q = (da + alpha * slope * dl - p * alpha) * left
            made.append((p, Frequencies(q, self.basis)))
        return made

    def frames(self, levels: Sequence[Level]) -> list[Frame]:
        slopes = self.slopes(levels)
        return [Frame(level, p, q) for level, (p, q) in zip(levels, slopes, strict=True)]

    def forward_step(self, level: Level, to: Level) -> tuple[Frequencies, Frequencies]:
        one, two = (self._channels(each, self._double) for each in (level, to))
        a = torch.as_tensor(two.alpha / one.alpha)
        c = (two.sigma**2 - (a * one.sigma).square()).clamp(min=0).sqrt()
        return Frequencies(a, self.basis), Frequencies(c, self.basis)

    def whitening(self, level: Level) -> tuple[float, Frequencies, float]:
        sigma = float(level.sigma)
        alpha = torch.as_tensor(self._channels(level, self._double).alpha)
        return 1 / sigma, Frequencies(-alpha / sigma, self.basis), sigma

    @property
    def _double(self) -> Tensor:
        """The precision and place in which coefficients are planned."""
        return self.basis.frequencies

    def draw(self, batch: Batch, generator: Generator = None) -> Tensor:
        return self.noise.sample(batch, generator)

    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        eps = (x_t - self.marginal(x_0, level, batch).mean) / level.sigma
        return 0.5 * (self.noise.square_norm(eps, batch) - self.noise.dims(batch))

    def _left(self, log_snr: Scalar, like: Tensor) -> tuple[Tensor, Tensor]:
        """d_k and d log d_k / dlambda at log-SNRs that broadcast against states `like`."""
        noise = torch.sigmoid(-torch.as_tensor(log_snr, dtype=torch.float64, device=like.device))
        omega = self.basis.frequencies.to(like.device)
        square = (omega * self.blur * noise).square()
        seen = (1 - self.floor) * torch.exp(-0.5 * square)
        left = seen + self.floor
        slope = seen / left * square * (1 - noise)
        return left.to(like.dtype), slope.to(like.dtype)

    def _channels(self, level: Level, like: Tensor) -> Level:
        """The level with an alpha of its own for every frequency."""
        left, _ = self._left(level.log_snr, like)
        return Level(level.t, level.alpha * left, level.sigma, level.log_snr)


@dataclass(frozen=True, eq=False)
class Spectrum(Centred):
    """Independent cosines N(mean_k, scale_k^2): mean (B, ...) as a state, scale broadcasting
    against its transform."""

    mean: Tensor
    scale: Tensor
    basis: Cosines
    batch: Batch

    def sample(self, generator: Generator = None) -> Tensor:
        return self.mean + self.basis.inverse(self.scale * normal(self.mean, generator))

    def log_prob(self, x: Tensor) -> Tensor:
        z = self.basis.forward(x - self.mean) / self.scale
        entries = 0.5 * (z.square() + math.log(2 * math.pi)) + self.scale.log()
        return -entries.reshape(len(x), -1).sum(1)

    def on(self, values: Tensor) -> Distribution:
        """As if entries were independent, each with the mean variance: cosines have no grid."""
        scale = self.scale.square().mean().sqrt().item()
        return Normal(self.mean, scale, White(), self.batch).on(values)
