"""A graph as a value: its size and its edges, checked, comparable, cheap to send to a process.

Statistics need neither names nor attributes of nodes, but they need a simple undirected graph: a
self loop or a doubled edge would change degrees silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

__all__ = ["PackedGraph", "pack"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class PackedGraph:
    """`edges` are the bytes of pairs (m, 2), int32, each edge once."""

    n: int
    edges: bytes

    def adjacency(self) -> Matrix:
        """(n, n), of 0 and 1, symmetric, hollow, float64."""
        u, v = np.frombuffer(self.edges, np.int32).reshape(-1, 2).T
        a = np.zeros((self.n, self.n))
        a[u, v] = a[v, u] = 1
        return a


def pack(graphs: Sequence[nx.Graph]) -> tuple[PackedGraph, ...]:
    """The graphs, in their order.

    Raises:
        ValueError: For a directed graph, one with multiple edges or self loops, or one whose nodes
            aren't 0, ..., n - 1.
    """
    return tuple(_pack(i, graph) for i, graph in enumerate(graphs))


def _pack(i: int, graph: nx.Graph) -> PackedGraph:
    n = graph.number_of_nodes()
    if graph.is_directed() or graph.is_multigraph():
        raise ValueError(
            f"graph {i}: need a simple undirected graph, got {type(graph).__name__}; "
            "nx.Graph(graph) forgets directions and multiplicities"
        )
    if set(graph) != set(range(n)):
        raise ValueError(
            f"graph {i}: its nodes aren't 0 to {n - 1}; nx.convert_node_labels_to_integers renames"
        )
    edges = np.array(list(graph.edges), dtype=np.int32).reshape(-1, 2)
    if (edges[:, 0] == edges[:, 1]).any():
        raise ValueError(f"graph {i}: has self loops; remove_edges_from(nx.selfloop_edges(graph))")
    return PackedGraph(n, edges.tobytes())
