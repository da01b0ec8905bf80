"""MMD, the classifier and their floor: closed forms, enumeration, and the best accuracy."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from unnoise.domains.task import Score
from unnoise.domains.timeseries.metrics import (
    discriminate,
    median_distance,
    mmd,
    mmd_null,
    real_against_real,
    window_features,
)

Floats = NDArray[np.float64]


def kernel(a: Floats, b: Floats, h: float) -> float:
    return math.exp(-float(((a - b) ** 2).sum()) / (2 * h * h))


# --- MMD -----------------------------------------------------------------------------------------


def test_mmd_is_the_u_statistic_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3, 2)), rng.normal(size=(4, 3, 2))
    xx = [kernel(x[i], x[j], 1.7) for i, j in product(range(6), repeat=2) if i != j]
    yy = [kernel(y[i], y[j], 1.7) for i, j in product(range(4), repeat=2) if i != j]
    xy = [kernel(a, b, 1.7) for a in x for b in y]
    exact = np.mean(xx) + np.mean(yy) - 2 * np.mean(xy)
    assert mmd(x, y, 1.7).value == pytest.approx(exact, rel=1e-12)
    assert mmd(y, x, 1.7).value == pytest.approx(exact, rel=1e-12)


def test_mmd_of_normal_laws_is_the_closed_form() -> None:
    """E k of two normals that are m apart is (h^2 / (h^2 + 2))^(d / 2) exp(-m^2 / 2 (h^2 + 2))."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(1000, 3, 1)), rng.normal(size=(1500, 3, 1)) + 0.5
    score = mmd(x, y, 2.0)
    exact = 2 * (4 / 6) ** 1.5 * (1 - math.exp(-0.75 / 12))
    assert score.stderr is not None and score.stderr < exact / 10
    assert abs(score.value - exact) < 4 * score.stderr


def test_the_standard_error_is_the_spread_of_repetitions() -> None:
    rng = np.random.default_rng(2)
    scores = [mmd(rng.normal(size=(60, 2)), rng.normal(size=(90, 2)) + 1, 1.5) for _ in range(300)]
    spread = np.std([s.value for s in scores], ddof=1)
    claimed = np.mean([s.stderr for s in scores if s.stderr is not None])
    assert claimed == pytest.approx(spread, rel=0.15)


def test_the_width_is_the_median_distance_of_all() -> None:
    x, y = np.array([[0.0], [1.0]]), np.array([[3.0], [7.0]])  # 1 3 7 2 6 4
    assert median_distance(x, y) == 3.5
    assert mmd(x, y) == mmd(x, y, 3.5)
    assert mmd(8 * x, 8 * y) == mmd(x, y)


def test_the_null_has_the_values_of_all_exchanges() -> None:
    z = np.array([[0.0], [1.0], [3.0], [7.0], [8.0]])
    pairs = list(combinations(range(5), 2))
    values = [mmd(z[list(i)], np.delete(z, list(i), 0), 2.0).value for i in pairs]
    found = mmd_null(z[:2], z[2:], np.random.default_rng(0), 2000, 2.0)
    nearest = np.abs(found[:, None] - values)
    assert nearest.min(1).max() < 1e-14
    counts = np.bincount(nearest.argmin(1), minlength=10)
    assert np.abs(counts - 200).max() < 4.5 * math.sqrt(200 * 0.9)
    assert np.mean(values) == pytest.approx(0, abs=1e-15)  # exchanged sets have equal laws


def test_mmd_says_what_does_not_fit() -> None:
    x = np.zeros((3, 4, 1))
    with pytest.raises(
        ValueError, match=r"two windows of one shape each, got \(3, 4, 1\) and \(3, 2, 1\)"
    ):
        mmd(x, x[:, :2])
    with pytest.raises(
        ValueError, match="y: window 1 holds NaN or infinite values; fill its gaps"
    ):
        mmd(x, np.where(np.arange(3)[:, None, None] == 1, np.nan, x))
    with pytest.raises(ValueError, match="more than half of the distances are 0; give a width"):
        mmd(x, x)
    with pytest.raises(ValueError, match="width: needs to be positive, got 0"):
        mmd(x, x, 0)


