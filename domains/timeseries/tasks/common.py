"""What tasks have in common: exams of a panel, rivals, and the task that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.core.batch import Batch
from unnoise.core.likelihood import LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator, seeded
from unnoise.core.training import Fit
from unnoise.domains.task import Metric, Preset, Task
from unnoise.domains.timeseries.baselines import DeepAR, Forecasts, Imputes, Linear
from unnoise.domains.timeseries.figures import answers, by_cost, calibration
from unnoise.domains.timeseries.fitted import FittedSeries
from unnoise.domains.timeseries.model import Network, best_scale, saved_reference, series_model
from unnoise.domains.timeseries.outputs import model_answers, rival_answers
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.problem import Exam, Rival, SeriesSet
from unnoise.domains.timeseries.question import KNOWN, STATIC
from unnoise.domains.timeseries.reference import Seasonal
from unnoise.domains.timeseries.scores import by_cost as cost_table
from unnoise.domains.timeseries.scores import rivals
from unnoise.domains.timeseries.standard import Standard, Units
from unnoise.domains.timeseries.windows import Windows, part, teaching

__all__ = [
    "FREE",
    "bound",
    "continued",
    "covering",
    "exam_of",
    "exam_task",
    "fillers",
    "hidden_from",
    "learned_from",
    "model_of",
    "presets",
    "refuse_states",
    "saved_of",
    "trained_deepar",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Loads = Callable[[], SeriesSet]

SMOKE = Fit(12, batch=8, lr=1e-3, warmup=3, ema=0.9)
CPU = Fit(3_000, batch=16, lr=1e-3, warmup=100, ema=0.999, precision="auto")
PAPER = Fit(60_000, batch=64, lr=1e-3, warmup=1_000, ema=0.9995, precision="auto")
TINY = {"width": 16, "layers": 1, "decoder": 1}
EVEN = {"width": 48, "layers": 3, "decoder": 2}
# where nothing is given, there is little to encode
FREE = {"width": 48, "layers": 1, "decoder": 4}


def presets(
    steps: int, few: int, samples: int = 100, rivals: Sequence[str] = (),
    network: Mapping[str, int] = EVEN, **generate: Any,
) -> dict[str, Preset]:  # fmt: skip
    """Smoke (seconds), cpu and paper (a GPU).

    Args:
        steps: of training on a CPU.
        few: windows of the exam, at most, that smoke answers.
        samples: of each window.
        rivals: those that smoke shows; cpu and paper show all.
        network: `Network`'s keywords, for cpu; for paper layers are twice as many and wide.
        **generate: more of `Settings`, for cpu and paper.
    """
    little = {"samples": min(samples, 20), "nfe": 4, "windows": few, "draws": 4, "scored": 8}
    much = {"samples": samples, **generate}
    wide = {key: 2 * n for key, n in network.items()}
    return {
        "smoke": Preset(SMOKE, TINY, {**little, "rivals": tuple(rivals)}),
        "cpu": Preset(replace(CPU, steps=steps), network, much),
        "paper": Preset(PAPER, wide, {**much, "nfe": 24}),
    }


def covering(
    series: Sequence[Series], hidden: Sequence[Mask], length: int
) -> list[tuple[Series, Mask, Mask]]:
    """Windows that cover series, end to end, and what of each is asked for and given, (T, C) each.

    The last window of a series reaches back into the one before. What is hidden there has been asked for
    already, and is neither asked for again nor given.

    Args:
        series: with all that is known.
        hidden: which known entries are to be asked for, (T, C) of each.
        length: of a window, in points.
    """
    out = []
    for one, away in zip(series, hidden, strict=True):
        end = 0
        for start in Windows(length, length).starts(len(one)):
            points = slice(start, min(start + length, len(one)))
            new = np.arange(points.start, points.stop)[:, None] >= end
            known = np.isfinite(one.values[points])
            out.append((part(one, points), away[points] & new & known, known & ~away[points]))
            end = points.stop
    return out


def hidden_from(series: Series, hidden: Mask) -> Series:
    """The series without what is hidden."""
    return replace(series, values=np.where(hidden, np.nan, series.values))


def learned_from(panel: Panel, windows: Windows, units: Standard) -> Batch:
    """Training windows; those of fewer than two known entries teach nothing and are left out."""
    return teaching(windows.cut(panel, Units(units, False)))


def exam_of(
    series: Sequence[Series], hidden: Sequence[Mask], length: int, units: Standard, never: Sequence[Mask] | None = None
) -> Exam:  # fmt: skip
    """The exam on what is hidden of series; what is `never` told is neither asked for nor given. Windows of
    which nothing is asked are left out."""
    whole = (
        series
        if never is None
        else [hidden_from(s, n) for s, n in zip(series, never, strict=True)]
    )
    rows = [row for row in covering(whole, hidden, length) if row[1].any()]
    parts, asked, given = zip(*rows, strict=True)
    return Exam.of(parts, asked, given, units, length)


def fillers(named: Mapping[str, Imputes], points: bool = True) -> dict[str, Rival]:
    """Baselines of imputation as rivals."""

    def drawn(one: Imputes, exam: Exam, samples: int, rng: np.random.Generator) -> Floats:
        return one.impute(exam.seen, exam.times, samples, rng)

    return {name: Rival(partial(drawn, one), points) for name, one in named.items()}


def continued(
    baseline: Callable[[], Forecasts], series: Series, context: int, point: bool = False
) -> Rival:
    """A baseline of forecasting as a rival: it is given all that came before, not only the window's
    context; gaps are filled by lines.

    Args:
        baseline: made when it is needed.
        series: all of it, in the data's units.
        context: points of a window that are the past.
        point: whether its samples are all the same.
    """

    def draw(exam: Exam, samples: int, rng: np.random.Generator) -> Floats:
        n, length, channels = exam.values.shape
        out = np.full((samples, n, length, channels), np.nan)
        made = baseline()
        for k, first in enumerate(exam.times[:, context]):
            past = _filled(series, series.times < first)
            out[:, k, context:] = made.forecast(past[None], length - context, samples, rng)[:, 0]
        return out

    return Rival(draw, point)


def trained_deepar(
    series: Series, points: int, freq: str, horizon: int
) -> Callable[[], Forecasts]:
    """DeepAR, trained on the first points of a series when it is first needed."""

    @cache
    def made() -> DeepAR:
        past = _filled(series, np.arange(len(series)) < points)
        return DeepAR.fit(past[None], freq, horizon, np.random.default_rng(0))

    return made


def _filled(series: Series, some: Mask) -> Floats:
    """Values at some times, holes on the line between known ones."""
    values, times = series.values[some][None], series.times[some][None]
    line = Linear.fit(values)
    filled: Floats = line.impute(values, times, 1, np.random.default_rng(0))[0, 0]
    return filled


def model_of(data: SeriesSet, preset: Preset) -> Model:
    """An untrained model: it answers as its reference does. `preset.network` has `Network`'s keywords."""
    reference = deepcopy(data.reference)  # a model moves to its device, the rival stays
    return _model(data, preset, reference)


