"""Likelihoods: three routes to one number, the identities between them, and bounds that are bounds."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, LevelDenoiser
from unnoise.core.distribution import divergence
from unnoise.core.likelihood import (
    IMMSE,
    Bound,
    ExactTrace,
    Flow,
    Hutchinson,
    Kind,
    Likelihood,
    LikelihoodResult,
)
from unnoise.core.likelihood.immse import rounding_tail
from unnoise.core.posterior import Mean, Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import LogSNRGrid, SigmaGrid
from unnoise.core.schedule import EDM, Cosine, Level, LinearLogSNR, LinearVP, Rectified, Schedule
from unnoise.core.times import LogisticTimes

DOUBLE = torch.float64
Nodes = Callable[..., tuple[Tensor, Tensor]]
ROUTES: list[Likelihood] = [IMMSE(200), Bound(200), Flow(120, grid=LogSNRGrid())]
Quadrature = Callable[[Gaussian, Denoiser[Posterior], Tensor], Tensor]


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


class Shifted(Denoiser[Mean]):
    """A denoiser whose score is wrong by a constant."""

    def __init__(self, law: Denoiser[Mean], error: float) -> None:
        super().__init__()
        self.law, self.error = law, error

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        return Mean(self.law(x_t, level, batch).mean + level.sigma**2 * self.error / level.alpha)


class Counting(Denoiser[Mean]):
    def __init__(self, law: Denoiser[Mean]) -> None:
        super().__init__()
        self.law, self.calls = law, 0

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        self.calls += 1
        return self.law(x_t, level, batch)


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


# --- identities ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("levels", [2, 4, 8])
@pytest.mark.parametrize("snr", [2.0, 10.0, 40.0])
def test_rounding_bounds_the_tail(
    rate_at: Callable[..., Tensor], legendre: Nodes, levels: int, snr: float
) -> None:
    """int rate above a log-SNR, equal odds, is at most 4 sum_j exp(-(j - 1/2)^2 D^2 snr / 2) nats."""
    values = torch.linspace(-1, 2 * levels - 3, levels, dtype=DOUBLE)  # steps of 2, as +-1
    law = Mixture.atoms(torch.ones(levels), values[:, None])
    log_snr, weights = legendre(math.log(snr), 9.0)
    tail = (weights @ rate_at(Gaussian(Cosine()), law, values[:, None], log_snr)).mean().item()
    assert 0 < tail < rounding_tail(values, math.log(snr))


def test_without_its_half_the_tail_is_no_bound(
    rate_at: Callable[..., Tensor], legendre: Nodes
) -> None:
    """+-1 at snr 10: the tail is 2.2e-3 nats; exp(-(j - 1/2)^2 D^2 snr), as first published in code, says 1.8e-4."""
    values = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    law = Mixture.atoms(torch.ones(2), values[:, None])
    log_snr, weights = legendre(math.log(10), 9.0)
    tail = (weights @ rate_at(Gaussian(Cosine()), law, values[:, None], log_snr)).mean().item()
    assert tail == pytest.approx(2.2e-3, abs=5e-5)
    assert rounding_tail(values, math.log(10)) == pytest.approx(4 * math.exp(-5))
    assert 4 * math.exp(-10) < tail


# --- densities -----------------------------------------------------------------------------------


def test_three_routes_agree_on_a_gaussian(gaussian_of: Callable[[int], Mixture]) -> None:
    """Flow, I-MMSE and bound have the mean of the true log density within 1e-3 nats a dimension (T17)."""
    law, process, d = gaussian_of(3), Gaussian(LinearVP()), 3
    x = law.sample(20_000, seeded(2))
    exact = law.log_prob(x)
    for method, n in ((Flow(24), 2000), (IMMSE(400), 20_000), (Bound(400), 20_000)):
        result = method(process, law, Batch(x[:n]), generator=seeded(0))
        error = (result.nats - exact[:n]) / d
        spread = error.std().item() / math.sqrt(n)
        assert spread < 6e-4
        assert abs(error.mean().item()) < 1e-3


def test_every_route_says_what_it_promises(m1: Mixture) -> None:
    batch, process = Batch(column(-2, 0, 1, 2.5)), Gaussian(LinearVP())
    promises: list[tuple[Likelihood, Kind]] = [
        (Flow(4), Kind.EXACT),
        (Flow(4, Hutchinson()), Kind.ESTIMATE),
        (IMMSE(4), Kind.ESTIMATE),
        (Bound(4), Kind.LOWER_BOUND),
    ]
    for method, kind in promises:
        assert method(process, m1, batch, generator=seeded(0)).kind == kind
    values = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    bits, atoms = Batch(values[:, None]), Mixture.atoms(torch.ones(2), values[:, None])
    for method, _ in promises:
        result = method(process, atoms, bits, values=values, generator=seeded(0))
        assert result.kind == Kind.LOWER_BOUND


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


def test_flow_is_the_log_density_at_every_point(m1: Mixture) -> None:
    """Up to the window: log-SNR from 22 to -16 leaves 1e-3 of the mean's pull at the noise end, 1e-9 at the other."""
    x, process = column(-2, 0, 1, 2.5), Gaussian(Cosine(log_snr_max=22, log_snr_min=-16))
    result = Flow(200)(process, m1, Batch(x))
    torch.testing.assert_close(result.nats, m1.log_prob(x), rtol=0, atol=1e-4)
    assert not result.stderr.any()


