"""Isomorphism and families of graphs, judged by how many unlabelled graphs there are."""

import json
import math
import os
from collections.abc import Callable, Iterator
from itertools import combinations, combinations_with_replacement, product
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from unnoise.domains.graphs.metrics import (
    Classes,
    is_connected,
    is_grid,
    is_lobster,
    is_molecule,
    is_planar,
    is_tree,
    isomorphism_classes,
    valid_unique_novel,
)
from unnoise.domains.task import Score

Published = Callable[[str], dict[str, list[nx.Graph]]]


def labelled(n: int, node_kinds: int, edge_kinds: int) -> Iterator[nx.Graph]:
    """All graphs of n named nodes with kinds; nodes in order of kind, as names don't matter."""
    pairs = list(combinations(range(n), 2))
    for nodes in combinations_with_replacement(range(node_kinds), n):
        for kinds in product(range(edge_kinds + 1), repeat=len(pairs)):
            graph = nx.Graph()
            graph.add_nodes_from((i, {"kind": "CNOF"[kind]}) for i, kind in enumerate(nodes))
            for (u, v), kind in zip(pairs, kinds, strict=True):
                if kind:
                    graph.add_edge(u, v, kind=kind)
            yield graph


@pytest.mark.parametrize(
    ("node_kinds", "edge_kinds", "counts"),
    [
        (1, 1, [1, 2, 4, 11, 34]),  # OEIS A000088
        (2, 1, [2, 6, 20, 90]),  # A000666
        (1, 2, [1, 3, 10, 66]),  # A004102
    ],
)
def test_graphs_fall_into_as_many_classes_as_there_are_unlabelled_ones(
    node_kinds: int, edge_kinds: int, counts: list[int]
) -> None:
    for n, count in enumerate(counts, start=1):
        assert len(Classes(list(labelled(n, node_kinds, edge_kinds)))) == count


def test_colour_refinement_alone_does_not_decide() -> None:
    """Two triangles and a hexagon look alike to it."""
    triangles = nx.disjoint_union(nx.complete_graph(3), nx.complete_graph(3))
    assert isomorphism_classes([triangles, nx.cycle_graph(6), triangles]) == [0, 1, 0]


def test_renamed_graphs_stay_in_their_class() -> None:
    draw, graphs = np.random.default_rng(0), nx.graph_atlas_g()[1:300]
    known = Classes(graphs)
    assert len(known) == len(graphs)
    for graph in graphs:
        names = draw.permutation(len(graph)).tolist()
        assert nx.relabel_nodes(graph, dict(enumerate(names))) in known


def test_families_have_their_known_numbers_of_unlabelled_members() -> None:
    """Of all 1,252 graphs of 1 to 7 nodes (OEIS A001349, A003094, A000055)."""
    atlas = nx.graph_atlas_g()[1:]

    def counts(family: Callable[[nx.Graph], bool]) -> list[int]:
        found = [len(graph) for graph in atlas if family(graph)]
        return [found.count(n) for n in range(1, 8)]

    assert counts(is_connected) == [1, 1, 2, 6, 21, 112, 853]
    assert counts(is_planar) == [1, 1, 2, 6, 20, 99, 646]
    assert counts(is_tree) == counts(is_lobster) == [1, 1, 1, 2, 3, 6, 11]
    assert counts(is_grid) == [0, 0, 0, 1, 0, 1, 0]


