"""Laws of series: closed forms of densities and moments, scipy as judge, the order of flows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm

from unnoise.domains.timeseries.laws import CIR, LAWS, OU, Flow, Sine

Array = NDArray[np.float64]

UNIT = LAWS["ou"].regular()


def gaussian(law: OU, t: Array) -> tuple[Array, Array]:
    """Mean and covariance of OU: cov(x_s, x_t) = e^{-theta (t - s)} var(x_s) for s < t."""
    grown = t - t[0]
    decay = np.exp(-law.theta * grown)
    limit = law.a / law.theta * (t - 1 / law.theta)
    variance = decay**2 + law.sigma**2 * (1 - decay**2) / (2 * law.theta)
    least = np.minimum.outer(np.arange(len(t)), np.arange(len(t)))
    lag = np.abs(np.subtract.outer(t, t))
    return limit - decay * limit[0], np.exp(-law.theta * lag) * variance[least]


def flow(name: str) -> Flow:
    law = LAWS[name].law
    assert isinstance(law, Flow)
    return law


def test_settings_are_the_published_ones() -> None:
    assert UNIT.tolist() == [*range(64)]
    shapes = {
        name: each.law.draw(2, each.regular(), np.random.default_rng(0)).shape[1:]
        for name, each in LAWS.items()
    }
    assert shapes == {
        "ou": (64, 1),
        "cir": (64, 1),
        "sine": (100, 1),
        "lorenz": (100, 3),
        "predator-prey": (64, 2),
        "sink": (64, 2),
    }
    spans = {name: float(each.regular()[-1]) for name, each in LAWS.items()}
    assert spans == {
        "ou": 63,
        "cir": 63,
        "sine": 10,
        "lorenz": 2,
        "predator-prey": 10,
        "sink": 3,
    }


def test_irregular_times_are_those_of_a_poisson_process() -> None:
    times = LAWS["sine"].irregular(400, np.random.default_rng(0))
    assert times.shape == (400, 100)
    assert (times[:, 0] == 0).all() and (np.diff(times) > 0).all()
    # The k-th of m uniform numbers is Beta(k, m + 1 - k); taken together they are uniform.
    for k in (1, 50, 99):
        assert stats.kstest(times[:, k] / 10, stats.beta(k, 100 - k).cdf).pvalue > 1e-4
    assert stats.kstest(times[:, 1:].ravel() / 10, "uniform").pvalue > 1e-4


def test_density_of_ou_is_the_gaussian() -> None:
    rng = np.random.default_rng(0)
    law = OU(a=0.3, theta=0.7, sigma=1.1)
    times = 2 + LAWS["sink"].irregular(3, rng)[:, :20]
    x = law.draw(3, times, rng)
    for series, t, found in zip(x, times, law.log_prob(x, times), strict=True):
        mean, covariance = gaussian(law, t)
        expected = stats.multivariate_normal(mean, covariance).logpdf(series[:, 0])
        assert found == pytest.approx(expected, rel=1e-10)


def test_draws_of_ou_are_that_gaussian() -> None:
    t = np.array([0, 0.1, 0.5, 4, 20.0])
    x = OU().draw(4000, t, np.random.default_rng(0))[..., 0]
    mean, covariance = gaussian(OU(), t)
    root = np.linalg.cholesky(covariance)
    z = np.linalg.solve(root, (x - mean).T).ravel()
    assert stats.kstest(z, "norm").pvalue > 1e-4
    assert np.cov(x.T) == pytest.approx(covariance, abs=5 * math.sqrt(2 / 4000))


def test_ceiling_of_ou() -> None:
    """Minus the entropy: the start's, and 63 times that of a transition."""
    variance = 0.8 * (1 - math.exp(-0.2))
    exact = -(64 * math.log(2 * math.pi * math.e) + 63 * math.log(variance)) / 2 / 64
    assert exact == pytest.approx(-0.4686, abs=5e-5)
    log_prob = OU().log_prob(OU().draw(4000, UNIT, np.random.default_rng(0)), UNIT) / 64
    # Half a chi-square of 64 degrees of freedom scatters by the root of 32.
    assert log_prob.std() == pytest.approx(math.sqrt(32) / 64, rel=0.05)
    assert log_prob.mean() == pytest.approx(exact, abs=4 * math.sqrt(32) / 64 / math.sqrt(4000))
    # Columns apart: what a model reaches that knows nothing of time.
    apart = np.log(2 * math.pi * math.e * np.diag(gaussian(OU(), UNIT)[1])).mean() / 2
    assert -apart == pytest.approx(-1.3175, abs=5e-5)


