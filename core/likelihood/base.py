"""What all likelihood methods share: the question, and the path integral that most are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Centred, Distribution, divergence, opposite
from unnoise.core.likelihood.result import LikelihoodResult
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian, LinearGaussian, Process
from unnoise.core.random import Generator, low_discrepancy
from unnoise.core.schedule import Level
from unnoise.core.times import LogisticTimes, LogSNRTimes, Times

__all__ = [
    "Likelihood",
    "PathLikelihood",
    "Query",
    "path_kl",
    "require_pairs",
]


@dataclass(frozen=True, eq=False)
class Query:
    """log p of which states under what: the arguments of every likelihood.

    Attributes:
        process: the noising process.
        denoiser: its denoiser.
        batch: the states, in the model's units.
        prior: p(x_1).
        values: the grid (K,) that quantised states lie on, for a log probability; None: what the
            process itself gives, a log density of numbers and a log probability of codes.
        generator: source of all randomness.
    """

    process: Process[Any]
    denoiser: Denoiser[Any]
    batch: Batch
    prior: Distribution
    values: Tensor | None
    generator: Generator

    @property
    def density(self) -> bool:
        return self.values is None

    @property
    def dims(self) -> Tensor:
        """Free dimensions of each state, (B,)."""
        return self.process.dims(self.batch)

    @property
    def ends(self) -> tuple[Level, Level]:
        """The levels of t = 0 and t = 1."""
        start, end = self.process.schedule.levels(torch.tensor([0.0, 1.0]))
        return start, end

    def gaussian(self, name: str) -> Gaussian:
        """The process, if it is plain Gaussian diffusion.

        Raises:
            ValueError: if it is another one.
        """
        if isinstance(self.process, Gaussian):
            return self.process
        raise ValueError(
            f"{name} needs a Gaussian process, got {type(self.process).__name__}; take Bound, which needs none"
        )

    def linear(self, name: str) -> LinearGaussian:
        """The process, if it is a linear Gaussian one.

        Raises:
            ValueError: if it is another one.
        """
        if isinstance(self.process, LinearGaussian):
            return self.process
        raise ValueError(
            f"{name} needs a linear Gaussian process, got {type(self.process).__name__}; take Bound, which needs none"
        )

    def noisy(self, level: Level) -> Tensor:
        """A draw of q(x_t | x)."""
        return self.process.marginal(self.batch.x, level, self.batch).sample(self.generator)

    def prior_kl(self) -> Tensor:
        """KL(q(x_1 | x) || p(x_1)), (B,)."""
        end = self.process.marginal(self.batch.x, self.ends[1], self.batch)
        return divergence(end, self.prior, self.generator)

    def decoded(self, x_t: Tensor, level: Level) -> Tensor:
        """log p(x | x_t) by the process's decoder, (B,)."""
        belief = self.denoiser(x_t, level, self.batch)
        law = self.process.decode(x_t, level, belief, self.batch)
        return (law if self.values is None else law.on(self.values)).log_prob(self.batch.x)

    def reconstruction(self, level: Level) -> Tensor:
        """An estimate of E[log p(x | x_t)] from one draw, (B,)."""
        x_t = self.noisy(level)
        log_prob = self.decoded(x_t, level)
        if not self.density:
            return log_prob
        return log_prob + self.process.excess(self.batch.x, x_t, level, self.batch)

    def step(self, x_t: Tensor, level: Level, to: Level) -> tuple[Centred, Centred]:
        """q(x_s | x_t, x) and p(x_s | x_t), two Gaussians of one covariance, in float64: log
        densities of large states differ by less than their single precision."""
        process = self.linear("a bound on a grid of steps")
        belief = self.denoiser(x_t, level, self.batch).mean
        true, believed = (
            process.reverse(x_t.double(), level, to, Mean(mean.double()), self.batch)
            for mean in (self.batch.x, belief)
        )
        return true, believed


