"""What every graph network promises: equivariance, masks, symmetric hollow answers, and using it all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.random import normal, seeded, uniform
from unnoise.domains.graphs.networks import (
    PGSN,
    EdgeTransformer,
    GraphNetwork,
    Noisy,
    SparseNetwork,
    Structure,
)

F, C, NODE_OUT, EDGE_OUT, COND, N = 2, 3, 4, 2, 3, 12
SIZES = (12, 7, 2, 9)
Maker = Callable[..., GraphNetwork]
MAKERS: dict[str, Maker] = {
    "edge": lambda *a, **k: EdgeTransformer(*a, width=32, pair_width=16, layers=3, **k),
    "PGSN": lambda *a, **k: PGSN(*a, width=32, layers=3, heads=4, dropout=0.0, **k),
    "sparse": lambda *a, **k: SparseNetwork(*a, width=32, layers=3, rank=8, **k),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def stirred(
    make: Maker, nodes: int = F, node_out: int = NODE_OUT, cond: int = COND
) -> GraphNetwork:
    """No weight is zero, so that everything that can matter does."""
    torch.manual_seed(0)
    net = make(nodes, C, node_out, EDGE_OUT, cond=cond)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return net.eval()


def mirrored(x: Tensor) -> Tensor:
    upper = x * torch.ones(x.shape[1:3]).triu(1)[..., None]
    return upper + upper.transpose(1, 2)


def graphs(dtype: torch.dtype = torch.float32, nodes: int = F) -> Noisy:
    """Beliefs in some graphs, edges in others, of different sizes, with zeros at padding."""
    like, draw = torch.empty(0, dtype=dtype), seeded(0)
    shape = (len(SIZES), N, N, 1)
    likely = (uniform(shape, like, draw) < 0.35).to(dtype)
    soft = 0.7 * likely + 0.3 * uniform(shape, like, draw)
    adjacency = mirrored(torch.cat([likely[:2], soft[2:]]))[..., 0]
    edges = mirrored(normal(torch.empty(*shape[:3], C, dtype=dtype), draw))
    own = normal(torch.empty(*shape[:2], nodes, dtype=dtype), draw)
    exists = torch.arange(N) < torch.tensor(SIZES)[:, None]
    return Noisy(own, edges, adjacency, exists).masked()


def level(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor([-6.0, 0.0, 2.0, 8.0], dtype=dtype)


def told(dtype: torch.dtype = torch.float32) -> Tensor:
    return normal(torch.empty(len(SIZES), COND, dtype=dtype), seeded(5))


def ask(net: GraphNetwork, noisy: Noisy) -> tuple[Tensor, Tensor]:
    dtype = noisy.adjacency.dtype
    out: tuple[Tensor, Tensor] = net(noisy, level(dtype), told(dtype))
    return out


def relabelled(noisy: Noisy, order: Tensor) -> Noisy:
    edges, adjacency = (x[:, order][:, :, order] for x in (noisy.edges, noisy.adjacency))
    return Noisy(noisy.nodes[:, order], edges, adjacency, noisy.exists[:, order])


def rows(noisy: Noisy, row: int, n: int) -> Noisy:
    one = slice(row, row + 1)
    return Noisy(
        noisy.nodes[one, :n],
        noisy.edges[one, :n, :n],
        noisy.adjacency[one, :n, :n],
        noisy.exists[one, :n],
    )


def distance(found: Tensor, expected: Tensor) -> float:
    """The largest difference, in units of the largest value."""
    with torch.no_grad():
        return float((found - expected).abs().max() / expected.abs().max())


@every
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_relabelled_graphs_have_relabelled_answers(
    make: Maker, dtype: torch.dtype, bound: float
) -> None:
    net, noisy = stirred(make).to(dtype), graphs(dtype)
    nodes, edges = ask(net, noisy)
    for seed in range(5):
        order = torch.randperm(N, generator=seeded(seed))
        nodes2, edges2 = ask(net, relabelled(noisy, order))
        assert distance(nodes2, nodes[:, order]) < bound
        assert distance(edges2, edges[:, order][:, :, order]) < bound


@every
def test_what_stands_at_padding_and_on_the_diagonal_changes_nothing(make: Maker) -> None:
    net, noisy = stirred(make), graphs()
    out = ~noisy.exists[..., None], ~noisy.pairs
    for rubbish in (0.7, -1e3, torch.inf, torch.nan):
        dirty = Noisy(
            noisy.nodes.masked_fill(out[0], rubbish),
            noisy.edges.masked_fill(out[1][..., None], rubbish),
            noisy.adjacency.masked_fill(out[1], rubbish),
            noisy.exists,
        )
        for clean, got in zip(ask(net, noisy), ask(net, dirty), strict=True):
            assert (clean == got).all()


@every
def test_answers_are_symmetric_hollow_and_zero_at_padding(make: Maker) -> None:
    noisy = graphs()
    nodes, edges = ask(stirred(make), noisy)
    assert (edges == edges.transpose(1, 2)).all()
    assert (edges[~noisy.pairs] == 0).all()
    assert (nodes[~noisy.exists] == 0).all()
    assert (edges[noisy.pairs] != 0).all()
    assert (nodes[noisy.exists] != 0).all()


@every
def test_neither_batch_mates_nor_the_amount_of_padding_matter(make: Maker) -> None:
    net, noisy = stirred(make).double(), graphs(torch.float64)
    nodes, edges = ask(net, noisy)
    for row, n in enumerate(SIZES):
        own = slice(row, row + 1)
        alone = net(rows(noisy, row, n), level(torch.float64)[own], told(torch.float64)[own])
        torch.testing.assert_close(alone[0], nodes[own, :n], rtol=0, atol=1e-12)
        torch.testing.assert_close(alone[1], edges[own, :n, :n], rtol=0, atol=1e-12)


@every
def test_graphs_of_one_node_and_of_none_are_no_trouble(make: Maker) -> None:
    noisy = graphs()
    exists = torch.arange(N) < torch.tensor([12, 0, 1, 9])[:, None]
    few = replace(noisy, exists=exists)
    net = stirred(make)
    nodes, edges = ask(net, few)
    assert (edges[1:3] == 0).all()
    assert (nodes[1] == 0).all()
    assert (nodes[2, 0] != 0).all() and nodes[2, 0].isfinite().all()
    torch.testing.assert_close(edges[0], ask(net, noisy)[1][0], rtol=1e-4, atol=1e-4)


@every
def test_an_untrained_network_answers_zero(make: Maker) -> None:
    net = make(F, C, NODE_OUT, EDGE_OUT, cond=COND)
    for out in ask(net, graphs()):
        assert (out == 0).all()


@every
@pytest.mark.parametrize(
    ("nodes", "node_out", "cond"), [(F, NODE_OUT, COND), (0, 0, 0)], ids=["all", "edges alone"]
)
def test_the_gradient_reaches_every_parameter(
    make: Maker, nodes: int, node_out: int, cond: int
) -> None:
    net = stirred(make, nodes, node_out, cond)
    outs = net(graphs(nodes=nodes), level(), told() if cond else None)
    assert outs[0].shape[-1] == node_out
    torch.autograd.backward(sum(out.square().sum() for out in outs))
    missing = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not missing


@every
def test_every_input_matters(make: Maker) -> None:
    net, noisy = stirred(make), graphs()
    before = ask(net, noisy)

    def changed(out: tuple[Tensor, Tensor]) -> bool:
        return all(
            (now != then).flatten(1).any(1).all() for now, then in zip(out, before, strict=True)
        )

    for k in range(F):
        nodes = noisy.nodes.clone()
        nodes[..., k] += 0.5
        assert changed(ask(net, replace(noisy, nodes=nodes))), f"node feature {k}"
    for k in range(C):
        edges = noisy.edges.clone()
        edges[..., k] += 0.5
        assert changed(ask(net, replace(noisy, edges=edges))), f"edge feature {k}"
    assert changed(net(noisy, level() + 1, told()))
    for k in range(COND):
        cond = told()
        cond[:, k] += 1
        assert changed(net(noisy, level(), cond)), f"condition {k}"


class Nudged:
    """Structure with one feature of nodes or pairs half more."""

    def __init__(
        self, structure: Callable[[Noisy], tuple[Tensor, ...]], part: int, column: int
    ) -> None:
        self.structure, self.part, self.column = structure, part, column

    def __call__(self, noisy: Noisy) -> tuple[Tensor, ...]:
        parts = [part.clone() for part in self.structure(noisy)]
        parts[self.part][..., self.column] += 0.5
        return tuple(parts)


@every
def test_every_structural_feature_matters(make: Maker) -> None:
    net: Any = stirred(make)
    noisy = graphs()
    name = "_structure" if isinstance(net, PGSN) else "structure"
    structure = getattr(net, name)
    before = ask(net, noisy)
    for part, features in enumerate(structure(noisy)):
        for column in range(features.shape[-1]):
            setattr(net, name, Nudged(structure, part, column))
            for now, then in zip(ask(net, noisy), before, strict=True):
                assert (now[:2] != then[:2]).flatten(1).any(1).all(), f"part {part}, {column}"


@every
def test_an_infinite_log_snr_is_that_of_the_furthest_level(make: Maker) -> None:
    net, noisy = stirred(make), graphs()
    for one, two in ((torch.inf, 14.0), (-torch.inf, -14.0)):
        a, b = (net(noisy, torch.full((len(SIZES),), v), told()) for v in (one, two))
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


@every
def test_a_condition_that_is_missing_or_unknown_is_an_error(make: Maker) -> None:
    with pytest.raises(ValueError, match="a condition is missing; .* built with one"):
        stirred(make)(graphs(), level(), None)
    with pytest.raises(ValueError, match="a condition is given; .* built without one"):
        stirred(make, cond=0)(graphs(), level(), told())


@pytest.mark.parametrize("field", ["nodes", "edges", "adjacency"])
def test_parts_of_different_sizes_are_an_error(field: str) -> None:
    noisy = graphs()
    part: Tensor = getattr(noisy, field)
    with pytest.raises(ValueError, match=f"Noisy: {field} is of .* pad all alike"):
        replace(noisy, **{field: part[:, 1:]})


def test_widths_that_heads_do_not_divide_are_an_error() -> None:
    with pytest.raises(ValueError, match="width 30 is no multiple of head 16"):
        EdgeTransformer(F, C, 0, 1, width=30)
    with pytest.raises(ValueError, match="width 30 must be even and a multiple of 8 heads"):
        PGSN(F, C, 0, 1, width=30)


def test_products_over_the_third_node_tell_graphs_apart_that_messages_confuse() -> None:
    """A ring of six and two triangles, when structural features are off."""
    net: Any = stirred(MAKERS["edge"], 0, NODE_OUT, 0).double()
    net.structure = lambda noisy: tuple(0 * part for part in Structure()(noisy))
    i = torch.arange(6)
    ring = torch.zeros(2, 6, 6, dtype=torch.float64)
    ring[0, i, (i + 1) % 6] = ring[1, i, i - i % 3 + (i + 1) % 3] = 1
    a = ring + ring.transpose(1, 2)
    exists = torch.ones(2, 6, dtype=torch.bool)
    noisy = Noisy(a.new_zeros(2, 6, 0), a[..., None].expand(-1, -1, -1, C), a, exists)

    def answers() -> Tensor:
        nodes, edges = net(noisy, a.new_zeros(2))
        return torch.cat([nodes.sum(1), edges.sum((1, 2))], -1).detach()

    assert distance(*answers()) > 1e-3
    for layer in net.layers:
        nn.init.zeros_(layer.triangle.weight)
    assert distance(*answers()) < 1e-12


def test_networks_are_modules_that_save_no_buffers() -> None:
    """Parameters don't depend on the number of nodes."""
    for make in MAKERS.values():
        net: nn.Module = make(F, C, NODE_OUT, EDGE_OUT, cond=COND)
        assert len(net.state_dict()) == len(list(net.parameters()))