def test_ceiling_of_cir() -> None:
    """+0.5069 with its standard error 0.0014, measured elsewhere by another code."""
    log_prob = CIR().log_prob(CIR().draw(3000, UNIT, np.random.default_rng(0)), UNIT) / 64
    error = math.hypot(log_prob.std() / math.sqrt(3000), 0.0014)
    assert log_prob.mean() == pytest.approx(0.5069, abs=3 * error)


def test_density_of_cir_is_the_noncentral_chi_square() -> None:
    rng = np.random.default_rng(0)
    law = CIR(a=0.8, b=0.5, sigma=0.6)
    times = LAWS["sink"].irregular(4, rng)[:, :15]
    x = law.draw(4, times, rng)
    d = np.diff(times)
    c = 0.36 * (1 - np.exp(-0.8 * d)) / 3.2
    noncentral = np.exp(-0.8 * d) * x[:, :-1, 0] / c
    moves = stats.ncx2.logpdf(x[:, 1:, 0] / c, 1.6 / 0.36, noncentral) - np.log(c)
    expected = stats.halfnorm.logpdf(x[:, 0, 0]) + moves.sum(1)
    assert law.log_prob(x, times) == pytest.approx(expected, rel=1e-10)


def test_cir_forgets_its_start() -> None:
    """After a long time, or from 0, the law is a gamma: the central chi-square."""
    stationary = stats.gamma(60, scale=0.02)  # shape 2 a b / sigma^2, scale sigma^2 / (2 a)
    start = stats.halfnorm.logpdf
    x = np.array([[[0.5], [1.1]], [[2.0], [1.5]]])
    found = CIR().log_prob(x, [0, 700])
    assert found == pytest.approx(start(x[:, 0, 0]) + stationary.logpdf(x[:, 1, 0]), rel=1e-12)
    scale = 0.02 * (1 - math.exp(-0.3))
    found = CIR().log_prob(np.array([[[0.0], [0.4]]]), [0, 0.3])
    expected = start(0) + stats.gamma(60, scale=scale).logpdf(0.4)
    assert found == pytest.approx([expected], rel=1e-12)
    drawn = CIR().draw(4000, [0, 30], np.random.default_rng(0))
    assert stats.kstest(drawn[:, 1, 0], stationary.cdf).pvalue > 1e-4


@pytest.mark.parametrize("d", [0.01, 1, 5])
def test_transitions_of_cir_have_mass_and_mean(d: float) -> None:
    """The mean decays to b whatever sigma is."""
    start = 0.7

    def density(x: float) -> float:
        whole = CIR().log_prob(np.array([[[start], [x]]]), [0, d])[0]
        return math.exp(whole - float(stats.halfnorm.logpdf(start)))

    mean = 1.2 + math.exp(-d) * (start - 1.2)
    ends = mean / 3, mean + 2  # more than five deviations away
    assert quad(density, *ends, points=[mean])[0] == pytest.approx(1, abs=1e-6)
    assert quad(lambda x: x * density(x), *ends, points=[mean])[0] == pytest.approx(mean, abs=1e-6)


def test_a_step_of_cir_is_two() -> None:
    """What lies between two times doesn't change the law at the second."""
    one = CIR().draw(4000, [0, 2], np.random.default_rng(0))[:, 1, 0]
    two = CIR().draw(4000, [0, 0.4, 2], np.random.default_rng(1))[:, 2, 0]
    assert stats.ks_2samp(one, two).pvalue > 1e-4


def test_nothing_is_negative_under_cir() -> None:
    x = CIR().draw(2, UNIT, np.random.default_rng(0))
    assert (x > 0).all()
    expected = CIR().log_prob(x, UNIT)
    x[1, 5] = -0.1
    assert CIR().log_prob(x, UNIT).tolist() == [expected[0], -math.inf]


def test_times_of_its_own_for_each_series() -> None:
    rng = np.random.default_rng(0)
    for law in (OU(), CIR()):
        times = LAWS["ou"].irregular(3, rng)
        x = law.draw(3, times, rng)
        alone = [law.log_prob(x[i : i + 1], times[i])[0] for i in range(3)]
        assert law.log_prob(x, times).tolist() == pytest.approx(alone, rel=1e-13)
        shared = np.broadcast_to(UNIT, (3, 64))
        same = [law.draw(3, t, np.random.default_rng(1)) for t in (UNIT, shared)]
        assert (same[0] == same[1]).all()


