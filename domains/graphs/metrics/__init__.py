"""Judges of generated graphs: pure functions of lists of networkx graphs, or of `describe`'s
statistics of them."""

from unnoise.domains.graphs.metrics.blocks import BlockFamily, fit_blocks
from unnoise.domains.graphs.metrics.floors import (
    Judge,
    Spread,
    Yardstick,
    erdos_renyi,
    floor_ratio,
    perfect_sampler,
    yardstick,
)
from unnoise.domains.graphs.metrics.gin import (
    GinScores,
    Neighbours,
    RandomGin,
    gin_scores,
    neighbours,
)
from unnoise.domains.graphs.metrics.isomorphism import Classes, isomorphism_classes
from unnoise.domains.graphs.metrics.mmd import KERNELS, Graphs, Kernel, graph_mmd, mmd_squared
from unnoise.domains.graphs.metrics.orbits import ORBITS, orbit_counts
from unnoise.domains.graphs.metrics.statistics import (
    STATISTICS,
    Statistic,
    Statistics,
    describe,
)
from unnoise.domains.graphs.metrics.validity import (
    VALENCE,
    is_connected,
    is_grid,
    is_lobster,
    is_molecule,
    is_planar,
    is_tree,
)
from unnoise.domains.graphs.metrics.vun import Vun, valid_unique_novel

__all__ = [
    "KERNELS",
    "ORBITS",
    "STATISTICS",
    "VALENCE",
    "BlockFamily",
    "Classes",
    "GinScores",
    "Graphs",
    "Judge",
    "Kernel",
    "Neighbours",
    "RandomGin",
    "Spread",
    "Statistic",
    "Statistics",
    "Vun",
    "Yardstick",
    "describe",
    "erdos_renyi",
    "fit_blocks",
    "floor_ratio",
    "gin_scores",
    "graph_mmd",
    "is_connected",
    "is_grid",
    "is_lobster",
    "is_molecule",
    "is_planar",
    "is_tree",
    "isomorphism_classes",
    "mmd_squared",
    "neighbours",
    "orbit_counts",
    "perfect_sampler",
    "valid_unique_novel",
    "yardstick",
]
