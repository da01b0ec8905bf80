"""Graphs as states: pairs, alphabets, PyG and files, there and back."""

from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch as PyGBatch
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

from unnoise.core.batch import Batch
from unnoise.core.noise import Symmetric
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded
from unnoise.core.schedule import Cosine
from unnoise.domains.graphs.alphabet import Alphabet, checked
from unnoise.domains.graphs.pairs import count, dense, nodes_of, pair_mask, pairs
from unnoise.domains.graphs.pyg import from_pyg, to_pyg
from unnoise.domains.graphs.scale import Scale
from unnoise.domains.graphs.write import read_graphs, write_graphs


def molecule() -> nx.Graph:
    """Formaldehyde's heavy atoms and a chain: C=O, C-C, C-N; nodes with names of their own."""
    g = nx.Graph()
    g.add_nodes_from(
        [("a", {"kind": "C"}), ("b", {"kind": "O"}), ("c", {"kind": "C"}), ("d", {"kind": "N"})]
    )
    g.add_edges_from([("a", "b", {"kind": 2}), ("a", "c", {"kind": 1}), ("d", "c", {"kind": 1})])
    return g


def same(a: nx.Graph, b: nx.Graph) -> bool:
    """The same graph with the same kinds, node for node in their orders."""
    b = nx.relabel_nodes(b, dict(zip(b, a, strict=True)))
    edges = [{frozenset((u, v)): d for u, v, d in g.edges(data=True)} for g in (a, b)]
    return dict(a.nodes(data=True)) == dict(b.nodes(data=True)) and edges[0] == edges[1]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
def test_pairs_of_the_first_nodes_come_first(n: int) -> None:
    matrix = torch.rand(3, n, n, 2, generator=seeded(n))
    matrix = (matrix + matrix.transpose(1, 2)) * (1 - torch.eye(n))[..., None]
    vector = pairs(matrix)
    assert vector.shape == (3, count(n), 2)
    assert nodes_of(count(n)) == n or n == 1
    if n > 1:
        assert torch.equal(dense(vector), matrix)
    small = pairs(matrix[:, : n - 1, : n - 1])
    assert torch.equal(vector[:, : small.shape[1]], small)
    exists = torch.arange(n) < torch.tensor([n, n - 1, 0])[:, None]
    assert pair_mask(exists).sum(1).tolist() == [count(n), count(n - 1), 0]


def test_a_number_that_no_graph_has_pairs_of_is_refused() -> None:
    with pytest.raises(ValueError, match="no graph has 5 pairs of nodes"):
        nodes_of(5)


def test_white_noise_on_pairs_is_symmetric_noise_on_matrices() -> None:
    """The same density, each edge counted once, and the same path."""
    n, schedule = 6, Cosine()
    matrix = torch.bernoulli(
        torch.full((4, n, n), 0.4, dtype=torch.float64), generator=seeded(0)
    ).tril(-1)
    matrix = matrix + matrix.transpose(1, 2)
    noisy = torch.randn(4, n, n, dtype=torch.float64, generator=seeded(1)).tril(-1)
    noisy = noisy + noisy.transpose(1, 2)
    (level,) = schedule.levels(torch.tensor([0.3]))
    exists = torch.arange(n) < torch.tensor([6, 5, 4, 2])[:, None]
    two = exists[:, :, None] & exists[:, None, :]
    on_matrices = Gaussian(schedule, Symmetric()).marginal(matrix, level, Batch(matrix, two))
    on_pairs = Gaussian(schedule).marginal(
        pairs(matrix), level, Batch(pairs(matrix), pair_mask(exists))
    )
    torch.testing.assert_close(
        on_pairs.log_prob(pairs(noisy)), on_matrices.log_prob(noisy), rtol=1e-12, atol=1e-12
    )


def test_graphs_of_unequal_size_go_there_and_back() -> None:
    graphs = [
        nx.path_graph(3),
        nx.complete_graph(5),
        nx.empty_graph(2),
        nx.cycle_graph(4),
        nx.empty_graph(1),
    ]
    alphabet = Alphabet.of(graphs)
    states = alphabet.encode(graphs)
    assert alphabet == Alphabet()
    assert states.mask is not None and states.mask.sum(1).tolist() == [3, 10, 1, 6, 0]
    assert states.x.sum(1).tolist() == [2, 10, 0, 4, 0]  # each edge once
    back = alphabet.decode(states.x, [len(g) for g in graphs])
    assert all(same(a, b) for a, b in zip(graphs, back, strict=True))