def saved_of(data: SeriesSet, preset: Preset, checkpoint: Path) -> Model:
    """The same for the weights of a checkpoint, with the reference that it holds: none is fitted."""
    return _model(data, preset, saved_reference(checkpoint))


def _model(data: SeriesSet, preset: Preset, reference: Seasonal) -> Model:
    size = Network(**preset.network).chosen(data.train)
    channels = data.train.x.shape[2]
    known, static = (
        data.train.cond[k].shape[-1] if k in data.train.cond else 0 for k in (KNOWN, STATIC)
    )
    scale = best_scale(data.train, reference, data.pattern, seeded(0), data.gap)
    network = size.build(channels, known, static, data.longest)
    return series_model(tuple(data.train.x.shape[1:]), network, reference, data.pattern, scale)


def bound(model: Model, states: Batch, draws: int, generator: Generator) -> LikelihoodResult:
    """A lower bound on log p(asked | given) of windows, in nats of standard units."""
    assert isinstance(generator, torch.Generator)
    given = torch.zeros_like(states.x).bool() if states.observed is None else states.observed
    return FittedSeries(model).log_prob(states, given, draws, generator)


def refuse_states(n: int, generator: torch.Generator) -> Batch:
    """A series is an answer, and the command line asks nothing.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        "sample: series are answers to questions; ask with Imputer or Forecaster of unnoise.domains.timeseries"
    )


def exam_task(
    summary: str, load: Loads, metrics: Mapping[str, Metric], budgets: Mapping[str, Preset],
    baseline: str,
) -> Task:  # fmt: skip
    """The task of a set with an exam.

    Args:
        summary: one line.
        load: the data, cached.
        metrics: by name, the main one first.
        budgets: presets; `network` has the keywords of `Network`, `generate` those of `Settings`.
        baseline: the rival that figures stand beside.
    """
    return Task(
        summary,
        data=lambda: load().splits(),
        model=lambda splits, preset: model_of(load(), preset),
        generate=lambda m, s, preset, g: model_answers(m, load(), load().test, preset, g),
        metrics=metrics,
        presets=budgets,
        baseline=lambda s, preset: rival_answers(load(), load().test, preset, baseline),
        figures={
            "Answers": partial(answers, load),
            "Calibration": partial(calibration, load),
            "Quality against cost": partial(by_cost, load),
        },
        tables={
            "Rivals": partial(rivals, load),
            "Quality against cost": partial(cost_table, load),
        },
        empty=refuse_states,
        bound=bound,
        saved=lambda splits, preset, checkpoint: saved_of(load(), preset, checkpoint),
    )
