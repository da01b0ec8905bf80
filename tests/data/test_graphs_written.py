"""The readers of graphs on small files: values, the cut for validation, every kind of damage."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import networkx as nx
import pytest

from unnoise.data import DataError, UnknownSource, load_graphs

StandIn = Callable[..., None]

PATHS = [{"n": n, "edges": [[i, i + 1] for i in range(n - 1)]} for n in range(1, 15)]
SPLIT = {"test": [0, 13], "train": [*range(1, 11)]}  # 11 and 12 are in neither

PROTEINS = (  # a triangle with an isolated node, a path, one that is not chosen
    {"splits": {"graphgdp": {"train": [0, 1], "test": [1, 2]}}, "tu_index": [1, 0]},
    "1, 2\n2, 1\n2, 4\n4, 2\n4, 1\n1, 4\n6, 5\n5, 6\n7, 6\n6, 7\n",
    "1\n1\n1\n1\n2\n2\n2\n3\n",
    "5\n6\n1\n",
    "1\n2\n3\n1\n2\n3\n2\n1\n",
)


def lists(graphs: Sequence[object] = PATHS, split: object = SPLIT) -> bytes:
    return json.dumps({"splits": {"spectre_seed1234": split}, "graphs": graphs}).encode()


def sizes(parts: dict[str, list[nx.Graph]]) -> dict[str, list[int]]:
    return {part: [len(graph) for graph in graphs] for part, graphs in parts.items()}


def test_data_does_not_wait_for_networkx() -> None:
    code = "import sys, unnoise.data; print({'networkx', 'torch_geometric'} & {*sys.modules})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_edges_are_those_of_the_file(stand_in: StandIn) -> None:
    graphs = [{"n": 4, "edges": [[0, 2], [3, 1]]}, {"n": 1, "edges": []}, {"n": 2, "edges": []}]
    stand_in("planar", lists(graphs, {"train": [2], "val": [1], "test": [0]}))
    parts = load_graphs("planar")
    assert sizes(parts) == {"train": [2], "valid": [1], "test": [4]}
    assert sorted(map(sorted, parts["test"][0].edges)) == [[0, 2], [1, 3]]


def test_validation_is_a_fifth_of_training(stand_in: StandIn) -> None:
    stand_in("planar", lists())
    found = sizes(load_graphs("planar"))
    assert found["test"] == [1, 14]
    assert len(found["valid"]) == 2
    assert sorted(found["train"] + found["valid"]) == [*range(2, 12)]
    assert found["train"] == sorted(found["train"])  # the order of the file
    assert found == sizes(load_graphs("planar"))


def test_a_published_validation_part_is_kept(stand_in: StandIn) -> None:
    stand_in("planar", lists(split={"train": [5, 4], "val": [1, 0], "test": [2]}))
    assert sizes(load_graphs("planar")) == {"train": [6, 5], "valid": [2, 1], "test": [3]}


def test_grids_are_built_row_by_row(stand_in: StandIn) -> None:
    content = {
        "sizes_m_n": [[2, 3], [1, 2]],
        "splits": {"gdss": {"test": [0, 1], "train": [1, 2]}},
    }
    stand_in("grid", json.dumps(content).encode())
    edges = {tuple(sorted(edge)) for edge in load_graphs("grid")["test"][0].edges}
    assert edges == {(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)}


def enzymes(stand_in: StandIn, *texts: Any) -> None:
    stand_in("enzymes", json.dumps(texts[0]).encode(), *(text.encode() for text in texts[1:]))


def test_proteins_come_in_the_written_order_with_their_labels(stand_in: StandIn) -> None:
    enzymes(stand_in, *PROTEINS)
    parts = load_graphs("enzymes")
    path, triangle = parts["train"][0], parts["test"][0]
    assert sorted(map(sorted, path.edges)) == [[0, 1], [1, 2]]
    assert sorted(map(sorted, triangle.edges)) == [[0, 1], [0, 2], [1, 2]]  # without node 3
    assert (path.graph["label"], triangle.graph["label"]) == (6, 5)
    assert dict(path.nodes(data="label")) == {0: 2, 1: 3, 2: 2}
    assert dict(triangle.nodes(data="label")) == {0: 1, 1: 2, 2: 1}


def test_molecules_have_kinds(stand_in: StandIn) -> None:
    line = json.dumps({"i": 7, "atoms": ["O", "C", "F"], "bonds": [[0, 1, 2], [1, 2, 1]]})
    stand_in("qm9", "\n".join([line] * 24).encode())
    parts = load_graphs("qm9")
    assert {part: len(graphs) for part, graphs in parts.items()} == {
        "train": 20,
        "valid": 2,
        "test": 2,
    }
    molecule = parts["test"][1]
    assert dict(molecule.nodes(data="kind")) == {0: "O", 1: "C", 2: "F"}
    assert {(u, v): kind for u, v, kind in molecule.edges(data="kind")} == {(0, 1): 2, (1, 2): 1}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[", "planar.json: no JSON: Expecting value: line 1 column 2"),
        (b"[]", "planar.json: holds no JSON object"),
        (b"{}", "'graphs' is missing, or no list"),
        (b'{"graphs": []}', "'splits' is missing, or no dict"),
        (lists(["x"]), "graph 0: 'x' is no object with n and edges"),
        (lists([{"n": 2}]), "graph 0: 'edges' is missing, or no list"),
        (lists([{"n": 0, "edges": []}]), "graph 0: 0 nodes, not 1 or more"),
        (lists([*PATHS, {"n": 2, "edges": [[1, 1]]}]), r"graph 14: edge \[1, 1\] joins a node to"),
        (lists([{"n": 2, "edges": [[0, 1], [1, 0]]}]), r"graph 0: edge \[1, 0\] is given twice"),
        (lists([{"n": 2, "edges": [[0, 2]]}]), r"edge \[0, 2\] is not two nodes 0 .. 1"),
        (lists([{"n": 2, "edges": [[0, 1.5]]}]), r"edge \[0, 1.5\] is not two nodes 0 .. 1"),
        (lists(split={"train": [0]}), "split 'spectre_seed1234': 'test' is missing, or no list"),
        (lists(split={"train": [0], "test": [14]}), "test has 14, no index 0 .. 13"),
        (lists(split={"train": [0], "test": [1, 0]}), "test has graph 0, which is in the split"),
        (lists(split={"train": ["a"], "test": [1]}), "train has 'a', no index 0 .. 13"),
    ],
)
def test_damage_to_lists_is_named(stand_in: StandIn, content: bytes, fault: str) -> None:
    stand_in("planar", content)
    with pytest.raises(DataError, match=f"{fault}.*; put the right copy there$"):
        load_graphs("planar")


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        (1, "2, 4\n", "2, 9\n", "A.txt, line 3: not two nodes 1 .. 8"),
        (1, "2, 4\n", "0, 4\n", "A.txt, line 3: not two nodes 1 .. 8"),
        (1, "2, 4\n", "2, 5\n", "A.txt, line 3: joins nodes of two graphs"),
        (1, "2, 4\n", "2, 2\n", "A.txt, line 3: joins a node to itself"),
        (1, "2, 4\n", "1, 2\n", "A.txt: the edges are not all given once in each direction"),
        (1, "2, 4\n", "", "A.txt: the edges are not all given once in each direction"),
        (1, "2, 4\n", "2, x\n", "A.txt: could not convert string ' x' to int64 at row 2"),
        (2, "1\n1\n1\n", "1\n0\n1\n", "indicator.txt, line 2: a number below 1"),
        (2, "1\n1\n1\n1\n2\n", "1, 1\n1, 1\n1, 1\n1, 1\n2, 1\n", "the number of columns changed"),
        (3, "1\n", "", "graph_labels.txt: 2 lines, not 3"),
        (4, "1\n", "", "node_labels.txt: 5 lines, not 8"),
    ],
)
def test_damage_to_proteins_is_named(
    stand_in: StandIn, file: int, old: str, new: str, fault: str
) -> None:
    texts = [*PROTEINS]
    texts[file] = PROTEINS[file].replace(old, new)
    assert texts[file] != PROTEINS[file]
    enzymes(stand_in, *texts)
    with pytest.raises(DataError, match=f"{fault}.*; put the right copy there$"):
        load_graphs("enzymes")


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ({"tu_index": [1, 3]}, "graph 1: 3 is no index of a graph, 0 .. 2"),
        ({"tu_index": [2, 1]}, "graph 0: 0 nodes, not 1 or more"),
        (
            {"splits": {"graphgdp": {"train": [0], "test": [1, 2]}}},
            r"split 'graphgdp': \[0\] are not the two ends of a range",
        ),
    ],
)
def test_damage_to_the_choice_of_proteins_is_named(
    stand_in: StandIn, order: dict[str, Any], fault: str
) -> None:
    enzymes(stand_in, PROTEINS[0] | order, *PROTEINS[1:])
    with pytest.raises(DataError, match=f"graphgdp_order.json, {fault}; put the right copy"):
        load_graphs("enzymes")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"atoms": ["C"]}', "'bonds' is missing, or no list"),
        ('{"atoms": ["C"', "no JSON: Expecting ',' delimiter"),
        ('{"atoms": ["C", "H"], "bonds": []}', "atom 'H' is none of C, N, O, F"),
        ('{"atoms": [], "bonds": []}', "0 nodes, not 1 or more"),
        (
            '{"atoms": ["C", "C"], "bonds": [[0, 1, 4]]}',
            r"bond \[0, 1, 4\] is not two atoms and an order, 1 to 3",
        ),
        (
            '{"atoms": ["C", "C"], "bonds": [[0, 2, 1]]}',
            r"edge \[0, 2\] is not two nodes 0 .. 1",
        ),
    ],
)
def test_damage_to_molecules_is_named(stand_in: StandIn, line: str, fault: str) -> None:
    stand_in("qm9", ('{"atoms": ["C"], "bonds": []}\n' + line + "\n").encode())
    with pytest.raises(DataError, match=f"qm9_heavy_12k.jsonl, line 2: {fault}"):
        load_graphs("qm9")


def test_sides_that_are_none(stand_in: StandIn) -> None:
    content = {"sizes_m_n": [[2, 0]], "splits": {"gdss": {"test": [0, 1], "train": [1, 1]}}}
    stand_in("grid", json.dumps(content).encode())
    with pytest.raises(DataError, match=r"grid 0: \[2, 0\] are not two sides of 1 or more; put"):
        load_graphs("grid")


def test_wrong_name() -> None:
    with pytest.raises(UnknownSource, match="graphs is named 'enzmes'; did you mean 'enzymes'"):
        load_graphs("enzmes")
    with pytest.raises(UnknownSource, match="known: community-small/gdss, community-small/gr"):
        load_graphs("community-small")
