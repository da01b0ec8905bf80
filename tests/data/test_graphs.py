"""Sets of graphs: what is known of the published files, and other readers as judges."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest

from unnoise.data import find, load_graphs, provided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from unnoise.data import Source

    Here = Callable[[str], Source]

SPLITS = {  # graphs of train, valid, test; nodes and edges of all together; connected ones
    "community-small/graphgdp": ((64, 16, 20), 1542, 3567, 100),
    "community-small/gdss": ((64, 16, 20), 1528, 3515, 100),
    "community-small/spectre": ((64, 16, 20), 1570, 3701, 100),
    "ego-small": ((128, 32, 40), 1282, 1739, 200),
    "ego-small/gdss": ((128, 32, 40), 1282, 1739, 200),
    "planar": ((128, 32, 40), 12800, 35567, 200),
    "sbm": ((128, 32, 40), 20802, 100082, 196),
    "grid": ((64, 16, 20), 21639, 40333, 100),
    "enzymes": ((360, 89, 113), 18516, 35525, 562),
    "qm9": ((10_000, 1_000, 1_000), 105468, 111857, 12_000),
}
SIZES = {  # fewest and most nodes
    "community-small/graphgdp": (12, 20),
    "community-small/gdss": (12, 20),
    "community-small/spectre": (12, 20),
    "ego-small": (4, 17),
    "planar": (64, 64),
    "sbm": (44, 187),
    "grid": (110, 361),
    "enzymes": (10, 125),
}
CLASSES = {"community-small/graphgdp": 51, "community-small/gdss": 52, "ego-small": 82}
LEAKS = {  # test graphs that are isomorphic to a training graph
    "community-small/graphgdp": 10,
    "community-small/gdss": 10,
    "ego-small": 26,
    "ego-small/gdss": 28,
    "grid": 17,
    "enzymes": 2,
}
VALENCE = {"C": 4, "N": 3, "O": 2, "F": 1}


@pytest.fixture
def load(here: Here) -> Callable[[str], dict[str, list[nx.Graph]]]:
    """Loads a set of graphs, or skips the test where its files are not."""

    def read(name: str) -> dict[str, list[nx.Graph]]:
        here("ego-small" if name == "ego-small/gdss" else name)
        return load_graphs(name, quiet=True)

    return read


def every(parts: dict[str, list[nx.Graph]]) -> list[nx.Graph]:
    return [graph for part in parts.values() for graph in part]


def classes(graphs: Iterable[nx.Graph]) -> list[list[nx.Graph]]:
    """The graphs, those together that are isomorphic."""
    alike: dict[object, list[list[nx.Graph]]] = {}
    for graph in graphs:
        ranks = sorted(zip(dict(graph.degree).values(), nx.triangles(graph).values(), strict=True))
        near = alike.setdefault(tuple(ranks), [])
        for group in near:
            if nx.is_isomorphic(group[0], graph):
                group.append(graph)
                break
        else:
            near.append([graph])
    return [group for near in alike.values() for group in near]


@pytest.mark.parametrize("name", SPLITS)
def test_parts_have_the_published_sizes(
    load: Callable[[str], dict[str, list[nx.Graph]]], name: str
) -> None:
    parts = load(name)
    graphs = every(parts)
    assert list(parts) == ["train", "valid", "test"]
    assert (
        tuple(map(len, parts.values())),
        sum(map(len, graphs)),
        sum(graph.number_of_edges() for graph in graphs),
        sum(map(nx.is_connected, graphs)),
    ) == SPLITS[name]
    assert all(list(graph) == list(range(len(graph))) for graph in graphs)
    assert all(nx.number_of_selfloops(graph) == 0 for graph in graphs)


@pytest.mark.parametrize("name", SIZES)
def test_node_counts_lie_where_they_are_said_to(
    load: Callable[[str], dict[str, list[nx.Graph]]], name: str
) -> None:
    counts = [len(graph) for graph in every(load(name))]
    assert (min(counts), max(counts)) == SIZES[name]


@pytest.mark.parametrize("name", CLASSES)
def test_many_graphs_of_the_small_sets_are_the_same(
    load: Callable[[str], dict[str, list[nx.Graph]]], name: str
) -> None:
    assert len(classes(every(load(name)))) == CLASSES[name]


@pytest.mark.parametrize("name", LEAKS)
def test_some_test_graphs_are_training_graphs_too(
    load: Callable[[str], dict[str, list[nx.Graph]]], name: str
) -> None:
    parts = load(name)
    test = {id(graph) for graph in parts["test"]}
    groups = [[id(graph) in test for graph in group] for group in classes(every(parts))]
    assert sum(sum(group) for group in groups if not all(group)) == LEAKS[name]


def test_ego_small_is_what_its_recipe_makes_of_citeseer(
    load: Callable[[str], dict[str, list[nx.Graph]]],
) -> None:
    parts = load("ego-small")
    root = provided()
    links = root / "graphs/citeseer/citeseer_adjlist.txt" if root else None
    if links is None or not links.is_file():
        pytest.skip("citeseer is not in $UNNOISE_DATA")
    lines = [[*map(int, line.split())] for line in links.read_text().splitlines()]
    whole = nx.from_dict_of_lists({line[0]: line[1:] for line in lines})
    largest = whole.subgraph(max(nx.connected_components(whole), key=len))
    largest = nx.convert_node_labels_to_integers(largest)
    balls = (nx.ego_graph(largest, node) for node in largest)
    chosen = [ball for ball in balls if 4 <= len(ball) <= 18][:200]
    for ball in chosen:
        ball.remove_edges_from([*nx.selfloop_edges(ball)])
    for part, expected in (("test", chosen[160:]), ("train", chosen[:160])):
        found = parts[part] + (parts["valid"] if part == "train" else [])
        together = [*map(len, classes(found))], [*map(len, classes(expected))]
        assert Counter(together[0]) == Counter(together[1])
        assert len(classes([*found, *expected])) == len(together[0])


def test_planar_graphs_are_planar(load: Callable[[str], dict[str, list[nx.Graph]]]) -> None:
    graphs = every(load("planar"))
    assert all(nx.check_planarity(graph)[0] for graph in graphs)
    assert round(np.mean([graph.number_of_edges() for graph in graphs]), 1) == 177.8


def test_a_few_block_models_fall_apart(load: Callable[[str], dict[str, list[nx.Graph]]]) -> None:
    parts = load("sbm")
    whole = {part: sum(map(nx.is_connected, found)) for part, found in parts.items()}
    assert whole == {"train": 127, "valid": 30, "test": 39}


def test_grids_are_grids(load: Callable[[str], dict[str, list[nx.Graph]]]) -> None:
    """The sides m, n of a grid follow from its nodes mn and edges 2mn - m - n."""
    shapes = set()
    for graph in every(load("grid")):
        total, product = 2 * len(graph) - graph.number_of_edges(), len(graph)
        root = round((total**2 - 4 * product) ** 0.5)
        m, n = (total - root) // 2, (total + root) // 2
        assert 10 <= m <= n <= 19
        expected = {(i * n + j, i * n + j + 1) for i in range(m) for j in range(n - 1)}
        expected |= {(i * n + j, i * n + j + n) for i in range(m - 1) for j in range(n)}
        assert {tuple(sorted(edge)) for edge in graph.edges} == expected
        shapes.add((m, n))
    assert len(shapes) == 46


def test_enzymes_are_those_that_torch_geometric_reads(
    load: Callable[[str], dict[str, list[nx.Graph]]], here: Here, tmp_path: Path
) -> None:
    from torch_geometric.datasets import TUDataset

    raw = tmp_path / "ENZYMES" / "raw"
    raw.mkdir(parents=True)
    source = here("enzymes")
    for file in source.files[1:]:
        shutil.copy(find(source) / file.path, raw)
    theirs: Counter[object] = Counter()
    for graph in TUDataset(str(tmp_path), "ENZYMES"):
        bearers, ends = np.unique(graph.edge_index.numpy(), return_inverse=True)
        edges = frozenset(map(frozenset, ends.reshape(2, -1).T.tolist()))
        labels = (graph.x[bearers].argmax(1) + 1).tolist()
        theirs[int(graph.y) + 1, tuple(labels), edges] += 1
    ours: Counter[object] = Counter()
    for graph in every(load("enzymes")):
        edges = frozenset(map(frozenset, graph.edges))
        labels = [label for _, label in sorted(graph.nodes(data="label"))]
        ours[graph.graph["label"], tuple(labels), edges] += 1
    assert sum(theirs.values()) == 600
    assert ours <= theirs


def test_molecules_keep_to_their_valences(
    load: Callable[[str], dict[str, list[nx.Graph]]],
) -> None:
    kinds: set[str] = set()
    for graph in every(load("qm9")):
        bonds = dict(graph.degree(weight="kind"))
        atoms = dict(graph.nodes(data="kind"))
        assert all(bonds[node] <= VALENCE[atom] for node, atom in atoms.items())
        assert len(graph) <= 9
        kinds.update(atoms.values())
    assert kinds == set(VALENCE)
