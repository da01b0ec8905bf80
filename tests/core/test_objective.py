"""Objectives: every choice of times integrates the same function, every weight is its formula."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, MeanDenoiser, Velocity
from unnoise.core.objective import Denoising, Elbo, MinSNR, Simple, VelocityError, Weight
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian
from unnoise.core.random import Shard, normal, seeded
from unnoise.core.schedule import EDM, Cosine, Level, LinearLogSNR, LinearVP, Rectified, Schedule
from unnoise.core.times import (
    Along,
    LogisticTimes,
    LogSNRTimes,
    LogVarianceTimes,
    Times,
    Uniform,
)

DOUBLE = torch.float64
Nodes = Callable[..., tuple[Tensor, Tensor]]
TIMES = {
    "uniform": Uniform(),
    "log-SNR": LogSNRTimes(),
    "logistic": LogisticTimes(),
    "narrow logistic": LogisticTimes(loc=2.0, scale=1.0),
    "log variance": LogVarianceTimes(),
    "along": Along(Cosine()),
}
VDM = [
    s.between(13.3, -5.0)
    for s in (LinearLogSNR(), LinearVP(), Cosine(), Cosine(data_std=0.3), Rectified(), EDM())
]


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


@pytest.fixture(params=TIMES.values(), ids=TIMES.keys())
def times(request: pytest.FixtureRequest) -> Times:
    made: Times = request.param
    return made


@pytest.fixture
def quantiles(legendre: Nodes) -> tuple[Tensor, Tensor]:
    """Nodes and weights on [0, 1], crowded at both ends, where 1 / density is large."""
    v, weights = legendre(-36, 36, panels=120)
    return v.sigmoid(), weights * v.sigmoid() * (-v).sigmoid()


class Constant(Denoiser[Mean]):
    """The mean is 0, so that rate = snr |x_0|^2 / 2."""

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        return Mean(torch.zeros_like(x_t))


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", VDM, ids=lambda s: type(s).__name__)
def test_the_bound_of_a_gaussian_needs_no_schedule(
    schedule: Schedule,
    times: Times,
    rate_at: Callable[..., Tensor],
    quantiles: tuple[Tensor, Tensor],
) -> None:
    """E[Elbo weight x rate / density] is L_inf = sum log[(1 + snr_max lam) / (1 + snr_min lam)] / 2.

    For variances .25, 1, 2 and log-SNR from 13.3 to -5: 19.5925388547, whatever the schedule and the times.
    """
    u, weights = quantiles
    t, inverse_density = times.draw(u, schedule)
    level = schedule.level(t, 1)
    elbo = torch.as_tensor(Elbo()(level, schedule)) * inverse_density * weights
    total = 0.0
    for lam in (0.25, 1.0, 2.0):
        law = Mixture.gaussian(torch.zeros(1, dtype=DOUBLE), torch.full((1, 1), lam, dtype=DOUBLE))
        # three points have the moments that a quadratic rate asks for
        x_0 = math.sqrt(3 * lam) * torch.tensor([[-1.0], [0.0], [1.0]], dtype=DOUBLE)
        rates = rate_at(Gaussian(schedule), law, x_0, torch.as_tensor(level.log_snr))
        total += (elbo @ rates @ torch.tensor([1, 4, 1], dtype=DOUBLE) / 6).item()
    assert total == pytest.approx(19.5925388547, abs=1e-9)


def test_times_are_a_density(
    schedule: Schedule, times: Times, quantiles: tuple[Tensor, Tensor]
) -> None:
    """E[1 / density] = |[0, 1]| = 1, and t rises through all of it."""
    u, weights = quantiles
    t, inverse_density = times.draw(u, schedule)
    whole = (weights * inverse_density).sum().item()
    assert whole == pytest.approx(1, abs=1e-6)
    inside = (u > 1e-9) & (u < 1 - 1e-9)
    assert (t[inside].diff() > 0).all()
    ends, _ = times.draw(torch.tensor([0.0, 1.0], dtype=DOUBLE), schedule)
    torch.testing.assert_close(ends, torch.tensor([0.0, 1.0], dtype=DOUBLE), rtol=0, atol=1e-9)


def test_logistic_weights_average_to_the_range(quantiles: tuple[Tensor, Tensor]) -> None:
    """E[1 / density of log-SNR] is the window's width; the density is the logistic's, cut (Kong et al., appendix B)."""
    times, schedule = LogisticTimes(loc=6.261, scale=3.098), LinearLogSNR(18.65, -6.13)
    u, weights = quantiles
    t, inverse_density = times.draw(u, schedule)
    assert isinstance(inverse_density, Tensor)
    width = 18.65 + 6.13
    assert (weights @ inverse_density).item() * width == pytest.approx(24.78, rel=1e-9)
    q = (schedule.log_snr(t) - 6.261) / 3.098
    logistic = q.sigmoid() * (-q).sigmoid() / 3.098
    kept = torch.sigmoid(torch.tensor([18.65 - 6.261, -6.13 - 6.261], dtype=DOUBLE) / 3.098)
    torch.testing.assert_close(inverse_density * width, (kept[0] - kept[1]) / logistic)


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.0])
def test_logistic_weights_are_finite_in_single_precision(scale: float) -> None:
    """At log-SNR 18 the law's tail is e^-18 or less: one minus it is one in float32, but it is not nothing."""
    times, schedule = LogisticTimes(scale=scale), Cosine(log_snr_max=18)
    u = torch.linspace(0, 1, 10_001)
    (t, weight), (exact_t, exact_weight) = (times.draw(v, schedule) for v in (u, u.double()))
    torch.testing.assert_close(t.double(), exact_t, rtol=0, atol=1e-6)
    torch.testing.assert_close(weight.double(), exact_weight, rtol=1e-3, atol=0)


