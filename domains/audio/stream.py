r"""A wave on its way through a model, in the memory of a few chunks.

    blocks -> / peak -> the model's rate -> chunks -> draws -> the wave's rate -> * peak -> blocks

Each chunk of each channel is drawn with a generator of the same seed, and noise is placed
(`placed`), so it doesn't show where a chunk begins. Frames in which the noisy speech is digital
silence stay silent.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from unnoise.core.random import Rows, seeded
from unnoise.core.sampler import Sampling
from unnoise.domains.audio.chunks import process
from unnoise.domains.audio.learned import Learned
from unnoise.domains.audio.model import resized, states
from unnoise.domains.audio.resample import Resampler, narrow
from unnoise.domains.audio.sampling import Recipe

__all__ = ["Stream"]


@dataclass(frozen=True, eq=False)
class Stream:
    """Waves of one rate, length and peak through a model.

    Attributes:
        learned: the model.
        rate: of the wave, in Hz.
        samples: of the wave, N.
        peak: its largest magnitude.
        name: of the wave, in warnings.
        chunk: seconds that are enhanced at once.
        overlap: seconds that neighbours share.

    Warns:
        UserWarning: if the wave has less than the band that the model was made for.

    Raises:
        ValueError: if the rate isn't a positive integer.
    """

    learned: Learned
    rate: int
    samples: int
    peak: float
    name: str = "waveform"
    chunk: float = 16.0
    overlap: float = 2.0

    def __post_init__(self) -> None:
        Resampler(self.rate, self.learned.front.rate)
        remark = narrow(self.rate, self.learned.front.rate)
        if remark is not None:
            warnings.warn(f"{self.name}: {remark}", stacklevel=4)

    def __call__(
        self, blocks: Iterable[Tensor], recipe: Recipe, seed: int, sample: int = 0
    ) -> Iterator[Tensor]:
        """The enhanced wave in blocks (C, m), of blocks (C, n) cut anywhere; N samples in all.

        Args:
            blocks: float32.
            recipe: how to sample.
            seed: of all randomness.
            sample: which draw of that seed.
        """
        front = self.learned.front
        peak = self.peak or 1.0
        chunk, overlap = (self._samples(s) for s in (self.chunk, self.overlap))
        draw = partial(self._piece, sampler=recipe.sampler(), seed=seed, sample=sample)
        level = (block / peak for block in blocks)
        noisy = Resampler(self.rate, front.rate).stream(level)
        clean = process(noisy, draw, chunk, overlap, self.learned.grid)
        left = self.samples
        for block in Resampler(front.rate, self.rate).stream(clean):
            yield peak * block[:, :left]  # a rate and back may be a sample longer
            left -= min(left, block.shape[1])

    def _samples(self, seconds: float) -> int:
        """The nearest number on the grid."""
        grid = self.learned.grid
        return max(1, round(seconds * self.learned.front.rate / grid)) * grid

    @torch.no_grad()
    def _piece(
        self, piece: Tensor, start: int, sampler: Sampling, seed: int, sample: int
    ) -> Tensor:
        """A chunk (C, n) that begins at a sample, channel by channel."""
        out = torch.zeros_like(piece)
        for channel, wave in enumerate(piece):
            if wave.any():
                generator = Rows([seeded(seed, sample, channel)])
                out[channel] = self._drawn(wave[None], start, sampler, generator)[0]
        return out

    def _drawn(self, wave: Tensor, start: int, sampler: Sampling, generator: Rows) -> Tensor:
        learned = self.learned
        batch = states(learned.front, wave.to(learned.device))
        frames = batch.x.shape[3]
        places = start // learned.front.hop + torch.arange(frames, device=learned.device)
        model = resized(learned.model, frames)
        told = learned.told(batch.replace(coords=places[None]), generator)
        x = model.sample(told, sampler, generator=generator)
        sounding = (batch.cond["noisy"] != 0).any(2, keepdim=True).any(1, keepdim=True)
        return learned.front.decode(torch.where(sounding, x, 0), wave.shape[1]).cpu()
