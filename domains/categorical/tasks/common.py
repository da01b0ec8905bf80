"""What the tasks of codes share: problem, network and budget to a Task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor, nn

from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.core.rates import Rates
from unnoise.domains.categorical.baselines import ChowLiu
from unnoise.domains.categorical.model import absorbing_model, jump_model
from unnoise.domains.categorical.networks import TableMLP
from unnoise.domains.categorical.outputs import (
    Classical,
    Completing,
    Pattern,
    Rows,
    Whole,
    classical_rows,
    completed_rows,
    model_rows,
    real_rows,
)
from unnoise.domains.categorical.problem import Problem
from unnoise.domains.task import Metric, Preset, Splits, Task

__all__ = ["Completion", "Maker", "chow_liu", "code_task", "table_network"]

Maker = Callable[[Problem, Mapping[str, Any]], Callable[[int, int, int], nn.Module]]


@dataclass(frozen=True)
class Completion:
    """Test rows completed.

    Attributes:
        given: what is given of them.
        classical: the baseline, which then is that of the whole task.
    """

    given: Pattern
    classical: Callable[[], Completing]


def table_network(
    problem: Problem, how: Mapping[str, Any]
) -> Callable[[int, int, int], nn.Module]:
    """A perceptron of the preset's size."""
    return lambda columns, states, out: TableMLP(columns, states, out, **how)


def chow_liu(problem: Problem) -> Classical:
    """A tree fitted to the training rows."""
    return Whole(ChowLiu.fit(problem.train.flatten(1).long(), problem.alphabets))


def code_task(
    summary: str,
    load: Callable[[], Problem],
    presets: Mapping[str, Preset],
    metrics: Mapping[str, Metric],
    *,
    network: Maker = table_network,
    classical: Callable[[Problem], Classical] = chow_liu,
    rates: Callable[[Problem], tuple[Rates, tuple[float, float]]] | None = None,
    completion: Completion | None = None,
    figures: Mapping[str, Callable[[Any, Splits], Figure | None]] | None = None,
    write: Callable[[Tensor, Path], None] | None = None,
    formats: Sequence[str] = (),
) -> Task:
    """A task of rows of codes.

    Args:
        summary: one line.
        load: the problem, cached.
        presets: budgets; `network` are the network's keywords, `generate` those of `Settings`.
        metrics: by name, the main one first.
        network: makes the network of a preset.
        classical: the baseline.
        rates: the noise and its window of log-SNR; None: absorbing.
        completion: how test rows are completed; None: they aren't.
        figures, write, formats: see `Task`.
    """

    def model(splits: Splits, preset: Preset) -> Model:
        problem = load()
        make = network(problem, preset.network)
        if rates is None:
            return absorbing_model(problem, make)
        noise, window = rates(problem)
        return jump_model(problem, noise, make, window)

    def generate(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Rows:
        given = None if completion is None else completion.given
        return model_rows(model, load(), splits, preset, generator, given)

    def baseline(splits: Splits, preset: Preset) -> Rows:
        if completion is None:
            return classical_rows(classical(load()), load(), splits, preset)
        model = completion.classical()
        outputs = classical_rows(model, load(), splits, preset)
        return completed_rows(model, outputs, splits, preset, completion.given)

    return Task(
        summary,
        data=lambda: load().splits(),
        model=model,
        generate=generate,
        metrics=metrics,
        presets=presets,
        floor=lambda splits, preset: real_rows(load(), splits, preset),
        baseline=baseline,
        figures=figures or {},
        write=write,
        formats=formats,
    )
