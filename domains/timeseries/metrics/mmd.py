r"""Maximum mean discrepancy of two sets of windows.

.. math:: \mathrm{MMD}^2 = E[k(x, x')] + E[k(y, y')] - 2 E[k(x, y)],
          \qquad k(x, y) = e^{-\lVert x - y \rVert^2 / 2 h^2}

is 0 for equal laws only. The estimate is a U-statistic, without pairs of a window with itself:
unbiased, so it may be negative, and no root is taken. The width h is the median distance of two of
all windows unless it is given; with a width of its own every comparison has a scale of its own, so
give the same one to whatever is to be ranked.

The standard error is that of a U-statistic's leading term, from the mean kernel of each window
with the others. Where laws are equal that term is 0 and the error says little: whether two laws
differ at all is for `mmd_null`, the values under exchange of windows between the sets.

References:
    Gretton et al. (2012), A Kernel Two-Sample Test, eq. 3 and section 5.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.task import Score

__all__ = ["flat_pair", "median_distance", "mmd", "mmd_null"]

Floats = NDArray[np.float64]


def mmd(x: ArrayLike, y: ArrayLike, width: float | None = None) -> Score:
    """Unbiased MMD² of two sets of windows (lower is better, no unit, on average 0 for equal laws:
    it may be negative).

    Channels of unlike units had better be standardised. Takes (N + M)^2 distances in memory.

    Args:
        x: Windows (N, ...), N > 1, without gaps.
        y: Windows (M, ...), M > 1.
        width: h, in the unit of the data; None: the median distance.

    Raises:
        ValueError: For fewer than two windows, unequal shapes, values that aren't finite, or h
            that isn't positive.

    >>> mmd([[0.0], [0.0]], [[1.0], [1.0]], width=1.0).value
    0.7869386805747332
    """
    n, k = _kernel(x, y, width)
    m = len(k) - n
    a = k[:n, :n].sum(1) / (n - 1) - k[:n, n:].mean(1)
    b = k[n:, n:].sum(1) / (m - 1) - k[n:, :n].mean(1)
    stderr = 2 * math.sqrt(a.var(ddof=1) / n + b.var(ddof=1) / m)
    return Score(float(a.mean() + b.mean()), stderr)


def mmd_null(
    x: ArrayLike,
    y: ArrayLike,
    rng: np.random.Generator,
    rounds: int = 200,
    width: float | None = None,
) -> Floats:
    """MMD² after windows of both sets were shuffled, (rounds,): what equal laws would give.

    With v the value of the sets as they are, (1 + #{null >= v}) / (1 + rounds) is an exact
    p-value.

    Args:
        x: Windows (N, ...), N > 1, without gaps.
        y: Windows (M, ...), M > 1.
        rng: Of the shuffles.
        rounds: How many.
        width: h, as in `mmd`; the median distance doesn't change by shuffling.

    Raises:
        ValueError: As `mmd`.
    """
    n, k = _kernel(x, y, width)
    m = len(k) - n
    first = np.zeros((rounds, n + m))
    for row in first:
        row[rng.permutation(n + m)[:n]] = 1
    rows = first @ k  # the sums of all kernels of each window with the first set's
    within, total = (rows * first).sum(1), k.sum()
    across = rows.sum(1) - within
    other = total - within - 2 * across
    null: Floats = within / (n * (n - 1)) + other / (m * (m - 1)) - 2 * across / (n * m)
    return null


def median_distance(x: ArrayLike, y: ArrayLike) -> float:
    """The median distance of two different windows of both sets, in the unit of the data.

    Raises:
        ValueError: As `mmd`, and if more than half of all windows are the same.
    """
    from scipy.spatial.distance import pdist

    return _median(pdist(np.concatenate(flat_pair(x, y))))


def flat_pair(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Two sets of windows as rows of numbers, (N, d) and (M, d), float64.

    Raises:
        ValueError: For fewer than two windows, unequal shapes, or values that aren't finite.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if min(a.ndim, b.ndim) < 2 or a.shape[1:] != b.shape[1:] or min(len(a), len(b)) < 2:
        raise ValueError(f"x, y: need at least two windows of one shape each, got {a.shape} and "
                         f"{b.shape}")  # fmt: skip
    for name, windows in (("x", a), ("y", b)):
        if not np.isfinite(windows).all():
            bad = int((~np.isfinite(windows.reshape(len(windows), -1))).any(1).argmax())
            raise ValueError(f"{name}: window {bad} holds NaN or infinite values; fill its gaps")
    return a.reshape(len(a), -1), b.reshape(len(b), -1)


def _kernel(x: ArrayLike, y: ArrayLike, width: float | None) -> tuple[int, Floats]:
    """N and the kernel of every two of all windows, (N + M, N + M), with a diagonal of 0."""
    from scipy.spatial.distance import pdist, squareform

    a, b = flat_pair(x, y)
    distance = pdist(np.concatenate([a, b]))
    h = _median(distance) if width is None else width
    if not h > 0:
        raise ValueError(f"width: needs to be positive, got {width}")
    return len(a), squareform(np.exp(-(distance**2) / (2 * h**2)))


def _median(distance: Floats) -> float:
    median = float(np.median(distance))
    if not median > 0:
        raise ValueError("x, y: more than half of the distances are 0; give a width")
    return median
