"""The denoiser of graphs against laws whose posterior is known: independent edges, and small joints by
enumeration."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound, ExactTrace, Flow, tightest
from unnoise.core.model import Model
from unnoise.core.random import seeded
from unnoise.core.sampler import LogSNRGrid, auto
from unnoise.domains.graphs.alphabet import Alphabet
from unnoise.domains.graphs.denoiser import frequencies
from unnoise.domains.graphs.model import Noising, graph_model, resized
from unnoise.domains.graphs.networks.base import GraphNetwork, Noisy
from unnoise.domains.graphs.pairs import count, pair_mask

ALL = list(Noising)
DENSITY = 0.3


class Silent(GraphNetwork):
    """Edges are independent: nothing is learnt from the others."""

    def __init__(self, *out: int) -> None:
        super().__init__()
        self.out = out[2:]

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        b, n = noisy.exists.shape
        return log_snr.new_zeros(b, n, self.out[0]), log_snr.new_zeros(b, n, n, self.out[1])


class Triangle(GraphNetwork):
    """Three nodes with all edges or none: log p(e_ij | the other two), exact, given beliefs b about
    these: the odds are b1 b2 / ((1 - b1)(1 - b2)) over their odds before."""

    def __init__(self, *out: int) -> None:
        super().__init__()

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        odds = torch.logit(noisy.adjacency.double().clamp(1e-12, 1 - 1e-12)) * noisy.pairs
        whole = odds.sum((1, 2), keepdim=True) / 2
        said = (whole - odds) * noisy.pairs  # of the other two
        edges = torch.stack([torch.zeros_like(said), said], -1)
        return log_snr.new_zeros(len(log_snr), 3, 0), edges.to(log_snr.dtype)


def independent(noising: Noising, nodes: int) -> Model:
    shares = {"edges": torch.tensor([1 - DENSITY, DENSITY], dtype=torch.float64)}
    return graph_model(Alphabet(), nodes, shares, Silent, noising).double()


@pytest.mark.parametrize("noising", ALL)
def test_independent_edges_have_their_log_probability(noising: Noising) -> None:
    """-log p = -m log d - (P - m) log(1 - d), of graphs of 5 nodes and of 3 in the same batch."""
    model = independent(noising, 5)
    x = torch.bernoulli(torch.full((64, 10), DENSITY), generator=seeded(0)).long()
    exists = torch.arange(5) < torch.tensor([5, 3]).repeat(32)[:, None]
    mask = pair_mask(exists)
    m, p = (x * mask).sum(1), mask.sum(1)
    exact = m * math.log(DENSITY) + (p - m) * math.log(1 - DENSITY)
    result = model.log_prob(Batch(x * mask, mask), tightest(model.process, 256), seeded(1))
    assert torch.equal(result.dims.long(), p)
    error = float((result.nats - exact).mean())
    spread = float(result.stderr.square().mean().sqrt()) / 8  # of the mean of 64
    assert spread < 0.15
    assert abs(error) < 4 * spread


def test_the_flow_of_independent_edges_agrees() -> None:
    """Of levels far apart its bound has no slack."""
    model = independent(Noising.GAUSSIAN, 4)
    x = torch.tensor([[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]]).repeat(4, 1)
    m = x.sum(1)
    exact = m * math.log(DENSITY) + (6 - m) * math.log(1 - DENSITY)
    result = model.log_prob(Batch(x), Flow(96, ExactTrace(), LogSNRGrid()), seeded(0))
    torch.testing.assert_close(result.nats, exact.double(), atol=0.02, rtol=0)


@pytest.mark.parametrize("noising", ALL)
def test_sampled_edges_are_as_many_as_they_should_be(noising: Noising) -> None:
    model = independent(noising, 6)
    mask = pair_mask(torch.ones(3000, 6).bool())
    x = model.sample(
        Batch(torch.zeros(3000, 15), mask), auto(12, model.process), generator=seeded(0)
    )
    assert set(x.unique().tolist()) == {0, 1}
    edges = x.sum(1).double()
    assert float(edges.mean()) == pytest.approx(
        15 * DENSITY, abs=5 * math.sqrt(15 * 0.21 / 3000) + 0.03
    )
    assert float(edges.var()) == pytest.approx(15 * DENSITY * (1 - DENSITY), rel=0.15)


@pytest.mark.parametrize("noising", ALL)
def test_all_edges_or_none(noising: Noising) -> None:
    """Half of the graphs are triangles, half are empty: log 2 nats, by exact messages between pairs."""
    shares = {"edges": torch.tensor([0.5, 0.5], dtype=torch.float64)}
    model = graph_model(Alphabet(), 3, shares, Triangle, noising).double()
    x = torch.tensor([[0, 0, 0], [1, 1, 1]]).repeat(40, 1)
    result = model.log_prob(Batch(x), tightest(model.process, 400), seeded(0))
    spread = float(result.stderr.square().mean().sqrt()) / math.sqrt(len(x))
    assert spread < 0.05
    assert float(-result.nats.mean()) == pytest.approx(math.log(2), abs=4 * spread)
    made = model.sample(
        Batch(torch.zeros(2000, 3)), auto(65, model.process), generator=seeded(1)
    ).sum(1)
    assert float(((made == 0) | (made == 3)).double().mean()) > 0.96
    assert float((made >= 2).double().mean()) == pytest.approx(
        0.5, abs=5 * math.sqrt(0.25 / 2000) + 0.01
    )


@pytest.mark.parametrize("noising", ALL)
def test_beliefs_under_the_rounding_of_single_precision_are_shown_as_none(
    noising: Noising,
) -> None:
    """Subnormal numbers, which products of them would be, are multiplied slowly."""
    model, shown = independent(noising, 5).float(), []
    model.denoiser.network.register_forward_pre_hook(
        lambda _, told: shown.append(told[0].adjacency)
    )  # type: ignore[union-attr,operator]
    x = torch.bernoulli(torch.full((8, 10), DENSITY), generator=seeded(0)).long()
    model.log_prob(Batch(x), Bound(32), seeded(1))
    seen = torch.cat(shown)
    assert ((seen == 0) | (seen >= 1e-7)).all()
    assert 0.2 < (seen[(seen > 0) & (seen < 0.9)]).median() < 0.4  # and the others as before


@pytest.mark.parametrize("noising", ALL)
def test_what_is_given_is_believed_and_told_to_the_others(noising: Noising) -> None:
    shares = {"edges": torch.tensor([0.5, 0.5], dtype=torch.float64)}
    model = graph_model(Alphabet(), 3, shares, Triangle, noising).double()
    for value in (0, 1):
        given = Batch(
            torch.full((300, 3), float(value)),
            observed=torch.tensor([True, False, False]).expand(300, 3),
        )
        made = model.sample(given, auto(9, model.process), generator=seeded(2))
        assert (made == value).double().mean() > 0.999


def test_frequencies_are_those_of_entries_that_exist() -> None:
    import networkx as nx

    graphs = [nx.complete_graph(3), nx.empty_graph(5)]
    for g, kind in zip(graphs, ("a", "b"), strict=True):
        nx.set_node_attributes(g, kind, "kind")
    alphabet = Alphabet.of(graphs)
    found = frequencies(alphabet, alphabet.encode(graphs))
    torch.testing.assert_close(found["nodes"], torch.tensor([3.5, 5.5], dtype=torch.float64) / 9)
    torch.testing.assert_close(found["edges"], torch.tensor([10.5, 3.5], dtype=torch.float64) / 14)


@pytest.mark.parametrize("noising", [Noising.MARGINAL, Noising.ABSORBING])
def test_kinds_of_independent_nodes_and_edges_have_their_log_probability(noising: Noising) -> None:
    """All graphs of two nodes; and samples of more nodes than the model was made for."""
    alphabet = Alphabet(("C", "N", "O"), (1, 2))
    shares = {
        "nodes": torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
        "edges": torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64),
    }
    model = graph_model(alphabet, 2, shares, Silent, noising).double()
    x = torch.tensor(list(product(range(3), repeat=3)))
    exact = (
        shares["nodes"][x[:, 0]].log()
        + shares["nodes"][x[:, 1]].log()
        + shares["edges"][x[:, 2]].log()
    )
    result = model.log_prob(Batch(x), Bound(512), seeded(0))
    error = result.nats - exact
    assert float((error / result.stderr).abs().max()) < 5
    assert float(error.mean().abs()) < 0.1
    bigger = resized(model, alphabet, 4)
    made = bigger.sample(
        Batch(torch.zeros(4000, 4 + count(4))), auto(8, bigger.process), generator=seeded(0)
    )
    kinds = torch.bincount(made[:, :4].flatten(), minlength=3) / 16_000
    torch.testing.assert_close(kinds.double(), shares["nodes"], atol=0.02, rtol=0)


def test_gaussian_noise_of_kinds_is_refused() -> None:
    shares = {"nodes": torch.ones(2) / 2, "edges": torch.ones(2) / 2}
    with pytest.raises(
        ValueError, match="Gaussian noise is for edges, and these nodes have kinds"
    ):
        graph_model(Alphabet(("C", "N")), 3, shares, Silent, Noising.GAUSSIAN)
