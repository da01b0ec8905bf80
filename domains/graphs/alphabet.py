"""Graphs and states: networkx in and out.

A state of graphs with at most N nodes is a row of codes, [kinds of nodes | pairs]: N entries if nodes
have kinds, and N(N - 1)/2 pairs, 0 for no edge and k for an edge of the k-th kind. The nodes of a
graph are its first n; the mask says which entries exist.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.domains.graphs.pairs import count, dense, nodes_of, pair_mask, pairs

__all__ = ["EDGES", "KIND", "NODES", "Alphabet", "checked"]

KIND = "kind"  # the attribute of nodes and edges that says what they are
NODES, EDGES = "nodes", "edges"  # the parts of a state


@dataclass(frozen=True)
class Alphabet:
    """What nodes and edges may be.

    Attributes:
        nodes: the kinds of nodes; empty: nodes have none.
        edges: the kinds of edges; one, None, of plain edges.
    """

    nodes: tuple[Hashable, ...] = ()
    edges: tuple[Hashable, ...] = (None,)

    @staticmethod
    def of(graphs: Sequence[nx.Graph]) -> Alphabet:
        """The kinds that occur, in sorted order.

        Raises:
            ValueError: if some nodes, or some edges, have a kind and others have none.
        """
        nodes = {data.get(KIND) for g in graphs for _, data in g.nodes(data=True)}
        edges = {data.get(KIND) for g in graphs for *_, data in g.edges(data=True)}
        for what, kinds in (("nodes", nodes), ("edges", edges)):
            if None in kinds and len(kinds) > 1:
                raise ValueError(
                    f"graphs: some {what} have a {KIND!r} and others none; give it to all or to none"
                )
        none = nodes <= {None}
        return Alphabet((() if none else _ordered(nodes)), _ordered(edges) or (None,))

    def width(self, nodes: int) -> dict[str, int]:
        """Entries of each part of a state of so many nodes."""
        return ({NODES: nodes} if self.nodes else {}) | {EDGES: count(nodes)}

    def size(self, width: int) -> int:
        """The nodes of a state; kinds and pairs of N nodes are as many as the pairs of N + 1."""
        return nodes_of(width) - int(bool(self.nodes))

    def levels(self) -> dict[str, int]:
        """Codes of each part."""
        return ({NODES: len(self.nodes)} if self.nodes else {}) | {EDGES: len(self.edges) + 1}

    def batch(self, sizes: Tensor, nodes: int) -> Batch:
        """States to be filled in: of graphs of these sizes (B,), padded to `nodes`."""
        exists = torch.arange(nodes, device=sizes.device) < sizes[:, None]
        mask = torch.cat(([exists] if self.nodes else []) + [pair_mask(exists)], 1)
        return Batch(torch.zeros(mask.shape, device=sizes.device), mask)

    def encode(self, graphs: Sequence[nx.Graph], nodes: int | None = None) -> Batch:
        """Graphs as states, (B, width), int64, padded to `nodes` or to the largest of them.

        Raises:
            ValueError: for what is no graph of this alphabet; see `checked`.
        """
        checked(graphs)
        sizes = torch.tensor([len(g) for g in graphs])
        most = int(sizes.max()) if nodes is None else nodes
        for k, g in enumerate(graphs):
            if len(g) > most:
                raise ValueError(f"graph {k}: has {len(g)} nodes, and there is room for {most}")
        kinds, adjacency = torch.zeros(len(graphs), most), torch.zeros(len(graphs), most, most)
        for k, g in enumerate(graphs):
            place = {node: i for i, node in enumerate(g)}
            for node, data in g.nodes(data=True) if self.nodes else ():
                kinds[k, place[node]] = _index(self.nodes, data.get(KIND), f"graph {k}: node")
            for u, v, data in g.edges(data=True):
                code = 1 + _index(self.edges, data.get(KIND), f"graph {k}: edge")
                adjacency[k, place[u], place[v]] = adjacency[k, place[v], place[u]] = code
        x = torch.cat(([kinds] if self.nodes else []) + [pairs(adjacency)], 1)
        return Batch(x.long(), self.batch(sizes, most).mask)

    def decode(self, x: Tensor, sizes: Iterable[int]) -> list[nx.Graph]:
        """States (B, width) of graphs of these sizes, as graphs with nodes 0 ... n - 1."""
        n = self.size(x.shape[1])
        kinds = x[:, :n].long().tolist() if self.nodes else [[]] * len(x)
        matrices = dense(x[:, x.shape[1] - count(n) :].long()).cpu()
        out = []
        for named, matrix, size in zip(kinds, matrices, sizes, strict=True):
            g = nx.Graph()
            told: list[dict[str, Any]] = [{} for _ in range(size)]
            if self.nodes:
                told = [{KIND: self.nodes[k]} for k in named[:size]]
            g.add_nodes_from(enumerate(told))
            inside = matrix[:size, :size].triu(1)
            for u, v in inside.nonzero().tolist():
                kind = self.edges[int(inside[u, v]) - 1]
                g.add_edge(u, v, **({} if kind is None else {KIND: kind}))
            out.append(g)
        return out

    def to_json(self) -> dict[str, Any]:
        return {"nodes": list(self.nodes), "edges": list(self.edges)}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Alphabet:
        return Alphabet(tuple(told["nodes"]), tuple(told["edges"]))


def checked(graphs: Sequence[nx.Graph]) -> None:
    """Refuse what is no list of simple undirected graphs.

    Raises:
        TypeError: for something else than a list of networkx graphs.
        ValueError: for an empty list, or a graph that is empty, directed, has several edges
            between two nodes, or a self loop; which, and what to do, is said.
    """
    if isinstance(graphs, nx.Graph) or not isinstance(graphs, Sequence):
        raise TypeError(f"graphs: needs a list of networkx graphs, got {type(graphs).__name__}")
    if not graphs:
        raise ValueError("graphs: needs one at least, got an empty list")
    for k, g in enumerate(graphs):
        if not isinstance(g, nx.Graph):
            raise TypeError(f"graph {k}: is a {type(g).__name__}, not a networkx graph")
        if g.is_multigraph():
            raise ValueError(
                f"graph {k}: is a multigraph; turn it into one with networkx.Graph(g)"
            )
        if g.is_directed():
            raise ValueError(f"graph {k}: is directed; make it undirected with g.to_undirected()")
        if not len(g):
            raise ValueError(f"graph {k}: has no nodes; leave it out")
        loop = next(nx.selfloop_edges(g), None)
        if loop is not None:
            raise ValueError(
                f"graph {k}: has a self loop at node {loop[0]!r}; remove it, with "
                "g.remove_edges_from(networkx.selfloop_edges(g))"
            )


def _ordered(kinds: set[Any]) -> tuple[Hashable, ...]:
    return tuple(sorted(kinds, key=lambda v: (str(type(v)), v))) if kinds != {None} else (None,)


def _index(kinds: Sequence[Hashable], kind: Hashable, where: str) -> int:
    if kind not in kinds:
        known = ", ".join(map(repr, kinds))
        raise ValueError(f"{where} of kind {kind!r}, which is none of {known}")
    return kinds.index(kind)
