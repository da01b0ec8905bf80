r"""Random tone: what another microphone, voice or place does to a spectrum.

    Y(f) = 10^(G(f) / 20) X(f)

G in dB is 0 at 1 kHz, a random walk from octave to octave on both sides, and linear in log f between
them; it is flat below 31 Hz. A few recordings have few spectra, and a network that has heard only
those takes any other rumble or hiss for speech: a street under a microphone has nine tenths of
its power below 60 Hz, which a compressed recording of one hasn't.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from scipy.fft import next_fast_len
from torch import Tensor

__all__ = ["Tone"]

_CENTRE = 1_000.0  # Hz, where G is 0
_BELOW = 5  # octaves under it that have a gain of their own


@dataclass(frozen=True)
class Tone:
    """A filter without phase, drawn anew for every signal.

    Attributes:
        octave: Standard deviation of the walk's steps, in dB.
        rate: Samples a second.

    Raises:
        ValueError: If the deviation is negative, or the rate has no octave above 1 kHz.

    >>> x = torch.tensor([1.0, 2.0, 3.0])
    >>> Tone(0.0, 16_000)(x, torch.Generator())  # nothing but rounding
    tensor([1., 2., 3.])
    """

    octave: float
    rate: int

    def __post_init__(self) -> None:
        if not self.octave >= 0 or self.rate < 4 * _CENTRE:
            raise ValueError(
                f"Tone: octave must be at least 0 dB and rate at least 4,000 Hz, got {self.octave} and {self.rate}"
            )

    @property
    def _above(self) -> int:
        """Octaves between 1 kHz and half the rate, the last one cut short if it must be."""
        return math.ceil(math.log2(self.rate / 2 / _CENTRE))

    def knots(self, generator: torch.Generator) -> Tensor:
        """G at 1000 2^k Hz, k = -5, -4, ..., in dB."""
        down, up = (
            self.octave * torch.randn(n, generator=generator).cumsum(0)
            for n in (_BELOW, self._above)
        )
        return torch.cat([down.flip(0), torch.zeros(1), up])

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The signal (n,) with another tone, as long as it was; what its ends ring is cut off."""
        knots, n = self.knots(generator), next_fast_len(len(x), real=True)
        left, weight = _places(n, self.rate, len(knots))
        gain = torch.lerp(knots[left], knots[left + 1], weight)
        coloured: Tensor = torch.fft.irfft(torch.fft.rfft(x, n) * 10 ** (gain / 20), n)
        return coloured[: len(x)].to(x.dtype)


@lru_cache(maxsize=8)
def _places(n: int, rate: int, knots: int) -> tuple[Tensor, Tensor]:
    """For each frequency of n samples, the knot under it and how far it is towards the next."""
    frequencies = torch.linspace(0, rate / 2, n // 2 + 1)
    place = (frequencies / _CENTRE).log2().clamp(min=-_BELOW) + _BELOW
    left = place.long().clamp(max=knots - 2)
    return left, place - left
