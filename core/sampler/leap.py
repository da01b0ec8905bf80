r"""Rules for one step of a jump process from a time B to an earlier B_s.

With tau the length of the step, $\hat R$ the reverse rates at B and $\Lambda_d = \sum_v \hat R[x_d, v]$, column by column:

    Analytic          p(x_s = v) ~ (w q_s)_v q_{t|s}(v -> x)    exact if the other columns stood still
                      (SDDM's step, D3PM's posterior, SEDD's Tweedie; MDLM's ancestral step)
    Euler             p(v) = tau R_hat[x, v], stay with what is left
    ExponentialEuler  jump with probability 1 - e^(-tau Lambda), to v ~ R_hat[x, v]
    NominalLeap       n_v ~ Poisson(tau R_hat[x, v]) jumps; more than one jump is none (tau-leaping)
    OrdinalLeap       x + sum_v n_v (v - x), kept inside the alphabet (tau-leaping)

All are first order in tau. Analytic has the least error, and is exact for a single column.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from unnoise.core.batch import Batch
from unnoise.core.distribution import Lattice
from unnoise.core.process.jump import Jump, JumpBelief, codes, like
from unnoise.core.random import Generator, uniform
from unnoise.core.rates.base import elapsed
from unnoise.core.schedule import Level, Schedule

__all__ = [
    "Analytic",
    "Euler",
    "ExponentialEuler",
    "JumpSolver",
    "NominalLeap",
    "OrdinalLeap",
    "Span",
    "law_of_hazards",
    "reverse_rates",
]


class Span(NamedTuple):
    """A step from B back to B_s, scalars.

    Rates that stand still do so in the time t of the schedule that is walked, so tau is (t - s)
    dB/dt: on a path of constant rate B - B_s, on one that keeps shares linear in t the lost share
    over the one kept.
    """

    B: Tensor
    B_s: Tensor
    start: Tensor  # B, where it is finite: rates are then taken from where next to nothing is kept
    tau: Tensor

    @staticmethod
    def plan(schedule: Schedule, levels: Sequence[Level], like: Tensor) -> list[Span]:
        """The steps levels[k] -> levels[k + 1], in the dtype of `like`."""
        log_snr = torch.tensor([v.log_snr for v in levels[:-1]], dtype=torch.float64)
        times = torch.tensor([v.t for v in levels], dtype=torch.float64)
        near = log_snr.clamp(min=_LEAST)
        start = softplus(-0.5 * near)
        speed = schedule.speed(schedule.time(near))  # of the log-SNR; dB/dt = (1 - alpha)/2 speed
        tau = -times.diff() * -0.5 * torch.expm1(-start) * speed
        B = [elapsed(level, like) for level in levels]
        rows = zip(B[:-1], B[1:], start.to(like), tau.to(like), strict=True)
        return [Span(*row) for row in rows]


_LEAST = -40.0  # log-SNR of next to nothing: a share of 2e-9 is kept


class JumpSolver(ABC):
    """A rule for one step."""

    @abstractmethod
    def step(
        self,
        process: Jump,
        x_t: Tensor,
        span: Span,
        belief: JumpBelief,
        batch: Batch,
        generator: Generator,
    ) -> Tensor:
        """The state (B, ...) at the end of a span of one at its start."""


@dataclass(frozen=True)
class Analytic(JumpSolver):
    """p(x_s | x_t) of every column by itself, whatever the step."""

    def step(
        self, process: Jump, x_t: Tensor, span: Span, belief: JumpBelief,
        batch: Batch, generator: Generator,
    ) -> Tensor:  # fmt: skip
        return drawn(process.step_law(x_t, span.B, span.B_s, belief), x_t, generator)


@dataclass(frozen=True)
class Euler(JumpSolver):
    """p(v) = tau R_hat[x, v] (LBJF)."""

    def step(
        self, process: Jump, x_t: Tensor, span: Span, belief: JumpBelief,
        batch: Batch, generator: Generator,
    ) -> Tensor:  # fmt: skip
        hazards = expected(process, x_t, span, belief)
        return drawn(law_of_hazards(hazards, x_t, 1 - hazards.sum(-1)), x_t, generator)


@dataclass(frozen=True)
class ExponentialEuler(JumpSolver):
    """A jump with probability 1 - e^(-tau Lambda): rates frozen over the step."""

    def step(
        self, process: Jump, x_t: Tensor, span: Span, belief: JumpBelief,
        batch: Batch, generator: Generator,
    ) -> Tensor:  # fmt: skip
        hazards = expected(process, x_t, span, belief)
        return drawn(frozen(hazards, x_t), x_t, generator)


@dataclass(frozen=True)
class NominalLeap(JumpSolver):
    """Poisson numbers of jumps; a column that would jump twice stays, for the sum of two jumps
    means nothing between names."""

    def step(
        self, process: Jump, x_t: Tensor, span: Span, belief: JumpBelief,
        batch: Batch, generator: Generator,
    ) -> Tensor:  # fmt: skip
        hazards = expected(process, x_t, span, belief)
        once = hazards * torch.exp(-hazards.sum(-1, keepdim=True))
        return drawn(law_of_hazards(once, x_t, 1 - once.sum(-1)), x_t, generator)


@dataclass(frozen=True)
class OrdinalLeap(JumpSolver):
    """Poisson numbers of jumps, all of them made at once: for levels that have distances.

    Raises:
        ValueError: if the noise has a state of its own, which is no level.
    """

    def step(
        self, process: Jump, x_t: Tensor, span: Span, belief: JumpBelief,
        batch: Batch, generator: Generator,
    ) -> Tensor:  # fmt: skip
        if process.rates.mask is not None:
            raise ValueError(
                "OrdinalLeap: the mask has no place among the levels; take NominalLeap"
            )
        hazards = expected(process, x_t, span, belief)
        numbers = poisson(hazards, generator)
        x = codes(x_t)
        far = torch.arange(hazards.shape[-1], device=x.device) - x[..., None]
        top = torch.tensor(process.rates.sizes, device=x.device) - 1
        moved = (x + (numbers * far).sum(-1)).clamp(min=0).minimum(top)
        return moved.reshape(x_t.shape).to(x_t.dtype)


def reverse_rates(process: Jump, x_t: Tensor, B: Tensor, belief: JumpBelief) -> Tensor:
    """R_hat[x, v] = R[v, x] s_v of every column, 0 at v = x, (B, D, N)."""
    into = process.rates.into(codes(x_t)).to(x_t.dtype)
    return torch.where(into > 0, into * process.log_ratio(x_t, B, belief).exp(), 0.0)


def expected(process: Jump, x_t: Tensor, span: Span, belief: JumpBelief) -> Tensor:
    """tau R_hat, the expected number of jumps to every state if rates stood still, (B, D, N)."""
    return span.tau * reverse_rates(process, x_t, span.start, belief)


def law_of_hazards(jump: Tensor, x_t: Tensor, stay: Tensor) -> Tensor:
    """log probabilities, up to a constant, of jumps (B, D, N) and of staying (B, D)."""
    here = one_hot(codes(x_t), jump.shape[-1]).bool()
    return torch.where(here, stay.clamp(min=0)[..., None], jump).log()


def frozen(hazards: Tensor, x_t: Tensor) -> Tensor:
    """The law of one jump at most, with probability 1 - e^-Lambda."""
    total = hazards.sum(-1, keepdim=True)
    jump = hazards * torch.where(total > 0, -torch.expm1(-total) / total.clamp(min=1e-30), 0.0)
    return law_of_hazards(jump, x_t, torch.exp(-total[..., 0]))


def drawn(law: Tensor, x_t: Tensor, generator: Generator) -> Tensor:
    """A state from log-probabilities of its columns (B, D, N)."""
    values = torch.arange(law.shape[-1], dtype=x_t.dtype, device=x_t.device)
    return Lattice(like(law, x_t), values, Batch(x_t)).sample(generator)


def poisson(mean: Tensor, generator: Generator, most: int = 64) -> Tensor:
    """Poisson draws by the inverse CDF, at most `most`: it has an owner, which torch's has not on
    every device."""
    mean = mean.double()
    u = uniform(tuple(mean.shape), mean, generator)
    term, total, count = torch.exp(-mean), torch.zeros_like(mean), torch.zeros_like(mean)
    for k in range(1, most + 1):
        total = total + term
        below = u >= total
        if not bool(below.any()):
            break
        count = count + below
        term = term * mean / k
    return count.long()
