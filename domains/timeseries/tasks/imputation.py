"""Imputation: entries are hidden of series, and asked for.

    aqi36               PM2.5 of Beijing in windows of 36 hours; what Yi et al. (2016) hid, in four months
    physionet2012/10    intensive care on CSDI's hourly grid; 10 % of each stay's values are hidden,
                 /50    or 50 %, or 90 %, and a fifth of the stays is for testing
    air-quality         sensors of one street; stretches of 1 to 24 hours of single channels, 10 % of the values
    pbcseq              blood of 312 patients at times of their own; 10 % of the values, at random

In the first two, test windows are of other times or stays than training. In the others they are of the same series,
and training doesn't know what is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.core.batch import Batch
from unnoise.data import (
    Aqi36,
    PhysionetGrid,
    load_aqi36,
    load_physionet2012,
    load_series,
)
from unnoise.data.series_physionet import CHANNELS
from unnoise.domains.task import Task
from unnoise.domains.timeseries.baselines import LastObservation, Linear, Mean, OtherChannels
from unnoise.domains.timeseries.calendar import periods
from unnoise.domains.timeseries.covariates import Covariates
from unnoise.domains.timeseries.frames import Wide
from unnoise.domains.timeseries.imputer import GAPS
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.patterns import Pattern, Points
from unnoise.domains.timeseries.problem import Rival, Scale, SeriesSet, standard_of
from unnoise.domains.timeseries.scores import imputation_metrics
from unnoise.domains.timeseries.standard import Standard
from unnoise.domains.timeseries.tasks.common import (
    exam_of,
    exam_task,
    fillers,
    hidden_from,
    learned_from,
    presets,
)
from unnoise.domains.timeseries.windows import Windows

__all__ = [
    "IMPUTATION",
    "air_quality",
    "aqi36",
    "beijing",
    "held_out",
    "hidden_stretches",
    "intensive",
    "pbcseq",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BASELINE = "linear"
HOURS = 48  # of a window of intensive care, and of air-quality
LONGEST = 24  # points of a hidden stretch
BLOOD = ("bili", "chol", "albumin", "alk.phos", "ast", "platelet", "protime")


def rivals_of(values: Floats) -> dict[str, Rival]:
    """All fillers, on training values (..., C)."""
    return fillers(
        {
            BASELINE: Linear.fit(values),
            "last observation": LastObservation.fit(values),
            "other channels": OtherChannels.fit(values),
            "mean": Mean.fit(values),
        }
    )


@cache
def aqi36() -> SeriesSet:
    """The published protocol."""
    return beijing(load_aqi36())


def beijing(found: Aqi36) -> SeriesSet:
    """Months as series, seen through windows of 36 hours. Training knows all that was measured in its months,
    as CSDI does; test windows lie end to end in each month."""
    layout = Wide()
    panel = layout.read(found.truth)
    whole, hidden = panel.series[0], found.held_out
    covariates = Covariates.of(panel)
    month = np.asarray(found.truth.index.month)
    parts = {
        name: [np.flatnonzero(month == m) for m in pd.unique(month[here])]
        for name, here in found.parts.items()
    }

    def cut(rows: NDArray[np.int64]) -> Series:
        k = slice(int(rows[0]), int(rows[-1]) + 1)
        name = int(month[rows[0]])
        return covariates(Series(name, whole.times[k], whole.values[k], whole.known[k]))

    series = {name: [cut(rows) for rows in months] for name, months in parts.items()}
    values = np.concatenate([s.values for s in series["train"]])
    units, length = standard_of(values), 36
    exams = {
        name: exam_of(series[name], [hidden[rows] for rows in parts[name]], length, units)
        for name in ("valid", "test")
    }
    return SeriesSet(
        train=learned_from(_panel(series["train"], panel), Windows(length), units),
        valid=exams["valid"],
        test=exams["test"],
        units=units,
        pattern=GAPS,
        periods=periods(panel),
        gap=panel.gap,
        source="aqi36, hidden by Yi et al.",
        judged=Scale.plain(values.shape[1]),
        channels=panel.channels,
        rivals=rivals_of(values),
    )


@cache
def _grid() -> PhysionetGrid:
    return load_physionet2012().grid()


@cache
def physionet(percent: int) -> SeriesSet:
    """The published protocol, fold 0 of seed 1."""
    return intensive(_grid(), percent)


@cache
def _learned(grid: PhysionetGrid) -> tuple[Batch, Standard, Mapping[str, Rival]]:
    """Training windows, units and rivals, whatever is hidden of the other stays."""
    values = grid.values[grid.parts()["train"]]
    units = standard_of(values)
    stays = Panel(_stays(grid, grid.parts()["train"]), CHANNELS)
    return learned_from(stays, Windows(HOURS), units), units, rivals_of(values)


def _stays(grid: PhysionetGrid, places: NDArray[np.int64]) -> list[Series]:
    hours, none = np.arange(float(HOURS)), np.zeros((HOURS, 0))
    return [Series(int(grid.stays[k]), hours, grid.values[k], none) for k in places]


def intensive(grid: PhysionetGrid, percent: int) -> SeriesSet:
    """Stays as windows; figures are of z-scores by all values, as CSDI's are."""
    hidden, parts = grid.hidden(percent / 100), grid.parts()
    train, units, named = _learned(grid)
    valid, test = (
        exam_of(_stays(grid, parts[name]), list(hidden[parts[name]]), HOURS, units)
        for name in ("valid", "test")
    )
    return SeriesSet(
        train=train,
        valid=valid,
        test=test,
        units=units,
        pattern=Points(),
        periods=(),
        gap=1.0,
        source=f"physionet2012 on CSDI's grid, {percent} % hidden, seed 1, fold 0",
        judged=Scale.z(grid.values),
        channels=CHANNELS,
        rivals=named,
    )


