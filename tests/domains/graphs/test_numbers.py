"""Numbers of nodes and edges: states there and back, laws whose density is known, and what is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.posterior import Categories, Mean, Parts
from unnoise.core.process import Gaussian, Product
from unnoise.core.random import normal, seeded
from unnoise.core.training import Fit
from unnoise.domains.graphs import GraphGenerator, Network
from unnoise.domains.graphs.alphabet import Alphabet
from unnoise.domains.graphs.conditions import Conditions, Label, Told
from unnoise.domains.graphs.fitted import FittedGraphs
from unnoise.domains.graphs.loose import firm
from unnoise.domains.graphs.model import Noising, graph_model
from unnoise.domains.graphs.networks import EdgeTransformer
from unnoise.domains.graphs.networks.base import GraphNetwork, Noisy
from unnoise.domains.graphs.pairs import count, dense
from unnoise.domains.graphs.scale import Scale

JUMPS = pytest.mark.parametrize("noising", [Noising.ABSORBING, Noising.MARGINAL])
DENSITY, MEAN, SD = 0.4, 5.0, 0.25
WEIGHTED = Alphabet(weights=Scale((MEAN,), (SD,)), features=Scale((1.0, -2.0), (3.0, 0.1), False))
SHARES = {"edges": torch.tensor([1 - DENSITY, DENSITY], dtype=torch.float64)}


class Silent(GraphNetwork):
    """Entries are independent: nothing is learnt from the others."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.out = sizes[2:]
        self.here = torch.nn.Parameter(torch.zeros(0))

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        b, n = noisy.exists.shape
        return log_snr.new_zeros(b, n, self.out[0]), log_snr.new_zeros(b, n, n, self.out[1])


class Shifted(Silent):
    """Weights of edges are N(1, .5^2) in standard units, exactly: what a weight says of its edge, and
    its mean if the edge is there."""

    a, b = 1.0, 0.5

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        nodes, _ = super().forward(noisy, log_snr)
        keep, noise = (torch.sigmoid(v)[:, None, None] for v in (log_snr, -log_snr))
        gate = noisy.edges[..., 1] / DENSITY / (noisy.edges[..., 0] / (1 - DENSITY) + noisy.edges[..., 1] / DENSITY).clamp(min=1e-30)  # fmt: skip
        x = noisy.edges[..., 2] / gate.clamp(min=1e-30) / keep.sqrt()
        spread = keep * self.b**2 + noise
        gap = x - keep.sqrt() * self.a
        said = -0.5 * (gap.square() / spread + spread.log() - x.square())
        mean = self.a + keep.sqrt() * self.b**2 / spread * gap
        F = (mean - keep.sqrt() * x) / noise.sqrt()
        there = (gate > 1e-20) & noisy.pairs
        out = torch.stack([torch.zeros_like(said), said, F], -1)
        return nodes, torch.where(there[..., None], out, 0.0)


def numbered(seed: int, n: int, density: float = DENSITY) -> nx.Graph:
    """Independent edges, weights and features, normal with the scale of `WEIGHTED`."""
    rng = np.random.default_rng(seed)
    g = nx.gnp_random_graph(n, density, seed=seed)
    for node in g:
        g.nodes[node]["x"] = [1 + 3 * rng.normal(), -2 + 0.1 * rng.normal()]
    for u, v in g.edges:
        g.edges[u, v]["weight"] = MEAN + SD * rng.normal()
    return g


def fitted(
    network: type[Silent], noising: Noising, nodes: int, alphabet: Alphabet
) -> FittedGraphs:
    model = graph_model(alphabet, nodes, SHARES, network, noising)
    return FittedGraphs(model, alphabet, {nodes: 1})


def log_normal(x: float, mean: float, sd: float) -> float:
    return float(stats.norm.logpdf(x, mean, sd))