# --- the classifier ------------------------------------------------------------------------------


def test_equal_laws_cannot_be_told() -> None:
    x = np.random.default_rng(0).normal(size=(900, 8, 2)).cumsum(1)
    found = discriminate(x[:400], x[400:], np.random.default_rng(1))
    assert found.accuracy.stderr is not None
    assert found.accuracy.stderr == pytest.approx(
        math.sqrt(0.25 * (1 / 400 + 1 / 500)) / 2, rel=0.05
    )
    assert abs(found.accuracy.value - 0.5) < 4 * found.accuracy.stderr
    assert found.log_loss.value > math.log(2) - 4 * (found.log_loss.stderr or 0)


def test_shifted_normals_are_told_as_well_as_can_be() -> None:
    """The best accuracy is Phi(m / 2): .841 for m = 2, of sets of unequal sizes, too."""
    rng = np.random.default_rng(2)
    real, made = rng.normal(size=(1000, 1, 1)), rng.normal(size=(500, 1, 1)) + 2
    found = discriminate(real, made, rng)
    best = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
    assert found.accuracy.stderr is not None and found.accuracy.stderr < 0.012
    assert best - 0.04 < found.accuracy.value < best + 4 * found.accuracy.stderr


def test_it_sees_correlations_in_time_and_between_channels() -> None:
    """Marginals are equal: only second moments tell."""
    rng = np.random.default_rng(3)
    z = rng.standard_normal((500, 8, 2))
    smooth = np.concatenate([z[:, :1], z[:, :-1] * 0.8 + z[:, 1:] * 0.6], 1)
    joint = np.stack([z[..., 0], z[..., 0] * 0.8 + z[..., 1] * 0.6], -1)
    plain = rng.standard_normal((500, 8, 2))
    for made in (smooth, joint):
        assert discriminate(plain, made, np.random.default_rng(4), 3).accuracy.value > 0.8


def test_it_is_the_same_with_the_same_generator() -> None:
    x = np.random.default_rng(5).normal(size=(80, 3, 1))
    first, second = (discriminate(x[:40], x[40:], np.random.default_rng(6)) for _ in range(2))
    assert first == second


def test_the_classifier_says_what_does_not_fit() -> None:
    x = np.zeros((4, 3, 1))
    with pytest.raises(ValueError, match="folds: need 2 to 4, the windows of a set, got 5"):
        discriminate(x, x, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"windows: need \(N, T, C\), got \(4, 3\)"):
        window_features(x[..., 0])


# --- floors --------------------------------------------------------------------------------------


def test_a_floor_takes_each_window_once() -> None:
    def note(x: Floats, y: Floats) -> Score:
        assert sorted([*x.ravel(), *y.ravel()]) == list(range(10))
        return Score(float(len(y)))

    assert real_against_real(note, np.arange(10.0)[:, None], 3, np.random.default_rng(0)) == (
        Score(3.0, 0.0)
    )


def test_the_floor_of_an_unbiased_statistic_is_zero() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4, 1))
    score = real_against_real(lambda a, b: mmd(a, b, 2.0), x, 100, rng, 50)
    assert score.stderr is not None and abs(score.value) < 4 * score.stderr


def test_a_floor_says_what_does_not_fit() -> None:
    x, rng = np.zeros((5, 1)), np.random.default_rng(0)
    with pytest.raises(ValueError, match="made: needs 2 to 3 of 5 windows, got 4"):
        real_against_real(mmd, x, 4, rng)
    with pytest.raises(ValueError, match="rounds: need at least 1, got 0"):
        real_against_real(mmd, x, 2, rng, 0)
