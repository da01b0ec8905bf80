"""Multi-layer perceptrons for tables: an embedding of every cell, summed; residual layers that are
told the noise level; a head a column.

The sum of embeddings is a linear layer on one-hot cells that never makes them one-hot, so a column
may have very many levels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.embedding import LevelEmbedding

__all__ = ["Cells", "Heads", "TableMLP", "Trunk"]

_LEVEL = 64  # features of the noise level: as many as a block has would double its cost


class Cells(nn.Module):
    """Codes (B, D) as the sum of an embedding of every cell, (B, width)."""

    def __init__(self, columns: int, states: int, width: int) -> None:
        super().__init__()
        self.offsets: Tensor
        self.register_buffer("offsets", torch.arange(columns) * states, persistent=False)
        self.weight = nn.Parameter(torch.randn(columns * states, width) * columns**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        index = x.long() + self.offsets
        if len(self.weight) > 4096:  # else a product with one-hot cells is the faster way
            bag: Tensor = F.embedding_bag(index, self.weight, mode="sum")
            return bag
        cells = torch.zeros(len(x), len(self.weight), dtype=self.weight.dtype, device=x.device)
        return cells.scatter_(1, index, 1.0) @ self.weight


class Heads(nn.Module):
    """(B, width) features as (B, D, out) odds."""

    def __init__(self, width: int, columns: int, out: int) -> None:
        super().__init__()
        self.shape = (columns, out)
        self.linear = nn.Linear(width, columns * out)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, h: Tensor) -> Tensor:
        odds: Tensor = self.linear(h).unflatten(-1, self.shape)
        return odds


class Trunk(nn.Module):
    """Residual layers h + W silu(film(W' norm(h))), film by the noise level."""

    def __init__(self, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.level = LevelEmbedding(_LEVEL)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks + 1))
        self.enter = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.film = nn.ModuleList(nn.Linear(_LEVEL, 2 * width) for _ in range(blocks))
        self.leave = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.dropout = nn.Dropout(dropout)
        for layer in [*self.leave, *self.film]:
            nn.init.zeros_(layer.weight)

    def forward(self, h: Tensor, log_snr: Tensor) -> Tensor:
        level = F.silu(self.level(log_snr))
        layers = zip(self.norms, self.enter, self.film, self.leave, strict=False)
        for norm, enter, film, leave in layers:
            scale, shift = film(level).chunk(2, -1)
            inner = F.silu(torch.addcmul(shift, enter(norm(h)), 1 + scale))
            h = h + leave(self.dropout(inner))
        out: Tensor = F.silu(self.norms[-1](h))
        return out


class TableMLP(nn.Module):
    """A table of codes.

    Args:
        columns: D.
        states: codes that a cell may have, the mask among them.
        out: odds a column.
        width: of the layers.
        blocks: residual blocks.
        dropout: inside them.
    """

    def __init__(
        self,
        columns: int,
        states: int,
        out: int,
        width: int = 512,
        blocks: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.cells = Cells(columns, states, width)
        self.trunk = Trunk(width, blocks, dropout)
        self.heads = Heads(width, columns, out)

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        flat = x.reshape(len(x), -1)
        out: Tensor = self.heads(self.trunk(self.cells(flat), log_snr))
        return out.reshape(*x.shape, -1)
