r"""Noise on symmetric matrices with a zero diagonal, as the adjacency matrices of undirected graphs.

A pair of nodes is one number that is written twice. Its noise is drawn once, in the lower triangle,
and mirrored, so the density is that of the n(n - 1)/2 free entries: x_ij = x_ji ~ N(0, 1), i > j.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise.base import Noise

__all__ = ["Symmetric"]


class Symmetric(Noise):
    """C = I on the pairs of nodes: states (B, N, N), or (B, N, N, C) with C numbers a pair.

    A pair exists if both its entries are in the mask, which may be one of nodes, (B, N, 1) or
    (B, 1, N) for states (B, N, N). Whitened states live in the lower triangle; of a state only
    that triangle is read.

    Raises:
        ValueError: if states are not square matrices.
    """

    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        lower = self.whiten(z, batch)
        return lower + lower.transpose(1, 2)

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        return torch.where(self.pairs(batch), x, 0.0)

    def log_det(self, batch: Batch) -> Tensor:
        return batch.x.new_zeros(len(batch))

    def dims(self, batch: Batch) -> Tensor:
        return batch.replace(mask=self.pairs(batch)).dims()

    def pairs(self, batch: Batch) -> Tensor:
        """Where the free entries are: True in the lower triangle at pairs that exist, broadcasting
        to the state, one row a state."""
        shape = batch.x.shape
        if len(shape) < 3 or shape[1] != shape[2]:
            raise ValueError(
                f"Symmetric: a state must be a square matrix, (B, N, N) or (B, N, N, C), got {tuple(shape)}"
            )
        n, channels = shape[1], [1] * (len(shape) - 3)
        below = torch.ones(n, n, dtype=torch.bool, device=batch.x.device).tril(-1)
        below = below.reshape(1, n, n, *channels)
        if batch.mask is None:
            return below.expand(len(batch), *below.shape[1:])
        mask = batch.mask.bool()
        return below & mask & mask.transpose(1, 2)
