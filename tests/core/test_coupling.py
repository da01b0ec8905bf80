"""Flows between two data sets: the closed forms of rectified flow and reflow, other laws, a trained one."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import brentq
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.coupling import (
    Blind,
    Empirical,
    FlowMatching,
    Paired,
    independent,
    optimal,
    reflow,
    straightness,
    transport,
)
from unnoise.core.denoiser import Denoiser, MeanDenoiser, Velocity
from unnoise.core.model import Model
from unnoise.core.noise import Noise
from unnoise.core.objective import Denoising
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AdamsBashforth, Heun, Sampler
from unnoise.core.schedule import Cosine, Level, Rectified, Schedule
from unnoise.core.times import Times

DOUBLE = torch.float64
WIDE = Rectified(30.0, -30.0)  # e^-15 from both ends
EULER = Sampler(AdamsBashforth(1), 1, path=None, denoise=False)
FINE = Sampler(AdamsBashforth(4, heun_start=True), 400, path=Rectified())


class PairDenoiser(Denoiser[Mean]):
    """E[x_0 | alpha x_0 + sigma x_1] of scalar pairs from a mixture of joint Gaussians.

    Args: weights (K,), means (K, 2) and covariances (K, 2, 2) of (x_0, x_1).
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        super().__init__()
        self.weights, self.means, self.covariances = weights, means, covariances

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        alpha, sigma = (torch.as_tensor(v, dtype=DOUBLE) for v in (level.alpha, level.sigma))
        ray = torch.stack([alpha.reshape(-1), sigma.reshape(-1)], -1)  # (B or 1, 2)
        with_x_0 = torch.einsum("kj,bj->bk", self.covariances[:, 0], ray)
        variance = torch.einsum("kij,bi,bj->bk", self.covariances, ray, ray)
        gap = x_t - ray @ self.means.T
        log_r = self.weights.log() - 0.5 * (gap**2 / variance + variance.log())
        means = self.means[:, 0] + with_x_0 / variance * gap
        return Mean((torch.softmax(log_r, 1) * means).sum(1, keepdim=True))


def joint(x: Tensor) -> PairDenoiser:
    """The Gaussian with the moments of pairs (N, 2)."""
    return PairDenoiser(torch.ones(1, dtype=DOUBLE), x.mean(0)[None], torch.cov(x.T)[None])


def crossed(
    w_0: Tensor, m_0: Tensor, v_0: Tensor, w_1: Tensor, m_1: Tensor, v_1: Tensor
) -> PairDenoiser:
    """The independent coupling of two mixtures."""
    means = torch.cartesian_prod(m_0, m_1)
    covariances = torch.diag_embed(torch.cartesian_prod(v_0, v_1))
    return PairDenoiser(torch.cartesian_prod(w_0, w_1).prod(1), means, covariances)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


def hermite(n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of E f(z), z ~ N(0, 1), exact for polynomials of degree 2 n - 1."""
    z, w = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(n))
    return z, w / w.sum()


@pytest.fixture
def straight() -> Model:
    """T10: the independent coupling of x_0 ~ N(1.5, .25) and x_1 ~ N(0, 1)."""
    law = Mixture.gaussian(column(1.5)[0], column(0.25))
    return Model(Gaussian(WIDE, Paired()), law, (1,))


@pytest.fixture
def matching_loss(legendre: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., float]:
    """The flow-matching loss of a scalar model over pairs (x_0, x_1) with weights, integrated over time."""

    def loss(model: Model, x_0: Tensor, x_1: Tensor, weights: Tensor) -> float:
        batch, total = Batch(x_0[:, None], cond={"x_1": x_1[:, None]}), 0.0
        for t, w in zip(*legendre(0, 1, 8), strict=True):
            objective = Denoising(weight=FlowMatching(), times=At(t.item()), stratified=False)
            total += w.item() * float(
                objective.terms(model.process, model.denoiser, batch, seeded(0)) @ weights
            )
        return total

    return loss


class Clocked(nn.Module):
    """A network that sees the time of straight lines, 4 t, in place of the log-SNR / 4."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        out: Tensor = self.network(x, 16 * torch.sigmoid(-0.5 * log_snr), batch)
        return out


@dataclass(frozen=True)
class At(Times):
    """All times at one."""

    t: float

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, float]:
        return torch.full_like(u, self.t), 1.0


# --- rectified flow of two Gaussians, in closed form (T10) -----------------------------------------


def test_the_flow_of_two_gaussians_is_the_affine_map(straight: Model) -> None:
    """x_0 = mu + sqrt(lam) x_1."""
    starts = Batch(column(-2, -1, 0, 0.5, 3))
    ends = transport(straight, starts, FINE)
    torch.testing.assert_close(ends, 1.5 + 0.5 * starts.x, rtol=0, atol=2e-6)


