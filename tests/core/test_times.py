"""Times that are named by what is uniform along them: their densities in closed form, and that they
integrate the same function."""

import math

import pytest
import torch
from scipy.special import erf, erfinv
from torch import Tensor

from unnoise.core.random import normal, seeded
from unnoise.core.schedule import Cosine, Learned, LinearLogSNR, LinearVP, Schedule
from unnoise.core.times import (
    Along,
    LogisticTimes,
    LogSNRTimes,
    LogVarianceTimes,
    SignalTimes,
    Times,
    Uniform,
)

DOUBLE = torch.float64
U = torch.linspace(0, 1, 1001, dtype=DOUBLE)


def bent(pieces: int = 8) -> Learned:
    """A learned schedule that has learned something."""
    schedule = Learned(pieces=pieces)
    with torch.no_grad():
        schedule.logits.copy_(normal(torch.empty(pieces), seeded(0)))
    return schedule


ALL = {
    "log variance": LogVarianceTimes(),
    "signal": SignalTimes(),
    "signal in 7 cells": SignalTimes(7),
    "along cosine": Along(Cosine()),
    "along learned": Along(bent()),
}


@pytest.fixture(params=ALL.values(), ids=ALL.keys())
def times(request: pytest.FixtureRequest) -> Times:
    made: Times = request.param
    return made


def variance(schedule: Schedule, t: Tensor) -> Tensor:
    return torch.sigmoid(-schedule.log_snr(t))


def test_the_log_variance_is_uniform(schedule: Schedule) -> None:
    """log sigma^2 is linear in the quantile (LSGM's ll_iw): var = var_1^u var_0^(1 - u)."""
    t, weight = LogVarianceTimes().draw(U, schedule)
    log_variance = variance(schedule, t).log()
    expected = torch.lerp(log_variance[0], log_variance[-1], U)
    torch.testing.assert_close(log_variance, expected, rtol=1e-8, atol=1e-10)
    # LSGM's weight (log var_1 - log var_0) / (1 - var), over what it weighs: beta = speed var
    signal, speed = torch.sigmoid(schedule.log_snr(t)), schedule.speed(t)
    torch.testing.assert_close(weight, (log_variance[-1] - log_variance[0]) / (signal * speed))


def test_the_logistic_of_scale_one_has_uniform_variance(schedule: Schedule) -> None:
    """sigma^2 = sigmoid(-log-SNR) is its distribution function (LSGM's drop_sigma2t_iw)."""
    t, weight = LogisticTimes(loc=0.0, scale=1.0).draw(U, schedule)
    drawn = variance(schedule, t)
    torch.testing.assert_close(drawn, torch.lerp(drawn[0], drawn[-1], U), rtol=1e-7, atol=1e-10)
    slope = drawn * (1 - drawn) * schedule.speed(t)
    inside = slice(1, -1)
    expected = ((drawn[-1] - drawn[0]) / slope)[inside]
    torch.testing.assert_close(torch.as_tensor(weight)[inside], expected, rtol=1e-6, atol=0)


def test_the_signal_density_tends_to_the_error_function(paper: LinearVP) -> None:
    """LSGM's drop_all_iw: density ~ exp(-B(t)) on [0, 1], whose quantiles are those of a normal.

    With d = (b1 - b0) / 2 and f = b0 / (b1 - b0), B + b0 f / 2 = d (t + f)^2: the constant of the
    weight has exp(b0 f / 2); published code has exp(f / 2).
    """
    d, f = (20 - 0.1) / 2, 0.1 / (20 - 0.1)
    low, high = erf(math.sqrt(d) * f), erf(math.sqrt(d) * (1 + f))
    u = U[1:-1].numpy()
    exact_t = torch.from_numpy(erfinv(low + (high - low) * u) / math.sqrt(d) - f)
    mass = math.exp(0.1 * f / 2) * math.sqrt(math.pi / (4 * d)) * (high - low)
    exact_weight = mass * torch.exp(0.1 * exact_t + 19.9 * exact_t**2 / 2)
    errors = []
    for cells in (512, 1024, 2048):
        t, weight = SignalTimes(cells).draw(U, paper)
        errors.append((t[1:-1] - exact_t)[u < 0.99].abs().max().item())
        # a density in steps of 1 / cells is off by half a step's change, d log / dt = beta
        beta = 0.1 + 19.9 * exact_t
        off = (torch.as_tensor(weight)[1:-1] / exact_weight).log().abs()
        assert (off[u < 0.99] <= 0.51 * beta[u < 0.99] / cells).all()
    assert errors[1] < 0.3 * errors[0]  # second order
    assert errors[2] < 0.3 * errors[1]


