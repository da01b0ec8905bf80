"""Coverage, PIT values and their error: exact under exchangeability, so ranks can be listed."""

import math

import numpy as np
import pytest

from unnoise.domains.timeseries.metrics import calibration_error, coverage, pit, width


def all_ranks(s: int) -> tuple[np.ndarray, np.ndarray]:
    """S + 1 windows of one entry, in which the truth has each rank among S samples once."""
    values = np.arange(s + 1.0)
    samples = np.stack([np.delete(values, rank) for rank in range(s + 1)], axis=1)
    return samples, values


@pytest.mark.parametrize(("s", "level"), [(3, 0.5), (19, 0.5), (19, 0.9), (99, 0.9), (39, 0.95)])
def test_intervals_hold_what_they_say_if_all_ranks_are_equally_likely(
    s: int, level: float
) -> None:
    score = coverage(*all_ranks(s), level)
    assert score.value == pytest.approx(level, rel=1e-12)
    assert score.stderr == pytest.approx(math.sqrt(level * (1 - level) / s), rel=1e-9)


def test_usual_quantiles_of_samples_are_too_narrow() -> None:
    """The figure of the module's docstring."""
    x = np.random.default_rng(0).random((20_000, 100))
    low, high = np.quantile(x, [0.05, 0.95], axis=1)
    assert np.mean(high - low) == pytest.approx(0.8822, abs=1e-3)
    ours = width(x.T, np.zeros(20_000), 0.9)
    assert ours.stderr is not None and abs(ours.value - 0.9) < 4 * ours.stderr


def test_the_width_is_that_between_order_statistics() -> None:
    x = np.array([5.0, 1.0, 2.0])[:, None]
    assert width(x, [0.0], 0.5).value == 4.0
    assert width(3 * x + 7, [0.0], 0.5).value == 12.0


def test_pit_values_are_uniform_of_a_law_with_ties() -> None:
    from scipy.stats import kstest

    draws = np.random.default_rng(0).poisson(1.5, (6, 20_000)).astype(float)
    u = pit(draws[1:], draws[0], np.random.default_rng(1))
    assert kstest(u, "uniform").pvalue > 1e-4


def test_pit_values_are_between_those_of_the_ranks() -> None:
    x, y = all_ranks(4)
    u = pit(x, y, np.random.default_rng(0))
    assert (np.floor(u * 5) == np.arange(5)).all()


def test_the_error_of_forecasts_that_miss() -> None:
    rng = np.random.default_rng(0)
    x, y = np.zeros((9999, 100)), np.ones(100)
    assert calibration_error(x, y, rng).value == pytest.approx(0.5, abs=1e-12)
    y[::2] = -1
    assert calibration_error(x, y, rng).value == pytest.approx(90 / 20 / 19, abs=1e-12)


def test_the_error_of_a_right_law_is_that_of_chance() -> None:
    """sqrt(2 p (1 - p) / pi n) at each level, on average over the levels."""
    p = np.arange(1, 20) / 20
    expected = np.sqrt(2 * p * (1 - p) / math.pi / 50).mean()
    draws = np.random.default_rng(1).normal(size=(20, 50, 400))
    rng = np.random.default_rng(2)
    found = [calibration_error(draws[1:, :, n], draws[0, :, n], rng).value for n in range(400)]
    stderr = np.std(found) / 20
    assert abs(np.mean(found) - expected) < 4 * stderr
    assert expected * math.sqrt(50) == pytest.approx(0.33, abs=0.01)  # of the docstring


def test_they_do_not_see_an_increasing_map_nor_what_is_masked() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(19, 6, 5)), rng.normal(size=(6, 5))
    y[:, 0] = np.nan
    for score in (lambda a, b: coverage(a, b, 0.9), lambda a, b: coverage(a, b, 0.5)):
        assert score(np.exp(x), np.exp(y)) == score(x, y)
        assert score(x[..., 1:], y[..., 1:]) == score(x, y)
    values = [pit(f(x), f(y), np.random.default_rng(4)) for f in (np.exp, np.asarray)]
    assert values[0].tolist() == values[1].tolist() and len(values[0]) == 24


def test_they_say_what_does_not_fit() -> None:
    x, y = np.zeros((18, 2)), np.zeros(2)
    with pytest.raises(ValueError, match="an interval of level 0.9 needs 19, got 18"):
        coverage(x, y, 0.9)
    with pytest.raises(ValueError, match="level: needs to be between 0 and 1, got 90"):
        width(x, y, 90)
