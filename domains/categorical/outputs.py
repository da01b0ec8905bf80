"""What a model of codes is scored on: rows, likelihoods of test rows, completions; of the model, of a
perfect sampler, and of a trivial model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import (
    Kind,
    Likelihood,
    LikelihoodResult,
    Ordered,
    tightest,
)
from unnoise.core.model import Model
from unnoise.core.progress import track
from unnoise.core.random import Generator, seeded
from unnoise.core.sampler import (
    Analytic,
    Confident,
    CosineGrid,
    Euler,
    ExponentialEuler,
    JumpSampler,
    NominalLeap,
    auto,
)
from unnoise.domains.categorical.problem import Problem
from unnoise.domains.task import Preset, Splits

__all__ = [
    "Classical",
    "Completing",
    "Filled",
    "Pattern",
    "Point",
    "Rows",
    "Settings",
    "Whole",
    "classical_rows",
    "completed_rows",
    "fill",
    "model_rows",
    "real_rows",
]

SWEEP = (4, 8, 16, 32, 64)
SOLVERS: dict[str, Callable[[int], JumpSampler]] = {
    "analytic": lambda n: JumpSampler(Analytic(), n),
    "analytic, cosine grid": lambda n: JumpSampler(Analytic(), n, CosineGrid()),
    "Euler": lambda n: JumpSampler(Euler(), n),
    "exponential Euler": lambda n: JumpSampler(ExponentialEuler(), n),
    "tau-leaping": lambda n: JumpSampler(NominalLeap(), n),
    "confident": lambda n: JumpSampler(Confident(), n),
}


class Classical(Protocol):
    """A classical model of rows of codes."""

    def nats(self, batch: Batch) -> Tensor:
        """log p of rows, (N,)."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Rows (n, D)."""


