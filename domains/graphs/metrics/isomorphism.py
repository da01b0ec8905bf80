"""Graphs up to the names of their nodes: which are the same, and which are in a list.

Two graphs are compared only if their sizes, their kinds and colour refinement (Weisfeiler-Lehman)
can't tell them apart; then the search of networkx (VF2) decides, and maps nodes only onto nodes of
the same colour. So the answer is exact, and in practice fast.

Nodes and edges may have a `kind` (an element, a bond order). It must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import networkx as nx
from networkx.algorithms.isomorphism import categorical_edge_match, categorical_node_match

from unnoise.core.progress import track

__all__ = ["Classes", "isomorphism_classes"]

_ROUNDS = 4  # of colour refinement
_COLOUR = "colour"

_nodes_match = categorical_node_match(["kind", _COLOUR], [None, None])
_edges_match = categorical_edge_match("kind", None)


class Classes:
    """A growing list of graphs, no two isomorphic."""

    def __init__(self, graphs: Sequence[nx.Graph] = ()) -> None:
        self._buckets: dict[int, list[tuple[int, nx.Graph]]] = {}
        self._count = 0
        for graph in graphs:
            self.add(graph)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, graph: nx.Graph) -> bool:
        return self._find(*_coloured(graph)) is not None

    def add(self, graph: nx.Graph) -> int:
        """The number of the graph's class, a new one if it has none yet."""
        bucket, coloured = _coloured(graph)
        found = self._find(bucket, coloured)
        if found is not None:
            return found
        self._buckets.setdefault(bucket, []).append((self._count, coloured))
        self._count += 1
        return self._count - 1

    def _find(self, bucket: int, coloured: nx.Graph) -> int | None:
        same = partial(nx.is_isomorphic, node_match=_nodes_match, edge_match=_edges_match)
        for number, other in self._buckets.get(bucket, ()):
            if same(coloured, other):
                return number
        return None


def isomorphism_classes(graphs: Sequence[nx.Graph]) -> list[int]:
    """The class of each graph, numbered by first appearance.

    >>> isomorphism_classes([nx.path_graph(3), nx.complete_graph(3), nx.star_graph(2)])
    [0, 1, 0]
    """
    classes = Classes()
    return [classes.add(graph) for graph in track(graphs, "comparing graphs")]


def _coloured(graph: nx.Graph) -> tuple[int, nx.Graph]:
    """A hash that isomorphic graphs share in one process, and a copy whose nodes have colours."""
    colours = {node: hash(kind) for node, kind in graph.nodes(data="kind")}
    for _ in range(_ROUNDS):
        colours = {
            node: hash((colour, tuple(sorted(_seen_from(graph, node, colours)))))
            for node, colour in colours.items()
        }
    coloured = graph.copy()
    nx.set_node_attributes(coloured, colours, _COLOUR)
    return hash((graph.number_of_edges(), tuple(sorted(colours.values())))), coloured


def _seen_from(graph: nx.Graph, node: int, colours: dict[int, int]) -> list[int]:
    return [hash((colours[to], edge.get("kind"))) for to, edge in graph.adj[node].items()]
