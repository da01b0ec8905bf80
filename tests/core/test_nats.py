"""Objectives in nats: their values are the bound and the entropy, and the ends of a learned schedule get
the bound's gradient."""

import math

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import LevelDenoiser
from unnoise.core.likelihood import Bound
from unnoise.core.objective import Denoising, Elbo, InformationMSE, Integral, Variational
from unnoise.core.process import Gaussian, Langevin
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import VE, Cosine, Learned, LinearVP, Schedule
from unnoise.core.times import LogisticTimes, LogSNRTimes, Uniform

DOUBLE = torch.float64
LAM = torch.tensor([0.25, 1.0, 2.0], dtype=DOUBLE)
ENTROPY = 1.5 * math.log(2 * math.pi * math.e) + 0.5 * LAM.log().sum().item()  # 3.9102420


@pytest.fixture
def law() -> Mixture:
    return Mixture.gaussian(torch.zeros(3, dtype=DOUBLE), torch.diag(LAM))


def estimate(terms: Tensor) -> tuple[float, float]:
    """Mean and standard error (that of independent levels, more than enough for stratified ones)."""
    return terms.mean().item(), terms.std().item() / math.sqrt(len(terms))


def bound_of(first: float, last: float) -> float:
    """The bound of N(0, LAM) under its exact denoiser, prior N(0, I) and N(mean, 1 / snr) as decoder."""
    top, bottom = (torch.tensor(v, dtype=DOUBLE) for v in (first, last))
    path = 0.5 * torch.log((1 + top.exp() * LAM) / (1 + bottom.exp() * LAM)).sum()
    kl = 0.5 * (bottom.sigmoid() * (LAM - 1) - torch.log(torch.sigmoid(-bottom))).sum()
    error = top.exp() * LAM / (1 + top.exp() * LAM)  # snr x posterior variance
    decoder = 0.5 * (math.log(2 * math.pi) - top + error).sum()
    return (path + kl + decoder).item()


# --- the bound -----------------------------------------------------------------------------------


def test_variational_is_the_bound_of_a_gaussian_in_closed_form(law: Mixture) -> None:
    """Over VDM's window 3.9102595 = H + KL(p_1 || N), and over a narrow one with its gaps."""
    assert bound_of(13.3, -5.0) == pytest.approx(3.9102595, abs=1e-5)
    batch = Batch(law.sample(100_000, seeded(0)))
    for first, last in ((13.3, -5.0), (2.0, -1.0)):
        for schedule in (LinearVP(log_snr_max=first, log_snr_min=last), Learned(first, last)):
            terms = Variational().terms(Gaussian(schedule), law, batch, seeded(1))
            mean, error = estimate(terms)
            assert mean == pytest.approx(bound_of(first, last), abs=5 * error)


@pytest.mark.parametrize("process", [Gaussian(VE()), Langevin(Cosine())], ids=["VE", "Langevin"])
def test_variational_is_what_bound_reports(process: Gaussian | Langevin, law: Mixture) -> None:
    """Any process, item by item, within both standard errors."""
    from unnoise.core.process.langevin import Sufficient

    denoiser = Sufficient(process, law) if isinstance(process, Langevin) else law
    items = law.sample(4, seeded(0))
    reported = Bound(400)(process, denoiser, Batch(items), generator=seeded(1))
    many = Batch(items.repeat_interleave(1000, 0))
    terms = Variational(stratified=False).terms(process, denoiser, many, seeded(2)).reshape(4, -1)
    errors = (terms.var(1) / terms.shape[1] + reported.stderr.square()).sqrt()
    # Bound draws its end once, a standard deviation of snr |x - mean|^2 / 2 less its noise: small here
    assert ((terms.mean(1) + reported.nats).abs() < 5 * errors + 0.05).all()


def test_variational_decodes_quantised_data() -> None:
    """Levels 0 ... 4 with a belief over levels: -log P of the bound, lossless, within its error."""
    values = torch.linspace(-1, 1, 5, dtype=DOUBLE)
    p = torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1], dtype=DOUBLE)
    denoiser = LevelDenoiser(lambda x, *_: x.new_zeros(*x.shape, 0), 0, values, p.log()).double()
    process = Gaussian(Cosine(5.5, -9.0))
    index = torch.multinomial(p, 100_000, replacement=True, generator=seeded(0))
    batch = Batch(values[index][:, None])
    with torch.no_grad():
        mean, error = estimate(Variational(values).terms(process, denoiser, batch, seeded(1)))
    entropy = -(p * p.log()).sum().item()
    gap = 0.5 * math.exp(-9.0) ** 1 * (p @ values.square()).item()  # the prior's mismatch
    assert mean == pytest.approx(entropy, abs=5 * error + gap)
    Variational(values)(process, denoiser, batch.rows(slice(0, 64)), seeded(1)).backward()
    assert denoiser.bias.grad is not None
    assert denoiser.bias.grad.abs().sum() > 0


