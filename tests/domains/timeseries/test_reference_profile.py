"""The seasonal profile against functions that lie in its span, and against numpy's ridge."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.timeseries.reference import Profile, fit_profile
from unnoise.domains.timeseries.reference.profile import Normal, features, waves

DOUBLE = torch.float64
EXACT = 1e-13  # a ridge that moves nothing


def hours(rows: int = 40, steps: int = 50) -> Tensor:
    return 1000 * torch.rand(rows, steps, generator=seeded(0), dtype=DOUBLE).sort(1).values


def levels(t: Tensor) -> Tensor:
    """A day's shape, and one that differs between the days of a week."""
    day, week = 2 * math.pi * t / 24, 2 * math.pi * t / 168
    return torch.stack([3 + day.cos() - 2 * (5 * day).sin(), day.sin() * (2 * week).cos()], -1)


def test_waves_of_a_day_and_of_a_week_are_found() -> None:
    t = hours()
    mask = torch.rand(*t.shape, 2, generator=seeded(1)) < 0.5
    values = torch.where(mask, levels(t), math.nan)
    profile = fit_profile(values, mask, t, [24.0, 168.0], ridge=EXACT)
    new = 5000 + hours()
    torch.testing.assert_close(profile(new), levels(new), atol=1e-9, rtol=0.0)


def test_a_common_multiple_of_the_periods_is_no_shift() -> None:
    t, mask = hours(), torch.ones(40, 50, 2, dtype=torch.bool)
    values = levels(t) + torch.randn(40, 50, 2, generator=seeded(2), dtype=DOUBLE)
    profile = fit_profile(values, mask, t, [24.0, 168.0], ridge=0.01)
    moved = fit_profile(values, mask, t + 1680, [24.0, 168.0], ridge=0.01)
    torch.testing.assert_close(profile(t), moved(t), atol=1e-10, rtol=0.0)


def test_coefficients_are_those_of_ridge_regression() -> None:
    t, ridge = hours(3, 20), 0.1
    mask = torch.rand(3, 20, 2, generator=seeded(3)) < 0.6
    values = torch.randn(3, 20, 2, generator=seeded(4), dtype=DOUBLE)
    profile = fit_profile(values, mask, t, [24.0], ridge=ridge)
    phi = features(t, profile.frequencies).flatten(0, 1).numpy()
    for c in range(2):
        known = mask[..., c].flatten().numpy()
        rows, y = phi[known], values[..., c].flatten().numpy()[known]
        free = np.r_[0.0, np.ones(phi.shape[1] - 1)]
        beta = np.linalg.solve(rows.T @ rows + ridge * known.sum() * np.diag(free), rows.T @ y)
        np.testing.assert_allclose(profile.beta[:, c], beta, atol=1e-12)


def test_a_pattern_that_is_there_is_kept_and_one_that_is_not_is_left_out() -> None:
    """A wave in noise of its size, of which a free fit has an error of 1/n a feature; and a drift,
    which 20 weeks show as weekly patterns."""
    t = torch.arange(20 * 168.0, dtype=DOUBLE)[None]
    mask = torch.ones(1, t.shape[1], 1, dtype=torch.bool)
    noise = torch.randn(1, t.shape[1], 1, generator=seeded(7), dtype=DOUBLE)
    wave = (2 * math.pi * t / 24).cos()[..., None]
    profile = fit_profile(wave + noise, mask, t, [24.0, 168.0])
    assert (profile(t) - wave).square().mean() < 1.5 * len(profile.beta) / t.numel()

    drift = noise.cumsum(1)
    free = fit_profile(drift, mask, t, [168.0], ridge=1e-3)(t)
    kept = fit_profile(drift, mask, t, [168.0])(t)
    assert kept.var() < 0.1 * free.var()


def test_what_is_left_of_normal_equations_is_that_of_the_rest() -> None:
    t = hours(4, 10).flatten()
    values = torch.randn(40, 2, generator=seeded(8), dtype=DOUBLE)
    mask = torch.rand(40, 2, generator=seeded(9)) < 0.7
    omega = waves([24.0], 1.0)
    whole = Normal.of(values, mask, t, omega)
    rest = whole.less(Normal.of(values[:15], mask[:15], t[:15], omega))
    for a, b in zip(
        rest.parts(), Normal.of(values[15:], mask[15:], t[15:], omega).parts(), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0.0)


def test_the_loss_is_that_of_squared_errors() -> None:
    t = hours(4, 10).flatten()
    values = torch.randn(40, 2, generator=seeded(8), dtype=DOUBLE)
    mask, omega = torch.rand(40, 2, generator=seeded(9)) < 0.7, waves([24.0], 1.0)
    normal = Normal.of(values, mask, t, omega)
    beta = torch.randn(2, 1 + 2 * len(omega), generator=seeded(10), dtype=DOUBLE)
    squares = (values - features(t, omega) @ beta.T).square() - values.square()
    assert normal.loss(beta) == pytest.approx((squares * mask).sum().item(), rel=1e-12)


def test_without_periods_it_is_the_mean() -> None:
    t, mask = hours(), torch.rand(40, 50, 2, generator=seeded(5)) < 0.5
    values = levels(t)
    profile = fit_profile(values, mask, t, [])
    mean = (values * mask).sum((0, 1)) / mask.sum((0, 1))
    torch.testing.assert_close(profile(t[:2]), mean.expand(2, 50, 2), atol=1e-12, rtol=0.0)


def test_no_profile_is_zero() -> None:
    assert (Profile.none(3)(hours()) == torch.zeros(40, 50, 3)).all()


def test_no_wave_is_faster_than_two_gaps_or_there_twice() -> None:
    assert waves([7.0], 1.0).tolist() == pytest.approx([1 / 7, 2 / 7, 3 / 7])
    assert waves([4.0], 1.0).tolist() == pytest.approx([1 / 4, 1 / 2])
    week = (168 * waves([24.0, 168.0], 1.0)).tolist()
    day = {7 * h for h in range(1, 7)}
    both = {7 * h + k for h in range(1, 4) for k in range(-3, 4)}
    assert week == pytest.approx(sorted({1, 2, 3, 4, 5, 6} | day | both))


def test_every_hour_of_a_regular_day_has_its_own_level() -> None:
    """Twelve months, six harmonics: the means of the months."""
    t = torch.arange(60.0, dtype=DOUBLE)[None]
    values = torch.randn(1, 60, 1, generator=seeded(6), dtype=DOUBLE)
    profile = fit_profile(values, torch.ones(1, 60, 1, dtype=torch.bool), t, [12.0], ridge=EXACT)
    means = values.reshape(5, 12).mean(0)
    torch.testing.assert_close(profile(t[0, :12])[:, 0], means, atol=1e-9, rtol=0.0)


@pytest.mark.parametrize("period", [0.0, -24.0, math.inf])
def test_a_period_that_is_none(period: float) -> None:
    t = hours()
    with pytest.raises(ValueError, match="a period must be positive and finite"):
        fit_profile(levels(t), torch.ones(40, 50, 2, dtype=torch.bool), t, [period])


def test_a_channel_without_values() -> None:
    t, mask = hours(), torch.ones(40, 50, 2, dtype=torch.bool)
    mask[..., 1] = False
    with pytest.raises(ValueError, match="channel 1 has no known value"):
        fit_profile(levels(t), mask, t, [24.0])


def test_coefficients_of_another_number() -> None:
    with pytest.raises(ValueError, match=r"2 frequencies need beta \(5, C\)"):
        Profile(torch.tensor([0.1, 0.2]), torch.zeros(4, 1))
