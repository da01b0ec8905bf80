"""Pairs of nodes as a vector: the state of an undirected graph, in which each edge is counted once.

A graph of n nodes has n(n - 1)/2 pairs, in the order (1, 0), (2, 0), (2, 1), (3, 0), ...: those of the
first nodes come first, however many more there is room for. White noise on them is symmetric noise on
its adjacency matrix with a zero diagonal (`core.noise.Symmetric`), and jumps of pairs are jumps of
edges. So samples are symmetric and hollow by what they are, a likelihood counts an edge once, and what
the core knows of vectors holds for graphs: masks, parts, infilling.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["count", "dense", "nodes_of", "pair_mask", "pairs"]


def count(nodes: int) -> int:
    """Pairs of so many nodes."""
    return nodes * (nodes - 1) // 2


def nodes_of(length: int) -> int:
    """The nodes that have so many pairs.

    Raises:
        ValueError: if no number of nodes has.
    """
    nodes = (1 + math.isqrt(1 + 8 * length)) // 2
    if count(nodes) != length:
        raise ValueError(f"no graph has {length} pairs of nodes; nearest is {count(nodes)}")
    return nodes


def pairs(matrix: Tensor) -> Tensor:
    """The lower triangle of (B, N, N, ...) as (B, P, ...)."""
    n = matrix.shape[1]
    i, j = torch.tril_indices(n, n, -1, device=matrix.device)
    return matrix[:, i, j]


def dense(vector: Tensor) -> Tensor:
    """Pairs (B, P, ...) as symmetric matrices (B, N, N, ...) with a zero diagonal."""
    n = nodes_of(vector.shape[1])
    i, j = torch.tril_indices(n, n, -1, device=vector.device)
    out = vector.new_zeros(len(vector), n, n, *vector.shape[2:])
    out[:, i, j] = vector
    out[:, j, i] = vector
    return out


def pair_mask(exists: Tensor) -> Tensor:
    """Which pairs exist, (B, P), of the nodes that do, (B, N)."""
    return pairs(exists[:, :, None] & exists[:, None, :])
