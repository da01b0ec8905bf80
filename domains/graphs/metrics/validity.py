"""Which graphs are of the family that a data set is made of.

Predicates of one graph, false for a graph without nodes. Nothing is repaired before it is judged.
Stochastic block models are `blocks`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import networkx as nx

from unnoise.domains.graphs.metrics.isomorphism import Classes

__all__ = [
    "VALENCE",
    "is_connected",
    "is_grid",
    "is_lobster",
    "is_molecule",
    "is_planar",
    "is_tree",
]

VALENCE: Mapping[str, int] = {"C": 4, "N": 3, "O": 2, "F": 1}


def is_connected(graph: nx.Graph) -> bool:
    """In one piece."""
    return len(graph) > 0 and nx.is_connected(graph)


def is_planar(graph: nx.Graph) -> bool:
    """Connected, and drawn in the plane without crossings."""
    return is_connected(graph) and bool(nx.check_planarity(graph)[0])


def is_tree(graph: nx.Graph) -> bool:
    """Connected, without a cycle; a single node is a tree."""
    return len(graph) > 0 and nx.is_tree(graph)


def is_lobster(graph: nx.Graph) -> bool:
    """A tree that is a path, or nothing, after its leaves are removed twice."""
    if not is_tree(graph):
        return False
    rest = graph
    for _ in range(2):
        rest = rest.subgraph([node for node, degree in rest.degree() if degree > 1])
    return all(degree <= 2 for _, degree in rest.degree())


def is_grid(graph: nx.Graph) -> bool:
    """Isomorphic to a rectangle of a times b nodes, a, b >= 2: a path is none."""
    n, m = graph.number_of_nodes(), graph.number_of_edges()
    # n = a b and m = 2 a b - a - b leave one pair of sides
    both = 2 * n - m
    root = math.isqrt(max(both**2 - 4 * n, 0))
    a = (both - root) // 2
    b = both - a
    if a < 2 or a * b != n:
        return False
    bare = nx.Graph(graph.edges)
    return bare in Classes([nx.grid_2d_graph(a, b)])


def is_molecule(graph: nx.Graph) -> bool:
    """Connected, of known atoms (`kind` of nodes: C, N, O or F), each with bonds (`kind` of edges:
    orders 1 to 3) that add up to no more than its valence. Hydrogen fills the rest, so charges
    and aromatic bonds have no place: kekulise first.

    Raises:
        ValueError: For an edge without a `kind`.
    """
    if not is_connected(graph):
        return False
    for node, element in graph.nodes(data="kind"):
        orders = [order for _, _, order in graph.edges(node, data="kind")]
        if None in orders:
            raise ValueError(f"node {node}: a bond has no `kind`; set its order, 1, 2 or 3")
        if any(order not in (1, 2, 3) for order in orders):
            return False
        if sum(orders) > VALENCE.get(element, -1):
            return False
    return True
