"""The task that measures what the core costs beside the network, by `benchmarks.overhead`.

Times differ between machines and between runs: compare the bars of one run with each other, and
with peers' figures only in the large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from matplotlib.figure import Figure

from unnoise.benchmarks.core.figures import bars
from unnoise.benchmarks.core.methods import DETERMINISTIC, STOCHASTIC
from unnoise.benchmarks.overhead import SHAPE, STEPS, Null, sampling, training
from unnoise.benchmarks.published import load
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Eps, MeanDenoiser
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.progress import track
from unnoise.core.random import Generator
from unnoise.core.sampler import Sampler
from unnoise.core.schedule import Cosine
from unnoise.core.transform import Affine
from unnoise.domains.task import Metric, Preset, Score, Splits, Table, Task

__all__ = ["NAME", "Cost", "overhead"]

NAME = "core/overhead"
# on the process of the null network; the damped ones walk another
SAMPLERS: dict[str, Sampler] = {
    name: sampler
    for name, method in (DETERMINISTIC | STOCHASTIC).items()
    if isinstance(sampler := method(STEPS), Sampler)
}
SAMPLING, TRAINING = "sampling_overhead", "training_overhead"


@dataclass(frozen=True)
class Cost:
    """What is spent beside the network.

    Attributes:
        sampling: microseconds a network evaluation, by sampler, the default one first.
        training: milliseconds a step of the objective, backward pass and optimizer.
    """

    sampling: Mapping[str, float]
    training: float


def overhead() -> Task:
    """The time of samplers and of the loss on a network that does nothing."""
    return Task(
        "a network that does nothing: time beside it, no training",
        data=_data,
        model=lambda splits, preset: Model(
            Gaussian(Cosine()), MeanDenoiser(Null(), Eps()), SHAPE[1:]
        ),
        generate=_measure,
        metrics={
            SAMPLING: Metric(_sampling, "lower", "Sampling, over the bare network", "µs/NFE"),
            TRAINING: Metric(_training, "lower", "Training step, over a bare loop", "ms"),
        },
        presets={
            "smoke": Preset(None, {}, {"samplers": 2}),
            "cpu": Preset(None, {}, {"samplers": len(SAMPLERS)}),
        },
        floor=lambda splits, preset: Cost({"the bare network": 0.0}, 0.0),
        figures={
            "Sampling: time beside the network": partial(_bars, SAMPLING, "µs an evaluation"),
            "Training: time beside the network": partial(_bars, TRAINING, "ms a step"),
        },
        tables={"Every sampler": _table},
    )


def _data() -> Splits:
    """The states that are timed."""
    states = Batch(torch.zeros(SHAPE))
    return Splits(states, states, states, Affine())


def _measure(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Cost:
    named = list(SAMPLERS.items())[: preset.generate["samplers"]]
    times = {name: sampling(sampler)[0] for name, sampler in track(named, "samplers")}
    return Cost(times, training()[0])


def _sampling(outputs: Cost, splits: Splits) -> Score:
    return Score(next(iter(outputs.sampling.values())))


def _training(outputs: Cost, splits: Splits) -> Score:
    return Score(outputs.training)


def _bars(metric: str, label: str, outputs: Cost, splits: Splits) -> Figure:
    ours = outputs.sampling if metric == SAMPLING else {"ours": outputs.training}
    others = {figure.name: figure.value for figure in load(NAME) if figure.metric == metric}
    return bars(ours, others, label)


def _table(outputs: Cost, splits: Splits) -> Table:
    return {name: {"µs an evaluation": time} for name, time in outputs.sampling.items()}