def test_along_linear_log_snr_the_log_snr_is_uniform(schedule: Schedule) -> None:
    for one, other in zip(
        Along(LinearLogSNR()).draw(U, schedule), LogSNRTimes().draw(U, schedule), strict=True
    ):
        torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other))


def test_along_a_schedule_itself_time_is_uniform(schedule: Schedule) -> None:
    t, weight = Along(schedule).draw(U, schedule)
    torch.testing.assert_close(t, U, rtol=0, atol=1e-9)
    torch.testing.assert_close(weight, torch.ones_like(U), rtol=1e-9, atol=0)


def test_a_learned_density_is_that_of_its_pieces() -> None:
    """The density of the log-SNR in piece k is w_k K / width."""
    times, schedule = Along(bent(8)), Cosine(10.0, -6.0)
    t, weight = times.draw(U, schedule)
    piece = ((10 - schedule.log_snr(t)) / 16 * 8).long().clamp(0, 7)
    density = torch.softmax(bent(8).logits.double(), 0)[piece] * 8 / 16
    torch.testing.assert_close(1 / weight, density * schedule.speed(t), rtol=1e-6, atol=0)


def test_one_over_density_is_the_slope_of_the_quantile(times: Times, schedule: Schedule) -> None:
    """E[h(t) / density] = int h(t(u)) t'(u) du = int h dt whatever h, if t runs from 0 to 1 and 1 / density is t'.

    A central difference; where it straddles the corner of a density in steps it lies between the two slopes.
    """
    u, h = torch.linspace(0.02, 0.98, 241, dtype=DOUBLE), 1e-6
    t, _ = times.draw(u, schedule)
    (left, one), (right, other) = (times.draw(u + e, schedule) for e in (-h, h))
    assert (t.diff() > 0).all()
    low, high = (
        torch.as_tensor(one).minimum(torch.as_tensor(other)),
        torch.as_tensor(one).maximum(torch.as_tensor(other)),
    )
    slope = (right - left) / (2 * h)
    assert (slope > low * (1 - 1e-4)).all()
    assert (slope < high * (1 + 1e-4)).all()
    ends, _ = times.draw(torch.tensor([0.0, 1.0], dtype=DOUBLE), schedule)
    torch.testing.assert_close(ends, torch.tensor([0.0, 1.0], dtype=DOUBLE), rtol=0, atol=1e-9)


def test_times_have_no_gradient_and_weights_only_that_of_the_density() -> None:
    u = U.float()
    process, own = bent(), bent()
    t, weight = Along(own).draw(u, process)
    assert not t.requires_grad
    weight.sum().backward()
    assert process.logits.grad is None
    assert own.logits.grad is not None
    t, weight = Uniform().draw(u, process)
    assert isinstance(weight, Tensor)
    assert torch.equal(weight, torch.ones_like(u))
    assert weight.requires_grad
    assert Uniform().draw(u, Cosine()) == (u, 1.0)
    for fixed in (LogVarianceTimes(), SignalTimes(), LogSNRTimes()):
        for made in fixed.draw(u, process):
            assert not torch.as_tensor(made).requires_grad


def test_a_learned_density_is_saved_with_its_module() -> None:
    assert list(Along(Learned()).state_dict()) == ["schedule.logits"]
    assert list(Along(Cosine()).state_dict()) == []