def test_entropy_of_a_strongly_correlated_gaussian_by_flow() -> None:
    """1.2184888 nats (T5): the mean over four points with the covariance of the law, rho = -.495 / .505."""
    rho = -0.4950 / 0.5050
    covariance = torch.tensor([[1, rho], [rho, 1]], dtype=DOUBLE)
    law = Mixture.gaussian(torch.zeros(2, dtype=DOUBLE), covariance)
    root = torch.linalg.cholesky(covariance)
    points = math.sqrt(2) * torch.cat([root.T, -root.T])
    process = Gaussian(Cosine(log_snr_max=24, log_snr_min=-20))
    nats = Flow(200)(process, law, Batch(points)).nats
    assert -nats.mean().item() == pytest.approx(1.2184888, abs=1e-6)


def test_flow_converges_at_fourth_order(m1: Mixture) -> None:
    x, process = column(-2, 0, 1, 2.5), Gaussian(LinearVP())
    exact = Flow(512)(process, m1, Batch(x)).nats
    steps = (16, 32, 64, 128)
    errors = [(Flow(n)(process, m1, Batch(x)).nats - exact).abs().max().item() for n in steps]
    assert -np.polyfit(np.log(steps), np.log(errors), 1)[0] > 3.7


def test_flow_needs_no_schedule(m1: Mixture) -> None:
    """One window, four gauges for the process, two paths and grids: the same density."""
    x = column(-2, 0, 1, 2.5)
    schedules: list[Schedule] = [LinearVP(), Rectified(), EDM(), Cosine(data_std=0.3)]
    nats = [Flow(64)(Gaussian(s.between(13.3, -10)), m1, Batch(x)).nats for s in schedules]
    for other in nats[1:]:
        torch.testing.assert_close(other, nats[0], rtol=1e-9, atol=1e-9)
    sideways = Flow(400, grid=SigmaGrid(), path=EDM())
    along = sideways(Gaussian(LinearVP().between(13.3, -10)), m1, Batch(x)).nats
    torch.testing.assert_close(along, nats[0], rtol=0, atol=1e-4)


def test_flow_in_single_precision_keeps_four_digits(m1: Mixture) -> None:
    x, process = column(-2, 0, 1, 2.5), Gaussian(LinearVP())
    single = Flow(64)(process, m1, Batch(x.float())).nats
    assert single.dtype == torch.float32
    double = Flow(64)(process, m1, Batch(x)).nats
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-3)


# --- traces --------------------------------------------------------------------------------------


