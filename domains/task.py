"""What a modality says to be trained, sampled, scored and shown: six fields and no registration.

The floor and the baseline of every figure are outputs like the model's: a perfect sampler (real
data) and a trivial model go through the same metrics, so that no number stands without the two it
must be read between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.core.sampler import Sampling
from unnoise.core.training import Fit
from unnoise.core.transform import Transform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Metric", "Preset", "Score", "Sound", "Splits", "Table", "Task"]

Table = Mapping[str, Mapping[str, float | None]]  # row -> column -> value; None: there is none


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set, in the data's own units, and the transform that a model of
    them wants.

    Choose on `valid`; `test` is for the report, once. Every part is one Batch that holds the whole
    part.
    """

    train: Batch
    valid: Batch
    test: Batch
    transform: Transform


@dataclass(frozen=True)
class Preset:
    """A budget: how to train (None: the model is exact and needs no training), how large a
    network, how much to generate. `network` and `generate` are the task's own keywords."""

    fit: Fit | None
    network: Mapping[str, Any] = field(default_factory=dict)
    generate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """A measured value with its standard error (None: not estimated)."""

    value: float
    stderr: float | None = None


@dataclass(frozen=True)
class Metric:
    """A pure function of outputs and data.

    Attributes:
        score: (outputs, splits) -> Score, or None where these outputs don't have what it measures.
        direction: which way is better.
        unit: of the value, "" if it has none.
        title: a reader's name for it.
        kind: what the value promises: exact, an upper or lower bound, or an estimate.
    """

    score: Callable[[Any, Splits], Score | None]
    direction: Literal["lower", "higher"]
    title: str
    unit: str = ""
    kind: Literal["exact", "upper bound", "lower bound", "estimate"] = "estimate"


@dataclass(frozen=True, eq=False)
class Sound:
    """One channel of sound for the report's players; what exceeds full scale is clipped.

    Attributes:
        samples: (n,), full scale 1.
        rate: samples a second.
    """

    samples: Tensor
    rate: int


@dataclass(frozen=True)
class Task:
    """A benchmark of one data set.

    Attributes:
        summary: one line for lists.
        data: loads the splits.
        model: an untrained model of them.
        generate: what is scored: samples, likelihoods, forecasts, ...
        metrics: by name.
        floor: outputs of a perfect generator (usually real data), to be scored like the model's;
            None: unknown.
        baseline: outputs of a trivial generator.
        figures: matplotlib figures (outputs, splits) -> Figure by title, in the order of the
            report; None: these outputs don't have it.
        tables: more numbers than the metrics hold (outputs, splits) -> Table by title; None: these
            outputs don't have it.
        sounds: what the report plays, (outputs, splits) -> sounds by name (noisy, enhanced, clean) by
            title; few and short, as the page holds them; None: there is nothing to hear.
        presets: budgets by name: smoke (seconds), cpu (minutes), paper (a GPU).
        conditions: (splits, n, label) -> conditions of n samples, of one class or of all in turn;
            None: nothing to condition on.
        empty: (n, generator) -> n states to be drawn, where they aren't all of one form; None: they
            are. What doesn't exist of them is -1 when it is written.
        sampler: nfe -> how to sample with so many evaluations; None: `core.sampler.auto`.
        bound: (model, states, draws, generator) -> the bound of states of `data`, where it isn't that of the
            model: what lies between states and the user's rows; None: nothing does.
        write: (samples, path) -> None, a file in a format that its suffix chooses; None: samples
            have no file.
        formats: the suffixes that `write` knows, checked before samples are drawn; none: any.
        saved: (splits, preset, checkpoint) -> a model for the weights of a checkpoint, where `model` fits
            to the data what these hold already; None: `model` fits nothing.
        about: (model, preset) -> what a checkpoint says of its model, for those who load it without
            the task; None: nothing.
    """

    summary: str
    data: Callable[[], Splits]
    model: Callable[[Splits, Preset], Model]
    generate: Callable[[Model, Splits, Preset, Generator], Any]
    metrics: Mapping[str, Metric]
    presets: Mapping[str, Preset]
    floor: Callable[[Splits, Preset], Any] | None = None
    baseline: Callable[[Splits, Preset], Any] | None = None
    figures: Mapping[str, Callable[[Any, Splits], Figure | None]] = field(default_factory=dict)
    tables: Mapping[str, Callable[[Any, Splits], Table | None]] = field(default_factory=dict)
    sounds: Callable[[Any, Splits], Mapping[str, Mapping[str, Sound]]] | None = None
    conditions: Callable[[Splits, int, int | None], Mapping[str, Tensor]] | None = None
    empty: Callable[[int, torch.Generator], Batch] | None = None
    sampler: Callable[[int], Sampling] | None = None
    bound: Callable[[Model, Batch, int, Generator], LikelihoodResult] | None = None
    write: Callable[[Tensor, Path], None] | None = None
    formats: Sequence[str] = ()
    saved: Callable[[Splits, Preset, Path], Model] | None = None
    about: Callable[[Model, Preset], Mapping[str, Any]] | None = None
