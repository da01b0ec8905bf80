r"""The power of the noise under speech, tracked by how probable speech is.

With the a-posteriori SNR $\gamma = |Y|^2 / \sigma^2$ and a fixed SNR $\xi$ of 15 dB for a bin with
speech, even odds give

    p = P(speech | Y) = 1 / (1 + (1 + xi) exp(-gamma xi / (1 + xi)))
    E[|N|^2 | Y] = (1 - p) |Y|^2 + p sigma^2

and sigma^2 follows that expectation with a time constant of 72 ms. Where p has stayed above .99,
it is held there, or a step of the noise would be taken for speech for ever. The start is the mean
of the first 80 ms, which are taken to be without speech. Noise alone is found .9 dB too quiet,
since its peaks pass for speech.

References:
    Gerkmann, Hendriks (2012), Unbiased MMSE-based noise power estimation with low complexity and
    low tracking delay.
"""

from __future__ import annotations

from math import exp

import numpy as np

from unnoise.domains.audio.baselines.contract import Floats

__all__ = ["TINY", "noise_power"]

TINY = 1e-100
"""A power below that of any signal, to divide by: ratios to it are still finite."""

_PRIOR = 10**1.5  # xi
_STUCK = 0.99
_START = 0.08  # s
_POWER_SECONDS, _SPEECH_SECONDS = 0.072, 0.152  # .8 and .9 for the authors' frames of 16 ms


def noise_power(power: Floats, seconds: float) -> Floats:
    r"""$\sigma^2$ (K, bins) of powers (K, bins), frame by frame; no frame sees a later one,
    but for the start.

    Args:
        power: $|Y|^2$.
        seconds: From frame to frame.
    """
    alpha, beta = exp(-seconds / _POWER_SECONDS), exp(-seconds / _SPEECH_SECONDS)
    sigma2 = power[: max(1, round(_START / seconds))].mean(0)
    speech = np.zeros_like(sigma2)
    tracked = np.empty_like(power)
    for k, y2 in enumerate(power):
        gamma = y2 / np.maximum(sigma2, TINY)
        p = 1 / (1 + (1 + _PRIOR) * np.exp(-gamma * _PRIOR / (1 + _PRIOR)))
        speech = beta * speech + (1 - beta) * p
        p = np.where(speech > _STUCK, np.minimum(p, _STUCK), p)
        sigma2 = alpha * sigma2 + (1 - alpha) * ((1 - p) * y2 + p * sigma2)
        tracked[k] = sigma2
    return tracked
