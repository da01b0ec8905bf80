"""Sampling of codes on a grid of levels.

x ~ prior at t = 1;   x <- solver.step(x) along the grid;   x ~ p(x_0 | x) at t = 0

The last draw is a draw: its mode would favour what is frequent in every column, and bias every
measure of a law. A schedule that reaches the data themselves needs none. Entries that are observed
stay on their values all the way, clean: exact under the absorbing noise, and for any noise with a
network that was trained to be told them (`core.infill`).

A corrector runs the chain forwards and backwards at once, at rates R + R_hat, which leave the law at
a level where it is (tauLDR): evaluations that mend the errors of the steps before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.process import Jump, Process
from unnoise.core.process.jump import codes
from unnoise.core.random import Generator
from unnoise.core.rates.base import elapsed
from unnoise.core.sampler.grid import Grid, PowerGrid
from unnoise.core.sampler.leap import Analytic, JumpSolver, Span, drawn, frozen, reverse_rates
from unnoise.core.sampler.walk import Callback, Sampling
from unnoise.core.schedule import Rectified, Schedule

__all__ = ["Corrector", "JumpSampler", "Last", "kept", "pinned", "require_steps"]


class Last(StrEnum):
    """How a walk ends that doesn't reach the data by itself."""

    SAMPLE = "sample"
    MODE = "mode"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Corrector:
    """Steps at rates R + R_hat after a step of the solver.

    Attributes:
        rounds: how many, an evaluation each.
        scale: their length, in lengths of the solver's next step.
        below: the time t below which they are made.

    Raises:
        ValueError: if one of them isn't positive.
    """

    rounds: int = 1
    scale: float = 0.25
    below: float = 1.0

    def __post_init__(self) -> None:
        if not (self.rounds >= 1 and self.scale > 0 and self.below > 0):
            raise ValueError(f"Corrector: rounds, scale and below must be positive, got {self}")

    def step(
        self, process: Jump, x: Tensor, B: Tensor, tau: Tensor, belief: Any, generator: Generator
    ) -> Tensor:
        """One step of length tau at the time B."""
        away = process.rates.away(codes(x)).to(x.dtype)
        rates = away + reverse_rates(process, x, B, belief)
        return drawn(frozen(tau * rates, x), x, generator)


@dataclass(frozen=True)
class JumpSampler(Sampling):
    """A jump solver on a grid.

    Attributes:
        solver: the rule for one step.
        steps: intervals of the grid.
        grid: where they end.
        path: the schedule that is walked; None: that of the process. By default steps are equal in
            the share that is kept.
        last: how the walk ends where the schedule stops short of the data.
        corrector: steps that mend, after those of the solver.

    Raises:
        ValueError: if there are no steps.
    """

    solver: JumpSolver = field(default_factory=Analytic)
    steps: int = 32
    grid: Grid = field(default_factory=PowerGrid)
    path: Schedule | None = field(default_factory=Rectified)
    last: Last = Last.SAMPLE
    corrector: Corrector | None = None

    def __post_init__(self) -> None:
        require_steps(self.steps)

    @property
    def nfe(self) -> int:
        rounds = self.corrector.rounds if self.corrector else 0
        return self.steps * (1 + rounds) + int(self.last is not Last.NOTHING)

    @torch.no_grad()
    def __call__(
        self, process: Process[Any], denoiser: Denoiser[Any], batch: Batch, *,
        prior: Distribution | None = None, generator: Generator = None,
        callback: Callback | None = None,
    ) -> Tensor:  # fmt: skip
        """See `Sampling`.

        Raises:
            TypeError: for a process that isn't one of jumps.
        """
        if not isinstance(process, Jump):
            raise TypeError(f"JumpSampler is for Jump, got {type(process).__name__}")
        schedule = pinned(self.path, process)
        levels = schedule.levels(self.grid(schedule, self.steps))
        x = kept((prior or process.prior(batch)).sample(generator), batch)
        spans = Span.plan(schedule, levels, x)
        for k, (level, to) in enumerate(pairwise(levels)):
            span, belief = spans[k], denoiser(x, level, batch)
            x = kept(self.solver.step(process, x, span, belief, batch, generator), batch)
            if self.corrector is not None and float(to.t) < self.corrector.below and span.B_s > 0:
                tau = self.corrector.scale * spans[min(k + 1, self.steps - 1)].tau
                for _ in range(self.corrector.rounds):
                    belief = denoiser(x, to, batch)
                    x = self.corrector.step(process, x, span.B_s, tau, belief, generator)
                    x = kept(x, batch)
            if callback is not None:
                callback(k, to, x)
        if self.last is Last.NOTHING or float(elapsed(levels[-1], x)) == 0:
            return x
        law = process.decode(x, levels[-1], denoiser(x, levels[-1], batch), batch)
        if self.last is Last.MODE:
            return kept(law.logits.argmax(-1).to(x.dtype), batch)
        return kept(law.sample(generator), batch)


def pinned(path: Schedule | None, process: Process[Any]) -> Schedule:
    """The schedule that is walked, over the window of the process."""
    own = process.schedule
    return own if path is None else path.between(own.log_snr_max, own.log_snr_min)


def kept(x: Tensor, batch: Batch) -> Tensor:
    """The state with observed entries on their values."""
    return x if batch.observed is None else torch.where(batch.observed, batch.x, x)


def require_steps(steps: int) -> None:
    """Refuse a walk without steps.

    Raises:
        ValueError: if there are none.
    """
    if steps < 1:
        raise ValueError(f"a sampler needs at least 1 step, got {steps}")
