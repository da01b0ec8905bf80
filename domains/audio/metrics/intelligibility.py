r"""STOI and ESTOI: how much of the speech can be understood, from envelopes of 384 ms.

Both signals are resampled to 10 kHz and cut into Hann frames of 25.6 ms, half overlapping. Frames
in which the clean speech is 40 dB below its loudest are dropped from both. 15 third-octave bands
from 150 Hz have the envelopes

    X_j(m) = sqrt( sum over the band of |x^(k, m)|^2 )

and segments of N = 30 frames are compared. *STOI* scales the estimate's envelope of a band to the
energy of the clean one, clips it at a signal-to-distortion ratio of -15 dB, and takes the mean
correlation over bands and segments. *ESTOI* makes the rows of a segment, and then its columns,
zero-mean and of norm 1, and takes the mean product: bands may then stand in for each other, and
modulated maskers are judged right.

References:
    Taal, Hendriks, Heusdens, Jensen (2011), An algorithm for intelligibility prediction of
    time-frequency weighted noisy speech; Jensen, Taal (2016), An algorithm for predicting the
    intelligibility of speech masked by modulated noise maskers.
"""

from __future__ import annotations

from math import ceil, gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.signal import kaiser_beta, resample_poly
from scipy.signal.windows import hann, kaiser

from unnoise.domains.audio.metrics.pair import Floats, aligned, checked_rate

__all__ = ["estoi", "stoi"]

_RATE = 10_000  # Hz
_FRAME, _HOP, _FFT = 256, 128, 512
_BANDS, _LOWEST = 15, 150.0  # third octaves, and the centre of the first in Hz
_SEGMENT = 30  # frames
_RANGE = 40.0  # dB below the loudest frame at which speech counts as silent
_STOP = 60.0  # dB, of the resampling filter
_CLIP = 1 + 10 ** (15 / 20)
_WINDOW = hann(_FRAME + 2)[1:-1]  # without the two zeros


def stoi(estimate: ArrayLike, clean: ArrayLike, rate: int) -> float:
    """Short-time objective intelligibility, at most 1 (higher is better).

    NaN if the clean speech is silent, or fewer than 31 of its frames (0.41 s) aren't.

    Args:
        estimate: The signal to judge, (n,).
        clean: The speech, (n,).
        rate: Samples a second of both.

    Raises:
        ValueError: If the signals are not finite rows of one length, or the rate is not positive.
    """
    segments = _segments(estimate, clean, rate)
    if segments is None:
        return np.nan
    y, x = segments
    y = np.minimum(_unit(y, -1) * np.linalg.norm(x, axis=-1, keepdims=True), _CLIP * x)
    return float((_standard(x, -1) * _standard(y, -1)).sum(-1).mean())


def estoi(estimate: ArrayLike, clean: ArrayLike, rate: int) -> float:
    """Extended STOI, at most 1 (higher is better); args, errors and NaN are those of `stoi`."""
    segments = _segments(estimate, clean, rate)
    if segments is None:
        return np.nan
    y, x = (_standard(_standard(z, -1), -2) for z in segments)
    return float((y * x).sum(-2).mean())


def _segments(estimate: ArrayLike, clean: ArrayLike, rate: int) -> tuple[Floats, Floats] | None:
    """Envelopes (M, bands, 30) of the estimate and of the clean speech; None without any."""
    y, x = (_resampled(z, rate) for z in aligned(estimate=estimate, clean=clean))
    if len(x) < _FRAME or not x.any():
        return None
    y, x = _voiced(y, x)
    if len(x) < _HOP * _SEGMENT + _FRAME:
        return None
    segments = [sliding_window_view(_envelopes(z), _SEGMENT, axis=0) for z in (y, x)]
    return segments[0], segments[1]


def _resampled(x: Floats, rate: int) -> Floats:
    """At 10 kHz, by a Kaiser window of 60 dB whose transition is a tenth of its band, as in
    Octave's `resample`, which the published implementation calls."""
    common = gcd(checked_rate(rate), _RATE)
    up, down = _RATE // common, rate // common
    if up == down:
        return x
    band = 1 / (2 * max(up, down))
    half = ceil((_STOP - 8) / (28.714 * band / 10))
    taps = np.sinc(2 * band * np.arange(-half, half + 1))
    taps *= kaiser(2 * half + 1, kaiser_beta(_STOP))
    resampled: Floats = resample_poly(x, up, down, window=taps / taps.sum())
    return resampled


def _voiced(y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Both without the frames in which the second is silent; the rest is joined by overlap-add."""
    frames = _frames(x)
    loudness = np.linalg.norm(frames, axis=1)
    keep = loudness > loudness.max() * 10 ** (-_RANGE / 20)
    return _joined(_frames(y)[keep]), _joined(frames[keep])


def _frames(x: Floats) -> Floats:
    """Windowed frames (K, 256) of a signal."""
    frames: Floats = sliding_window_view(x, _FRAME)[::_HOP] * _WINDOW
    return frames


def _joined(frames: Floats) -> Floats:
    x = np.zeros((len(frames) + 1, _HOP))
    x[:-1] += frames[:, :_HOP]
    x[1:] += frames[:, _HOP:]
    return x.ravel()


def _envelopes(x: Floats) -> Floats:
    """Third-octave envelopes (frames, bands); like all implementations, without the last frame."""
    power = np.abs(np.fft.rfft(_frames(x)[:-1], _FFT)) ** 2
    bins = np.arange(_FFT // 2 + 1) * _RATE / _FFT
    band = np.arange(_BANDS)
    first, last = (
        np.abs(bins - _LOWEST * 2 ** ((2 * band[:, None] + side) / 6)).argmin(1)
        for side in (-1, 1)
    )
    places = np.arange(len(bins))
    inside = (places >= first[:, None]) & (places < last[:, None])
    envelopes: Floats = np.sqrt(power @ inside.T)
    return envelopes


def _standard(x: Floats, axis: int) -> Floats:
    """Zero mean and norm 1 along an axis."""
    return _unit(x - x.mean(axis, keepdims=True), axis)


def _unit(x: Floats, axis: int) -> Floats:
    """Norm 1 along an axis, or 0 where the norm is that of rounding."""
    norm = np.linalg.norm(x, axis=axis, keepdims=True)
    unit: Floats = x / np.maximum(norm, np.finfo(np.float64).eps)
    return unit
