r"""How loud speech is: its mean square, over all of the time or over that in which somebody speaks.

ITU-T P.56, method B, decides what is speech by the level that it measures. With the envelope q of
two exponential averages of |x| (time constant 30 ms), a(c) is how many samples lie where q >= c, or
less than 200 ms after it. The active level is that at the threshold which it exceeds by 15.9 dB:

    A(c) = sum x^2 / a(c),   10 lg A(c) - 20 lg c = 15.9 dB

between thresholds that are powers of 2, by a line in dB. VoiceBank-DEMAND is mixed so: the active
level of the speech, the mean square of the noise.

References:
    ITU-T Recommendation P.56 (2011), Objective measurement of active speech level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter
from torch import Tensor

__all__ = ["ActiveLevel", "Level", "power"]

Level = Callable[[Tensor], Tensor]
"""From signals (..., n) to their mean squares (...), float64."""

_SMOOTHING, _HANGOVER = 0.03, 0.2  # s
_MARGIN = 15.9  # dB
_THRESHOLDS = 24  # down to 144 dB below the peak


def power(x: Tensor) -> Tensor:
    """The mean square over all of the time, float64.

    >>> power(torch.tensor([3.0, 0.0, 0.0, 4.0]))
    tensor(6.2500, dtype=torch.float64)
    """
    return x.double().square().mean(-1)


@dataclass(frozen=True)
class ActiveLevel:
    """The mean square of active speech; that of silence is 0.

    Attributes:
        rate: Samples a second.
    """

    rate: int

    def __call__(self, x: Tensor) -> Tensor:
        """As `Level` says."""
        rows = x.detach().double().cpu().numpy().reshape(-1, x.shape[-1])
        levels = torch.tensor([self._active(row) for row in rows], dtype=torch.float64)
        return levels.reshape(x.shape[:-1]).to(x.device)

    def _active(self, x: NDArray[np.float64]) -> float:
        peak = np.abs(x).max()
        if peak == 0:
            return 0.0
        top = int(np.floor(np.log2(peak)))
        c = np.exp2(np.arange(top - _THRESHOLDS, top + 1))
        held = np.sort(self._envelope(x))
        active = len(x) - np.searchsorted(held, c)
        c, active = c[active > 0], active[active > 0]
        level = 10 * np.log10(x @ x / active)
        over = level - 20 * np.log10(c) - _MARGIN
        below = np.flatnonzero(over <= 0)
        if not len(below) or not below[0]:  # all energy is in a few clicks, or it never is
            return float(10 ** (level[-1 if not len(below) else 0] / 10))
        j = below[0]
        share = over[j - 1] / (over[j - 1] - over[j])
        return float(10 ** ((level[j - 1] + share * (level[j] - level[j - 1])) / 10))

    def _envelope(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest q of the last 200 ms, at each sample."""
        g = exp(-1 / (self.rate * _SMOOTHING))
        q = np.abs(x)
        for _ in range(2):
            q = lfilter([1 - g], [1, -g], q)
        size = ceil(_HANGOVER * self.rate)
        held: NDArray[np.float64] = maximum_filter1d(
            q, size, mode="constant", cval=0.0, origin=(size - 1) // 2
        )
        return held
