"""A compact U-Net for small images: residual blocks modulated by the noise level and the class,
attention at the coarsest grid.

    depth k works on a grid coarser by 2^k with widths[k] channels; one skip connection a block

An output like the image starts at zero, so that an untrained model predicts what its
parameterisation predicts from the noise level alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.embedding import fourier

__all__ = ["UNet"]


class UNet(nn.Module):
    """F(x, log_snr, batch): (B, C, H, W), (B,) -> (B, C, H, W), or (B, C, H, W, features).

    Args:
        channels: channels C of the image.
        widths: channels at each depth; H and W are padded to a multiple of 2^(depths - 1) inside.
        blocks: residual blocks a depth, on the way down and on the way up.
        classes: classes of `batch.cond["label"]`; 0: unconditional. A label of -1 means "not
            told".
        features: 0: the output is a tensor like the image; above: that many features of each
            entry, in a last dimension.
        attention: self-attention between the blocks of the coarsest grid.
        dropout: dropout inside the residual blocks.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int] = (32, 64, 64),
        blocks: int = 2,
        classes: int = 0,
        features: int = 0,
        attention: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.channels, self.features, self.depths = channels, features, len(widths)
        embedding = 4 * widths[0]
        self.embed = nn.Sequential(
            nn.Linear(32, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.label = nn.Embedding(classes + 1, embedding) if classes else None
        self.enter = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down, self.up, skips = nn.ModuleList(), nn.ModuleList(), [widths[0]]
        for depth, width in enumerate(widths):
            if depth:
                self.down.append(nn.Conv2d(skips[-1], width, 3, stride=2, padding=1))
                skips.append(width)
            for _ in range(blocks):
                self.down.append(Block(skips[-1], width, embedding, dropout))
                skips.append(width)
        middle = widths[-1]
        self.middle = nn.ModuleList([Block(middle, middle, embedding, dropout)])
        if attention:
            self.middle.append(Attention(middle))
        self.middle.append(Block(middle, middle, embedding, dropout))
        now = middle
        for depth, width in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(Block(now + skips.pop(), width, embedding, dropout))
                now = width
            if depth:
                self.up.append(Upsample(width))
        self.leave = nn.Sequential(
            nn.GroupNorm(_groups(now), now),
            nn.SiLU(),
            nn.Conv2d(now, channels * max(features, 1), 1),
        )
        if not features:
            nn.init.zeros_(self.leave[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self.leave[-1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        height, width = x.shape[-2:]
        emb = self.embed(fourier(log_snr / 4))
        if self.label is not None:
            label = batch.cond.get("label")
            emb = emb + (self.label.weight[0] if label is None else self.label(label + 1))
        emb = F.silu(emb)
        grain = 2 ** (self.depths - 1)
        h = self.enter(F.pad(x, (0, -width % grain, 0, -height % grain)))
        skips = [h]
        for layer in self.down:
            h = layer(h, emb) if isinstance(layer, Block) else layer(h)
            skips.append(h)
        for layer in self.middle:
            h = layer(h, emb) if isinstance(layer, Block) else layer(h)
        for layer in self.up:
            h = (
                layer(torch.cat([h, skips.pop()], 1), emb)
                if isinstance(layer, Block)
                else layer(h)
            )
        out: Tensor = self.leave(h)[..., :height, :width]
        if not self.features:
            return out
        split: Tensor = out.unflatten(1, (self.channels, self.features))
        return split.movedim(2, -1)


class Block(nn.Module):
    """x + conv(silu(film(norm(conv(silu(norm(x))))))), film by the embedding."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_groups(inputs), inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * outputs)
        self.norm2 = nn.GroupNorm(_groups(outputs), outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(emb)[..., None, None].chunk(2, 1)
        h = F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale))
        out: Tensor = self.skip(x) + self.conv2(self.dropout(h))
        return out


class Attention(nn.Module):
    """Self-attention over the positions of a grid, with a residual connection."""

    def __init__(self, width: int, head: int = 32) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norm = nn.GroupNorm(_groups(width), width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = (
            self.qkv(self.norm(x))
            .reshape(b, 3, self.heads, c // self.heads, h * w)
            .transpose(-1, -2)
            .unbind(1)
        )
        y = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(b, c, h, w)
        out: Tensor = x + self.out(y)
        return out


class Upsample(nn.Module):
    """Twice the resolution: nearest neighbours, then a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


def _groups(width: int) -> int:
    return math.gcd(width, 8)
