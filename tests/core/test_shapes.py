"""A state's shape is only how its entries are written down: every operation gives the same numbers after a reshape."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, Given, LevelDenoiser
from unnoise.core.distribution import Distribution, divergence
from unnoise.core.likelihood import IMMSE, Bound, Flow, Hutchinson, Likelihood
from unnoise.core.objective import Denoising, Elbo, MinSNR, Objective
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AdamsBashforth, AnyNoise, DPMSolver, Heun, Sampler, Solver
from unnoise.core.schedule import Cosine, LinearVP

DOUBLE = torch.float64
ROWS = 4
VALUES = torch.linspace(-1, 1, 5, dtype=DOUBLE)
SHAPES = [(), (12,), (3, 4), (3, 2, 2), (1, 12, 1)]
SOLVERS: list[Solver[Any]] = [AnyNoise(0), AnyNoise(1), DPMSolver(3), Heun(), AdamsBashforth(3)]
METHODS: list[Likelihood] = [IMMSE(4), Bound(4), Flow(3), Flow(3, Hutchinson(2))]

Compare = Callable[[Callable[[Batch, Denoiser[Posterior]], Tensor]], None]


@pytest.fixture(params=SHAPES, ids=str)
def shape(request: pytest.FixtureRequest) -> tuple[int, ...]:
    made: tuple[int, ...] = request.param
    return made


@pytest.fixture(params=["density", "levels"])
def compare(
    request: pytest.FixtureRequest,
    shape: tuple[int, ...],
    gaussian_of: Callable[[int], Mixture],
) -> Compare:
    """Checks that an operation on a batch commutes with flattening its states."""
    d = int(torch.Size(shape).numel())
    x = normal(torch.empty(ROWS, d, dtype=DOUBLE), seeded(0))
    denoiser: Denoiser[Any] = gaussian_of(d)
    if request.param == "levels":
        x = VALUES[torch.randint(5, (ROWS, d), generator=seeded(1))]
        zero = VALUES.new_zeros(5)
        denoiser = LevelDenoiser(lambda x, *_: x.new_zeros(*x.shape, 0), 0, VALUES, zero).double()
    observed = torch.rand(ROWS, d, generator=seeded(2)) < 0.3

    def check(operation: Callable[[Batch, Denoiser[Posterior]], Tensor]) -> None:
        flat, shaped = (
            operation(Batch(x.reshape(s), observed=observed.reshape(s)), denoiser).detach()
            for s in ((ROWS, d), (ROWS, *shape))
        )
        assert shaped.shape in ((ROWS,), (ROWS, *shape))
        torch.testing.assert_close(
            shaped.reshape(ROWS, -1), flat.reshape(ROWS, -1), rtol=1e-11, atol=1e-12
        )

    return check


def test_process(compare: Compare) -> None:
    process, t = Gaussian(LinearVP()), torch.tensor([0.05, 0.3, 0.6, 1.0], dtype=DOUBLE)

    def level(batch: Batch, scale: float = 1.0) -> Any:
        return process.schedule.level(scale * t, batch.x.ndim)

    def noisy(batch: Batch) -> Tensor:
        return process.marginal(batch.x, level(batch), batch).sample(seeded(0))

    def belief(batch: Batch, denoiser: Denoiser[Posterior]) -> Posterior:
        return denoiser(noisy(batch), level(batch), batch)

    compare(lambda b, f: noisy(b))
    compare(lambda b, f: belief(b, f).mean)
    compare(lambda b, f: Given(f)(noisy(b), level(b), b).mean)
    compare(lambda b, f: process.marginal(b.x, level(b), b).log_prob(noisy(b)))
    compare(lambda b, f: process.prior(b).sample(seeded(1)))
    compare(lambda b, f: process.prior(b).log_prob(b.x))
    compare(lambda b, f: divergence(process.marginal(b.x, level(b), b), process.prior(b)))
    compare(lambda b, f: process.rate(b.x, noisy(b), level(b), belief(b, f), b))
    compare(
        lambda b, f: process.reverse(noisy(b), level(b), level(b, 0.5), belief(b, f), b).sample(
            seeded(1)
        )
    )

    def decoder(batch: Batch, denoiser: Denoiser[Posterior]) -> Distribution:
        return process.decode(noisy(batch), level(batch), belief(batch, denoiser), batch)

    compare(lambda b, f: decoder(b, f).log_prob(b.x))
    compare(lambda b, f: decoder(b, f).sample(seeded(1)))
    compare(lambda b, f: decoder(b, f).on(VALUES).log_prob(b.x))


@pytest.mark.parametrize("objective", [Denoising(), Denoising(Elbo()), Denoising(MinSNR())])
def test_objective(compare: Compare, objective: Objective) -> None:
    compare(lambda b, f: objective.terms(Gaussian(LinearVP()), f, b, seeded(0)))


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("path", [None, Cosine()], ids=["own", "cosine"])
def test_sampler(compare: Compare, solver: Solver[Any], path: Cosine | None) -> None:
    sampler, process = Sampler(solver, 4, path=path), Gaussian(LinearVP())
    compare(lambda b, f: sampler(process, f, b, generator=seeded(0)))
    compare(lambda b, f: sampler(process, f, b.replace(observed=None), generator=seeded(0)))


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("values", [None, VALUES], ids=["density", "probability"])
def test_likelihood(compare: Compare, method: Likelihood, values: Tensor | None) -> None:
    process = Gaussian(LinearVP())
    compare(lambda b, f: method(process, f, b, values=values, generator=seeded(0)).nats)
    compare(lambda b, f: method(process, f, b, values=values, generator=seeded(0)).stderr)


def test_rows_do_not_see_each_other(gaussian_of: Callable[[int], Mixture]) -> None:
    """Permuting the states permutes what is computed of them (their noise fixed by giving x_1)."""
    law, process = gaussian_of(3), Gaussian(LinearVP())
    x, order = normal(torch.empty(6, 3, dtype=DOUBLE), seeded(0)), torch.tensor([3, 0, 5, 1, 4, 2])
    flow = Flow(8)
    torch.testing.assert_close(
        flow(process, law, Batch(x[order])).nats, flow(process, law, Batch(x)).nats[order]
    )
    sampler = Sampler(steps=6)
    torch.testing.assert_close(
        sampler(process, law, Batch(x), x=x[order]), sampler(process, law, Batch(x), x=x)[order]
    )