def test_the_ends_follow_the_gradient_of_the_bound(law: Mixture) -> None:
    """d bound / d s for ends m + h e^s0, m - h e^s1, against the closed form's finite difference."""
    first, last, step = 1.0, -0.5, 1e-5
    half = (first - last) / 2
    exact = [
        half * (bound_of(first + step, last) - bound_of(first - step, last)) / (2 * step),
        -half * (bound_of(first, last + step) - bound_of(first, last - step)) / (2 * step),
    ]
    schedule = Learned(first, last, pieces=4, learn_ends=True).double()
    with torch.no_grad():  # what lies between the ends must not matter
        schedule.logits.copy_(torch.tensor([0.5, -0.5, 0.2, -1.0]))
    assert schedule.shift is not None
    process, grads = Gaussian(schedule), []
    for k in range(40):
        batch = Batch(law.sample(5000, seeded(0, k)))
        loss = Variational()(process, law, batch, seeded(1, k))
        grads.append(torch.autograd.grad(loss, schedule.shift)[0])
    each = torch.stack(grads)
    errors = each.std(0) / math.sqrt(len(each))
    assert ((each.mean(0) - torch.tensor(exact, dtype=DOUBLE)).abs() < 5 * errors).all()
    assert (errors < 0.05 * torch.tensor(exact, dtype=DOUBLE).abs()).all()


def test_training_moves_the_ends_downhill_and_keeps_them_apart(law: Mixture) -> None:
    """A density wants ever less noise at the data's end; the other end goes where p_1 is N(0, I) enough."""
    schedule = Learned(2.0, 0.0, pieces=4, learn_ends=True)
    process, optimizer = Gaussian(schedule), torch.optim.Adam(schedule.parameters(), 0.03)
    for k in range(100):
        optimizer.zero_grad()
        batch = Batch(law.sample(512, seeded(0, k)))
        Variational(times=Uniform())(process, law, batch, seeded(1, k)).backward()
        optimizer.step()
    assert schedule.log_snr_max > 4
    assert schedule.log_snr_min < -2
    assert bound_of(2.0, 0.0) > ENTROPY + 0.1  # where it started
    assert bound_of(schedule.log_snr_max, schedule.log_snr_min) < ENTROPY + 0.01
    ends = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=DOUBLE)).tolist()
    assert ends == pytest.approx([schedule.log_snr_max, schedule.log_snr_min], abs=1e-12)
    assert (schedule.log_snr(torch.linspace(0, 1, 99)).diff() < 0).all()


def test_a_fixed_schedule_costs_no_gradient(law: Mixture) -> None:
    batch = Batch(law.sample(8, seeded(0)))
    assert not Variational()(Gaussian(Cosine()), law, batch, seeded(0)).requires_grad


# --- I-MMSE --------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [LogSNRTimes(), LogisticTimes(scale=3.0)], ids=repr)
def test_information_mse_is_the_entropy(times: LogSNRTimes | LogisticTimes, law: Mixture) -> None:
    """d/2 log(2 pi e) + 1/2 int (error - d sigmoid) = H = 3.9102420 over a wide window."""
    process = Gaussian(Cosine(18.0, -10.0))
    batch = Batch(law.sample(200_000, seeded(0)))
    mean, error = estimate(InformationMSE(times).terms(process, law, batch, seeded(1)))
    assert error < 0.05
    assert mean == pytest.approx(ENTROPY, abs=5 * error + 3e-4)


def test_information_mse_over_a_window_in_closed_form(law: Mixture, schedule: Schedule) -> None:
    """The integral of sigmoid(l + log lam) - sigmoid(l) over the window, a difference of softplus."""
    first, last = 3.0, -2.0
    ends = torch.tensor([first, last], dtype=DOUBLE)[:, None]
    parts = torch.nn.functional.softplus(ends + LAM.log()) - torch.nn.functional.softplus(ends)
    exact = 1.5 * math.log(2 * math.pi * math.e) + 0.5 * (parts[0] - parts[1]).sum().item()
    process = Gaussian(schedule.between(first, last))
    batch = Batch(law.sample(20_000, seeded(0)))
    mean, error = estimate(InformationMSE().terms(process, law, batch, seeded(1)))
    assert mean == pytest.approx(exact, abs=5 * error)


def test_information_mse_has_the_gradient_of_denoising(m1: Mixture) -> None:
    """What is subtracted knows no network: d times the gradient of the loss weighted as the bound."""
    scale = torch.ones((), dtype=DOUBLE, requires_grad=True)

    class Scaled(torch.nn.Module):
        def forward(self, x_t: Tensor, level: object, batch: Batch) -> object:
            belief = m1(x_t, level, batch)  # type: ignore[arg-type]
            return type(belief)(scale * belief.mean)

    batch, process = Batch(m1.sample(64, seeded(0))), Gaussian(Cosine(4.0, -4.0))
    one, other = (
        torch.autograd.grad(o(process, Scaled(), batch, seeded(1)), scale)[0]  # type: ignore[arg-type]
        for o in (InformationMSE(), Denoising(Elbo(), LogSNRTimes()))
    )
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("objective", [Variational, InformationMSE])
def test_shares_are_checked(objective: type[Integral]) -> None:
    with pytest.raises(ValueError, match="condition_dropout"):
        objective(condition_dropout=1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize("shape", [(), (3,), (3, 1, 1)], ids=str)
def test_states_of_any_shape(shape: tuple[int, ...]) -> None:
    """A state's shape is only how its entries are written down."""
    d = int(torch.Size(shape).numel())
    standard = Mixture.gaussian(torch.zeros(d, dtype=DOUBLE), torch.eye(d, dtype=DOUBLE))
    x, process = normal(torch.empty(5, d, dtype=DOUBLE), seeded(0)), Gaussian(Cosine())
    for objective in (Variational(), InformationMSE()):
        flat, shaped = (
            objective.terms(process, standard, Batch(x.reshape(s)), seeded(1))
            for s in ((5, d), (5, *shape))
        )
        torch.testing.assert_close(shaped, flat)
