"""Diffusion with every noise: with an exact denoiser the bound is log p(x) at every point, samples have the law."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.distribution import Normal, divergence
from unnoise.core.likelihood import Bound
from unnoise.core.noise import OU, RBF, Kernel, Matern32, Noise, Spectral, Symmetric, White
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AdamsBashforth, AnyNoise, Sampler, Solver
from unnoise.core.schedule import VE, Cosine, Schedule

DOUBLE = torch.float64


@dataclass(frozen=True)
class Case:
    """A noise and the states that it is for: their shape, mask and times."""

    name: str
    noise: Noise
    shape: tuple[int, ...]
    mask: tuple[bool, ...] | None = None
    times: tuple[float, ...] | None = None

    def __repr__(self) -> str:
        return self.name

    def batch(self, n: int) -> Batch:
        """n states of zeros."""
        mask, times = (
            None if v is None else torch.tensor(v).expand(n, -1) for v in (self.mask, self.times)
        )
        if mask is not None:
            mask = mask.reshape(n, -1, *[1] * (len(self.shape) - 1))
        coords = None if times is None else times.double()
        return Batch(torch.zeros(n, *self.shape, dtype=DOUBLE), mask=mask, coords=coords)


TIMES = (0.0, 0.1, 0.15, 0.7, 1.1)
CASES = [
    Case("white", White(), (4,), mask=(True, True, False, True)),
    Case("OU", Kernel(OU(0.5)), (5,), times=TIMES),
    Case(
        "OU-padded",
        Kernel(OU(0.5)),
        (5, 2),
        mask=(False, True, True, False, True),
        times=TIMES,
    ),
    Case("RBF", Kernel(RBF(0.5, jitter=1e-3)), (5,), times=TIMES),
    Case("Matern32", Kernel(Matern32(0.5)), (2, 2), times=(0.3, 0.4)),
    Case("symmetric", Symmetric(), (4, 4)),
    Case("symmetric-padded", Symmetric(), (4, 4, 2), mask=(True, True, False, True)),
    Case("spectral-1", Spectral.power_law((5,), 2.0), (5,)),
    Case("spectral-2", Spectral.power_law((2, 3), 1.0), (2, 3)),
]


@pytest.fixture(params=CASES, ids=repr)
def case(request: pytest.FixtureRequest) -> Case:
    made: Case = request.param
    return made


def free_dims(case: Case) -> int:
    return int(case.noise.dims(case.batch(1)).item())


def mixture(d: int) -> Mixture:
    """0.4 N(m, S) + 0.6 N(m', S') with full covariances."""
    means = 1.5 * normal(torch.empty(2, d, dtype=DOUBLE), seeded(d, 1))
    roots = normal(torch.empty(2, d, d, dtype=DOUBLE), seeded(d, 2))
    eye = torch.eye(d, dtype=DOUBLE)
    covariances = roots @ roots.transpose(1, 2) / d + 0.2 * eye
    return Mixture(torch.tensor([0.4, 0.6], dtype=DOUBLE), means, covariances)


def test_whiten_is_the_inverse_of_colour(case: Case) -> None:
    batch = case.batch(3)
    z = normal(batch.x, seeded(0))
    x = case.noise.colour(z, batch)
    torch.testing.assert_close(case.noise.colour(case.noise.whiten(x, batch), batch), x)
    rank = (case.noise.whiten(x, batch).reshape(3, -1) != 0).sum(1)
    assert rank.tolist() == case.noise.dims(batch).tolist()


def test_entropy_of_a_noise_is_that_of_its_log_prob(case: Case) -> None:
    """E log N(z; 0, C) = -(d log(2 pi e) + log det C) / 2, from draws; their variance is d / 2."""
    batch, n = case.batch(4000), 4000
    nats = case.noise.log_prob(case.noise.sample(batch, seeded(1)), batch)
    d = free_dims(case)
    exact = -0.5 * (d * math.log(2 * math.pi * math.e) + case.noise.log_det(batch)[0].item())
    assert nats.mean().item() == pytest.approx(exact, abs=5 * math.sqrt(d / 2 / n))
    assert nats.var().item() == pytest.approx(d / 2, rel=0.25)


def test_divergence_is_the_mean_of_log_ratios(case: Case) -> None:
    """KL of two normals of one noise, against the same from 20,000 draws."""
    n, noise = 20_000, case.noise
    batch = case.batch(n)
    row = noise.colour(normal(case.batch(1).x, seeded(2)), case.batch(1))
    q = Normal(row.expand_as(batch.x), 0.6, noise, batch)
    p = Normal(torch.zeros_like(batch.x), 1.3, noise, batch)
    x = q.sample(seeded(3))
    draws = q.log_prob(x) - p.log_prob(x)
    error = draws.std().item() / math.sqrt(n)
    assert abs(draws.mean().item() - divergence(q, p)[0].item()) < 5 * error
    assert error < 0.02


@pytest.mark.parametrize("schedule", [Cosine(), VE(0.003, 300.0)], ids=["Cosine", "VE"])
def test_bound_is_log_p_at_every_point(
    case: Case, schedule: Schedule, whitened: Callable[..., Any]
) -> None:
    """-log p(x) = -log p(C^-1/2 x) + log det C / 2, at single points, within 5 standard errors of at most .05 nats."""
    points, repeats = 3, 500
    exact = whitened(mixture(free_dims(case)), case.noise)
    x = exact.sample(case.batch(points), 4)
    # in turn, for the rows of a batch are strata of time
    batch = case.batch(repeats * points).replace(x=x.repeat(repeats, *[1] * len(case.shape)))
    result = Bound(128)(Gaussian(schedule, case.noise), exact, batch, generator=seeded(5))
    nats = result.nats.reshape(repeats, points)
    error = nats.std(0) / math.sqrt(repeats)
    assert error.max() < 0.05
    wanted = exact.log_prob(x, case.batch(points))
    assert ((nats.mean(0) - wanted).abs() < 5 * error + 1e-3).all()


@pytest.mark.parametrize("solver", [AdamsBashforth(3), AnyNoise(1.0)], ids=["flow", "ancestral"])
def test_samples_have_the_mean_and_covariance(
    case: Case, solver: Solver, whitened: Callable[..., Any]
) -> None:
    """E y = sum_k w_k m_k and cov y from the components, for the whitened free entries; the rest is exactly zero."""
    n, batch, law = 4000, case.batch(4000), mixture(free_dims(case))
    exact = whitened(law, case.noise)
    sampler = Sampler(solver, steps=64)
    x = sampler(Gaussian(Cosine(), case.noise), exact, batch, generator=seeded(6))
    y = exact.free(x, batch)
    again = case.noise.colour(case.noise.whiten(x, batch), batch)
    torch.testing.assert_close(x, again, rtol=0, atol=1e-9)  # nothing outside the noise's range
    w = torch.tensor([0.4, 0.6], dtype=DOUBLE)
    mean = w @ law.means
    spread = torch.einsum("kij,kj,klj->kil", law.axes, law.lam, law.axes)
    covariance = torch.einsum("k,kij->ij", w, spread) + torch.einsum(
        "k,ki,kj->ij", w, law.means - mean, law.means - mean
    )
    scale = covariance.diagonal().sqrt()
    assert ((y.mean(0) - mean) / scale).abs().max() < 5 / math.sqrt(n)
    error = (torch.cov(y.T) - covariance) / scale.outer(scale)
    assert error.abs().max() < 6 * math.sqrt(2 / n)


def test_a_smooth_path_is_worth_its_nats(whitened: Callable[..., Any]) -> None:
    """x ~ N(0, K) over 32 times: the bound finds -log det(2 pi e K) / 2, far above what a diagonal law would say.

    Taking correlated noise for white in the bound is a published error of .8 nats a step.
    """
    n, t = 400, torch.linspace(0, 1, 32, dtype=DOUBLE)
    noise = Kernel(RBF(0.1 / math.sqrt(2)))
    batch = Batch(torch.zeros(n, 32, dtype=DOUBLE), coords=t.expand(n, 32))
    law = Mixture.gaussian(torch.zeros(32, dtype=DOUBLE), torch.eye(32, dtype=DOUBLE))
    exact = whitened(law, noise)
    batch = batch.replace(x=exact.sample(batch, 7))
    nats = Bound(16)(Gaussian(Cosine(), noise), exact, batch, generator=seeded(8)).nats / 32
    truth = noise.log_prob(batch.x, batch) / 32
    assert nats.mean().item() == pytest.approx(truth.mean().item(), abs=0.01)
    assert truth.mean() - White().log_prob(batch.x, batch).mean() / 32 > 0.8
