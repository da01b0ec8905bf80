"""Graphs in, graphs out: training on two graphs, and every method."""

import math
from pathlib import Path

import networkx as nx
import pytest
import torch

from unnoise.core.checkpoint import CheckpointError, save_weights
from unnoise.core.training import Fit
from unnoise.domains.graphs import GraphGenerator, Network
from unnoise.domains.graphs.metrics import isomorphism_classes

HOW = Fit(300, batch=64, lr=4e-3, warmup=20, ema=0.98)
SIZE = Network(width=32, pair_width=16, layers=2)
TINY = Fit(2, batch=4, log_every=1)


def wheels_and_stars(n: int) -> list[nx.Graph]:
    """Cycles of five and stars of six nodes, alternately, one with names for nodes."""
    graphs = [nx.cycle_graph(5), nx.star_graph(5)] * (n // 2)
    graphs[0] = nx.relabel_nodes(graphs[0], dict(enumerate("abcde")))
    return graphs


def is_one(graph: nx.Graph) -> bool:
    return any(nx.is_isomorphic(graph, g) for g in (nx.cycle_graph(5), nx.star_graph(5)))


def shuffled(graph: nx.Graph, seed: int) -> nx.Graph:
    """The same graph with its nodes in another order."""
    order = torch.randperm(len(graph), generator=torch.Generator().manual_seed(seed)).tolist()
    out = nx.Graph()
    out.add_nodes_from(order)
    out.add_edges_from(graph.edges)
    return out


@pytest.fixture(scope="module")
def made() -> GraphGenerator:
    how = GraphGenerator("absorbing", fit=HOW, network=SIZE)
    return how.fit(wheels_and_stars(128), progress=False)


def test_what_was_learnt_is_sampled(made: GraphGenerator) -> None:
    graphs = made.sample(200, nfe=24)
    assert sum(map(is_one, graphs)) / 200 > 0.85
    five = sum(len(g) == 5 for g in graphs)
    assert five == pytest.approx(100, abs=5 * math.sqrt(50))
    assert all(not g.is_directed() and nx.number_of_selfloops(g) == 0 for g in graphs)
    assert all(list(g) == list(range(len(g))) for g in graphs)


@pytest.mark.parametrize("noising", ["marginal", "gaussian"])
def test_other_noises_learn_it_as_well(noising: str) -> None:
    made = GraphGenerator(noising, fit=HOW, network=SIZE).fit(
        wheels_and_stars(128), progress=False
    )
    assert sum(map(is_one, made.sample(100, nfe=24))) > 60


def test_the_likelihood_is_that_of_labelled_graphs_of_a_size(made: GraphGenerator) -> None:
    """A cycle of five has 5!/10 = 12 labellings and a star 6; either size has probability 1/2."""
    graphs = [nx.cycle_graph(5), nx.star_graph(5)]
    nats = made.log_prob(graphs * 8, draws=64).nats.reshape(8, 2).mean(0)
    exact = torch.tensor([-math.log(2 * 12), -math.log(2 * 6)])
    assert (nats < exact + 0.15).all()
    assert (nats > exact - 0.6).all()
    strange = made.log_prob([nx.path_graph(5), nx.path_graph(4)]).nats
    assert float(strange[0]) < float(nats[0]) - 3
    assert float(strange[1]) == -math.inf  # no graph had four nodes


def test_the_order_of_nodes_does_not_matter(made: GraphGenerator) -> None:
    star = nx.star_graph(5)
    same = made.log_prob([star] + [shuffled(star, k) for k in range(5)], draws=256)
    spread = float(same.nats.std())
    assert spread < 4 * float(same.stderr.square().mean().sqrt()) + 0.02


def test_a_sample_is_the_same_whoever_is_drawn_beside_it(made: GraphGenerator) -> None:
    many, few = made.sample(12, nodes=6, seed=3), made.sample(2, nodes=6, seed=3)
    assert all(nx.utils.graphs_equal(a, b) for a, b in zip(few, many, strict=False))
    mixed = made.sample(3, nodes=[6, 5, 6], seed=3)
    assert nx.utils.graphs_equal(mixed[2], many[2])
    assert not all(
        nx.utils.graphs_equal(a, b)
        for a, b in zip(made.sample(12, nodes=6, seed=4), many, strict=True)
    )


def test_a_size_of_ones_own(made: GraphGenerator) -> None:
    assert [len(g) for g in made.sample(3, nodes=[2, 1, 9])] == [2, 1, 9]


def test_a_part_is_completed_by_the_rest(made: GraphGenerator) -> None:
    """A cycle of five that lacks two edges, asked for these two: only they can be missing."""
    broken = nx.relabel_nodes(nx.cycle_graph(5), dict(enumerate("vwxyz")))
    unknown = [("v", "w"), ("y", "x"), ("v", "x")]
    broken.remove_edges_from(unknown)
    answers = made.complete(broken, unknown, n=40)
    assert all(set(g) == set(broken) for g in answers)
    assert all(g.has_edge("w", "x") and g.has_edge("y", "z") for g in answers)
    assert all(not g.has_edge("v", "y") for g in answers)
    assert sum(nx.is_isomorphic(g, nx.cycle_graph(5)) for g in answers) > 30


def test_a_saved_generator_is_the_same(made: GraphGenerator, tmp_path: Path) -> None:
    made.save(tmp_path / "g.safetensors")
    again = GraphGenerator.load(tmp_path / "g.safetensors")
    for a, b in zip(made.sample(6, seed=1), again.sample(6, seed=1), strict=True):
        assert nx.utils.graphs_equal(a, b)
    graphs = wheels_and_stars(4)
    assert torch.equal(made.log_prob(graphs).nats, again.log_prob(graphs).nats)
    assert again.history.rows == made.history.rows
    save_weights(torch.nn.Linear(1, 1), tmp_path / "other.safetensors", {})
    with pytest.raises(CheckpointError, match="holds no GraphGenerator"):
        GraphGenerator.load(tmp_path / "other.safetensors")


def test_kinds_of_nodes_and_edges_are_learnt() -> None:
    """A square with one node and one edge of another kind."""
    g = nx.cycle_graph(3)
    nx.set_node_attributes(g, {0: "O", 1: "C", 2: "C"}, "kind")
    nx.set_edge_attributes(g, {(0, 1): 1, (1, 2): 2, (0, 2): 1}, "kind")
    made = GraphGenerator("absorbing", fit=HOW, network=SIZE).fit([g] * 64, progress=False)
    graphs = made.sample(60)
    same = [
        nx.is_isomorphic(g, a, node_match=lambda x, y: x == y, edge_match=lambda x, y: x == y)
        for a in graphs
    ]
    assert sum(same) > 40
    assert len(set(isomorphism_classes(graphs))) < 20


def test_nothing_is_asked_of_what_has_learned_nothing(tmp_path: Path) -> None:
    made = GraphGenerator()
    for ask in (
        lambda: made.sample(1),
        lambda: made.log_prob([nx.path_graph(2)]),
        lambda: made.save(tmp_path / "x"),
        lambda: made.history,
    ):
        with pytest.raises(RuntimeError, match="nothing learned yet"):
            ask()


def test_what_cannot_be_asked_is_refused(made: GraphGenerator) -> None:
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        made.sample(0)
    with pytest.raises(ValueError, match=r"nodes must be 2 numbers of at least 1, got \[3\]"):
        made.sample(2, nodes=[3])
    with pytest.raises(ValueError, match="at least 2 evaluations"):
        made.sample(1, nfe=1)
    with pytest.raises(ValueError, match=r"\(0, 9\) is no pair of its nodes"):
        made.complete(nx.cycle_graph(5), [(0, 9)])
    with pytest.raises(ValueError, match="'wild' is not a valid Noising"):
        GraphGenerator("wild")
    with pytest.raises(ValueError, match="graph 0: is directed"):
        GraphGenerator(fit=TINY, network=SIZE).fit([nx.DiGraph([(0, 1)])], progress=False)
    plain = GraphGenerator("marginal", fit=TINY, network=SIZE).fit(
        wheels_and_stars(4), progress=False
    )
    with pytest.raises(ValueError, match="wasn't trained to be told a part of a graph"):
        plain.complete(nx.cycle_graph(5), [(0, 1)])


def test_one_that_is_told_parts_completes_under_any_noise() -> None:
    made = GraphGenerator("marginal", fit=HOW, network=SIZE, completing=True)
    made.fit([nx.cycle_graph(5)] * 64, progress=False)
    broken = nx.cycle_graph(5)
    broken.remove_edges_from([(0, 1), (2, 3)])
    answers = made.complete(broken, [(0, 1), (2, 3), (0, 2)], n=30)
    assert sum(nx.is_isomorphic(g, nx.cycle_graph(5)) for g in answers) > 20


def test_training_goes_on_where_it_stopped_and_on_nothing_else(tmp_path: Path) -> None:
    graphs = wheels_and_stars(8)

    def fitted(some: list[nx.Graph], folder: Path | None) -> list[nx.Graph]:
        made = GraphGenerator(fit=TINY, network=SIZE).fit(some, progress=False, folder=folder)
        return made.sample(4)

    for a, b in zip(fitted(graphs, None), fitted(graphs, tmp_path), strict=True):
        assert nx.utils.graphs_equal(a, b)
    assert len(fitted(graphs, tmp_path)) == 4  # nothing left to do
    others = [nx.star_graph(5)] * 8
    with pytest.raises(ValueError, match="other settings .data was"):
        fitted(others, tmp_path)
