"""Graphs and states: networkx in and out.

A state of graphs with at most N nodes is a row, [features | weights | kinds of nodes | pairs]: codes are
N entries if nodes have kinds, and P = N(N - 1)/2 pairs, 0 for no edge and k for an edge of the k-th kind.
Nodes with F features have N F standardised numbers beside them, and edges with weights W a pair; the
weight of a pair without an edge isn't there (`loose`). The nodes of a graph are its first n; the mask
says which entries exist.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.domains.graphs.pairs import count, pair_mask
from unnoise.domains.graphs.scale import Scale

__all__ = [
    "EDGES",
    "FEATURE",
    "FEATURES",
    "KIND",
    "NODES",
    "WEIGHT",
    "WEIGHTS",
    "Alphabet",
    "checked",
]

KIND = "kind"  # the attribute of nodes and edges that says what they are
FEATURE, WEIGHT = "x", "weight"  # those of nodes and of edges that are numbers, or lists of them
FEATURES, WEIGHTS, NODES, EDGES = "features", "weights", "nodes", "edges"  # the parts of a state
_OF_NODES = (FEATURES, NODES)


@dataclass(frozen=True)
class Alphabet:
    """What nodes and edges may be.

    Attributes:
        nodes: the kinds of nodes; empty: nodes have none.
        edges: the kinds of edges; one, None, of plain edges.
        features: the units of the numbers of nodes; None: they have none.
        weights: those of edges.
    """

    nodes: tuple[Hashable, ...] = ()
    edges: tuple[Hashable, ...] = (None,)
    features: Scale | None = None
    weights: Scale | None = None

    @staticmethod
    def of(graphs: Sequence[nx.Graph]) -> Alphabet:
        """The kinds that occur, in sorted order, and the mean and spread of numbers.

        Raises:
            ValueError: if some nodes, or some edges, have a kind or numbers and others have none, or
                for numbers that have no scale, see `Scale.of`.
        """
        nodes = {data.get(KIND) for g in graphs for _, data in g.nodes(data=True)}
        edges = {data.get(KIND) for g in graphs for *_, data in g.edges(data=True)}
        for what, kinds in (("nodes", nodes), ("edges", edges)):
            if None in kinds and len(kinds) > 1:
                raise ValueError(
                    f"graphs: some {what} have a {KIND!r} and others none; give it to all or to none"
                )
        none = nodes <= {None}
        features = _scale([d.get(FEATURE) for g in graphs for _, d in g.nodes(data=True)], FEATURE)
        weights = _scale([d.get(WEIGHT) for g in graphs for *_, d in g.edges(data=True)], WEIGHT)
        return Alphabet(
            () if none else _ordered(nodes), _ordered(edges) or (None,), features, weights
        )

    def width(self, nodes: int) -> dict[str, int]:
        """Entries of each part of a state of so many nodes, in their order."""
        numbers = {FEATURES: nodes, WEIGHTS: count(nodes)}
        of_numbers = {part: numbers[part] * s.width for part, s in self.scales().items()}
        return of_numbers | ({NODES: nodes} if self.nodes else {}) | {EDGES: count(nodes)}

    def size(self, width: int) -> int:
        """The nodes N of a state of so many entries, a N + b N(N - 1)/2.

        Raises:
            ValueError: if no number of nodes has as many.
        """
        one, two = (sum(self.width(n).values()) for n in (1, 2))
        a, b = one, two - 2 * one
        nodes = (b - 2 * a + math.isqrt((2 * a - b) ** 2 + 8 * b * width)) // (2 * b)
        if sum(self.width(nodes).values()) != width:
            raise ValueError(f"no graph has a state of {width} entries; one of {nodes} nodes is nearest")  # fmt: skip
        return nodes

    def split(self, x: Tensor) -> dict[str, Tensor]:
        """The parts of states (B, width), or of anything shaped like them."""
        width = self.width(self.size(x.shape[1]))
        return dict(zip(width, x.split(list(width.values()), 1), strict=True))

    def levels(self) -> dict[str, int]:
        """Codes of each part of codes."""
        return ({NODES: len(self.nodes)} if self.nodes else {}) | {EDGES: len(self.edges) + 1}

    def scales(self) -> dict[str, Scale]:
        """Units of each part of numbers."""
        each = {FEATURES: self.features, WEIGHTS: self.weights}
        return {part: scale for part, scale in each.items() if scale is not None}

    def batch(self, sizes: Tensor, nodes: int) -> Batch:
        """States to be filled in: of graphs of these sizes (B,), padded to `nodes`."""
        mask = self._mask(sizes, nodes)
        return Batch(torch.zeros(mask.shape, device=sizes.device), mask)

    def encode(self, graphs: Sequence[nx.Graph], nodes: int | None = None) -> Batch:
        """Graphs as states, (B, width), padded to `nodes` or to the largest of them; int64 if they
        are codes only.

        Raises:
            ValueError: for what is no graph of this alphabet; see `checked`.
        """
        checked(graphs)
        sizes = torch.tensor([len(g) for g in graphs])
        most = int(sizes.max()) if nodes is None else nodes
        for k, g in enumerate(graphs):
            if len(g) > most:
                raise ValueError(f"graph {k}: has {len(g)} nodes, and there is room for {most}")
        rows = [self._row(g, most, f"graph {k}") for k, g in enumerate(graphs)]
        x, mask = torch.stack(rows), self._mask(sizes, most)
        if self.weights is not None:
            there = self.split(mask)
            edges = self.split(x)[EDGES] > 0
            there[WEIGHTS] = edges.repeat_interleave(self.weights.width, 1)
            mask = torch.cat(list(there.values()), 1)
        return Batch(x.float() if self.scales() else x.long(), mask)

    def decode(self, x: Tensor, sizes: Iterable[int]) -> list[nx.Graph]:
        """States (B, width) of graphs of these sizes, as graphs with nodes 0 ... n - 1."""
        parts = {name: v.cpu() for name, v in self.split(x).items()}
        return [
            self._graph({name: v[k] for name, v in parts.items()}, size)
            for k, size in enumerate(sizes)
        ]

    def _mask(self, sizes: Tensor, nodes: int) -> Tensor:
        """Entries of nodes and pairs that exist, (B, width)."""
        exists = torch.arange(nodes, device=sizes.device) < sizes[:, None]
        of = {part: exists if part in _OF_NODES else pair_mask(exists) for part in self.width(1)}
        scales = self.scales()
        times = {part: scales[part].width if part in scales else 1 for part in of}
        return torch.cat([v.repeat_interleave(times[part], 1) for part, v in of.items()], 1)

    def _row(self, g: nx.Graph, most: int, where: str) -> Tensor:
        """A graph's state, float64."""
        place = {node: i for i, node in enumerate(g)}
        ends = [sorted((place[u], place[v])) for u, v in g.edges]
        edges = torch.tensor([count(j) + i for i, j in ends], dtype=torch.long)
        row = []
        for part in self.width(most):
            if part in _OF_NODES:
                total, index, data = most, torch.arange(len(g)), [d for _, d in g.nodes(data=True)]
            else:
                total, index, data = count(most), edges, [d for *_, d in g.edges(data=True)]
            values = self._values(part, data, where)
            row.append(values.new_zeros(total, values.shape[1]).index_copy(0, index, values))
        return torch.cat([part.flatten() for part in row])

    def _values(self, part: str, data: Sequence[Mapping[str, Any]], where: str) -> Tensor:
        """What nodes or edges have in a part, (n, entries), float64."""
        if part in (NODES, EDGES):
            kinds, first, what = (self.nodes, 0, "node") if part == NODES else (self.edges, 1, "edge")  # fmt: skip
            codes = [first + _index(kinds, d.get(KIND), f"{where}: {what}") for d in data]
            return torch.tensor(codes, dtype=torch.float64)[:, None]
        name, what = (FEATURE, "nodes") if part == FEATURES else (WEIGHT, "edges")
        z = self.scales()[part].encode([d.get(name) for d in data], f"{where}: {name!r} of {what}")
        return torch.from_numpy(z)

    def _graph(self, parts: Mapping[str, Tensor], size: int) -> nx.Graph:
        """The graph of a state's parts, (entries,) each."""
        g = nx.Graph()
        g.add_nodes_from(range(size))
        codes = parts[EDGES][: count(size)].long()
        (here,) = codes.nonzero(as_tuple=True)
        j, i = torch.tril_indices(size, size, -1)[:, here].tolist()
        ends = list(zip(i, j, strict=True))
        g.add_edges_from(ends)
        if self.edges != (None,):
            told = [self.edges[code - 1] for code in codes[here].tolist()]
            nx.set_edge_attributes(g, dict(zip(ends, told, strict=True)), KIND)
        if self.weights is not None:
            z = parts[WEIGHTS].reshape(-1, self.weights.width)[here]
            values = self.weights.decode(z.double().numpy())
            nx.set_edge_attributes(g, dict(zip(ends, values, strict=True)), WEIGHT)
        if self.nodes:
            kinds = [self.nodes[code] for code in parts[NODES][:size].long().tolist()]
            nx.set_node_attributes(g, dict(enumerate(kinds)), KIND)
        if self.features is not None:
            z = parts[FEATURES].reshape(-1, self.features.width)[:size]
            nx.set_node_attributes(
                g, dict(enumerate(self.features.decode(z.double().numpy()))), FEATURE
            )
        return g

    def to_json(self) -> dict[str, Any]:
        numbers = {part: None for part in (FEATURES, WEIGHTS)}
        scales = {part: scale.to_json() for part, scale in self.scales().items()}
        return {"nodes": list(self.nodes), "edges": list(self.edges)} | numbers | scales

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Alphabet:
        numbers = (Scale.from_json(told[part]) for part in (FEATURES, WEIGHTS))
        return Alphabet(tuple(told["nodes"]), tuple(told["edges"]), *numbers)


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


def _scale(values: Sequence[Any], name: str) -> Scale | None:
    """The units of an attribute of nodes or edges, if they have it."""
    what = f"{name!r} of {'nodes' if name == FEATURE else 'edges'}"
    there = sum(v is not None for v in values)
    if 0 < there < len(values):
        raise ValueError(
            f"graphs: {there} of {len(values)} have {what}; give it to all or to none"
        )
    return Scale.of(values, f"graphs: {what}") if there else None


def _index(kinds: Sequence[Hashable], kind: Hashable, where: str) -> int:
    if kind not in kinds:
        known = ", ".join(map(repr, kinds))
        raise ValueError(f"{where} of kind {kind!r}, which is none of {known}")
    return kinds.index(kind)
