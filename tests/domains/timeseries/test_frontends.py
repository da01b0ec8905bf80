"""`Imputer` and `Forecaster`: frames in, frames out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unnoise.core.checkpoint import CheckpointError
from unnoise.core.training import Fit
from unnoise.domains.timeseries import Forecaster, Imputer, Long, Network, Wide

FIT = Fit(3, batch=8, lr=1e-3, warmup=1, ema=0.0)
SMALL = Network(width=16, layers=1, decoder=1, head=8)


def frame(n: int = 80, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    day = np.sin(2 * np.pi * t / 24)
    index = pd.date_range("2024-01-01", periods=n, freq="h", name="ts")
    values = {"a": 10 + 3 * day + rng.normal(0, 0.2, n), "b": 5 - day + rng.normal(0, 0.1, n)}
    return pd.DataFrame(values, index=index)


@pytest.fixture(scope="module")
def holes() -> pd.DataFrame:
    out = frame()
    out.iloc[10:20, 0] = np.nan
    out.iloc[70:, 1] = np.nan
    return out


@pytest.fixture(scope="module")
def imputer(holes: pd.DataFrame) -> Imputer:
    return Imputer(24, fit=FIT, network=SMALL).fit(holes, progress=False)


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return Forecaster(6, 24, fit=FIT, network=SMALL).fit(frame(), progress=False)


def test_what_was_there_stays_and_what_was_missing_is_near_the_truth(
    imputer: Imputer, holes: pd.DataFrame
) -> None:
    filled = imputer.impute(holes, 20)
    out, known = filled.mean(), holes.notna()
    assert (out.index == holes.index).all() and out.index.freq == holes.index.freq
    assert (out[known] == holes[known]).sum().sum() == known.sum().sum()
    error = (out - frame())[~known]
    naive = (holes.mean() - frame())[~known]
    assert error.abs().mean().mean() < 0.5 * naive.abs().mean().mean()  # the season is known
    samples = filled.samples()
    assert samples.loc[3].shape == holes.shape and samples.loc[3].notna().all().all()
    spread = samples.groupby("ts").std()
    assert (spread[known.set_axis(spread.index)].fillna(0) < 1e-12).all().all()
    quantiles = filled.quantiles([0.1, 0.9])
    assert (quantiles["a", 0.1] <= quantiles["a", 0.9]).all()


def test_the_same_seed_gives_the_same_whatever_else_is_asked(
    imputer: Imputer, holes: pd.DataFrame
) -> None:
    one, two, three = (imputer.impute(holes, 2, seed=s).samples() for s in (1, 1, 2))
    assert one.equals(two) and not one.equals(three)
    more = imputer.impute(holes, 3, seed=1).samples().loc[[0, 1]]
    np.testing.assert_allclose(more.to_numpy(), one.to_numpy(), rtol=1e-5)


def test_the_order_of_rows_and_the_origin_of_time_change_nothing(
    imputer: Imputer, holes: pd.DataFrame
) -> None:
    shuffled = holes.sample(frac=1, random_state=0)
    out = imputer.impute(shuffled, 2).mean()
    assert (out.index == shuffled.index).all()
    assert out.sort_index().equals(imputer.impute(holes, 2).mean().sort_index())


def test_interpolation_at_new_times(imputer: Imputer, holes: pd.DataFrame) -> None:
    stamps = ["2024-01-01 03:30", "2024-01-02 11:15"]
    out = imputer.at(holes, stamps, 30)
    assert (out.mean().index == pd.DatetimeIndex(stamps)).all()
    near = frame().loc[["2024-01-01 03:00", "2024-01-02 11:00"]]
    assert (np.abs(out.median().to_numpy() - near.to_numpy()) < 1.5).all()
    with pytest.raises(ValueError, match="times must rise"):
        imputer.at(holes, stamps[::-1])


def test_saved_and_loaded_it_imputes_the_same(
    imputer: Imputer, holes: pd.DataFrame, tmp_path: Path
) -> None:
    imputer.save(tmp_path / "made.safetensors")
    again = Imputer.load(tmp_path / "made.safetensors")
    assert again.impute(holes, 2).samples().equals(imputer.impute(holes, 2).samples())
    with pytest.raises(CheckpointError, match="forecaster-1"):
        Forecaster.load(tmp_path / "made.safetensors")


def test_the_noise_says_how_correlated_it_is(imputer: Imputer, forecaster: Forecaster) -> None:
    scales = 0.1 * np.array([1, 3, 10, 30, 100, 300, 1_000])  # in hours, the gap
    for made in (imputer, forecaster):
        assert np.isclose(np.exp(-1 / scales), made.adjacent, rtol=0.05).any()


def test_a_long_frame_with_channels_at_times_of_their_own() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"id": k, "t": t, "what": c, "y": np.sin(t / 3) + (c == "b") + rng.normal(0, 0.05)}
        for k in "uv"
        for c in "ab"
        for t in np.sort(rng.random(40)) * 30
    ]
    told = pd.DataFrame(rows)
    told.loc[::7, "y"] = np.nan
    layout = Long("t", "what", "y", item="id")
    made = Imputer(30, fit=FIT, network=SMALL).fit(told, layout, progress=False)
    out = made.impute(told, 10).mean()
    assert out["y"].notna().all() and out.drop(columns="y").equals(told.drop(columns="y"))
    missing = told["y"].isna()
    truth = np.sin(told["t"] / 3) + (told["what"] == "b")
    assert (out["y"] - truth)[missing].abs().mean() < 0.3


def test_a_forecast_goes_on_where_the_frame_ends(forecaster: Forecaster) -> None:
    out = forecaster.forecast(n_samples=50)
    mean, truth = out.mean(), frame(86).iloc[80:]
    assert (mean.index == truth.index).all() and mean.index.freq == truth.index.freq
    season = 10 + 3 * np.sin(2 * np.pi * np.arange(80, 86) / 24)
    assert np.abs(mean["a"].to_numpy() - season).max() < 1.0
    inside = out.quantiles([0.005, 0.995])
    covered = (truth["a"] > inside["a", 0.005]) & (truth["a"] < inside["a", 0.995])
    assert covered.mean() > 0.5


def test_a_shorter_forecast_is_the_start_of_the_longer(forecaster: Forecaster) -> None:
    one, two = forecaster.forecast(2, n_samples=3), forecaster.forecast(n_samples=3)
    assert one.samples().loc[1].equals(two.samples().loc[1].iloc[:2])


def test_forecasts_of_other_rows_and_after_loading(forecaster: Forecaster, tmp_path: Path) -> None:
    forecaster.save(tmp_path / "made.safetensors")
    again = Forecaster.load(tmp_path / "made.safetensors")
    past = frame(60)
    assert (
        again.forecast(frame=past, n_samples=2)
        .samples()
        .equals(forecaster.forecast(frame=past, n_samples=2).samples())
    )
    with pytest.raises(RuntimeError, match="has no past"):
        again.forecast()


def test_irregular_series_are_forecast_at_stamps() -> None:
    rng = np.random.default_rng(0)
    t = np.cumsum(0.2 + rng.random(60))
    told = pd.DataFrame({"y": np.sin(t / 4)}, index=pd.Index(t, name="t"))
    made = Forecaster(4, 20, fit=FIT, network=SMALL).fit(told, progress=False)
    out = made.forecast([t[-1] + 0.5, t[-1] + 0.9], n_samples=20).mean()
    np.testing.assert_allclose(out.index, [t[-1] + 0.5, t[-1] + 0.9])
    assert np.abs(out["y"].to_numpy() - np.sin((t[-1] + np.array([0.5, 0.9])) / 4)).max() < 0.4
    with pytest.raises(ValueError, match="irregular"):
        made.forecast(2)


def test_covariates_must_be_known_ahead() -> None:
    told = frame().assign(z=np.arange(80.0))
    layout = Wide(targets=("a",), known=("z",))
    made = Forecaster(3, 24, fit=FIT, network=SMALL).fit(told, layout, progress=False)
    with pytest.raises(ValueError, match="future_covariates"):
        made.forecast()
    ahead = frame(83).assign(z=np.arange(83.0))[["z"]].iloc[80:]
    assert len(made.forecast(future_covariates=ahead, n_samples=2).mean()) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: Forecaster(0), "horizon must be at least 1"),
        (lambda f: Forecaster(2, 0), "context must be at least 1"),
        (lambda f: Imputer(1), "at least 2 points"),
        (lambda f: f.forecast(7), r"fit a Forecaster\(horizon=7\)"),
        (lambda f: f.forecast(n_samples=0), "n_samples must be at least 1"),
        (lambda f: f.forecast(frame=frame(3) * np.nan), "nothing to go on from"),
        (lambda f: f.forecast().quantiles([1.5]), r"lies in \[0, 1\]"),
        (lambda f: Forecaster(90).fit(frame(), progress=False), "take a shorter horizon"),
        (
            lambda f: Imputer().fit(frame().assign(c=1.0), progress=False),
            "nothing varies in 'c'",
        ),
    ],
)
def test_what_is_refused(
    forecaster: Forecaster, call: Callable[[Forecaster], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call(forecaster)


def test_nothing_is_answered_before_fit() -> None:
    for call in (lambda: Imputer().impute(frame()), lambda: Forecaster(2).forecast()):
        with pytest.raises(RuntimeError, match="nothing learned yet"):
            call()
