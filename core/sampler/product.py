"""Sampling of mixed data: at each level one evaluation of the denoiser, and a step of every part.

Numbers walk with a solver of linear Gaussian processes, codes with a jump solver; both see the
belief of the same evaluation, and what is observed stays clean, as in `sampler.jump`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.posterior import Parts
from unnoise.core.process import Jump, LinearGaussian, Process, Product
from unnoise.core.random import Generator
from unnoise.core.sampler.grid import Grid, PowerGrid
from unnoise.core.sampler.jump import kept, pinned, require_steps
from unnoise.core.sampler.leap import Analytic, JumpSolver, Span
from unnoise.core.sampler.solver import AnyNoise, Solver
from unnoise.core.sampler.walk import Callback, Sampling
from unnoise.core.schedule import Level, Rectified, Schedule

__all__ = ["ProductSampler"]


@dataclass(frozen=True)
class ProductSampler(Sampling):
    """A solver for numbers and one for codes on one grid.

    Attributes:
        numbers: the solver of Gaussian parts; one evaluation a step.
        codes: the solver of jumping parts.
        steps: intervals of the grid.
        grid: where they end.
        path: the schedule that is walked; None: that of the process.

    Raises:
        ValueError: if there are no steps, or the solver needs more than one evaluation for each.
    """

    numbers: Solver[Any] = field(default_factory=AnyNoise)
    codes: JumpSolver = field(default_factory=Analytic)
    steps: int = 32
    grid: Grid = field(default_factory=PowerGrid)
    path: Schedule | None = field(default_factory=Rectified)

    def __post_init__(self) -> None:
        require_steps(self.steps)
        if self.numbers.evaluations(self.steps) != self.steps:
            raise ValueError(
                f"ProductSampler: {self.numbers} needs more than one evaluation a step; take AnyNoise, DPMSolver or AdamsBashforth"
            )

    @property
    def nfe(self) -> int:
        """Network evaluations of one sample."""
        return self.steps + 1

    @torch.no_grad()
    def __call__(
        self, process: Process[Any], denoiser: Denoiser[Any], batch: Batch, *,
        prior: Distribution | None = None, generator: Generator = None,
        callback: Callback | None = None,
    ) -> Tensor:  # fmt: skip
        """See `Sampling`.

        Raises:
            TypeError: for a process that isn't a product.
        """
        if not isinstance(process, Product):
            raise TypeError(f"ProductSampler is for Product, got {type(process).__name__}")
        walked = process.on(pinned(self.path, process))
        levels = walked.schedule.levels(self.grid(walked.schedule, self.steps))
        movers = {
            name: self._mover(walked.process(name), part, levels, generator)
            for name, part in walked.batches(batch).items()
        }
        x = (prior or process.prior(batch)).sample(generator)
        x = kept(_in_gauge(x, process, walked), batch)
        for k in range(len(levels)):
            belief: Parts = denoiser(x, levels[k], batch)
            parts = walked.split(x)
            moved = [movers[name].move(k, parts[name], belief.parts[name]) for name in parts]
            x = kept(torch.cat(moved, -1), batch)
            if callback is not None and k < self.steps:
                callback(k, levels[k + 1], x)
        return x

    def _mover(
        self, process: Process[Any], batch: Batch, levels: Sequence[Level], generator: Generator
    ) -> Mover:
        if isinstance(process, LinearGaussian):
            return Numbers(process, self.numbers, levels, batch, generator)
        if isinstance(process, Jump):
            return Codes(process, self.codes, levels, batch, generator)
        raise TypeError(f"ProductSampler: no solver for a part of type {type(process).__name__}")


def _in_gauge(x: Tensor, own: Product, walked: Product) -> Tensor:
    """A state at t = 1 in the units of the schedule that is walked."""
    (one,), (other,) = (p.schedule.levels(torch.ones(1)) for p in (own, walked))
    parts = own.split(x)
    for name, part in parts.items():
        process = own.process(name)
        if isinstance(process, LinearGaussian):
            parts[name] = part * (process.on(walked.schedule).gauge(other) / process.gauge(one))
    return torch.cat(list(parts.values()), -1)


class Mover(ABC):
    """A part on its way along the levels."""

    @abstractmethod
    def move(self, k: int, x: Tensor, belief: Any) -> Tensor:
        """The part at level k + 1 of one at level k, or, at the last level, the data."""


class Numbers(Mover):
    """A Gaussian part; it ends with its mean."""

    def __init__(
        self, process: LinearGaussian, solver: Solver[Any], levels: Sequence[Level], batch: Batch,
        generator: Generator,
    ) -> None:  # fmt: skip
        self.solver, self.plan = solver, solver.plan(process, levels)
        self.memory: list[Tensor] = []
        self.draw = lambda: process.draw(batch, generator)

    def move(self, k: int, x: Tensor, belief: Any) -> Tensor:
        mean: Tensor = belief.mean
        if k == len(self.plan):
            return mean
        return self.solver.step(x, lambda *_: mean, self.plan[k], self.memory, self.draw)


class Codes(Mover):
    """A part of codes; it ends with a draw."""

    def __init__(
        self, process: Jump, solver: JumpSolver, levels: Sequence[Level], batch: Batch,
        generator: Generator,
    ) -> None:  # fmt: skip
        self.process, self.solver, self.last = process, solver, levels[-1]
        self.spans = Span.plan(process.schedule, levels, batch.x)
        self.batch, self.generator = batch, generator

    def move(self, k: int, x: Tensor, belief: Any) -> Tensor:
        if k == len(self.spans):
            law = self.process.decode(x, self.last, belief, self.batch)
            return law.sample(self.generator)
        return self.solver.step(self.process, x, self.spans[k], belief, self.batch, self.generator)
