"""CRPS and errors of points: closed forms, the quadratic definition, GluonTS' own evaluator."""

import math
import tracemalloc
import warnings
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from unnoise.domains.timeseries.metrics import (
    LEVELS,
    crps,
    crps_sum,
    entries,
    jackknife,
    mae,
    nd,
    nrmse,
    ratio,
    rmse,
    sample_crps,
)

Floats = NDArray[np.float64]


def forecasts(seed: int, s: int = 30, shape: tuple[int, ...] = (4, 6, 3)) -> tuple[Floats, Floats]:
    """Samples (S, *shape) and a truth with gaps."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(1, 2, shape)
    truth[rng.random(shape) < 0.2] = np.nan
    return rng.normal(size=(s, *shape)) + 0.5, truth


# --- the score of samples ------------------------------------------------------------------------


def test_the_score_of_samples_is_its_quadratic_definition() -> None:
    x, y = forecasts(0)
    known = ~np.isnan(y)
    x, y = x[:, known], y[known]
    s = len(x)
    near = np.abs(x - y).mean(0)
    apart = np.abs(x[:, None] - x).sum((0, 1)) / (s * (s - 1))
    assert sample_crps(x, y).value == pytest.approx(np.mean(near - apart / 2), rel=1e-13)


def test_the_score_of_samples_is_unbiased() -> None:
    """Its mean over all samples of a law on three points is the integral of (F - 1)^2."""
    points, p, y = np.array([0.0, 1.0, 4.0]), np.array([0.5, 0.2, 0.3]), 3.0
    exact = 0.5**2 * 1 + 0.7**2 * 2 + (0.7 - 1) ** 2 * 1
    mean = sum(
        p[list(i)].prod() * sample_crps(points[list(i)][:, None], [y]).value
        for i in product(range(3), repeat=3)
    )
    assert mean == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("y", [0.0, 1.3])
def test_the_score_of_a_normal_law_is_its_closed_form(y: float) -> None:
    x = np.random.default_rng(1).standard_normal((5, 20_000))
    score = sample_crps(x, np.full(20_000, y))
    phi = math.exp(-y * y / 2) / math.sqrt(2 * math.pi)
    exact = y * math.erf(y / math.sqrt(2)) + 2 * phi - 1 / math.sqrt(math.pi)
    assert score.stderr is not None and score.stderr < 0.01
    assert abs(score.value - exact) < 4 * score.stderr


# --- the published score -------------------------------------------------------------------------


def test_the_published_score_of_a_point_is_nd() -> None:
    x, y = forecasts(2)
    point = np.repeat(x[:1], 3, 0)
    assert crps(point, y).value == pytest.approx(nd(point, y).value, rel=1e-14)
    assert crps(point, y).stderr == pytest.approx(nd(point, y).stderr, rel=1e-12)


def test_the_published_score_is_twice_the_pinball_loss() -> None:
    x, y = forecasts(3)
    known = ~np.isnan(y)
    q = np.quantile(x[:, known], LEVELS, axis=0)
    loss = np.maximum(LEVELS[:, None] * (y[known] - q), (LEVELS[:, None] - 1) * (y[known] - q))
    exact = 2 * loss.mean(0).sum() / np.abs(y[known]).sum()
    assert crps(x, y).value == pytest.approx(exact, rel=1e-13)


def gluonts(x: Floats, y: Floats) -> dict[str, float]:
    """GluonTS' own figures of N windows of several channels."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gluonts.evaluation import MultivariateEvaluator
        from gluonts.model.forecast import SampleForecast

        _, n, t, c = x.shape
        start = pd.Period("2020-01-01", "D")
        index = pd.period_range(start - 1, periods=t + 1, freq="D")
        true = (pd.DataFrame(np.concatenate([np.ones((1, c)), window]), index) for window in y)
        made = (SampleForecast(x[:, k], start) for k in range(n))
        evaluator = MultivariateEvaluator(LEVELS, target_agg_funcs={"sum": np.sum}, num_workers=0)
        figures: dict[str, float] = evaluator(true, made)[0]
    return figures


def test_scores_are_those_of_gluonts() -> None:
    x, y = forecasts(5, s=41)
    y = np.nan_to_num(y, nan=-1.5)
    theirs = gluonts(x, y)
    for name, score in {
        "mean_wQuantileLoss": crps(x, y, quantile="nearest"),
        "m_sum_mean_wQuantileLoss": crps_sum(x, y, quantile="nearest"),
        "ND": nd(x, y),
        "RMSE": rmse(x, y),
        "NRMSE": nrmse(x, y),
    }.items():
        assert score.value == pytest.approx(theirs[name], rel=1e-6), name  # theirs are float32


def test_scores_of_series_with_gaps_are_those_of_gluonts() -> None:
    x, y = forecasts(4, s=40)
    theirs = gluonts(x, y)["mean_wQuantileLoss"]
    assert crps(x, y, quantile="nearest").value == pytest.approx(theirs, rel=1e-6)


