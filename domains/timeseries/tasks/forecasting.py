"""Forecasting: the last windows of a series are asked for, each given all that came before it.

    co2         CO2 in the air, weeks with gaps: 26 ahead, the last 8 windows; comes with statsmodels
    exchange    eight currencies: 30 business days, five times, as in Salinas et al. (2019)
    etth1       a transformer's loads and oil, hours: 24 ahead, the last 7 days
    vic-elec    demand for electricity in Victoria, half-hours: 48 ahead, the last 14 days; holidays are known

Training ends before the validation windows, which are as many again. The model looks at a context, rivals at the
whole past.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from unnoise.data import load_exchange_nips, load_series
from unnoise.domains.task import Task
from unnoise.domains.timeseries.baselines import (
    BootstrapWalk,
    Climatology,
    Forecasts,
    GaussianWalk,
    LastValue,
    SeasonalBootstrap,
    SeasonalNaive,
)
from unnoise.domains.timeseries.calendar import periods
from unnoise.domains.timeseries.covariates import Covariates
from unnoise.domains.timeseries.forecaster import ahead
from unnoise.domains.timeseries.frames import Wide
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.problem import Exam, Scale, SeriesSet, standard_of
from unnoise.domains.timeseries.scores import forecast_metrics
from unnoise.domains.timeseries.standard import Standard
from unnoise.domains.timeseries.tasks.common import (
    continued,
    exam_task,
    learned_from,
    presets,
    trained_deepar,
)
from unnoise.domains.timeseries.windows import Windows, part

__all__ = ["FORECASTING", "Horizon", "forecast_set", "forecasts"]

Baselines = Mapping[str, Forecasts]


@dataclass(frozen=True)
class Horizon:
    """How a series is cut, in points.

    Attributes:
        steps: ahead.
        context: of the past, that the model looks at.
        windows: of the exam, and of validation.
        stride: between training windows.
        season: of the naive forecast.
        recent: from how many of the latest increments random walks draw.
        cycles: from how many of the latest seasons climatology draws.
        freq: of steps in the words of pandas; None: no DeepAR, which needs one.
    """

    steps: int
    context: int
    windows: int
    stride: int
    season: int
    recent: int
    cycles: int
    freq: str | None = None

    @property
    def rivals(self) -> Baselines:
        """Those that need no training."""
        return {
            "seasonal bootstrap": SeasonalBootstrap(self.season),
            "climatology": Climatology(self.season, self.cycles),
            "bootstrap walk": BootstrapWalk(self.recent),
            "gaussian walk": GaussianWalk(self.recent),
            "seasonal naive": SeasonalNaive(self.season),
            "last value": LastValue(),
        }


POINTS = ("seasonal naive", "last value")  # whose samples are all the same


def forecasts(frame: pd.DataFrame, layout: Wide, cut: Horizon, source: str) -> SeriesSet:
    """The last windows of a frame of one series."""
    panel = layout.read(frame)
    whole = panel.series[0]
    origins = [len(whole) - k * cut.steps for k in range(2 * cut.windows, 0, -1)]
    valid, test = origins[: cut.windows], origins[cut.windows :]
    learned = part(whole, slice(0, valid[0]))
    covariates = Covariates.of(Panel([learned], panel.channels, panel.known, (), panel.clock))
    seen, units = covariates(whole), standard_of(learned.values)
    length = cut.context + cut.steps
    names = tuple(f"known {k}" for k in range(seen.known.shape[1]))
    told = Panel([covariates(learned)], panel.channels, names, (), panel.clock)
    rivals = {
        name: continued(partial(_same, one), whole, cut.context, name in POINTS)
        for name, one in cut.rivals.items()
    }
    if cut.freq is not None:
        deep = trained_deepar(whole, valid[0], cut.freq, cut.steps)
        rivals["DeepAR"] = continued(deep, whole, cut.context)
    return SeriesSet(
        train=learned_from(told, Windows(length, cut.stride), units),
        valid=_exam(seen, valid, cut, units),
        test=_exam(seen, test, cut, units),
        units=units,
        pattern=ahead(cut.steps),
        periods=periods(told),
        gap=told.gap,
        source=source,
        judged=Scale.plain(len(panel.channels)),
        channels=panel.channels,
        rivals=rivals,
    )


def _exam(series: Series, origins: Sequence[int], cut: Horizon, units: Standard) -> Exam:
    parts = [part(series, slice(k - cut.context, k + cut.steps)) for k in origins]
    after = np.arange(cut.context + cut.steps)[:, None] >= cut.context
    known = [np.isfinite(p.values) for p in parts]
    return Exam.of(parts, [k & after for k in known], [k & ~after for k in known], units)


def _same(baseline: Forecasts) -> Forecasts:
    return baseline


CUTS = {
    "co2": Horizon(26, 130, 8, 1, season=52, recent=260, cycles=5),
    "exchange": Horizon(30, 60, 5, 2, season=5, recent=500, cycles=100, freq="B"),
    "etth1": Horizon(24, 120, 7, 4, season=24, recent=500, cycles=28, freq="h"),
    "vic-elec": Horizon(48, 144, 14, 8, season=336, recent=672, cycles=8, freq="30min"),
}


@cache
def forecast_set(name: str) -> SeriesSet:
    """A published series, cut as `CUTS` says."""
    frame, layout = (load_exchange_nips().rates, Wide()) if name == "exchange" else _series(name)
    return forecasts(frame, layout, CUTS[name], name)


def _series(name: str) -> tuple[pd.DataFrame, Wide]:
    frame = load_series(name)
    if name == "vic-elec":  # tomorrow's temperature isn't known, its holidays are
        frame = frame[["Demand", "Holiday"]].astype(float)
        return frame, Wide(known=("Holiday",))
    return frame, Wide()


def _task(
    name: str, summary: str, unit: str, baseline: str, steps: int, several: bool
) -> Task:  # fmt: skip
    load, cut = partial(forecast_set, name), CUTS[name]
    source = f"{name}, {cut.steps} steps, {cut.windows} windows"
    metrics = forecast_metrics(load, source, unit, several)
    budgets = presets(steps, 2, rivals=(baseline,), costs=(2, 4, 8, 24))
    return exam_task(summary, load, metrics, budgets, baseline)


ROWS = (
    # name, summary, unit, baseline, steps (5 to 20 minutes on one core), whether there are several channels
    ("co2", "CO2 in the air, weekly with gaps, 26 weeks ahead", "ppm", "seasonal bootstrap", 3_000, False),
    ("exchange", "8 currencies, 30 business days ahead", "USD", "bootstrap walk", 2_000, True),
    ("etth1", "a transformer's loads and oil, 24 hours ahead", "", "climatology", 1_200, True),
    ("vic-elec", "demand of Victoria, 24 hours ahead", "MWh", "seasonal bootstrap", 3_000, False),
)  # fmt: skip

FORECASTING: Mapping[str, Callable[[], Task]] = {row[0]: partial(_task, *row) for row in ROWS}