def test_the_smallest_loss_of_independent_gaussians(
    straight: Model, matching_loss: Callable[..., float]
) -> None:
    """E|v - (x_1 - x_0)|^2 = int lam / ((1-t)^2 lam + t^2) dt = sqrt(lam) pi / 2, exact by a rule of 2 x 2 points."""
    z, w = hermite(2)
    pairs, weights = torch.cartesian_prod(1.5 + 0.5 * z, z), torch.cartesian_prod(w, w).prod(1)
    loss = matching_loss(straight, pairs[:, 0], pairs[:, 1], weights)
    assert loss == pytest.approx(math.sqrt(0.25) * math.pi / 2, abs=1e-6)


def test_the_straightness_of_two_gaussians() -> None:
    """.2146018 = 1 - pi/4, and an error that falls with the square of the steps."""
    law = Mixture.gaussian(column(1.5)[0], column(0.25))
    model = Model(Gaussian(Rectified(40.0, -40.0)), law, (1,))
    (z, w), steps = hermite(2), [200, 400, 800]
    errors = [
        float(straightness(model, Batch(z[:, None]), n) @ w) - (1 - math.pi / 4) for n in steps
    ]
    assert abs(errors[-1]) < 5e-7
    assert np.polyfit(np.log(steps), np.log(np.abs(errors)), 1)[0] < -1.9


def test_reflow_makes_one_step_exact(straight: Model, matching_loss: Callable[..., float]) -> None:
    """One Euler step collapses to the mean before reflow. Its pairs are deterministic: after it the step is the map,
    the paths are straight, and the loss is 0."""
    starts = Batch(normal(torch.empty(200, 1, dtype=DOUBLE), seeded(0)))
    mapped = 1.5 + 0.5 * starts.x
    torch.testing.assert_close(
        transport(straight, starts, EULER), 0 * mapped + 1.5, rtol=0, atol=1e-5
    )
    pairs = reflow(straight, starts, FINE)
    assert pairs.cond["x_1"] is starts.x
    again = Model(straight.process, joint(torch.cat([pairs.x, starts.x], 1)), (1,))
    torch.testing.assert_close(transport(again, starts, EULER), mapped, rtol=0, atol=5e-6)
    assert straightness(again, starts).abs().max() < 1e-9
    uniform = torch.full((200,), 1 / 200, dtype=DOUBLE)
    assert matching_loss(again, pairs.x[:, 0], starts.x[:, 0], uniform) < 1e-9


def test_optimally_coupled_pairs_are_nearly_straight() -> None:
    """Drawn optimally, 1000 pairs of Gaussians lie near the line x_0 = mu + sqrt(lam) x_1."""
    x_0, x_1 = (
        1.5 + 0.5 * normal(torch.empty(1000, 1, dtype=DOUBLE), seeded(0)),
        normal(torch.empty(1000, 1, dtype=DOUBLE), seeded(1)),
    )
    straight, bent = (
        Model(Gaussian(WIDE), joint(torch.cat([x_0, x_1[rows(x_0, x_1)]], 1)), (1,))
        for rows in (optimal, independent)
    )
    z, w = hermite(2)
    assert float(straightness(bent, Batch(z[:, None])) @ w) == pytest.approx(0.2146, abs=0.03)
    assert float(straightness(straight, Batch(z[:, None])) @ w) < 2e-3


# --- other laws ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [Rectified(), Cosine()], ids=lambda p: type(p).__name__)
def test_the_flow_carries_quantiles_to_quantiles(path: Schedule) -> None:
    """On a line paths don't cross, so the map between two mixtures is F_0^-1(F_1(x_1)), on any path."""
    w_0, m_0, v_0 = torch.tensor([[0.3, 0.7], [-2, 1], [0.25, 0.5]], dtype=DOUBLE)
    w_1, m_1, v_1 = torch.tensor([[0.6, 0.4], [-1, 3], [0.1, 0.8]], dtype=DOUBLE)
    model = Model(Gaussian(WIDE), crossed(w_0, m_0, v_0, w_1, m_1, v_1), (1,))

    def cdf(x: float, w: Tensor, m: Tensor, v: Tensor) -> float:
        return float((w.numpy() * stats.norm.cdf(x, m.numpy(), v.sqrt().numpy())).sum())

    levels = [0.02, 0.2, 0.45, 0.58, 0.65, 0.9, 0.99]
    source, target = (
        column(
            *(brentq(lambda x, q=q, law=law: cdf(x, *law) - q, -9, 9, xtol=1e-13) for q in levels)
        )
        for law in ((w_1, m_1, v_1), (w_0, m_0, v_0))
    )
    ends = transport(model, Batch(source), Sampler(Heun(), 1500, path=path))
    torch.testing.assert_close(ends, target, rtol=0, atol=2e-4)


