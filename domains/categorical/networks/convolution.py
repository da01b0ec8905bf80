"""Residual dilated convolutions over steps: text (one voice) and music (several).

Neighbours tell most about a letter or a note, and a convolution sees them at once: at equal time on a
CPU it reaches lower bounds than a transformer of its size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.embedding import LevelEmbedding

__all__ = ["Convolutions"]


class Convolutions(nn.Module):
    """States (B, T) of one voice, or (B, T, V); all voices share a step's features.

    Args:
        voices: V.
        states: codes that a cell may have, the mask among them.
        out: odds a cell.
        width: channels.
        layers: residual blocks.
        kernel: width of a convolution, in steps, odd.
        dilations: of the blocks in turn.
        dropout: inside the blocks.
    """

    def __init__(
        self,
        voices: int,
        states: int,
        out: int,
        width: int = 192,
        layers: int = 8,
        kernel: int = 5,
        dilations: tuple[int, ...] = (1, 2, 4, 8),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.offsets: Tensor
        self.register_buffer("offsets", torch.arange(voices) * states, persistent=False)
        self.codes = nn.Embedding(voices * states, width)
        self.level = LevelEmbedding(width)
        self.blocks = nn.ModuleList(
            Block(width, kernel, dilations[k % len(dilations)], dropout) for k in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, voices * out)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        steps = x.reshape(len(x), x.shape[1], -1).long()
        h = self.codes(steps + self.offsets)
        if batch.mask is not None:
            exists = batch.mask.expand_as(batch.x).reshape(steps.shape)
            h = h * exists[..., None]
        h = h.sum(2).transpose(1, 2)
        level = F.silu(self.level(log_snr))
        for block in self.blocks:
            h = block(h, level)
        out: Tensor = self.leave(self.norm(h.transpose(1, 2)))
        return out.reshape(*x.shape, -1)


class Block(nn.Module):
    """h + W gelu(film(conv(norm(h)))), film by the noise level."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        around = dilation * (kernel // 2)
        self.conv = nn.Conv1d(width, width, kernel, padding=around, dilation=dilation)
        self.film = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Conv1d(width, width, 1)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        scale, shift = self.film(level)[..., None].chunk(2, 1)
        inner = F.gelu(torch.addcmul(shift, self.conv(self.norm(h)), 1 + scale))
        out: Tensor = h + self.out(self.dropout(inner))
        return out