def close(a: nx.Graph, b: nx.Graph) -> bool:
    """The same graph with the same kinds, and numbers up to single precision, node for node."""
    same = nx.utils.graphs_equal(nx.Graph(a.edges), nx.Graph(b.edges)) and list(a) == list(b)
    pairs = [(a.nodes[v], b.nodes[v]) for v in a] + [(a.edges[e], b.edges[e]) for e in a.edges]
    return same and all(
        p.keys() == q.keys()
        and all(
            p[k] == q[k] if k == "kind" else np.allclose(p[k], q[k], rtol=1e-6, atol=1e-6)
            for k in p
        )
        for p, q in pairs
    )


def test_numbers_go_there_and_back() -> None:
    graphs = [numbered(k, n) for k, n in enumerate((4, 6, 1, 2))]
    for g in graphs:
        nx.set_node_attributes(g, {v: "ab"[v % 2] for v in g}, "kind")
    alphabet = Alphabet.of(graphs)
    states = alphabet.encode(graphs, nodes=7)
    assert states.x.shape == (4, 7 * 2 + 21 + 7 + 21)
    assert states.x.dtype == torch.float32
    assert alphabet.width(7) == {"features": 14, "weights": 21, "nodes": 7, "edges": 21}
    assert states.mask is not None
    assert states.mask.sum(1).tolist() == [
        3 * len(g) + count(len(g)) + g.number_of_edges() for g in graphs
    ]
    back = alphabet.decode(states.x, [len(g) for g in graphs])
    assert all(close(a, b) for a, b in zip(graphs, back, strict=True))
    assert Alphabet.from_json(json.loads(json.dumps(alphabet.to_json()))) == alphabet


def test_states_are_standardised() -> None:
    graphs = [numbered(k, 5) for k in range(40)]
    alphabet = Alphabet.of(graphs)
    parts = alphabet.split(alphabet.encode(graphs).x.double())
    z = parts["features"].reshape(-1, 2)
    torch.testing.assert_close(z.mean(0), torch.zeros(2).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(2).double(), atol=1e-6, rtol=0)
    w = parts["weights"][parts["edges"] == 1]
    assert float(w.mean()) == pytest.approx(0, abs=1e-6)
    assert float(w.std(correction=0)) == pytest.approx(1, abs=1e-6)
    assert (parts["weights"][parts["edges"] == 0] == 0).all()


@pytest.mark.parametrize("alphabet", [WEIGHTED, Alphabet(), Alphabet(("a", "b")), Alphabet(weights=Scale((0.0, 0.0), (1.0, 1.0), False))])  # fmt: skip
def test_a_state_knows_its_nodes(alphabet: Alphabet) -> None:
    for n in range(1, 40):
        assert alphabet.size(sum(alphabet.width(n).values())) == n
    with pytest.raises(ValueError, match="no graph has a state of"):
        alphabet.size(sum(alphabet.width(9).values()) + 1)


def assert_unbiased(nats: Tensor, exact: list[float]) -> None:
    """The bound of an exact network; an item's own standard error knows nothing of strata, so the
    spread is that of the items."""
    error = nats.double() - torch.tensor(exact, dtype=torch.float64)
    spread = float(error.std()) / math.sqrt(len(exact))
    assert spread < 0.1
    assert abs(float(error.mean())) < 4 * spread


@JUMPS
def test_independent_entries_have_their_density(noising: Noising) -> None:
    """Bernoulli edges, normal weights where there is one, and normal features, in the users' units; of
    graphs of two sizes."""
    graphs = [numbered(k, 3 + k % 2) for k in range(24)]
    exact = []
    for g in graphs:
        m, p = g.number_of_edges(), count(len(g))
        nats = m * math.log(DENSITY) + (p - m) * math.log(1 - DENSITY)
        nats += sum(log_normal(w, MEAN, SD) for *_, w in g.edges(data="weight"))
        for _, (x, y) in g.nodes(data="x"):
            nats += log_normal(x, 1, 3) + log_normal(y, -2, 0.1)
        exact.append(nats)
    made = fitted(Silent, noising, 4, WEIGHTED)
    result = made.log_prob(graphs, 256, seeded(0), sizes=False)
    assert result.dims.tolist() == [
        count(len(g)) + g.number_of_edges() + 2 * len(g) for g in graphs
    ]
    assert_unbiased(result.nats, exact)


