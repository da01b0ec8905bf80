"""The tasks that measure samplers and likelihoods themselves: a mixture's exact denoiser in the
place of a network, and nothing to train.

A preset says how many noise sets, how many points in each, and how many test points.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from unnoise.benchmarks.core import problem
from unnoise.benchmarks.core.accuracy import (
    LIKELIHOOD_NFE,
    SAMPLER_NFE,
    Accuracy,
    Curves,
    exactly,
    measure,
)
from unnoise.benchmarks.core.figures import by_cost, peers, table
from unnoise.benchmarks.core.methods import process
from unnoise.benchmarks.core.problem import Problem
from unnoise.core.batch import Batch
from unnoise.core.model import Model
from unnoise.core.random import Generator, seeded
from unnoise.core.transform import Affine
from unnoise.domains.task import Metric, Preset, Score, Splits, Table, Task

__all__ = ["TASKS"]

W2, RMSE, NATS = "Sliced W2", "RMSE to the exact flow", "Error of log p"
USELESS = 2 * problem.STD  # an error of samples that need not be seen


def _preset(sets: int, points: int, tests: int) -> Preset:
    return Preset(None, {}, {"sets": sets, "points": points, "tests": tests})


def accuracy(
    name: str, summary: str, load: Callable[[], Problem], smoke: Preset, cpu: Preset
) -> Task:
    """The task "core/`name`" of a problem; `load` is cached, and called when the problem is used."""

    def data() -> Splits:
        """What the problem holds, for who looks: no network is fitted to it."""
        whole = load()
        draws = whole.law.sample(1000, seeded(0)).float()
        reference = whole.reference.flatten(0, 1)
        return Splits(Batch(reference), Batch(draws), Batch(whole.points), Affine())

    def model(splits: Splits, preset: Preset) -> Model:
        return Model(process(load().data_std), load().law, tuple(splits.test.x.shape[1:]))

    def part(preset: Preset) -> Problem:
        return problem.part(load, **preset.generate)

    def generate(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Accuracy:
        return measure(model, part(preset), generator)

    def floor(splits: Splits, preset: Preset) -> Accuracy:
        return exactly(part(preset), part(preset).law, "exact")

    def baseline(splits: Splits, preset: Preset) -> Accuracy:
        return exactly(part(preset), part(preset).matched(), "one Gaussian")

    return Task(
        f"{summary}: samplers and likelihoods, no training",
        data=data,
        model=model,
        generate=generate,
        metrics=_metrics(),
        presets={"smoke": smoke, "cpu": cpu},
        floor=floor,
        baseline=baseline,
        figures={
            "Samples: sliced W2 to the law": partial(_samples, f"core/{name}"),
            "Trajectories: distance to the exact flow": partial(_trajectories, f"core/{name}"),
            "Densities: error of log p": partial(_densities, f"core/{name}"),
        },
        tables={"Every sampler": _samplers, "Every likelihood": _likelihoods},
    )


TASKS: dict[str, Callable[[], Task]] = {
    name: partial(accuracy, name, summary, load, smoke, cpu)
    for name, summary, load, smoke, cpu in (
        ("mixture-2", "five Gaussians in 2 dimensions", partial(problem.mixture, 2),
         _preset(1, 4096, 16), _preset(5, 4096, 64)),
        ("mixture-16", "five Gaussians in 16 dimensions", partial(problem.mixture, 16),
         _preset(1, 512, 16), _preset(3, 2048, 64)),
        ("mixture-64", "five Gaussians in 64 dimensions", partial(problem.mixture, 64),
         _preset(1, 256, 8), _preset(3, 1024, 64)),
        ("digits-pca", "ten Gaussians fitted to 16 components of 8 x 8 digits", problem.digits,
         _preset(1, 512, 16), _preset(3, 2048, 64)),
        ("mnist-pca", "ten Gaussians fitted to 32 components of MNIST", problem.mnist,
         _preset(1, 256, 16), _preset(3, 1024, 64)),
    )
}  # fmt: skip


def _metrics() -> dict[str, Metric]:
    """The default method's score at every budget."""

    def at(nfe: int, of: Callable[[Accuracy], Curves]) -> Callable[[Accuracy, Splits], Score]:
        return lambda outputs, splits: next(iter(of(outputs).values()))[nfe]

    w2 = {
        f"sliced_w2@{n}": Metric(at(n, lambda o: o.sliced_w2), "lower", f"{W2}, {n} NFE")
        for n in SAMPLER_NFE
    }
    rmse = {
        f"trajectory_rmse@{n}": Metric(
            at(n, lambda o: o.trajectory_rmse), "lower", f"{RMSE}, {n} NFE", kind="exact"
        )
        for n in SAMPLER_NFE
    }
    nats = {
        f"log_prob_error@{n}": Metric(
            at(n, lambda o: o.log_prob_error), "lower", f"{NATS}, {n} NFE", "nats"
        )
        for n in LIKELIHOOD_NFE
    }
    return w2 | rmse | nats


def _samples(task: str, outputs: Accuracy, splits: Splits) -> Figure:
    others = peers(task, "sliced_w2")
    return by_cost(outputs.sliced_w2, others, outputs.references, "sliced W2", USELESS)


def _trajectories(task: str, outputs: Accuracy, splits: Splits) -> Figure:
    others = peers(task, "trajectory_rmse")
    return by_cost(outputs.trajectory_rmse, others, {}, "RMSE to the exact flow", USELESS)


def _densities(task: str, outputs: Accuracy, splits: Splits) -> Figure:
    others = peers(task, "log_prob_error")
    return by_cost(outputs.log_prob_error, others, {}, "mean |log p error|, nats")


def _samplers(outputs: Accuracy, splits: Splits) -> Table:
    return table({W2: outputs.sliced_w2, RMSE: outputs.trajectory_rmse})


def _likelihoods(outputs: Accuracy, splits: Splits) -> Table:
    return table({f"{NATS} (nats)": outputs.log_prob_error})
