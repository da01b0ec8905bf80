"""Some entries of a grid, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gathered"]


@dataclass(frozen=True, eq=False)
class Gathered:
    """The entries of a mask (B, T, C), in the grid's order, padded to the longest row.

    Attributes:
        index: where each is, t C + c, (B, L).
        exists: which of the L there are, (B, L).
        shape: (T, C).
    """

    index: Tensor
    exists: Tensor
    shape: tuple[int, int]

    @staticmethod
    def of(mask: Tensor) -> Gathered:
        """Those where a mask (B, T, C) is true."""
        flat = mask.flatten(1)
        count = flat.sum(1)
        most = int(count.max().clamp(min=1))  # a shape: it has to be known on the host
        index = flat.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
        exists = torch.arange(most, device=flat.device) < count[:, None]
        return Gathered(index, exists, (mask.shape[1], mask.shape[2]))

    def take(self, x: Tensor) -> Tensor:
        """Of features of all entries (B, T C, W), theirs: (B, L, W)."""
        return x.gather(1, self.index[..., None].expand(-1, -1, x.shape[-1]))

    def take_times(self, x: Tensor) -> Tensor:
        """Of features of times (B, T, W), theirs: (B, L, W)."""
        index = self.index // self.shape[1]
        return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))

    def put(self, x: Tensor) -> Tensor:
        """The inverse of `take`: (B, L, W) as (B, T C, W), zeros elsewhere."""
        x = torch.where(self.exists[..., None], x, 0.0)
        out = x.new_zeros(len(x), self.shape[0] * self.shape[1], x.shape[-1])
        return out.scatter_add(1, self.index[..., None].expand_as(x), x)
