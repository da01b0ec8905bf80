r"""Short-time spectra and back: analysis and synthesis by the root of a Hann window.

Frames of 32 ms overlap by three quarters. The squares of the windows then sum to a constant, so
that unchanged spectra give the signal back, and changed ones the signal whose spectra are nearest
to them (Griffin, Lim 1984, Signal estimation from modified short-time Fourier transform).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal.windows import hann

from unnoise.domains.audio.baselines.contract import Floats

__all__ = ["Frames"]

_SECONDS = 0.032
_OVERLAP = 4  # frames on every sample

Spectra = NDArray[np.complex128]


@dataclass(frozen=True)
class Frames:
    """Spectra of a signal of n samples, one row a frame.

    Attributes:
        hop: Samples between frames.
    """

    hop: int

    @staticmethod
    def at(rate: int) -> Frames:
        """Frames of 32 ms.

        Raises:
            ValueError: If the rate is not positive.
        """
        if rate < 1:
            raise ValueError(f"rate: need a positive number of samples a second, got {rate}")
        return Frames(max(1, round(_SECONDS * rate / _OVERLAP)))

    def spectra(self, x: Floats) -> Spectra:
        """(K, bins) of a signal (n,), which zeros surround so that each sample is in 4 frames.

        Raises:
            ValueError: If the signal is no finite row of samples.
        """
        if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
            raise ValueError(
                f"noisy: need one channel of finite samples, (n,), got shape {x.shape} with "
                f"{int((~np.isfinite(x)).sum())} NaN or infinite"
            )
        size = _OVERLAP * self.hop
        padded = np.pad(x.astype(np.float64), (size - self.hop, size - 1))
        frames = sliding_window_view(padded, size)[:: self.hop]
        spectra: Spectra = np.fft.rfft(frames * self._window())
        return spectra

    def signal(self, spectra: Spectra, n: int) -> Floats:
        """The n samples whose spectra are nearest to the given ones."""
        size = _OVERLAP * self.hop
        frames = np.fft.irfft(spectra, size) * self._window()
        parts = frames.reshape(len(frames), _OVERLAP, self.hop)
        x = np.zeros((len(frames) + _OVERLAP - 1, self.hop))
        for k in range(_OVERLAP):
            x[k : k + len(frames)] += parts[:, k]
        start = size - self.hop
        return x.ravel()[start : start + n] * (2 / _OVERLAP)

    def filtered(self, x: Floats, gain: Callable[[Floats], Floats]) -> Floats:
        """The signal after real factors, which are a function of the powers (K, bins)."""
        spectra = self.spectra(x)
        return self.signal(spectra * gain(np.abs(spectra) ** 2), len(x))

    def _window(self) -> Floats:
        window: Floats = np.sqrt(hann(_OVERLAP * self.hop, sym=False))
        return window