@JUMPS
def test_what_weights_and_edges_say_of_each_other_adds_up(noising: Noising) -> None:
    """Weights that aren't standard normal tell an edge from a free number: the bound of an exact network
    is the density all the same."""
    alphabet = Alphabet(weights=Scale((MEAN,), (SD,)))
    rng, graphs, exact = np.random.default_rng(0), [], []
    for k in range(24):
        g = nx.gnp_random_graph(4, DENSITY, seed=k)
        nats = 6 * math.log(1 - DENSITY)
        for u, v in g.edges:
            w = MEAN + SD * (Shifted.a + Shifted.b * rng.normal())
            g.edges[u, v]["weight"] = w
            nats += math.log(DENSITY / (1 - DENSITY))
            nats += log_normal(w, MEAN + SD * Shifted.a, SD * Shifted.b)
        graphs.append(g)
        exact.append(nats)
    made = fitted(Shifted, noising, 4, alphabet)
    made.model.double()
    batch = alphabet.encode(graphs)
    result = made.bound(batch.replace(x=batch.x.double()), 512, seeded(0))
    assert_unbiased(result.nats, exact)


@JUMPS
@pytest.mark.parametrize("network", [Silent, Shifted])
def test_samples_have_the_law(noising: Noising, network: type[Silent]) -> None:
    alphabet = Alphabet(weights=Scale((MEAN,), (SD,)))
    made = fitted(network, noising, 6, alphabet).sample([6] * 300, 0, 48)
    edges = sum(g.number_of_edges() for g in made)
    assert edges == pytest.approx(4500 * DENSITY, abs=4.5 * math.sqrt(4500 * 0.24))
    w = [v for g in made for *_, v in g.edges(data="weight")]
    a, b = (Shifted.a, Shifted.b) if network is Shifted else (0.0, 1.0)
    assert stats.kstest(w, "norm", (MEAN + SD * a, SD * b)).pvalue > 1e-4


def test_free_numbers_are_not_looked_at_and_tell_nothing() -> None:
    """Whatever stands there; and their noisy versions are N(0, 1) at every level."""
    made, graphs = fitted(Shifted, Noising.ABSORBING, 4, WEIGHTED), [numbered(3, 4)] * 3
    batch = WEIGHTED.encode(graphs)
    absent = batch.mask.logical_not() if batch.mask is not None else torch.empty(0)
    assert absent.any()
    other = batch.replace(x=torch.where(absent, 7.0, batch.x))
    one, two = (made.bound(b, 32, seeded(0)) for b in (batch, other))
    assert torch.equal(one.nats, two.nats)
    process = made.model.process
    assert isinstance(process, Product)
    many = other.rows(torch.zeros(4000, dtype=torch.long))
    (level,) = process.schedule.levels(torch.tensor([0.2]))
    x_t = process.marginal(many.x, level, many).sample(seeded(1))[:, absent[0]]
    assert stats.kstest(x_t.flatten().numpy(), "norm").pvalue > 1e-4


def test_where_all_numbers_are_there_the_process_is_gaussian() -> None:
    process = fitted(Silent, Noising.ABSORBING, 4, WEIGHTED).model.process
    plain = firm(process)
    assert isinstance(process, Product) and isinstance(plain, Product)
    assert isinstance(plain.process("weights"), Gaussian)
    batch = WEIGHTED.batch(torch.tensor([4] * 5), 4)
    batch = batch.replace(
        x=normal(batch.x, seeded(0)) * torch.cat([torch.ones(14), torch.zeros(6)])
    )
    (level,) = process.schedule.levels(torch.tensor([0.4]))
    x, y = (p.marginal(batch.x, level, batch).sample(seeded(1)) for p in (process, plain))
    torch.testing.assert_close(x, y)
    parts = plain.split(x)
    beliefs: dict[str, Any] = {name: Mean(0.5 * parts[name]) for name in ("features", "weights")}
    beliefs["edges"] = Categories(torch.zeros(5, 6, 2))
    a, b = (p.rate(batch.x, x, level, Parts(beliefs), batch) for p in (process, plain))
    torch.testing.assert_close(a, b)


