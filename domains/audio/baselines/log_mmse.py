r"""The estimate of least squared error in log amplitude, if speech and noise are Gaussian.

    G = xi / (1 + xi) exp( E1(v) / 2 ),   v = gamma xi / (1 + xi)

References:
    Ephraim, Malah (1985), Speech enhancement using a minimum mean-square error log-spectral
    amplitude estimator, eq. 20.
"""

from __future__ import annotations

import numpy as np
from scipy.special import exp1

from unnoise.domains.audio.baselines.contract import Floats
from unnoise.domains.audio.baselines.decision import DecisionDirected

__all__ = ["log_mmse", "log_mmse_gain"]

_LEAST = 1e-12  # of v: E1 is infinite at 0, where the frame is 0 too


def log_mmse_gain(xi: Floats, gamma: Floats) -> Floats:
    """G of the SNR before and after a frame is seen.

    >>> log_mmse_gain(np.array([1e9]), np.array([1e9])).round(6)  # no noise: nothing to do
    array([1.])
    """
    share = xi / (1 + xi)
    gain: Floats = share * np.exp(exp1(np.maximum(share * gamma, _LEAST)) / 2)
    return gain


log_mmse = DecisionDirected(log_mmse_gain)
"""The classical enhancer: decision-directed, noise tracked by the presence of speech."""
