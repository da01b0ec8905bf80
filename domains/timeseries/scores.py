"""Metrics of answers to an exam and of generated series, the main one first; tables of rivals and of cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from unnoise.domains.task import Metric, Preset, Score, Splits, Table
from unnoise.domains.timeseries import metrics as judge
from unnoise.domains.timeseries.outputs import POINT, Drawn, reference_answers, rival_answers
from unnoise.domains.timeseries.problem import SeriesSet

__all__ = [
    "REFERENCE",
    "by_cost",
    "forecast_metrics",
    "generated",
    "generation_metrics",
    "imputation_metrics",
    "rivals",
]

REFERENCE = "reference law (multitask OU-GP)"
LEVEL = 0.9
_SEED = 0  # of the scores that draw

Loads = Callable[[], SeriesSet]
Judge = Callable[[NDArray[np.float32], NDArray[np.float64]], Score]


def imputation_metrics(load: Loads, source: str, unit: str) -> dict[str, Metric]:
    """All of a task's of imputation.

    Args:
        load: the data.
        source: as titles name it.
        unit: of the values that figures are of.
    """
    return _metrics(load, f"test of {source}", unit)


def forecast_metrics(load: Loads, source: str, unit: str, several: bool) -> dict[str, Metric]:
    """All of a task's of forecasting, of `several` channels or one."""
    of = f"test of {source}"
    more = {
        "nd": Metric(partial(_score, load, judge.nd), "lower", f"ND: MAE by mean |truth|, {of}")
    }
    if several:
        whole = Metric(partial(_score, load, judge.crps_sum), "lower", f"CRPS-sum, {of}")
        more = {"crps_sum": whole} | more
    return _metrics(load, of, unit) | more


def rivals(load: Loads, outputs: Drawn, splits: Splits) -> Table:
    """The same figures of the law that the model starts from, and of classical answers."""
    data, rows = load(), {}
    how = {"samples": len(outputs.samples), "windows": outputs.windows}
    preset = Preset(None, generate=how)
    names = data.rivals if outputs.rivals is None else outputs.rivals
    rows["this model"] = figures(data, outputs)
    rows[REFERENCE] = figures(data, reference_answers(data, data.test, preset))
    for name in names:
        rows[name] = figures(data, rival_answers(data, data.test, preset, name))
    return rows


def by_cost(load: Loads, outputs: Drawn, splits: Splits) -> Table | None:
    """Figures of fewer and of more evaluations."""
    if not outputs.sweep:
        return None
    data = load()
    return {
        f"{nfe} evaluations": figures(data, Drawn(outputs.sweep[nfe], outputs.windows))
        for nfe in sorted(outputs.sweep)
    }


def figures(data: SeriesSet, drawn: Drawn) -> Mapping[str, float | None]:
    """A row of a table."""
    scores = {name: each(data, drawn) for name, each in _columns(data, drawn).items()}
    return {name: None if score is None else score.value for name, score in scores.items()}


def _columns(
    data: SeriesSet, drawn: Drawn
) -> dict[str, Callable[[SeriesSet, Drawn], Score | None]]:
    plain: dict[str, Judge] = {"CRPS": judge.crps, "MAE": judge.mae, "RMSE": judge.rmse}
    if data.train.x.shape[2] > 1:
        plain["CRPS-sum"] = judge.crps_sum
    columns: dict[str, Callable[[SeriesSet, Drawn], Score | None]] = {
        name: partial(_judged, f) for name, f in plain.items() if _applies(name, data, drawn)
    }
    return columns | {"energy": _energy, "coverage of 90 %": _coverage}


def _applies(name: str, data: SeriesSet, drawn: Drawn) -> bool:
    """A sum over channels needs times at which all of them are asked for in the windows that were answered."""
    return name != "CRPS-sum" or bool(data.test.first(drawn.windows).asked.all(2).any())


