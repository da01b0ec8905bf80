r"""Critically damped Langevin diffusion: noise enters through a velocity (Dockhorn et al. 2022).

    dx = v/M dtau,   dv = -x dtau - 2/sqrt(M) v dtau + sqrt(2 Gamma) dw,   Gamma = 2 sqrt(M)

A state is u = (x, v); $v_0 \sim N(0, \gamma M)$ is integrated out (hybrid score matching), so $u =
\psi x_0 + R z$ (`channel`). What u says of x_0 is what one plain noisy reading says: any denoiser
serves (`Sufficient`), and the path KL per unit of log-SNR is VDM's,

    1/2 snr |x_0 - mean|^2,    for   d snr/dtau = -2 Gamma (S^-1 psi)_v^2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution, Pair
from unnoise.core.noise import Noise, White
from unnoise.core.operator import Blocks
from unnoise.core.posterior import Posterior
from unnoise.core.process.channel import (
    Channel,
    channel_at,
    channel_of,
    transition,
    triangular_root,
)
from unnoise.core.process.gaussian import half_snr
from unnoise.core.process.linear import Frame, LinearGaussian, Step, decode
from unnoise.core.quadrature import flow, gauss, polynomials
from unnoise.core.random import Generator
from unnoise.core.schedule import Level, Schedule

__all__ = ["Langevin", "Sufficient"]


class Langevin(LinearGaussian):
    """CLD with mass M and initial velocity variance gamma M; a state (B, 2, ...) is (x, v).

    Args:
        schedule: which log-SNR at which time; its gauge is that of the equivalent plain channel.
        noise: the law of each of the two noises; None: white.
        mass: M (published: 1/4).
        gamma: of the initial velocity (published: .04).
        data_std: of the data, in the model's units.

    Raises:
        ValueError: if one of them isn't positive.
    """

    def __init__(
        self,
        schedule: Schedule,
        noise: Noise | None = None,
        mass: float = 0.25,
        gamma: float = 0.04,
        data_std: float = 1.0,
    ) -> None:
        super().__init__()
        if not (mass > 0 and gamma > 0 and data_std > 0):
            raise ValueError(
                f"Langevin: mass, gamma and data_std must be positive, got {mass}, {gamma}, {data_std}"
            )
        self.schedule = schedule
        self.noise = White() if noise is None else noise
        self.mass = mass
        self.gamma = gamma
        self.data_std = data_std

    def channel(self, level: Level) -> Channel:
        """What (x, v) knows of x_0 at a level, in float64."""
        if isinstance(level.log_snr, float):
            return channel_at(level.log_snr, self.mass, self.gamma)
        return channel_of(level.log_snr.reshape(-1), self.mass, self.gamma)

    def prior(self, batch: Batch) -> Pair:
        scale = torch.tensor([[1.0, 0.0], [0.0, self.mass**0.5]], dtype=torch.float64)
        mean = batch.x.new_zeros(len(batch), 2, *batch.x.shape[1:])
        return Pair(mean, scale, self.noise, batch)

    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Pair:
        channel = self.channel(level)
        return Pair(
            Blocks(channel.psi[..., None]) * x_0,
            triangular_root(channel.covariance),
            self.noise,
            batch,
        )

    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: Posterior, batch: Batch
    ) -> Pair:
        """The ancestral step: a = S_s Psi' S_t^-1, the gain of Rauch, Tung and Striebel."""
        here, there = self.channel(level), self.channel(to)
        forward = transition(here.w - there.w, self.mass)
        a = there.covariance @ forward.mT @ torch.linalg.inv(here.covariance)
        b = there.psi[..., None] - a @ here.psi[..., None]
        root = triangular_root(there.covariance - a @ here.covariance @ a.mT)
        return Pair(Blocks(a) * x_t + Blocks(b) * posterior.mean, root, self.noise, batch)

    def rate(
        self, x_0: Tensor, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Tensor:
        return half_snr(level) * self.noise.square_norm(x_0 - posterior.mean, batch)

    def decode(
        self, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Distribution:
        return decode(level, posterior, self.noise, batch)

    def statistic(self, u: Tensor, level: Level) -> Tensor:
        """alpha y with y = psi' S^-1 u / snr: the state of the equivalent plain channel."""
        channel = self.channel(level)
        row = (channel.precision_psi / channel.snr[..., None])[..., None, :]
        return level.alpha * (Blocks(row) * u)[:, 0]

    def on(self, schedule: Schedule) -> Langevin:
        return Langevin(schedule, self.noise, self.mass, self.gamma, self.data_std)

    def gauge(self, level: Level) -> float:
        return 1.0  # (x, v) is a function of the log-SNR alone

    def steps(self, levels: Sequence[Level], noise_level: float, order: int) -> list[Step]:
        """gDDIM with any noise level, and with several beliefs its multistep rule (Zhang et al.
        2023), exact up to rounding: the transition is a 2 x 2 linear ODE in the log-SNR."""
        half = [0.5 * float(level.log_snr) for level in levels]
        u, w, ends, reach = self._transport(half, noise_level)
        weights = polynomials(half, order, u)
        made = []
        for k, (level, to) in enumerate(pairwise(levels)):
            here, there, a = self.channel(level), self.channel(to), torch.from_numpy(ends[k])
            b = torch.from_numpy(np.einsum("jn,n,na->ja", weights[k], w[k], reach[k]))
            kept = there.covariance - a @ here.covariance @ a.T
            c = Blocks(triangular_root(kept)) if noise_level > 0 else 0.0
            made.append(Step(level, Blocks(a), tuple(Blocks(v[:, None]) for v in b), c))
        return made

    def _transport(self, half: Sequence[float], noise_level: float) -> tuple[np.ndarray, ...]:
        """Of K steps in half log-SNR: quadrature nodes and weights (K, N), transitions (K, 2, 2),
        and what a belief at a node adds to the end of its step (K, N, 2)."""
        count, fine = len(half) - 1, _refined(half)
        u, w = gauss(fine)
        inside = channel_of(torch.from_numpy(2 * u), self.mass, self.gamma)
        speed = 2 / inside.slope[..., None, None]  # dtau / d(half log-SNR)
        ends, nodes = flow((inside.drift(noise_level) * speed).numpy(), np.diff(fine))
        push = (inside.pull(noise_level) * speed[..., 0]).numpy()[..., None]
        reach = ends[:, None] @ np.linalg.solve(nodes, push)
        reach = reach.reshape(count, -1, *reach.shape[1:])
        whole = np.broadcast_to(np.eye(2), (count, 2, 2))
        for part, end in reversed(list(enumerate(_parts(ends, count)))):
            reach[:, part] = whole[:, None] @ reach[:, part]
            whole = whole @ end
        return u.reshape(count, -1), w.reshape(count, -1), whole, reach.reshape(count, -1, 2)

    def frames(self, levels: Sequence[Level]) -> list[Frame]:
        """The state's own coordinates are stiff: a velocity forgets itself at once near the data.
        Those of the flow of Gaussian data, du = (p + q k) u with k the gain of their belief, turn
        what is left, q (x0_hat - k u), slowly."""
        half = [0.5 * float(level.log_snr) for level in levels]
        u, _ = gauss(_refined(half))
        inside = channel_of(torch.from_numpy(2 * u), self.mass, self.gamma)
        speed = 2 / inside.slope[..., None, None]
        drift = inside.drift(0.0) + inside.pull(0.0)[..., None] * inside.gain(self.data_std)
        ends, _ = flow((drift * speed).numpy(), np.diff(_refined(half)))
        into, made = np.eye(2), []
        carries = np.broadcast_to(np.eye(2), (len(half) - 1, 2, 2))
        for part in _parts(ends, len(half) - 1):
            carries = part @ carries
        rates = self.schedule.slope(torch.tensor([float(v.t) for v in levels]).double())[2]
        for level, rate, carry in zip(levels, rates.tolist(), [*carries, np.eye(2)], strict=True):
            channel = self.channel(level)
            q = torch.from_numpy(into) @ channel.pull(0.0)[:, None] * (rate / channel.slope)
            out = carry @ np.linalg.inv(into)
            into = into @ np.linalg.inv(carry)
            p, c, o = (-q @ channel.gain(self.data_std), *map(torch.from_numpy, (carry, out)))
            made.append(Frame(level, Blocks(p), Blocks(q), Blocks(c), Blocks(o)))
        return made

    def slopes(self, levels: Sequence[Level]) -> list[tuple[Blocks, Blocks]]:
        t = torch.tensor([float(level.t) for level in levels], dtype=torch.float64)
        made = []
        for level, d_log_snr in zip(levels, self.schedule.slope(t)[2].tolist(), strict=True):
            channel = self.channel(level)
            speed = d_log_snr / channel.slope
            made.append(
                (Blocks(speed * channel.drift(0.0)), Blocks(speed * channel.pull(0.0)[:, None]))
            )
        return made

    def forward_step(self, level: Level, to: Level) -> tuple[Blocks, Blocks]:
        here, there = self.channel(level), self.channel(to)
        a = transition(there.w - here.w, self.mass)
        return Blocks(a), Blocks(triangular_root(there.covariance - a @ here.covariance @ a.mT))

    def whitening(self, level: Level) -> tuple[Blocks, Blocks, Blocks]:
        channel = self.channel(level)
        root = triangular_root(channel.covariance)
        inverse = torch.linalg.inv(root)
        return Blocks(inverse), Blocks(-inverse @ channel.psi[:, None]), Blocks(root)

    def draw(self, batch: Batch, generator: Generator = None) -> Tensor:
        return torch.stack([self.noise.sample(batch, generator) for _ in range(2)], 1)

    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        eps = (self.statistic(x_t, level) - level.alpha * x_0) / level.sigma
        return 0.5 * (self.noise.square_norm(eps, batch) - self.noise.dims(batch))


def _refined(half: Sequence[float]) -> np.ndarray:
    """Times of steps cut into equal parts, none longer than 1 in half log-SNR."""
    count, parts = len(half) - 1, math.ceil(max(np.abs(np.diff(half)).max(), 1.0))
    fine: np.ndarray = np.interp(np.arange(count * parts + 1) / parts, np.arange(count + 1), half)
    return fine


def _parts(ends: np.ndarray, count: int) -> list[np.ndarray]:
    """The transitions of the first, second, ... part of every step, (count, 2, 2) each."""
    return list(ends.reshape(count, -1, 2, 2).swapaxes(0, 1))


class Sufficient(Denoiser[Posterior]):
    """A denoiser of plain diffusion that reads the sufficient statistic of (x, v): nothing is lost
    by it, and nothing need be retrained."""

    def __init__(self, process: Langevin, denoiser: Denoiser[Posterior]) -> None:
        super().__init__()
        self.process = process
        self.denoiser = denoiser

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Posterior:
        return self.denoiser(self.process.statistic(x_t, level), level, batch)
