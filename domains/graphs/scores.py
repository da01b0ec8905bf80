"""Metrics of outputs of models of graphs, each against the test graphs of one file and split."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from unnoise.core.random import seeded
from unnoise.domains.graphs.metrics import (
    Statistic,
    gin_scores,
    graph_mmd,
    perfect_sampler,
)
from unnoise.domains.graphs.metrics.mmd import Kernel
from unnoise.domains.graphs.outputs import Drawn
from unnoise.domains.graphs.problem import FLOOR, GraphSet
from unnoise.domains.task import Metric, Score, Splits, Table

__all__ = ["STATISTICS", "by_cost", "metrics", "random_networks", "yardsticks"]

STATISTICS: dict[str, Statistic] = {
    "degree": "degree",
    "cluster": "clustering",
    "orbit": "orbit",
    "spectral": "spectrum",
}
KERNELS: tuple[Kernel, ...] = ("emd", "tv")
ROUNDS = 30  # of a perfect sampler
NEIGHBOURS = 5

Loads = Callable[[], GraphSet]


def metrics(load: Loads, source: str, samples: int, valid: str) -> dict[str, Metric]:
    """All of a task's, the main one first.

    Args:
        load: the graphs.
        source: the file and the split, as titles name it.
        samples: how many graphs are compared, as titles name it.
        valid: what a valid graph is.
    """
    of = f"{samples} graphs, test of {source}"
    found = {
        f"{name}_{kernel}": Metric(
            partial(_mmd, load, statistic, kernel), "lower", f"{name}, MMD² ({kernel}), {of}"
        )
        for kernel in KERNELS
        for name, statistic in STATISTICS.items()
    }
    order = ["orbit_emd", "cluster_emd", *found]
    shares = {
        "connected": "connected",
        "valid": f"valid ({valid})",
        "unique": "unique: isomorphism classes",
        "novel": "novel: isomorphic to no training graph",
        "vun": "valid, unique and novel",
    }
    return (
        {name: found[name] for name in dict.fromkeys(order)}
        | {"nats_per_graph": Metric(_nats, "lower", "-log p(graph | n), labelled (bound)", "nats", "upper bound")}
        | {"bits_per_dim": Metric(_bits, "lower", "bits a pair or node (bound)", "bits/dim", "upper bound")}
        | {name: Metric(_SHARES[name], "higher", title) for name, title in shares.items()}
    )  # fmt: skip


def yardsticks(load: Loads, outputs: Drawn, splits: Splits) -> Table:
    """Every MMD beside the floor, which is the training graphs', and that of a perfect sampler of as
    many graphs as were drawn."""
    (train, test), rows = load().statistics, {}
    m = len(outputs.graphs)
    for kernel in KERNELS:
        for name, statistic in STATISTICS.items():
            judge = partial(graph_mmd, statistic=statistic, kernel=kernel)
            value = judge(test, outputs.statistics).value
            floor = judge(test, train).value
            perfect = perfect_sampler(judge, test, train, m, np.random.default_rng(0), ROUNDS)
            rows[f"{name}, {kernel}"] = {
                "samples": value,
                "floor: training graphs": floor,
                "perfect sampler": perfect.mean.value,
                "its sd": perfect.sd,
                "ratio to the floor": value / floor if floor > 0 else None,
            }
    return rows


def by_cost(load: Loads, outputs: Drawn, splits: Splits) -> Table | None:
    """MMDs (emd) of fewer and of more evaluations."""
    if not outputs.sweep:
        return None
    test = load().statistics[1]
    return {
        f"{nfe} evaluations": {
            name: graph_mmd(test, outputs.sweep[nfe], statistic).value
            for name, statistic in STATISTICS.items()
        }
        for nfe in sorted(outputs.sweep)
    }


def random_networks(load: Loads, outputs: Drawn, splits: Splits) -> Table | None:
    """Scores by random graph networks against the test graphs, of the samples and of training graphs; None for
    fewer graphs than neighbours are asked of."""
    problem = load()
    sets = {"samples": outputs.graphs, "floor: training graphs": problem.train[:FLOOR]}
    if min(len(problem.test), *map(len, sets.values())) <= NEIGHBOURS:
        return None
    rows: dict[str, dict[str, float | None]] = {}
    for name, graphs in sets.items():
        found = gin_scores(problem.test, graphs, seeded(0), k=NEIGHBOURS)
        for title, score in vars(found).items():
            rows.setdefault(title, {})[name] = score.value
    return rows


_SHARES: dict[str, Callable[[Drawn, Splits], Score]] = {
    "connected": lambda o, s: o.shares.connected,
    "valid": lambda o, s: o.shares.valid,
    "unique": lambda o, s: o.shares.unique,
    "novel": lambda o, s: o.shares.novel,
    "vun": lambda o, s: o.shares.vun,
}


def _mmd(
    load: Loads, statistic: Statistic, kernel: Kernel, outputs: Drawn, splits: Splits
) -> Score:
    return graph_mmd(load().statistics[1], outputs.statistics, statistic, kernel)


def _nats(outputs: Drawn, splits: Splits) -> Score | None:
    if outputs.bound is None:
        return None
    nats = -outputs.bound.nats.double()
    return Score(float(nats.mean()), float(nats.std()) / math.sqrt(len(nats)))


def _bits(outputs: Drawn, splits: Splits) -> Score | None:
    if outputs.bound is None:
        return None
    pooled = outputs.bound.pooled_bits_per_dim()
    return Score(pooled.value, pooled.stderr)
