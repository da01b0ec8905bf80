"""One file judged by everything, and a folder of files by means and standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from unnoise.domains.audio.metrics.distortion import energy_ratios, snr
from unnoise.domains.audio.metrics.intelligibility import estoi, stoi
from unnoise.domains.audio.metrics.perceptual import pesq
from unnoise.domains.audio.metrics.spectral import log_spectral_distance
from unnoise.domains.task import Score

__all__ = ["OverFiles", "judge", "over_files"]

_AT_A_RATE: dict[str, Callable[[ArrayLike, ArrayLike, int], float]] = {
    "pesq": pesq,
    "estoi": estoi,
    "stoi": stoi,
    "lsd": log_spectral_distance,
}


@dataclass(frozen=True)
class OverFiles:
    """A measure of several files.

    Attributes:
        score: The mean over the files that have the measure, and its standard error.
        files: How many have it.
        undefined: How many haven't, being silent or too short.
    """

    score: Score
    files: int
    undefined: int


def over_files(values: Iterable[float]) -> OverFiles:
    """The mean over files, each of which counts the same whatever its length.

    The standard error is that of the mean of a random choice of files; None for fewer than two,
    or if a file is infinitely good. Without any file, the mean is NaN.

    >>> found = over_files([1.0, 3.0, float("nan")])
    >>> found.score.value, found.score.stderr, found.files, found.undefined
    (2.0, 1.0, 2, 1)
    """
    x = np.array([*values], dtype=np.float64)
    there = x[~np.isnan(x)]
    n = len(there)
    mean = float(there.mean()) if n else math.nan
    known = n > 1 and bool(np.isfinite(there).all())
    stderr = float(there.std(ddof=1)) / math.sqrt(n) if known else None
    return OverFiles(Score(mean, stderr), n, len(x) - n)


def judge(
    estimate: ArrayLike, clean: ArrayLike, noisy: ArrayLike, rate: int, *, perceptual: bool = True
) -> dict[str, float]:
    """All measures of one file; NaN where one isn't defined.

    Args:
        estimate: What was made of the mixture, (n,).
        clean: The speech, (n,).
        noisy: The mixture, (n,).
        rate: Samples a second of all three.
        perceptual: Whether PESQ is among them, which needs a package and 16 kHz.

    Returns:
        `pesq`, `estoi`, `stoi`, `lsd` in dB, and `si_sdr`, `si_sir`, `si_sar` and `snr` in dB.

    Raises:
        ValueError: If the signals are not finite rows of one length, or the rate doesn't fit.
        ImportError: Without the package `pesq`, if it is to be used.
    """
    names = [name for name in _AT_A_RATE if perceptual or name != "pesq"]
    found = {name: _AT_A_RATE[name](estimate, clean, rate) for name in names}
    ratios = energy_ratios(estimate, clean, noisy)
    found |= {"si_sdr": ratios.sdr, "si_sir": ratios.sir, "si_sar": ratios.sar}
    return found | {"snr": snr(estimate, clean)}
