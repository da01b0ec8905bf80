"""Figures of answers to an exam for the report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unnoise.domains.task import Splits
from unnoise.domains.timeseries import plot
from unnoise.domains.timeseries.outputs import Drawn
from unnoise.domains.timeseries.problem import Exam, SeriesSet
from unnoise.domains.timeseries.scores import by_cost as cost_table

__all__ = ["answers", "beside", "by_cost", "calibration"]

Loads = Callable[[], SeriesSet]
ROWS, COLUMNS = 2, 3  # windows, and channels of each
MADE, REAL = "#1f5a99", "#b3541e"


def answers(load: Loads, outputs: Drawn, splits: Splits) -> Figure:
    """What was given, bands of what was asked, and the truth, of the windows and channels of which most
    was asked."""
    data = load()
    exam = data.test.first(outputs.windows)
    asked = exam.asked.sum(1)
    windows = np.argsort(-asked.sum(1), kind="stable")[:ROWS]
    across = min(COLUMNS, asked.shape[1])
    figure = Figure(figsize=(3.2 * across, 2.1 * len(windows)), layout="constrained")
    grid = figure.subplots(len(windows), across, squeeze=False)
    for row, k in zip(grid, windows, strict=True):
        channels = np.argsort(-asked[k], kind="stable")[:across]
        for axes, c in zip(row, channels, strict=True):
            _window(axes, data, exam, outputs.samples[:, k, :, c], int(k), int(c))
    grid[0, 0].legend(fontsize=6)
    return figure


def calibration(load: Loads, outputs: Drawn, splits: Splits) -> Figure:
    """Where the truth falls in its law."""
    data = load()
    truth = data.judged(data.test.first(outputs.windows).truth)
    return plot.calibration(outputs.samples, truth, np.random.default_rng(0))


def beside(load: Loads, outputs: Drawn, splits: Splits) -> Figure:
    """Generated series beside real ones; where each has times of its own, over their order."""
    data = load()
    t = data.test.times
    shared = t[0] if (t == t[0]).all() else None
    return plot.beside(outputs.samples[0], data.judged(data.test.values), shared, data.channels)


def by_cost(load: Loads, outputs: Drawn, splits: Splits) -> Figure | None:
    """CRPS against network evaluations."""
    table = cost_table(load, outputs, splits)
    if table is None:
        return None
    costs = sorted(outputs.sweep)
    figure = Figure(figsize=(4.5, 2.6), layout="constrained")
    axes = figure.subplots()
    values = np.array([row["CRPS"] for row in table.values()], dtype=np.float64)
    axes.plot(costs, values, marker="o", ms=4, color=MADE)
    axes.set_xscale("log")
    axes.set_xticks(costs, [str(n) for n in costs], fontsize=7)
    axes.minorticks_off()
    axes.set_xlabel("network evaluations", fontsize=8)
    axes.set_ylabel("CRPS", fontsize=8)
    return figure


def _window(
    axes: Axes, data: SeriesSet, exam: Exam, samples: NDArray[np.float32], k: int, c: int
) -> None:
    """A channel of a window."""
    t, hidden = exam.times[k], exam.asked[k, :, c]
    truth, seen = (data.judged(x[k : k + 1])[0, :, c] for x in (exam.truth, exam.seen))
    middle = np.where(hidden, np.median(samples, 0), np.nan)
    for level, alpha in zip(plot.BANDS, (0.18, 0.3), strict=True):
        ends = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
        low, high = np.where(hidden, ends, np.nan)
        axes.vlines(t, low, high, color=MADE, alpha=alpha, lw=3, label=f"{100 * level:.0f} %")
    axes.plot(t, middle, ".", ms=4, color=MADE, label="median")
    axes.plot(t, seen, ".", ms=3, color="0.4", label="given")
    axes.plot(t, truth, "x", ms=3, color=REAL, label="truth")
    axes.set_title(f"window {k}, {data.channels[c]}", fontsize=8)
    axes.tick_params(labelsize=6)
