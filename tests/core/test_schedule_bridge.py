"""Anchored processes: the published tables, formulas and reverse steps, and how many digits the gauges keep."""

import math
from itertools import pairwise

import pytest
import torch
from scipy.special import expi
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.process import Gaussian
from unnoise.core.process.gaussian import reverse_coefficients
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AnyNoise, Sampler
from unnoise.core.schedule import BBED, OUVE, Level, Schedule, SchroedingerBridge

DOUBLE = torch.float64
SINGLE_EPS = torch.finfo(torch.float32).eps
BRIDGES = [OUVE(), OUVE(0.0), OUVE(2.0, 0.1, 1.0), BBED(), BBED(10.0, 0.1), SchroedingerBridge()]
TAU = torch.tensor([1e-9, 1e-6, 1e-3, 0.03, 0.25, 0.5, 0.713, 0.9, 0.999, 1 - 1e-5], dtype=DOUBLE)


def at(schedule: Schedule, *tau: float) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) at published times."""
    return schedule.gauge(schedule.textbook_log_snr(torch.tensor(tau, dtype=DOUBLE)))


def variance(t: Tensor) -> Tensor:
    """s_t^2 of the Schroedinger bridge, c (k^2t - 1) / (2 log k)."""
    return 0.4 * torch.expm1(2 * math.log(2.6) * t) / (2 * math.log(2.6))


def left(t: Tensor) -> Tensor:
    """sbar_t^2 = s_1^2 - s_t^2, without its cancellation."""
    m = 2 * math.log(2.6)
    return 0.4 * torch.exp(m * t) * torch.expm1(m * (1 - t)) / m


# --- the papers' formulas --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "published", "last"),
    [
        (OUVE(), {0.03: 0.01883, 0.1: 0.035746, 0.25: 0.063813, 0.5: 0.121657, 0.75: 0.218431}, 1),
        (BBED(), {0.03: 0.124815, 0.25: 0.357565, 0.5: 0.491685, 0.75: 0.53759}, 0.999),
        (SchroedingerBridge(), {0.03: 0.1106, 0.25: 0.3385, 0.5: 0.4918, 0.75: 0.5458}, 0.9999),
    ],
    ids=["OUVE", "BBED", "SchroedingerBridge"],
)
def test_standard_deviations_are_the_published_ones(
    schedule: Schedule, published: dict[float, float], last: float
) -> None:
    """To all digits given; the published range of times is the window."""
    for tau, sigma in published.items():
        assert round(at(schedule, tau)[1].item(), len(str(sigma)) - 2) == sigma
    assert schedule.log_snr_min == schedule.textbook_log_snr(torch.tensor(last, dtype=DOUBLE))


def test_ouve_is_the_code_of_sgmse() -> None:
    """alpha = e^(-theta t), sigma^2 = smin^2 L (e^(2 (theta + L) t) - 1) e^(-2 theta t) / (theta + L)."""
    t, log_ratio = TAU[3:], math.log(10)
    alpha, sigma = at(OUVE(), *t.tolist())
    growth = 1.5 + log_ratio
    exact = 0.05**2 * log_ratio * torch.expm1(2 * growth * t) * torch.exp(-3 * t) / growth
    torch.testing.assert_close(alpha, torch.exp(-1.5 * t), rtol=1e-13, atol=0)
    torch.testing.assert_close(sigma**2, exact, rtol=1e-13, atol=0)
    assert at(OUVE(), 1.0)[1].item() == pytest.approx(0.388983, abs=5e-7)


def test_bbed_is_the_papers_exponential_integral() -> None:
    """(1-t) theta [k^2t - 1 + t + 2 k^2 log k (1-t) (Ei(2 (t-1) log k) - Ei(-2 log k))]: it cancels at t = 0, the rule doesn't."""
    t, k, theta = TAU[3:], 2.6, 0.52
    alpha, sigma = at(BBED(), *t.tolist())
    log_k = math.log(k)
    integrals = torch.from_numpy(expi((2 * log_k * (t - 1)).numpy())) - expi(-2 * log_k)
    bracket = k ** (2 * t) - 1 + t + 2 * k**2 * log_k * (1 - t) * integrals
    torch.testing.assert_close(alpha, 1 - t, rtol=1e-10, atol=0)
    torch.testing.assert_close(sigma**2, (1 - t) * theta * bracket, rtol=1e-10, atol=0)
    assert at(BBED(), 0.999)[1].item() == pytest.approx(0.058908, abs=1e-6)
    assert at(BBED(), 0.713)[1].item() == pytest.approx(0.5398, abs=5e-5)  # the largest