# --- weights -------------------------------------------------------------------------------------


def test_simple_is_the_error_of_the_noise(schedule: Schedule) -> None:
    objective, x = Denoising(Simple(), stratified=False), states(6, 3)
    process, law = Gaussian(schedule), Mixture.gaussian(torch.ones(3), torch.eye(3))
    terms = objective.terms(process, law, Batch(x), seeded(1))
    generator = seeded(1)  # the same draws, in the same order
    t = torch.rand(6, generator=generator, dtype=DOUBLE)
    eps = torch.randn(6, 3, generator=generator, dtype=DOUBLE)
    level = schedule.level(t, 2)
    x_t = level.alpha * x + level.sigma * eps
    error = eps - process.eps(x_t, level, law(x_t, level, Batch(x)))
    torch.testing.assert_close(terms, error.square().mean(1), rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(objective(process, law, Batch(x), seeded(1)), terms.mean())


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_clamps_the_weight_of_the_data_error(schedule: Schedule, gamma: float) -> None:
    """weight x rate = min(snr, gamma) |x_0 - x_hat|^2."""
    x, level = states(9, 2), schedule.level(torch.linspace(0, 1, 9, dtype=DOUBLE), 2)
    rate = Gaussian(schedule).rate(x, x, level, Mean(torch.zeros_like(x)), Batch(x))
    snr = (level.alpha / level.sigma).square().flatten()  # type: ignore[union-attr]
    exact = snr.clamp(max=gamma) * x.square().sum(1)
    torch.testing.assert_close(rate * MinSNR(gamma)(level, schedule), exact)


def test_velocity_error_is_that_of_the_velocity(schedule: Schedule) -> None:
    """weight x rate = |v - v_hat|^2, v = (alpha eps - sigma x_0) / sqrt(alpha^2 + sigma^2)."""
    x, guess, level = (
        states(9, 2),
        states(9, 2) / 3,
        schedule.level(torch.linspace(0, 1, 9, dtype=DOUBLE), 2),
    )
    process, x_t = Gaussian(schedule), level.alpha * x + level.sigma * states(9, 2).flip(0)
    rate = process.rate(x, x_t, level, Mean(guess), Batch(x))

    def velocity(mean: Tensor) -> Tensor:
        eps = process.eps(x_t, level, Mean(mean))
        return (level.alpha * eps - level.sigma * mean) / (level.alpha**2 + level.sigma**2) ** 0.5

    exact = (velocity(x) - velocity(guess)).square().sum(1)
    torch.testing.assert_close(rate * VelocityError()(level, schedule), exact, rtol=1e-6, atol=0)


def test_elbo_is_the_speed_of_the_log_snr(schedule: Schedule) -> None:
    t = torch.linspace(0.1, 0.9, 5, dtype=DOUBLE)
    weight = Elbo()(schedule.level(t, 3), schedule)
    torch.testing.assert_close(weight, -schedule.slope(t)[2])


@pytest.mark.parametrize(
    "weight", [Simple(), Elbo(), MinSNR(), VelocityError()], ids=lambda w: type(w).__name__
)
@pytest.mark.parametrize("stratified", [True, False])
def test_the_loss_is_unbiased(
    weight: Weight, stratified: bool, times: Times, legendre: Nodes
) -> None:
    """Against int weight x rate dt, in closed form for a denoiser that returns 0: rate = snr |x_0|^2 / 2."""
    schedule = Cosine(log_snr_max=2.0, log_snr_min=-4.0)
    t, w = legendre(0, 1)
    level = schedule.level(t, 1)
    weights = torch.as_tensor(weight(level, schedule)).expand_as(t)
    exact = (w @ (weights * torch.as_tensor(level.log_snr).exp() / 2)).item()
    batch = Batch(torch.ones(200_000, 2, dtype=DOUBLE))
    objective = Denoising(weight, times, stratified)
    terms = objective.terms(Gaussian(schedule), Constant(), batch, seeded(0))
    error = terms.std().item() / math.sqrt(len(terms))
    # rate does not depend on the noise here, so stratified times leave nothing random but one shift
    allowed = 1e-4 * exact if stratified else 5 * error
    assert terms.mean().item() == pytest.approx(exact, abs=allowed)


def test_the_loss_counts_what_exists() -> None:
    """A padded state's loss is per entry of it, as if it were alone."""
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    batch = Batch(torch.ones(2, 4, dtype=DOUBLE) * mask, mask=mask)
    objective, process = Denoising(stratified=True), Gaussian(Cosine())
    terms = objective.terms(process, Constant(), batch, seeded(0))
    alone = objective.terms(process, Constant(), Batch(torch.ones(2, 1, dtype=DOUBLE)), seeded(0))
    torch.testing.assert_close(terms, alone)


def test_gradients_reach_the_network(network: Callable[..., nn.Module]) -> None:
    denoiser, batch = MeanDenoiser(network(3), Velocity()), Batch(states(16, 3))
    for objective in (Denoising(), Denoising(Elbo(), LogisticTimes()), Denoising(MinSNR())):
        objective(Gaussian(Cosine()), denoiser, batch, seeded(0)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in denoiser.parameters())


@pytest.mark.parametrize("stratified", [True, False])
def test_shards_see_the_times_and_noise_of_the_whole_batch(
    gaussian_of: Callable[[int], Mixture], stratified: bool
) -> None:
    objective = Denoising(stratified=stratified, condition_dropout=0.3)
    batch = Batch(states(8, 3), cond={"label": torch.arange(8)})
    law, process = gaussian_of(3), Gaussian(Cosine())
    whole = objective.terms(process, law, batch, seeded(0))
    shards = [
        objective.terms(process, law, batch.rows(slice(4 * r, 4 * r + 4)), Shard(seeded(0), r, 2))
        for r in (0, 1)
    ]
    torch.testing.assert_close(torch.cat(shards), whole, rtol=1e-12, atol=1e-12)


# --- conditions ----------------------------------------------------------------------------------


def test_dropout_hides_the_stated_share_of_conditions() -> None:
    seen: dict[str, Tensor] = {}

    class Spy(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            seen.update(batch.cond)
            return Mean(x_t)

    n, share = 20_000, 0.3
    cond = {"label": torch.arange(n), "history": torch.ones(n, 2, dtype=DOUBLE)}
    batch = Batch(states(n, 1), cond=cond)
    Denoising(condition_dropout=share).terms(Gaussian(Cosine()), Spy(), batch, seeded(0))
    hidden = seen["label"] == -1
    assert hidden.double().mean().item() == pytest.approx(share, abs=5 * math.sqrt(0.21 / n))
    assert torch.equal(seen["label"][~hidden], torch.arange(n)[~hidden])
    assert torch.equal(seen["history"][:, 0] == 0, hidden)
    assert (batch.cond["label"] >= 0).all()
    Denoising().terms(Gaussian(Cosine()), Spy(), batch, seeded(0))
    assert (seen["label"] >= 0).all()


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_share_must_be_one(share: float) -> None:
    with pytest.raises(ValueError, match="condition_dropout"):
        Denoising(condition_dropout=share)
