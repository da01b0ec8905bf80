r"""Solvers: one step of the reverse process from one noise level to the next.

All of them see the network only through the mean $\hat x_0$ and are linear in what they have seen,
so a step is a handful of coefficients that depend on the grid alone: numbers, or linear maps where
the process has matrices. `plan` gets them from the process for the whole grid, once, in float64;
`step` is a few tensor operations. In any schedule's own time the noise-free flow is

    dx/dt = alpha' x0_hat + sigma' eps_hat
          = (sigma'/sigma) x + (alpha' - sigma' alpha/sigma) x0_hat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor

from unnoise.core.operator import Coefficient, combine
from unnoise.core.process.linear import Frame, LinearGaussian, Step
from unnoise.core.quadrature import multistep
from unnoise.core.schedule import Level

__all__ = [
    "AdamsBashforth",
    "AnyNoise",
    "DPMSolver",
    "Draw",
    "Heun",
    "Mean",
    "Solver",
    "noisy",
    "require_noise_level",
]

C = TypeVar("C")
Mean = Callable[[Tensor, Level], Tensor]  # x_0's expectation given a state at a level
Draw = Callable[[], Tensor]  # fresh noise z, shaped as a state


class Solver(ABC, Generic[C]):
    """A rule for one step; C is what it needs to know of the step.

    `memory` is the solver's own list for one trajectory, empty at the start: what a multistep rule
    remembers.
    """

    @abstractmethod
    def evaluations(self, steps: int) -> int:
        """Network evaluations of that many steps."""

    @abstractmethod
    def plan(self, process: LinearGaussian, levels: Sequence[Level]) -> list[C]:
        """The coefficients of the steps levels[k] -> levels[k + 1]."""

    @abstractmethod
    def step(self, x: Tensor, mean: Mean, plan: C, memory: list[Tensor], draw: Draw) -> Tensor:
        """One step."""


@dataclass(frozen=True)
class AnyNoise(Solver[Step]):
    r"""The exact-in-noise step of the reverse family with noise level $\ell \ge 0$: 0 is DDIM
    (gDDIM where the process has a matrix), 1 the ancestral DDPM step. First order.

    $x_s = \alpha_s \hat x_0 + \sigma_s [r^{\ell^2} \hat\epsilon + \sqrt{1 - r^{2\ell^2}} z]$.

    Raises:
        ValueError: if the noise level is negative.
    """

    noise_level: float = 1.0

    def __post_init__(self) -> None:
        require_noise_level(self.noise_level)

    def evaluations(self, steps: int) -> int:
        return steps

    def plan(self, process: LinearGaussian, levels: Sequence[Level]) -> list[Step]:
        return process.steps(levels, self.noise_level, 1)

    def step(self, x: Tensor, mean: Mean, plan: Step, memory: list[Tensor], draw: Draw) -> Tensor:
        x = combine(plan.a, x, plan.b[0], mean(x, plan.level))
        return noisy(x, plan.c, draw)


@dataclass(frozen=True)
class DPMSolver(Solver[Step]):
    r"""Exponential multistep (DPM-Solver++, Lu et al. 2022; SEEDS, Gonzalez et al. 2023; gDDIM's
    on a process with matrices): the step of `AnyNoise` with $\hat x_0$ extrapolated in half
    log-SNR $h = \log\alpha/\sigma$.

    $x_s = a x_t + (1 + \ell^2) \sigma_s e^{-\ell^2 h_s} \int e^{(1+\ell^2)h} \hat x_0(h) dh + c z$.
    Order 2 takes $\hat x_0$ at the middle of the step, as published (2M); order 3 integrates the
    parabola exactly. The first steps of a trajectory use the orders that its memory allows.

    Raises:
        ValueError: if the order isn't 1, 2 or 3, or the noise level is negative.
    """

    order: int = 2
    noise_level: float = 0.0

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ValueError(f"DPMSolver: order must be 1, 2 or 3, got {self.order}")
        require_noise_level(self.noise_level)

    def evaluations(self, steps: int) -> int:
        return steps

    def plan(self, process: LinearGaussian, levels: Sequence[Level]) -> list[Step]:
        return process.steps(levels, self.noise_level, self.order)

    def step(self, x: Tensor, mean: Mean, plan: Step, memory: list[Tensor], draw: Draw) -> Tensor:
        _remember(memory, mean(x, plan.level), self.order)
        return noisy(_weighted(plan.a, x, plan.b, memory), plan.c, draw)


@dataclass(frozen=True)
class HeunStep:
    """The frames at both ends, and the time between them."""

    start: Frame
    end: Frame
    h: float


@dataclass(frozen=True)
class Heun(Solver[HeunStep]):
    """Heun's second-order rule in the time of the schedule that is walked.

    On `EDM(rho=1)`, whose time is sigma, with `SigmaGrid`: Karras et al. 2022, algorithm 1.
    """

    def evaluations(self, steps: int) -> int:
        return 2 * steps

    def plan(self, process: LinearGaussian, levels: Sequence[Level]) -> list[HeunStep]:
        return [
            HeunStep(a, b, float(b.level.t) - float(a.level.t))
            for a, b in pairwise(process.frames(levels))
        ]

    def step(
        self, x: Tensor, mean: Mean, plan: HeunStep, memory: list[Tensor], draw: Draw
    ) -> Tensor:
        first = _slope(plan.start, x, mean)
        second = _slope(plan.end, _along(plan.start, x, (plan.h,), (first,)), mean)
        memory[:] = [first]
        return _along(plan.start, x, (0.5 * plan.h, 0.5 * plan.h), (first, second))


@dataclass(frozen=True)
class Multistep:
    """A frame, and the weights of the latest slopes in the step's increment."""

    frame: Frame
    weights: tuple[float, ...]


