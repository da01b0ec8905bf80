r"""PGSN, the network of GraphGDP (Huang et al. 2022), as a message-passing network on PyG.

Attention between the ends of the edges whose weight is over a threshold, with streams of nodes h, of
their positions p, and of pairs e:

    logits_ij  = q_i k_j * W0 e_ij / sqrt(d),  q, k, v from [h, p]       a neighbour j of i
    m_ij       = softmax_j(logits) v_j * W1 e_ij
    h_i       <- norm(norm((h_i + sum_j m_ij) / sqrt 2) + MLP)
    p_i       <- p_i + tanh(p_i + mean_j p_j * W m_ij)
    e_ij      <- (e_ij + silu(W (h_i + h_j))) / sqrt 2

Nodes start from their degree and from returns of random walks, pairs from what is seen of them and from
the shortest path. Unlike in the published code that path is a shortest path (there it was one of no
bipartite graph), no node is its own neighbour, padding is masked everywhere, the degree is a soft
one-hot, continuous in the weights, and nodes have outputs too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from unnoise.domains.graphs.networks.base import (
    Context,
    GraphNetwork,
    Noisy,
    leave,
    symmetric,
)
from unnoise.domains.graphs.networks.features import distances, powers, returns, walk

__all__ = ["PGSN"]


class PGSN(GraphNetwork):
    """Attention over neighbours, and a perceptron of pairs; O(N^2) memory of its width.

    Args:
        nodes: features F seen of a node.
        edges: features C seen of a pair.
        node_out: outputs a node; may be 0.
        edge_out: outputs a pair.
        cond: width of the condition; 0: there is none.
        width: of every stream but positions, which are half as wide; even.
        layers: how many.
        heads: of the attention; they divide the width.
        steps: longest random walk.
        furthest: distances are told apart up to this many edges.
        degrees: classes of degrees; the last is "so many or more".
        threshold: weights up to this one carry no messages.
        dropout: after attention and inside the perceptrons.

    Raises:
        ValueError: if the width is odd or no multiple of the heads.
    """

    def __init__(
        self,
        nodes: int,
        edges: int,
        node_out: int,
        edge_out: int,
        cond: int = 0,
        width: int = 48,
        layers: int = 3,
        heads: int = 8,
        steps: int = 16,
        furthest: int = 8,
        degrees: int = 16,
        threshold: float = 0.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % 2 or width % heads:
            raise ValueError(f"PGSN: width {width} must be even and a multiple of {heads} heads")
        self.steps, self.furthest, self.degrees = steps, furthest, degrees
        self.threshold, half = threshold, width // 2
        self.context = Context(4 * width, cond)
        self.enter_nodes = nn.Linear(degrees + nodes, width)
        self.enter_places = nn.Linear(steps - 1, half)
        self.enter_pairs = nn.Linear(edges, half)
        self.enter_paths = nn.Linear(furthest + 1, width - half)
        self.told = nn.Linear(4 * width, 2 * width + half)
        self.layers = nn.ModuleList(
            Layer(width, half, heads, dropout, moves=k < layers - 1) for k in range(layers)
        )
        self.leave_nodes = leave(width + half, node_out)
        self.leave_pairs = nn.Sequential(
            nn.Linear(2 * width, width),
            nn.SiLU(),
            nn.Linear(width, half),
            nn.SiLU(),
            leave(half, edge_out),
        )

    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        noisy = noisy.masked()
        b, n = noisy.exists.shape
        where = (noisy.adjacency > self.threshold).nonzero(as_tuple=True)
        degree, back, path = self._structure(noisy)
        told = self.told(F.silu(self.context(noisy, log_snr, cond)))
        width = self.enter_nodes.out_features
        of_h, of_p, of_e = told[:, None].split([width, told.shape[1] - 2 * width, width], -1)
        h = self.enter_nodes(torch.cat([degree, noisy.nodes], -1)) + of_h
        p = self.enter_places(back) + of_p
        seen = torch.cat([self.enter_pairs(noisy.edges), self.enter_paths(path)], -1)
        first = e = seen + of_e[:, None]

        h, p = h.flatten(0, 1), p.flatten(0, 1)
        for layer in self.layers:
            h, p, e = layer(h, p, e, where)
        nodes = self.leave_nodes(torch.cat([h, p], -1)).unflatten(0, (b, n))
        pairs = self.leave_pairs(torch.cat([first, e], -1))
        return nodes * noisy.exists[..., None], symmetric(pairs, noisy.pairs)

    def _structure(self, noisy: Noisy) -> tuple[Tensor, Tensor, Tensor]:
        """Degrees, returns, and distances as classes: all of the likely edges but degrees."""
        a = noisy.adjacency
        with torch.autocast(a.device.type, enabled=False):
            likely = a > 0.5
            classes = torch.arange(self.degrees, device=a.device)
            degree = a.sum(-1, keepdim=True).clamp(max=self.degrees - 1)
            soft = (1 - (degree - classes).abs()).clamp(min=0)
            walks = powers(walk(likely.to(a.dtype)), (self.steps + 1) // 2)
            far = distances(likely, self.furthest)[..., None]
            paths = far == torch.arange(1, self.furthest + 2, device=a.device)
            return soft, returns(walks, self.steps), paths.to(a.dtype)


class Layer(MessagePassing):  # type: ignore[misc]
    """Attention of nodes to neighbours; `moves`: whether it updates positions too, else they stay."""

    def __init__(self, width: int, half: int, heads: int, dropout: float, moves: bool) -> None:
        super().__init__(aggr="sum", node_dim=0)
        self.heads = heads
        self.qkv = nn.Linear(width + half, 3 * width)
        self.gates = nn.Linear(width, 2 * width, bias=False)
        self.norms = nn.ModuleList(nn.GroupNorm(min(width // 4, 32), width) for _ in range(2))
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )
        self.move = nn.Linear(width, half, bias=False) if moves else None
        self.turn = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, h: Tensor, p: Tensor, e: Tensor, where: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """h (B N, width), p (B N, half), e (B, N, N, width); `where` (graph, i, j) is an edge."""
        graph, i, j = where
        n = e.shape[1]
        index = torch.stack([graph * n + j, graph * n + i])  # PyG's order: from j to i
        q, k, v = self.qkv(torch.cat([h, p], -1)).chunk(3, -1)
        gates = self.gates(e[graph, i, j])
        heard, moved = self.propagate(index, q=q, k=k, v=v, p=p, e=gates, size=None)
        h = self.norms[0]((h + self.dropout(heard)) * 0.5**0.5)
        h = self.norms[1]((h + self.dropout(self.feed(h))) * 0.5**0.5)
        p = p if self.move is None else p + torch.tanh(p + moved)
        one, other = (F.linear(h, self.turn.weight, c) for c in (self.turn.bias, None))
        both = one.unflatten(0, (-1, n, 1)) + other.unflatten(0, (-1, 1, n))
        return h, p, (e + self.dropout(F.silu(both))) * 0.5**0.5

    def message(
        self,
        q_i: Tensor,
        k_j: Tensor,
        v_j: Tensor,
        p_j: Tensor,
        e: Tensor,
        index: Tensor,
        size_i: int,
    ) -> tuple[Tensor, Tensor | None]:
        logit_gate, gate = e.chunk(2, -1)
        logits = (q_i * k_j * logit_gate).unflatten(-1, (self.heads, -1))
        logits = logits.sum(-1) * logits.shape[-1] ** -0.5
        share = softmax(logits, index, num_nodes=size_i)
        parts = (v_j * gate).unflatten(-1, (self.heads, -1))
        m = (self.dropout(share)[..., None] * parts).flatten(-2)
        return m, None if self.move is None else p_j * self.move(m)

    def aggregate(
        self, inputs: tuple[Tensor, Tensor | None], index: Tensor, dim_size: int
    ) -> tuple[Tensor, Tensor | None]:
        m, moves = inputs
        heard = m.new_zeros(dim_size, m.shape[1]).index_add(0, index, m)
        if moves is None:
            return heard, None
        count = m.new_zeros(dim_size).index_add(0, index, torch.ones_like(m[:, 0])).clamp(min=1)
        moved = moves.new_zeros(dim_size, moves.shape[1]).index_add(0, index, moves)
        return heard, moved / count[:, None]
