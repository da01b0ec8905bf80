"""Sets of graphs, in the files, order and split that published figures belong to.

Under one name, several draws of a set are in circulation, each with splits of its own. Figures
compare only within one of them, so a name says which: `community-small/gdss` is GDSS's file in
GDSS's split. All graphs are simple: undirected, no loops, nodes 0 .. n - 1, in the order of their
source. The files are conversions, JSON or text, of what the sources published as pickles.

A split without a validation part gets one here: a fifth of the training graphs, rounded down,
chosen by `numpy.random.default_rng(0)`. So `train` and `valid` together are the published
training part, and `test` is the published test part. What was published without any split, qm9,
is cut by the same generator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unnoise.data.errors import DataError, unknown
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["load_graphs"]

_FIFTH = 5  # of the published training part, for validation
_TWELFTH = 12  # of the molecules, for each of validation and test
_ELEMENTS = ("C", "N", "O", "F")
_ORDERS = (1, 2, 3)


def load_graphs(name: str, *, quiet: bool = False) -> dict[str, list[nx.Graph]]:
    """Loads a set of graphs; needs networkx.

    Args:
        name: `community-small/graphgdp`, `community-small/gdss`, `community-small/spectre`,
            `ego-small` (GraphGDP's split) or `ego-small/gdss`, `planar`, `sbm`, `grid`,
            `enzymes` (GraphGDP's choice and order) or `qm9`.
        quiet: Whether a download does without its progress bar.

    Returns:
        `train`, `valid` and `test`. A graph of enzymes has its class, 1 to 6, as
        `graph.graph["label"]`, and its nodes have theirs, 1 to 3, as `label`. A molecule of qm9
        has no hydrogens; `kind` is the element of a node, and 1, 2 or 3 the bond order of an edge.

    Raises:
        DataError: If there is none of that name, or its files are not here or damaged.
    """
    if name == "qm9":
        return _molecules(_place("qm9", quiet))
    if name not in _SETS:
        raise unknown("set of graphs", name, [*_SETS, "qm9"])
    each = _SETS[name]
    path = _place(each.source, quiet)
    content = _object(path, path.read_text("utf-8"))
    return _parts(path, each.graphs(path, content), _split(path, content, each))


def _place(name: str, quiet: bool) -> Path:
    """The first file of a source; it says where the others are."""
    return find(SOURCES[name], quiet=quiet) / SOURCES[name].files[0].path


def _listed(path: Path, content: dict[str, Any]) -> list[nx.Graph]:
    """Graphs written as `{"n": 3, "edges": [[0, 1], [1, 2]]}`."""
    graphs = []
    for i, graph in enumerate(_field(path, content, "graphs", list)):
        where = f"{path}, graph {i}"
        if not isinstance(graph, dict):
            raise _damaged(where, f"{graph!r} is no object with n and edges")
        edges = _field(where, graph, "edges", list)
        graphs.append(_simple(where, _field(where, graph, "n", int), edges))
    return graphs


def _grids(path: Path, content: dict[str, Any]) -> list[nx.Graph]:
    """Grids of which only the two sides are written; nodes row by row."""
    import networkx as nx

    graphs = []
    for i, sides in enumerate(_field(path, content, "sizes_m_n", list)):
        match sides:
            case [int(m), int(n)] if m > 0 and n > 0:
                grid = nx.grid_2d_graph(m, n)
                graphs.append(nx.convert_node_labels_to_integers(grid, ordering="sorted"))
            case _:
                raise _damaged(f"{path}, grid {i}", f"{sides!r} are not two sides of 1 or more")
    return graphs


def _proteins(path: Path, content: dict[str, Any]) -> list[nx.Graph]:
    """Graphs of the TU collection's text files, chosen by index, without isolated nodes."""
    raw = path.parent / "raw"
    owner = _column(raw / "ENZYMES_graph_indicator.txt")
    labels = _column(raw / "ENZYMES_node_labels.txt", len(owner))
    classes = _column(raw / "ENZYMES_graph_labels.txt", int(owner.max()))
    edges = _adjacency(raw / "ENZYMES_A.txt", owner)
    whose = owner[edges[:, 0]]
    graphs = []
    for i, index in enumerate(_field(path, content, "tu_index", list)):
        where = f"{path}, graph {i}"
        if type(index) is not int or not 0 <= index < len(classes):
            raise _damaged(where, f"{index!r} is no index of a graph, 0 .. {len(classes) - 1}")
        own = edges[whose == index + 1]
        nodes, ends = np.unique(own, return_inverse=True)  # only nodes that an edge has
        graph = _simple(where, len(nodes), ends.reshape(own.shape).tolist())
        graph.graph["label"] = int(classes[index])
        for node, label in enumerate(labels[nodes].tolist()):
            graph.nodes[node]["label"] = label
        graphs.append(graph)
    return graphs


def _adjacency(path: Path, owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges (M, 2) between nodes 0 .. N - 1, the smaller end first, from lines for both ways."""
    ends = _numbers(path, 2) - 1
    inside = (ends.min(1) >= 0) & (ends.max(1) < len(owner))
    _require(path, inside, f"not two nodes 1 .. {len(owner)}")
    _require(path, owner[ends[:, 0]] == owner[ends[:, 1]], "joins nodes of two graphs")
    _require(path, ends[:, 0] != ends[:, 1], "joins a node to itself")
    there, back = (np.unique(ways, axis=0) for ways in (ends, ends[:, ::-1]))
    if len(there) < len(ends) or not np.array_equal(there, back):
        raise _damaged(path, "the edges are not all given once in each direction")
    return there[there[:, 0] < there[:, 1]]


def _molecules(path: Path) -> dict[str, list[nx.Graph]]:
    """Molecules, one a line, as `{"atoms": ["C", "O"], "bonds": [[0, 1, 2]]}`."""
    graphs = []
    for i, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        where = f"{path}, line {i}"
        molecule = _object(where, line)
        atoms, bonds = (_field(where, molecule, key, list) for key in ("atoms", "bonds"))
        for bond in bonds:
            if not (isinstance(bond, list) and len(bond) == 3 and bond[2] in _ORDERS):
                raise _damaged(where, f"bond {bond!r} is not two atoms and an order, 1 to 3")
        graph = _simple(where, len(atoms), [bond[:2] for bond in bonds])
        for node, atom in enumerate(atoms):
            if atom not in _ELEMENTS:
                raise _damaged(where, f"atom {atom!r} is none of {', '.join(_ELEMENTS)}")
            graph.nodes[node]["kind"] = atom
        for u, v, order in bonds:
            graph.edges[u, v]["kind"] = order
        graphs.append(graph)
    size = len(graphs) // _TWELFTH
    order = np.random.default_rng(0).permutation(len(graphs))
    split = {"test": order[:size], "valid": order[size : 2 * size], "train": order[2 * size :]}
    return _parts(path, graphs, {part: sorted(found.tolist()) for part, found in split.items()})


def _parts(
    path: Path, graphs: list[nx.Graph], split: Mapping[str, Sequence[int]]
) -> dict[str, list[nx.Graph]]:
    """The graphs of each part; cuts `valid` from `train` if the split has none."""
    seen: set[int] = set()
    for part, chosen in split.items():
        for index in chosen:
            if type(index) is not int or not 0 <= index < len(graphs):
                raise _damaged(path, f"{part} has {index!r}, no index 0 .. {len(graphs) - 1}")
            if index in seen:
                raise _damaged(path, f"{part} has graph {index}, which is in the split already")
            seen.add(index)
    train, valid = split["train"], split.get("valid")
    if valid is None:
        mixed = np.random.default_rng(0).permutation(train)
        valid = sorted(mixed[: len(train) // _FIFTH].tolist())
        train = [index for index in train if index not in set(valid)]
    whole = {"train": train, "valid": valid, "test": split["test"]}
    return {part: [graphs[index] for index in chosen] for part, chosen in whole.items()}


def _split(path: Path, content: dict[str, Any], each: _Set) -> dict[str, Sequence[int]]:
    """Places of the parts of a written split; some call validation "val", some have none."""
    split = _field(path, _field(path, content, "splits", dict), each.split, dict)
    keys = {"train": "train", "valid": "val", "test": "test"}
    if "val" not in split:
        del keys["valid"]
    where = f"{path}, split {each.split!r}"
    return {part: each.chosen(where, _field(where, split, keys[part], list)) for part in keys}


def _one_by_one(where: str, places: list[Any]) -> Sequence[int]:
    """A part that is written as a list of places."""
    return places


def _span(where: str, ends: list[Any]) -> Sequence[int]:
    """A part that is written as a half-open range."""
    match ends:
        case [int(start), int(stop)]:
            return range(start, stop)
    raise _damaged(where, f"{ends!r} are not the two ends of a range")


def _simple(where: str, n: int, edges: list[Any]) -> nx.Graph:
    """A graph of n nodes, or the error that says why its edges are not those of a simple one."""
    import networkx as nx

    if n < 1:
        raise _damaged(where, f"{n} nodes, not 1 or more")
    graph = nx.empty_graph(n)
    for edge in edges:
        match edge:
            case [int(u), int(v)] if 0 <= u < n and 0 <= v < n:
                if u == v:
                    raise _damaged(where, f"edge {edge} joins a node to itself")
                if graph.has_edge(u, v):
                    raise _damaged(where, f"edge {edge} is given twice")
                graph.add_edge(u, v)
            case _:
                raise _damaged(where, f"edge {edge!r} is not two nodes 0 .. {n - 1}")
    return graph


def _object(where: str | Path, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise _damaged(where, f"no JSON: {error}") from error
    if not isinstance(content, dict):
        raise _damaged(where, "holds no JSON object")
    return content


def _field(where: str | Path, content: dict[str, Any], key: str, kind: type) -> Any:
    if not isinstance(content.get(key), kind):
        raise _damaged(where, f"{key!r} is missing, or no {kind.__name__}")
    return content[key]


def _numbers(path: Path, columns: int) -> NDArray[np.int64]:
    """Whole numbers with commas between them, (lines, columns)."""
    try:
        table = np.loadtxt(path, np.int64, delimiter=",", ndmin=2)
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not len(table) or table.shape[1] != columns:
        raise _damaged(path, f"{table.shape[1]} numbers a line, not {columns}")
    return table


def _column(path: Path, length: int | None = None) -> NDArray[np.int64]:
    """One number a line, each 1 or more."""
    values = _numbers(path, 1)[:, 0]
    if length is not None and len(values) != length:
        raise _damaged(path, f"{len(values)} lines, not {length}")
    _require(path, values >= 1, "a number below 1")
    return values


def _require(path: Path, good: NDArray[np.bool_], what: str) -> None:
    if not good.all():
        raise _damaged(f"{path}, line {int(good.argmin()) + 1}", what)


def _damaged(where: str | Path, what: str) -> DataError:
    return DataError(f"{where}: {what}; put the right copy there")


@dataclass(frozen=True)
class _Set:
    """How a set is written.

    Attributes:
        source: Its name in `SOURCES`.
        split: The name of the split in its first file.
        graphs: From that file to graphs.
        chosen: From what stands for a part of the split to places among the graphs.
    """

    source: str
    split: str
    graphs: Callable[[Path, dict[str, Any]], list[nx.Graph]] = _listed
    chosen: Callable[[str, list[Any]], Sequence[int]] = _one_by_one


_SETS = {
    "community-small/gdss": _Set("community-small/gdss", "gdss"),
    "community-small/graphgdp": _Set("community-small/graphgdp", "graphgdp"),
    "community-small/spectre": _Set("community-small/spectre", "spectre_seed1234"),
    "ego-small": _Set("ego-small", "graphgdp"),
    "ego-small/gdss": _Set("ego-small", "gdss"),
    "enzymes": _Set("enzymes", "graphgdp", _proteins, _span),
    "grid": _Set("grid", "gdss", _grids, _span),
    "planar": _Set("planar", "spectre_seed1234"),
    "sbm": _Set("sbm", "spectre_seed1234"),
}
