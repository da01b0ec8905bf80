r"""Spectral subtraction: the power of the noise is taken away from that of the mixture.

    G^2 = max( 1 - over sigma^2 / |Y|^2, floor^2 )

More than all of it is subtracted, and a floor is left, or what remains is random peaks that sound
like music.

References:
    Boll (1979), Suppression of acoustic noise in speech using spectral subtraction; Berouti,
    Schwartz, Makhoul (1979), Enhancement of speech corrupted by acoustic noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unnoise.domains.audio.baselines.contract import Floats
from unnoise.domains.audio.baselines.frames import Frames
from unnoise.domains.audio.baselines.noise import TINY, noise_power

__all__ = ["SpectralSubtraction"]


@dataclass(frozen=True)
class SpectralSubtraction:
    """Over tracked noise.

    Attributes:
        over: How many times the noise is subtracted; 2 is what Berouti et al. take at 13 dB.
        floor: The least gain.

    Raises:
        ValueError: If `over` is negative or the floor not in [0, 1].
    """

    over: float = 2.0
    floor: float = 0.1

    def __post_init__(self) -> None:
        if self.over < 0 or not 0 <= self.floor <= 1:
            raise ValueError(
                f"need over >= 0 and floor in [0, 1], got over {self.over}, floor {self.floor}"
            )

    def __call__(self, noisy: Floats, rate: int) -> Floats:
        """As `Enhances` says."""
        frames = Frames.at(rate)

        def gains(power: Floats) -> Floats:
            sigma2 = noise_power(power, frames.hop / rate)
            left = 1 - self.over * sigma2 / np.maximum(power, TINY)
            return np.sqrt(np.maximum(left, self.floor**2))

        return frames.filtered(noisy, gains)
