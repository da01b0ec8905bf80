r"""Solvers that add noise to a solver: predictor–corrector sampling and churn.

A corrector leaves the level as it is and moves the state by Langevin dynamics towards the law of
that level, so it mends what predictors did wrong. In units of the level's own noise, u = A x_0 +
R eps, a step of size delta is

    u <- u + R ( -delta eps_hat + sqrt(2 delta) z ),    eps_hat = R^-1 (u - A x0_hat)

Churn raises the level before every step by the forward process itself, which is exact, and lets
the step come down from there.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from unnoise.core.operator import Coefficient, combine
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.sampler.solver import AnyNoise, Draw, Heun, Mean, Solver, noisy
from unnoise.core.schedule import Level

__all__ = ["Annealed", "Churn", "NormMatched", "PredictorCorrector", "StepSize"]

C = TypeVar("C")


class StepSize(ABC):
    """How far a corrector moves."""

    @abstractmethod
    def __call__(self, eps: Tensor, z: Tensor) -> Tensor | float:
        """delta, a number or one a row, from the estimated noise and the fresh one."""


@dataclass(frozen=True)
class Annealed(StepSize):
    """delta = 2 snr^2: annealed Langevin dynamics (Song & Ermon 2019; SGMSE+'s `ald`)."""

    snr: float = 0.16

    def __post_init__(self) -> None:
        _require_positive(self.snr)

    def __call__(self, eps: Tensor, z: Tensor) -> float:
        return 2 * self.snr**2


@dataclass(frozen=True)
class NormMatched(StepSize):
    """delta = 2 (snr |z| / |eps_hat|)^2, at most 1/2 (Song et al. 2021, algorithm 4), with the
    norms of each sample: a mean over the batch would let its members disturb each other. The cap
    is for states of few entries, whose |eps_hat| can come near 0."""

    snr: float = 0.16

    def __post_init__(self) -> None:
        _require_positive(self.snr)

    def __call__(self, eps: Tensor, z: Tensor) -> Tensor:
        norms = (v.reshape(len(v), -1).norm(dim=1) for v in (z, eps))
        ratio = torch.div(*norms)
        return (2 * (self.snr * ratio).square()).clamp(max=0.5).reshape(-1, *[1] * (eps.ndim - 1))


@dataclass(frozen=True)
class Corrected(Generic[C]):
    """A level's whitening (p, q, r), and the predictor's step from it."""

    level: Level
    p: Coefficient
    q: Coefficient
    r: Coefficient
    predictor: C


@dataclass(frozen=True)
class PredictorCorrector(Solver[Corrected[Any]]):
    """Langevin steps at a level, then the predictor's step to the next.

    Attributes:
        predictor: any solver; first order, with noise, is the published choice.
        size: of the corrector's steps.
        corrections: corrector steps a level, one evaluation each.

    Raises:
        ValueError: if corrections is negative.
    """

    predictor: Solver[Any] = field(default_factory=AnyNoise)
    size: StepSize = field(default_factory=Annealed)
    corrections: int = 1

    def __post_init__(self) -> None:
        if self.corrections < 0:
            raise ValueError(
                f"PredictorCorrector: corrections must be >= 0, got {self.corrections}"
            )

    def evaluations(self, steps: int) -> int:
        return self.predictor.evaluations(steps) + self.corrections * steps

    def plan(self, process: LinearGaussian, levels: Sequence[Level]) -> list[Corrected[Any]]:
        steps = self.predictor.plan(process, levels)
        return [
            Corrected(level, *process.whitening(level), step)
            for level, step in zip(levels, steps, strict=False)
        ]

    def step(
        self, x: Tensor, mean: Mean, plan: Corrected[Any], memory: list[Tensor], draw: Draw
    ) -> Tensor:
        for _ in range(self.corrections):
            eps, z = combine(plan.p, x, plan.q, mean(x, plan.level)), draw()
            delta = self.size(eps, z)
            x = combine(1.0, x, plan.r, delta**0.5 * (2**0.5 * z - delta**0.5 * eps))
        return self.predictor.step(x, mean, plan.predictor, memory, draw)


@dataclass(frozen=True)
class Raised(Generic[C]):
    """u <- a u + c z to a noisier level, and the step from there; a is None where no noise is
    added."""

    a: Coefficient | None
    c: Coefficient
    inner: C


@dataclass(frozen=True)
class Churn(Solver[Raised[Any]]):
    r"""EDM's stochastic sampler (Karras et al. 2022, algorithm 2): raise $\sigma/\alpha$ by the
    factor $1 + \gamma$, $\gamma = \min(amount/steps, \sqrt 2 - 1)$, then step.

    Attributes:
        inner: the solver of the step, which must not remember: `Heun` or `AnyNoise`.
        amount: S_churn; 0 is the inner solver.
        low, high: sigma/alpha between which noise is added (S_tmin, S_tmax).

    Raises:
        ValueError: if amount is negative, or low isn't below high.
    """

    inner: Heun | AnyNoise = field(default_factory=Heun)
    amount: float = 10.0
    low: float = 0.0
    high: float = math.inf

    def __post_init__(self) -> None:
        if not (self.amount >= 0 and 0 <= self.low < self.high):
            raise ValueError(
                f"Churn: needs amount >= 0 and 0 <= low < high, got {self.amount}, {self.low}, {self.high}"
            )

    def evaluations(self, steps: int) -> int:
        return self.inner.evaluations(steps)

    def plan(self, process: LinearGaussian, levels: Sequence[Level]) -> list[Raised[Any]]:
        gamma = min(self.amount / (len(levels) - 1), math.sqrt(2) - 1)
        made: list[Raised[Any]] = []
        for level, to in pairwise(levels):
            raised = self._raise(process, level, gamma)
            a, c = (None, 0.0) if raised is level else process.forward_step(level, raised)
            made.append(Raised(a, c, self.inner.plan(process, [raised, to])[0]))
        return made

    def step(
        self, x: Tensor, mean: Mean, plan: Raised[Any], memory: list[Tensor], draw: Draw
    ) -> Tensor:
        if plan.a is not None:
            x = noisy(plan.a * x, plan.c, draw)
        return self.inner.step(x, mean, plan.inner, memory, draw)

    def _raise(self, process: LinearGaussian, level: Level, gamma: float) -> Level:
        """The noisier level, no noisier than the schedule's end; the level itself outside of the
        range."""
        log_snr, end = float(level.log_snr), process.schedule.log_snr_min
        if gamma == 0 or not self.low <= math.exp(-0.5 * log_snr) <= self.high or log_snr <= end:
            return level
        wanted = torch.tensor([max(log_snr - 2 * math.log1p(gamma), end)], dtype=torch.float64)
        (raised,) = process.schedule.levels(process.schedule.time(wanted).clamp(0, 1))
        return raised


def _require_positive(snr: float) -> None:
    if not snr > 0:
        raise ValueError(f"a corrector's snr must be positive, got {snr}")