def test_schroedinger_bridge_is_the_papers() -> None:
    """Mean weights sbar^2/s_1^2 of x_0 and s^2/s_1^2 of y, standard deviation sbar s / s_1."""
    t = TAU[3:]
    s2, total = variance(t), variance(torch.ones((), dtype=DOUBLE))
    rest = variance(t.new_ones(())) - s2
    alpha, sigma = at(SchroedingerBridge(), *t.tolist())
    torch.testing.assert_close(alpha, rest / total, rtol=1e-9, atol=0)
    torch.testing.assert_close(1 - alpha, s2 / total, rtol=1e-12, atol=0)
    torch.testing.assert_close(sigma, (rest * s2 / total).sqrt(), rtol=1e-9, atol=0)
    assert at(SchroedingerBridge(), 0.03)[0].item() == pytest.approx(0.9898, abs=5e-5)


# --- digits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", BRIDGES, ids=lambda s: type(s).__name__)
def test_inverse_is_exact_to_rounding(schedule: Schedule) -> None:
    """The log-SNR that a time found by the inverse has, and the other way round, from 1e-9 to the pole at 1."""
    log_snr = schedule.textbook_log_snr(TAU)
    torch.testing.assert_close(schedule.textbook_time(log_snr), TAU, rtol=1e-13, atol=0)
    wide = torch.linspace(25, -12, 75, dtype=DOUBLE)
    back = schedule.textbook_log_snr(schedule.textbook_time(wide))
    torch.testing.assert_close(back, wide, rtol=0, atol=1e-10)  # eps e^12 at the pole


@pytest.mark.parametrize("schedule", BRIDGES, ids=lambda s: type(s).__name__)
def test_gauge_keeps_its_digits_at_both_ends(schedule: Schedule) -> None:
    """sigma is 0 at both ends of a bridge and alpha at one: neither is a difference, in float32 or float64."""
    log_snr = torch.linspace(30, -30, 61, dtype=DOUBLE)
    alpha, sigma = schedule.gauge(log_snr)
    torch.testing.assert_close(2 * (alpha / sigma).log(), log_snr, rtol=1e-13, atol=1e-13)
    for single, double in zip(schedule.gauge(log_snr.float()), (alpha, sigma), strict=True):
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), double, rtol=30 * SINGLE_EPS, atol=0)
    bare, noisy = schedule.gauge(torch.tensor([math.inf], dtype=DOUBLE))
    assert (bare.item(), noisy.item()) == (1, 0)


def test_inverse_of_bbed_has_right_derivatives() -> None:
    """d lambda / d tau from the moment equations, -d log(sigma^2/alpha^2) = -theta k^2t / sigma^2, and the second by differences."""
    schedule, tau = BBED(), torch.linspace(0.05, 0.95, 19, dtype=DOUBLE)
    log_snr = schedule.textbook_log_snr(tau).requires_grad_()
    alpha, sigma = schedule.gauge(log_snr)
    rate = -0.52 * 2.6 ** (2 * tau) / sigma.detach() ** 2
    (slope,) = torch.autograd.grad(alpha.sum(), log_snr, create_graph=True)
    torch.testing.assert_close(slope, -1 / rate, rtol=1e-11, atol=0)  # d alpha / d tau = -1
    (bend,) = torch.autograd.grad(slope.sum(), log_snr)

    def slope_at(v: Tensor) -> Tensor:
        a, s = schedule.gauge(v)
        return s**2 / (0.52 * 2.6 ** (2 * (1 - a)))

    h = 1e-3
    near, far = (
        (slope_at(log_snr + k * h) - slope_at(log_snr - k * h)) / (2 * k * h) for k in (1, 2)
    )
    torch.testing.assert_close(bend, (4 * near - far) / 3, rtol=1e-7, atol=1e-10)