@dataclass(frozen=True)
class AdamsBashforth(Solver[Multistep | HeunStep]):
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

    def plan(self, process: LinearGaussian, levels: Sequence[Level]) -> list[Multistep | HeunStep]:
        t = [float(level.t) for level in levels]
        frames = process.frames(levels)
        weights = multistep(t, self.order, np.ones_like)
        steps: list[Multistep | HeunStep] = [
            Multistep(frame, tuple(w.tolist())) for frame, w in zip(frames, weights, strict=False)
        ]
        if self.heun_start:
            steps[0] = HeunStep(frames[0], frames[1], t[1] - t[0])
        return steps

    def step(
        self, x: Tensor, mean: Mean, plan: Multistep | HeunStep, memory: list[Tensor], draw: Draw
    ) -> Tensor:
        if isinstance(plan, HeunStep):
            return Heun().step(x, mean, plan, memory, draw)
        _remember(memory, _slope(plan.frame, x, mean), self.order)
        return _along(plan.frame, x, plan.weights, memory)


def _slope(frame: Frame, x: Tensor, mean: Mean) -> Tensor:
    return combine(frame.p, x, frame.q, mean(x, frame.level))


def _along(frame: Frame, x: Tensor, weights: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
    """The state after an increment: sum of weights x slopes."""
    if not isinstance(frame.out, float):
        slopes = [frame.out * slope for slope in slopes]
    return _weighted(frame.carry, x, weights, slopes)


def _remember(memory: list[Tensor], value: Tensor, order: int) -> None:
    memory.insert(0, value)
    del memory[order:]


def _weighted(
    a: Coefficient, x: Tensor, weights: Sequence[Coefficient], memory: Sequence[Tensor]
) -> Tensor:
    """a x + sum_j weights_j memory_j in place of one fresh tensor."""
    out = combine(a, x, weights[0], memory[0])
    for w, value in zip(weights[1:], memory[1:], strict=False):
        if isinstance(w, float):
            out.add_(value, alpha=w)
        else:
            out += w * value
    return out


def noisy(x: Tensor, c: Coefficient, draw: Draw) -> Tensor:
    """x + c z, in place; nothing is drawn if c is 0."""
    if isinstance(c, float):
        return x if c == 0 else x.add_(draw(), alpha=c)
    return x.add_(c * draw())


def require_noise_level(noise_level: float) -> None:
    """Refuse a negative noise level.

    Raises:
        ValueError: if it is negative.
    """
    if not noise_level >= 0:
        raise ValueError(
            f"noise_level must be >= 0 (0 = noise-free, as DDIM; 1 = ancestral), got {noise_level}"
        )
