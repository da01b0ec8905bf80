r"""The dense edge transformer: streams of nodes h_i, of pairs e_ij, and of the graph, g.

    g      <- g + MLP[g, mean h, mean e]
    h_i    <- h_i + sum_j softmax_j(q_i k_j + w e_ij) v_j + W mean_j e_ij,   h_i <- h_i + MLP[h_i]
    e_ij   <- e_ij + MLP[e_ij, (e' e'')_ij, h_i + h_j]

e' and e'' are masked linear maps of e, multiplied as N x N matrices channel by channel, over 1 / sqrt(n):
a pair hears of every third node. That is the step of the folkloric 2-Weisfeiler-Leman test (Maron et al.
2019), which tells graphs apart, and counts cycles, that message passing confuses. g sets scales and
shifts of all of it (FiLM).

A scale by g of a linear layer's input is folded into that layer's weights, and channels come first only
where N x N matrices are multiplied; products of matrices bring them there and back, not copies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.domains.graphs.networks.base import (
    Context,
    GraphNetwork,
    Noisy,
    leave,
    mean,
    symmetric,
)
from unnoise.domains.graphs.networks.features import Structure

__all__ = ["EdgeTransformer"]

_STRUCTURE = Structure()
_NEVER = -1e9  # a logit of what must not be attended to; finite, as a graph may have no nodes


class EdgeTransformer(GraphNetwork):
    """Nodes, pairs and a global vector; O(N^3) time and O(N^2) memory.

    Args:
        nodes: features F seen of a node.
        edges: features C seen of a pair.
        node_out: outputs a node; may be 0.
        edge_out: outputs a pair.
        cond: width of the condition; 0: there is none.
        width: of h and g.
        pair_width: of e.
        layers: how many.
        head: width of an attention head.
        products: channels of e' and e''.
        dropout: inside the perceptrons of nodes and pairs.
        structure: features made of the adjacency.

    Raises:
        ValueError: if the width is no multiple of a head's.
    """

    def __init__(
        self,
        nodes: int,
        edges: int,
        node_out: int,
        edge_out: int,
        cond: int = 0,
        width: int = 64,
        pair_width: int = 32,
        layers: int = 4,
        head: int = 16,
        products: int = 16,
        dropout: float = 0.0,
        structure: Structure = _STRUCTURE,
    ) -> None:
        super().__init__()
        if width % head:
            raise ValueError(f"EdgeTransformer: width {width} is no multiple of head {head}")
        self.structure = structure
        self.context = Context(width, cond)
        self.enter_nodes = nn.Linear(nodes + structure.node_features, width)
        self.enter_pairs = nn.Linear(edges + structure.pair_features, pair_width)
        self.layers = nn.ModuleList(
            Layer(width, pair_width, width // head, products, dropout) for _ in range(layers)
        )
        self.node_norm = nn.LayerNorm(width) if node_out else nn.Identity()
        self.pair_norm = nn.LayerNorm(pair_width)
        self.leave_nodes = leave(width + pair_width, node_out)
        self.leave_pairs = leave(pair_width, edge_out)

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        noisy = noisy.masked()
        nodes, wires = self.structure(noisy)
        g = self.context(noisy, log_snr, cond)
        h = self.enter_nodes(torch.cat([noisy.nodes, nodes], -1))
        e = self.enter_pairs(torch.cat([noisy.edges, wires], -1))
        among = Among(noisy)
        for layer in self.layers:
            h, e, g = layer(h, e, g, among)
        e = self.pair_norm(e)
        both = torch.cat([self.node_norm(h), among.neighbours(e)], -1)
        out = self.leave_nodes(both) * noisy.exists[..., None]
        return out, symmetric(self.leave_pairs(e), noisy.pairs)


class Among:
    """Masks of a batch of graphs, made once."""

    def __init__(self, noisy: Noisy) -> None:
        self.exists = noisy.exists
        self.keys = noisy.exists[:, None, None]  # to logits (B, heads, N, N)
        n = noisy.exists.sum(1).clamp(min=1).to(noisy.adjacency.dtype)[:, None, None, None]
        pairs = noisy.pairs[:, None].to(noisy.adjacency.dtype)
        self.product = pairs * n**-0.25  # of both factors: 1 / sqrt(n) of the product
        self.row = pairs.movedim(1, 2) / n  # (B, N, 1, N)

    def neighbours(self, e: Tensor) -> Tensor:
        """Means over j of e_ij (B, N, N, D), over n: (B, N, D)."""
        return (self.row.to(e.dtype) @ e).squeeze(2)


class Layer(nn.Module):
    """One update of g, h and e, in this order."""

    def __init__(
        self, width: int, pair_width: int, heads: int, products: int, dropout: float
    ) -> None:
        super().__init__()
        hidden = 2 * pair_width
        self.heads, self.products = heads, products
        self.node_norm, self.feed_norm, self.turn_norm = (nn.LayerNorm(width) for _ in range(3))
        self.pair_norm = nn.LayerNorm(pair_width)
        self.world = nn.Sequential(
            nn.Linear(2 * width + pair_width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.shapes = [width] * 4 + [pair_width, heads + 2 * products, hidden, pair_width]
        self.film = nn.Linear(width, sum(self.shapes))
        self.qkv = nn.Linear(width, 3 * width)
        self.heard = nn.Linear(width + pair_width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.split = nn.Linear(pair_width, heads + 2 * products, bias=False)
        self.enter = nn.Linear(pair_width, hidden, bias=False)
        self.triangle = nn.Linear(products, hidden, bias=False)
        self.ends = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.back = nn.Linear(hidden, pair_width, bias=False)

    def forward(
        self, h: Tensor, e: Tensor, g: Tensor, among: Among
    ) -> tuple[Tensor, Tensor, Tensor]:
        n = h.shape[1]
        z, y = self.pair_norm(e), self.node_norm(h)
        near = among.neighbours(z)
        middle = mean(torch.cat([y, near], -1), among.exists)
        g = g + self.world(torch.cat([g, middle.to(g.dtype)], -1))
        a, s, a2, s2, scale, shift, bias, gate = self.film(F.silu(g)).split(self.shapes, 1)

        flat = z.flatten(1, 2)
        split = torch.baddbmm(
            shift[..., None], _scaled(self.split.weight, scale), flat.transpose(1, 2)
        ).unflatten(2, (n, n))
        logits, factors = split.split([self.heads, 2 * self.products], 1)
        mixed = self._attend(torch.addcmul(a[:, None], y, 1 + s[:, None]), logits, among)
        h = h + self.heard(torch.cat([mixed, near.to(mixed.dtype)], -1))
        h = h + self.feed(torch.addcmul(a2[:, None], self.feed_norm(h), 1 + s2[:, None]))

        left, right = (factors * among.product.to(factors.dtype)).chunk(2, 1)
        third = (left @ right).flatten(2).transpose(1, 2)
        ends = self.ends(self.turn_norm(h))
        ends = (ends[:, :, None] + (ends + bias[:, None])[:, None]).flatten(1, 2)
        inner = torch.baddbmm(ends, flat, _scaled(self.enter.weight, scale).transpose(1, 2))
        inner += third @ self.triangle.weight.t()  # in place: memory is what a step waits for
        inner = self.dropout(F.silu(inner))
        turned = torch.bmm(inner, _gated(self.back.weight, gate).transpose(1, 2))
        return h, e + turned.unflatten(1, (n, n)), g

    def _attend(self, y: Tensor, bias: Tensor, among: Among) -> Tensor:
        q, k, v = self.qkv(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        logits = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
        weights = torch.where(among.keys, logits, _NEVER).softmax(-1)
        out: Tensor = (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)
        return out


def _scaled(weight: Tensor, scale: Tensor) -> Tensor:
    """Weights (out, in) of inputs times 1 + scale (B, in): (B, out, in)."""
    return weight * (1 + scale)[:, None]


def _gated(weight: Tensor, gate: Tensor) -> Tensor:
    """Weights (out, in) of outputs times 1 + gate (B, out): (B, out, in)."""
    return weight * (1 + gate)[:, :, None]
