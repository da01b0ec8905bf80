"""Baselines on the genuine sets have the digits that the reference measured."""

import json
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from unnoise.domains.task import Score
from unnoise.domains.timeseries.baselines import (
    BootstrapWalk,
    Climatology,
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
from unnoise.domains.timeseries.metrics import crps, crps_sum, mae, nd

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def raw() -> Path:
    if "UNNOISE_DATA" not in os.environ:
        pytest.skip("needs the raw files of timeseries/ in $UNNOISE_DATA, which is unset")
    return Path(os.environ["UNNOISE_DATA"]) / "timeseries"


def rolled(series: Floats, ends: list[int], horizon: int, past: int) -> tuple[Floats, Floats]:
    """Histories (N, past, C) and what followed them, (N, H, C)."""
    cuts = [end - horizon for end in ends]
    return (
        np.stack([series[cut - past : cut] for cut in cuts]),
        np.stack([series[cut : cut + horizon] for cut in cuts]),
    )


def assert_drawn(
    baseline: Forecasts,
    windows: tuple[Floats, Floats],
    scores: Sequence[Callable[[Floats, Floats], Score]],
    figures: Sequence[float],
    rounding: float,
) -> None:
    """The reference drew 100 samples once; so does each of 20 draws here, which tell its error."""
    history, future = windows
    rng, h = np.random.default_rng(0), future.shape[1]
    draws = [baseline.forecast(history, h, 100, rng) for _ in range(20)]
    for score, figure in zip(scores, figures, strict=False):
        found = [score(made, future).value for made in draws]
        assert abs(np.mean(found) - figure) <= rounding + 3 * np.std(found, ddof=1), score


# --- exchange rates: 8 channels, 5 windows of 30 business days -----------------------------------


@pytest.fixture(scope="module")
def exchange(raw: Path) -> tuple[Floats, Floats]:
    with tarfile.open(raw / "exchange_rate" / "exchange_rate_nips.tar.gz") as archive:
        file = archive.extractfile("exchange_rate_nips/test/test.json")
        assert file is not None
        rows = [json.loads(line)["target"] for line in file]
    ends = [len(row) for row in rows[::8]]
    assert ends == [6101, 6131, 6161, 6191, 6221]
    return rolled(np.array(rows[-8:]).T, ends, 30, 6000)


@pytest.mark.parametrize(
    ("baseline", "summed"), [(LastValue(), 0.00621), (SeasonalNaive(5), 0.00772)], ids=repr
)
def test_points_on_exchange_rates(
    baseline: Forecasts, summed: float, exchange: tuple[Floats, Floats]
) -> None:
    history, future = exchange
    made = baseline.forecast(history, 30, 2, np.random.default_rng(0))
    assert crps_sum(made, future).value == pytest.approx(summed, abs=5.01e-6)


def test_the_last_value_on_exchange_rates_has_the_published_crps(
    exchange: tuple[Floats, Floats],
) -> None:
    made = LastValue().forecast(exchange[0], 30, 2, np.random.default_rng(0))
    assert crps(made, exchange[1]).value == pytest.approx(0.00931, abs=5.01e-6)


@pytest.mark.parametrize(
    ("baseline", "figures"),
    [
        (BootstrapWalk(500), (0.00514, 0.00718)),
        (GaussianWalk(500), (0.00561,)),
    ],
    ids=repr,
)
def test_walks_on_exchange_rates(
    baseline: Forecasts, figures: tuple[float, ...], exchange: tuple[Floats, Floats]
) -> None:
    assert_drawn(baseline, exchange, (crps_sum, crps), figures, 0)


# --- ETTh1: 7 channels, the last 7 days ----------------------------------------------------------


@pytest.fixture(scope="module")
def etth1(raw: Path) -> tuple[Floats, Floats]:
    x = pd.read_csv(raw / "ett" / "ETTh1.csv.gz", index_col="date").to_numpy()
    return rolled(x, [len(x) - 24 * k for k in range(7)], 24, 17_000)


@pytest.mark.parametrize(
    ("baseline", "figures"),
    [
        (LastValue(), (0.502, 0.471, 0.502)),
        (SeasonalNaive(24), (0.317, 0.262, 0.317)),
        (SeasonalBootstrap(24), (0.256, 0.202, 0.316)),
        (Climatology(24, 28), (0.178, 0.139, 0.244)),
    ],
    ids=repr,
)
def test_figures_of_etth1(
    baseline: Forecasts, figures: tuple[float, ...], etth1: tuple[Floats, Floats]
) -> None:
    assert_drawn(baseline, etth1, (crps, crps_sum, nd), figures, 5.01e-4)


# --- AQI36: 36 stations, held-out entries of four months -----------------------------------------


@pytest.fixture(scope="module")
def aqi36(raw: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    truth, given = (
        pd.read_csv(raw / "aqi36" / f"pm25_{name}.txt.gz", index_col=0, parse_dates=True)
        for name in ("ground", "missing")
    )
    return truth, given


def error_of(baseline: Imputes, truth: pd.DataFrame, given: pd.DataFrame, length: int) -> float:
    """MAE over held-out entries of March, June, September and December, each month apart, in
    windows of so many hours, the last of which overlaps the one before: its new part counts."""
    made, true = [], []
    for month in (3, 6, 9, 12):
        y, x = (frame[frame.index.month == month].to_numpy() for frame in (truth, given))
        size = min(length, len(x))
        ends = np.unique([*range(size, len(x) + 1, size), len(x)])
        new = np.diff(ends, prepend=0)
        windows = np.stack([x[end - size : end] for end in ends])
        t = np.tile(np.arange(float(size)), (len(ends), 1))
        filled = baseline.impute(windows, t, 1, np.random.default_rng(0))[0]
        made += [window[-n:] for window, n in zip(filled, new, strict=True)]
        true.append(np.where(np.isnan(x), y, np.nan))
    answer, asked = np.concatenate(made)[None], np.concatenate(true)
    assert (~np.isnan(asked)).sum() == 20_434
    return mae(answer, asked).value


def test_figures_of_aqi36(aqi36: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """The reference filled whole months; in the windows of 36 hours that models see, a line is
    worse by one."""
    truth, given = aqi36
    level = given[~given.index.month.isin([3, 6, 9, 12])].mean().to_numpy()
    month = 10**6
    assert error_of(Mean(level), truth, given, 36) == pytest.approx(55.93, abs=5.01e-3)
    assert error_of(Linear(level), truth, given, month) == pytest.approx(14.46, abs=5.01e-3)
    assert error_of(Linear(level), truth, given, 36) == pytest.approx(15.42, abs=5.01e-3)
    assert error_of(LastObservation(level), truth, given, month) == pytest.approx(20.78, abs=5e-3)
    assert error_of(LastObservation(level), truth, given, 36) == pytest.approx(19.96, abs=5.01e-3)
    others = OtherChannels(np.zeros(36), np.ones(36))
    assert error_of(others, truth, given, month) == pytest.approx(19.3, abs=0.0701)


def test_the_whole_year_filled_forward_has_the_published_error(
    aqi36: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    truth, given = aqi36
    x, t = given.to_numpy()[None], np.arange(float(len(given)))[None]
    test = given.index.month.isin([3, 6, 9, 12])[:, None]
    asked = truth.where(given.isna() & test).to_numpy()[None]
    for baseline, error in (
        (LastObservation(np.zeros(36)), 21.1),
        (OtherChannels(np.zeros(36), np.ones(36)), 19.3),
    ):
        made = baseline.impute(x, t, 1, np.random.default_rng(0))
        assert mae(made, asked).value == pytest.approx(error, abs=0.0501)
