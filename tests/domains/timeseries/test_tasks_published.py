"""Numbers of scored values that belong to the published protocols."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from unnoise.domains.timeseries.problem import SeriesSet
from unnoise.domains.timeseries.tasks.forecasting import forecast_set
from unnoise.domains.timeseries.tasks.imputation import air_quality, aqi36, pbcseq, physionet

needs_files = pytest.mark.skipif(
    not os.environ.get("UNNOISE_DATA"), reason="needs the files in $UNNOISE_DATA, which is unset"
)


@needs_files
def test_the_air_of_beijing_has_20434_targets() -> None:
    data = aqi36()
    assert data.test.asked.sum() == 20_434
    assert data.test.batch.x.shape == (82, 36, 36)
    assert not np.isin(data.test.times, np.asarray(data.train.coords)).any()


@needs_files
@pytest.mark.parametrize(("percent", "targets"), [(10, 25_718), (50, 130_214), (90, 234_397)])
def test_intensive_care_has_so_many_targets(percent: int, targets: int) -> None:
    data = physionet(percent)
    assert data.test.asked.sum() == targets
    assert len(data.train) == 2_796  # of 2,797, one has a single value


@needs_files
@pytest.mark.parametrize("load", [air_quality, pbcseq])
def test_a_tenth_is_hidden_of_what_training_would_have_seen(load: Callable[[], SeriesSet]) -> None:
    data = load()
    hidden = data.test.asked.sum()
    known = hidden + data.test.given.sum() + data.valid.asked.sum()
    assert 0.08 < hidden / known < 0.12


def test_weeks_of_carbon_dioxide_come_with_a_dependency() -> None:
    data = forecast_set("co2")
    assert data.test.asked.shape == (8, 156, 1)
    assert data.test.asked.sum() == 8 * 26  # the gaps are in the first years
    assert data.train.coords is not None
    assert data.train.coords.max() < data.valid.times[:, 130:].min()


@needs_files
def test_exchange_rates_are_forecast_five_times() -> None:
    data = forecast_set("exchange")
    first = data.test.times[:, 60]
    assert first.tolist() == [6071 + 30 * k for k in range(5)]
    assert (data.train.coords < 6071 - 150).all()  # type: ignore[operator]
