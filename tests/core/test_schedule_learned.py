"""The learned schedule: pinned, monotone and inverted exactly; and it learns the density of least variance."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Eps, MeanDenoiser
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Elbo, InformationMSE, Simple, Variational, weighed
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded, uniform
from unnoise.core.schedule import Cosine, Learned, LinearLogSNR, Schedule
from unnoise.core.schedule.base import preserving
from unnoise.core.times import Along, LogSNRTimes, Uniform

DOUBLE = torch.float64
TIMES = torch.linspace(0, 1, 301, dtype=DOUBLE)
SPECTRUM = torch.logspace(-4, 0, 16, dtype=DOUBLE)  # variances of a spread spectrum
WINDOW = (13.3, -5.0)


def bent(pieces: int = 8, learn_ends: bool = False) -> Learned:
    """One that has learned something."""
    schedule = Learned(*WINDOW, pieces=pieces, learn_ends=learn_ends)
    with torch.no_grad():
        schedule.logits.copy_(1.5 * normal(torch.empty(pieces), seeded(0)))
        if schedule.shift is not None:
            schedule.shift.copy_(torch.tensor([0.2, -0.1]))
    return schedule


@pytest.fixture
def law() -> Mixture:
    return Mixture.gaussian(torch.zeros(16, dtype=DOUBLE), torch.diag(SPECTRUM))


def second_moment(log_snr: Tensor) -> Tensor:
    """E rate^2 of N(0, SPECTRUM) under its exact denoiser: rate = sum_i u_i chi^2 / 2, u = snr lam / (1 + snr lam)."""
    u = torch.sigmoid(log_snr[..., None] + SPECTRUM.log())
    return 0.25 * u.sum(-1).square() + 0.5 * u.square().sum(-1)


def cells(pieces: int) -> Tensor:
    """The mean of E rate^2 over each piece, (pieces,), by a fine midpoint rule."""
    first, last = WINDOW
    u = (torch.arange(pieces * 200, dtype=DOUBLE) + 0.5) / (pieces * 200)
    return second_moment(first + (last - first) * u).reshape(pieces, 200).mean(1)


# --- a schedule ----------------------------------------------------------------------------------


def test_it_starts_as_linear_log_snr() -> None:
    fixed, learned = LinearLogSNR(*WINDOW), Learned(*WINDOW)
    torch.testing.assert_close(learned.log_snr(TIMES), fixed.log_snr(TIMES), rtol=0, atol=1e-12)
    torch.testing.assert_close(learned.speed(TIMES), fixed.speed(TIMES))


@pytest.mark.parametrize("learn_ends", [False, True])
def test_it_is_pinned_monotone_and_inverted(learn_ends: bool) -> None:
    schedule = bent(learn_ends=learn_ends)
    first, last = schedule.log_snr_max, schedule.log_snr_min
    if learn_ends:  # middle 4.15, half 9.15
        assert first == pytest.approx(4.15 + 9.15 * math.exp(0.2), abs=1e-6)
        assert last == pytest.approx(4.15 - 9.15 * math.exp(-0.1), abs=1e-6)
    log_snr = schedule.log_snr(TIMES)
    assert log_snr[[0, -1]].tolist() == pytest.approx([first, last], abs=1e-13)
    assert (log_snr.diff() < 0).all()
    torch.testing.assert_close(schedule.time(log_snr), TIMES, rtol=0, atol=1e-13)
    alpha, sigma = schedule(TIMES)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(TIMES))
    for single, double in zip(schedule.levels(TIMES), log_snr.tolist(), strict=True):
        assert single.log_snr == pytest.approx(double, abs=1e-12)


def test_its_speed_is_the_derivative_and_slope_agrees() -> None:
    schedule, t = bent(), TIMES[1:-1] + 1e-4
    h = 1e-7
    difference = (schedule.log_snr(t - h) - schedule.log_snr(t + h)) / (2 * h)
    torch.testing.assert_close(schedule.speed(t), difference, rtol=1e-5, atol=0)
    torch.testing.assert_close(schedule.speed(t), -schedule.slope(t)[2])


def test_between_stretches_the_line() -> None:
    schedule = bent(learn_ends=True)
    other = schedule.between(5.0, -3.0)
    assert other.log_snr(TIMES)[[0, -1]].tolist() == [5.0, -3.0]
    share = (schedule.log_snr_max - schedule.log_snr(TIMES)) / (
        schedule.log_snr_max - schedule.log_snr_min
    )
    torch.testing.assert_close((5 - other.log_snr(TIMES)) / 8, share)
    assert other.shift is None
    assert other.logits is schedule.logits
    assert schedule.shift is not None


def test_its_levels_carry_no_gradient_by_its_parameters() -> None:
    """Else a loss would fall because the schedule looks away from what is hard."""
    schedule = bent(learn_ends=True)
    level = schedule.level(torch.rand(4, generator=seeded(0)), 2)
    assert not any(torch.as_tensor(v).requires_grad for v in (level.alpha, level.log_snr))
    assert schedule.speed(torch.tensor([0.3])).requires_grad
    assert schedule.ends().requires_grad


def test_bad_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="pieces"):
        Learned(pieces=0)

    class Wavy(Schedule):
        """A user's schedule whose log-SNR turns round."""

        def textbook_log_snr(self, tau: Tensor) -> Tensor:
            return 5 - 10 * tau + 2 * torch.sin(4 * math.pi * tau)

        def textbook_time(self, log_snr: Tensor) -> Tensor:
            return (5 - log_snr) / 10

        def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
            return preserving(log_snr)

    with pytest.raises(ValueError, match="must fall all the way from 5.0 to -5.0"):
        Wavy(5.0, -5.0).log_snr(TIMES)


