r"""A U-Net of spectrograms that is cheap on a CPU, and sees little of the past and the future.

A patch of 4 bins and 2 frames becomes one token, so the finest grid has an eighth of the entries.
A block is depthwise in space and dense in channels (Liu et al. 2022),

    h <- h + B silu(A film(norm(depthwise(h))))

with a norm over the channels of one token: a statistic over time would tie every frame to all
others, and a file's end would change its beginning. On the coarsest grid the depthwise kernels are
dilated in time, and a dense map of all bins follows each, as noise and voices span the band.

What leaves is a remainder and complex masks at full resolution, of the state x and of the noisy speech
y and what else is given,

    F = R + M x + N y

so that what the patches blur, the phase of every bin, can pass as it is. All is 0 at the start.
Tokens are held as (B, T, F, C): then dense maps are matrix products of contiguous memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.embedding import LevelEmbedding

__all__ = ["LARGE", "MEDIUM", "SMALL", "Size", "UNet"]

_KERNEL = 5  # of depthwise convolutions, in tokens


@dataclass(frozen=True)
class Size:
    """How large a network is.

    Attributes:
        patch: bins and frames of a token.
        widths: channels on each grid; each is coarser by 2 in both directions.
        blocks: on each grid, on the way down and on the way up.
        dilations: in time, of the blocks on the coarsest grid.
        expansion: hidden channels of a block by its channels.

    Raises:
        ValueError: if one of them isn't positive, or there is no grid.
    """

    patch: tuple[int, int] = (4, 2)
    widths: Sequence[int] = (64, 96, 160)
    blocks: int = 2
    dilations: Sequence[int] = (1, 2, 4, 1)
    expansion: int = 2

    def __post_init__(self) -> None:
        each = (*self.patch, *self.widths, *self.dilations, self.blocks, self.expansion)
        if not self.widths or min(each) < 1:
            raise ValueError(f"Size: needs a width, and all numbers at least 1, got {self}")

    @property
    def strides(self) -> tuple[int, int]:
        """Bins and frames of a token of the coarsest grid; both axes are padded to multiples."""
        coarse = 1 << (len(self.widths) - 1)
        return self.patch[0] * coarse, self.patch[1] * coarse

    @property
    def reach(self) -> int:
        """Frames before and after one that its output can depend on, at most."""
        half, frames = _KERNEL // 2, self.patch[1]
        finer = sum(
            2 * self.blocks * half * frames * (1 << k) for k in range(len(self.widths) - 1)
        )
        coarsest = sum(self.dilations) * half * self.strides[1]
        return finer + coarsest + self.strides[1] - 1


SMALL = Size()
MEDIUM = Size((2, 2), (128, 192, 256, 256), 3, (1, 2, 4, 1, 2, 4), 3)
LARGE = Size((2, 2), (128, 256, 384, 512), 4, (1, 2, 4, 1, 2, 4), 4)


class UNet(nn.Module):
    """F(x, log_snr, batch): (B, 2, F, T), (B,) -> (B, 2, F, T), given conditions of that shape.

    Args:
        bins: F.
        size: of the network.
        scale: the standard deviation of speech, by which conditions are divided.
        given: their names in `batch.cond`.

    Raises:
        ValueError: if there are no bins, or the scale isn't positive.
    """

    def __init__(
        self,
        bins: int,
        size: Size = SMALL,
        scale: float = 0.1,
        given: Sequence[str] = ("noisy",),
    ) -> None:
        super().__init__()
        if bins < 1 or not scale > 0:
            raise ValueError(f"UNet: bins and scale must be positive, got {bins} and {scale}")
        self.bins, self.size, self.scale, self.given = bins, size, scale, tuple(given)
        widths, patch = size.widths, math.prod(size.patch)
        told = 2 * widths[0]
        rows = [
            -(-bins // size.strides[0]) * 2 ** (len(widths) - 1 - k) for k in range(len(widths))
        ]
        self.level = LevelEmbedding(told)
        self.enter = nn.Linear((2 + 3 * len(given)) * patch, widths[0])
        self.places = nn.Parameter(0.02 * torch.randn(rows[0], widths[0]))
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.merge, self.split, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for fine, coarse in pairwise(widths):
            blocks = [Block(fine, told, size.expansion) for _ in range(2 * size.blocks)]
            self.down.append(nn.ModuleList(blocks[: size.blocks]))
            self.up.append(nn.ModuleList(blocks[size.blocks :]))
            self.merge.append(nn.Linear(4 * fine, coarse))
            self.split.append(nn.Linear(coarse, 4 * fine))
            self.join.append(nn.Linear(fine, fine))
        self.middle = nn.ModuleList()
        for dilation in size.dilations:
            self.middle.append(Block(widths[-1], told, size.expansion, dilation))
            self.middle.append(Band(rows[-1]))
        self.leave = nn.Linear(widths[0], 2 * (2 + len(given)) * patch)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        given = [self._condition(name, x, batch) for name in self.given]
        sizes = [y.square().sum(1, keepdim=True).sqrt() for y in given]
        seen = torch.cat([x, *given, *sizes], 1)
        told = F.silu(self.level(log_snr))
        high, wide = (-n % s for n, s in zip(x.shape[2:], self.size.strides, strict=True))
        h = self.enter(_tokens(F.pad(seen, (0, wide, 0, high)), self.size.patch)) + self.places
        skips = []
        for blocks, merge in zip(self.down, self.merge, strict=True):
            h = _through(blocks, h, told)
            skips.append(h)
            h = merge(_merged(h))
        h = _through(self.middle, h, told)
        coarser = zip(reversed(self.up), reversed(self.split), reversed(self.join), strict=True)
        for blocks, split, join in coarser:
            h = _through(blocks, _split(split(h)) + join(skips.pop()), told)
        out = _patches(self.leave(h), self.size.patch)[..., : x.shape[2], : x.shape[3]]
        rest, *masks = out.to(x.dtype).split(2, 1)
        for mask, part in zip(masks, (x, *given), strict=True):
            rest = rest + _times(mask, part)
        whole: Tensor = rest
        return whole

    def _condition(self, name: str, x: Tensor, batch: Batch) -> Tensor:
        found = batch.cond.get(name)
        if found is None or found.shape != x.shape:
            got = "none" if found is None else str(tuple(found.shape))
            raise ValueError(
                f"UNet: needs speech in Batch.cond[{name!r}], shaped as the state {tuple(x.shape)}; got {got}"
            )
        return found / self.scale


class Block(nn.Module):
    """h + B silu(A film(norm(depthwise(h)))), h (B, T, F, C); film by the noise level."""

    def __init__(self, width: int, told: int, expansion: int, dilation: int = 1) -> None:
        super().__init__()
        half = _KERNEL // 2
        self.depthwise = nn.Conv2d(
            width, width, _KERNEL, padding=(half * dilation, half), dilation=(dilation, 1),
            groups=width,
        )  # fmt: skip
        self.film = nn.Linear(told, 2 * width)
        self.a = nn.Linear(width, expansion * width)
        self.b = nn.Linear(expansion * width, width)
        nn.init.zeros_(self.b.weight)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        u = self._spread(h)
        scale, shift = self.film(told)[:, None, None].chunk(2, -1)
        u = torch.addcmul(shift, F.layer_norm(u, u.shape[-1:]).to(scale), 1 + scale)
        out: Tensor = h + self.b(F.silu(self.a(u)))
        return out

    def _spread(self, h: Tensor) -> Tensor:
        """Depthwise, in the precision of the weights on CPUs: there the gradient of depthwise weights takes
        six times as long in bfloat16."""
        x = h.permute(0, 3, 1, 2)
        if x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                u: Tensor = self.depthwise(x.to(self.depthwise.weight))
        else:
            u = self.depthwise(x)
        return u.permute(0, 2, 3, 1)


class Band(nn.Module):
    """h + W norm(h), W a dense map of all bins of a frame, the same for each channel."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.dense = nn.Linear(bins, bins)
        nn.init.zeros_(self.dense.weight)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        out: Tensor = h + self.dense(F.layer_norm(h, h.shape[-1:]).transpose(2, 3)).transpose(2, 3)
        return out