def test_the_sum_is_scored_where_all_channels_are_known() -> None:
    x, y = forecasts(10)
    known = ~np.isnan(y).any(-1)
    exact = crps(x.sum(-1)[:, known], y.sum(-1)[known]).value
    assert crps_sum(x, y).value == pytest.approx(exact, rel=1e-13)
    assert crps_sum(x, np.nan_to_num(y), ~np.isnan(y)) == crps_sum(x, y)


def test_what_is_missing_or_masked_is_not_scored() -> None:
    x, y = forecasts(6)
    known = ~np.isnan(y)
    x[:, ~known] = np.nan  # never looked at
    masked = crps(x, np.nan_to_num(y), known)
    assert masked == crps(x, y)
    assert mae(x, y, known) == mae(x, y)
    channel = crps(x[..., :1], y[..., :1])
    assert crps(x, y, np.broadcast_to([True, False, False], y.shape)) == channel


def test_scores_have_the_scale_they_say() -> None:
    x, y = forecasts(7)
    for score, power in ((crps, 0), (nd, 0), (nrmse, 0), (mae, 1), (rmse, 1), (sample_crps, 1)):
        assert score(4 * x, 4 * y).value == 4**power * score(x, y).value, score


def test_errors_of_points() -> None:
    x = np.array([[[0.0, 3.0]], [[1.0, 3.0]], [[5.0, 3.0]]])  # medians 1, 3; means 2, 3
    y = np.array([[2.0, 6.0]])
    assert mae(x, y).value == 2.0
    assert rmse(x, y).value == math.sqrt(4.5)
    assert nd(x, y).value == 0.5
    assert nrmse(x, y).value == math.sqrt(4.5) / 4


# --- standard errors -----------------------------------------------------------------------------


def test_the_standard_error_of_a_mean_is_the_usual_one() -> None:
    values = np.random.default_rng(0).normal(size=50)
    sums = np.stack([values, np.ones(50)], 1)
    score = jackknife(ratio, sums)
    assert score.stderr == pytest.approx(values.std(ddof=1) / math.sqrt(50), rel=1e-12)
    assert jackknife(ratio, sums[:1]).stderr is None


def test_standard_errors_are_the_spread_of_repetitions() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 400, 30)), rng.gamma(2, size=(400, 30))
    for score in (crps, nrmse, sample_crps):
        scores = [score(x[:, n], y[n]) for n in range(400)]
        spread = np.std([s.value for s in scores], ddof=1)
        claimed = math.sqrt(np.mean([s.stderr**2 for s in scores if s.stderr is not None]))
        assert claimed == pytest.approx(spread, rel=0.15), score  # its own error is 4 %


def test_a_window_that_has_nothing_is_none() -> None:
    x, y = forecasts(8)
    y[2] = np.nan
    keep = [0, 1, 3]
    assert crps(x, y) == crps(x[:, keep], y[keep])


# --- memory and errors ---------------------------------------------------------------------------


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = forecasts(9)
    whole = [score(x, y) for score in (crps, sample_crps, rmse)]
    monkeypatch.setattr("unnoise.domains.timeseries.metrics.entries._CHUNK", 70)
    assert len(list(entries.Entries.of(x, y).chunks())) > 20
    assert [score(x, y) for score in (crps, sample_crps, rmse)] == whole


def test_samples_are_never_copied_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unnoise.domains.timeseries.metrics.entries._CHUNK", 1 << 15)
    x = np.random.default_rng(0).standard_normal((100, 8, 1000, 2), dtype=np.float32)
    y = np.ones((8, 1000, 2))
    tracemalloc.start()
    crps(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 2


def test_scores_say_what_does_not_fit() -> None:
    x, y = np.zeros((5, 2, 3)), np.ones((2, 3))
    with pytest.raises(
        ValueError, match=r"\(S, N, ...\) with S > 0 and \(N, ...\), got \(5, 2, 3\) and \(3, 2\)"
    ):
        crps(x, y.T)
    with pytest.raises(ValueError, match="no entry is both known and in the mask"):
        crps(x, y, np.zeros((2, 3), bool))
    with pytest.raises(ValueError, match="mask: needs booleans of the truth's shape"):
        crps(x, y, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"truth: entry \(1, 0\) is infinite"):
        crps(x, [[1, 1, 1], [math.inf, 1, 1]])
    with pytest.raises(ValueError, match=r"samples: of entry \(1, 2\) one is NaN or infinite"):
        crps(np.where(np.arange(6).reshape(2, 3) == 5, np.nan, x), y)
    for score in (crps, nd, nrmse):
        with pytest.raises(ValueError, match="truth: is 0 wherever it is scored"):
            score(x, 0 * y)
    with pytest.raises(ValueError, match="at least two of each entry for their distance, got 1"):
        sample_crps(x[:1], y)
    with pytest.raises(ValueError, match=r"channels as its last axis, \(N, ..., C\), got \(3,\)"):
        crps_sum(x[:, 0], y[0])
