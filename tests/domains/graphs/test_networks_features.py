"""Structural features of weighted graphs: networkx, scipy, enumeration and closed forms as judges."""

import itertools
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from unnoise.core.random import seeded, uniform
from unnoise.domains.graphs.networks import Noisy, Structure
from unnoise.domains.graphs.networks.features import (
    cycles,
    distances,
    heat,
    powers,
    rest,
    returns,
    walk,
)

PADDED = 14
GRAPHS: dict[str, nx.Graph] = {
    "no edge": nx.empty_graph(4),
    "one node": nx.empty_graph(1),
    "path": nx.path_graph(9),
    "bipartite grid": nx.convert_node_labels_to_integers(nx.grid_2d_graph(3, 4)),
    "complete bipartite": nx.complete_bipartite_graph(3, 4),
    "tree": nx.balanced_tree(2, 2),
    "complete": nx.complete_graph(6),
    "Petersen": nx.petersen_graph(),
    "disconnected": nx.disjoint_union_all(
        [nx.cycle_graph(5), nx.house_graph(), nx.empty_graph(2)]
    ),
    "random": nx.gnp_random_graph(12, 0.4, seed=1),
    "random sparse": nx.gnp_random_graph(14, 0.12, seed=2),
}


def batched() -> Tensor:
    """All graphs, padded to one size."""
    out = torch.zeros(len(GRAPHS), PADDED, PADDED, dtype=torch.float64)
    for a, graph in zip(out, GRAPHS.values(), strict=True):
        n = len(graph)
        a[:n, :n] = torch.from_numpy(nx.to_numpy_array(graph, nodelist=range(n)))
    return out


def graph_of(a: Tensor) -> Noisy:
    """Weights as what is seen; all nodes exist."""
    b, n = a.shape[:2]
    return Noisy(a.new_zeros(b, n, 0), a[..., None], a, torch.ones(b, n, dtype=torch.bool))


def weights(b: int, n: int, seed: int = 0) -> Tensor:
    a = uniform((b, n, n), torch.empty(0, dtype=torch.float64), seeded(seed)).triu(1)
    return a + a.transpose(1, 2)


def each(values: Tensor, judge: Callable[[nx.Graph], np.ndarray], tolerance: float) -> None:
    """Compares values of the padded batch, per node or pair, with a judge of every graph."""
    for found, (name, graph) in zip(values, GRAPHS.items(), strict=True):
        expected = judge(graph)
        n = len(graph)
        inside = found[:n] if expected.shape[1] != n else found[:n, :n]
        np.testing.assert_allclose(inside.numpy(), expected, rtol=0, atol=tolerance, err_msg=name)


def test_returns_are_those_of_the_random_walk() -> None:
    def judge(graph: nx.Graph) -> np.ndarray:
        a = nx.to_numpy_array(graph)
        step = a / np.maximum(a.sum(1, keepdims=True), 1)
        return np.stack([np.linalg.matrix_power(step, k).diagonal() for k in range(2, 8)], 1)

    each(returns(powers(walk(batched()), 4), 7), judge, 1e-14)


def test_cycles_through_nodes_are_those_that_can_be_listed() -> None:
    def judge(graph: nx.Graph) -> np.ndarray:
        found = np.zeros((len(graph), 3))
        for cycle in nx.simple_cycles(graph, length_bound=5):
            found[cycle, len(cycle) - 3] += 1
        return found

    each(cycles(batched()), judge, 0)


