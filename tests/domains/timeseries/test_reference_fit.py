"""The fit of a reference: its steps against derivatives of the likelihood, its result against the
law that drew the data."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.timeseries.reference import Reference, fit_reference
from unnoise.domains.timeseries.reference.fit import (
    Windows,
    between,
    most_likely_covariances,
    most_likely_time,
)

DOUBLE = torch.float64


def model(*tau: float) -> Reference:
    S = torch.tensor([[1.0, 0.5, 0.1], [0.5, 0.8, -0.2], [0.1, -0.2, 0.5]], dtype=DOUBLE)
    scale = torch.arange(1, len(tau) + 1, dtype=DOUBLE)[:, None, None]
    return Reference(torch.tensor(tau), S / scale, torch.tensor([0.1, 0.05, 0.2], dtype=DOUBLE))


def drawn(law: Reference, rows: int, steps: int, share: float = 0.7) -> Windows:
    """Paths of a law at irregular times, the last two points of each other window padding."""
    g = seeded(1)
    times = (2 * torch.rand(rows, steps, generator=g, dtype=DOUBLE)).cumsum(1)
    nothing = torch.zeros(rows, steps, 3, dtype=torch.bool)
    values = law.joint(torch.zeros(rows, steps, 3, dtype=DOUBLE), nothing, times, 1, g)[0]
    given = torch.rand(values.shape, generator=g) < share
    given[::2, -2:] = False
    exists = given.any(2)
    return Windows(torch.where(given, values, 0.0), given, times, exists)


@pytest.mark.parametrize("tau", [(3.0,), (1.0, 9.0)])
def test_a_round_of_em_is_a_scaled_gradient(tau: tuple[float, ...]) -> None:
    """S <- S + 2/n S (dL/dS) S and R <- R + 2/n R^2 dL/dR (Jamshidian and Jennrich 1993): the
    filter's derivatives know nothing of the smoother."""
    law, windows = model(*tau), drawn(model(2.0), rows=5, steps=9)
    found = most_likely_covariances(law, windows)
    law.S.requires_grad_()
    law.R.requires_grad_()
    score = law.log_prob(windows.values, windows.given, windows.times, windows.exists).sum()
    dS, dR = torch.autograd.grad(score, [law.S, law.R])
    dS, S, R = (dS + dS.mT) / 2, law.S.detach(), law.R.detach()
    # a row has an innovation at its first point, existing or not, and one at each later one
    moves = (5 + windows.exists[:, 1:].sum() - (~windows.exists[:, 0]).sum()).double()
    torch.testing.assert_close(found.S, S + 2 / moves * S @ dS @ S, atol=1e-12, rtol=0.0)
    entries = windows.given.sum((0, 1)).double()
    torch.testing.assert_close(found.R, R + 2 / entries * R**2 * dR, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("tau", [(3.0,), (1.0, 9.0)])
def test_every_step_raises_the_likelihood(tau: tuple[float, ...]) -> None:
    law, windows = model(*tau), drawn(model(2.0), rows=20, steps=12)
    score = windows.log_prob(law)
    for _ in range(3):
        law = most_likely_covariances(law, windows)
        before, score = score, windows.log_prob(law)
        assert score > before
        for k in range(len(tau)):
            before = score
            law, score = most_likely_time(law, windows, k, before)
            assert windows.log_prob(law) == score >= before


def test_the_time_found_is_the_likelihoods_maximum() -> None:
    """A few steps from both sides end where the derivative in log tau is zero."""
    windows = drawn(model(2.0), rows=20, steps=12)
    found = []
    for law in (model(0.3), model(15.0)):
        for _ in range(8):
            law, _ = most_likely_time(law, windows, 0, windows.log_prob(law))
        log_tau = law.tau.log().requires_grad_()
        law.tau = log_tau.exp()
        score = law.log_prob(windows.values, windows.given, windows.times, windows.exists).sum()
        (slope,) = torch.autograd.grad(score / windows.given.sum(), log_tau)
        assert abs(slope.item()) < 1e-3
        found.append(law.tau.item())
    assert found[0] == pytest.approx(found[1], rel=0.01)


@pytest.mark.parametrize("stretch", [0.0, 0.5, 1.0, 2.0])
def test_stretched_steps_are_powers_of_their_ratio(stretch: float) -> None:
    """With covariances that commute, each direction is a geometric mean."""
    old, new = (
        Reference(torch.ones(1), torch.diag(torch.tensor(S))[None], torch.tensor(R))
        for S, R in (([1.0, 2.0], [0.5, 1.0]), ([4.0, 1.0], [0.25, 3.0]))
    )
    found = between(old, new, stretch)
    variances = torch.tensor([4.0**stretch, 2.0 * 0.5**stretch], dtype=DOUBLE)
    torch.testing.assert_close(found.S[0], torch.diag(variances), atol=1e-12, rtol=0.0)
    noise = torch.tensor([0.5 * 0.5**stretch, 3.0**stretch], dtype=DOUBLE)
    torch.testing.assert_close(found.R, noise, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("tau", [4.0, math.inf])
def test_the_law_that_drew_the_data_is_found(tau: float) -> None:
    truth = model(tau)
    windows = drawn(truth, rows=120, steps=24)
    start = [1.0 if math.isfinite(tau) else tau]
    found = fit_reference(windows.values, windows.given, windows.times, start, tolerance=1e-6)
    # the maximum is above the truth by half the number of its parameters (10), give or take 2.2
    gain = windows.log_prob(found) - windows.log_prob(truth)
    assert 0.5 < gain * windows.given.sum() < 12
    torch.testing.assert_close(found.tau, truth.tau, atol=0.0, rtol=0.15)
    torch.testing.assert_close(found.S, truth.S, atol=0.1, rtol=0.0)
    torch.testing.assert_close(found.R, truth.R, atol=0.05, rtol=0.0)


def test_a_channel_that_is_another_is_told_by_it() -> None:
    """A singular covariance, and a channel that doesn't move: the fit goes on to its end."""
    windows = drawn(model(4.0), rows=40, steps=12, share=1.0)
    values = windows.values.clone()
    values[..., 1] = values[..., 0]
    values[..., 2] = 0.0
    found = fit_reference(values, windows.given, windows.times, rounds=40, tolerance=-1.0)
    first = windows.given & (torch.arange(3) == 0)
    mean, std = found(values, first, windows.times, windows.exists)
    error = (mean - values)[windows.exists]
    assert error[:, 1].abs().max() < 0.05
    assert (std[windows.exists] > 0).all()
    assert error[:, 2].abs().max() < 0.01


def test_windows_of_one_grid_are_fitted_alike() -> None:
    """Rows that share their gains, and the same rows after one more that prevents it."""
    truth, g = model(4.0), seeded(2)
    times = torch.arange(10.0).expand(6, 10)
    zero = torch.zeros(6, 10, 3, dtype=DOUBLE)
    values = truth.joint(zero, zero.bool(), times, 1, g)[0]
    given = torch.ones(6, 10, 3, dtype=torch.bool)
    shared = Windows(values, given, times, given.any(2))
    # a seventh row without a thing known adds one expected prior to the mean over moves
    nothing = torch.zeros(1, 10, 3, dtype=torch.bool)
    apart = Windows(
        torch.cat([values, zero[:1]]),
        torch.cat([given, nothing]),
        torch.cat([times, times[:1]]),
        torch.cat([given, nothing]).any(2),
    )
    one, other = most_likely_covariances(truth, shared), most_likely_covariances(truth, apart)
    torch.testing.assert_close(one.R, other.R, atol=1e-13, rtol=0.0)
    expected = (60 * one.S + truth.S) / 61
    torch.testing.assert_close(other.S, expected, atol=1e-13, rtol=0.0)


def test_a_channel_without_values() -> None:
    mask = torch.ones(2, 5, 3, dtype=torch.bool)
    mask[..., 1] = False
    values: Tensor = torch.zeros(2, 5, 3)
    with pytest.raises(ValueError, match="channel 1 has no known value"):
        fit_reference(values, mask, torch.arange(5.0).expand(2, 5))


def test_a_channel_that_is_seldom_measured_is_found() -> None:
    """Among few windows none may have it; then more are taken."""
    values = torch.randn(64, 5, 2, dtype=torch.float64, generator=seeded(0))
    mask = torch.ones(64, 5, 2, dtype=torch.bool)
    mask[:, :, 1] = False
    mask[[3, 37], :, 1] = True
    times = torch.arange(5.0).double().expand(64, -1)
    made = fit_reference(values, mask, times, points=20, rounds=1)
    assert made.R.isfinite().all()
    with pytest.raises(ValueError, match="channel 1 has no known value"):
        fit_reference(values, mask & torch.tensor([True, False]), times, points=20)
