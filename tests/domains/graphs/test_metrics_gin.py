"""Random networks against dense products, neighbours against closed forms and loops."""

from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.graphs.metrics import (
    Neighbours,
    RandomGin,
    erdos_renyi,
    gin_scores,
    neighbours,
)
from unnoise.domains.task import Score

Published = Callable[[str], dict[str, list[nx.Graph]]]


def graphs(count: int = 12, p: float = 0.3) -> list[nx.Graph]:
    return [nx.gnp_random_graph(6 + i % 5, p, seed=i) for i in range(count)]


def test_features_are_those_of_dense_products() -> None:
    """Graph by graph, from the weights and the adjacency."""
    network = RandomGin(seeded(0))
    found = network(graphs())
    held = [b for name, b in network.named_buffers() if name.endswith(("weight", "bias"))]
    w1, b1, w2, b2 = (held[i::4] for i in range(4))
    for graph, row in zip(graphs(), found, strict=True):
        a = torch.from_numpy(nx.to_numpy_array(graph))
        h, sums = 2 * a.sum(1, keepdim=True), []
        for i in range(3):
            near = (a + torch.eye(len(a))) @ h
            h = ((near @ w1[i].T + b1[i]).relu() @ w2[i].T + b2[i]).relu()
            sums.append(h.sum(0))
        torch.testing.assert_close(row, torch.cat(sums))


def test_weights_are_orthogonal_and_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second, other = (RandomGin(seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.named_buffers():
        assert torch.equal(weight, second.get_buffer(name))
        if name.endswith("weight"):
            assert not torch.equal(weight, other.get_buffer(name))
            torch.testing.assert_close(weight.T @ weight, torch.eye(weight.shape[1]).double())


def test_features_do_not_depend_on_names_or_batch_mates() -> None:
    network, draw = RandomGin(seeded(0)), np.random.default_rng(0)
    moved = [
        nx.relabel_nodes(g, dict(enumerate(draw.permutation(len(g)).tolist()))) for g in graphs()
    ]
    torch.testing.assert_close(network(moved), network(graphs()))
    torch.testing.assert_close(network(graphs()[3:4]), network(graphs())[3:4])


def test_features_are_no_count_of_walks() -> None:
    """Without biases they would have rank 3: one multiple a layer."""
    assert torch.linalg.matrix_rank(RandomGin(seeded(0))(graphs(60))) > 20


# --- neighbours ----------------------------------------------------------------------------------


def test_a_set_against_itself_is_covered() -> None:
    """Each ball holds its centre and k others."""
    x = np.random.default_rng(0).standard_normal((40, 3))
    assert neighbours(x, x, k=5) == Neighbours(1.0, 1.0, 6 / 5, 1.0)


def test_a_far_set_is_not() -> None:
    x = np.random.default_rng(0).standard_normal((40, 3))
    assert neighbours(x, x + 100) == Neighbours(0.0, 0.0, 0.0, 0.0)


def test_a_set_that_has_dropped_a_mode_has_precision_without_recall() -> None:
    draw = np.random.default_rng(0)
    left, right = (draw.standard_normal((50, 2)) + at for at in (0, 1000))
    found = neighbours(np.concatenate([left, right]), left)
    assert (found.precision, found.recall, found.coverage) == (1.0, 0.5, 0.5)


def test_neighbours_are_those_of_a_loop() -> None:
    draw, k = np.random.default_rng(1), 3
    x, y = draw.standard_normal((20, 2)), draw.standard_normal((25, 2)) * 1.5

    def reach(points: np.ndarray) -> list[float]:
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

    def inside(p: np.ndarray, centre: np.ndarray, radius: float) -> bool:
        return bool(np.linalg.norm(p - centre) <= radius)

    balls_x, balls_y = list(zip(x, reach(x), strict=True)), list(zip(y, reach(y), strict=True))
    held = [[inside(p, *ball) for p in y] for ball in balls_x]
    precision = np.mean([any(row[j] for row in held) for j in range(25)])
    recall = np.mean([any(inside(p, *ball) for ball in balls_y) for p in x])
    coverage = np.mean([any(row) for row in held])
    found = neighbours(x, y, k)
    assert found.precision == pytest.approx(precision)
    assert found.recall == pytest.approx(recall)
    assert found.density == pytest.approx(np.sum(held) / (k * 25))
    assert found.coverage == pytest.approx(coverage)


# --- scores --------------------------------------------------------------------------------------


def test_renamed_real_graphs_score_as_the_real_ones() -> None:
    """Copies of few classes: rounding alone tells their features apart, and must not."""
    draw, real = np.random.default_rng(0), graphs(4) * 8
    moved = [nx.relabel_nodes(g, dict(enumerate(draw.permutation(len(g)).tolist()))) for g in real]
    found = gin_scores(real, moved, seeded(0))
    assert found.mmd.value == pytest.approx(0, abs=1e-9)
    assert found.precision == found.recall == found.coverage == Score(1.0, 0.0)


def test_the_same_networks_give_the_same_scores_and_empty_graphs_are_left_out() -> None:
    real, made = graphs(), graphs(10, 0.5)
    first = gin_scores(real, made, seeded(0), networks=3)
    assert gin_scores(real, [nx.empty_graph(0), *made], seeded(0), networks=3) == first


def test_published_graphs_rank_above_random_ones(published: Published) -> None:
    parts = published("com_small GDSS")
    random = erdos_renyi(parts["train"], 80, np.random.default_rng(0))
    real = gin_scores(parts["test"], parts["train"], seeded(0))
    other = gin_scores(parts["test"], random, seeded(0))
    assert real.mmd.value < other.mmd.value
    assert real.precision.value > other.precision.value
    assert real.density.value > other.density.value
    assert real.coverage.value > other.coverage.value


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="networks: need at least 2, got 1"):
        gin_scores(graphs(), graphs(), seeded(0), networks=1)
    with pytest.raises(ValueError, match="more than k points, got 5 for 12 and 3"):
        gin_scores(graphs(), graphs(3), seeded(0))
    with pytest.raises(ValueError, match="real: some graphs have no nodes"):
        gin_scores([*graphs(), nx.empty_graph(0)], graphs(), seeded(0))
