"""What a graph network is given and what it answers; what all of them share.

A network maps what is seen of nodes and pairs to features of nodes and pairs, and commutes with every
relabelling of the nodes. It is dense: graphs of different sizes are padded to one N, and what stands at
padding, or on the diagonal, neither matters nor appears.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unnoise.core.embedding import LevelEmbedding

__all__ = ["Context", "GraphNetwork", "Noisy", "leave", "mean", "symmetric"]


@dataclass(frozen=True, eq=False)
class Noisy:
    """A batch of noisy graphs.

    Args:
        nodes: what is seen of every node, (B, N, F); F may be 0.
        edges: what is seen of every pair, (B, N, N, C), symmetric.
        adjacency: how much of an edge is there, (B, N, N) in [0, 1], symmetric.
        exists: which nodes do, (B, N) booleans.

    Raises:
        ValueError: if the shapes don't agree.
    """

    nodes: Tensor
    edges: Tensor
    adjacency: Tensor
    exists: Tensor

    def __post_init__(self) -> None:
        b, n = self.exists.shape
        for name, shape, expected in (
            ("nodes", self.nodes.shape[:-1], (b, n)),
            ("edges", self.edges.shape[:-1], (b, n, n)),
            ("adjacency", self.adjacency.shape, (b, n, n)),
        ):
            if tuple(shape) != expected:
                raise ValueError(
                    f"Noisy: {name} is of {tuple(shape)} nodes where exists says {expected}; pad all alike"
                )

    @property
    def pairs(self) -> Tensor:
        """Where two different nodes exist, (B, N, N) booleans."""
        n = self.exists.shape[1]
        other = ~torch.eye(n, dtype=torch.bool, device=self.exists.device)
        return self.exists[:, :, None] & self.exists[:, None, :] & other

    def masked(self) -> Noisy:
        """The same graphs with zeros at padding and on the diagonal, whatever stood there."""
        pairs, zero = self.pairs, self.adjacency.new_zeros(())
        return Noisy(
            torch.where(self.exists[..., None], self.nodes, zero),
            torch.where(pairs[..., None], self.edges, zero),
            torch.where(pairs, self.adjacency, zero),
            self.exists,
        )


class GraphNetwork(nn.Module, ABC):
    """F(noisy, log_snr (B,), cond (B, width) or None) -> nodes (B, N, K), edges (B, N, N, K').

    Edges are symmetric with a zero diagonal, and both are zero at padding. An untrained network answers
    zero.
    """

    @abstractmethod
    def forward(
        self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None = None
    ) -> tuple[Tensor, Tensor]: ...


class Context(nn.Module):
    """What holds for a graph as a whole, (B, width): noise level, size, mean degree, condition.

    Args:
        width: features.
        cond: of the condition; 0: there is none.
    """

    def __init__(self, width: int, cond: int = 0) -> None:
        super().__init__()
        self.level = LevelEmbedding(width)
        self.size = nn.Linear(2, width)
        self.cond = nn.Linear(cond, width) if cond else None

    def forward(self, noisy: Noisy, log_snr: Tensor, cond: Tensor | None) -> Tensor:
        """Of masked graphs.

        Raises:
            ValueError: if a condition is given to a network that has none, or the other way round.
        """
        n = noisy.exists.sum(1).clamp(min=1).to(noisy.adjacency.dtype)
        degree = noisy.adjacency.sum((1, 2)) / n
        out: Tensor = self.level(log_snr) + self.size(
            torch.stack([n.log() / 4, degree.log1p() / 4], 1)
        )
        if (cond is None) != (self.cond is None):
            raise ValueError(
                f"graph network: a condition is {'missing' if cond is None else 'given'}; the network "
                f"was built {'with' if self.cond is not None else 'without'} one (argument cond)"
            )
        return out if self.cond is None else out + self.cond(cond)


def leave(width: int, out: int) -> nn.Module:
    """A last layer that starts at zero; it may have no outputs."""
    if not out:
        return _Nothing()
    layer = nn.Linear(width, out)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class _Nothing(nn.Module):
    """(..., width) -> (..., 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :0]


def mean(x: Tensor, exists: Tensor) -> Tensor:
    """Over the nodes that exist: (B, N, ...) and (B, N) -> (B, ...); 0 where none does."""
    weight = exists.to(x.dtype) / exists.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("bn,bn...->b...", weight, x)


def symmetric(x: Tensor, pairs: Tensor) -> Tensor:
    """(x_ij + x_ji) / 2 at pairs (B, N, N) of x (B, N, N, K), zero elsewhere."""
    return torch.where(pairs[..., None], 0.5 * (x + x.transpose(1, 2)), x.new_zeros(()))
