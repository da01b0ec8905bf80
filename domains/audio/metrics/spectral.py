r"""Log-spectral distance: how far apart two spectrograms are, in dB (lower is better).

    LSD = mean over frames of  sqrt( mean over bins of (10 lg P(k, m) - 10 lg P^(k, m))^2 )

over Hann frames of 32 ms, half overlapping. Powers are floored at 80 dB below the largest of the
clean speech, or digital silence would decide alone.

References:
    Gray, Markel (1976), Distance measures for speech processing.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.signal.windows import hann

from unnoise.domains.audio.metrics.pair import Floats, aligned, checked_rate

__all__ = ["log_spectral_distance"]

_SECONDS = 0.032
_RANGE = 80.0  # dB


def log_spectral_distance(estimate: ArrayLike, clean: ArrayLike, rate: int) -> float:
    """The distance in dB; NaN if the clean speech is silent or shorter than a frame (32 ms).

    Args:
        estimate: The signal to judge, (n,).
        clean: The speech, (n,).
        rate: Samples a second of both.

    Raises:
        ValueError: If the signals are not finite rows of one length, or the rate is not positive.
    """
    x, s = aligned(estimate=estimate, clean=clean)
    size = max(2, 2 * round(_SECONDS * checked_rate(rate) / 2))
    if len(s) < size or not s.any():
        return np.nan
    p, q = _power(s, size), _power(x, size)
    floor = p.max() * 10 ** (-_RANGE / 10)
    gap = 10 * np.log10(np.maximum(p, floor) / np.maximum(q, floor))
    return float(np.sqrt((gap**2).mean(1)).mean())


def _power(x: Floats, size: int) -> Floats:
    frames = sliding_window_view(x, size)[:: size // 2] * hann(size, sym=False)
    power: Floats = np.abs(np.fft.rfft(frames)) ** 2
    return power
