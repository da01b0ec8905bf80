"""The variational bound in continuous time, and bounds that are bounds."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import divergence
from unnoise.core.likelihood import IMMSE, Bound
from unnoise.core.posterior import Mean, Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded
from unnoise.core.schedule import Cosine, Level, LinearLogSNR, LinearVP, Schedule

Nodes = Callable[..., tuple[Tensor, Tensor]]
Quadrature = Callable[[Gaussian, Denoiser[Posterior], Tensor], Tensor]
DOUBLE = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


class Shifted(Denoiser[Mean]):
    """A denoiser whose score is wrong by a constant."""

    def __init__(self, law: Denoiser[Mean], error: float) -> None:
        super().__init__()
        self.law, self.error = law, error

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        return Mean(self.law(x_t, level, batch).mean + level.sigma**2 * self.error / level.alpha)


@pytest.fixture
def nelbo(
    rate_at: Callable[..., Tensor], legendre: Nodes, bell: tuple[Tensor, Tensor]
) -> Quadrature:
    """The bound at scalar states (B, 1), put together from the process's methods without a random number."""
    z, weights = bell

    def integrate(process: Gaussian, denoiser: Denoiser[Posterior], x_0: Tensor) -> Tensor:
        schedule, batch = process.schedule, Batch(x_0)
        start, end = schedule.levels(torch.tensor([0.0, 1.0]))
        prior = divergence(process.marginal(x_0, end, batch), process.prior(batch))
        log_snr, w = legendre(schedule.log_snr_min, schedule.log_snr_max)
        path = w @ rate_at(process, denoiser, x_0, log_snr)
        rows = Batch(x_0.repeat_interleave(len(z), 0))
        x_t = start.alpha * rows.x + start.sigma * z.repeat(len(x_0))[:, None]
        decoder = process.decode(x_t, start, denoiser(x_t, start, rows), rows)
        return prior + path - decoder.log_prob(rows.x).reshape(len(x_0), -1) @ weights

    return integrate


def over_gaussian(f: Callable[[Tensor], Tensor], mean: float, variance: float) -> float:
    """E f(x) of a quadratic f: three points have the moments of N(mean, variance)."""
    spread = math.sqrt(3 * variance)
    values = f(column(mean - spread, mean, mean + spread))
    return (values @ torch.tensor([1, 4, 1], dtype=DOUBLE) / 6).item()


@pytest.mark.parametrize(
    ("horizon", "error", "expected"), [(0.2, 0.3, 0.9993979975), (1.0, 0.0, 0.7258019334)]
)
def test_the_bound_is_entropy_plus_gap_plus_mismatch(
    gaussian: Mixture,
    paper: LinearVP,
    nelbo: Quadrature,
    horizon: float,
    error: float,
    expected: float,
) -> None:
    """NELBO = H + G + KL(p_T || N(0, 1)), G = error^2 int_0^T beta / 2 dt for a constant error of the score (T7)."""
    end = torch.tensor(horizon, dtype=DOUBLE)
    process = Gaussian(LinearVP(log_snr_max=30, log_snr_min=paper.log_snr(end).item()))
    wrong = Shifted(gaussian, error)
    got = over_gaussian(lambda x: nelbo(process, wrong, x), 0.7, 0.25)
    alpha, sigma = (v.item() for v in paper(end))
    mean, variance = 0.7 * alpha, 0.25 * alpha**2 + sigma**2
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.25)
    gap = error**2 * (0.1 * horizon + 19.9 * horizon**2 / 2) / 2
    mismatch = 0.5 * (variance + mean**2 - 1 - math.log(variance))
    assert got == pytest.approx(entropy + gap + mismatch, abs=1e-9)
    assert got == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("schedule", [LinearVP(), Cosine(), LinearLogSNR()], ids=str)
def test_the_bound_over_vdm_window_is_the_entropy_and_the_mismatch(
    nelbo: Quadrature, schedule: Schedule
) -> None:
    """Variances .25, 1, 2 and log-SNR from 13.3 to -5: 3.9102595 = H (3.9102420) + KL(p_1 || N) (T8)."""
    process, total, exact = Gaussian(schedule.between(13.3, -5.0)), 0.0, 0.0
    for lam in (0.25, 1.0, 2.0):
        law = Mixture.gaussian(torch.zeros(1, dtype=DOUBLE), column(lam))
        cost = partial(nelbo, process, law)
        total += over_gaussian(cost, 0, lam)
        end = 1 + (lam - 1) / (1 + math.exp(5))  # the variance of x_1
        exact += 0.5 * (math.log(2 * math.pi * math.e * lam) + end - 1 - math.log(end))
    assert total == pytest.approx(exact, abs=1e-8)
    assert total == pytest.approx(3.9102595, abs=6e-8)


def test_the_gap_of_a_wrong_score_is_the_closed_form(gaussian: Mixture) -> None:
    """The bound itself, by Monte Carlo, lies error^2 B / 2 below: T7's identity through the public method."""
    process = Gaussian(LinearVP(log_snr_max=13.3))
    x = gaussian.sample(20_000, seeded(2))
    right, wrong = (
        Bound(200)(process, denoiser, Batch(x), generator=seeded(0)).nats
        for denoiser in (gaussian, Shifted(gaussian, 0.3))
    )
    gap = right - wrong  # the same noise: most of it cancels
    exact = 0.3**2 * 10.05 / 2
    assert gap.mean().item() == pytest.approx(exact, abs=5 * gap.std().item() / 20_000**0.5)
    assert gap.std().item() / 20_000**0.5 < 0.02 * exact


@pytest.mark.parametrize("wrong", ["shifted", "narrow", "wide", "blind"])
def test_a_wrong_denoiser_is_worse_on_average(
    gaussian_of: Callable[[int], Mixture], wrong: str
) -> None:
    """On data from the law itself, the bound and I-MMSE fall below the true log density, never above (T17)."""
    law, process, zero = gaussian_of(2), Gaussian(Cosine()), torch.zeros(2, dtype=DOUBLE)
    covariance = law.axes[0] @ law.lam[0].diag() @ law.axes[0].T
    denoiser: Denoiser[Mean] = {
        "shifted": Shifted(law, 0.5),
        "narrow": Mixture.gaussian(law.means[0], 0.5 * covariance),
        "wide": Mixture.gaussian(law.means[0], 2 * covariance),
        "blind": Mixture.gaussian(zero, torch.eye(2, dtype=DOUBLE)),
    }[wrong]
    x = law.sample(20_000, seeded(2))
    for method in (IMMSE(100), Bound(100)):
        error = method(process, denoiser, Batch(x), generator=seeded(0)).nats - law.log_prob(x)
        assert error.mean() + 5 * error.std() / math.sqrt(len(x)) < 0