# --- the published samplers ------------------------------------------------------------------------


def test_reverse_steps_of_the_schroedinger_bridge_are_the_any_noise_family() -> None:
    """Jukic et al. 2024: their SDE step is noise level 1 and their ODE step noise level 0 on the residual x - y.

    SDE   x <- (s1^2/s0^2) x + (1 - s1^2/s0^2) xhat + s1 sqrt(1 - s1^2/s0^2) z
    ODE   x <- s1 b1/(s0 b0) x + (b1^2 - b0 s1 b1/s0) xhat/sT^2 + (s1^2 - s0 s1 b1/b0) y/sT^2
    """
    x, y, x_hat, z = normal(torch.empty(4, 50, dtype=DOUBLE), seeded(0))
    schedule = SchroedingerBridge()
    times = torch.linspace(1 - 1e-4, 1e-4, 51, dtype=DOUBLE)
    log_snr = schedule.textbook_log_snr(times)
    levels = [Level(*row) for row in zip(times, *schedule.gauge(log_snr), log_snr, strict=True)]
    whole = variance(torch.ones((), dtype=DOUBLE))
    for level, to in pairwise(levels):
        (s0, b0), (s1, b1) = (
            (variance(t).sqrt(), left(t).sqrt()) for t in map(torch.as_tensor, (level.t, to.t))
        )
        kept = s1**2 / s0**2
        sde = kept * x + (1 - kept) * x_hat + s1 * (1 - kept).sqrt() * z
        ode = s1 * b1 / (s0 * b0) * x
        ode += (b1**2 - b0 * s1 * b1 / s0) * x_hat / whole + (
            s1**2 - s0 * s1 * b1 / b0
        ) * y / whole
        for published, noise_level in ((sde, 1.0), (ode, 0.0)):
            a, b, c = reverse_coefficients(level, to, noise_level)
            ours = y + a * (x - y) + b * (x_hat - y) + c * z
            torch.testing.assert_close(ours, published, rtol=0, atol=1e-12)


def test_a_bridge_starts_at_its_anchor() -> None:
    """From tau = 1 the first step adds alpha_s of the belief, and the noise of the level: fresh at noise level 1, else the state's."""
    (level, to) = SchroedingerBridge(end=1 - 1e-12).levels(torch.tensor([1.0, 0.5]))
    for noise_level in (0.0, 1.0):
        a, b, c = (float(v) for v in reverse_coefficients(level, to, noise_level))
        assert b == pytest.approx(float(to.alpha), rel=1e-5)
        assert c == pytest.approx(float(to.sigma) if noise_level else 0, rel=1e-5)
        assert a * float(level.sigma) == pytest.approx(
            0 if noise_level else float(to.sigma), abs=1e-5
        )


@pytest.mark.parametrize(
    "schedule", [SchroedingerBridge(), BBED()], ids=lambda s: type(s).__name__
)
def test_a_bridge_from_its_anchor_ends_on_the_data(schedule: Schedule) -> None:
    """Started at x = 0, with none of the noise that is left at the end: with fresh noise it draws the residual's law
    N(1.5, .25), without it has one end, near the middle."""
    law = Mixture.gaussian(torch.tensor([1.5]), torch.tensor([[0.25]]))
    batch = Batch(torch.zeros(20_000, 1, dtype=DOUBLE))
    ends = [
        Sampler(AnyNoise(level), 400, path=None)(
            Gaussian(schedule), law, batch, x=batch.x, generator=seeded(0)
        )
        for level in (0.0, 1.0)
    ]
    assert ends[0].std() < 1e-12 and abs(ends[0].mean().item() - 1.5) < 0.2
    assert ends[1].mean().item() == pytest.approx(1.5, abs=0.02)
    assert ends[1].var().item() == pytest.approx(0.25, abs=0.02)
