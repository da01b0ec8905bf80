"""The tasks of graphs: own laws, published files, molecules. The noise is the preset's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from unnoise.core.model import Model
from unnoise.core.training import Fit
from unnoise.data import load_graphs
from unnoise.domains.graphs import laws
from unnoise.domains.graphs.denoiser import frequencies
from unnoise.domains.graphs.figures import by_cost, gallery, histograms
from unnoise.domains.graphs.metrics import (
    BlockFamily,
    is_connected,
    is_grid,
    is_molecule,
    is_planar,
    is_tree,
)
from unnoise.domains.graphs.model import Noising, graph_model
from unnoise.domains.graphs.molecules import MOLECULES, write_molecules
from unnoise.domains.graphs.networks import PGSN, EdgeTransformer, GraphNetwork, SparseNetwork
from unnoise.domains.graphs.outputs import model_graphs, random_graphs, real_graphs, written
from unnoise.domains.graphs.problem import GraphSet
from unnoise.domains.graphs.scores import by_cost as cost_table
from unnoise.domains.graphs.scores import metrics, random_networks, yardsticks
from unnoise.domains.graphs.write import FORMATS, write_graphs
from unnoise.domains.task import Preset, Splits, Task

__all__ = ["TASKS", "graphs"]

Law = Callable[[int, np.random.Generator], list[nx.Graph]]

LAWS: dict[str, tuple[Law, Callable[[nx.Graph], bool]]] = {
    "community-small": (laws.community, is_connected),
    "trees": (partial(laws.tree, nodes=32), is_tree),
}
FAMILIES: dict[str, Callable[[nx.Graph], bool]] = {
    "planar": is_planar,
    "sbm": BlockFamily(),
    "grid": is_grid,
    "qm9": is_molecule,
}
SMOKE = Fit(30, lr=2e-3, warmup=5, ema=0.9)
CPU = Fit(12_000, lr=1e-3, warmup=200, ema=0.999, precision="auto")
PAPER = Fit(100_000, lr=1e-3, warmup=1_000, ema=0.9998, precision="auto")
MANY = {"samples": 1_024, "sweep": 256}
MOLECULAR = {"samples": 1_024, "nfe": 128}  # so that hardly two entries are drawn at once
EDGE: dict[str, Any] = {}
SPARSE = {"kind": "sparse"}

NETWORKS: dict[str, type[EdgeTransformer | PGSN | SparseNetwork]] = {
    "edge": EdgeTransformer,
    "pgsn": PGSN,
    "sparse": SparseNetwork,
}


@cache
def drawn(name: str) -> GraphSet:
    """Graphs of a law of our own, 1,000 to train and as many to test, from streams of their own."""
    law, family = LAWS[name]
    train, valid, test = (
        law(n, np.random.default_rng(k)) for k, n in enumerate((1_000, 125, 1_000))
    )
    return GraphSet(train, valid, test, f"{name}, own law", family)


@cache
def published(name: str) -> GraphSet:
    """Graphs of a file. Where it has no validation part of its own, training is on all that was
    published for it, as that of others."""
    parts = load_graphs(name)
    own = name in ("planar", "sbm", "qm9")
    train = parts["train"] if own else [*parts["train"], *parts["valid"]]
    return GraphSet(
        train,
        parts["valid"],
        parts["test"],
        f"file and split {name}",
        FAMILIES.get(name, is_connected),
    )


def graphs(
    summary: str, load: Callable[[], GraphSet], source: str, valid: str,
    presets: Mapping[str, Preset],
    write: Callable[[Sequence[nx.Graph], Path], None] = write_graphs,
    formats: Sequence[str] = FORMATS,
) -> Task:  # fmt: skip
    """The task of a set of graphs.

    Args:
        summary: one line.
        load: the graphs, cached.
        source: their file and split, or law, for titles.
        valid: what a valid graph is, for titles.
        presets: budgets; `network` is the noise ("noising"), the network ("kind": edge, pgsn or sparse) and
            its keywords, `generate` those of `Settings`.
        write, formats: of files of graphs.
    """

    def model(splits: Splits, preset: Preset) -> Model:
        problem, how = load(), dict(preset.network)
        noising, kind = Noising(how.pop("noising", Noising.ABSORBING)), how.pop("kind", "edge")
        make = partial(_network, kind, how)
        shares = frequencies(problem.alphabet, splits.train)
        return graph_model(problem.alphabet, problem.nodes, shares, make, noising)

    samples = int(presets["cpu"].generate["samples"])
    return Task(
        summary,
        data=lambda: load().splits(),
        model=model,
        generate=lambda m, s, p, g: model_graphs(m, load(), s, p, g),
        metrics=metrics(load, source, samples, valid),
        presets=presets,
        floor=lambda s, p: real_graphs(load(), p),
        baseline=lambda s, p: random_graphs(load(), p),
        figures={
            "Graphs": partial(gallery, load),
            "Statistics": partial(histograms, load),
            "Quality against cost": partial(by_cost, load),
        },
        tables={
            "MMDs and what they are read between": partial(yardsticks, load),
            "MMDs against cost": partial(cost_table, load),
            "Random graph networks": partial(random_networks, load),
        },
        empty=lambda n, generator: load().empty(n, generator),
        write=lambda states, path: write(written(load(), states), path),
        formats=formats,
    )


def _network(
    kind: str, how: Mapping[str, Any], nodes: int, edges: int, node_out: int, edge_out: int
) -> GraphNetwork:
    return NETWORKS[kind](nodes, edges, node_out, edge_out, **how)


def _presets(
    batch: int,
    generate: Mapping[str, Any],
    network: Mapping[str, Any],
    noisings: Sequence[Noising],
) -> dict[str, Preset]:
    """Smoke, and cpu and paper under every noise; the first has no name."""
    small = {**network, "layers": 2, "width": 32}
    tiny = {"samples": 24, "nfe": 8, "draws": 8, "tests": 8}
    out = {"smoke": Preset(replace(SMOKE, batch=min(16, batch)), small, tiny)}
    for name, fit in (
        ("cpu", replace(CPU, batch=batch)),
        ("paper", replace(PAPER, batch=4 * batch)),
    ):
        for noising in noisings:
            first = noising is noisings[0]
            told = network if first else {**network, "noising": str(noising)}
            out[name if first else f"{name}-{noising}"] = Preset(fit, told, generate)
    return out


def _task(
    name: str, summary: str, valid: str, batch: int, generate: Mapping[str, Any],
    network: Mapping[str, Any] = EDGE,
) -> Task:  # fmt: skip
    """The task of a law of our own or of a file; molecules have kinds, which are no numbers."""
    own, molecules = name in LAWS, name == "qm9"
    load, source = (partial(drawn, name), "own law") if own else (partial(published, name), name)
    noisings = [n for n in Noising if not (molecules and n is Noising.GAUSSIAN)]
    presets = _presets(batch, generate, network, noisings)
    if molecules:
        return graphs(summary, load, source, valid, presets, write_molecules, MOLECULES)
    return graphs(summary, load, source, valid, presets)


COMMUNITIES = "graphs of two communities of 6 to 10 nodes"
ROWS = (
    # name, summary, what is valid, batch, how much is generated, network
    ("community-small", f"{COMMUNITIES}, own law", "connected", 32, MANY),
    ("community-small/graphgdp", f"100 {COMMUNITIES}, GraphGDP's file", "connected", 32, MANY),
    ("community-small/gdss", f"100 {COMMUNITIES}, GDSS's file", "connected", 32, MANY),
    ("ego-small", "200 ego graphs of Citeseer, up to 17 nodes", "connected", 32, MANY),
    ("trees", "uniform labelled trees of 32 nodes, own law", "a tree", 16, {"samples": 256}),
    ("enzymes", "562 protein graphs, up to 125 nodes", "connected", 4, {"samples": 113}),
    ("planar", "Delaunay triangulations of 64 points", "planar, connected", 8, {"samples": 40}),
    ("sbm", "block models, 44 to 187 nodes", "a block model", 2, {"samples": 40}, SPARSE),
    ("grid", "grids, 100 to 361 nodes", "a grid", 2, {"samples": 20}, SPARSE),
    ("qm9", "10,000 molecules of QM9, up to 9 atoms", "valences, one fragment", 64, MOLECULAR),
)

TASKS: dict[str, Callable[[], Task]] = {row[0]: partial(_task, *row) for row in ROWS}