def test_the_smallest_tree_that_is_no_lobster_has_three_legs_of_three() -> None:
    for n in range(8, 10):
        assert all(is_lobster(tree) for tree in nx.nonisomorphic_trees(n))
    others = [tree for tree in nx.nonisomorphic_trees(10) if not is_lobster(tree)]
    spider = nx.Graph([(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (0, 7), (7, 8), (8, 9)])
    assert isomorphism_classes([*others, spider]) == [0, 0]


def test_grids_are_found_whatever_their_names_and_nothing_near_is() -> None:
    for a, b in [(2, 2), (3, 7), (6, 6), (10, 19)]:
        grid = nx.convert_node_labels_to_integers(nx.grid_2d_graph(a, b))
        names = np.random.default_rng(a).permutation(len(grid)).tolist()
        moved = nx.relabel_nodes(grid, dict(enumerate(names)))
        assert is_grid(moved)
        corner = next(node for node, degree in moved.degree() if degree == 2)
        moved.remove_edge(corner, next(iter(moved[corner])))
        assert not is_grid(moved)
    assert not is_grid(nx.grid_2d_graph(4, 4, periodic=True))
    assert not is_grid(nx.path_graph(9))


def test_a_graph_without_nodes_is_of_no_family() -> None:
    empty = nx.empty_graph(0)
    for family in (is_connected, is_planar, is_tree, is_lobster, is_grid, is_molecule):
        assert not family(empty)


# --- molecules -----------------------------------------------------------------------------------


def molecule(atoms: str, *bonds: tuple[int, int, int]) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from((i, {"kind": atom}) for i, atom in enumerate(atoms))
    graph.add_edges_from((u, v, {"kind": order}) for u, v, order in bonds)
    return graph


@pytest.mark.parametrize(
    ("graph", "valid"),
    [
        (molecule("C"), True),  # methane
        (molecule("CO", (0, 1, 2)), True),  # formaldehyde
        (molecule("CO", (0, 1, 3)), False),  # carbon monoxide needs charges
        (molecule("CN", (0, 1, 3)), True),  # hydrogen cyanide
        (molecule("FF", (0, 1, 1)), True),
        (molecule("FF", (0, 1, 2)), False),
        (molecule("CFFFF", *((0, i, 1) for i in range(1, 5))), True),
        (molecule("CFFFFF", *((0, i, 1) for i in range(1, 6))), False),
        (molecule("CX", (0, 1, 1)), False),  # no such element
        (molecule("CC", (0, 1, 4)), False),
        (molecule("CC"), False),  # in two pieces
    ],
)
def test_molecules_obey_valences(graph: nx.Graph, valid: bool) -> None:
    assert is_molecule(graph) is valid


def test_a_bond_without_an_order_is_an_error() -> None:
    graph = molecule("CC", (0, 1, 1))
    del graph.edges[0, 1]["kind"]
    with pytest.raises(ValueError, match="node 0: a bond has no `kind`"):
        is_molecule(graph)


def test_neutral_molecules_of_qm9_are_all_valid() -> None:
    if not os.environ.get("UNNOISE_DATA"):
        pytest.skip("needs graphs/qm9 in $UNNOISE_DATA, which is unset")
    file = Path(os.environ["UNNOISE_DATA"]) / "graphs" / "qm9" / "qm9_heavy_12k.jsonl"
    for line in file.read_text().splitlines()[:1000]:
        held = json.loads(line)
        graph = molecule(held["atoms"], *held["bonds"])
        assert is_molecule(graph)


# --- unique and novel ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known", "classes"),
    [
        ("com_small GraphGDP", 10, 51),
        ("com_small GDSS", 10, 52),
        ("ego_small GraphGDP", 26, 82),
        ("ego_small GDSS", 28, 82),
    ],
)
def test_published_sets_have_their_known_leaks(
    name: str, known: int, classes: int, published: Published
) -> None:
    parts = published(name)
    train, test = parts["train"], parts["test"]
    found = valid_unique_novel(test, train)
    assert found.novel.value == pytest.approx(1 - known / len(test))
    assert found.connected.value == 1
    assert len(Classes(train + test)) == classes


def test_planar_graphs_are_valid_unique_and_novel(published: Published) -> None:
    parts = published("planar")
    found = valid_unique_novel(parts["test"], parts["train"], is_planar)
    assert found.vun == Score(1.0, 0.0)


def test_shares_of_a_list_counted_by_hand() -> None:
    """Two equal paths that are new, a star that is known, a cycle that is no tree, two pieces."""
    made = [
        nx.path_graph(4), nx.path_graph(4), nx.star_graph(3), nx.cycle_graph(4), nx.empty_graph(2),
    ]  # fmt: skip
    found = valid_unique_novel(made, [nx.star_graph(3)], is_tree)
    values = (found.connected, found.valid, found.unique, found.novel, found.vun)
    assert [score.value for score in values] == [0.8, 0.6, 0.8, 0.8, 0.2]
    assert found.valid.stderr == pytest.approx(math.sqrt(0.6 * 0.4 / 4))
    assert found.vun.stderr == 0  # no graph is alone in a class that counts


def test_the_standard_error_of_unique_is_the_jackknife() -> None:
    made = [nx.path_graph(n) for n in (2, 2, 2, 3, 3, 4, 5, 6, 7)]
    m = len(made)
    without = [len(Classes(made[:i] + made[i + 1 :])) / (m - 1) for i in range(m)]
    jackknife = math.sqrt((m - 1) / m * sum((x - sum(without) / m) ** 2 for x in without))
    found = valid_unique_novel(made, []).unique
    assert found.value == 6 / 9
    assert found.stderr == pytest.approx(jackknife)


def test_no_graph_has_no_shares() -> None:
    with pytest.raises(ValueError, match="made: need at least one graph"):
        valid_unique_novel([], [])
