"""The reference on the air of Beijing (AQI36), in the protocol of CSDI: windows of 36 hours of the
months 3, 6, 9 and 12, scored where a value was measured and held out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor

from unnoise.domains.timeseries.reference import Reference, fit_reference
from unnoise.domains.timeseries.reference.fit import covariance

HOURS = 36
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Air:
    """PM2.5 of 36 stations every hour: as measured, and less what is held out."""

    truth: Floats
    given: Floats
    test: NDArray[np.bool_]  # the hours of the test months

    def windows(self, test: bool) -> NDArray[np.int64]:
        """The first hours of disjoint windows that cover the months, and of last ones that overlap."""
        hours = np.flatnonzero(self.test == test)
        starts: list[int] = []
        for months in np.split(hours, np.flatnonzero(np.diff(hours) > 1) + 1):
            last = months[-1] + 1 - HOURS
            starts += [*range(months[0], last, HOURS), last]
        return np.array(starts)

    def scaled(self, f: Callable[[Floats], Floats]) -> tuple[Floats, Floats, Floats, Floats]:
        """Truth and given of f of the values, standardised by the training months; and their mean
        and deviation."""
        truth, given = f(self.truth), f(self.given)
        mean, std = np.nanmean(truth[~self.test], 0), np.nanstd(truth[~self.test], 0)
        return (truth - mean) / std, (given - mean) / std, mean, std

    def scores(
        self, model: Reference, f: Callable[[Floats], Floats], inverse: Callable[[Floats], Floats]
    ) -> tuple[float, float]:
        """MAE of the median in ug/m3, and CRPS of 19 quantiles over the sum of |x|."""
        _, given, mean, std = self.scaled(f)
        law = np.full((2, *given.shape), np.nan)
        values, known, times, hours = cut(given, self.windows(test=True))
        laws = torch.stack(model(values, known, times)).numpy()
        for w, rows in enumerate(hours):
            fresh = np.isnan(law[0, rows, 0])  # of windows that overlap the first counts
            law[:, rows[fresh]] = laws[:, w, fresh]
        held = self.test[:, None] & ~np.isnan(self.truth) & np.isnan(self.given)
        assert held.sum() == 20_434
        x, levels = self.truth[held], np.arange(1, 20) / 20
        spread = law[1, ..., None] * norm.ppf(levels)
        quantiles = inverse((law[0, ..., None] + spread) * std[:, None] + mean[:, None])[held]
        error = x[:, None] - quantiles
        pinball = np.maximum(levels * error, (levels - 1) * error).sum(0).mean()
        return float(np.abs(error[:, 9]).mean()), float(2 * pinball / np.abs(x).sum())


def cut(z: Floats, starts: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, NDArray[np.int64]]:
    """Windows: values, what is known, times, and their hours."""
    hours = starts[:, None] + np.arange(HOURS)
    values = torch.tensor(z[hours])
    return values, ~values.isnan(), torch.tensor(hours, dtype=torch.float64), hours


@pytest.fixture(scope="module")
def air() -> Air:
    if not os.environ.get("UNNOISE_DATA"):
        pytest.skip("needs timeseries/aqi36 in $UNNOISE_DATA, which is unset")
    folder = Path(os.environ["UNNOISE_DATA"]) / "timeseries" / "aqi36"
    truth, given = (
        pd.read_csv(folder / f"pm25_{name}.txt.gz", index_col="datetime", parse_dates=True)
        for name in ("ground", "missing")
    )
    test = truth.index.month.isin([3, 6, 9, 12])
    return Air(truth.to_numpy(float), given.to_numpy(float), test)


def test_an_untuned_process_has_its_figures(air: Air) -> None:
    """exp(-.034 t) x the covariance of the stations: MAE 12.19 and CRPS .145 or less, as dense
    conditioning had in another program; a share .01 of noise is a little better than none."""

    def same(x: Floats) -> Floats:
        return x

    truth = torch.tensor(air.scaled(same)[0][~air.test])[None]
    S = covariance(truth.nan_to_num(), ~truth.isnan())[None]
    model = Reference(torch.tensor([1 / 0.034]), 0.99 * S, 0.01 * S[0].diagonal())
    mae, crps = air.scores(model, same, same)
    assert 11.5 < mae < 12.2
    assert 0.135 < crps < 0.145


@pytest.mark.slow
def test_two_fitted_components_on_roots_are_better(air: Air) -> None:
    z = air.scaled(np.sqrt)[0]
    values, known, times, _ = cut(z, air.windows(test=False))
    model = fit_reference(values, known, times, rounds=4, points=3000)
    mae, crps = air.scores(model, np.sqrt, lambda y: y.clip(0) ** 2)
    assert mae < 11.3
    assert crps < 0.13
