"""Between networkx and PyTorch Geometric: `Data` and `Batch` in and out.

In PyG kinds are one-hot rows, and numbers are columns after them: `x` (n, kinds of nodes + numbers) and
`edge_attr` (2 m, kinds of edges + numbers); a single weight is `edge_weight` (2 m,). An edge is written both
ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch_geometric.data import Batch, Data

from unnoise.domains.graphs.alphabet import FEATURE, KIND, WEIGHT, Alphabet
from unnoise.domains.graphs.scale import Scale

__all__ = ["from_pyg", "to_pyg"]


def to_pyg(graphs: Sequence[nx.Graph], alphabet: Alphabet | None = None) -> list[Data]:
    """Graphs as `Data`, nodes numbered in their order.

    Args:
        graphs: simple and undirected.
        alphabet: the kinds of all of them; None: those that occur.

    Raises:
        ValueError: for a kind that the alphabet lacks.
    """
    known = alphabet or Alphabet.of(graphs)
    return [_data(g, known) for g in graphs]


def from_pyg(
    data: Data | Batch | Sequence[Data], alphabet: Alphabet | None = None
) -> list[nx.Graph]:
    """`Data`, several, or a `Batch`, as graphs.

    Args:
        data: undirected, without loops and repeated edges.
        alphabet: what the columns mean; None: rows that are one-hot in all graphs are kinds, numbered,
            and others are numbers.

    Raises:
        ValueError: for a directed graph, a loop or a repeated edge, numbers that differ between the two
            ways of an edge, or columns that aren't those of the alphabet.
    """
    if isinstance(data, Batch):
        data = data.to_data_list()
    some = [data] if isinstance(data, Data) else list(data)
    if alphabet is None:
        nodes, edges = (
            Columns.guessed([d.get(name) for d in some]) for name in ("x", "edge_attr")
        )
    else:
        weights = alphabet.weights
        nodes = Columns(alphabet.nodes, alphabet.features)
        kinds = () if alphabet.edges == (None,) else alphabet.edges
        edges = Columns(kinds, None if weights is None or weights.single else weights)
    return [_graph(each, k, nodes, edges) for k, each in enumerate(some)]


@dataclass(frozen=True)
class Columns:
    """What the columns of a table mean: kinds, then numbers.

    Attributes:
        kinds: one a column of the first ones.
        numbers: the scale of the others; None: there are none.
    """

    kinds: Sequence[object]
    numbers: Scale | None

    @staticmethod
    def guessed(tables: Sequence[Tensor | None]) -> Columns:
        """Of the tables of all graphs."""
        there = [_table(t) for t in tables if t is not None]
        width = max((t.shape[1] for t in there), default=0)
        if all(_one_hot(t) for t in there):
            return Columns(range(width), None)
        return Columns((), Scale((0.0,) * width, (1.0,) * width, width == 1))

    def read(self, rows: Tensor | None, what: str, name: str) -> list[dict[str, object]]:
        """The attributes that rows say, the numbers as `name`; nothing if there are no rows.

        Raises:
            ValueError: for other columns than these.
        """
        if rows is None:
            return []
        table, k = _table(rows), len(self.kinds)
        width = 0 if self.numbers is None else self.numbers.width
        if table.shape[1] != k + width:
            raise ValueError(
                f"{what} has {table.shape[1]} columns, where {k} kinds and {width} numbers are known"
            )
        if k and not _one_hot(table[:, :k]):
            raise ValueError(f"{what} isn't one-hot in its {k} columns of kinds")
        told: list[dict[str, object]] = [{} for _ in table]
        for data, code in zip(told, table[:, :k].argmax(1).tolist() if k else [], strict=False):
            data[KIND] = self.kinds[code]
        if self.numbers is not None:
            values = table[:, k:].tolist()
            for data, row in zip(told, values, strict=True):
                data[name] = row[0] if self.numbers.single else row
        return told


def _data(g: nx.Graph, alphabet: Alphabet) -> Data:
    place = {node: i for i, node in enumerate(g)}
    ends = torch.tensor([[place[u], place[v]] for u, v in g.edges], dtype=torch.long).reshape(
        -1, 2
    )
    data = Data(edge_index=torch.cat([ends, ends.flip(1)]).T.contiguous(), num_nodes=len(g))
    nodes, edges = [d for _, d in g.nodes(data=True)], [d for *_, d in g.edges(data=True)]
    x, rows, weights = [], [], alphabet.weights
    if alphabet.nodes:
        x.append(_rows([d.get(KIND) for d in nodes], alphabet.nodes))
    if alphabet.features is not None:
        x.append(_numbers([d.get(FEATURE) for d in nodes], alphabet.features))
    if alphabet.edges != (None,):
        rows.append(_rows([d.get(KIND) for d in edges], alphabet.edges))
    if weights is not None:
        told = _numbers([d.get(WEIGHT) for d in edges], weights)
        if weights.single:
            data.edge_weight = torch.cat([told, told])[:, 0]
        else:
            rows.append(told)
    if x:
        data.x = torch.cat(x, 1)
    if rows:
        data.edge_attr = torch.cat([torch.cat(rows, 1)] * 2)
    return data


def _graph(data: Data, k: int, of_nodes: Columns, of_edges: Columns) -> nx.Graph:
    """The k-th graph."""
    if data.edge_index is None or data.num_nodes is None:
        raise ValueError(f"graph {k}: has no edge_index, or doesn't say how many nodes it has")
    ends = data.edge_index.T.tolist()
    arrows = set(map(tuple, ends))
    if len(arrows) != len(ends):
        raise ValueError(f"graph {k}: repeats an edge; use torch_geometric.utils.coalesce")
    if any(u == v for u, v in arrows):
        raise ValueError(
            f"graph {k}: has a self loop; use torch_geometric.utils.remove_self_loops"
        )
    if any((v, u) not in arrows for u, v in arrows):
        raise ValueError(f"graph {k}: is directed; use torch_geometric.utils.to_undirected")
    nodes = of_nodes.read(data.x, f"graph {k}: x", FEATURE) or [{}] * data.num_nodes
    edges = of_edges.read(data.edge_attr, f"graph {k}: edge_attr", WEIGHT) or [{} for _ in ends]
    if data.get("edge_weight") is not None:
        if any(WEIGHT in told for told in edges):
            raise ValueError(
                f"graph {k}: has edge_weight beside numbers in edge_attr; leave one out"
            )
        for told, weight in zip(edges, data.edge_weight.tolist(), strict=True):
            told[WEIGHT] = weight
    g = nx.Graph()
    g.add_nodes_from((i, nodes[i]) for i in range(data.num_nodes))
    known = {tuple(pair): told for pair, told in zip(ends, edges, strict=True)}
    for (u, v), told in known.items():
        if known[v, u] != told:
            raise ValueError(f"graph {k}: edge ({u}, {v}) is {told}, and ({v}, {u}) {known[v, u]}; make them one")  # fmt: skip
        if u < v:
            g.add_edge(u, v, **told)
    return g


def _rows(kinds: Sequence[object], known: Sequence[object]) -> Tensor:
    strange = set(kinds) - set(known)
    if strange:
        raise ValueError(
            f"kind {min(strange, key=str)!r} is none of {', '.join(map(repr, known))}"
        )
    codes = torch.tensor([known.index(kind) for kind in kinds], dtype=torch.long)
    return one_hot(codes, len(known)).float()


def _numbers(values: Sequence[object], scale: Scale) -> Tensor:
    table = torch.tensor(values, dtype=torch.get_default_dtype())
    return table.reshape(len(values), scale.width)


def _table(rows: Tensor) -> Tensor:
    return rows if rows.ndim == 2 else rows[:, None]


def _one_hot(table: Tensor) -> bool:
    return bool(((table == 0) | (table == 1)).all() and (table.sum(1) == 1).all())