@cache
def air_quality() -> SeriesSet:
    """Stretches hidden from one series."""
    panel = Wide().read(load_series("air-quality"))
    whole = panel.series[0]
    rng = np.random.default_rng(0)
    test = hidden_stretches(whole.values, 0.1, rng)
    valid = hidden_stretches(np.where(test, np.nan, whole.values), 0.05, rng)
    return held_out(panel, [test], [valid], HOURS, 4, GAPS, "air-quality, stretches of 1 to 24 h")


@cache
def pbcseq() -> SeriesSet:
    """Points hidden from patients."""
    frame = load_series("pbcseq")
    frame = frame.assign(sex=(frame["sex"] == "m").astype(float))
    layout = Wide(time="day", item="id", targets=BLOOD, static=("trt", "age", "sex"))
    panel = layout.read(frame)
    draw = np.random.default_rng(0)
    u = [np.where(np.isnan(s.values), 1.0, draw.random(s.values.shape)) for s in panel.series]
    test, valid = [x < 0.1 for x in u], [(x >= 0.1) & (x < 0.15) for x in u]
    longest = max(len(s) for s in panel.series)
    return held_out(panel, test, valid, longest, 1, Points(), "pbcseq, 10 % hidden at random")


def hidden_stretches(values: Floats, share: float, rng: np.random.Generator) -> Mask:
    """Stretches of single channels, of 1 to 24 points each, until so much of what is known in each channel is in
    one, (T, C); only known values are marked."""
    points, channels = values.shape
    known = np.isfinite(values)
    inside = np.zeros(values.shape, dtype=bool)
    for c in range(channels):
        while (inside & known)[:, c].sum() < share * known[:, c].sum():
            start = rng.integers(points)
            inside[start : start + rng.integers(1, LONGEST + 1), c] = True
    return np.asarray(inside & known)


def held_out(
    panel: Panel, test: Sequence[Mask], valid: Sequence[Mask], length: int, stride: int, pattern: Pattern,
    source: str,
) -> SeriesSet:  # fmt: skip
    """Exams on series that are learned, without what is hidden of them in either exam."""
    covariates = Covariates.of(panel)
    series = [covariates(s) for s in panel.series]
    told = [hidden_from(s, t | v) for s, t, v in zip(series, test, valid, strict=True)]
    values = np.concatenate([s.values for s in told])
    units = standard_of(values)
    return SeriesSet(
        train=learned_from(_panel(told, panel), Windows(length, stride), units),
        valid=exam_of(series, valid, length, units, never=test),
        test=exam_of(series, test, length, units, never=valid),
        units=units,
        pattern=pattern,
        periods=periods(panel),
        gap=panel.gap,
        source=source,
        judged=Scale.z(values),
        channels=panel.channels,
        rivals=rivals_of(values),
    )


def _panel(series: Sequence[Series], like: Panel) -> Panel:
    """Series with covariates as networks see them, which have no names any more."""
    known, static = (tuple(range(n)) for n in (series[0].known.shape[1], len(series[0].static)))
    names = tuple(f"known {k}" for k in known), tuple(f"static {k}" for k in static)
    return Panel(series, like.channels, *names, like.clock)


def _task(
    summary: str, load: Callable[[], SeriesSet], source: str, unit: str, steps: int, samples: int = 100
) -> Task:  # fmt: skip
    metrics = imputation_metrics(load, source, unit)
    return exam_task(summary, load, metrics, presets(steps, 16, samples, (BASELINE,)), BASELINE)


def _of_stays(percent: int) -> Task:
    """Fifty samples: of a million entries, a hundred are half a gigabyte."""
    summary = f"intensive care, 48 hours x 35 channels, {percent} % of the values hidden"
    source = f"physionet2012, {percent} % hidden"
    return _task(summary, partial(physionet, percent), source, "sd", 1_600, 50)


IMPUTATION: Mapping[str, Callable[[], Task]] = {
    "aqi36": lambda: _task(
        "PM2.5 at 36 stations, gaps as sensors make them", aqi36, "aqi36", "µg/m³", 1_200
    ),
    **{f"physionet2012/{p}": partial(_of_stays, p) for p in (10, 50, 90)},
    "air-quality": lambda: _task(
        "13 sensors of a street, stretches hidden", air_quality, "air-quality", "sd", 2_000
    ),
    "pbcseq": lambda: _task(
        "blood of 312 patients at irregular visits", pbcseq, "pbcseq", "sd", 4_000
    ),
}
