r"""The energy score: the CRPS of whole windows.

.. math:: \mathrm{ES}(F, y) = E\lVert X - y \rVert - \tfrac12 E\lVert X - X' \rVert

It is smallest on average for the true law, joint over times and channels, and of one entry it is
the CRPS. It grows like the root of the number of entries, so windows of unlike numbers weigh
unequally, and channels of unlike units had better be standardised. The mean distance of two
samples leaves out that of a sample to itself: no bias.

References:
    Gneiting, Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation, eq. 22.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unnoise.domains.task import Score
from unnoise.domains.timeseries.metrics.entries import Entries
from unnoise.domains.timeseries.metrics.jackknife import jackknife, ratio

__all__ = ["energy_score"]


def energy_score(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Score:
    """Mean energy score of windows (lower is better, unit of the data).

    It takes S^2 distances a window. For the score of every time step apart, make steps the
    windows: `samples.reshape(S, -1, C)` against `truth.reshape(-1, C)`; only the standard error
    then takes steps as independent.

    Args:
        samples: (S, N, ...), S > 1 independent ones of N windows.
        truth: (N, ...), NaN where it is unknown. Windows without a scored entry aren't counted.
        mask: Which entries to score, (N, ...); None: all that are known.

    Raises:
        ValueError: If shapes don't fit, there is a single sample, nothing is scored, or a sample
            of a scored entry isn't finite.

    >>> energy_score([[[3.0, 0.0]], [[0.0, 4.0]]], [[0.0, 0.0]]).value
    1.0
    """
    from scipy.spatial.distance import pdist

    entries = Entries.of(samples, truth, mask)
    if len(entries.samples) < 2:
        raise ValueError("samples: need at least two of each window for their distance, got 1")
    scores = []
    ends = np.flatnonzero(np.diff(entries.windows)) + 1
    for scored in np.split(entries.scored, ends):
        window = Entries(entries.samples, entries.truth, scored)
        parts = [x.T - y for x, y in window.chunks()]
        error = np.concatenate(parts, axis=1)
        distance = np.linalg.norm(error, axis=1).mean()
        scores.append(distance - pdist(error).mean() / 2)
    sums = np.stack([scores, np.ones(len(scores))], axis=1)
    return jackknife(ratio, sums)