def test_beliefs_about_numbers_do_not_depend_on_the_order_of_nodes() -> None:
    n, order = 6, torch.tensor([3, 0, 5, 1, 4, 2])
    alphabet = Alphabet(("a", "b"), (None,), WEIGHTED.features, WEIGHTED.weights)
    torch.manual_seed(0)
    shares = SHARES | {"nodes": torch.tensor([0.5, 0.5], dtype=torch.float64)}

    def network(*sizes: int) -> GraphNetwork:
        return EdgeTransformer(*sizes, width=32, pair_width=16, layers=2)

    model = graph_model(alphabet, n, shares, network, Noising.ABSORBING).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    g = numbered(1, n)
    nx.set_node_attributes(g, {v: "ab"[v % 2] for v in g}, "kind")
    h = nx.Graph()
    h.add_nodes_from((v, g.nodes[v]) for v in order.tolist())
    h.add_edges_from(g.edges(data=True))
    x = alphabet.encode([g, h]).x.double()
    level = model.process.schedule.level_of(torch.tensor([1.0, 1.0]).double(), 2)
    with torch.no_grad():
        belief = model.denoiser(x, level, Batch(x))
    assert isinstance(belief, Parts)
    features: Any = belief.parts["features"]
    one, two = features.mean.unflatten(1, (n, 2))
    torch.testing.assert_close(two, one[order], rtol=1e-9, atol=1e-9)
    assert float((one - one[order]).abs().max()) > 0.01
    weights: Any = belief.parts["weights"]
    one, two = dense(weights.mean)
    torch.testing.assert_close(two, one[order][:, order], rtol=1e-9, atol=1e-9)


class Moved(Silent):
    """Features are N(a, 1) in standard units, a being 1 of a first label, -.5 of a second and 0 else."""

    a = (1.0, -0.5)

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        nodes, edges = super().forward(noisy, log_snr)
        assert cond is not None
        F = (cond @ cond.new_tensor(self.a)) * torch.sigmoid(-log_snr).sqrt()
        return nodes + F[:, None, None], edges


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.0])
def test_guidance_moves_a_normal_law_as_far_as_it_says(guidance: float) -> None:
    """Of N(a, 1) and N(0, 1) guidance makes N(w a, 1)."""
    alphabet = Alphabet(features=Scale((MEAN,), (SD,)))
    told = Conditions({"label": Label(("up", "down"))})
    model = graph_model(alphabet, 4, SHARES, Moved, Noising.ABSORBING, Told(told))
    made = FittedGraphs(model, alphabet, {4: 1}, told)
    cond = told.encode({"label": ["up", "down"] * 150}, 300)
    graphs = made.sample([4] * 300, 0, 24, cond, guidance)
    for k, a in enumerate(Moved.a):
        x = [v for g in graphs[k::2] for _, v in g.nodes(data="x")]
        assert stats.kstest(x, "norm", (MEAN + SD * guidance * a, SD)).pvalue > 1e-4


HOW = Fit(200, batch=48, lr=4e-3, warmup=20, ema=0.98)
SIZE = Network(width=32, pair_width=16, layers=2)


def degrees(n: int) -> list[nx.Graph]:
    """Weights are N(5, .25^2), and a node's number is its degree, give or take .3."""
    rng, graphs = np.random.default_rng(0), []
    for k in range(n):
        g = nx.gnp_random_graph(5, DENSITY, seed=k)
        for v in g:
            g.nodes[v]["x"] = g.degree(v) + 0.3 * rng.normal()
        for u, v in g.edges:
            g.edges[u, v]["weight"] = MEAN + SD * rng.normal()
        graphs.append(g)
    return graphs


@pytest.fixture(scope="module")
def made() -> GraphGenerator:
    how = GraphGenerator(fit=HOW, network=SIZE, completing=True)
    return how.fit(degrees(512), progress=False)


