"""Levels of speech: P.56 on signals whose activity is known, and by its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unnoise.domains.audio.levels import ActiveLevel, power

RATE = 8000


def decibels(x: Tensor) -> Tensor:
    return 10 * x.log10()


def gated(share: float, seconds: float = 8.0) -> Tensor:
    """White noise, on for that share of each four seconds."""
    n = int(RATE * seconds)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=n))
    return x * (torch.arange(n) / RATE % 4 < 4 * share)


def test_power() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert power(x).tolist() == [12.5, 0.0]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_pauses_do_not_count(share: float) -> None:
    """But for 200 ms after each stretch: the hangover, which 0.1 s of smoothing lengthens."""
    x = gated(share)
    active = ActiveLevel(RATE)(x)
    on = min(1.0, share + 0.2 / 4), min(1.0, share + 0.45 / 4)
    low, high = (10 * math.log10(share / other) for other in reversed(on))
    assert low - 0.02 < decibels(active) - decibels(power(x) / share) < high + 0.02


def test_a_factor_multiplies_it() -> None:
    """By powers of 2, on which the thresholds lie, to rounding; by others, as far as lines go."""
    x, level = gated(0.5), ActiveLevel(RATE)
    assert float(level(0.25 * x)) == pytest.approx(float(level(x)) / 16, rel=1e-12)
    assert decibels(level(3 * x)) - decibels(level(x)) == pytest.approx(
        20 * math.log10(3), abs=0.02
    )


def test_rows_apart_and_silence() -> None:
    level = ActiveLevel(RATE)
    x = torch.stack([gated(0.5), torch.zeros(8 * RATE, dtype=torch.float64), gated(1.0)])
    rows = torch.stack([level(row) for row in x])
    assert (level(x) == rows).all() and rows[1] == 0
    assert level(x.reshape(3, 1, -1)).shape == (3, 1)


def test_the_active_level_is_where_the_definition_says() -> None:
    """Activity at a threshold counted sample by sample; the margin at the level found is 15.9."""
    x = gated(0.25, 4.0).numpy() * np.linspace(0.5, 2, 4 * RATE)
    found = 10 * math.log10(float(ActiveLevel(RATE)(torch.from_numpy(x))))
    g, p, q, envelope = math.exp(-1 / (RATE * 0.03)), 0.0, 0.0, []
    for each in np.abs(x):
        p = g * p + (1 - g) * each
        q = g * q + (1 - g) * p
        envelope.append(q)
    levels, margins = [], []
    for k in range(-12, 1):
        last, active = -RATE, 0
        for i, each in enumerate(envelope):
            last = i if each >= 2.0**k else last
            active += i - last < 0.2 * RATE
        if active:
            levels.append(10 * math.log10(x @ x / active))
            margins.append(levels[-1] - 20 * k * math.log10(2))
    assert np.interp(15.9, margins[::-1], levels[::-1]) == pytest.approx(found, abs=1e-9)


def test_a_click_has_a_level() -> None:
    """Its energy, over the hangover alone."""
    x = torch.zeros(RATE, dtype=torch.float64)
    x[100] = 1
    found = ActiveLevel(RATE)(x)
    assert 1 / RATE < found <= 1 / 1600