def _through(blocks: nn.Module, h: Tensor, told: Tensor) -> Tensor:
    for block in blocks.children():
        h = block(h, told)
    return h


def _tokens(x: Tensor, patch: tuple[int, int]) -> Tensor:
    """(B, C, F, T) as (B, T / t, F / f, C f t)."""
    b, c, high, wide = x.shape
    f, t = patch
    parts = x.reshape(b, c, high // f, f, wide // t, t)
    return parts.permute(0, 4, 2, 1, 3, 5).reshape(b, wide // t, high // f, c * f * t)


def _patches(h: Tensor, patch: tuple[int, int]) -> Tensor:
    """The inverse of `_tokens`."""
    b, wide, high, _ = h.shape
    f, t = patch
    parts = h.reshape(b, wide, high, -1, f, t)
    return parts.permute(0, 3, 2, 4, 1, 5).reshape(b, -1, high * f, wide * t)


def _merged(h: Tensor) -> Tensor:
    """(B, T, F, C) as (B, T / 2, F / 2, 4 C)."""
    b, t, f, c = h.shape
    parts = h.reshape(b, t // 2, 2, f // 2, 2, c)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(b, t // 2, f // 2, 4 * c)


def _split(h: Tensor) -> Tensor:
    """The inverse of `_merged`."""
    b, t, f, c = h.shape
    parts = h.reshape(b, t, f, 2, 2, c // 4)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(b, 2 * t, 2 * f, c // 4)


def _times(a: Tensor, b: Tensor) -> Tensor:
    """The complex product of states (B, 2, F, T)."""
    real = a[:, 0] * b[:, 0] - a[:, 1] * b[:, 1]
    imaginary = a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0]
    return torch.stack([real, imaginary], 1)
