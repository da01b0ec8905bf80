"""Figures of models of graphs for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unnoise.domains.graphs.alphabet import KIND
from unnoise.domains.graphs.metrics import graph_mmd
from unnoise.domains.graphs.outputs import Drawn
from unnoise.domains.graphs.problem import GraphSet
from unnoise.domains.graphs.scores import STATISTICS
from unnoise.domains.task import Splits

__all__ = ["by_cost", "gallery", "histograms"]

COLOURS = ("#1f5a99", "#b3541e", "#2f7d4f", "#7a3e9d")
ACROSS, DOWN = 4, 2  # graphs shown of each

Loads = Callable[[], GraphSet]


def gallery(load: Loads, outputs: Drawn, splits: Splits) -> Figure:
    """Samples on the left, test graphs on the right, laid out by the same engine and seed."""
    figure = Figure(figsize=(2 * 1.5 * ACROSS + 0.4, 1.6 * DOWN + 0.3), layout="constrained")
    grid = figure.add_gridspec(1, 2)
    shown = ((outputs.graphs, "samples"), (load().test, "test graphs"))
    for k, (graphs, title) in enumerate(shown):
        part = figure.add_subfigure(grid[k])
        part.suptitle(title, fontsize=9)
        for axes, graph in zip(part.subplots(DOWN, ACROSS).flat, graphs, strict=False):
            _draw(axes, graph)
        for axes in part.axes:
            axes.set_axis_off()
    return figure


def histograms(load: Loads, outputs: Drawn, splits: Splits) -> Figure:
    """Degrees, clustering, spectra and orbits, a mean over graphs of each one's own."""
    made, real = outputs.statistics, load().statistics[1]
    figure = Figure(figsize=(9, 2.4), layout="constrained")
    for axes, (name, statistic) in zip(figure.subplots(1, 4), STATISTICS.items(), strict=True):
        for rows, label, colour in ((real, "test graphs", "gray"), (made, "samples", COLOURS[1])):
            table = rows.rows(statistic)
            share = table / np.maximum(table.sum(1, keepdims=True), 1e-12)
            mean = (table if statistic == "orbit" else share).mean(0)
            axes.step(np.arange(len(mean)), mean, where="mid", lw=1, color=colour, label=label)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        if statistic == "orbit":
            axes.set_yscale("symlog")
    figure.axes[0].legend(fontsize=7)
    return figure


def by_cost(load: Loads, outputs: Drawn, splits: Splits) -> Figure | None:
    """MMDs against network evaluations, and those of as many training graphs."""
    if not outputs.sweep:
        return None
    (train, test), costs = load().statistics, sorted(outputs.sweep)
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axes, (name, statistic) in zip(figure.subplots(1, 4), STATISTICS.items(), strict=True):
        values = [graph_mmd(test, outputs.sweep[n], statistic).value for n in costs]
        floor = graph_mmd(test, train, statistic).value
        axes.plot(costs, values, marker="o", ms=4, color=COLOURS[0])
        axes.axhline(floor, color="gray", ls=":", label="training graphs")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(costs, [str(n) for n in costs], fontsize=6)
        axes.minorticks_off()
        axes.set_title(f"{name}, MMD² (emd)", fontsize=8)
        axes.set_xlabel("evaluations", fontsize=8)
    figure.axes[0].legend(fontsize=7)
    return figure


def _draw(axes: Axes, graph: nx.Graph) -> None:
    """One graph, its nodes coloured by kind."""
    place = nx.spring_layout(graph, seed=0, iterations=100)
    kinds = sorted({str(d.get(KIND)) for _, d in graph.nodes(data=True)})
    colours = [
        COLOURS[kinds.index(str(d.get(KIND))) % len(COLOURS)] for _, d in graph.nodes(data=True)
    ]
    widths = _widths(graph)
    size = 300 / max(len(graph), 10)
    nx.draw_networkx_edges(graph, place, ax=axes, width=widths, edge_color="#888888")
    nx.draw_networkx_nodes(graph, place, ax=axes, node_size=size, node_color=colours)


def _widths(graph: nx.Graph) -> Sequence[float]:
    """Of edges: bonds by their order."""
    return [
        0.6 * d[KIND] if isinstance(d.get(KIND), int) else 0.6 for *_, d in graph.edges(data=True)
    ]
