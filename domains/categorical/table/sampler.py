r"""Sampling of a table, one code at a time.

Codes that are unmasked in one step are drawn as if they were independent: of two columns that say
the same, a share of about 1 / steps of the rows would contradict itself. Under the absorbing noise
which codes a step unmasks doesn't depend on what is believed of them. So it is drawn first, and
where a row has several, the network is asked anew after each: for D codes and T steps about D^2 / 2T
evaluations more a row, and the codes are drawn from the model's own conditionals, however few the
steps (the first-hitting sampler of Zheng et al. 2024 on a grid). Numbers take their steps by the
belief that a step starts with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.posterior import Parts
from unnoise.core.process import Jump, LinearGaussian, Process, Product
from unnoise.core.random import Generator, uniform
from unnoise.core.sampler import AdamsBashforth, Callback, Grid, PowerGrid, Sampling
from unnoise.core.sampler.jump import kept, require_steps
from unnoise.core.sampler.product import Numbers
from unnoise.core.sampler.solver import Solver
from unnoise.core.schedule import Level

__all__ = ["OneByOne"]


@dataclass(frozen=True)
class OneByOne(Sampling):
    """A solver's steps of numbers; codes unmasked one after the other.

    Attributes:
        numbers: the solver of Gaussian parts, of one evaluation a step. Ancestral steps would make
            numbers too narrow, if there are few.
        steps: intervals of the grid.
        rounds: at most so many evaluations a step; the last of them draws all codes that are left.
        grid: where the steps end.
        first: entries of codes that are drawn before the first step.

    Raises:
        ValueError: if there are no steps or no rounds.
    """

    numbers: Solver[Any] = field(default_factory=AdamsBashforth)
    steps: int = 31
    rounds: int = 8
    grid: Grid = field(default_factory=PowerGrid)
    first: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require_steps(self.steps)
        if self.rounds < 1:
            raise ValueError(f"OneByOne: rounds must be at least 1, got {self.rounds}")

    @torch.no_grad()
    def __call__(
        self, process: Process[Any], denoiser: Denoiser[Any], batch: Batch, *,
        prior: Distribution | None = None, generator: Generator = None,
        callback: Callback | None = None,
    ) -> Tensor:  # fmt: skip
        """See `Sampling`.

        Raises:
            TypeError: for a process that isn't a product of linear Gaussian and absorbing parts.
        """
        table, masks = _required(process)
        levels = table.schedule.levels(self.grid(table.schedule, self.steps))
        walks = {
            name: Numbers(part, self.numbers, levels, table.batches(batch)[name], generator)
            for name in table.widths
            if isinstance(part := table.process(name), LinearGaussian)
        }
        x = kept((prior or table.prior(batch)).sample(generator), batch)
        if self.first:
            due = torch.zeros_like(x, dtype=torch.bool)
            due[:, self.first] = (x == masks.to(x))[:, self.first]
            x = self._draw(table, denoiser, x, levels[0], batch, due, len(self.first), generator)[
                0
            ]
        for k, level in enumerate(levels):
            chance = uniform(tuple(x.shape), x, generator)
            due = (x == masks.to(x)) & (chance < unmasked(levels, k))
            y, belief = self._draw(table, denoiser, x, level, batch, due, self.rounds, generator)
            parts = table.split(y)
            for name, walk in walks.items():
                parts[name] = walk.move(k, parts[name], belief.parts[name])
            x = kept(torch.cat(list(parts.values()), -1), batch)
            if callback is not None and k < self.steps:
                callback(k, levels[k + 1], x)
        return x

    def _draw(
        self, table: Product, denoiser: Denoiser[Parts], x: Tensor, level: Level, batch: Batch,
        due: Tensor, rounds: int, generator: Generator,
    ) -> tuple[Tensor, Parts]:  # fmt: skip
        """The state with the codes that are due (n, D), in a random order of each row, and what was
        believed before."""
        start = belief = denoiser(x, level, batch)
        x, due, order = x.clone(), due.clone(), uniform(tuple(x.shape), x, generator)
        rows = torch.arange(len(x), device=x.device)  # those that the belief is about
        for turn in range(1, rounds + 1):
            now = due[rows]
            if turn < rounds:
                one = order[rows].masked_fill(~now, 2.0).argmin(1)
                now = now & one_hot(one, x.shape[1]).bool()
            x[rows] = torch.where(now, drawn(table, belief, x[rows], generator), x[rows])
            due[rows] &= ~now
            rows = rows[due[rows].any(1)]
            if not len(rows):
                break
            belief = denoiser(x[rows], level, batch.rows(rows))
        return x, start


def drawn(table: Product, belief: Parts, x: Tensor, generator: Generator) -> Tensor:
    """The state with every code drawn from what is believed of it."""
    parts, batches = table.split(x), table.batches(Batch(x))
    (data,) = table.schedule.levels(torch.zeros(1))
    for name in parts:
        part = table.process(name)
        if isinstance(part, Jump):
            some: Any = belief.parts[name]
            parts[name] = part.decode(parts[name], data, some, batches[name]).sample(generator)
    return torch.cat(list(parts.values()), -1)


def unmasked(levels: Sequence[Level], k: int) -> float:
    """The share of masked codes that step k unmasks; the last one, all."""
    if k == len(levels) - 1:
        return 1.0
    now, then = (1 / (1 + math.exp(-0.5 * float(v.log_snr))) for v in levels[k : k + 2])
    return (then - now) / (1 - now)


def _required(process: Process[Any]) -> tuple[Product, Tensor]:
    """A product of numbers and absorbed codes, and the code of the mask at every entry, (D,); NaN,
    which equals nothing, at numbers."""
    if not isinstance(process, Product):
        raise TypeError(f"OneByOne is for Product, got {type(process).__name__}")
    masks: list[float] = []
    for name, width in process.widths.items():
        part: Process[Any] = process.process(name)
        mask = part.rates.mask if isinstance(part, Jump) else math.nan
        if mask is None or not isinstance(part, Jump | LinearGaussian):
            raise TypeError(f"OneByOne: part {name!r} is neither numbers nor codes with a mask")
        masks += [float(mask)] * width
    return process, torch.tensor(masks)
