r"""White noise that knows where it is: what is drawn at a frame doesn't depend on how a wave was cut.

A draw takes one number from its generator, the key. Noise of frames 64 k ... 64 k + 63 is that of
the stream (key, k). So two chunks of one wave, each sampled with a generator of the same seed, see
the same noise wherever they overlap, draw by draw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise import Noise, White
from unnoise.core.random import Generator, seeded, uniform

__all__ = ["Placed"]

_BLOCK = 64  # frames
_KEYS = 2**53


class Placed(Noise):
    """C = I. Where `Batch.coords` holds the numbers (B, T) of a state's frames, which follow one
    another, noise (B, ..., T) is drawn by them; where there are none, as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.white = White()

    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        return self.white.colour(z, batch)

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        return self.white.whiten(x, batch)

    def log_det(self, batch: Batch) -> Tensor:
        return self.white.log_det(batch)

    def sample(self, batch: Batch, generator: Generator = None) -> Tensor:
        if batch.coords is None:
            return self.white.sample(batch, generator)
        like = torch.zeros((), dtype=torch.float64)
        keys = (uniform((len(batch),), like, generator) * _KEYS).long().tolist()
        first = batch.coords[:, 0].long().tolist()
        rows = [_row(batch.x[0], *place) for place in zip(keys, first, strict=True)]
        return self.colour(torch.stack(rows).to(batch.x), batch)


def _row(like: Tensor, key: int, first: int) -> Tensor:
    """Noise of one state, whose first frame has that number."""
    *shape, frames = like.shape
    blocks = range(first // _BLOCK, (first + frames - 1) // _BLOCK + 1)
    noise = [
        torch.randn(*shape, _BLOCK, generator=seeded(key, k), dtype=like.dtype) for k in blocks
    ]
    start = first % _BLOCK
    return torch.cat(noise, -1)[..., start : start + frames]
