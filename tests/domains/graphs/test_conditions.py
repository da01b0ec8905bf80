"""Labels and numbers of graphs: what they mean to a model, learned laws, and what is refused."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.random import seeded
from unnoise.core.training import Fit
from unnoise.domains.graphs import GraphGenerator, Network
from unnoise.domains.graphs.alphabet import Alphabet
from unnoise.domains.graphs.conditions import Conditions, Label, Number, Told, gathered
from unnoise.domains.graphs.fitted import FittedGraphs
from unnoise.domains.graphs.model import Noising, graph_model
from unnoise.domains.graphs.networks.base import GraphNetwork, Noisy

HOW = Fit(250, batch=64, lr=4e-3, warmup=20, ema=0.98)
TINY = Fit(2, batch=4, log_every=1)
SIZE = Network(width=32, pair_width=16, layers=2)
DENSITY = 0.5


class Obedient(GraphNetwork):
    """Edges are independent given the condition, whose features are log odds of an edge: the log
    odds are .5 of a first label, -1 of a second, and 0 if none is told."""

    odds = (0.5, -1.0)

    def __init__(self, *out: int) -> None:
        super().__init__()
        self.here = torch.nn.Parameter(torch.zeros(0))  # what asks for a model's device needs one

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        assert cond is not None
        said = cond @ cond.new_tensor(self.odds)
        edges = (
            noisy.pairs[..., None] * torch.stack([torch.zeros_like(said), said], -1)[:, None, None]
        )
        return log_snr.new_zeros(*noisy.exists.shape, 0), edges.to(log_snr.dtype)


def obedient(noising: Noising) -> FittedGraphs:
    told = Conditions({"label": Label(("dense", "sparse"))})
    shares = {"edges": torch.tensor([1 - DENSITY, DENSITY], dtype=torch.float64)}
    model = graph_model(Alphabet(), 6, shares, Obedient, noising, Told(told))
    return FittedGraphs(model, Alphabet(), {6: 1}, told)


@pytest.mark.parametrize("noising", [Noising.ABSORBING, Noising.MARGINAL])
@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.0])
def test_guidance_multiplies_the_odds_that_a_condition_makes(
    noising: Noising, guidance: float
) -> None:
    """log p = log p_0 + w (log p_c - log p_0): of independent edges the log odds are w times theirs."""
    fitted = obedient(noising)
    cond = fitted.conditions.encode({"label": ["dense", "sparse"] * 150}, 300)
    graphs = fitted.sample([6] * 300, 0, 12, cond, guidance)
    for k, odds in enumerate(Obedient.odds):
        p = 1 / (1 + math.exp(-guidance * odds))
        edges = sum(g.number_of_edges() for g in graphs[k::2])
        assert edges == pytest.approx(150 * 15 * p, abs=4.5 * math.sqrt(150 * 15 * p * (1 - p)))


@pytest.mark.parametrize("noising", [Noising.ABSORBING, Noising.MARGINAL])
def test_a_condition_changes_the_likelihood_as_it_must(noising: Noising) -> None:
    fitted, graphs = obedient(noising), [nx.path_graph(6)] * 30
    for told, odds in ((None, 0.0), ("dense", 0.5), ("sparse", -1.0)):
        cond = fitted.conditions.encode(None if told is None else {"label": told}, 30)
        result = fitted.log_prob(graphs, 64, seeded(0), cond=cond)
        exact = 5 * odds - 15 * math.log1p(math.exp(odds))  # 5 of 15 pairs are edges
        error = float(result.nats.mean()) - exact
        assert abs(error) < 4 * float(result.stderr.square().mean().sqrt()) / math.sqrt(30) + 1e-3


def rings_and_stars() -> tuple[list[nx.Graph], list[str]]:
    """Cycles of five or six nodes, and stars of five."""
    graphs = [nx.cycle_graph(5), nx.star_graph(4), nx.cycle_graph(6), nx.star_graph(4)] * 32
    return graphs, ["ring", "star"] * 64


def is_ring(graph: nx.Graph) -> bool:
    return nx.is_isomorphic(graph, nx.cycle_graph(len(graph)))


def is_star(graph: nx.Graph) -> bool:
    return nx.is_isomorphic(graph, nx.star_graph(len(graph) - 1))


@pytest.fixture(scope="module")
def made() -> GraphGenerator:
    graphs, labels = rings_and_stars()
    return GraphGenerator(fit=HOW, network=SIZE, condition_dropout=0.3).fit(
        graphs, conditions={"shape": labels}, progress=False
    )


def test_a_label_decides(made: GraphGenerator) -> None:
    rings = made.sample(60, given={"shape": "ring"})
    assert sum(map(is_ring, rings)) > 48
    assert {len(g) for g in rings} == {5, 6}  # sizes are those of the label's own graphs
    stars = made.sample(60, given={"shape": "star"}, guidance=1.5)
    assert sum(map(is_star, stars)) > 48
    assert {len(g) for g in stars} == {5}
    both = made.sample(20, given={"shape": ["ring", "star"] * 10})
    assert sum(map(is_ring, both[::2])) + sum(map(is_star, both[1::2])) > 14


def test_without_a_condition_it_is_the_law_of_all(made: GraphGenerator) -> None:
    graphs = made.sample(80, nodes=5)
    rings, stars = sum(map(is_ring, graphs)), sum(map(is_star, graphs))
    assert rings + stars > 50
    assert stars / (rings + stars) == pytest.approx(2 / 3, abs=0.2)  # two stars for a ring of five
    ignored = made.sample(20, nodes=5, given={"shape": "ring"}, guidance=0.0)
    assert all(nx.utils.graphs_equal(a, b) for a, b in zip(ignored, graphs[:20], strict=True))


def test_a_conditional_likelihood(made: GraphGenerator) -> None:
    """A ring of five has 12 labellings, and every other ring has five nodes; a star has 5."""
    graphs = [nx.cycle_graph(5), nx.star_graph(4)] * 8
    right = made.log_prob(graphs, given={"shape": ["ring", "star"] * 8}).nats.reshape(8, 2).mean(0)
    exact = torch.tensor([-math.log(2 * 12), -math.log(5)])
    assert (right < exact + 0.15).all()
    assert (right > exact - 0.6).all()
    alone = made.log_prob(graphs).nats.reshape(8, 2).mean(0)
    share = torch.tensor([1 / 3, 2 / 3])  # of graphs of five nodes, which three in four have
    least = float((share * torch.tensor([math.log(1 / 4 / 12), math.log(1 / 2 / 5)])).sum())
    assert least - 0.4 < float((share * alone).sum()) < least + 0.05  # Gibbs' inequality
    wrong = made.log_prob(graphs[:2], given={"shape": "star"}).nats
    assert float(wrong[0]) < float(right[0]) - 3


def test_a_condition_is_heeded_where_a_part_is_given(made: GraphGenerator) -> None:
    """A path of four and a fifth node: the ring joins it to both ends."""
    path = nx.path_graph(4)
    path.add_node(4)
    answers = made.complete(
        path, [(4, k) for k in range(4)], n=20, given={"shape": "ring"}, guidance=1.5
    )
    assert sum(map(is_ring, answers)) > 14


def test_conditions_are_saved(made: GraphGenerator, tmp_path: Path) -> None:
    made.save(tmp_path / "g.safetensors")
    again = GraphGenerator.load(tmp_path / "g.safetensors")
    for told in (None, {"shape": "star"}):
        for a, b in zip(made.sample(6, given=told), again.sample(6, given=told), strict=True):
            assert nx.utils.graphs_equal(a, b)


def test_a_number_decides() -> None:
    """Independent edges of a density that is told: learned as a function of it."""
    rng = np.random.default_rng(0)
    graphs, told = [], []
    for _ in range(512):
        p = float(rng.uniform(0.1, 0.9))
        g = nx.gnp_random_graph(6, p, seed=int(rng.integers(2**31)))
        g.graph["density"] = p
        graphs.append(g)
        told.append(p)
    how = Fit(150, batch=64, lr=4e-3, warmup=20, ema=0.98)
    made = GraphGenerator(fit=how, network=SIZE).fit(
        graphs, conditions=["density"], progress=False
    )
    for p in (0.2, 0.5, 0.8):
        some = made.sample(200, given={"density": p}, nfe=12)
        found = sum(g.number_of_edges() for g in some) / (200 * 15)
        assert found == pytest.approx(p, abs=0.09)


def test_rows_and_features_of_labels_and_numbers() -> None:
    known = Conditions.of({"label": [3, 1, 3], "size": [1.0, 2, 6.0]})
    assert known.known == {"label": Label((1, 3)), "size": Number(3.0, math.sqrt(14 / 3))}
    cond = known.encode({"label": np.array([3, 1]), "size": 3}, 2)
    assert cond["label"].tolist() == [1, 0]
    assert cond["size"].tolist() == [[1, 0], [1, 0]]
    batch = Batch(torch.zeros(2, 1), cond=cond)
    assert Told(known)(batch).tolist() == [[0, 1, 1, 0], [1, 0, 1, 0]]
    blank = Batch(torch.zeros(2, 1), cond=known.encode(None, 2))
    assert Told(known)(blank).tolist() == [[0, 0, 0, 0]] * 2
    hidden = batch.without_condition()
    assert all(torch.equal(hidden.cond[k], blank.cond[k]) for k in cond)
    assert Conditions.from_json(known.to_json()) == known


def test_attributes_of_graphs_are_read() -> None:
    graphs = [nx.Graph(label=np.int64(2)), nx.Graph(label=4)]
    assert gathered(graphs, ["label"]) == gathered(graphs, "label") == {"label": [2, 4]}
    assert gathered(graphs, {"label": "x"}) == {"label": ["x", "x"]}
    assert gathered(graphs, None) is None


KNOWN = Conditions({"label": Label(("a", "b")), "size": Number(0.0, 1.0)})
BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "constant": (lambda: Conditions.of({"a": [1, 1]}), "'a': is 1 of all graphs"),
    "no label": (lambda: Conditions.of({"a": [(1, 2), "x"]}), r"graph 0 has \(1, 2\); a label is"),
    "a hole": (lambda: Conditions.of({"a": ["x", None]}), "graph 1 has None; a label is"),
    "nan": (lambda: Conditions.of({"a": [0.5, math.nan]}), "graph 1 has nan, which is no finite"),
    "mixed": (lambda: Conditions.of({"a": [0.5, "x"]}), "graph 1 has 'x', which is no finite"),
    "unknown label": (lambda: KNOWN.encode({"label": "c", "size": 1}, 1), "'c' is none of 'a', 'b'"),
    "unknown name": (lambda: KNOWN.encode({"age": 1}, 1), "'age': wasn't learned; those that were: 'label', 'size'"),
    "none learned": (lambda: Conditions().encode({"age": 1}, 1), r"none: fit\(graphs, conditions"),
    "missing": (lambda: KNOWN.encode({"label": "a"}, 1), "'size': is missing; tell all"),
    "too many": (lambda: KNOWN.encode({"label": ["a"] * 3, "size": 1}, 2), "has 3 values for 2 graphs"),
    "no number": (lambda: KNOWN.encode({"label": "a", "size": math.inf}, 1), "graph 0 has inf"),
    "no attribute": (lambda: gathered([nx.Graph()], ["age"]), r"graph 0 has no such attribute; set graph.graph\['age'\]"),
    "guidance": (lambda: small().sample(1, guidance=2.0), "guidance 2.0 is towards conditions"),
    "dropout": (lambda: GraphGenerator(condition_dropout=0), r"must be in \(0, 1\), got 0"),
    "length": (lambda: small(["a", "b", "a"]), "'label': has 3 values for 4 graphs"),
}  # fmt: skip


def small(labels: list[str] | None = None) -> GraphGenerator:
    graphs = [nx.path_graph(3), nx.cycle_graph(3)] * 2
    told = {"label": labels} if labels else None
    return GraphGenerator(fit=TINY, network=SIZE).fit(graphs, told, progress=False)


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_told_is_refused(name: str) -> None:
    ask, message = BAD[name]
    with pytest.raises((TypeError, ValueError), match=message):
        ask()
