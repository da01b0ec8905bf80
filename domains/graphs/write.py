"""Graphs as files: GraphML, which most programs read, and JSON in networkx' node-link form.

GraphML knows no lists: one of numbers is written as attributes x0, x1, ...
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import networkx as nx

from unnoise.domains.graphs.alphabet import FEATURE, WEIGHT

__all__ = ["FORMATS", "read_graphs", "write_graphs"]

FORMATS = (".json", ".graphml")


def write_graphs(graphs: Sequence[nx.Graph], path: Path) -> None:
    """Graphs as one JSON file of a list; as GraphML one file each, numbered if there are several.

    Raises:
        ValueError: for another suffix.
    """
    _require_known(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps([nx.node_link_data(g, edges="edges") for g in graphs]) + "\n")
        return
    for k, g in enumerate(graphs):
        name = (
            path
            if len(graphs) == 1
            else path.with_stem(f"{path.stem}-{k:0{len(str(len(graphs) - 1))}d}")
        )
        nx.write_graphml(_spread(g), name)


def read_graphs(path: Path) -> list[nx.Graph]:
    """The graphs of a file of `write_graphs`.

    Raises:
        ValueError: for another suffix, or a file that isn't one of these.
    """
    _require_known(path)
    if path.suffix == ".graphml":
        return [_gathered(nx.convert_node_labels_to_integers(nx.read_graphml(path)))]
    try:
        return [nx.node_link_graph(g, edges="edges") for g in json.loads(path.read_text())]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: is no list of graphs in node-link form ({error})") from error


def _spread(graph: nx.Graph) -> nx.Graph:
    """The graph with an attribute for every number of a list."""
    out = graph.copy()
    for data, name in _numbers(out):
        if isinstance(data.get(name), Sequence):
            data.update({f"{name}{k}": v for k, v in enumerate(data.pop(name))})
    return out


def _gathered(graph: nx.Graph) -> nx.Graph:
    """The graph with lists instead of an attribute for every number."""
    for data, name in _numbers(graph):
        if f"{name}0" in data:
            data[name] = [data.pop(f"{name}{k}") for k in _first(data, name)]
    return graph


def _first(data: Mapping[str, Any], name: str) -> list[int]:
    return list(takewhile(lambda k: f"{name}{k}" in data, range(len(data))))


def _numbers(graph: nx.Graph) -> list[tuple[dict[str, Any], str]]:
    """What nodes and edges say, and the attribute that may be numbers."""
    nodes = [(data, FEATURE) for _, data in graph.nodes(data=True)]
    return nodes + [(data, WEIGHT) for *_, data in graph.edges(data=True)]


def _require_known(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: doesn't end in {' or '.join(FORMATS)}")
