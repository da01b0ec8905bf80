"""Laws that are known: six of Biloš et al. (2023), on a regular grid or at random times.

Nothing is given, so a model generates series at the times of validation series, and these are compared with test
series, which have other times. OU and CIR have a density: there the score is log p of test series a step, and
nothing can exceed that of the law itself. Laws depend on absolute time, which networks with relative positions don't
see: features of it are covariates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Kind, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.domains.task import Preset, Splits, Table, Task
from unnoise.domains.timeseries.figures import beside
from unnoise.domains.timeseries.laws import CIR, LAWS, OU
from unnoise.domains.timeseries.outputs import (
    Drawn,
    Settings,
    model_answers,
    model_log_prob,
    reference_answers,
    reference_log_prob,
)
from unnoise.domains.timeseries.patterns import Points
from unnoise.domains.timeseries.problem import Exam, Scale, SeriesSet, standard_of
from unnoise.domains.timeseries.question import KNOWN
from unnoise.domains.timeseries.scores import generated, generation_metrics
from unnoise.domains.timeseries.standard import Standard
from unnoise.domains.timeseries.tasks.common import (
    FREE,
    bound,
    model_of,
    presets,
    refuse_states,
    saved_of,
)

__all__ = ["SYNTHETIC", "exact", "independent", "simulated"]

PARTS = (6_000, 2_000, 2_000)
NOTHING = Points(0.0, 0.0)  # is given
STEPS = {1: 4_000, 2: 3_000, 3: 2_000}  # by channels: 5 to 20 minutes on one core
CHANNELS = {"lorenz": 3, "predator-prey": 2, "sink": 2}  # of a law; else 1

Floats = NDArray[np.float64]


@cache
def simulated(name: str, irregular: bool) -> SeriesSet:
    """Series of a law, each part from a stream of its own."""
    setting = LAWS[name]
    drawn = []
    for k, n in enumerate(PARTS):
        rng = np.random.default_rng([k, irregular])
        even = np.broadcast_to(setting.regular(), (n, setting.steps))
        times = setting.irregular(n, rng) if irregular else even
        drawn.append((setting.law.draw(n, times, rng), times))
    units, gap = standard_of(drawn[0][0]), setting.span / (setting.steps - 1)
    train, valid, test = (_exam(x, t, units, setting.span, gap) for x, t in drawn)
    channels = drawn[0][0].shape[2]
    return SeriesSet(
        train=train.batch.replace(observed=None),
        valid=valid,
        test=test,
        units=units,
        pattern=NOTHING,
        periods=(2 * setting.span,),  # cosines of half a period: the mean at each time
        gap=gap,
        source=name,
        judged=Scale.plain(channels),
        channels=tuple(range(channels)),
    )


def _exam(x: Floats, times: Floats, units: Standard, span: float, gap: float) -> Exam:
    """Series of which nothing is given."""
    z = torch.from_numpy(units.encode(x)).float()
    linear = (2 * times / span - 1) * np.sqrt(3)
    early = 2 * np.log1p(times / gap) / np.log1p(span / gap) - 1  # a start is short
    known = torch.from_numpy(np.stack([linear, early], -1)).float()
    nothing = torch.zeros(z.shape, dtype=torch.bool)
    t = torch.from_numpy(np.ascontiguousarray(times))
    return Exam(Batch(z, ~nothing, nothing, t, {KNOWN: known}), x)


def exact(name: str, exam: Exam) -> LikelihoodResult | None:
    """log p of series under their own law; None: it has no density."""
    law = LAWS[name].law
    if not isinstance(law, OU | CIR):
        return None
    nats = torch.from_numpy(law.log_prob(exam.values, exam.times))
    dims = torch.full((len(exam),), float(exam.values[0].size))
    return LikelihoodResult(nats, dims, Kind.EXACT, torch.zeros_like(nats), nfe=0)


def independent(data: SeriesSet, preset: Preset) -> Drawn | None:
    """Each value is one that a training series has at that time, whatever the others are; the likelihood is that of
    normal laws. None: series have times of their own."""
    how, t = Settings(**preset.generate), data.test.times
    if (t != t[0]).any():
        return None
    x, rng = data.units.decode(data.train.x.double().numpy()), np.random.default_rng(0)
    n = len(data.valid.first(how.windows))
    made = np.take_along_axis(x, rng.integers(len(x), size=(n, *x.shape[1:])), axis=0)
    mean, sd = x.mean(0), x.std(0)
    z = (data.test.first(how.scored).values - mean) / np.maximum(sd, 1e-9)
    log_p = -(z**2 + np.log(2 * np.pi)) / 2 - np.log(np.maximum(sd, 1e-9))
    nats = torch.from_numpy(log_p.sum((1, 2)))
    dims = torch.full(nats.shape, float(x[0].size))
    found = LikelihoodResult(nats, dims, Kind.EXACT, torch.zeros_like(nats), nfe=0)
    return Drawn(made[None].astype(np.float32), how.windows, found)


def _task(name: str, irregular: bool) -> Task:
    load, law = partial(simulated, name, irregular), LAWS[name].law
    channels = CHANNELS.get(name, 1)
    dense = isinstance(law, OU | CIR)
    source = f"{name} at random times" if irregular else name

    def floor(splits: Splits, preset: Preset) -> Drawn:
        """Other series of the law."""
        data, how = load(), Settings(**preset.generate)
        real = data.valid.first(how.windows).values
        nats = exact(name, data.test.first(how.scored))
        return Drawn(real[None].astype(np.float32), how.windows, nats)

    def baseline(splits: Splits, preset: Preset) -> Drawn:
        data, how = load(), Settings(**preset.generate)
        made = reference_answers(data, data.valid, preset)
        nats = reference_log_prob(data, data.test.first(how.scored)) if dense else None
        return replace(made, nats=nats)

    def generate(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Drawn:
        made = model_answers(model, load(), load().valid, preset, generator)
        nats = model_log_prob(model, load(), preset, generator) if dense else None
        return replace(made, nats=nats)

    def others(outputs: Drawn, splits: Splits) -> Table | None:
        scored = {} if outputs.nats is None else {"scored": len(outputs.nats.nats)}
        found = independent(load(), Preset(None, generate={"windows": outputs.windows, **scored}))
        row = "independent times and channels"
        return None if found is None else {row: generated(load(), found, dense)}

    where = "at random times" if irregular else "on a grid"
    return Task(
        f"series of the law {name}, {LAWS[name].steps} times, {where}",
        data=lambda: load().splits(),
        model=lambda splits, preset: model_of(load(), preset),
        generate=generate,
        metrics=generation_metrics(load, source, dense),
        presets=presets(STEPS[channels], 64, samples=1, network=FREE, windows=1_000),
        floor=floor,
        baseline=baseline,
        figures={"Series": partial(beside, load)},
        tables={"Another rival": others},
        empty=refuse_states,
        bound=bound,
        saved=lambda splits, preset, checkpoint: saved_of(load(), preset, checkpoint),
    )


SYNTHETIC: Mapping[str, Callable[[], Task]] = {
    name + suffix: partial(_task, name, irregular)
    for name in LAWS
    for suffix, irregular in (("", False), ("/irregular", True))
}