def test_exact_trace_is_the_trace_whatever_the_chunk() -> None:
    a = normal(torch.empty(5, 5, dtype=DOUBLE), seeded(0))
    x = normal(torch.empty(3, 5, dtype=DOUBLE), seeded(1))
    for chunk in (1, 2, 16):
        y, trace = ExactTrace(chunk)(lambda v: torch.sin(v) @ a.T, x, None)
        torch.testing.assert_close(y, torch.sin(x) @ a.T)
        torch.testing.assert_close(trace, (x.cos() * a.diagonal()).sum(1)[None])


def test_hutchinson_is_unbiased_with_the_variance_of_rademacher() -> None:
    """Var u'Ju = 2 (|S|^2 - sum S_ii^2), S the symmetric part (T6); Gaussian probes would add 2 sum S_ii^2."""
    a = normal(torch.empty(4, 4, dtype=DOUBLE), seeded(0))
    s = (a + a.T) / 2
    variance = 2 * (s.square().sum() - s.diagonal().square().sum()).item()
    n, x = 20_000, torch.zeros(1, 4, dtype=DOUBLE)
    method = Hutchinson(n)
    _, traces = method(lambda v: v @ a.T, x, method.probes(x, seeded(1)))
    assert traces.shape == (n, 1)
    spread = traces.std().item()
    assert traces.mean().item() == pytest.approx(a.trace().item(), abs=5 * spread / n**0.5)
    assert spread**2 == pytest.approx(variance, rel=0.05)


def test_hutchinson_is_exact_for_diagonal_jacobians() -> None:
    """diag(1, 2, 3): 6 with one probe, where Gaussian probes have a variance of 28 (T6)."""
    x = torch.zeros(50, 3, dtype=DOUBLE)
    method = Hutchinson(1)
    scale = torch.tensor([1.0, 2.0, 3.0], dtype=DOUBLE)
    _, trace = method(lambda v: v * scale, x, method.probes(x, seeded(0)))
    torch.testing.assert_close(trace, torch.full((1, 50), 6.0, dtype=DOUBLE))


def test_one_probe_is_exact_for_independent_entries() -> None:
    mean, variance = torch.tensor([0.7, -1, 0.2], dtype=DOUBLE), torch.tensor([0.25, 1, 2.0])
    law, process = Mixture.gaussian(mean, variance.diag()), Gaussian(LinearVP())
    batch = Batch(law.sample(10, seeded(0)))
    exact = Flow(16)(process, law, batch)
    probed = Flow(16, Hutchinson(1))(process, law, batch, generator=seeded(1))
    torch.testing.assert_close(probed.nats, exact.nats, rtol=1e-12, atol=1e-12)


def test_stderr_of_hutchinson_is_that_of_its_probes(gaussian_of: Callable[[int], Mixture]) -> None:
    law, process = gaussian_of(3), Gaussian(LinearVP())
    x = law.sample(1, seeded(0)).expand(2000, 3)
    exact = Flow(12)(process, law, Batch(x[:1])).nats
    result = Flow(12, Hutchinson(8))(process, law, Batch(x), generator=seeded(1))
    error = result.nats - exact
    spread = error.square().mean().sqrt()
    assert abs(error.mean()) < 5 * spread / math.sqrt(2000)
    assert spread.item() == pytest.approx(result.stderr.square().mean().sqrt().item(), rel=0.1)


@pytest.mark.parametrize("method", [IMMSE(64), Bound(64), IMMSE(64, LogisticTimes())], ids=str)
def test_stderr_of_an_item_is_an_upper_bound(m1: Mixture, method: Likelihood) -> None:
    """Strata are better than the independent pairs that stderr supposes."""
    x = column(1.3).expand(4000, 1)
    result = method(Gaussian(LinearVP()), m1, Batch(x), generator=seeded(0))
    spread = result.nats.std().item()
    assert spread < 1.05 * result.stderr.square().mean().sqrt().item()
    # at one point, too, each is an estimate of log p there
    assert result.nats.mean().item() == pytest.approx(
        m1.log_prob(column(1.3)).item(), abs=5 * spread / 4000**0.5 + 2e-3
    )


# --- probabilities -------------------------------------------------------------------------------


