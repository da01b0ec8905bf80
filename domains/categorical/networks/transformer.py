"""A bidirectional transformer over columns: rotary and learned positions, adaptive norms by the
noise level (Peebles & Xie 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.embedding import LevelEmbedding
from unnoise.domains.categorical.networks.tokens import Tokens

__all__ = ["Attention", "Layer", "Transformer"]


class Transformer(nn.Module):
    """Columns that share one alphabet, or a table whose columns have their own.

    Args:
        columns: D.
        states: codes that a cell may have, the mask among them.
        out: odds a column.
        width: of the layers.
        layers: how many.
        head: width of an attention head.
        dropout: after attention and inside the feed-forward part.
        own: whether every column has embeddings of its own for its codes.
    """

    def __init__(
        self,
        columns: int,
        states: int,
        out: int,
        width: int = 256,
        layers: int = 4,
        head: int = 32,
        dropout: float = 0.0,
        own: bool = False,
    ) -> None:
        super().__init__()
        self.tokens = Tokens(columns, states, width, own)
        self.level = LevelEmbedding(width)
        self.layers = nn.ModuleList(Layer(width, head, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, out)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        h = self.tokens(x)
        level = F.silu(self.level(log_snr))
        exists = None
        if batch.mask is not None:
            exists = batch.mask.expand_as(batch.x).reshape(len(x), 1, 1, -1)
        for layer in self.layers:
            h = layer(h, level, exists)
        out: Tensor = self.leave(self.norm(h))
        return out.reshape(*x.shape, -1)


class Layer(nn.Module):
    """Attention and a feed-forward part, each modulated and gated by the noise level."""

    def __init__(self, width: int, head: int, dropout: float, causal: bool = False) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.attention = Attention(width, head, causal)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU("tanh"),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.modulate = nn.Linear(width, 6 * width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.modulate.weight)
        with torch.no_grad():  # gates open, no shift, no scale
            self.modulate.bias.copy_(torch.tensor([0.0, 0, 1, 0, 0, 1]).repeat_interleave(width))

    def forward(self, h: Tensor, level: Tensor, exists: Tensor | None = None) -> Tensor:
        a, b, c, d, e, f = self.modulate(level)[:, None].chunk(6, -1)
        inner = torch.addcmul(a, self.norms[0](h), 1 + b)
        h = torch.addcmul(h, c, self.dropout(self.attention(inner, exists)))
        inner = torch.addcmul(d, self.norms[1](h), 1 + e)
        return torch.addcmul(h, f, self.feed(inner))


class Attention(nn.Module):
    """Multi-head attention with rotary positions (Su et al. 2021)."""

    def __init__(self, width: int, head: int, causal: bool) -> None:
        super().__init__()
        if width % head or head % 2:
            raise ValueError(
                f"Attention: width {width} must be a multiple of an even head width, got {head}"
            )
        self.heads, self.causal = width // head, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.frequencies: Tensor
        self.register_buffer(
            "frequencies", 10_000 ** -(torch.arange(head // 2) / (head // 2)), persistent=False
        )

    def forward(self, h: Tensor, exists: Tensor | None) -> Tensor:
        n, d, width = h.shape
        q, k, v = (
            part.reshape(n, d, self.heads, -1).transpose(1, 2) for part in self.qkv(h).chunk(3, -1)
        )
        angle = torch.arange(d, device=h.device)[:, None] * self.frequencies
        turn = angle.cos(), angle.sin()
        mixed = F.scaled_dot_product_attention(
            _turned(q, turn), _turned(k, turn), v, exists, is_causal=self.causal
        )
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(n, d, width))
        return out


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Pairs of features rotated by angles (D, head / 2)."""
    cos, sin = (part.to(x.dtype) for part in turn)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
