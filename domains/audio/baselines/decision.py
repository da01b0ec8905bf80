r"""The SNR before a frame is seen, from the frame before it: "decision-directed".

    gamma = |Y|^2 / sigma^2,   xi = a |G Y|^2_previous / sigma^2 + (1 - a) max(gamma - 1, 0)

A large a averages over frames where xi is small and follows at once where it is large: that is why
the residual noise of the gains built on it does not warble. xi has a floor, which sets how far
noise is turned down.

References:
    Ephraim, Malah (1984), Speech enhancement using a minimum mean-square error short-time spectral
    amplitude estimator, eq. 51, for frames of 8 ms; Cappé (1994), Elimination of the musical noise
    phenomenon with the Ephraim and Malah noise suppressor, for the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unnoise.domains.audio.baselines.contract import Floats
from unnoise.domains.audio.baselines.frames import Frames
from unnoise.domains.audio.baselines.noise import TINY, noise_power

__all__ = ["DecisionDirected", "Gain"]

Gain = Callable[[Floats, Floats], Floats]
"""From xi and gamma of the bins of a frame to what multiplies the frame."""


@dataclass(frozen=True)
class DecisionDirected:
    """A gain at that SNR, over tracked noise.

    Attributes:
        gain: Of xi and gamma.
        memory: a, per frame of 8 ms.
        least: The floor of xi in dB.

    Raises:
        ValueError: If the memory is not in [0, 1).
    """

    gain: Gain
    memory: float = 0.98
    least: float = -15.0

    def __post_init__(self) -> None:
        if not 0 <= self.memory < 1:
            raise ValueError(f"memory: need a number in [0, 1), got {self.memory}")

    def __call__(self, noisy: Floats, rate: int) -> Floats:
        """As `Enhances` says."""
        frames = Frames.at(rate)
        return frames.filtered(noisy, lambda power: self._gains(power, frames.hop / rate))

    def _gains(self, power: Floats, seconds: float) -> Floats:
        sigma2 = np.maximum(noise_power(power, seconds), TINY)
        a, floor = self.memory, 10 ** (self.least / 10)
        gains, before = np.empty_like(power), np.zeros(power.shape[1])
        for k, y2 in enumerate(power):
            gamma = y2 / sigma2[k]
            xi = a * before / sigma2[k] + (1 - a) * np.maximum(gamma - 1, 0)
            gains[k] = self.gain(np.maximum(xi, floor), gamma)
            before = gains[k] ** 2 * y2
        return gains