def _metrics(load: Loads, of: str, unit: str) -> dict[str, Metric]:
    def on(
        f: Callable[[SeriesSet, Drawn], Score | None],
    ) -> Callable[[Drawn, Splits], Score | None]:
        return lambda outputs, splits: f(load(), outputs)

    return {
        "crps": Metric(partial(_score, load, judge.crps), "lower", f"CRPS, 19 quantiles by mean |truth|, {of}"),
        "mae": Metric(partial(_score, load, judge.mae), "lower", f"absolute error of the median, {of}", unit),
        "rmse": Metric(partial(_score, load, judge.rmse), "lower", f"root mean square error of the mean, {of}", unit),
        "sample_crps": Metric(partial(_score, load, judge.sample_crps), "lower", f"CRPS itself, {of}", unit),
        "energy": Metric(on(_energy), "lower", f"energy score of windows, channels by their spread, {of}"),
        "coverage_90": Metric(on(_coverage), "higher", f"share in central 90 % intervals (best: .90), {of}"),
        "calibration": Metric(on(_calibration), "lower", f"distance of PIT values from uniform, {of}"),
    }  # fmt: skip


def _score(load: Loads, f: Judge, outputs: Drawn, splits: Splits) -> Score:
    return _judged(f, load(), outputs)


def _judged(f: Judge, data: SeriesSet, drawn: Drawn) -> Score:
    return f(drawn.samples, _truth(data, drawn))


def _energy(data: SeriesSet, drawn: Drawn) -> Score:
    scale = data.spread
    return judge.energy_score(
        drawn.samples / scale.astype(np.float32), _truth(data, drawn) / scale
    )


def _coverage(data: SeriesSet, drawn: Drawn) -> Score | None:
    if len(drawn.samples) < POINT:
        return None
    return judge.coverage(drawn.samples, _truth(data, drawn), LEVEL)


def _calibration(data: SeriesSet, drawn: Drawn) -> Score:
    rng = np.random.default_rng(_SEED)
    return judge.calibration_error(drawn.samples, _truth(data, drawn), rng)


def _truth(data: SeriesSet, drawn: Drawn) -> NDArray[np.float64]:
    return data.judged(data.test.first(drawn.windows).truth)


def generation_metrics(load: Loads, source: str, dense: bool) -> dict[str, Metric]:
    """All of a task's of generated series.

    Args:
        load: the data.
        source: as titles name it.
        dense: whether the law has a density.
    """
    of = f"against test series of {source}"
    found = {
        "mmd": Metric(lambda o, s: _mmd(load(), o), "lower", f"MMD², {of}"),
        "accuracy": Metric(
            lambda o, s: _discriminated(load(), o), "lower", f"accuracy of a classifier, {of}"
        ),
    }
    if not dense:
        return found
    title = f"log p a step, test series of {source} (bound)"
    nats = Metric(lambda o, s: _nats(o), "higher", title, "nats/step", "lower bound")
    return {"log_prob_per_step": nats, **found}


def generated(data: SeriesSet, drawn: Drawn, dense: bool) -> Mapping[str, float | None]:
    """A row of a table of laws."""
    nats = _nats(drawn)
    first = {"log p a step": None if nats is None else nats.value} if dense else {}
    scores = {"MMD²": _mmd(data, drawn), "accuracy": _discriminated(data, drawn)}
    return first | {name: score.value for name, score in scores.items()}


def _nats(drawn: Drawn) -> Score | None:
    """Entries of a law with a density are steps: it has one channel."""
    if drawn.nats is None:
        return None
    each = (drawn.nats.nats.double() / drawn.nats.dims).numpy()
    return Score(float(each.mean()), float(each.std(ddof=1)) / math.sqrt(len(each)))


def _mmd(data: SeriesSet, drawn: Drawn) -> Score:
    real, made, other = _series(data, drawn)
    return judge.mmd(real, made, judge.median_distance(real, other))


def _discriminated(data: SeriesSet, drawn: Drawn) -> Score:
    real, made, _ = _series(data, drawn)
    return judge.discriminate(real, made, np.random.default_rng(_SEED)).accuracy


def _series(
    data: SeriesSet, drawn: Drawn
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Test series, generated ones and validation ones in units of their spread, with their times beside if these
    differ: it is the law of both that must be right."""
    test, valid = data.test.first(drawn.windows), data.valid.first(drawn.windows)
    rows = [
        (data.judged(test.values), test.times),
        (drawn.samples[0].astype(np.float64), valid.times),
        (data.judged(valid.values), valid.times),
    ]
    values = [x / data.spread for x, _ in rows]
    if (test.times != test.times[0]).any():
        scale = test.times.std()
        values = [
            np.concatenate([x, t[..., None] / scale], 2)
            for x, (_, t) in zip(values, rows, strict=True)
        ]
    return values[0], values[1], values[2]
