"""Critically damped Langevin diffusion: moments, root, sufficiency, gDDIM, and the bound on the data."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import MeanDenoiser, Velocity
from unnoise.core.distribution import Pair, divergence
from unnoise.core.likelihood import Bound
from unnoise.core.model import Model
from unnoise.core.noise import White
from unnoise.core.operator import Blocks
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian, Langevin, Sufficient
from unnoise.core.process.channel import Channel, channel_of, transition, triangular_root
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import (
    AdamsBashforth,
    AnyNoise,
    DPMSolver,
    Heun,
    LogSNRGrid,
    Sampler,
    Solver,
    auto,
)
from unnoise.core.schedule import Cosine, Level, LinearLogSNR

DOUBLE = torch.float64
MASS, GAMMA = 0.25, 0.04
TAU = torch.tensor([0.01, 0.2, 1.2, 4.0], dtype=DOUBLE)


def at(tau: Tensor) -> Channel:
    return Channel.at(2 * tau / math.sqrt(MASS), MASS, GAMMA)


def process() -> Langevin:
    return Langevin(LinearLogSNR(13.3, -9.0))


def levels_of(*times: float) -> list[Level]:
    return process().schedule.levels(torch.tensor(times, dtype=DOUBLE))


def matrix(value: object) -> np.ndarray:
    assert isinstance(value, Blocks)
    return value.matrix.numpy()


def test_covariances_are_the_published_table() -> None:
    """beta 4, M 1/4, gamma .04 at t = .05, .3, 1 (CLD-SGM), whose start has 1e-6 more in x and in v."""
    table = {
        0.05: (0.0502995, 0.0740495, 0.193205),
        0.3: (0.8593572, 0.0468502, 0.2342779),
        1.0: (0.9999840, 7.08e-6, 0.2499969),
    }
    for t, values in table.items():
        tau = torch.tensor(4 * t, dtype=DOUBLE)
        free = transition(2 * tau / math.sqrt(MASS), MASS)
        found = at(tau).covariance + 1e-6 * free @ free.mT
        digits = [f"{v:.7f}".rstrip("0") for v in values]
        for value, printed, given in zip(found[[0, 0, 1], [0, 1, 1]].tolist(), values, digits, strict=True):  # fmt: skip
            places = max(len(given.partition(".")[2]), 6)
            assert value == pytest.approx(printed, abs=0.6 * 10.0**-places), (t, printed)


def test_moments_solve_their_odes() -> None:
    """m' = F m, S' = F S + S F' + diag(0, 2 Gamma) from m = (1, 0), S = diag(0, gamma M)."""
    big = 2 * math.sqrt(MASS)
    f = np.array([[0, 1 / MASS], [-1, -big / MASS]])

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        m, s = y[:2], y[2:].reshape(2, 2)
        return np.concatenate([f @ m, (f @ s + s @ f.T + np.diag([0, 2 * big])).ravel()])

    start = np.array([1, 0, 0, 0, 0, GAMMA * MASS])
    exact = solve_ivp(slope, (0, 4), start, rtol=1e-12, atol=1e-15, t_eval=TAU.numpy()).y.T
    found = at(TAU)
    np.testing.assert_allclose(found.psi.numpy(), exact[:, :2], rtol=1e-9)
    np.testing.assert_allclose(found.covariance.reshape(4, 4).numpy(), exact[:, 2:], rtol=1e-8)


def test_small_times_lose_no_digits() -> None:
    """S_xx -> gamma tau^2 / M + 4 tau^3 / (3 M^1.5): relative to 1e-9 at tau = 1e-6."""
    tau = torch.tensor(1e-6, dtype=DOUBLE)
    leading = GAMMA * 1e-12 / MASS
    assert at(tau).covariance[0, 0].item() == pytest.approx(leading, rel=2e-4)
    recovered = channel_of(at(tau).snr.log(), MASS, GAMMA)
    assert recovered.w.item() == pytest.approx(2e-6 / math.sqrt(MASS), rel=1e-9)


def test_slope_of_the_log_snr_is_its_derivative() -> None:
    tau = TAU.clone().requires_grad_()
    (slope,) = torch.autograd.grad(at(tau).snr.log().sum(), tau)
    torch.testing.assert_close(at(TAU).slope, slope, rtol=1e-9, atol=0)


