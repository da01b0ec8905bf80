"""A hollow transformer (SDDM, Sun et al. 2023): the output for a column never sees that column.

    left    l_d from level, x_1 ... x_{d-1}      a causal stack
    right   r_d from x_{d+1} ... x_D, level      a causal stack on the reversed columns
    out_d   a residual perceptron of (l_d, r_d), modulated by the level

So d out_d / d x_d = 0 exactly, and what it says is p(. | the other columns) in form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.embedding import LevelEmbedding
from unnoise.domains.categorical.networks.tokens import Tokens
from unnoise.domains.categorical.networks.transformer import Layer

__all__ = ["Hollow"]


class Hollow(nn.Module):
    """Two causal stacks and a readout; for the arguments see `Transformer`."""

    def __init__(
        self,
        columns: int,
        states: int,
        out: int,
        width: int = 128,
        layers: int = 3,
        head: int = 32,
        dropout: float = 0.0,
        own: bool = False,
    ) -> None:
        super().__init__()
        self.tokens = Tokens(columns, states, width, own)
        self.level = LevelEmbedding(width)
        self.left, self.right = (
            nn.ModuleList(Layer(width, head, dropout, causal=True) for _ in range(layers))
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(2 * width)
        self.film = nn.Linear(width, 4 * width)
        self.mix = nn.Linear(2 * width, 2 * width)
        self.back = nn.Linear(2 * width, 2 * width)
        self.asked = nn.Parameter(0.02 * torch.randn(columns, 2 * width))
        self.leave = nn.Linear(2 * width, out)
        for layer in (self.film, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        h = self.tokens(x)
        embedded = self.level(log_snr)
        level, start = F.silu(embedded), embedded[:, None]
        left = torch.cat([start, h[:, :-1]], 1)
        right = torch.cat([start, h[:, 1:].flip(1)], 1)
        for one, two in zip(self.left, self.right, strict=True):
            left, right = one(left, level), two(right, level)
        both = torch.cat([left, right.flip(1)], -1) + self.asked
        scale, shift = self.film(level)[:, None].chunk(2, -1)
        inner = torch.addcmul(shift, self.mix(self.norm(both)), 1 + scale)
        out: Tensor = self.leave(both + self.back(F.gelu(inner)))
        return out.reshape(*x.shape, -1)
