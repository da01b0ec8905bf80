"""Sample quality of image models against network evaluations: from the end of the whole path, and
from shorter ones with learned priors.

Samples are asked for without labels, since a learned prior is a law of all x_T. They are compared
to the test images; the floor is what as many training images score.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.model import Model
from unnoise.core.progress import track
from unnoise.core.random import seeded
from unnoise.core.sampler import AnyNoise, Sampler, auto
from unnoise.domains.images.outputs import Images
from unnoise.domains.task import Splits, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["METRICS", "NFE", "SOLVERS", "Quality", "floors", "measure", "quality_figure"]

NFE = (3, 4, 6, 8, 12, 16, 32)
METRICS = ("fid_own", "kid_random", "sliced_w2")
SOLVERS: Mapping[str, Callable[[int], Sampler]] = {
    "auto": auto,
    "ancestral": lambda nfe: Sampler(AnyNoise(1.0), nfe - 1),
}
_DRAW, _FLOOR = 20, 21  # streams of a seed


@dataclass(frozen=True)
class Quality:
    """One metric of one sampler at one cost, for several seeds of the sampling.

    Attributes:
        solver: a name of `SOLVERS`.
        start: the prior and the end of its path.
        nfe: network evaluations of each sample.
        metric: its name among the task's; lower is better in all.
        values: one a seed.
    """

    solver: str
    start: str
    nfe: int
    metric: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """The standard deviation over seeds; NaN of one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan


def measure(
    task: Task,
    splits: Splits,
    starts: Mapping[str, Model],
    samples: int,
    seeds: Sequence[int],
    costs: Sequence[int],
) -> Iterator[Quality]:
    """Every solver from every start at every cost; all starts see the same random numbers.

    Raises:
        ValueError: if the task has no such metrics: it isn't one of images.
    """
    require_metrics(task)
    for (solver, make), (start, model) in product(SOLVERS.items(), starts.items()):
        for cost in track(costs, f"{solver}, {start}"):
            scores = [
                _scores(task, splits, _draw(model, make(cost), samples, seed)) for seed in seeds
            ]
            for metric in METRICS:
                values = tuple(score[metric] for score in scores)
                yield Quality(solver, start, cost, metric, values)


def floors(task: Task, splits: Splits, samples: int, seeds: Sequence[int]) -> list[Quality]:
    """What training images score, as many as samples, another choice of them for every seed."""
    require_metrics(task)
    n = min(samples, len(splits.train))
    scores = []
    for seed in seeds:
        rows = torch.randperm(len(splits.train), generator=seeded(seed, _FLOOR))[:n]
        scores.append(_scores(task, splits, splits.train.x[rows]))
    return [Quality("", "floor", 0, m, tuple(s[m] for s in scores)) for m in METRICS]


def require_metrics(task: Task) -> None:
    """Refuse a task without the metrics.

    Raises:
        ValueError: naming those that it lacks.
    """
    lacking = [m for m in METRICS if m not in task.metrics]
    if lacking:
        raise ValueError(
            f"quality needs the metrics of an image task, and this one lacks {', '.join(lacking)}"
        )


def _draw(model: Model, sampler: Sampler, samples: int, seed: int) -> Tensor:
    """Samples without labels, on the CPU."""
    blank = Batch.empty(samples, model.shape, {"label": torch.full((samples,), -1)})
    blank = blank.to(next(model.denoiser.parameters()).device)
    generator = seeded(seed, _DRAW)
    parts = [blank.rows(slice(i, i + 250)) for i in range(0, samples, 250)]
    return torch.cat([model.sample(part, sampler, generator=generator).cpu() for part in parts])


def _scores(task: Task, splits: Splits, images: Tensor) -> dict[str, float]:
    outputs = Images(images, torch.full((len(images),), -1))
    scores = {m: task.metrics[m].score(outputs, splits) for m in METRICS}
    return {m: score.value for m, score in scores.items() if score is not None}


def quality_figure(
    points: Sequence[Quality], floor: Sequence[Quality], titles: Mapping[str, str]
) -> Figure:
    """A row a metric, a column a solver, a line a start; bars are standard deviations over
    seeds."""
    from matplotlib.figure import Figure

    solvers, starts, metrics = (
        list(dict.fromkeys(getattr(p, name) for p in points))
        for name in ("solver", "start", "metric")
    )
    figure = Figure(figsize=(9, 2.9 * len(metrics) + 0.8), layout="constrained")
    grid = figure.subplots(len(metrics), len(solvers), squeeze=False, sharex=True, sharey="row")
    for (row, metric), (column, solver) in product(enumerate(metrics), enumerate(solvers)):
        axes = grid[row, column]
        for k, start in enumerate(starts):
            line = [p for p in points if (p.solver, p.start, p.metric) == (solver, start, metric)]
            shift = 1.02 ** (k - len(starts) / 2)  # so that bars stand side by side
            axes.errorbar(
                [p.nfe * shift for p in line], [p.mean for p in line], [p.spread for p in line],
                marker="os^Dv*P"[k % 7], ms=4, lw=1.3, capsize=2, color=f"C{k}", label=start,
                linestyle="--" if start.endswith("T = 1") else "-",
            )  # fmt: skip
        for low in (p for p in floor if p.metric == metric):
            axes.axhline(low.mean, color="grey", ls=":", label="floor: training images")
        axes.set_xscale("log", base=2)
        axes.set_yscale("symlog", linthresh=0.01) if metric == "kid_random" else axes.set_yscale(
            "log"
        )
        costs = sorted({p.nfe for p in points})
        axes.set_xticks(costs, [str(c) for c in costs])
        axes.grid(color="#d5d5d0", lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        if row == 0:
            axes.set_title(solver, fontsize=10)
        if row == len(metrics) - 1:
            axes.set_xlabel("network evaluations a sample")
        if column == 0:
            axes.set_ylabel(titles.get(metric, metric), fontsize=8)
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
    )
    return figure
