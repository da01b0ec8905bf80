"""Graph networks learn what a pair's own noise doesn't say; lower precision and compilers agree."""

from collections.abc import Callable

import networkx as nx
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unnoise.core.random import normal, seeded, uniform
from unnoise.domains.graphs.networks import (
    PGSN,
    EdgeTransformer,
    GraphNetwork,
    Noisy,
    SparseNetwork,
)

Maker = Callable[[], GraphNetwork]
MAKERS: dict[str, Maker] = {
    "edge": lambda: EdgeTransformer(0, 1, 0, 1, width=32, pair_width=16, layers=2),
    "PGSN": lambda: PGSN(0, 1, 0, 1, width=32, layers=2, heads=4, dropout=0.0),
    "sparse": lambda: SparseNetwork(0, 1, 0, 1, width=32, layers=2, rank=8),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
FLIPPED = 0.1  # of the pairs


def built(make: Maker) -> GraphNetwork:
    torch.manual_seed(0)
    return make()


def two_graphs() -> Tensor:
    """Two cliques of four, and the pairs between them: a graph and its complement."""
    cliques = nx.disjoint_union(nx.complete_graph(4), nx.complete_graph(4))
    both = [nx.to_numpy_array(g) for g in (cliques, nx.complement(cliques))]
    return torch.stack([torch.from_numpy(a).float() for a in both])


def flipped(clean: Tensor, draw: torch.Generator) -> Noisy:
    """With a tenth of the pairs turned over, as beliefs of .1 and .9."""
    turn = (uniform(tuple(clean.shape), clean, draw) < FLIPPED).float().triu(1)
    turn = turn + turn.transpose(1, 2)
    seen = (clean - turn).abs()
    exists = torch.ones(clean.shape[:2], dtype=torch.bool)
    belief = FLIPPED + (1 - 2 * FLIPPED) * seen
    return Noisy(clean.new_zeros(*clean.shape[:2], 0), seen[..., None], belief, exists).masked()


def logits(net: GraphNetwork, noisy: Noisy) -> Tensor:
    """Bayes: what the network says of the other pairs, and what the pair says itself."""
    _, edges = net(noisy, noisy.adjacency.new_zeros(len(noisy.exists)))
    own = torch.logit(noisy.adjacency.clamp(FLIPPED, 1 - FLIPPED))
    out: Tensor = edges[..., 0] + own
    return out


@pytest.mark.parametrize(
    ("name", "steps", "left"), [("edge", 60, 1 / 4), ("sparse", 150, 1 / 2), ("PGSN", 200, 2 / 3)]
)
def test_a_few_steps_teach_two_graphs_which_pairs_were_turned_over(
    name: str, steps: int, left: float
) -> None:
    """A pair's own belief is wrong for a tenth of them; the others tell most of these, and the network
    of pairs finds out by far the soonest."""
    draw, net = seeded(1), built(MAKERS[name])
    clean = two_graphs().repeat(8, 1, 1)
    inside = torch.ones(8, 8).triu(1).bool()
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(steps):
        found = logits(net, flipped(clean, draw))[:, inside]
        loss = F.binary_cross_entropy_with_logits(found, clean[:, inside])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    fresh = clean.repeat(8, 1, 1)
    with torch.no_grad():
        found = logits(net.eval(), flipped(fresh, seeded(2)))[:, inside] > 0
    wrong = (found != fresh[:, inside].bool()).double().mean().item()
    assert wrong < left * FLIPPED


def stirred_case(make: Maker) -> tuple[GraphNetwork, Noisy, Tensor]:
    net = built(make)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    noisy = flipped(two_graphs(), seeded(3))
    return net.eval(), noisy, normal(torch.empty(2), seeded(4))


@every
def test_half_precision_answers_nearly_the_same(make: Maker) -> None:
    net, noisy, level = stirred_case(make)
    _, exact = net(noisy, level)
    with torch.autocast("cpu", torch.bfloat16):
        _, half = net(noisy, level)
    error = (half.float() - exact).norm() / exact.norm()
    assert 0 < error < 0.05
    torch.autograd.backward(half.float().square().sum())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@every
def test_a_compiler_answers_the_same(make: Maker) -> None:
    net, noisy, level = stirred_case(make)
    _, eager = net(noisy, level)
    _, compiled = torch.compile(net, backend="aot_eager")(noisy, level)
    torch.testing.assert_close(compiled, eager)
