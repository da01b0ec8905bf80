"""Laws of random graphs: moments and counts that are known without the code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from math import comb, log

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from unnoise.domains.graphs.laws import (
    community,
    grid,
    lobster,
    planar,
    sbm,
    tree,
)

Law = Callable[[int, np.random.Generator], list[nx.Graph]]

LAWS = [community, grid, lobster, planar, sbm, tree]


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def edges(graphs: list[nx.Graph]) -> np.ndarray:
    return np.array([graph.number_of_edges() for graph in graphs])


def close(values: np.ndarray, mean: float) -> bool:
    """Whether a mean is within four standard errors."""
    return bool(abs(values.mean() - mean) < 4 * values.std(ddof=1) / len(values) ** 0.5)


def halves(graph: nx.Graph) -> tuple[nx.Graph, nx.Graph]:
    k = len(graph) // 2
    return graph.subgraph(range(k)), graph.subgraph(range(k, 2 * k))


def shapes(graphs: list[nx.Graph]) -> int:
    """At least how many isomorphism classes there are: those that an invariant tells apart."""
    found = set()
    for graph in graphs:
        degree, triangles = dict(graph.degree), nx.triangles(graph)
        found.add(
            tuple(
                sorted(
                    (
                        degree[node],
                        triangles[node],
                        *sorted(degree[other] for other in graph[node]),
                    )
                    for node in graph
                )
            )
        )
    return len(found)


@pytest.mark.parametrize("law", LAWS)
def test_graphs_are_simple_and_a_seed_is_a_sample(law: Law) -> None:
    first, again, other = (law(8, seeded(seed)) for seed in (3, 3, 4))
    assert len(first) == 8
    for graph in first:
        assert list(graph) == list(range(len(graph)))
        assert all(type(u) is int and type(v) is int and u != v for u, v in graph.edges)
        assert not (graph.is_directed() or graph.is_multigraph())
    assert [sorted(g.edges) for g in first] == [sorted(g.edges) for g in again]
    assert [sorted(g.edges) for g in first] != [sorted(g.edges) for g in other]
    assert law(0, seeded()) == []


def connected(n: int, p: float) -> float:
    """The probability that G(n, p) is connected, by Gilbert's recursion (1959, equation 3)."""
    done = [0.0, 1.0]
    for m in range(2, n + 1):
        parts = (comb(m - 1, k - 1) * done[k] * (1 - p) ** (k * (m - k)) for k in range(1, m))
        done.append(1 - sum(parts))
    return done[n]


def mean_edges(n: int, p: float) -> float:
    """Mean edges of G(n, p) given that it is connected: the score of p has mean d ln P / dp."""
    h = 1e-5
    slope = (log(connected(n, p + h)) - log(connected(n, p - h))) / (2 * h)
    return comb(n, 2) * p + p * (1 - p) * slope


def test_communities_have_the_edges_of_connected_graphs() -> None:
    graphs = community(3000, seeded())
    for k in range(6, 11):
        of_size = [graph for graph in graphs if len(graph) == 2 * k]
        parts = [half for graph in of_size for half in halves(graph)]
        assert all(map(nx.is_connected, parts))
        assert close(edges(parts), mean_edges(k, 0.7))
        joints = edges(of_size) - edges(parts).reshape(-1, 2).sum(1)
        assert joints.min() == 1
        assert close(joints, 0.1 * k + (1 - 0.1 / k) ** (k * k))


