"""Orbit counts against closed forms, enumeration, and igraph's motifs."""

from itertools import combinations

import igraph
import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from unnoise.domains.graphs.metrics import ORBITS, orbit_counts

# orbits of each size by (edges of the subgraph, largest degree in it, degree of the node)
PLACES = {
    2: {(1, 1, 1): 0},
    3: {(2, 2, 1): 1, (2, 2, 2): 2, (3, 2, 2): 3},
    4: {
        (3, 2, 1): 4, (3, 2, 2): 5, (3, 3, 1): 6, (3, 3, 3): 7, (4, 2, 2): 8, (4, 3, 1): 9,
        (4, 3, 2): 10, (4, 3, 3): 11, (5, 3, 2): 12, (5, 3, 3): 13, (6, 3, 3): 14,
    },
}  # fmt: skip

NAMED = {
    "path": (nx.path_graph(4), {0: 6, 1: 4, 2: 2, 4: 2, 5: 2}),
    "star": (nx.star_graph(3), {0: 6, 1: 6, 2: 3, 6: 3, 7: 1}),
    "square": (nx.cycle_graph(4), {0: 8, 1: 8, 2: 4, 8: 4}),
    "tailed triangle": (nx.lollipop_graph(3, 1), {0: 8, 1: 4, 2: 2, 3: 3, 9: 1, 10: 2, 11: 1}),
    "diamond": (nx.diamond_graph(), {0: 10, 1: 4, 2: 2, 3: 6, 12: 2, 13: 2}),
    "complete": (nx.complete_graph(4), {0: 12, 3: 12, 14: 4}),
}


def counts(graph: nx.Graph) -> NDArray[np.int64]:
    return orbit_counts(nx.to_numpy_array(graph, nodelist=range(len(graph))))


def random_graphs(count: int, largest: int, seed: int) -> list[nx.Graph]:
    """Of all sizes and densities, the empty and the complete one among them."""
    draw = np.random.default_rng(seed)
    return [
        nx.gnp_random_graph(int(draw.integers(1, largest + 1)), p, seed=i)
        for i, p in enumerate(np.linspace(0, 1, count))
    ]


def by_enumeration(graph: nx.Graph) -> NDArray[np.int64]:
    found = np.zeros((len(graph), ORBITS), dtype=np.int64)
    for size, places in PLACES.items():
        for nodes in combinations(graph, size):
            part = graph.subgraph(nodes)
            if nx.is_connected(part):
                degrees = dict(part.degree())
                for node, degree in degrees.items():
                    key = (part.number_of_edges(), max(degrees.values()), degree)
                    found[node, places[key]] += 1
    return found


@pytest.mark.parametrize("name", NAMED)
def test_the_six_graphs_of_four_nodes_have_their_closed_forms(name: str) -> None:
    graph, total = NAMED[name]
    assert {o: int(c) for o, c in enumerate(counts(graph).sum(0)) if c} == total


@pytest.mark.parametrize("index", range(40))
def test_every_node_of_a_small_graph_has_the_counts_of_all_its_subsets(index: int) -> None:
    graph = random_graphs(40, 9, seed=1)[index]
    assert counts(graph).tolist() == by_enumeration(graph).tolist()


def test_sums_over_nodes_are_the_motifs_that_igraph_counts_in_a_hundred_graphs() -> None:
    """A motif with k nodes in an orbit adds k to the sum of the orbit."""
    shapes = [graph for graph, _ in NAMED.values()] + [nx.path_graph(3), nx.complete_graph(3)]
    places = [
        (igraph.Graph(list(shape.edges)).isoclass(), len(shape), by_enumeration(shape).sum(0))
        for shape in shapes
    ]
    for graph in random_graphs(100, 30, seed=2):
        judge = igraph.Graph(len(graph), list(graph.edges))
        motifs = {size: judge.motifs_randesu(size) for size in (3, 4)}
        total = counts(graph).sum(0)
        for isoclass, size, held in places:
            own = [o for o, c in enumerate(held) if c and o in PLACES[size].values()]
            for orbit in own:
                assert total[orbit] == motifs[size][isoclass] * held[orbit]


def test_complete_graphs_have_binomial_counts() -> None:
    """Of n nodes: C(n - 1, 2) triangles and C(n - 1, 3) complete graphs of four at each."""
    row = counts(nx.complete_graph(30))
    assert (row == row[0]).all()
    assert {o: int(c) for o, c in enumerate(row[0]) if c} == {0: 29, 3: 406, 14: 3654}


def test_orbits_move_with_their_nodes() -> None:
    graph = nx.gnp_random_graph(15, 0.4, seed=3)
    to = np.random.default_rng(0).permutation(15)
    moved = nx.relabel_nodes(graph, dict(enumerate(to.tolist())))
    assert counts(moved)[to].tolist() == counts(graph).tolist()
