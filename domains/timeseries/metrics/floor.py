"""The floor of two-sample metrics: what real windows score against real ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.task import Score

__all__ = ["real_against_real"]

Windows = NDArray[np.float64]


def real_against_real(
    statistic: Callable[[Windows, Windows], Score],
    real: ArrayLike,
    made: int,
    rng: np.random.Generator,
    rounds: int = 10,
) -> Score:
    """The mean statistic of real windows against `made` others: what a perfect generator gets.

    Args:
        statistic: Of two sets of windows.
        real: Windows (N, ...), shuffled here; N - made, those left over, stand for the real ones.
        made: How many stand for generated ones.
        rng: Of the splits.
        rounds: How many random splits. All are of one pool, so the standard error is that of the
            choice of the split, given the pool.

    Raises:
        ValueError: If fewer than two windows are on a side, or there are no rounds.
    """
    x = np.asarray(real, dtype=np.float64)
    if not 2 <= made <= len(x) - 2:
        raise ValueError(f"made: needs 2 to {len(x) - 2} of {len(x)} windows, got {made}")
    if rounds < 1:
        raise ValueError(f"rounds: need at least 1, got {rounds}")
    values = []
    for _ in range(rounds):
        order = rng.permutation(len(x))
        values.append(statistic(x[order[made:]], x[order[:made]]).value)
    spread = math.sqrt(np.var(values, ddof=1) / rounds) if rounds > 1 else None
    return Score(float(np.mean(values)), spread)
