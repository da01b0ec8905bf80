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
from unnoise.domains.graphs.networks import EdgeTransformer, GraphNetwork, SparseNetwork
from unnoise.domains.graphs.outputs import model_graphs, random_graphs, real_graphs, written
from unnoise.domains.graphs.problem import GraphSet
from unnoise.domains.graphs.scores import metrics, yardsticks
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
NETWORKS: dict[str, type[EdgeTransformer | SparseNetwork]] = {
    "edge": EdgeTransformer,
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
    published for it, as that of others: what was chosen was chosen on own laws."""
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
        presets: budgets; `network` is the noise ("noising"), the network ("kind": edge or sparse) and
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
        tables={"MMDs and what they are read between": partial(yardsticks, load)},
        empty=lambda n, generator: load().empty(n, generator),
        write=lambda states, path: write(written(load(), states), path),
        formats=formats,
    )


def _network(
    kind: str, how: Mapping[str, Any], nodes: int, edges: int, node_out: int, edge_out: int
) -> GraphNetwork:
    return NETWORKS[kind](nodes, edges, node_out, edge_out, **how)


def _presets(
    cpu: Fit, generate: Mapping[str, Any], network: Mapping[str, Any], paper: Fit | None = None
) -> dict[str, Preset]:
    """Smoke, and cpu and paper under the absorbing, the marginal and the Gaussian noise."""
    small = {**network, "layers": 2, "width": 32}
    tiny = {"samples": 24, "nfe": 8, "draws": 8, "tests": 8}
    out = {
        "smoke": Preset(Fit(30, batch=min(16, cpu.batch), lr=2e-3, warmup=5, ema=0.9), small, tiny)
    }
    for name, fit in (("cpu", cpu), ("paper", paper)):
        if fit is None:
            continue
        out[name] = Preset(fit, network, generate)
        for noising in ("marginal", "gaussian"):
            out[f"{name}-{noising}"] = Preset(fit, {**network, "noising": noising}, generate)
    return out


SMALL = Fit(12_000, batch=32, lr=1e-3, warmup=200, ema=0.999, precision="bf16-mixed")
LARGE = Fit(100_000, batch=64, lr=1e-3, warmup=1_000, ema=0.9998, precision="bf16-mixed")
MANY = {"samples": 1_024, "sweep": 256}
EDGE: dict[str, Any] = {}
SPARSE = {"kind": "sparse"}

TASKS: dict[str, Callable[[], Task]] = {
    "community-small": lambda: graphs(
        "two communities of 6 to 10 nodes, drawn anew by an own law",
        partial(drawn, "community-small"), "own law", "connected",
        _presets(SMALL, MANY, EDGE, LARGE),
    ),
    "trees": lambda: graphs(
        "uniform labelled trees of 32 nodes, drawn by an own law",
        partial(drawn, "trees"), "own law", "a tree",
        _presets(replace(SMALL, batch=16), {"samples": 256, "sweep": 64}, EDGE, LARGE),
    ),
    **{
        f"{name}": partial(
            graphs,
            summary,
            partial(published, name),
            f"{name}",
            valid,
            _presets(fit, generate, network, paper),
        )
        for name, summary, valid, fit, generate, network, paper in (
            ("community-small/graphgdp", "100 graphs of two communities, GraphGDP's file", "connected", SMALL, MANY, EDGE, LARGE),
            ("community-small/gdss", "100 graphs of two communities, GDSS's file", "connected", SMALL, MANY, EDGE, LARGE),
            ("ego-small", "200 ego graphs of Citeseer with at most 17 nodes", "connected", SMALL, MANY, EDGE, LARGE),
            ("enzymes", "562 protein graphs of at most 125 nodes", "connected", replace(SMALL, batch=4), {"samples": 113}, EDGE, replace(LARGE, batch=16)),
            ("planar", "Delaunay triangulations of 64 points", "connected and planar", replace(SMALL, batch=8), {"samples": 40}, EDGE, replace(LARGE, batch=32)),
            ("sbm", "block models of 44 to 187 nodes", "a block model", replace(SMALL, batch=2), {"samples": 40}, SPARSE, replace(LARGE, batch=8)),
            ("grid", "grids of 100 to 361 nodes", "a grid", replace(SMALL, batch=2), {"samples": 20}, SPARSE, replace(LARGE, batch=4)),
        )
    },
    "qm9": lambda: graphs(
        "molecules of up to 9 heavy atoms with bonds, 10,000 of QM9",
        partial(published, "qm9"), "qm9", "valences are kept, one fragment",
        {k: p for k, p in _presets(replace(SMALL, batch=64), {"samples": 1_024, "nfe": 50}, EDGE, LARGE).items() if "gaussian" not in k},
        write_molecules, MOLECULES,
    ),
}  # fmt: skip
