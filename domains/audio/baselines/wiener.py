r"""The linear estimate of least squared error: G = xi / (1 + xi).

References:
    Scalart, Vieira Filho (1996), Speech enhancement based on a priori signal to noise estimation.
"""

from __future__ import annotations

from unnoise.domains.audio.baselines.contract import Floats
from unnoise.domains.audio.baselines.decision import DecisionDirected

__all__ = ["wiener", "wiener_gain"]


def wiener_gain(xi: Floats, gamma: Floats) -> Floats:
    """G of the SNR before a frame is seen; the one after it doesn't matter."""
    return xi / (1 + xi)


wiener = DecisionDirected(wiener_gain)
"""Wiener's filter at the decision-directed SNR, over tracked noise."""