# --- what it learns ------------------------------------------------------------------------------


def test_the_gradient_is_half_the_share_of_time_less_the_share_of_the_second_moment() -> None:
    """d 1/2 log M / d logits = (w - q) / 2, q_k the share of sum (rate x factor)^2 in piece k; the value is the loss's."""
    schedule, u = bent().double(), uniform((64,), torch.empty(0, dtype=DOUBLE), seeded(1))
    rate = 1 + u.square()
    rate.requires_grad_()
    t, one = Uniform().draw(u, schedule)
    factor = Elbo()(schedule.level(t, 1), schedule) * one
    terms = weighed(rate, factor)
    assert torch.equal(terms, rate * factor)
    terms.mean().backward()
    assert rate.grad is not None
    torch.testing.assert_close(
        rate.grad, factor.detach() / 64
    )  # the network's gradient is its own
    widths = torch.softmax(schedule.logits.detach(), 0)
    piece = torch.bucketize(u, widths.cumsum(0)[:-1], right=True)
    square = (rate * factor).detach().square()
    share = torch.zeros(8, dtype=DOUBLE).index_add(0, piece, square) / square.sum()
    assert schedule.logits.grad is not None
    torch.testing.assert_close(schedule.logits.grad, (widths - share) / 2)


def trained(process: Gaussian, objective: Denoising | Variational, law: Mixture) -> None:
    """300 steps of Adam on the parameters of the schedule and of the objective alone."""
    parameters = {*process.parameters(), *objective.parameters()}
    optimizer = torch.optim.Adam(parameters, 0.05)
    for k in range(300):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - k / 300)
        optimizer.zero_grad()
        batch = Batch(law.sample(512, seeded(0, k)))
        objective(process, law, batch, seeded(1, k)).backward()
        optimizer.step()


