"""Statistics of graphs against networkx, closed forms and invariances."""

import math

import networkx as nx
import numpy as np
import pytest

from unnoise.domains.graphs.metrics import STATISTICS, Statistics, describe


def equal(a: Statistics, b: Statistics) -> bool:
    return (a.sizes == b.sizes).all() and all(
        np.array_equal(a.rows(s), b.rows(s)) for s in STATISTICS
    )


def test_degrees_and_clustering_are_those_of_networkx() -> None:
    graphs = [nx.gnp_random_graph(n, 0.3, seed=n) for n in range(1, 40)]
    found = describe(graphs)
    for graph, degree, clustering in zip(graphs, found.degree, found.clustering, strict=True):
        histogram = nx.degree_histogram(graph)
        assert degree[: len(histogram)].tolist() == histogram
        assert not degree[len(histogram) :].any()
        local = list(nx.clustering(graph).values())
        assert clustering.tolist() == np.histogram(local, 100, (0, 1))[0].tolist()


def test_the_spectrum_of_a_cycle_is_its_cosines() -> None:
    """1 - cos(2 pi k / n), of a prime n, so that none but 0 lies near an edge of a bin."""
    exact = [1 - math.cos(2 * math.pi * k / 31) for k in range(31)]
    bins = np.histogram(exact, 200, (-1e-5, 2))[0]
    assert describe([nx.cycle_graph(31)]).spectrum[0].tolist() == bins.tolist()


def test_no_eigenvalue_is_lost_to_rounding() -> None:
    """Bipartite graphs have 2 exactly, which rounding moves to either side."""
    graphs = [nx.complete_bipartite_graph(a, b) for a in range(1, 9) for b in range(1, 9)]
    found = describe(graphs)
    assert found.spectrum.sum(1).tolist() == found.sizes.tolist()
    assert (found.spectrum[:, -1] == 1).all()


def test_nodes_without_edges_count_as_zeros() -> None:
    found = describe([nx.empty_graph(5)])
    for histogram in (found.degree, found.clustering, found.spectrum):
        assert histogram[0, 0] == 5
        assert histogram.sum() == 5
    assert not found.orbit.any()


def test_statistics_do_not_depend_on_the_order_of_nodes_and_edges() -> None:
    graphs = [nx.gnp_random_graph(12, 0.4, seed=i) for i in range(20)]
    draw = np.random.default_rng(0)
    moved = [nx.relabel_nodes(g, dict(enumerate(draw.permutation(12).tolist()))) for g in graphs]
    assert equal(describe(graphs), describe(moved))


@pytest.mark.slow
def test_processes_change_nothing() -> None:
    graphs = [nx.gnp_random_graph(n, 0.3, seed=n) for n in range(40)]
    several = describe(graphs, jobs=2)
    again = describe([*graphs, nx.empty_graph(3)])  # another list, so nothing is remembered
    assert equal(several, again[np.arange(40)])


def test_a_list_is_described_once() -> None:
    graphs = [nx.path_graph(4), nx.star_graph(5)]
    assert describe(graphs) is describe([graph.copy() for graph in graphs], jobs=2)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.DiGraph([(0, 1)]), "graph 1: need a simple undirected graph, got DiGraph"),
        (nx.MultiGraph([(0, 1)]), "graph 1: need a simple undirected graph, got MultiGraph"),
        (nx.Graph([(0, 0), (0, 1)]), "graph 1: has self loops"),
        (nx.Graph([("a", "b")]), "graph 1: its nodes aren't 0 to 1"),
    ],
)
def test_graphs_of_another_sort_are_refused(graph: nx.Graph, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        describe([nx.path_graph(2), graph])


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="graphs: need at least one"):
        describe([])
    with pytest.raises(ValueError, match="jobs: need at least 1, got 0"):
        describe([nx.path_graph(2)], jobs=0)
    with pytest.raises(ValueError, match="statistic: need one of degree, .*, got size"):
        describe([nx.path_graph(2)]).rows("size")  # type: ignore[arg-type]
