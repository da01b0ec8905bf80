"""PESQ: the opinion that listeners would have, 1 (bad) to 4.64 (excellent), of wide-band speech.

ITU-T P.862.2 is a program more than a formula, and figures compare only if it is that program:
so this calls the package `pesq`, which wraps ITU's own code, and says when it has no answer.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np
from numpy.typing import ArrayLike

from unnoise.domains.audio.metrics.pair import aligned

__all__ = ["pesq"]

_RATE = 16_000  # Hz, of the wide band
_SHORTEST = 0.25  # s
_SILENT = 1e-12  # of the louder one's peak: ITU's code, in single precision, would divide by 0


def pesq(estimate: ArrayLike, clean: ArrayLike, rate: int) -> float:
    """Wide-band PESQ, MOS-LQO (higher is better); needs `pip install pesq` and a C compiler.

    NaN if a signal is silent or shorter than 0.25 s, or PESQ finds no utterance in the clean one.

    Args:
        estimate: The signal to judge, (n,).
        clean: The speech, (n,).
        rate: Samples a second of both: 16,000.

    Raises:
        ValueError: If the signals are not finite rows of one length, or not of 16 kHz.
        ImportError: Without the package.
    """
    x, s = aligned(estimate=estimate, clean=clean)
    if rate != _RATE:
        raise ValueError(f"rate: wide-band PESQ is defined at 16,000 Hz, got {rate}; resample")
    try:
        itu = import_module("pesq")
    except ModuleNotFoundError as error:
        raise ImportError("PESQ needs the package pesq: pip install pesq", name="pesq") from error
    peaks = [float(np.abs(z).max()) for z in (x, s)]
    if len(s) <= _SHORTEST * _RATE or min(peaks) <= _SILENT * max(peaks):
        return np.nan
    try:
        return float(itu.pesq(_RATE, s, x, "wb"))
    except (itu.NoUtterancesError, itu.BufferTooShortError):
        return np.nan