@pytest.mark.parametrize("along", [False, True], ids=["process", "along"])
def test_the_density_of_log_snr_tends_to_the_root_of_the_second_moment(
    along: bool, law: Mixture
) -> None:
    """w_k ~ sqrt(E rate^2 in piece k), in closed form for a Gaussian, whichever schedule learns it.

    And the variance of the loss is what the two densities say: M - loss^2, with M = K sum_k A_k / w_k / K^2 x width^2.
    """
    pieces = 8
    learned = Learned(*WINDOW, pieces=pieces)
    process = Gaussian(Cosine(*WINDOW) if along else learned)
    objective = Denoising(Elbo(), Along(learned) if along else Uniform(), stratified=False)
    trained(process, objective, law)
    widths = torch.softmax(learned.logits.detach().double(), 0)
    best = cells(pieces).sqrt() / cells(pieces).sqrt().sum()
    torch.testing.assert_close(widths, best, rtol=0.1, atol=0.003)

    span = WINDOW[0] - WINDOW[1]
    batch = Batch(law.sample(100_000, seeded(2)))
    variances = []
    for w, times in (
        (widths, objective.times),
        (torch.full((pieces,), 1 / pieces), LogSNRTimes()),
    ):
        one = Denoising(Elbo(), times, stratified=False)
        terms = 16 * one.terms(process, law, batch, seeded(3)).detach()
        moment = (span / pieces) ** 2 * (cells(pieces) / w).sum().item()
        loss = 0.5 * torch.log((1 + math.exp(WINDOW[0]) * SPECTRUM) / (1 + math.exp(WINDOW[1]) * SPECTRUM)).sum().item()  # fmt: skip
        variances.append(terms.var().item())
        assert variances[-1] == pytest.approx(moment - loss**2, rel=0.03)
    assert variances[0] < 0.45 * variances[1]


def test_variational_teaches_it_too(law: Mixture) -> None:
    """With uniform times the bound's own path term is what is evened out, control variate and all."""
    schedule = Learned(*WINDOW, pieces=8)
    process, objective = Gaussian(schedule), Variational(times=Uniform(), stratified=False)
    batch = Batch(law.sample(50_000, seeded(2)))
    with torch.no_grad():
        before = objective.terms(process, law, batch, seeded(3)).var()
        mean = objective.terms(process, law, batch, seeded(3)).mean()
    trained(process, objective, law)
    with torch.no_grad():
        after = objective.terms(process, law, batch, seeded(3))
    assert after.var() < 0.6 * before
    assert after.mean().item() == pytest.approx(mean.item(), abs=5 * math.sqrt(before / 50_000))


def test_a_loss_that_would_change_with_the_schedule_is_refused(law: Mixture) -> None:
    process, batch = Gaussian(Learned()), Batch(law.sample(4, seeded(0)))
    with pytest.raises(ValueError, match="changes with a learned schedule"):
        Denoising(Simple())(process, law, batch, seeded(0))
    Denoising(Simple(), Along(Learned()))(process, law, batch, seeded(0)).backward()
    assert process.schedule.logits.grad is None  # type: ignore[union-attr]
    frozen = Gaussian(Learned().requires_grad_(False))
    exact = Denoising(Simple())(Gaussian(LinearLogSNR()), law, batch, seeded(0))
    torch.testing.assert_close(Denoising(Simple())(frozen, law, batch, seeded(0)), exact)


def test_a_rate_of_zero_teaches_nothing_and_breaks_nothing() -> None:
    schedule = Learned(pieces=4)
    factor = schedule.speed(torch.linspace(0.1, 0.9, 5))
    weighed(torch.zeros(5), factor).mean().backward()
    assert schedule.logits.grad is not None
    assert schedule.logits.grad.isfinite().all()


# --- in a model ----------------------------------------------------------------------------------


def test_it_trains_and_is_saved_with_its_model(tmp_path: Path) -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            return self.gain * x

    def make(objective: Denoising | InformationMSE | None) -> Model:
        denoiser = MeanDenoiser(Net(), Eps())
        return Model(Gaussian(Cosine()), denoiser, (2,), objective=objective)

    model = make(Denoising(Elbo(), Along(Learned(pieces=4))))
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    model.loss(Batch(normal(torch.empty(64, 2), seeded(0))), seeded(1)).backward()
    optimizer.step()
    learned = model.state_dict()["objective.times.schedule.logits"]
    assert learned.abs().min() > 0.05
    model.save(tmp_path / "m.safetensors")
    again = make(Denoising(Elbo(), Along(Learned(pieces=4))))
    again.load(tmp_path / "m.safetensors")
    assert torch.equal(again.state_dict()["objective.times.schedule.logits"], learned)
    # objectives without parameters leave no trace, so that older files load
    for objective in (None, Denoising(Elbo(), LogSNRTimes()), InformationMSE()):
        assert list(make(objective).state_dict()) == ["denoiser.network.gain"]
    assert list(Gaussian(Cosine()).state_dict()) == []