def test_community_sizes_are_halves_of_12_to_20() -> None:
    sizes = Counter(len(graph) // 2 for graph in community(3000, seeded(1)))
    seen = [sizes[k] for k in range(6, 11)]
    assert sum(seen) == 3000
    assert stats.chisquare(seen, 3000 * np.array([2, 2, 2, 2, 1]) / 9).pvalue > 1e-4


def test_communities_are_drawn_anew() -> None:
    """The published files hold 51 and 52 classes in 100 graphs, since theirs are not."""
    graphs = community(1000, seeded(2))
    assert min(shapes(graphs[i : i + 100]) for i in range(0, 1000, 100)) > 95
    first, second = (edges(list(part)) for part in zip(*map(halves, graphs), strict=True))
    sizes = np.array([len(graph) for graph in graphs])
    for size in range(12, 21, 2):
        both = first[sizes == size], second[sizes == size]
        assert abs(np.corrcoef(*both)[0, 1]) < 4 / len(both[0]) ** 0.5


def test_what_joins_communities_is_anywhere() -> None:
    """Pairs of nodes of both are equally likely to be joined."""
    of_size = [graph for graph in community(4000, seeded(3)) if len(graph) == 12]
    seen = Counter(edge for graph in of_size for edge in graph.edges if edge[0] < 6 <= edge[1])
    counts = [seen[i, j] for i in range(6) for j in range(6, 12)]
    assert stats.chisquare(counts).pvalue > 1e-4  # safe: counts of bits are spread a bit less


def test_triangulations_are_planar_and_as_full_as_their_hull_allows() -> None:
    graphs = planar(400, seeded())
    assert all(nx.is_connected(graph) and nx.check_planarity(graph)[0] for graph in graphs)
    # 3 n - 3 - h edges, where h nodes of the hull are 8/3 (ln n + gamma - ln 2) on average, up to
    # o(1) (Rényi and Sulanke 1963): at n = 64, a simulation of 40,000 hulls has .032(9) more.
    hull = 8 / 3 * (log(64) + np.euler_gamma - log(2))
    assert close(edges(graphs), 189 - hull)
    assert shapes(graphs) == 400


def test_four_points_have_a_triangle_for_hull_as_often_as_sylvester_says() -> None:
    """Then they have all six edges; else the four of the hull and one diagonal."""
    counts = Counter(edges(planar(4000, seeded(1), nodes=4)).tolist())
    assert set(counts) == {5, 6}
    assert stats.binomtest(counts[6], 4000, 11 / 36).pvalue > 1e-4


def test_block_models_have_the_mean_nodes_and_edges() -> None:
    graphs = sbm(600, seeded())
    blocks = [Counter(dict(graph.nodes(data="block")).values()) for graph in graphs]
    numbers = Counter(map(len, blocks))
    assert stats.chisquare([numbers[k] for k in (2, 3, 4, 5)]).pvalue > 1e-4
    sizes = Counter(size for each in blocks for size in each.values())
    assert sum(sizes[k] for k in range(20, 41)) == sizes.total()
    assert stats.chisquare([sizes[k] for k in range(20, 41)]).pvalue > 1e-4
    assert close(np.array([len(graph) for graph in graphs]), 3.5 * 30)
    pairs = (30**2 + 440 / 12 - 30) / 2  # within a block, whose size has variance (21^2 - 1) / 12
    assert close(edges(graphs), 3.5 * pairs * 0.3 + (1 + 3 + 6 + 10) / 4 * 30**2 * 0.005)


def test_block_models_have_their_two_densities() -> None:
    inside, across = np.zeros(2), np.zeros(2)  # edges, pairs
    for graph in sbm(100, seeded(1)):
        block = [kind for _, kind in sorted(graph.nodes(data="block"))]
        assert block == sorted(block)
        same = np.array([block[u] == block[v] for u, v in graph.edges])
        pairs = sum(comb(size, 2) for size in Counter(block).values())
        inside += same.sum(), pairs
        across += (~same).sum(), comb(len(block), 2) - pairs
    for (hits, pairs), p in ((inside, 0.3), (across, 0.005)):
        assert stats.binomtest(int(hits), int(pairs), p).pvalue > 1e-4


def test_the_16_trees_of_four_nodes_are_equally_likely() -> None:
    """Cayley: n^(n - 2) labelled trees."""
    drawn = tree(8000, seeded(), nodes=4)
    counts = Counter(tuple(sorted(map(tuple, map(sorted, graph.edges)))) for graph in drawn)
    pairs = combinations(combinations(range(4), 2), 3)
    assert set(counts) == {three for three in pairs if nx.is_tree(nx.Graph(three))}
    assert len(counts) == 16
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_trees_are_trees_with_the_mean_number_of_leaves() -> None:
    graphs = tree(400, seeded(1))
    assert all(len(graph) == 64 and nx.is_tree(graph) for graph in graphs)
    leaves = np.array([[*dict(graph.degree).values()].count(1) for graph in graphs])
    assert close(leaves, 64 * (1 - 1 / 64) ** 62)  # letters that a word of 62 does not have
    assert shapes(graphs) == 400


def test_the_smallest_trees() -> None:
    assert [sorted(graph.edges) for graph in tree(2, seeded(), nodes=2)] == [[(0, 1)]] * 2


def pruned(graph: nx.Graph) -> nx.Graph:
    leaves = {node for node, degree in graph.degree if degree <= 1}
    return graph.subgraph(set(graph) - leaves)


def test_lobsters_are_paths_without_their_legs_and_feet() -> None:
    graphs = lobster(2000, seeded())
    for graph in graphs:
        assert nx.is_tree(graph)
        rest = pruned(pruned(graph))
        assert not rest or (nx.is_tree(rest) and max(dict(rest.degree).values()) <= 2)


def test_lobsters_have_the_mean_and_the_variance_of_their_parts() -> None:
    """One leg a spine node and one foot a leg, both with variance 2.

    So a spine node bears 2 nodes with variance 2 + 2 * 2^2, and spines have 10 with variance 10.
    """
    sizes = np.array([len(graph) for graph in lobster(6000, seeded(1))])
    assert close(sizes, 10 * 3)
    assert close((sizes - 30.0) ** 2, 10 * 10 + 10 * 3**2)
    bare = int((sizes == 5).sum())  # a spine of 5 without a leg
    assert stats.binomtest(bare, 6000, 2**-5 / 11).pvalue > 1e-4


def test_grids_have_uniform_sides() -> None:
    counts: Counter[int] = Counter()
    for graph in grid(500, seeded()):
        total = 2 * len(graph) - graph.number_of_edges()  # m + n
        sides = np.roots([1, -total, len(graph)]).round().real.astype(int)
        counts.update(sides.tolist())
        corners = [node for node, degree in graph.degree if degree == 2]
        assert len(corners) == 4 and nx.is_bipartite(graph)
    assert stats.chisquare([counts[k] for k in range(10, 20)]).pvalue > 1e-4
    graph = grid(1, seeded(1))[0]
    width = next(k for k in range(1, len(graph)) if not graph.has_edge(k - 1, k))
    assert nx.is_isomorphic(graph, nx.grid_2d_graph(len(graph) // width, width))


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="planar: 2 nodes make no triangle; ask for 3 or more"):
        planar(1, seeded(), nodes=2)
    with pytest.raises(ValueError, match="tree: 1 nodes; ask for 2 or more"):
        tree(1, seeded(), nodes=1)
