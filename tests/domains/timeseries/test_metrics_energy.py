"""The energy score: its definition, a closed form, and that it sees correlations."""

import math

import numpy as np
import pytest

from unnoise.domains.timeseries.metrics import crps_sum, energy_score, sample_crps


def test_the_score_is_its_quadratic_definition() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3, 4, 2)), rng.normal(size=(3, 4, 2))
    y[1, 2:] = np.nan
    scores = []
    for n in range(3):
        known = ~np.isnan(y[n])
        a, b = x[:, n, known], y[n, known]
        apart = np.linalg.norm(a[:, None] - a, axis=-1).sum() / (7 * 6)
        scores.append(np.linalg.norm(a - b, axis=-1).mean() - apart / 2)
    found = energy_score(x, y)
    assert found.value == pytest.approx(np.mean(scores), rel=1e-13)
    assert found.stderr == pytest.approx(np.std(scores, ddof=1) / math.sqrt(3), rel=1e-12)


def test_of_one_entry_it_is_the_crps() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(9, 20)), rng.normal(size=20)
    assert energy_score(x, y).value == pytest.approx(sample_crps(x, y).value, rel=1e-13)


def test_of_normal_pairs_it_is_the_closed_form() -> None:
    """|X| of two standard normals is Rayleigh, with mean sqrt(pi / 2)."""
    x = np.random.default_rng(2).standard_normal((5, 8000, 2))
    score = energy_score(x, np.zeros((8000, 2)))
    exact = math.sqrt(math.pi / 2) * (1 - math.sqrt(2) / 2)
    assert score.stderr is not None and score.stderr < 0.01
    assert abs(score.value - exact) < 4 * score.stderr


def test_it_does_not_change_when_space_is_turned() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 5, 4)), rng.normal(size=(5, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert energy_score(x @ turn, y @ turn).value == pytest.approx(energy_score(x, y).value)


def test_it_sees_correlations_that_the_sum_forgives() -> None:
    """Channels that are always opposite: the sum of their truth is 0, as that of samples with any
    other channel, as long as they are opposite."""
    rng = np.random.default_rng(4)
    z, w = rng.standard_normal((50, 300, 1)), rng.standard_normal((50, 300, 1))
    y = rng.standard_normal((300, 1)) * [1, -1, 1, -1]
    right, wrong = z * [1, -1, 1, -1], np.concatenate([z, -z, w, -w], -1)
    noise = rng.normal(size=(50, 300, 4)) * 0.01
    shift = np.array([1.0, 0, 0, 0])
    assert crps_sum(right + noise, y + shift).value == pytest.approx(
        crps_sum(wrong + noise, y + shift).value, rel=1e-9
    )
    assert energy_score(right, y).value < energy_score(wrong, y).value - 0.02


def test_windows_without_a_known_entry_are_none() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(6, 3, 2)), rng.normal(size=(3, 2))
    y[0] = np.nan
    assert energy_score(x, y) == energy_score(x[:, 1:], y[1:])


def test_it_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="at least two of each window for their distance, got 1"):
        energy_score(np.zeros((1, 2, 3)), np.zeros((2, 3)))
