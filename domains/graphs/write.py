"""Graphs as files: GraphML, which most programs read, and JSON in networkx' node-link form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import networkx as nx

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
        nx.write_graphml(g, name)


def read_graphs(path: Path) -> list[nx.Graph]:
    """The graphs of a file of `write_graphs`.

    Raises:
        ValueError: for another suffix, or a file that isn't one of these.
    """
    _require_known(path)
    if path.suffix == ".graphml":
        return [nx.convert_node_labels_to_integers(nx.read_graphml(path))]
    try:
        return [nx.node_link_graph(g, edges="edges") for g in json.loads(path.read_text())]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: is no list of graphs in node-link form ({error})") from error


def _require_known(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: doesn't end in {' or '.join(FORMATS)}")