def test_kinds_go_there_and_back() -> None:
    alphabet = Alphabet.of([molecule()])
    assert alphabet == Alphabet(("C", "N", "O"), (1, 2))
    states = alphabet.encode([molecule(), molecule()], nodes=6)
    assert states.x.shape == (2, 6 + 15)
    assert states.x[0, :6].tolist() == [0, 2, 0, 1, 0, 0]
    assert alphabet.size(states.x.shape[1]) == 6
    back = alphabet.decode(states.x, [4, 4])
    assert same(molecule(), back[0])
    assert Alphabet.from_json(alphabet.to_json()) == alphabet


def test_the_order_of_nodes_is_that_of_the_graph() -> None:
    g = nx.Graph([("z", "a"), ("a", "m")])
    x = Alphabet().encode([g]).x[0]
    assert x.tolist() == [1, 0, 1]  # (a, z), (m, z), (m, a)


BAD: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "one graph": (lambda: nx.path_graph(3), TypeError, "list of networkx graphs, got Graph"),
    "none": (list, ValueError, "got an empty list"),
    "an array": (lambda: [np.eye(3)], TypeError, "graph 0: is a ndarray"),
    "no nodes": (lambda: [nx.path_graph(2), nx.Graph()], ValueError, "graph 1: has no nodes"),
    "arrows": (
        lambda: [nx.DiGraph([(0, 1)])],
        ValueError,
        "graph 0: is directed; make it undirected",
    ),
    "several edges": (
        lambda: [nx.MultiGraph([(0, 1), (0, 1)])],
        ValueError,
        "graph 0: is a multigraph",
    ),
    "a loop": (
        lambda: [nx.Graph([(0, 1), ("x", "x")])],
        ValueError,
        "self loop at node 'x'; remove it",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_list_of_simple_graphs_is_refused(name: str) -> None:
    make, error, message = BAD[name]
    with pytest.raises(error, match=message):
        checked(make())  # type: ignore[arg-type]


def test_kinds_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="graph 0: node of kind 'C', which is none of 'N', 'O'"):
        Alphabet(("N", "O"), (1, 2)).encode([molecule()])
    with pytest.raises(ValueError, match="graph 0: edge of kind 2, which is none of 1"):
        Alphabet(("C", "N", "O"), (1,)).encode([molecule()])
    half = nx.path_graph(3)
    half.nodes[0]["kind"] = "C"
    with pytest.raises(ValueError, match="some nodes have a 'kind' and others none"):
        Alphabet.of([half])
    with pytest.raises(ValueError, match="graph 0: has 4 nodes, and there is room for 3"):
        Alphabet.of([molecule()]).encode([molecule()], nodes=3)


def test_pyg_in_and_out() -> None:
    graphs = [nx.path_graph(3), nx.cycle_graph(5)]
    data = to_pyg(graphs)
    for g, d in zip(graphs, data, strict=True):
        assert nx.utils.graphs_equal(to_networkx(d, to_undirected=True), g)
    assert all(same(a, b) for a, b in zip(graphs, from_pyg(data), strict=True))
    assert all(
        same(a, b) for a, b in zip(graphs, from_pyg(PyGBatch.from_data_list(data)), strict=True)
    )
    alphabet = Alphabet.of([molecule()])
    (kinds,) = to_pyg([molecule()])
    assert kinds.x.argmax(1).tolist() == [0, 2, 0, 1]
    assert kinds.edge_attr.sum(0).tolist() == [4, 2]
    (back,) = from_pyg(kinds, alphabet)
    assert same(molecule(), back)


PYG_BAD = {
    "is directed": Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=3),
    "self loop": Data(edge_index=torch.tensor([[0], [0]]), num_nodes=1),
    "repeats an edge": Data(edge_index=torch.tensor([[0, 0, 1], [1, 1, 0]]), num_nodes=2),
    "make them one": Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2, edge_weight=torch.tensor([1.0, 2.0])),
    "edge_weight beside numbers": Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2, edge_weight=torch.ones(2), edge_attr=torch.full((2, 1), 0.5)),
}  # fmt: skip


@pytest.mark.parametrize("message", PYG_BAD)
def test_pyg_graphs_that_are_not_simple_are_refused(message: str) -> None:
    with pytest.raises(ValueError, match=f"graph 0: .*{message}"):
        from_pyg(PYG_BAD[message])


