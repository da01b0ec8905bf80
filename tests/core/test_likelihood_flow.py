"""The probability flow: the density at every point, the rules that walk it, and where it starts."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Normal
from unnoise.core.likelihood import IMMSE, AdamsMultistep, Flow, Hutchinson, Rule, RungeKutta, ode
from unnoise.core.noise import Symmetric, White
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian
from unnoise.core.process.langevin import Langevin
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import LogSNRGrid, SigmaGrid
from unnoise.core.schedule import EDM, Cosine, Level, LinearVP, Rectified, Schedule

DOUBLE = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


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


# --- above the window ----------------------------------------------------------------------------


def test_what_lies_above_the_window_is_closed_to_fourth_order() -> None:
    """N(0, 1/4): the error falls as sigma_min^4; log p_sigma instead of log p would be off by sigma^2."""
    law = Mixture.gaussian(column(0.0)[0], column(0.25))
    x, errors, tops = column(-0.8, 0.1, 0.6), [], (0.08, 0.04, 0.02)
    for sigma in tops:
        process = Gaussian(EDM(sigma, 80.0), data_std=0.5)
        prior = Normal(torch.zeros_like(x), math.hypot(80.0, 0.5), White(), Batch(x))
        nats = Flow(400)(process, law, Batch(x), prior=prior).nats
        errors.append((nats - law.log_prob(x)).abs().max().item())
    assert np.polyfit(np.log(tops), np.log(errors), 1)[0] == pytest.approx(4, abs=0.1)
    assert errors[-1] < 1e-5


# --- rules ---------------------------------------------------------------------------------------


def test_the_tableau_has_order_four() -> None:
    """Butcher's eight conditions for sums over trees with up to four nodes, in exact fractions."""
    a, b, c = (
        [[Fraction(v).limit_denominator(1000) for v in row] for row in rows]
        for rows in (ode._STAGES, [ode._WEIGHTS], [ode._NODES])
    )
    weights, nodes = b[0], c[0]
    assert [sum(row, Fraction(0)) for row in a] == nodes
    ac = [sum((w * nodes[j] for j, w in enumerate(row)), Fraction(0)) for row in a]
    acc = [sum((w * nodes[j] ** 2 for j, w in enumerate(row)), Fraction(0)) for row in a]
    aac = [sum((w * ac[j] for j, w in enumerate(row)), Fraction(0)) for row in a]

    def total(values: list[Fraction]) -> Fraction:
        return sum((w * v for w, v in zip(weights, values, strict=True)), Fraction(0))

    powers = [total([v**k for v in nodes]) for k in range(4)]
    assert powers == [1, Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)]
    assert total(ac) == Fraction(1, 6)
    assert total([v * w for v, w in zip(nodes, ac, strict=True)]) == Fraction(1, 8)
    assert total(acc) == Fraction(1, 12)
    assert total(aac) == Fraction(1, 24)


@pytest.mark.parametrize(
    ("rule", "order"),
    [(RungeKutta(), 4), (AdamsMultistep(1), 1), (AdamsMultistep(2), 2), (AdamsMultistep(3), 3),
     (AdamsMultistep(4), 4)],
    ids=str,
)  # fmt: skip
def test_rules_have_their_order_on_an_ode_that_knows_the_time(rule: Rule, order: int) -> None:
    """y' = sin(3t) - t y^2, with its running integral: against solve_ivp at 1e-12, on u^2.5.

    On that grid the first steps, of low order, are small enough to hide.
    """

    def slope(t: float, y: np.ndarray) -> list[float]:
        return [math.sin(3 * t) - t * y[0] ** 2, y[0]]

    exact = solve_ivp(slope, (0, 2), [1.0, 0.0], method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    steps, errors = (80, 160, 320, 640), []
    for n in steps:
        times = 2 * torch.linspace(0, 1, n + 1, dtype=DOUBLE) ** 2.5
        t, calls = rule.nodes(times), []

        def f(k: int, y: ode.State, t: Tensor = t, calls: list[int] = calls) -> ode.State:
            calls.append(k)
            return torch.sin(3 * t[k]) - t[k] * y[0] ** 2, y[0]

        y, integral = rule(f, (torch.ones((), dtype=DOUBLE), torch.zeros((), dtype=DOUBLE)), times)
        assert calls == list(range(rule.evaluations(n)))
        errors.append(max(abs(y.item() - exact[0]), abs(integral.item() - exact[1])))
    assert -np.polyfit(np.log(steps), np.log(errors), 1)[0] > order - 0.3


@pytest.mark.parametrize("dims", [2, 16])
def test_twenty_and_fifty_evaluations_are_worth_what_is_promised(dims: int) -> None:
    """Mean error over 64 points of five-component mixtures like the reference's: at most .1 and .01
    nats with 5 and 12 steps, .1 times that with 25."""
    g, k = seeded(dims), 5
    axes = torch.linalg.qr(normal(torch.empty(k, dims, dims, dtype=DOUBLE), g)).Q
    stds = 0.03 + 0.09 * torch.sigmoid(normal(torch.empty(k, dims, dtype=DOUBLE), g))
    means = 0.5 * normal(torch.empty(k, dims, dtype=DOUBLE), g)
    law = Mixture(torch.ones(k), means, torch.einsum("kij,kj,klj->kil", axes, stds**2, axes))
    x = law.sample(64, g)
    prior = Normal(means.mean(0).expand_as(x), math.hypot(80.0, 0.5), White(), Batch(x))
    process = Gaussian(EDM(0.002, 80.0), data_std=0.5)
    for steps, most in ((5, 0.1), (12, 0.01), (25, 0.001)):
        result = Flow(steps)(process, law, Batch(x), prior=prior)
        assert (result.nats - law.log_prob(x)).abs().mean() < most


# --- what it can't do ----------------------------------------------------------------------------


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="steps must be at least 1"):
        Flow(0)
    for order in (0, 5):
        with pytest.raises(ValueError, match="order must be 1 to 4"):
            AdamsMultistep(order)


def test_a_process_without_a_plain_flow_is_refused(m1: Mixture) -> None:
    """(x, v) is no density of x, and the trace over all entries none over those that are free."""
    x = Batch(column(0.0))
    for method in (Flow(2), IMMSE(2)):
        with pytest.raises(ValueError, match="needs a Gaussian process, got Langevin; take Bound"):
            method(Langevin(Cosine()), m1, x)
    matrices = Batch(torch.zeros(2, 3, 3, dtype=DOUBLE))
    law = Mixture.gaussian(torch.zeros(9, dtype=DOUBLE), torch.eye(9, dtype=DOUBLE))
    with pytest.raises(ValueError, match="Symmetric noise leaves fewer free dimensions"):
        Flow(2)(Gaussian(Cosine(), Symmetric()), law, matrices)
