r"""Graphs of hundreds of nodes: messages along the edges that are there, and pairs of low rank.

    g        <- g + MLP[g, mean h]
    m_ij      = silu(W h_i + W' h_j + W'' e_ij),  e_ij <- e_ij + W m_ij          along likely edges, A > 1/2
    h_i      <- h_i + W [sum_j m_ij / sqrt(1 + d_i), S h, S S h],  h_i <- h_i + MLP[h_i]

S is the normalised adjacency with all of its weights, so what is not yet an edge carries messages too, by
a product of matrices. Pairs have no stream, only an answer, which no activation of N^2 D precedes:

    F_ij  = a_i diag(w_g) a_j + f_ij u_i + c_i, and W e_ij along likely edges; symmetrised

with a, c, u linear in h, and f the features of `Structure` and what is seen of the pair. An edge's message
is O(D), an answer O(N^2 (rank + |f|)); a product of N x N matrices costs N^3, but has no width.
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
from unnoise.domains.graphs.networks.features import Structure, walk

__all__ = ["SparseNetwork"]

_STRUCTURE = Structure()


class SparseNetwork(GraphNetwork):
    """Streams of nodes and of likely edges; pairs by inner products.

    Args:
        nodes: features F seen of a node.
        edges: features C seen of a pair.
        node_out: outputs a node; may be 0.
        edge_out: outputs a pair.
        cond: width of the condition; 0: there is none.
        width: of all streams.
        layers: how many.
        rank: of a pair's answer, for each output.
        threshold: a weight above it is an edge that carries messages of its own.
        dropout: inside the perceptrons.
        structure: features made of the adjacency.
    """

    def __init__(
        self,
        nodes: int,
        edges: int,
        node_out: int,
        edge_out: int,
        cond: int = 0,
        width: int = 64,
        layers: int = 4,
        rank: int = 32,
        threshold: float = 0.5,
        dropout: float = 0.0,
        structure: Structure = _STRUCTURE,
    ) -> None:
        super().__init__()
        self.structure, self.threshold, self.edge_out = structure, threshold, edge_out
        seen = edges + structure.pair_features
        self.context = Context(width, cond)
        self.enter_nodes = nn.Linear(nodes + edges + structure.node_features, width)
        self.enter_edges = nn.Linear(seen, width)
        self.layers = nn.ModuleList(Layer(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.edge_norm = nn.LayerNorm(width)
        self.factors = nn.Linear(width, rank)
        self.leave_nodes = leave(width, node_out)
        self.leave_ranks = leave(width, edge_out * rank)
        self.leave_pairs = leave(width, edge_out * (seen + 1))
        self.leave_edges = leave(width, edge_out)

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        noisy = noisy.masked()
        where = (noisy.adjacency > self.threshold).nonzero(as_tuple=True)
        ways = Ways(walk(noisy.adjacency), where, noisy.exists)
        nodes, wires = self.structure(noisy)
        seen = torch.cat([noisy.edges, wires], -1)
        g = self.context(noisy, log_snr, cond)
        around = mean(noisy.edges.transpose(1, 2), noisy.exists)
        h = self.enter_nodes(torch.cat([noisy.nodes, around, nodes], -1))
        e = self.enter_edges(seen[where])
        for layer in self.layers:
            h, e, g = layer(h, e, g, ways)
        h = self.norm(h)
        pairs = self._pairs(h, g, seen).index_put(
            where, self.leave_edges(self.edge_norm(e)), accumulate=True
        )
        return self.leave_nodes(h) * noisy.exists[..., None], symmetric(pairs, noisy.pairs)

    def _pairs(self, h: Tensor, g: Tensor, seen: Tensor) -> Tensor:
        """a_i diag(w_g) a_j + f_ij u_i + c_i, (B, N, N, outputs)."""
        a = self.factors(h)
        w = self.leave_ranks(F.silu(g)).unflatten(1, (self.edge_out, -1))
        ranks = (a[:, None] * w[:, :, None]) @ a[:, None].transpose(-1, -2)
        u = self.leave_pairs(h).unflatten(-1, (self.edge_out, -1))
        own = u[..., :-1] @ seen.to(u.dtype).transpose(-1, -2) + u[..., -1:]
        out: Tensor = ranks.movedim(1, 3) + own.transpose(2, 3)
        return out


class Ways:
    """Along what messages go: S (B, N, N), edges (graph, i, j), and which nodes exist (B, N)."""

    def __init__(self, s: Tensor, where: tuple[Tensor, ...], exists: Tensor) -> None:
        graph, i, j = where
        self.s, self.exists = s, exists
        self.i, self.j = graph * s.shape[1] + i, graph * s.shape[1] + j
        degree = s.new_zeros(exists.numel()).index_add(0, self.i, s.new_ones(len(graph)))
        self.share = (1 + degree).rsqrt()[:, None]

    def heard(self, m: Tensor) -> Tensor:
        """sum_j m_ij / sqrt(1 + d_i) of messages (E, D), (B, N, D)."""
        total = m.new_zeros(self.exists.numel(), m.shape[1]).index_add(0, self.i, m)
        out: Tensor = (total * self.share).unflatten(0, self.exists.shape)
        return out


class Layer(nn.Module):
    """One update of g, e and h, in this order."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.feed_norm, self.edge_norm = (nn.LayerNorm(width) for _ in range(3))
        self.world = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))
        self.film = nn.Linear(width, 4 * width)
        self.ends = nn.Linear(width, 2 * width)
        self.along = nn.Linear(width, width, bias=False)
        self.back = nn.Linear(width, width)
        self.hear = nn.Linear(3 * width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(
        self, h: Tensor, e: Tensor, g: Tensor, ways: Ways
    ) -> tuple[Tensor, Tensor, Tensor]:
        y = self.norm(h)
        g = g + self.world(torch.cat([g, mean(y, ways.exists).to(g.dtype)], -1))
        a, s, a2, s2 = self.film(F.silu(g))[:, None].chunk(4, -1)
        y = torch.addcmul(a, y, 1 + s)
        one, other = self.ends(y).flatten(0, 1).chunk(2, -1)
        m = F.silu(one[ways.i] + other[ways.j] + self.along(self.edge_norm(e)))
        e = e + self.back(m)
        near = ways.s.to(y.dtype) @ y
        far = ways.s.to(near.dtype) @ near
        h = h + self.hear(torch.cat([ways.heard(m).to(near.dtype), near, far], -1))
        h = h + self.feed(torch.addcmul(a2, self.feed_norm(h), 1 + s2))
        return h, e, g
