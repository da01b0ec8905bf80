r"""What a graph is reduced to before graphs are compared: three histograms and a vector.

- degree: how many nodes have 0, 1, 2, ... neighbours.
- clustering: the local clustering coefficients of the nodes, t / C(d, 2), or 0 where d < 2, in 100
  equal bins of [0, 1].
- spectrum: the eigenvalues of the normalised Laplacian I - D^(-1/2) A D^(-1/2) (a node without
  edges has a row of zeros), in 200 equal bins of [-1e-5, 2].
- orbit: the mean over nodes of the 15 orbit counts; no histogram.

A rounding error must not move an eigenvalue out of range: those above 2 (bipartite graphs have it
exactly) count as 2. Other code loses them.

A graph without nodes has none of these. It keeps its row here, all zeros, and `sizes` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from typing import Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from unnoise.core.progress import track
from unnoise.domains.graphs.metrics.orbits import ORBITS, orbit_counts
from unnoise.domains.graphs.metrics.packed import PackedGraph, pack

__all__ = ["STATISTICS", "Statistic", "Statistics", "describe"]

Statistic = Literal["degree", "clustering", "orbit", "spectrum"]
STATISTICS: tuple[Statistic, ...] = ("degree", "clustering", "orbit", "spectrum")

Matrix = NDArray[np.float64]

Row = tuple[Matrix, Matrix, Matrix, Matrix]  # of one graph, in the order of `STATISTICS`

_CHUNK = 16  # graphs a message to a process


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of G graphs.

    Attributes:
        sizes: numbers of nodes (G,).
        degree: counts (G, D) of nodes by degree, D - 1 the largest degree of all.
        clustering: counts (G, 100) of nodes by clustering coefficient.
        orbit: means over nodes (G, 15) of orbit counts.
        spectrum: counts (G, 200) of eigenvalues.
    """

    sizes: NDArray[np.int64]
    degree: Matrix
    clustering: Matrix
    orbit: Matrix
    spectrum: Matrix

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Statistics:
        """Of some of the graphs: by their indices (repeated ones too), or by a mask."""
        return Statistics(self.sizes[rows], *(self.rows(name)[rows] for name in STATISTICS))

    def rows(self, statistic: Statistic) -> Matrix:
        """One row a graph of one statistic.

        Raises:
            ValueError: For an unknown statistic.
        """
        match statistic:
            case "degree":
                return self.degree
            case "clustering":
                return self.clustering
            case "orbit":
                return self.orbit
            case "spectrum":
                return self.spectrum
        raise ValueError(f"statistic: need one of {', '.join(STATISTICS)}, got {statistic}")


@dataclass(frozen=True)
class _Work:
    """Graphs to describe; how many processes do it changes nothing, so it doesn't compare."""

    graphs: tuple[PackedGraph, ...]
    jobs: int = field(compare=False)


def describe(graphs: Sequence[nx.Graph], jobs: int = 1) -> Statistics:
    """The statistics of all graphs, in their order. The last 16 lists are remembered.

    On one core 1,000 graphs of 20 nodes take about a second. Large graphs are worth more
    processes; the script that starts them needs `if __name__ == "__main__":`.

    Args:
        graphs: Simple and undirected, with nodes 0, ..., n - 1.
        jobs: Processes.

    Raises:
        ValueError: For graphs of another sort, no graph at all, or fewer than one job.
    """
    if not len(graphs):
        raise ValueError("graphs: need at least one")
    if jobs < 1:
        raise ValueError(f"jobs: need at least 1, got {jobs}")
    return _described(_Work(pack(graphs), jobs))


@lru_cache(maxsize=16)
def _described(work: _Work) -> Statistics:
    rows = list(_rows(work.graphs, work.jobs))
    sizes = np.array([graph.n for graph in work.graphs], dtype=np.int64)
    degree = np.zeros((len(rows), max(len(row[0]) for row in rows)))
    for place, row in zip(degree, rows, strict=True):
        place[: len(row[0])] = row[0]
    clustering, orbit, spectrum = (np.stack([row[k] for row in rows]) for k in (1, 2, 3))
    return Statistics(sizes, degree, clustering, orbit, spectrum)


def _rows(graphs: Sequence[PackedGraph], jobs: int) -> Iterator[Row]:
    title = "describing graphs"
    chunks = [graphs[i : i + _CHUNK] for i in range(0, len(graphs), _CHUNK)]
    if jobs == 1:
        for chunk in track(chunks, title):
            yield from _describe_some(chunk)
        return
    # forking would copy the locks of torch's threads
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for future in track([pool.submit(_describe_some, chunk) for chunk in chunks], title):
            yield from future.result()


def _describe_some(graphs: Sequence[PackedGraph]) -> list[Row]:
    with threadpool_limits(1):  # matrices are small: threads only wait for each other
        return [_describe_one(graph) for graph in graphs]


def _describe_one(graph: PackedGraph) -> Row:
    if not graph.n:
        return np.zeros(1), np.zeros(100), np.zeros(ORBITS), np.zeros(200)
    a = graph.adjacency()
    d = a.sum(1)
    orbit = orbit_counts(a)
    wedges = d * (d - 1)
    local = np.divide(2 * orbit[:, 3], wedges, out=np.zeros(graph.n), where=wedges > 0)
    scale = np.divide(1, np.sqrt(d), out=np.zeros(graph.n), where=d > 0)
    laplacian = np.diag((d > 0).astype(float)) - scale[:, None] * a * scale
    eigenvalues = np.minimum(np.linalg.eigvalsh(laplacian), 2)
    return (
        np.bincount(d.astype(np.int64)).astype(float),
        np.histogram(local, 100, (0, 1))[0].astype(float),
        orbit.mean(0),
        np.histogram(eigenvalues, 200, (-1e-5, 2))[0].astype(float),
    )