def test_cycles_of_weights_are_expected_ones_of_independent_edges() -> None:
    a = weights(1, 5)
    i, j = torch.triu_indices(5, 5, 1)
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=10)), dtype=torch.float64)
    graphs = torch.zeros(len(every), 5, 5, dtype=torch.float64)
    graphs[:, i, j] = graphs[:, j, i] = every
    p = a[0, i, j]
    probability = torch.where(every > 0, p, 1 - p).prod(1)
    expected = torch.einsum("g,gnc->nc", probability, cycles(graphs))
    torch.testing.assert_close(cycles(a)[0], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("furthest", [1, 3, 6])
def test_distances_are_shortest_paths_also_on_bipartite_and_disconnected_graphs(
    furthest: int,
) -> None:
    def judge(graph: nx.Graph) -> np.ndarray:
        out = np.full((len(graph), len(graph)), furthest + 1)
        for i, row in nx.all_pairs_shortest_path_length(graph, cutoff=furthest):
            out[i, list(row)] = list(row.values())
        return out

    found = distances(batched() > 0.5, furthest)
    for got, (name, graph) in zip(found, GRAPHS.items(), strict=True):
        n = len(graph)
        assert (got[:n, :n].numpy() == judge(graph)).all(), name


def test_what_joins_two_nodes_beside_their_edge_is_that_of_resistors() -> None:
    """Closed forms: nothing in a tree, 1/(n - 1) around a cycle, n/2 - 1 in a complete graph; and
    Foster's: networkx' resistance distances of a weighted graph."""
    tree, cycle, full = nx.path_graph(5), nx.cycle_graph(6), nx.complete_graph(7)
    for graph, joined in ((tree, 0.0), (cycle, 1 / 5), (full, 7 / 2 - 1)):
        a = torch.from_numpy(nx.to_numpy_array(graph))[None]
        here = rest(a)[0][a[0] > 0]
        torch.testing.assert_close(here, torch.full_like(here, joined), atol=3e-3, rtol=0)
    apart = nx.disjoint_union(nx.complete_graph(3), nx.complete_graph(4))
    between = rest(torch.from_numpy(nx.to_numpy_array(apart))[None])[0, :3, 3:]
    assert between.abs().max() < 2.5e-3
    weighted = nx.gnp_random_graph(7, 0.6, seed=3)
    for k, (u, v) in enumerate(weighted.edges):
        weighted[u][v]["weight"] = 0.2 + 0.1 * (k % 7)
    a = torch.from_numpy(nx.to_numpy_array(weighted))
    far = nx.resistance_distance(weighted, weight="weight", invert_weight=False)
    found = rest(a[None])[0]
    for u in weighted:
        for v in weighted:
            if u != v:
                assert float(found[u, v]) == pytest.approx(
                    1 / far[u][v] - float(a[u, v]), abs=5e-3
                )


def test_the_own_edge_says_nothing_of_the_rest() -> None:
    a = batched()[:1].clone()
    before = rest(a)[0, 0, 1]
    a[0, 0, 1] = a[0, 1, 0] = 0.37
    torch.testing.assert_close(rest(a)[0, 0, 1], before, atol=1e-3, rtol=1e-3)


def test_heat_is_the_exponential_of_the_normalised_laplacian() -> None:
    kernels = heat(batched(), 4)
    for k, t in enumerate((1, 2, 4, 8)):
        for found, (name, graph) in zip(kernels[:, k], GRAPHS.items(), strict=True):
            n = len(graph)
            laplacian = nx.normalized_laplacian_matrix(graph, nodelist=range(n)).toarray()
            np.testing.assert_allclose(
                found[:n, :n].numpy(), scipy.linalg.expm(-t * laplacian), atol=1e-9, err_msg=name
            )


def test_heat_of_a_complete_graph_has_its_closed_form() -> None:
    n = 7
    a = 1 - torch.eye(n, dtype=torch.float64)
    t = torch.tensor([1.0, 2, 4, 8], dtype=torch.float64)[:, None, None]
    decay = torch.exp(-t * n / (n - 1))
    expected = 1 / n + decay * (torch.eye(n, dtype=torch.float64) - 1 / n)
    torch.testing.assert_close(heat(a[None], 4)[0], expected, rtol=0, atol=1e-10)


def test_spectral_features_tell_graphs_apart_that_walks_of_neighbours_confuse() -> None:
    """A ring of six and two triangles: all nodes look alike to message passing."""
    ring = torch.from_numpy(nx.to_numpy_array(nx.cycle_graph(6)))
    pair = torch.from_numpy(
        nx.to_numpy_array(nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3)))
    )
    nodes, _ = Structure()(graph_of(torch.stack([ring, pair])))
    torch.testing.assert_close(nodes, nodes[:, :1].expand_as(nodes))  # vertex transitive
    degree, rest = nodes[:, 0].split([2, nodes.shape[-1] - 2], -1)
    assert torch.equal(degree[0], degree[1])
    assert (rest[0] - rest[1]).abs().max() > 0.1


def test_nearly_no_edge_is_nearly_none() -> None:
    """Beliefs never quite reach zero: an isolated node must look isolated all the same."""
    alone = batched()[-2:-1, :12, :12].clone()
    alone[:, 0], alone[:, :, 0] = 0, 0
    nearly = alone.clone()
    nearly[:, 0, 1:] = nearly[:, 1:, 0] = 1e-6
    for one, two in zip(Structure()(graph_of(alone)), Structure()(graph_of(nearly)), strict=True):
        rate = 8 * 11e-6 / 0.1  # of leaving the node until t = 8
        torch.testing.assert_close(one, two, rtol=0, atol=rate)


@pytest.mark.parametrize(
    "structure", [Structure(), Structure(steps=2, furthest=1, heats=1), Structure(7, 3, 2)]
)
def test_padding_has_no_features_and_changes_none(structure: Structure) -> None:
    a = batched()
    sizes = torch.tensor([len(graph) for graph in GRAPHS.values()])
    exists = torch.arange(PADDED) < sizes[:, None]
    batch = Noisy(a.new_zeros(len(a), PADDED, 0), a[..., None], a, exists)
    nodes, pairs = structure(batch)
    assert nodes.shape[-1] == structure.node_features
    assert pairs.shape[-1] == structure.pair_features
    assert (nodes[~exists] == 0).all()
    assert (pairs[~batch.pairs] == 0).all()
    for row, n in enumerate(sizes):
        one, two = structure(graph_of(a[row : row + 1, :n, :n]))
        torch.testing.assert_close(nodes[row, :n], one[0], rtol=0, atol=1e-13)
        torch.testing.assert_close(pairs[row, :n, :n], two[0] * batch.pairs[row, :n, :n, None])


def test_smooth_features_have_the_right_derivatives() -> None:
    """A divergence of the flow goes through them."""

    def smooth(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a = x.triu(1) + x.triu(1).transpose(1, 2)
        return cycles(a), heat(a, 2), returns(powers(walk(a), 3), 6)

    start = weights(1, 5, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(smooth, start)


def test_features_are_of_order_one_on_large_graphs() -> None:
    a = batched().new_zeros(1, 200, 200)
    a[0] = torch.from_numpy(nx.to_numpy_array(nx.gnp_random_graph(200, 0.5, seed=0)))
    for features in Structure()(graph_of(a)):
        assert features.abs().max() < 5
