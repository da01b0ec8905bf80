"""Stochastic block models: recovery, the level of the test, and what it tells apart."""

import math
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest

from unnoise.domains.graphs.metrics import BlockFamily, erdos_renyi, fit_blocks

Published = Callable[[str], dict[str, list[nx.Graph]]]


def sampled(
    count: int, p: float = 0.3, q: float = 0.005, sizes: tuple[int, int] = (20, 40)
) -> list[nx.Graph]:
    """Of 2 to 5 blocks."""
    draw, graphs = np.random.default_rng(0), []
    for _ in range(count):
        blocks = draw.integers(sizes[0], sizes[1] + 1, size=draw.integers(2, 6)).tolist()
        share = np.where(np.eye(len(blocks)), p, q).tolist()
        graph = nx.stochastic_block_model(blocks, share, seed=int(draw.integers(2**31)))
        graphs.append(nx.Graph(graph))
    return graphs


def share(graphs: list[nx.Graph]) -> float:
    family = BlockFamily()
    return sum(family(graph) for graph in graphs) / len(graphs)


def test_cliques_are_recovered_under_any_names() -> None:
    graph = nx.disjoint_union_all([nx.complete_graph(n) for n in (5, 8, 6)])
    order = np.random.default_rng(0).permutation(19)
    a = nx.to_numpy_array(graph)[np.ix_(order, order)]
    labels = fit_blocks(a, 0.9, 0.1, (2, 10))
    same = np.repeat([0, 1, 2], (5, 8, 6))[order]
    assert ((labels[:, None] == labels) == (same[:, None] == same)).all()


def test_a_node_without_edges_joins_a_block() -> None:
    """Alone it would be likelier, but blocks of one node are not allowed."""
    a = nx.to_numpy_array(nx.disjoint_union(nx.complete_graph(6), nx.empty_graph(1)))
    assert len(set(fit_blocks(a, 0.9, 0.1, (1, 7)).tolist())) == 2
    assert len(set(fit_blocks(a, 0.9, 0.1, (3, 7)).tolist())) == 1


def test_one_true_graph_in_a_hundred_fails() -> None:
    """Of 200: the share of failures within three standard errors of 0.01."""
    assert share(sampled(200)) > 0.99 - 3 * math.sqrt(0.01 * 0.99 / 200)


def test_the_published_graphs_pass_and_random_ones_of_their_density_fail(
    published: Published,
) -> None:
    parts = published("sbm")
    assert share(parts["test"] + parts["val"] + parts["train"]) >= 0.98
    assert share(erdos_renyi(parts["train"], 40, np.random.default_rng(0))) == 0


@pytest.mark.parametrize(
    "wrong", [{"p": 0.2}, {"p": 0.4}, {"q": 0.03}, {"sizes": (45, 60)}, {"sizes": (8, 15)}]
)
def test_other_block_models_fail(wrong: dict[str, float]) -> None:
    assert share(sampled(25, **wrong)) <= 0.04


def test_rewiring_a_tenth_of_the_edges_is_noticed() -> None:
    graphs = sampled(20)
    for graph in graphs:
        swaps = graph.number_of_edges() // 10
        nx.double_edge_swap(graph, swaps, max_tries=10**5, seed=1)
    assert share(graphs) == 0


def test_sizes_outside_the_family_fail_at_once() -> None:
    for graph in (nx.empty_graph(0), nx.complete_graph(39), nx.empty_graph(201)):
        assert not BlockFamily()(graph)