def test_numbers_are_learned(made: GraphGenerator) -> None:
    graphs = made.sample(100, nfe=32)
    w = np.array([v for g in graphs for *_, v in g.edges(data="weight")])
    assert w.mean() == pytest.approx(MEAN, abs=0.3 * SD)
    assert w.std() == pytest.approx(SD, rel=0.2)
    x = np.array([v for g in graphs for _, v in g.nodes(data="x")])
    d = np.array([d for g in graphs for _, d in g.degree])
    assert (x - d).std() < 0.6 < d.std()


def test_parts_of_graphs_with_numbers_are_completed(made: GraphGenerator) -> None:
    """Numbers of nodes say how many edges are missing; what is given stays as it is."""
    g = nx.relabel_nodes(degrees(9)[8], dict(enumerate("vwxyz")))
    unknown = [(u, v) for u in "vw" for v in "xyz"]
    answers = made.complete(g, unknown, n=12, nfe=24)
    for a in answers:
        assert dict(a.nodes(data=True)) == dict(g.nodes(data=True))
        for u, v in g.edges:
            if (u, v) not in unknown and (v, u) not in unknown:
                assert a.edges[u, v] == g.edges[u, v]
        assert all("weight" in data for *_, data in a.edges(data=True))
    right = np.mean([g.degree(v) == a.degree(v) for a in answers for v in g])
    assert right > 0.5


def test_graphs_with_numbers_are_saved(made: GraphGenerator, tmp_path: Path) -> None:
    made.save(tmp_path / "g.safetensors")
    again = GraphGenerator.load(tmp_path / "g.safetensors")
    for a, b in zip(made.sample(4), again.sample(4), strict=True):
        assert nx.utils.graphs_equal(a, b)
    graphs = degrees(2)
    assert torch.equal(made.log_prob(graphs).nats, again.log_prob(graphs).nats)
    assert [len(g) for g in again.sample(3, nodes=[1, 2, 7])] == [1, 2, 7]


def with_numbers(**told: Any) -> list[nx.Graph]:
    """Two graphs of two nodes, whose weights or features are as told."""
    graphs = [nx.path_graph(2), nx.path_graph(2)]
    for g, weight, x in zip(graphs, told.get("weight", [None] * 2), told.get("x", [[None] * 2] * 2), strict=True):  # fmt: skip
        if weight is not None:
            g.edges[0, 1]["weight"] = weight
        for node, value in zip(g, x, strict=True):
            if value is not None:
                g.nodes[node]["x"] = value
    return graphs


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "some": (lambda: Alphabet.of(with_numbers(weight=[1.0, None])), "1 of 2 have 'weight' of edges; give it to all"),
    "nan": (lambda: Alphabet.of(with_numbers(weight=[1.0, math.nan])), "'weight' of edges: nan is not finite"),
    "words": (lambda: Alphabet.of(with_numbers(weight=[1.0, "heavy"])), "'weight' of edges: 'heavy' is no number"),
    "constant": (lambda: Alphabet.of(with_numbers(weight=[2.0, 2.0])), "component 0 is 2 everywhere; remove it"),
    "ragged": (lambda: Alphabet.of(with_numbers(x=[[[1, 2], [3, 4]], [[1, 2], [3]]])), r"'x' of nodes: one has shape \(1,\) where another has 2"),
    "lacking": (lambda: WEIGHTED.encode(with_numbers(weight=[1.0, 2.0])), "graph 0: 'x' of nodes: one has none"),
    "Gaussian": (lambda: graph_model(WEIGHTED, 3, SHARES, Silent, Noising.GAUSSIAN), "these graphs have features and weights; take marginal"),
    "untrained": (lambda: tiny().complete(nx.path_graph(2), [(0, 1)]), "has to be trained to be told; make it with completing=True"),
}  # fmt: skip


def tiny() -> GraphGenerator:
    graphs = with_numbers(weight=[1.0, 2.0])
    return GraphGenerator(fit=Fit(1, batch=2), network=SIZE).fit(graphs, progress=False)


@pytest.mark.parametrize("name", BAD)
def test_numbers_that_are_none_are_refused(name: str) -> None:
    ask, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        ask()
