r"""Parts of the networks: attention with rotary times, and feed-forward parts, told of the noise level.

A pair of features of a query at time s and of a key at t is turned by angles w s and w t, so their product
depends on w (t - s): shifting all times changes nothing, and gaps may have any length (Su et al. 2021, with
positions that are times). Wavelengths go from two units of time, the typical gap, to `longest`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Attention", "Feed", "Modulated", "Rotary", "turned"]

_NEVER = -1e9  # a logit of what must not be attended to; finite, as all of a row may be hidden
_SHORT = 512  # tokens whose weights may lie in memory


class Rotary(nn.Module):
    """Angles of times (..., T): cosines and sines (..., T, head / 2)."""

    def __init__(self, head: int, longest: float) -> None:
        super().__init__()
        lengths = torch.logspace(math.log10(2), math.log10(max(longest, 4.0)), head // 2)
        self.frequencies: Tensor
        self.register_buffer("frequencies", 2 * math.pi / lengths.double(), persistent=False)

    def forward(self, times: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        angle = (times - times[..., :1])[..., None] * self.frequencies.to(times)
        return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


class Attention(nn.Module):
    """Multi-head attention over the second to last dimension of (R, L, width).

    Raises:
        ValueError: if the width is no multiple of an even head width.
    """

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        if width % head or head % 2:
            raise ValueError(
                f"Attention: width {width} must be a multiple of an even head width, got {head}"
            )
        self.heads = width // head
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, h: Tensor, exists: Tensor, turn: Sequence[Tensor] | None = None) -> Tensor:
        """h (R, L, width), keys that exist (R, L), angles (R, L, head / 2) each or none."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(h).chunk(3, -1)
        )
        if turn is not None:
            turn = tuple(part[:, None] for part in turn)
            q, k = (turned(part, turn) for part in (q, k))
        bias = torch.where(exists, 0.0, _NEVER).to(q.dtype)[:, None, None]
        if h.device.type == "cpu" and q.dtype == torch.bfloat16 and h.shape[1] <= _SHORT:
            # where the gradient of the fused kernel takes ten times as long as plain products
            logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + bias
            mixed = logits.softmax(-1).to(v.dtype) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, bias)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Feed(nn.Module):
    """A gated perceptron (Shazeer 2020), two widths inside."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Linear(width, 4 * width)
        self.dropout = nn.Dropout(dropout)
        self.leave = nn.Linear(2 * width, width)

    def forward(self, h: Tensor) -> Tensor:
        gate, value = self.enter(h).chunk(2, -1)
        out: Tensor = self.leave(self.dropout(F.silu(gate) * value))
        return out


class Modulated(nn.Module):
    """A norm whose scale and shift, and a gate of what comes of it, are set by the noise level (Peebles & Xie
    2023); all of them start neutral."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(width, 3 * width)
        nn.init.zeros_(self.modulate.weight)
        with torch.no_grad():
            self.modulate.bias.copy_(torch.tensor([0.0, 0, 1]).repeat_interleave(width))

    def forward(self, h: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """The norm of h (B, ..., width) and the gate, at levels (B, width)."""
        shape = (len(h), *[1] * (h.ndim - 2), -1)
        shift, scale, gate = (
            part.reshape(shape) for part in self.modulate(level).to(h.dtype).chunk(3, -1)
        )
        return torch.addcmul(shift, self.norm(h), 1 + scale), gate


def turned(x: Tensor, turn: Sequence[Tensor], back: bool = False) -> Tensor:
    """Pairs of features of (..., head), rotated by angles whose cosines and sines are (..., head / 2); or back."""
    cos, sin = (part.to(x.dtype) for part in turn)
    sin = -sin if back else sin
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