def test_the_window_decides_how_much_of_the_start_is_missing() -> None:
    """Started from sigma_1 x_1, a flow to the atom m misses alpha_1 m of its state and still ends there; to N(m, v) it
    ends off by alpha_1 m / sigma_1 sqrt(v) to first order."""
    law = Mixture.gaussian(column(4.0)[0], column(0.25))
    for log_snr_min in (-10.0, -20.0):
        schedule = Rectified(30.0, log_snr_min)
        (end,) = schedule.levels(torch.ones(1))
        ends = transport(Model(Gaussian(schedule), law, (1,)), Batch(column(0.0)), FINE)
        expected = (
            -4.0 * float(end.alpha) * 0.5 / math.hypot(0.5 * float(end.alpha), float(end.sigma))
        )
        assert ends.item() - 4 == pytest.approx(expected, rel=1e-3)


def test_flow_matching_is_the_error_of_the_velocity() -> None:
    """weight x rate = |v_hat - (x_1 - x_0)|^2 with v_hat = (x_t - x0_hat) / sigma on straight lines."""
    x_0, x_1, guess = normal(torch.empty(3, 7, 4, dtype=DOUBLE), seeded(0))
    process, batch = Gaussian(Rectified(), Paired()), Batch(x_0, cond={"x_1": x_1})
    level = process.schedule.level(torch.linspace(0.05, 1, 7, dtype=DOUBLE), 2)
    x_t = process.marginal(x_0, level, batch).sample()
    torch.testing.assert_close(x_t, level.alpha * x_0 + level.sigma * x_1)
    error = ((x_t - guess) / level.sigma - (x_1 - x_0)).square().sum(1)
    rate = process.rate(x_0, x_t, level, Mean(guess), batch)
    torch.testing.assert_close(FlowMatching()(level, process.schedule) * rate, error)


def test_a_trained_flow_carries_one_data_set_to_another(
    network: Callable[..., nn.Module],
) -> None:
    """Evenly spread points to a skewed law, independent pairs; then reflow, whose network is blind to the partners it could read.

    Figures are the mean distances of sorted ends from sorted held-out data (on a line, the Wasserstein distance).
    """
    z = normal(torch.empty(4, 2000, 1, dtype=DOUBLE), seeded(0))
    x_0, held_out = (0.5 * z[:2]).exp()
    x_1, starts = 3 * torch.special.ndtr(z[2:]) - 2

    def trained(data: Batch, noise: Noise) -> Model:
        denoiser = Blind(MeanDenoiser(Clocked(network(1, width=64)), Velocity()))
        objective = Denoising(weight=FlowMatching())
        model = Model(Gaussian(Rectified(13.3, -20.0), noise), denoiser, (1,), objective=objective)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for step in range(400):
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 * (1 - step / 400)
            optimizer.zero_grad()
            rows = torch.randint(len(data), (256,), generator=seeded(1, step))
            model.loss(data.rows(rows), seeded(2, step)).backward()
            optimizer.step()
        return model

    def distance(ends: Tensor) -> float:
        return (ends.sort(0).values - held_out.sort(0).values).abs().mean().item()

    first = trained(Batch(x_0), Empirical(x_1))
    second = trained(reflow(first, Batch(x_1)), Paired())
    assert distance(starts) > 1.5
    assert distance(transport(first, Batch(starts))) < 0.12
    assert distance(transport(first, Batch(starts), EULER)) > 0.3
    assert distance(transport(second, Batch(starts), EULER)) < 0.15
    bends = [straightness(model, Batch(starts)).mean().item() for model in (first, second)]
    assert bends[1] < 0.05 * bends[0]


def test_a_hidden_condition_does_not_hide_the_partner() -> None:
    """The partner is the noise, no condition: states mix both ends whatever the network isn't told."""
    x_0, x_1 = (normal(torch.empty(64, 2), seeded(k)) for k in (0, 1))
    label = torch.ones(64, dtype=torch.long)

    class Looks(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            torch.testing.assert_close(x_t, level.alpha * x_0 + level.sigma * x_1)
            assert (batch.cond["label"] == -1).sum() > 40
            return Mean(x_t)

    batch = Batch(x_0, cond={"x_1": x_1, "label": label})
    process = Gaussian(Rectified(), Paired())
    assert Denoising(condition_dropout=0.9)(process, Looks(), batch, seeded(2)) > 0
