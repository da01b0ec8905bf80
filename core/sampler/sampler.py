"""Sampling: walk a grid of noise levels with a solver, end with a plain denoise.

    x ~ prior at t = 1;   x <- solver.step(x) along the grid;   x <- E[x_0 | x] at t = 0

The loop is this short for every process whose belief has a mean. What is walked need not be the
schedule of training: networks see log-SNR alone, so `path` may be any schedule, and its window is
pinned to that of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, Given
from unnoise.core.distribution import Distribution
from unnoise.core.posterior import Posterior
from unnoise.core.process.gaussian import Gaussian
from unnoise.core.random import Generator
from unnoise.core.sampler.grid import Grid, PowerGrid
from unnoise.core.sampler.solver import AdamsBashforth, Solver
from unnoise.core.schedule import Cosine, Level, Schedule

__all__ = ["Callback", "Sampler"]

Callback = Callable[[int, Level, Tensor], None]  # step index, the level reached, the state there


@dataclass(frozen=True)
class Sampler:
    """A solver on a grid.

    Attributes:
        solver: the rule for one step.
        steps: intervals of the grid; a sample costs `nfe` = solver.evaluations(steps) + 1 network
            evaluations.
        grid: where the steps end.
        path: the schedule that is walked; None: that of the process.
        denoise: end with E[x_0 | x] at t = 0; without it the last state still has the noise of t =
            0.
    """

    solver: Solver[Any] = field(default_factory=lambda: AdamsBashforth(3))
    steps: int = 31
    grid: Grid = field(default_factory=PowerGrid)
    path: Schedule | None = field(default_factory=Cosine)
    denoise: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Sampler: steps must be at least 1, got {self.steps}")

    @property
    def nfe(self) -> int:
        """Network evaluations of one sample (a guided denoiser counts as one)."""
        return self.solver.evaluations(self.steps) + int(self.denoise)

    @torch.no_grad()
    def __call__(
        self,
        process: Gaussian,
        denoiser: Denoiser[Posterior],
        batch: Batch,
        *,
        prior: Distribution | None = None,
        x: Tensor | None = None,
        generator: Generator = None,
        callback: Callback | None = None,
    ) -> Tensor:
        """Samples shaped as batch.x.

        Args:
            process: the noising process that the denoiser was made for.
            denoiser: its denoiser.
            batch: conditions, masks and observed entries of the states to draw; `batch.x` gives
                shape, dtype, device and the observed values.
            prior: the law of the first state; None: the process's own.
            x: the first state itself, in the gauge of the process, instead of a draw.
            generator: source of all randomness.
            callback: called after every step.
        """
        path, levels = self.walk(process.schedule)
        plan = self.solver.plan(path, levels)
        denoiser = denoiser if batch.observed is None else Given(denoiser)

        def mean(x: Tensor, level: Level) -> Tensor:
            return denoiser(x, level, batch).mean

        if x is None:
            x = (prior or process.prior(batch)).sample(generator)
        x = x * _change_of_gauge(process.schedule, levels[0])
        memory: list[Tensor] = []
        for k, step in enumerate(plan):
            x = self.solver.step(
                x, mean, step, memory, lambda: process.noise.sample(batch, generator)
            )
            if callback is not None:
                callback(k, levels[k + 1], x)
        return mean(x, levels[-1]) if self.denoise else x

    def walk(self, schedule: Schedule) -> tuple[Schedule, list[Level]]:
        """The schedule that is walked, pinned to the window of `schedule`, and the levels of its
        grid."""
        path = (
            schedule
            if self.path is None
            else self.path.between(schedule.log_snr_max, schedule.log_snr_min)
        )
        return path, path.levels(self.grid(path, self.steps))


def _change_of_gauge(schedule: Schedule, level: Level) -> float:
    """What turns a state of the process at t = 1 into one of the walked schedule at the same
    log-SNR."""
    (own,) = schedule.levels(torch.ones(1))
    return float(level.alpha) / float(own.alpha)