@pytest.fixture
def independent() -> Callable[..., LevelDenoiser]:
    """The exact denoiser of independent entries on a grid."""

    def make(values: Tensor, probabilities: Tensor) -> LevelDenoiser:
        return LevelDenoiser(
            lambda x, *_: x.new_zeros(*x.shape, 0), 0, values, probabilities.log()
        ).to(values.dtype)

    return make


def quantised_normal(scale: float) -> tuple[list[float], list[float]]:
    reach = math.ceil(7 * scale)
    grid = np.arange(-reach, reach + 1)
    p = stats.norm.cdf((grid + 0.5) / scale) - stats.norm.cdf((grid - 0.5) / scale)
    return [float(k) for k in grid], [float(v) for v in p / p.sum()]


@pytest.mark.parametrize(
    ("values", "probabilities", "entropy"),
    [
        ([-1, 1], [0.5, 0.5], math.log(2)),
        ([0, 1], [0.9, 0.1], -0.9 * math.log(0.9) - 0.1 * math.log(0.1)),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4], 1.2798542),
        (list(range(8)), [0.125] * 8, math.log(8)),
        (*quantised_normal(0.5), 0.8603313),
        (*quantised_normal(1.0), 1.4589588),
        (*quantised_normal(3.0), 2.5221591),
    ],
    ids=["bit", "rare bit", "4 levels", "8 levels", "N(0, .5)", "N(0, 1)", "N(0, 3)"],
)
@pytest.mark.parametrize("method", ROUTES, ids=lambda m: type(m).__name__)
def test_independent_levels_cost_their_entropy(
    independent: Callable[..., LevelDenoiser],
    method: Likelihood,
    values: list[float],
    probabilities: list[float],
    entropy: float,
) -> None:
    """T4: a level k costs -log p_k; on average the entropy."""
    grid, p = (torch.tensor(v, dtype=DOUBLE) for v in (values, probabilities))
    assert (-p * p.log()).sum().item() == pytest.approx(entropy, abs=6e-8)
    grid = grid - p @ grid  # the prior at the end of the window is centred
    likely = (p > 0.01).nonzero().flatten()
    k = likely.repeat(-(-4000 // len(likely)))
    process = Gaussian(Cosine(log_snr_max=5.5, log_snr_min=-13))  # 8 sigma to a level's neighbour
    result = method(
        process, independent(grid, p), Batch(grid[k][:, None]), values=grid, generator=seeded(0)
    )
    cost = -result.nats.reshape(-1, len(likely))
    mean, error = cost.mean(0), cost.std(0) / math.sqrt(len(cost))
    assert (error < 0.05).all()
    assert ((mean + p[likely].log()).abs() < 5 * error + 5e-4).all()
    share = p[likely] / p[likely].sum()
    average = (share @ mean).item(), (share**2 @ error**2).sqrt().item()
    assert average[1] < 0.015
    exact = -(share @ p[likely].log()).item()
    assert average[0] == pytest.approx(exact, abs=5 * average[1] + 5e-4)


@pytest.mark.parametrize("method", ROUTES, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("cut", [-2.0, 1.0, 3.0])
def test_a_window_that_does_not_resolve_the_grid_loses_nothing(
    independent: Callable[..., LevelDenoiser], method: Likelihood, cut: float
) -> None:
    """-log P = E[-log P(x | x_cut)] + the path below the cut: with an exact decoder the cut may be anywhere (T14)."""
    grid = torch.arange(8, dtype=DOUBLE) - 3.5
    p = torch.tensor([1, 2, 3, 4, 4, 3, 2, 1], dtype=DOUBLE) / 20
    k = torch.arange(8).repeat_interleave((20 * p).long()).repeat(200)  # as often as it is likely
    process, x = Gaussian(Cosine(log_snr_max=cut, log_snr_min=-13)), Batch(grid[k][:, None])
    result = method(process, independent(grid, p), x, values=grid, generator=seeded(0))
    error = result.nats - p.log()[k]
    stderr = error.std().item() / math.sqrt(len(k))
    assert stderr < 0.02
    assert abs(error.mean().item()) < 5 * stderr + 1e-4


def test_uniform_bytes_cost_eight_bits_by_quadrature(
    independent: Callable[..., LevelDenoiser], rate_at: Callable[..., Tensor], legendre: Nodes
) -> None:
    values = 2 * (torch.arange(256, dtype=DOUBLE) + 0.5) / 256 - 1
    denoiser = independent(values, torch.full((256,), 1 / 256, dtype=DOUBLE))
    log_snr, weights = legendre(-18, 15, panels=30)
    with torch.no_grad():
        rates = rate_at(Gaussian(Cosine()), denoiser, values[[0, 77, 255], None], log_snr)
    bits = weights @ rates / math.log(2)
    torch.testing.assert_close(bits, torch.full_like(bits, 8), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ROUTES, ids=lambda m: type(m).__name__)
def test_uniform_bytes_cost_eight_bits(
    independent: Callable[..., LevelDenoiser], method: Likelihood
) -> None:
    values = 2 * (torch.arange(256, dtype=DOUBLE) + 0.5) / 256 - 1
    denoiser = independent(values, torch.full((256,), 1 / 256, dtype=DOUBLE))
    x = values[torch.randperm(256, generator=seeded(0))].reshape(64, 4)
    x = x if isinstance(method, Flow) else x.repeat(16, 1)
    process = Gaussian(Cosine(log_snr_max=15.0))
    result = method(process, denoiser, Batch(x), values=values, generator=seeded(1))
    bits = result.bits_per_dim()
    assert bits.stderr < 0.05
    assert bits.value == pytest.approx(8, abs=5 * bits.stderr + 1e-3)


def test_the_uniform_density_costs_one_bit_and_its_grid_seven() -> None:
    """On [-1, 1] the density is 1/2, one bit; in steps of 1/128 it costs seven more, from the change of units."""

    class Box(Denoiser[Mean]):
        """The mean of a normal cut to [-1, 1]: y + rho (phi(a) - phi(b)) / (Phi(b) - Phi(a))."""

        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            y, rho = x_t / level.alpha, level.sigma / level.alpha
            a, b = (-1 - y) / rho, (1 - y) / rho
            left = y > 0  # take Phi's difference in the left tail, where it has digits
            low, high = torch.where(left, a, -b), torch.where(left, b, -a)
            mass = torch.special.ndtr(high) - torch.special.ndtr(low)
            bells = torch.exp(-0.5 * a**2) - torch.exp(-0.5 * b**2)
            return Mean(y + rho * bells / (math.sqrt(2 * math.pi) * mass))

    x = torch.linspace(-0.9, 0.9, 10, dtype=DOUBLE)[:, None]
    process = Gaussian(Cosine(log_snr_max=15, log_snr_min=-16))
    result = Flow(200, grid=LogSNRGrid())(process, Box(), Batch(x))
    exact = torch.full_like(result.nats, -math.log(2))
    torch.testing.assert_close(result.nats, exact, rtol=0, atol=1e-5)
    bytes_of = result.shifted(-math.log(128)).bits_per_dim()
    assert bytes_of.value == pytest.approx(1 + 7, abs=1e-5)


# --- costs and summaries -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "nfe"),
    [
        (IMMSE(10), 11),
        (Bound(10), 11),
        (Flow(5), 5 * 4 * 2),
        (Flow(5, Hutchinson(3)), 5 * 4 * (1 + 3)),
    ],
    ids=str,
)
def test_nfe_is_what_was_spent(
    gaussian_of: Callable[[int], Mixture], method: Likelihood, nfe: int
) -> None:
    denoiser = Counting(gaussian_of(2))
    batch = Batch(normal(torch.empty(3, 2, dtype=DOUBLE), seeded(0)))
    result = method(Gaussian(LinearVP()), denoiser, batch, generator=seeded(0))
    assert result.nfe == nfe
    assert denoiser.calls == (20 if isinstance(method, Flow) else nfe)
    assert result.dims.tolist() == [2, 2, 2]


def test_nfe_of_probabilities(independent: Callable[..., LevelDenoiser]) -> None:
    """I-MMSE asks a decoder only where the window doesn't resolve the grid."""
    grid = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    half = torch.full((2,), 0.5, dtype=DOUBLE)
    cases: list[tuple[float, Likelihood, int]] = [
        (13.3, IMMSE(10), 11),
        (0.0, IMMSE(10), 12),
        (0.0, Bound(10), 11),
        (0.0, Flow(5, Hutchinson(1)), 1 + 5 * 4 * 2),
    ]
    for top, method, nfe in cases:
        calls: list[int] = []
        denoiser = independent(grid, half)
        denoiser.register_forward_hook(lambda *_, seen=calls: seen.append(1))
        process = Gaussian(Cosine(log_snr_max=top))
        result = method(process, denoiser, Batch(grid[:, None]), values=grid, generator=seeded(0))
        assert result.nfe == nfe
        assert len(calls) == (21 if isinstance(method, Flow) else nfe)  # the others are gradients


def test_padding_costs_nothing() -> None:
    """Entrywise N(0, 1/4) on states with 4 and 2 entries: the short one costs what it would alone."""

    class Entrywise(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            gain = level.alpha * 0.25 / (level.alpha**2 * 0.25 + level.sigma**2)
            mean = gain * x_t
            return Mean(mean if batch.mask is None else mean * batch.mask)

    mask = torch.arange(4) < torch.tensor([4, 2])[:, None]
    x = 0.5 * normal(torch.empty(2, 4, dtype=DOUBLE), seeded(0)) * mask
    process = Gaussian(LinearVP())
    padded = Flow(24)(process, Entrywise(), Batch(x, mask=mask))
    alone = Flow(24)(process, Entrywise(), Batch(x[1:, :2]))
    torch.testing.assert_close(padded.nats[1:], alone.nats)
    assert padded.dims.tolist() == [4, 2]
    batch = Batch(x.repeat(2000, 1), mask=mask.repeat(2000, 1))
    for method in (IMMSE(60), Bound(60)):
        nats = method(process, Entrywise(), batch, generator=seeded(1)).nats.reshape(-1, 2)
        error = 5 * nats.std(0) / math.sqrt(len(nats)) + 1e-4
        assert ((nats.mean(0) - padded.nats).abs() < error).all()


def test_summaries() -> None:
    nats, dims = torch.tensor([-2.0, -4.0]), torch.tensor([2.0, 4.0])
    result = LikelihoodResult(nats, dims, Kind.EXACT, torch.tensor([0.1, 0.2]), nfe=7)
    bits = result.bits_per_dim()
    assert bits.value == pytest.approx(1 / math.log(2))
    assert (bits.stderr, bits.unit) == (0, "bits/dim")
    mean = result.mean_nats()
    assert (mean.value, mean.unit) == (-3, "nats")
    assert mean.stderr == pytest.approx(math.sqrt(2) / math.sqrt(2))
    assert result.shifted(0.5).nats.tolist() == [-1, -2]
    both = LikelihoodResult.cat([result, result.shifted(0.5)])
    assert both.nats.tolist() == [-2, -4, -1, -2]
    assert both.stderr.tolist() == pytest.approx([0.1, 0.2, 0.1, 0.2])
    assert (both.kind, both.nfe) == (Kind.EXACT, 7)


def test_one_item_is_summarised_by_its_own_error() -> None:
    """With nothing to spread over, the Monte-Carlo error is all there is: nats for nats, bits for bits."""
    one = LikelihoodResult(
        torch.tensor([-2.0]), torch.tensor([4.0]), Kind.ESTIMATE, torch.tensor([0.2]), nfe=1
    )
    assert one.mean_nats().stderr == pytest.approx(0.2)
    assert one.bits_per_dim().stderr == pytest.approx(0.2 / 4 / math.log(2))


@pytest.mark.parametrize("method", [Bound, IMMSE])
@pytest.mark.parametrize("draws", [0, 3])
def test_draws_come_in_pairs(method: type[Bound] | type[IMMSE], draws: int) -> None:
    with pytest.raises(ValueError, match="even"):
        method(draws)