class Completing(Classical, Protocol):
    """One that can complete rows."""

    def complete(self, x: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Rows (N, D) with what isn't observed drawn anew."""


@dataclass(frozen=True)
class Whole:
    """A classical model with `log_prob` and `sample`, of rows that have no padding.

    Attributes:
        model: one of `baselines`.
        letters: of a row, where the model doesn't know; 0: it does.
    """

    model: Any
    letters: int = 0

    def nats(self, batch: Batch) -> Tensor:
        nats: Tensor = self.model.log_prob(batch.x.flatten(1).long())
        return nats

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        size = (n, self.letters) if self.letters else (n,)
        rows: Tensor = self.model.sample(*size, generator)
        return rows


@dataclass(frozen=True)
class Settings:
    """How much to generate: the keywords of `Preset.generate`.

    Attributes:
        samples: rows drawn.
        nfe: network evaluations of each.
        draws: noise levels for each test row in the bound.
        tests: test rows of the bound; None: all.
        ordered: test rows whose exact likelihood in the order of the columns is computed.
        sweep: rows drawn with every solver at every cost.
        fill: test rows that are completed.
        batch: rows at once.
    """

    samples: int
    nfe: int = 33
    draws: int = 32
    tests: int | None = None
    ordered: int = 0
    sweep: int = 0
    fill: int = 0
    batch: int = 1000


@dataclass(frozen=True)
class Point:
    """Rows of one solver at one cost."""

    solver: str
    nfe: int
    rows: Tensor


@dataclass(frozen=True)
class Filled:
    """Test rows, what was given of them, and completions, one each."""

    originals: Tensor
    observed: Tensor
    drawn: Tensor


@dataclass(frozen=True)
class Rows:
    """Outputs of a model of codes; None: not made.

    Attributes:
        rows: samples (N, ...).
        bound: the variational bound of the test rows, or of a classical model their likelihood.
        ordered: the exact likelihood of the first test rows if columns are revealed in their order.
        truth: the log-probability of the test rows under their own law, (N,).
        sweep: rows of other solvers at other costs.
        filled: completed test rows.
        nfe: network evaluations of each sample.
    """

    rows: Tensor
    bound: LikelihoodResult | None = None
    ordered: LikelihoodResult | None = None
    truth: Tensor | None = None
    sweep: Sequence[Point] = ()
    filled: Filled | None = None
    nfe: int | None = None


Pattern = Callable[[Tensor], Tensor]  # which entries of rows are given


def model_rows(
    model: Model,
    problem: Problem,
    splits: Splits,
    preset: Preset,
    generator: Generator,
    pattern: Pattern | None = None,
) -> Rows:
    """Everything that the report shows of a model."""
    how = Settings(**preset.generate)
    test = splits.test.rows(slice(how.tests))
    sampler = auto(how.nfe, model.process)
    rows = sample(
        model, how.samples, sampler, generator, how.batch, f"rows ({how.nfe} evaluations)"
    )
    some = splits.test.rows(slice(how.ordered))
    sweep = [
        Point(
            name, n, sample(model, how.sweep, make(n), generator, how.batch, f"{name}, {n} steps")
        )
        for name, make in (SOLVERS.items() if how.sweep else ())
        for n in SWEEP
    ]
    filled = None
    if pattern is not None and how.fill:
        filled = fill(model, splits.test.rows(slice(how.fill)), pattern, generator, how)
    return Rows(
        rows,
        bound=_likelihood(
            model, test, tightest(model.process, how.draws), generator, how.batch, "bound"
        ),
        ordered=_likelihood(model, some, Ordered(), generator, how.batch, "exact, in order"),
        truth=None if problem.law is None else problem.law.log_prob(test.x),
        sweep=sweep,
        filled=filled,
        nfe=how.nfe,
    )


def sample(
    model: Model, n: int, sampler: object, generator: Generator, size: int, title: str
) -> Tensor:
    """Rows on the CPU, `size` at a time."""
    device = next(model.parameters()).device
    starts = range(0, n, size)
    parts = [
        model.sample(
            Batch(torch.zeros(min(size, n - i), *model.shape, device=device)),
            sampler,  # type: ignore[arg-type]
            generator=generator,
        ).cpu()
        for i in track(starts, title)
    ]
    return torch.cat(parts) if parts else torch.zeros(0, *model.shape, dtype=torch.long)


def fill(
    model: Model, batch: Batch, pattern: Pattern, generator: Generator, how: Settings
) -> Filled:
    """Test rows with what the pattern doesn't give drawn from the model."""
    device = next(model.parameters()).device
    observed = pattern(batch.x)
    asked = batch.replace(observed=observed)
    sampler = auto(how.nfe, model.process)
    parts = [
        model.sample(asked.rows(slice(i, i + how.batch)).to(device), sampler, generator=generator)
        for i in track(range(0, len(batch), how.batch), "completions")
    ]
    return Filled(batch.x.long(), observed, torch.cat(parts).cpu())


def real_rows(problem: Problem, splits: Splits, preset: Preset) -> Rows:
    """The perfect sampler: training rows, and the law itself where it is known."""
    how = Settings(**preset.generate)
    test = splits.test.rows(slice(how.tests))
    truth = None if problem.law is None else problem.law.log_prob(test.x)
    bound = None if truth is None else exact(truth, test)
    return Rows(splits.train.x[: how.samples].long(), bound, bound, truth)


def classical_rows(
    model: Classical,
    problem: Problem,
    splits: Splits,
    preset: Preset,
) -> Rows:
    """A classical model: its rows and its exact likelihood."""
    how, generator = Settings(**preset.generate), seeded(0)
    test = splits.test.rows(slice(how.tests))
    rows = model.sample(how.samples, generator).reshape(-1, *test.x.shape[1:])
    bound = exact(model.nats(test), test)
    truth = None if problem.law is None else problem.law.log_prob(test.x)
    return Rows(rows, bound, bound, truth)


def completed_rows(
    model: Completing, outputs: Rows, splits: Splits, preset: Preset, pattern: Pattern
) -> Rows:
    """The outputs of a classical model with test rows that it completed."""
    x = splits.test.x[: Settings(**preset.generate).fill]
    if not len(x):
        return outputs
    observed = pattern(x)
    drawn = model.complete(x.flatten(1).long(), observed.flatten(1), seeded(1))
    return replace(outputs, filled=Filled(x.long(), observed, drawn.reshape(x.shape)))


def exact(nats: Tensor, batch: Batch) -> LikelihoodResult:
    """Exact log-probabilities as a result."""
    return LikelihoodResult(nats, batch.dims().to(nats), Kind.EXACT, torch.zeros_like(nats), nfe=0)


def _likelihood(
    model: Model, batch: Batch, method: Likelihood, generator: Generator, size: int, title: str
) -> LikelihoodResult | None:
    device = next(model.parameters()).device
    parts = [
        model.log_prob(batch.rows(slice(i, i + size)).to(device), method, generator)
        for i in track(range(0, len(batch), size), title)
    ]
    return LikelihoodResult.cat(parts) if parts else None