def test_channel_of_inverts_the_log_snr() -> None:
    log_snr = torch.linspace(-30, 25, 23, dtype=DOUBLE)
    torch.testing.assert_close(channel_of(log_snr, MASS, GAMMA).snr.log(), log_snr)


def test_the_statistic_is_a_plain_reading_of_the_data() -> None:
    """y = psi' S^-1 u / snr has mean x_0 and variance 1 / snr, and is all that u knows: u - psi y is
    uncorrelated with it and free of x_0."""
    channel = at(TAU)
    row = channel.precision_psi / channel.snr[:, None]
    torch.testing.assert_close((row * channel.psi).sum(1), torch.ones(4, dtype=DOUBLE))
    spread = torch.einsum("ki,kij,kj->k", row, channel.covariance, row)
    torch.testing.assert_close(spread, 1 / channel.snr)
    rest = torch.eye(2, dtype=DOUBLE) - channel.psi[:, :, None] * row[:, None, :]
    cross = torch.einsum("kij,kjl,kl->ki", rest, channel.covariance, row)
    torch.testing.assert_close(cross, torch.zeros_like(cross), atol=1e-12, rtol=0)


@pytest.mark.parametrize("noise_level", [0.0, 0.5, 1.0, 2.0])
def test_steps_keep_the_marginals(noise_level: float) -> None:
    """a psi_t + b = psi_s and a S_t a' + c c' = S_s for every noise level."""
    cld = process()
    levels = cld.schedule.levels(torch.linspace(1, 0, 21, dtype=DOUBLE))
    for step, to in zip(cld.steps(levels, noise_level, 1), levels[1:], strict=True):
        a, b = matrix(step.a), matrix(step.b[0])[:, 0]
        c = matrix(step.c) if noise_level > 0 else np.zeros((2, 2))
        here, there = cld.channel(step.level), cld.channel(to)
        np.testing.assert_allclose(a @ here.psi.numpy() + b, there.psi.numpy(), atol=1e-12)
        kept = a @ here.covariance.numpy() @ a.T + c @ c.T
        np.testing.assert_allclose(kept, there.covariance.numpy(), atol=1e-11)


def test_noise_level_zero_is_the_root_that_keeps_the_noise() -> None:
    """R_s = a R_t: R solves dR = (F R + G G' R^-T / 2) dtau, so eps = R^-1 (u - psi x_0) is constant along
    the flow of one atom; with Cholesky factors it is not."""
    cld, mean = process(), torch.tensor([[0.7]], dtype=DOUBLE)
    x = normal(torch.empty(3, 2, 1, dtype=DOUBLE), seeded(0))
    levels = cld.schedule.levels(torch.linspace(1, 0, 8, dtype=DOUBLE))
    start = cld.channel(levels[0])
    root = triangular_root(start.covariance).numpy()
    eps = np.linalg.solve(root, (x - Blocks(start.psi[:, None]) * mean.expand(3, 1)).numpy())
    moved = 0.0
    for step, to in zip(cld.steps(levels, 0.0, 1), levels[1:], strict=True):
        x = step.a * x + step.b[0] * mean.expand(3, 1)
        root = matrix(step.a) @ root
        channel = cld.channel(to)
        np.testing.assert_allclose(root @ root.T, channel.covariance.numpy(), atol=1e-11)
        rest = (x - Blocks(channel.psi[:, None]) * mean.expand(3, 1)).numpy()
        np.testing.assert_allclose(np.linalg.solve(root, rest), eps, rtol=1e-7, atol=1e-7)
        cholesky = triangular_root(channel.covariance).numpy()
        moved = max(moved, np.abs(np.linalg.solve(cholesky, rest) - eps).max())
    assert moved > 0.1