class Likelihood(ABC):
    """A way to estimate log p(x) under a denoiser."""

    @abstractmethod
    def estimate(self, query: Query) -> LikelihoodResult:
        """The estimate; a bound is differentiable in all that it depends on."""

    @torch.no_grad()
    def __call__(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        *,
        prior: Distribution | None = None,
        values: Tensor | None = None,
        generator: Generator = None,
    ) -> LikelihoodResult:
        """log p of every state in nats of the model's units; for the arguments see `Query` (prior
        None: the process's own)."""
        law = process.prior(batch) if prior is None else prior
        return self.estimate(Query(process, denoiser, batch, law, values, generator))


@dataclass(frozen=True)
class PathLikelihood(Likelihood):
    """A likelihood that integrates the rate over levels.

    Attributes:
        draws: evaluations for each item, in pairs of opposite noise at stratified levels.
        times: the density of the levels; None: uniform in log-SNR for a linear Gaussian process,
            else uniform in the share that is kept (`LogisticTimes`), which knows no end.

    Raises:
        ValueError: if `draws` is odd or less than 2.
    """

    draws: int = 32
    times: Times | None = None

    def __post_init__(self) -> None:
        require_pairs(self.draws)

    def path(self, query: Query) -> tuple[Tensor, Tensor]:
        """The path's cost in nats and its standard error, (B,) each."""
        return path_kl(
            query.process,
            query.denoiser,
            query.batch,
            self.draws,
            self.times or default_times(query.process),
            density=query.density,
            generator=query.generator,
        )


def default_times(process: Process[Any]) -> Times:
    """Where a bound looks if nobody says."""
    return LogSNRTimes() if isinstance(process, LinearGaussian) else LogisticTimes()


def require_pairs(draws: int) -> None:
    """Refuse a number of evaluations that can't be spent in pairs.

    Raises:
        ValueError: if it is odd or less than 2.
    """
    if draws < 2 or draws % 2:
        raise ValueError(
            f"draws must be even and at least 2 (pairs of opposite noise), got {draws}"
        )


def path_kl(
    process: Process[Any],
    denoiser: Denoiser[Any],
    batch: Batch,
    draws: int,
    times: Times,
    *,
    density: bool,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """int rate d(log-SNR) over the schedule's window: an unbiased estimate in nats and its
    standard error, (B,) each.

    `draws` evaluations come in pairs of opposite noise at one level. An item's pairs are
    stratified in time, and the items' strata are shifted against each other (low discrepancy), so
    that the mean over a data set converges faster than its items do; the error of an item is that
    of independent pairs, which is an upper bound.
    """
    shift = low_discrepancy(batch.x, generator)

    def pair(k: int) -> Tensor:
        t, inverse_density = times.draw((k + shift) / (draws // 2), process.schedule)
        level = process.schedule.level(t, batch.x.ndim)
        x_t, other = opposite(process.marginal(batch.x, level, batch), generator)
        one, two = (
            process.rate(batch.x, x, level, denoiser(x, level, batch), batch) for x in (x_t, other)
        )
        rate = 0.5 * (one + two)
        if density:  # what a denoiser gets wrong of a density at high log-SNR is the noise itself
            known = torch.sigmoid(level.condition(batch.x)).square()
            rate = rate - known * process.excess(batch.x, x_t, level, batch)
        return rate * inverse_density * process.schedule.speed(t)

    return average(pair, draws // 2)


def average(draw: Callable[[int], Tensor], n: int) -> tuple[Tensor, Tensor]:
    """The mean of n draws (B,), and its standard error if they were independent."""
    total = squares = torch.zeros(())
    for k in range(n):
        nats = draw(k)
        total, squares = total + nats, squares + nats.detach().square()
    mean = total / n
    variance = (squares / n - mean.detach().square()).clamp(min=0) / max(n - 1, 1)
    return mean, variance.sqrt()
