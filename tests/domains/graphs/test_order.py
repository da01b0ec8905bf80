"""The order of pairs: everybody plays everybody once, nobody twice in a round, and two rounds close no short cycle."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
import torch

from unnoise.core.random import Rows, seeded
from unnoise.domains.graphs.order import tournament
from unnoise.domains.graphs.pairs import count


def rounds(nodes: int, seed: int) -> list[list[tuple[int, int]]]:
    """Pairs (i, j) of each round, of one tournament."""
    (rank,) = tournament(1, nodes, seeded(seed))
    i, j = torch.tril_indices(nodes, nodes, -1)
    found: dict[int, list[tuple[int, int]]] = {}
    played = (rank // (nodes // 2)).tolist()
    for r, pair in zip(played, zip(i.tolist(), j.tolist(), strict=True), strict=True):
        found.setdefault(r, []).append(pair)
    return [found[r] for r in sorted(found)]


@pytest.mark.parametrize("nodes", [2, 3, 4, 7, 8, 19, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_a_tournament(nodes: int, seed: int) -> None:
    made = rounds(nodes, seed)
    assert sum(len(r) for r in made) == count(nodes)
    assert len(made) == (nodes if nodes % 2 else nodes - 1)
    for one in made:
        players = [player for pair in one for player in pair]
        assert len(players) == len(set(players)) == 2 * (nodes // 2)


@pytest.mark.parametrize("nodes", [3, 4, 7, 8, 19, 20])
def test_two_rounds_in_a_row_go_once_through_all_nodes(nodes: int) -> None:
    """As a cycle if they are even, as a path if they are odd."""
    made = rounds(nodes, 0)
    for one, two in pairwise(made):
        graph = nx.Graph([*one, *two])
        assert nx.is_connected(graph)
        assert len(graph) == nodes
        degrees = sorted(dict(graph.degree).values())
        assert degrees == ([1, 1] if nodes % 2 else [2, 2]) + [2] * (nodes - 2)


def test_a_graph_has_its_own_whatever_is_beside_it() -> None:
    three = tournament(3, 9, Rows([seeded(k) for k in (5, 6, 7)]))
    assert torch.equal(three[1:2], tournament(1, 9, Rows([seeded(6)])))
    assert not torch.equal(three[0], three[1])


def test_every_order_of_nodes_is_as_likely() -> None:
    """Of the three rounds of four nodes, {0, 1} is in each as often."""
    first = (tournament(30_000, 4, seeded(0))[:, 0] // 2).bincount(minlength=3)
    assert (first - 10_000).abs().max() < 5 * (30_000 * 2 / 9) ** 0.5


@pytest.mark.parametrize("nodes", [0, 1])
def test_of_nobody_there_are_no_pairs(nodes: int) -> None:
    assert tournament(2, nodes, seeded(0)).shape == (2, 0)
