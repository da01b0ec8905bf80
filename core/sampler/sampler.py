"""Sampling on a grid: walk levels of noise with a solver, end with a plain denoise.

x ~ prior at t = 1;   x <- solver.step(x) along the grid;   x <- E[x_0 | x] at t = 0
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from unnoise.core.process.linear import LinearGaussian
from unnoise.core.sampler.grid import Grid, PowerGrid
from unnoise.core.sampler.solver import AdamsBashforth, Draw, Mean, Solver
from unnoise.core.sampler.walk import Angle, Callback, Path, Walk, on_path
from unnoise.core.schedule import Level

__all__ = ["Sampler"]


@dataclass(frozen=True)
class Sampler(Walk):
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
    path: Path = field(default_factory=Angle)
    denoise: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Sampler: steps must be at least 1, got {self.steps}")

    @property
    def nfe(self) -> int:
        """Network evaluations of one sample (a guided denoiser counts as one)."""
        return self.solver.evaluations(self.steps) + int(self.denoise)

    def levels(self, process: LinearGaussian) -> list[Level]:
        """Where the steps end, from t = 1 to 0, on the path."""
        schedule = on_path(self.path, process).schedule
        return schedule.levels(self.grid(schedule, self.steps))

    def walk(
        self, process: LinearGaussian, mean: Mean, x: Tensor, draw: Draw, callback: Callback | None
    ) -> Tensor:
        levels = process.schedule.levels(self.grid(process.schedule, self.steps))
        memory: list[Tensor] = []
        for k, step in enumerate(self.solver.plan(process, levels)):
            x = self.solver.step(x, mean, step, memory, draw)
            if callback is not None:
                callback(k, levels[k + 1], x)
        return x