def test_pyg_columns_that_the_alphabet_does_not_know_are_refused() -> None:
    data = Data(torch.rand(2, 3), torch.tensor([[0, 1], [1, 0]]))
    with pytest.raises(ValueError, match="graph 0: x isn't one-hot in its 3 columns of kinds"):
        from_pyg(data, Alphabet(("C", "N", "O")))
    with pytest.raises(ValueError, match="x has 3 columns, where 2 kinds and 0 numbers are known"):
        from_pyg(data, Alphabet(("C", "N")))


def weighted(weight: Callable[[int], object], x: Callable[[int], object]) -> nx.Graph:
    """A path of four nodes with a kind and numbers of every node and edge."""
    g = nx.path_graph(4)
    nx.set_node_attributes(g, {v: {"kind": "ab"[v % 2], "x": x(v)} for v in g})
    nx.set_edge_attributes(g, {(v, v + 1): {"kind": v % 2, "weight": weight(v)} for v in range(3)})
    return g


NUMBERED = {
    "numbers": weighted(lambda v: v + 0.5, lambda v: 2.0 - v),
    "lists": weighted(lambda v: [v + 0.5, -1.0 * v], lambda v: [2.0 - v, 0.25, v * v]),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_numbers_in_pyg_and_back(name: str) -> None:
    g = NUMBERED[name]
    other = weighted(lambda v: [1.0, v] if name == "lists" else 1.0 + v, lambda v: [v, 1.0 - v, v] if name == "lists" else 1.0 * v)  # fmt: skip
    alphabet = Alphabet(("a", "b"), (0, 1), *(Scale((0.0,) * d, (1.0,) * d, d == 1) for d in ((3, 2) if name == "lists" else (1, 1))))  # fmt: skip
    data = to_pyg([g, other], alphabet)
    assert data[0].x.shape == (4, 2 + (3 if name == "lists" else 1))
    back = from_pyg(PyGBatch.from_data_list(data), alphabet)
    assert same(g, back[0]) and same(other, back[1])


def test_floats_of_pyg_are_numbers() -> None:
    ends = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    rows = torch.tensor([[0.5, 2.0], [0.5, 2.0], [1.5, 0.0], [1.5, 0.0]])
    data = Data(torch.tensor([[1.0], [0.25], [2.0]]), ends, rows)
    (g,) = from_pyg(data)
    assert dict(g.nodes(data="x")) == {0: 1.0, 1: 0.25, 2: 2.0}
    assert g.edges[0, 1] == {"weight": [0.5, 2.0]} and g.edges[1, 2] == {"weight": [1.5, 0.0]}
    (plain,) = from_pyg(
        Data(None, ends, edge_weight=torch.tensor([3.0, 3.0, 4.0, 4.0]), num_nodes=3)
    )
    assert plain.edges[1, 2] == {"weight": 4.0}
    first = Data(torch.tensor([[1.0, 0.0]]), torch.empty(2, 0).long())
    both = from_pyg([first, Data(torch.tensor([[0.5, 0.0]]), torch.empty(2, 0).long())])
    assert [g.nodes[0] for g in both] == [
        {"x": [1.0, 0.0]},
        {"x": [0.5, 0.0]},
    ]  # one meaning for all


@pytest.mark.parametrize("name", NUMBERED)
@pytest.mark.parametrize("suffix", [".json", ".graphml"])
def test_numbers_in_files(name: str, suffix: str, tmp_path: Path) -> None:
    g = NUMBERED[name]
    write_graphs([g], tmp_path / f"g{suffix}")
    (back,) = read_graphs(tmp_path / f"g{suffix}")
    assert same(g, back)


def test_files(tmp_path: Path) -> None:
    graphs = [nx.relabel_nodes(molecule(), {"a": 0, "b": 1, "c": 2, "d": 3}), nx.path_graph(4)]
    write_graphs(graphs, tmp_path / "deep" / "some.json")
    back = read_graphs(tmp_path / "deep" / "some.json")
    assert all(same(a, b) for a, b in zip(graphs, back, strict=True))
    write_graphs(graphs, tmp_path / "each.graphml")
    assert sorted(p.name for p in tmp_path.glob("*.graphml")) == [
        "each-0.graphml",
        "each-1.graphml",
    ]
    (again,) = read_graphs(tmp_path / "each-0.graphml")
    assert nx.is_isomorphic(
        again, graphs[0], node_match=lambda a, b: a == b, edge_match=lambda a, b: a == b
    )
    with pytest.raises(ValueError, match=r"doesn't end in \.json or \.graphml"):
        write_graphs(graphs, tmp_path / "x.gml")
    (tmp_path / "broken.json").write_text("[{}]")
    with pytest.raises(ValueError, match="no list of graphs in node-link form"):
        read_graphs(tmp_path / "broken.json")
