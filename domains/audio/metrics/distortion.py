r"""How much of an estimate is speech, noise and neither, in decibels (higher is better).

An estimate $\hat s$ of speech s in a mixture y = s + n is split along both,

    e_target = <s^, s> / |s|^2 s,   e_noise = <s^, n> / |n|^2 n,   e_artefact = the rest

and the energies are compared as SGMSE does (its `energy_ratios`):

    SI-SDR = |e_target|^2 / |s^ - e_target|^2
    SI-SIR = |e_target|^2 / |e_noise|^2
    SI-SAR = |e_target|^2 / |e_artefact|^2

A factor before the estimate changes none of them. No mean is removed. Since noise and speech are
not orthogonal in a finite file, 1/SDR is not quite 1/SIR + 1/SAR. The SDR of BSS Eval forgives
more than a factor: any filter of 512 taps. SNR forgives nothing.

References:
    Le Roux, Wisdom, Erdogan, Hershey (2019), SDR: half-baked or well done?; Vincent, Gribonval,
    Févotte (2006), Performance measurement in blind audio source separation; Richter et al.
    (2023), Speech enhancement and dereverberation with diffusion-based generative models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_toeplitz
from scipy.signal import correlate

from unnoise.domains.audio.metrics.pair import Floats, aligned

__all__ = ["Ratios", "energy_ratios", "sdr", "si_sdr", "snr"]


@dataclass(frozen=True)
class Ratios:
    """SI-SDR, SI-SIR and SI-SAR, in dB."""

    sdr: float
    sir: float
    sar: float


def energy_ratios(estimate: ArrayLike, clean: ArrayLike, noisy: ArrayLike) -> Ratios:
    """The three scale-invariant ratios.

    NaN if the estimate or the clean speech is silent; SIR and SAR also if the mixture has no
    noise. Infinite if the part below the line is exactly 0.

    Args:
        estimate: What was made of the mixture, (n,).
        clean: The speech, (n,).
        noisy: The mixture, (n,).

    Raises:
        ValueError: If the signals are not finite rows of one length.

    >>> ratios = energy_ratios([2.0, 0.2, 0.02], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0])
    >>> round(ratios.sir, 6), round(ratios.sar, 6), round(ratios.sdr, 2)
    (20.0, 40.0, 19.96)
    """
    x, s, y = aligned(estimate=estimate, clean=clean, noisy=noisy)
    n = y - s
    target, noise = _along(x, s), _along(x, n)
    return Ratios(
        _decibels(target, x - target), _decibels(target, noise),
        _decibels(target, x - target - noise),
    )  # fmt: skip


def si_sdr(estimate: ArrayLike, clean: ArrayLike) -> float:
    """The first of `energy_ratios`, which needs no mixture.

    >>> round(si_sdr([3.0, 4.0], [1.0, 0.0]), 4) == round(si_sdr([6.0, 8.0], [1.0, 0.0]), 4)
    True
    """
    x, s = aligned(estimate=estimate, clean=clean)
    target = _along(x, s)
    return _decibels(target, x - target)


def snr(estimate: ArrayLike, clean: ArrayLike) -> float:
    r"""$|s|^2 / |s - \hat s|^2$ in dB: every difference is noise; NaN if the speech is silent.

    Raises:
        ValueError: If the signals are not finite rows of one length.

    >>> snr([0.0, 0.0], [3.0, 4.0])
    0.0
    """
    x, s = aligned(estimate=estimate, clean=clean)
    return _decibels(s, s - x) if s.any() else np.nan


def sdr(estimate: ArrayLike, clean: ArrayLike, taps: int = 512) -> float:
    r"""SDR of BSS Eval: the target is the best causal filter of the clean speech.

    With R the autocorrelation matrix of s over `taps` lags and c its correlation with the
    estimate, the target has the energy $c^\top R^{-1} c$, and the rest is what remains of
    $|\hat s|^2$: the tail that the filter adds to the file is compared with silence. One tap is
    SI-SDR.

    NaN if either is silent, or the file is shorter than the filter.

    Raises:
        ValueError: If the signals are not finite rows of one length, or there is no tap.
    """
    x, s = aligned(estimate=estimate, clean=clean)
    if taps < 1:
        raise ValueError(f"taps: need at least 1, got {taps}")
    if not x.any() or not s.any() or len(s) < taps:
        return np.nan
    x, s = x / np.linalg.norm(x), s / np.linalg.norm(s)
    lags = slice(len(s) - 1, len(s) - 1 + taps)
    own, cross = correlate(s, s)[lags], correlate(x, s)[lags]
    share = cross @ solve_toeplitz(own, cross)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.divide(share, max(1 - share, 0.0))))


def _along(x: Floats, direction: Floats) -> Floats:
    """The projection; NaN where the direction is 0."""
    energy = direction @ direction
    return x @ direction / energy * direction if energy > 0 else np.full_like(x, np.nan)


def _decibels(signal: Floats, rest: Floats) -> float:
    """10 lg of the ratio of energies: infinite if the rest is 0, NaN if both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.divide(signal @ signal, rest @ rest)))