def test_one_gddim_step_is_exact_for_an_atom() -> None:
    """From t = 1 to .02 in one step, as in a thousand."""
    cld, atom = process(), torch.full((3, 1), 0.7, dtype=DOUBLE)
    x = normal(torch.empty(3, 2, 1, dtype=DOUBLE), seeded(0))
    ends = []
    for steps in (2, 200):
        levels = cld.schedule.levels(torch.linspace(1, 0.02, steps, dtype=DOUBLE))
        y = x
        for step in cld.steps(levels, 0.0, 1):
            y = step.a * y + step.b[0] * atom
        ends.append(y)
    torch.testing.assert_close(*ends, rtol=1e-8, atol=1e-8)


def test_noise_level_one_is_the_ancestral_step() -> None:
    """The reverse of a Gaussian chain by Bayes' rule: gain S_s Psi' S_t^-1."""
    cld = process()
    level, to = levels_of(0.7, 0.4)
    (step,) = cld.steps([level, to], 1.0, 1)
    x_0, u = torch.tensor([[0.3]], dtype=DOUBLE), torch.tensor([[[0.5], [-0.2]]], dtype=DOUBLE)
    law = cld.reverse(u, level, to, Mean(x_0), Batch(x_0))
    torch.testing.assert_close(law.mean, step.a * u + step.b[0] * x_0)
    torch.testing.assert_close(law.scale, step.c.matrix)  # type: ignore[union-attr]


def test_steps_of_tensors_are_steps_of_floats() -> None:
    cld, x_0 = process(), torch.tensor([[0.3], [0.9]], dtype=DOUBLE)
    u = normal(torch.empty(2, 2, 1, dtype=DOUBLE), seeded(1))
    t, s = torch.tensor([0.9, 0.4], dtype=DOUBLE), torch.tensor([0.8, 0.1], dtype=DOUBLE)
    level, to = cld.schedule.level(t, 2), cld.schedule.level(s, 2)
    whole = cld.reverse(u, level, to, Mean(x_0), Batch(x_0))
    for row in (0, 1):
        one, two = levels_of(t[row].item(), s[row].item())
        part = Batch(x_0[row : row + 1])
        law = cld.reverse(u[row : row + 1], one, two, Mean(part.x), part)
        torch.testing.assert_close(whole.mean[row], law.mean[0])
        torch.testing.assert_close(whole.scale[row], law.scale)


def test_forward_steps_compose_to_the_marginal() -> None:
    cld = process()
    low, high = levels_of(0.2, 0.8)
    a, c = cld.forward_step(low, high)
    here, there = cld.channel(low), cld.channel(high)
    np.testing.assert_allclose(matrix(a) @ here.psi.numpy(), there.psi.numpy(), atol=1e-13)
    kept = matrix(a) @ here.covariance.numpy() @ matrix(a).T + matrix(c) @ matrix(c).T
    np.testing.assert_allclose(kept, there.covariance.numpy(), atol=1e-13)


@pytest.mark.parametrize(
    ("solver", "order"),
    [
        (AnyNoise(0), 1),
        (DPMSolver(2), 2),
        (DPMSolver(3), 3),
        (Heun(), 2),
        (AdamsBashforth(3, heun_start=True), 3),
    ],
    ids=["gDDIM", "gDDIM2", "gDDIM3", "Heun", "AB3"],
)
def test_orders_by_slope(solver: Solver[object], order: int) -> None:
    """Against 3,000 steps of the third order, itself checked by Heun's independent route."""
    cld = Langevin(LinearLogSNR(9.0, -8.0))
    law = Mixture.gaussian(torch.tensor([0.7], dtype=DOUBLE), torch.tensor([[0.25]], dtype=DOUBLE))
    x, batch = torch.tensor([[[0.8], [0.3]]], dtype=DOUBLE), Batch(torch.zeros(1, 1, dtype=DOUBLE))

    def end(solver: Solver[object], steps: int) -> Tensor:
        sampler = Sampler(solver, steps, LogSNRGrid(), path=None, denoise=False)
        return sampler(cld, Sufficient(cld, law), batch, x=x)

    exact = end(DPMSolver(3), 3000)
    steps = (80, 160, 320)
    errors = [(end(solver, n) - exact).abs().max().item() for n in steps]
    slopes = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert slopes[-1] == pytest.approx(order, abs=0.3), errors


