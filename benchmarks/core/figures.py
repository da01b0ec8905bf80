"""Error against cost on logarithmic axes: ours solid, peers' measured figures dashed, exact samples
dotted; and the same numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unnoise.benchmarks.charts import plain_ticks
from unnoise.benchmarks.core.accuracy import Curves
from unnoise.benchmarks.published import load
from unnoise.domains.task import Table

__all__ = ["bars", "by_cost", "peers", "table"]

OURS = ("#1f5a99", "#b3541e", "#2f7d4f", "#7a3e9d", "#a3304f", "#4a5a66", "#0d8a8a", "#8a7a1f")
GREYS = ("#222222", "#777777", "#aaaaaa")
MARKERS = "osD^vP*Xh"  # one more than colours, so that no pair repeats


def peers(task: str, metric: str) -> dict[str, dict[int, float]]:
    """The published figures of a metric by method and number of evaluations."""
    found: dict[str, dict[int, float]] = {}
    for figure in load(task):
        base, _, nfe = figure.metric.partition("@")
        if base == metric and nfe:
            found.setdefault(figure.name, {})[int(nfe)] = figure.value
    return found


def by_cost(
    ours: Curves,
    others: Mapping[str, Mapping[int, float]],
    references: Mapping[str, float],
    label: str,
    worst: float = math.inf,
) -> Figure:
    """Curves of an error against the number of evaluations; the first of ours is bold, and errors
    above `worst` are off the page."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for k, (name, curve) in enumerate(ours.items()):
        axes.plot(
            list(curve), [score.value for score in curve.values()], marker=MARKERS[k % 9],
            color=OURS[k % 8], lw=2.4 if k == 0 else 1.1, ms=5 if k == 0 else 3.5, label=name,
            zorder=3 if k == 0 else 2,
        )  # fmt: skip
    for k, (name, points) in enumerate(others.items()):
        axes.plot(
            list(points), list(points.values()), "--", marker=MARKERS[k // 3 % 9],
            color=GREYS[k % 3], lw=0.9, ms=3, label=name, zorder=1,
        )  # fmt: skip
    for (name, value), colour in zip(references.items(), GREYS, strict=False):
        axes.axhline(value, color=colour, ls=":", lw=1, label=name)
    _dress(axes, ours, others, references, worst)
    axes.set_ylabel(label)
    figure.legend(loc="outside right upper", fontsize=6.5, frameon=False)
    return figure


def bars(ours: Mapping[str, float], others: Mapping[str, float], label: str) -> Figure:
    """Horizontal bars, ours above peers'."""
    figure = Figure(figsize=(7.2, 0.6 + 0.21 * (len(ours) + len(others))), layout="constrained")
    axes = figure.subplots()
    names = [*ours, *others]
    drawn = axes.barh(
        range(len(names)), [*ours.values(), *others.values()], height=0.7,
        color=[OURS[0]] * len(ours) + ["#b9bec4"] * len(others),
    )  # fmt: skip
    axes.bar_label(drawn, fmt="%.3g", fontsize=7, padding=3)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def table(parts: Mapping[str, Curves]) -> Table:
    """Every method's scores: a row a method, a column a budget, for each named part."""
    rows: dict[str, dict[str, float | None]] = {}
    for title, curves in parts.items():
        for method, curve in curves.items():
            cells = {f"{title}, {nfe} NFE": score.value for nfe, score in curve.items()}
            rows.setdefault(method, {}).update(cells)
    return rows


def _dress(
    axes: Axes,
    ours: Curves,
    others: Mapping[str, Mapping[int, float]],
    references: Mapping[str, float],
    worst: float,
) -> None:
    """Scales, limits and ticks."""
    budgets = sorted({nfe for curve in [*ours.values(), *others.values()] for nfe in curve})
    values = [score.value for curve in ours.values() for score in curve.values()]
    values += [value for points in others.values() for value in points.values()]
    values = [value for value in [*values, *references.values()] if value > 0]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.8 * min(values), min(1.25 * max(values), worst))
    axes.set_xticks(budgets, [str(nfe) for nfe in budgets])
    axes.minorticks_off()
    plain_ticks(axes.yaxis, (1, 2, 5))
    axes.set_xlabel("network evaluations")
    axes.grid(color="#e3e3e0", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
