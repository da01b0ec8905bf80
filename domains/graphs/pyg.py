"""Between networkx and PyTorch Geometric: `Data` and `Batch` in and out.

In PyG kinds are one-hot rows: `x` (n, kinds of nodes) and `edge_attr` (2 m, kinds of edges); an edge is
written both ways.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch_geometric.data import Batch, Data

from unnoise.domains.graphs.alphabet import KIND, Alphabet

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
        alphabet: what the one-hot rows mean; None: kinds are numbered.

    Raises:
        ValueError: for a directed graph, a loop or a repeated edge, or features that aren't one-hot.
    """
    if isinstance(data, Batch):
        data = data.to_data_list()
    some = [data] if isinstance(data, Data) else list(data)
    return [_graph(each, k, alphabet) for k, each in enumerate(some)]


def _data(g: nx.Graph, alphabet: Alphabet) -> Data:
    place = {node: i for i, node in enumerate(g)}
    ends = torch.tensor([[place[u], place[v]] for u, v in g.edges], dtype=torch.long).reshape(
        -1, 2
    )
    data = Data(edge_index=torch.cat([ends, ends.flip(1)]).T.contiguous(), num_nodes=len(g))
    if alphabet.nodes:
        data.x = _rows([d.get(KIND) for _, d in g.nodes(data=True)], alphabet.nodes)
    if alphabet.edges != (None,):
        rows = _rows([d.get(KIND) for *_, d in g.edges(data=True)], alphabet.edges)
        data.edge_attr = torch.cat([rows, rows])
    return data


def _graph(data: Data, k: int, alphabet: Alphabet | None) -> nx.Graph:
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
    names = None if alphabet is None else alphabet.nodes
    kinds = None if alphabet is None else alphabet.edges
    nodes, edges = (
        _kinds(rows, told, f"graph {k}: {what}")
        for rows, told, what in ((data.x, names, "x"), (data.edge_attr, kinds, "edge_attr"))
    )
    g = nx.Graph()
    g.add_nodes_from((i, {} if nodes is None else {KIND: nodes[i]}) for i in range(data.num_nodes))
    for place, (u, v) in enumerate(ends):
        if u < v:
            g.add_edge(u, v, **({} if edges is None else {KIND: edges[place]}))
    return g


def _rows(kinds: Sequence[object], known: Sequence[object]) -> Tensor:
    strange = set(kinds) - set(known)
    if strange:
        raise ValueError(
            f"kind {min(strange, key=str)!r} is none of {', '.join(map(repr, known))}"
        )
    codes = torch.tensor([known.index(kind) for kind in kinds], dtype=torch.long)
    return one_hot(codes, len(known)).float()


def _kinds(rows: Tensor | None, known: Sequence[object] | None, what: str) -> list[object] | None:
    """The kinds that one-hot rows say; None: there are no rows."""
    if rows is None:
        return None
    table = rows if rows.ndim == 2 else rows[:, None]
    if not ((table == 0) | (table == 1)).all() or not (table.sum(1) == 1).all():
        raise ValueError(f"{what} isn't one-hot; kinds are, and other features aren't modelled")
    codes = table.argmax(1).tolist()
    return codes if known is None or known == (None,) else [known[c] for c in codes]