def test_sines_have_the_moments_of_their_law() -> None:
    """E x = 5/2 E sin, E x^2 = 5/3 E sin^2 + 5 E[sin]^2: amplitudes are uniform, waves apart."""
    t = np.array([0.0, 0.7, 9.0])
    x = Sine().draw(40_000, t, np.random.default_rng(0))[..., 0]

    def average(power: int, at: float) -> float:
        a, b = np.meshgrid(3 + (np.arange(400) + 0.5) / 400, (np.arange(400) + 0.5) / 800)
        return float((np.sin(a * at + b) ** power).mean())

    for column, at in zip(x.T, t, strict=True):
        first = 2.5 * average(1, at)
        second = 5 / 3 * average(2, at) + 5 * average(1, at) ** 2
        error = column.std() / 200
        assert column.mean() == pytest.approx(first, abs=4 * error)
        assert (column**2).mean() == pytest.approx(second, abs=4 * (column**2).std() / 200)


def test_the_sink_is_an_exponential() -> None:
    a = np.array([[-4.0, 10.0], [-3.0, 2.0]])
    rng = np.random.default_rng(0)
    start, times = rng.random((3, 2)), LAWS["sink"].irregular(3, rng)
    found = flow("sink").solve(start, times)
    expected = [[x @ expm(a * t) for t in own] for x, own in zip(start, times, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-7)


def test_predators_and_prey_go_round() -> None:
    """u - ln u + (2/3) (v - ln v) stays: of du = (2/3) u (1 - v) dt, dv = v (u - 1) dt."""
    setting = LAWS["predator-prey"]
    x = setting.law.draw(50, setting.regular(), np.random.default_rng(0))
    u, v = x[..., 0], x[..., 1]
    kept = u - np.log(u) + 2 / 3 * (v - np.log(v))
    np.testing.assert_allclose(kept, np.broadcast_to(kept[:, :1], kept.shape), rtol=1e-6)


def lorenz(_: float, x: Array) -> list[float]:
    return [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 2.667 * x[2]]


def hunt(_: float, x: Array) -> list[float]:
    return [2 / 3 * x[0] - 2 / 3 * x[0] * x[1], x[0] * x[1] - x[1]]


@pytest.mark.parametrize(("name", "field"), [("lorenz", lorenz), ("predator-prey", hunt)])
def test_flows_are_as_scipy_integrates_them(
    name: str, field: Callable[[float, Array], list[float]]
) -> None:
    t, law = LAWS[name].regular(), flow(name)
    start = law.start(3, np.random.default_rng(0))
    for x, series in zip(start, law.solve(start, t), strict=True):
        exact = solve_ivp(field, (0, t[-1]), x, method="DOP853", t_eval=t, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(series, exact.y.T, rtol=0, atol=1e-6 * np.abs(series).max())


@pytest.mark.parametrize("name", ["lorenz", "predator-prey", "sink"])
def test_flows_have_order_four(name: str) -> None:
    setting, law = LAWS[name], flow(name)
    t = setting.regular()[:: setting.steps // 2]
    start = law.start(20, np.random.default_rng(0))
    exact, *coarse = (
        replace(law, step=law.step * factor).solve(start, t) for factor in (1 / 8, 1, 1 / 2)
    )
    errors = [np.abs(x - exact).mean() for x in coarse]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.2)
    assert np.abs(coarse[0] - exact).max() < 1e-6 * np.abs(exact).max()


def test_draws_come_from_the_generator_alone() -> None:
    for setting in LAWS.values():
        t = setting.regular()[:5]
        first, second = (setting.law.draw(3, t, np.random.default_rng(7)) for _ in range(2))
        assert (first == second).all()


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        ([0, 2, 2], "times of series 0 do not strictly increase; sort, drop doubles"),
        ([[0, 1, 2], [0, 2, 1]], "times of series 1 do not strictly increase"),
        ([0, np.nan, 2], "times of series 0 do not strictly increase"),
        ([[0, 1]] * 3, r"times have shape \(3, 2\), neither \(T,\) nor \(2, T\)"),
        ([], r"times have shape \(0,\), neither \(T,\) nor"),
    ],
)
def test_times_that_are_none(times: object, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        OU().draw(2, times, np.random.default_rng(0))  # type: ignore[arg-type]


def test_series_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"series have shape \(2, 5, 1\), not \(n, 64, 1\)"):
        CIR().log_prob(np.ones((2, 5, 1)), UNIT)


def test_parameters_that_are_none() -> None:
    with pytest.raises(ValueError, match="OU: theta is 0, and has to be positive"):
        OU(theta=0)
    with pytest.raises(ValueError, match="CIR: sigma is -1, and has to be positive"):
        CIR(sigma=-1)
