"""Codes as vectors: an embedding of the code and one of the place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Tokens"]


class Tokens(nn.Module):
    """Codes (B, D) as (B, D, width).

    Args:
        columns: D.
        states: codes that a cell may have.
        width: of a vector.
        own: whether every column has embeddings of its own for its codes.
    """

    def __init__(self, columns: int, states: int, width: int, own: bool) -> None:
        super().__init__()
        self.offsets: Tensor
        offsets = torch.arange(columns) * states if own else torch.zeros(columns).long()
        self.register_buffer("offsets", offsets, persistent=False)
        self.codes = nn.Embedding(states * (columns if own else 1), width)
        self.places = nn.Parameter(0.02 * torch.randn(columns, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.codes(x.reshape(len(x), -1).long() + self.offsets) + self.places
        return out
