r"""How exact samplers and likelihoods are at a budget of evaluations, with an exact denoiser.

    sliced W2    sqrt of the mean, over directions and sorted points, of the squared gap between
                 projected samples and projected reference: the median over the sets
    RMSE         root mean square, over all entries of all sets, of x - x*, x* the exact flow's end
                 from the same noise: deterministic samplers only
    log p error  mean |log p - exact log p| over the test points, in nats

States are float32 and start at SIGMA[1] times the problem's noise; every evaluation counts. The
floor is the exact flow of the same noise, the baseline everything exact for the Gaussian of the
data's mean and covariance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from unnoise.benchmarks.core.methods import (
    DETERMINISTIC,
    LIKELIHOODS,
    SIGMA,
    STOCHASTIC,
    Damped,
    process,
)
from unnoise.benchmarks.core.problem import STD, Problem
from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.progress import track
from unnoise.core.random import Generator, seeded
from unnoise.core.sampler import AdamsBashforth, PowerGrid, Sampler
from unnoise.domains.task import Score

__all__ = [
    "LIKELIHOOD_NFE",
    "SAMPLER_NFE",
    "Accuracy",
    "Curves",
    "exact_flow",
    "exactly",
    "measure",
    "rmse",
    "sliced_w2",
]

SAMPLER_NFE = (5, 10, 20, 50)
LIKELIHOOD_NFE = (20, 50, 100)
EXACT = "exact flow of the same noise"
Curves = Mapping[str, Mapping[int, Score]]  # method -> budget -> score, the default method first


@dataclass(frozen=True)
class Accuracy:
    """The scores of every method at every budget.

    Attributes:
        sliced_w2: of samples.
        trajectory_rmse: of samples of deterministic samplers.
        log_prob_error: of likelihoods.
        references: sliced W2 of exact samples, by how they were made.
    """

    sliced_w2: Curves
    trajectory_rmse: Curves
    log_prob_error: Curves
    references: Mapping[str, float]


def measure(model: Model, problem: Problem, generator: Generator) -> Accuracy:
    """The scores of all methods of the tables."""
    target = _exact_ends(problem)
    w2: dict[str, dict[int, Score]] = {}
    distance: dict[str, dict[int, Score]] = {}
    for name, sampler in track(list((DETERMINISTIC | STOCHASTIC).items()), "samplers"):
        for nfe in SAMPLER_NFE:
            ends = _ends(model, sampler(nfe), problem.noise, generator)
            w2.setdefault(name, {})[nfe] = _median(_sliced_w2(problem, ends))
            if name in DETERMINISTIC:
                distance.setdefault(name, {})[nfe] = _pooled(rmse(ends, target))
    exact = problem.law.log_prob(problem.points)
    errors = {
        name: {nfe: _error(estimate(problem, nfe, generator), exact) for nfe in LIKELIHOOD_NFE}
        for name, estimate in track(list(LIKELIHOODS.items()), "likelihoods")
    }
    return Accuracy(w2, distance, errors, _references(problem))


def exactly(problem: Problem, law: Mixture, name: str) -> Accuracy:
    """The scores of the exact flow and density of some law, whatever the budget."""
    ends = exact_flow(law, problem.noise)
    w2 = _median(_sliced_w2(problem, ends))
    distance = _pooled(rmse(ends, _exact_ends(problem)))
    error = _error(law.log_prob(problem.points), problem.law.log_prob(problem.points))
    return Accuracy(
        {name: dict.fromkeys(SAMPLER_NFE, w2)},
        {name: dict.fromkeys(SAMPLER_NFE, distance)},
        {name: dict.fromkeys(LIKELIHOOD_NFE, error)},
        {},
    )


def sliced_w2(a: Tensor, b: Tensor, directions: Tensor) -> Tensor:
    """Sliced 2-Wasserstein distances (S,) of sets a and b, (S, N, d) each, along unit vectors (P,
    d)."""
    x, y = ((v.double() @ directions.T).sort(1).values for v in (a, b))
    return (x - y).square().mean((1, 2)).sqrt()


def rmse(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square gap (S,) of the entries of paired sets a and b, (S, N, d) each."""
    return (a.double() - b.double()).square().mean((1, 2)).sqrt()


def exact_flow(law: Mixture, noise: Tensor, steps: int = 250) -> Tensor:
    """Where the flow of a law carries SIGMA[1] times some noise (S, N, d), in float64.

    Fourth-order steps in the angle: with 250 of them no problem here is 2e-6 off (RMS).
    """
    sampler = Sampler(AdamsBashforth(4, heun_start=True), steps, PowerGrid(1.5))
    model = Model(process(STD), law, noise.shape[2:])
    return _ends(model, sampler, noise.double(), None)


def _ends(model: Model, sampler: Sampler | Damped, noise: Tensor, generator: Generator) -> Tensor:
    """Samples shaped as the noise that they start from."""
    x = SIGMA[1] * noise.flatten(0, 1)
    assert isinstance(model.process, Gaussian)
    ends = sampler(model.process, model.denoiser, Batch(x), x=x, generator=generator)
    return ends.reshape(noise.shape)


@cache
def _exact_ends(problem: Problem) -> Tensor:
    return exact_flow(problem.law, problem.noise)


def _references(problem: Problem) -> dict[str, float]:
    """Sliced W2 of the exact flow, and of as many independent draws of the law."""
    sets, points, dims = problem.noise.shape
    fresh = problem.law.sample(sets * points, seeded(0)).reshape(sets, points, dims)
    made = {EXACT: _exact_ends(problem), "independent exact samples": fresh}
    return {name: _median(_sliced_w2(problem, x)).value for name, x in made.items()}


def _sliced_w2(problem: Problem, samples: Tensor) -> Tensor:
    return sliced_w2(samples, problem.reference, problem.directions)


def _median(sets: Tensor) -> Score:
    return Score(sets.median().item(), _spread(sets))


def _pooled(sets: Tensor) -> Score:
    return Score(sets.square().mean().sqrt().item(), _spread(sets))


def _spread(sets: Tensor) -> float | None:
    """The standard error that sets this different would give a mean."""
    return sets.std().item() / math.sqrt(len(sets)) if len(sets) > 1 else None


def _error(nats: Tensor, exact: Tensor) -> Score:
    gap = (nats - exact).abs()
    return Score(gap.mean().item(), gap.std().item() / math.sqrt(len(gap)))