def test_frames_stand_still_for_matching_data() -> None:
    """Data N(0, s^2): the slope in the frame is 0, so one step of Adams–Bashforth is the exact flow."""
    cld = Langevin(LinearLogSNR(9.0, -8.0), data_std=0.5)
    law = Mixture.gaussian(torch.zeros(1, dtype=DOUBLE), torch.tensor([[0.25]], dtype=DOUBLE))
    x, batch = torch.tensor([[[0.8], [0.3]]], dtype=DOUBLE), Batch(torch.zeros(1, 1, dtype=DOUBLE))
    one, many = (
        Sampler(AdamsBashforth(2), n, path=None)(cld, Sufficient(cld, law), batch, x=x)
        for n in (1, 200)
    )
    torch.testing.assert_close(one, many, rtol=0, atol=1e-9)


def test_the_bound_is_the_log_density_with_an_exact_denoiser(m1: Mixture) -> None:
    """Hybrid score matching: v is integrated out, so this bounds p(x), with no entropy of v to subtract."""
    cld = Langevin(LinearLogSNR(12.0, -12.0))
    x = torch.tensor([[-2.0], [0.0], [1.0], [2.5]], dtype=DOUBLE)
    batch = Batch(
        x.repeat(1000, 1)
    )  # interleaved: an item's levels are stratified over its copies
    result = Bound(32)(cld, Sufficient(cld, m1), batch, generator=seeded(0))
    found = result.nats.reshape(-1, 4)
    error = found.std(0) / math.sqrt(len(found))
    assert error.max() < 0.03
    assert ((found.mean(0) - m1.log_prob(x)).abs() < 5 * error).all()


def test_a_network_has_one_bound_whatever_carries_the_noise(
    network: Callable[..., nn.Module],
) -> None:
    """What (x, v) tells is one plain reading, so the path's integral of any denoiser, right or wrong, is that
    of plain diffusion; training it is the same as well."""
    denoiser = MeanDenoiser(network(2), Velocity())
    schedule = Cosine(9.0, -9.0)
    cld, plain = Langevin(schedule), Gaussian(schedule)
    x = normal(torch.empty(4000, 2, dtype=DOUBLE), seeded(3))
    models = (Model(cld, Sufficient(cld, denoiser), (2,)), Model(plain, denoiser, (2,)))
    with torch.no_grad():
        losses = [m.loss(Batch(x), seeded(4)).item() for m in models]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    nats = [m.log_prob(Batch(x[:1000]), Bound(64), seeded(5)).mean_nats() for m in models]
    assert nats[0].value == pytest.approx(nats[1].value, abs=4 * nats[0].stderr)
    drawn = models[0].sample(5, auto(8), generator=seeded(6))
    assert drawn.shape == (5, 2)
    assert drawn.isfinite().all()


def test_pair_is_the_joint_normal() -> None:
    scale = torch.tensor([[0.8, 0.0], [-0.5, 0.3]], dtype=DOUBLE)
    mean, batch = (
        torch.tensor([[[0.1], [0.4]]], dtype=DOUBLE),
        Batch(torch.zeros(1, 1, dtype=DOUBLE)),
    )
    law, other = Pair(mean, scale, White(), batch), None
    reference = stats.multivariate_normal(mean[0, :, 0], scale @ scale.T)
    u = torch.tensor([[[0.6], [-0.2]]], dtype=DOUBLE)
    assert law.log_prob(u).item() == pytest.approx(reference.logpdf(u[0, :, 0]), rel=1e-12)
    wide = torch.tensor([[1.0, 0.0], [0.2, 0.5]], dtype=DOUBLE)
    other = Pair(torch.zeros_like(mean), wide, law.noise, batch)
    q, p = (torch.distributions.MultivariateNormal(m[0, :, 0], scale_tril=s) for m, s in ((mean, scale), (other.mean, wide)))  # fmt: skip
    exact = torch.distributions.kl_divergence(q, p).item()
    assert divergence(law, other).item() == pytest.approx(exact, rel=1e-12)
    draws = law.sample(seeded(0))
    assert draws.shape == mean.shape


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        Langevin(LinearLogSNR(), mass=0.0)
    with pytest.raises(ValueError, match="noise_level must be >= 0"):
        DPMSolver(2, noise_level=-1.0)
