"""Baselines on series whose answers are plain."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from unnoise.domains.timeseries.baselines import (
    BootstrapWalk,
    Climatology,
    DeepAR,
    Forecasts,
    GaussianWalk,
    Imputes,
    LastObservation,
    LastValue,
    Linear,
    Mean,
    OtherChannels,
    SeasonalBootstrap,
    SeasonalNaive,
)

Floats = NDArray[np.float64]
FORGETFUL: list[Forecasts] = [  # of what is long ago
    LastValue(),
    SeasonalNaive(4),
    SeasonalBootstrap(4, 6),
    BootstrapWalk(5),
    GaussianWalk(5),
    Climatology(4, 3),
]
FORECASTS = [*FORGETFUL, SeasonalBootstrap(4), BootstrapWalk(), GaussianWalk()]
IMPUTES: list[Callable[[Floats], Imputes]] = [
    Mean.fit,
    LastObservation.fit,
    Linear.fit,
    OtherChannels.fit,
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def walk(n: int = 3, t: int = 30, c: int = 2) -> Floats:
    """Random walks in whole numbers, so that sums are exact."""
    return rng(1).integers(-9, 10, (n, t, c)).cumsum(1).astype(np.float64)


# --- forecasts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", FORECASTS, ids=repr)
def test_forecasts_continue_each_series_by_its_own_history(baseline: Forecasts) -> None:
    x = walk()
    drawn = baseline.forecast(x, 9, 5, rng())
    assert drawn.shape == (5, 3, 9, 2)
    assert (drawn == baseline.forecast(x, 9, 5, rng())).all()
    other = x.copy()
    other[1:] = 0
    assert baseline.forecast(other, 9, 5, rng())[:, 0] == pytest.approx(drawn[:, 0], abs=1e-12)


@pytest.mark.parametrize("baseline", FORGETFUL, ids=repr)
def test_forecasts_forget_what_is_before_their_steps(baseline: Forecasts) -> None:
    x = walk()
    longer = np.concatenate([x[:, :1] + 100, x], 1)
    same = baseline.forecast(longer, 9, 5, rng()) == baseline.forecast(x, 9, 5, rng())
    assert same.all()


@pytest.mark.parametrize("baseline", FORECASTS, ids=repr)
def test_a_constant_goes_on(baseline: Forecasts) -> None:
    x = np.broadcast_to([3.0, -1.0], (2, 16, 2))
    assert (baseline.forecast(x, 7, 3, rng()) == [3.0, -1.0]).all()


@pytest.mark.parametrize(
    "baseline", [SeasonalNaive(4), SeasonalBootstrap(4), Climatology(4, 3)], ids=repr
)
def test_a_season_goes_on(baseline: Forecasts) -> None:
    season = np.tile(walk(2, 4, 3), (1, 6, 1))
    assert (baseline.forecast(season[:, :13], 11, 3, rng()) == season[:, 13:]).all()


def test_a_line_goes_on() -> None:
    line = np.arange(30.0)[None, :, None] * [2, -1]
    assert (BootstrapWalk(8).forecast(line[:, :20], 10, 3, rng()) == line[:, 20:]).all()


def rows(x: Floats) -> set[tuple[float, ...]]:
    return set(map(tuple, x.reshape(-1, x.shape[-1]).tolist()))


def test_a_bootstrap_walk_takes_increments_of_all_channels_at_once() -> None:
    x = walk(1, 30, 3)
    path = BootstrapWalk(6).forecast(x, 12, 200, rng())
    steps = np.diff(np.concatenate([np.broadcast_to(x[:, -1:], (200, 1, 1, 3)), path], 2), axis=2)
    assert rows(steps) == rows(np.diff(x, axis=1)[:, -6:])


def test_a_gaussian_walk_has_the_covariance_of_the_increments() -> None:
    """Of their second moment S, the walk after h steps has h S; here of rank one."""
    d = np.array([[1.0, 2.0], [-1.0, -2.0], [3.0, 6.0]])
    x = np.concatenate([np.zeros((1, 2)), d.cumsum(0)])[None]
    path = GaussianWalk().forecast(x, 4, 20_000, rng())[:, 0] - x[0, -1]
    assert path[..., 1] == pytest.approx(2 * path[..., 0], abs=1e-12)
    second = (path[..., 0] ** 2).mean(0)
    assert second == pytest.approx(11 / 3 * np.arange(1, 5), rel=5 * np.sqrt(2 / 20_000))
    assert abs(path[:, 0, 0].mean()) < 4 * np.sqrt(11 / 3 / 20_000)


def test_a_seasonal_bootstrap_adds_one_error_a_period() -> None:
    x = walk(1, 14, 2)
    path = SeasonalBootstrap(4, 5).forecast(x, 8, 300, rng())
    errors = rows((x[:, 4:] - x[:, :-4])[:, -5:])
    assert rows(path[:, :, :4] - x[:, -4:]) == errors
    assert rows(path[:, :, 4:] - path[:, :, :4]) == errors


def test_climatology_takes_whole_periods() -> None:
    x = walk(1, 14, 2)
    path = Climatology(4, 3).forecast(x, 6, 100, rng())
    periods = x[0, 2:].reshape(3, 8)
    assert rows(path[:, :, :4].reshape(100, 8)) == rows(periods)
    assert rows(path[:, :, 4:].reshape(100, 4)) == rows(periods[:, :4])


@pytest.mark.parametrize(
    ("baseline", "least"),
    [
        (LastValue(), 1),
        (SeasonalNaive(4), 4),
        (SeasonalBootstrap(4), 5),
        (SeasonalBootstrap(4, 6), 10),
        (BootstrapWalk(7), 8),
        (GaussianWalk(), 2),
        (Climatology(4, 3), 12),
    ],
    ids=repr,
)
def test_forecasts_say_how_much_history_they_need(baseline: Forecasts, least: int) -> None:
    assert baseline.forecast(walk(1, least, 2), 3, 2, rng()).shape == (2, 1, 3, 2)
    with pytest.raises(ValueError, match=rf"history: needs \(N, T, C\) with T >= {least}, got"):
        baseline.forecast(walk(1, least, 2)[:, 1:], 3, 2, rng())


@pytest.mark.parametrize("baseline", FORECASTS, ids=repr)
def test_forecasts_say_what_does_not_fit(baseline: Forecasts) -> None:
    x = walk()
    with pytest.raises(ValueError, match="horizon: needs at least 1, got 0"):
        baseline.forecast(x, 0, 2, rng())
    with pytest.raises(ValueError, match="samples: needs at least 1, got 0"):
        baseline.forecast(x, 2, 0, rng())
    x[1, 5, 1] = np.nan
    with pytest.raises(ValueError, match="series 1, time 5, channel 1 is NaN or infinite; fill"):
        baseline.forecast(x, 2, 2, rng())


@pytest.mark.parametrize(
    ("make", "wrong", "name"),
    [
        (SeasonalNaive, (0,), "period"),
        (SeasonalBootstrap, (4, 0), "steps"),
        (BootstrapWalk, (0,), "steps"),
        (GaussianWalk, (-1,), "steps"),
        (Climatology, (4, 0), "cycles"),
    ],
)
def test_counts_are_positive(make: Callable[..., Any], wrong: tuple[int, ...], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: needs at least 1, got {wrong[-1]}"):
        make(*wrong)


# --- imputation ----------------------------------------------------------------------------------


def gappy() -> tuple[Floats, Floats]:
    """Windows (4, 12, 3) with gaps, one with nothing of a channel, at irregular times."""
    draw = rng(2)
    x = draw.normal(size=(4, 12, 3))
    x[draw.random(x.shape) < 0.5] = np.nan
    x[2, :, 1] = np.nan
    x[3] = np.nan
    return x, draw.gamma(1.0, size=(4, 12)).cumsum(1)


@pytest.mark.parametrize("fit", IMPUTES)
def test_what_is_given_stays_and_all_gaps_are_filled(fit: Callable[[Floats], Imputes]) -> None:
    x, t = gappy()
    filled = fit(x).impute(x, t, 3, rng())
    given = ~np.isnan(x)
    assert filled.shape == (3, 4, 12, 3) and np.isfinite(filled).all()
    assert (filled[:, given] == x[given]).all()
    assert (filled == filled[0]).all()
    assert filled[0, 3] == pytest.approx(np.nanmean(x, (0, 1)) * np.ones((12, 1)))


def test_the_last_observation_is_that_of_pandas() -> None:
    x, t = gappy()
    level = np.nanmean(x, (0, 1))
    filled = LastObservation(level).impute(x, t, 1, rng())[0]
    for one, window in zip(filled, x, strict=True):
        theirs = pd.DataFrame(window).ffill().bfill().fillna(pd.Series(level))
        assert (one == theirs.to_numpy()).all()


def test_lines_are_those_of_numpy_at_irregular_times() -> None:
    x, t = gappy()
    level = np.nanmean(x, (0, 1))
    filled = Linear(level).impute(x, t, 1, rng())[0]
    for n in range(4):
        for c in range(3):
            given = ~np.isnan(x[n, :, c])
            exact = np.interp(t[n], t[n, given], x[n, given, c]) if given.any() else level[c]
            assert filled[n, :, c] == pytest.approx(exact, rel=1e-12, abs=1e-14)


def test_lines_do_not_see_the_clock() -> None:
    x, t = gappy()
    one = Linear.fit(x)
    moved = one.impute(x, 4 * t, 1, rng())
    assert (moved == one.impute(x, t, 1, rng())).all()


def test_channels_on_one_line_tell_each_other() -> None:
    """Of channels that are the same up to unit and origin, any one tells the rest."""
    base = rng(3).normal(size=(2, 40, 1))
    truth = base * [1.0, -5.0, 0.1] + [7.0, 0.0, 100.0]
    baseline = OtherChannels(np.array([7.0, 0.0, 100.0]), np.array([1.0, -5.0, 0.1]))
    hidden = rng(4).integers(3, size=(2, 40, 1)) == np.arange(3)
    t = np.tile(np.arange(40.0), (2, 1))
    filled = baseline.impute(np.where(hidden, np.nan, truth), t, 1, rng())[0]
    assert filled == pytest.approx(truth, rel=1e-12)


def test_times_without_any_channel_are_on_the_line() -> None:
    x = np.array([[[1.0, 3.0], [np.nan, np.nan], [np.nan, 8.0]]])
    filled = OtherChannels(np.zeros(2), np.ones(2)).impute(
        x, np.array([[0.0, 1.0, 4.0]]), 1, rng()
    )
    assert filled[0, 0].tolist() == [[1.0, 3.0], [3.5, 3.5], [8.0, 8.0]]


def test_imputation_says_what_does_not_fit() -> None:
    x, t = gappy()
    mean = Mean.fit(x)
    with pytest.raises(ValueError, match=r"need \(N, T, 3\) and \(N, T\), got \(4, 12, 2\)"):
        mean.impute(x[..., :2], t, 1, rng())
    with pytest.raises(ValueError, match="samples: needs at least 1, got 0"):
        mean.impute(x, t, 0, rng())
    t[1, 4] = t[1, 3]
    with pytest.raises(ValueError, match="times: those of window 1 don't increase strictly"):
        mean.impute(x, t, 1, rng())
    with pytest.raises(ValueError, match="nothing of channel 1 is known; drop it"):
        Mean.fit(x[2])
    with pytest.raises(ValueError, match="channel 2 is constant and has no scale; drop it"):
        OtherChannels.fit(x * [1, 1, 0])


# --- DeepAR --------------------------------------------------------------------------------------


def global_states() -> tuple[Any, ...]:
    numpy = np.random.get_state(legacy=False)
    return repr(numpy), random.getstate(), torch.get_rng_state().tolist()


def test_deepar_is_drawn_from_the_generators_alone() -> None:
    x = (np.arange(120)[:, None] % 7 + rng(5).normal(size=(120, 2)) * [0.1, 0.2])[None]
    before = global_states()
    fits = [DeepAR.fit(x, "D", 7, rng(6), epochs=1, batches=2) for _ in range(2)]
    first, second = (fit.forecast(x, 5, 4, rng(7)) for fit in fits)
    assert global_states() == before
    assert first.shape == (4, 1, 5, 2) and (first == second).all()
    assert (fits[0].forecast(x, 5, 4, rng(8)) != first).any()
    with pytest.raises(ValueError, match="horizon: DeepAR was trained for 7, got 8"):
        fits[0].forecast(x, 8, 4, rng(7))


@pytest.mark.slow
def test_deepar_learns_a_season() -> None:
    """Better than the best constant, whose mean absolute error is 12 / 7."""
    x = (np.arange(420)[:, None] % 7 + 3 + rng(5).normal(size=(420, 2)) * 0.1)[None]
    fitted = DeepAR.fit(x[:, :-7], "D", 7, rng(6), epochs=12)
    made = fitted.forecast(x[:, :-7], 7, 50, rng(7))
    assert np.abs(np.median(made, 0) - x[:, -7:]).mean() < 0.6
