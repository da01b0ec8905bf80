r"""Solvers: one step of the reverse process from one noise level to the next.

All of them see the network only through the mean $\hat x_0$ and are linear in what they have seen,
so a step is a handful of numbers that depend on the grid alone. `plan` computes them for the whole
grid, once, in float64; `step` is a few tensor operations. With $\rho = \sigma/\alpha$, $y =
x/\alpha$, and $\hat\epsilon = (x - \alpha\hat x_0)/\sigma$ the flow is $dy/d\rho = \hat\epsilon$,
and in any schedule's own time

    dx/dt = alpha' x0_hat + sigma' eps_hat
          = (sigma'/sigma) x + (alpha' - sigma' alpha/sigma) x0_hat.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from unnoise.core.process.gaussian import reverse_coefficients
from unnoise.core.schedule import Level, Schedule

__all__ = ["AdamsBashforth", "AnyNoise", "DPMSolver", "Heun", "Solver"]

C = TypeVar("C")
Mean = Callable[[Tensor, Level], Tensor]  # x_0's expectation given a state at a level
Draw = Callable[[], Tensor]  # fresh noise z ~ N(0, C)


class Solver(ABC, Generic[C]):
    """A rule for one step; C is what it needs to know of the step.

    `memory` is the solver's own list for one trajectory, empty at the start: what a multistep rule
    remembers.
    """

    @abstractmethod
    def evaluations(self, steps: int) -> int:
        """Network evaluations of that many steps."""

    @abstractmethod
    def plan(self, schedule: Schedule, levels: Sequence[Level]) -> list[C]:
        """The coefficients of the steps levels[k] -> levels[k + 1]."""

    @abstractmethod
    def step(self, x: Tensor, mean: Mean, plan: C, memory: list[Tensor], draw: Draw) -> Tensor:
        """One step."""


@dataclass(frozen=True)
class Linear:
    """x_s = a x_t + b x0_hat(x_t) + c z, with b applied to a sum over the latest beliefs for
    multistep rules."""

    level: Level
    a: float
    b: tuple[float, ...]
    c: float = 0.0


@dataclass(frozen=True)
class AnyNoise(Solver[Linear]):
    r"""The exact-in-noise step of the reverse family with noise level $\ell \ge 0$: 0 is DDIM, 1
    the ancestral DDPM step.

    $x_s = \alpha_s \hat x_0 + \sigma_s [r^{\ell^2}\hat\epsilon + \sqrt{1 - r^{2\ell^2}} z]$, first
    order.

    Raises:
        ValueError: if the noise level is negative.
    """

    noise_level: float = 1.0

    def __post_init__(self) -> None:
        if not self.noise_level >= 0:
            raise ValueError(
                f"AnyNoise: noise_level must be >= 0 (0 = DDIM, 1 = ancestral), got {self.noise_level}"
            )

    def evaluations(self, steps: int) -> int:
        return steps

    def plan(self, schedule: Schedule, levels: Sequence[Level]) -> list[Linear]:
        steps = []
        for level, to in pairwise(levels):
            a, b, c = reverse_coefficients(level, to, self.noise_level)
            steps.append(Linear(level, float(a), (float(b),), float(c)))
        return steps

    def step(
        self, x: Tensor, mean: Mean, plan: Linear, memory: list[Tensor], draw: Draw
    ) -> Tensor:
        x = torch.add(plan.a * x, mean(x, plan.level), alpha=plan.b[0])
        return x if plan.c == 0 else x.add_(draw(), alpha=plan.c)


@dataclass(frozen=True)
class DPMSolver(Solver[Linear]):
    r"""DPM-Solver++ multistep (Lu et al. 2022): $\hat x_0$ extrapolated in half log-SNR $l =
    \log\alpha/\sigma$, the rest integrated exactly.

    $x_s = (\sigma_s/\sigma_t) x_t + \sigma_s \int e^l \hat x_0(l) dl$. Order 2 takes $\hat x_0$ at
    the middle of the step, as published (2M); order 3 integrates the parabola exactly.
    The first steps of a trajectory use the orders that its memory allows.
    """

    order: int = 2

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ValueError(f"DPMSolver: order must be 1, 2 or 3, got {self.order}")

    def evaluations(self, steps: int) -> int:
        return steps

    def plan(self, schedule: Schedule, levels: Sequence[Level]) -> list[Linear]:
        half = [0.5 * float(level.log_snr) for level in levels]
        steps = []
        for k, weights in enumerate(_multistep_weights(half, self.order, np.exp)):
            level, to = levels[k], levels[k + 1]
            b = (
                _midpoint_weights(half[k + 1] - half[k], half[k] - half[k - 1])
                if len(weights) == 2
                else weights.tolist()
            )
            scale = float(to.sigma) * math.exp(half[k])
            steps.append(
                Linear(level, float(to.sigma) / float(level.sigma), tuple(scale * w for w in b))
            )
        return steps

    def step(
        self, x: Tensor, mean: Mean, plan: Linear, memory: list[Tensor], draw: Draw
    ) -> Tensor:
        _remember(memory, mean(x, plan.level), self.order)
        return _weighted(plan.a, x, plan.b, memory)


@dataclass(frozen=True)
class Slope:
    """dx/dt = p x + q x0_hat at a level, and the weights of the latest slopes in the step's
    increment."""

    level: Level
    p: float
    q: float
    weights: tuple[float, ...] = ()

    def at(self, x: Tensor, mean: Mean) -> Tensor:
        return torch.add(self.p * x, mean(x, self.level), alpha=self.q)


@dataclass(frozen=True)
class HeunStep:
    """Two slopes and the time between them."""

    start: Slope
    end: Slope
    h: float


@dataclass(frozen=True)
class Heun(Solver[HeunStep]):
    """Heun's second-order rule in the time of the schedule that is walked (Karras et al. 2022,
    algorithm 1, on `EDM`)."""

    def evaluations(self, steps: int) -> int:
        return 2 * steps

    def plan(self, schedule: Schedule, levels: Sequence[Level]) -> list[HeunStep]:
        ends = [
            Slope(level, p, q)
            for level, (p, q) in zip(levels, _slopes(schedule, levels), strict=True)
        ]
        return [HeunStep(a, b, float(b.level.t) - float(a.level.t)) for a, b in pairwise(ends)]

    def step(
        self, x: Tensor, mean: Mean, plan: HeunStep, memory: list[Tensor], draw: Draw
    ) -> Tensor:
        first = plan.start.at(x, mean)
        second = plan.end.at(torch.add(x, first, alpha=plan.h), mean)
        memory[:] = [first]
        return x + (0.5 * plan.h) * (first + second)


@dataclass(frozen=True)
class AdamsBashforth(Solver[Slope | HeunStep]):
    """Variable-step Adams–Bashforth in the time of the schedule that is walked; order 1 is Euler.

    On `Cosine`, time is the angle of x = cos x_0 + sin eps, the flow of matching Gaussian data is
    a rotation, and this is the exponential multistep rule that needs the fewest evaluations; on
    `Rectified` it extrapolates the straight velocity.

    Attributes:
        order: 1 to 4; a trajectory starts with the orders that its memory allows.
        heun_start: make the first step with Heun's rule, one evaluation more: with Euler's, no
            order above 2 shows in the limit.
    """

    order: int = 2
    heun_start: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 4:
            raise ValueError(f"AdamsBashforth: order must be 1 to 4, got {self.order}")

    def evaluations(self, steps: int) -> int:
        return steps + int(self.heun_start)

    def plan(self, schedule: Schedule, levels: Sequence[Level]) -> list[Slope | HeunStep]:
        t = [float(level.t) for level in levels]
        slopes = _slopes(schedule, levels)
        weights = _multistep_weights(t, self.order, np.ones_like)
        steps: list[Slope | HeunStep] = [
            Slope(level, p, q, tuple(w.tolist()))
            for level, (p, q), w in zip(levels, slopes, weights, strict=False)
        ]
        if self.heun_start:
            steps[:1] = Heun().plan(schedule, levels[:2])
        return steps

    def step(
        self, x: Tensor, mean: Mean, plan: Slope | HeunStep, memory: list[Tensor], draw: Draw
    ) -> Tensor:
        if isinstance(plan, HeunStep):
            return Heun().step(x, mean, plan, memory, draw)
        _remember(memory, plan.at(x, mean), self.order)
        return _weighted(1.0, x, plan.weights, memory)


def _slopes(schedule: Schedule, levels: Sequence[Level]) -> list[tuple[float, float]]:
    """(p, q) of dx/dt = p x + q x0_hat at every level."""
    t = torch.tensor([float(level.t) for level in levels], dtype=torch.float64)
    d_alpha, d_sigma, _ = (d.tolist() for d in schedule.slope(t))
    return [
        (ds / float(level.sigma), da - ds * float(level.alpha) / float(level.sigma))
        for level, da, ds in zip(levels, d_alpha, d_sigma, strict=True)
    ]


def _multistep_weights(
    t: Sequence[float], order: int, kernel: Callable[[np.ndarray], np.ndarray]
) -> list[np.ndarray]:
    """int_{t_k}^{t_{k+1}} kernel(u - t_k) L_j(u) du for every step k, L_j the Lagrange polynomials
    on its latest `order` nodes.

    All steps at once by a 12-point Gauss–Legendre rule: exact to rounding, and free of the
    cancellation that closed forms have at small steps. The first steps have fewer nodes.
    """
    times = np.asarray(t)
    weights: list[np.ndarray] = []
    while len(weights) < len(times) - 1:
        first = len(weights)
        size = min(order, first + 1)
        steps = np.arange(first, first + 1 if size < order else len(times) - 1)
        nodes = times[steps[:, None] - np.arange(size)]
        h = times[steps + 1] - times[steps]
        u = 0.5 * h[:, None] * (_GAUSS[0] + 1)
        w = 0.5 * h[:, None] * _GAUSS[1] * kernel(u)
        gaps = nodes[:, :, None] - nodes[:, None, :] + np.eye(size)  # 1 on the diagonal: no factor
        factors = (
            nodes[:, :1, None, None] + u[:, None, None, :] - nodes[:, None, :, None]
        ) / gaps[..., None]
        factors[:, np.arange(size), np.arange(size)] = 1
        weights += list((factors.prod(2) * w[:, None, :]).sum(-1))
    return weights


_GAUSS = np.polynomial.legendre.leggauss(12)


def _midpoint_weights(h: float, last: float) -> tuple[float, float]:
    """2M's rule: the whole of int_0^h e^u du on the line through two nodes, taken at the middle of
    the step."""
    whole = math.expm1(h)
    return whole * (1 + 0.5 * h / last), -whole * 0.5 * h / last


def _remember(memory: list[Tensor], value: Tensor, order: int) -> None:
    memory.insert(0, value)
    del memory[order:]


def _weighted(a: float, x: Tensor, weights: Sequence[float], memory: Sequence[Tensor]) -> Tensor:
    """a x + sum_j weights_j memory_j in place of one fresh tensor."""
    out = (
        torch.add(x, memory[0], alpha=weights[0])
        if a == 1.0
        else torch.add(a * x, memory[0], alpha=weights[0])
    )
    for w, value in zip(weights[1:], memory[1:], strict=False):
        out.add_(value, alpha=w)
    return out
