"""Nothing is done: the figures of the mixture, which every enhancer has to beat."""

from __future__ import annotations

from unnoise.domains.audio.baselines.contract import Floats

__all__ = ["unprocessed"]


def unprocessed(noisy: Floats, rate: int) -> Floats:
    """A copy of the mixture."""
    return noisy.copy()
