r"""How far the middle of a forecast is from what happened.

The median of samples is scored by absolute errors and their mean by squared ones, since these are
the points that minimise the two on average. Relative to the mean of \|y\| they are called

    ND      sum |median - y| / sum |y|
    NRMSE   RMSE of the mean / mean |y|

as in GluonTS, whose evaluator gives the same digits for an odd number of samples. Of an even one
it takes the upper of the two middle ones as the median, which isn't quite in the middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.task import Score
from unnoise.domains.timeseries.metrics.entries import Entries
from unnoise.domains.timeseries.metrics.jackknife import jackknife, ratio

__all__ = ["mae", "nd", "nrmse", "rmse"]

Floats = NDArray[np.float64]


def mae(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Score:
    """Mean absolute error of the median (lower is better, unit of the data).

    Args:
        samples: (S, N, ...) of N windows; a single one is a point forecast.
        truth: (N, ...), NaN where it is unknown.
        mask: Which entries to score, (N, ...); None: all that are known.

    Raises:
        ValueError: If shapes don't fit, nothing is scored, or a sample of a scored entry isn't
            finite.
    """
    return jackknife(ratio, _sums(samples, truth, mask)[:, [0, 2]])


def rmse(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Score:
    """Root of the mean squared error of the mean (lower is better, unit of the data).

    Args and errors are those of `mae`.
    """

    def root(sums: Floats) -> Floats:
        return np.sqrt(ratio(sums))

    return jackknife(root, _sums(samples, truth, mask)[:, [1, 2]])


def nd(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Score:
    """Sum of absolute errors of the median by the sum of |truth| (lower is better, no unit).

    Args and errors are those of `mae`, and the truth must not be 0 everywhere.
    """
    return jackknife(ratio, _scaled(_sums(samples, truth, mask))[:, [0, 3]])


def nrmse(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Score:
    """RMSE of the mean by the mean of |truth| (lower is better, no unit).

    Args and errors are those of `mae`, and the truth must not be 0 everywhere.
    """

    def relative(sums: Floats) -> Floats:
        quotient: Floats = np.sqrt(sums[..., 1] * sums[..., 2]) / sums[..., 3]
        return quotient

    return jackknife(relative, _scaled(_sums(samples, truth, mask)))


def _sums(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None) -> Floats:
    """Absolute errors, squared errors, how many there are, and |truth|, summed by window."""

    def errors(x: Floats, y: Floats) -> tuple[Floats, ...]:
        middle, mean = np.median(x, axis=1), x.mean(axis=1)
        return np.abs(middle - y), (mean - y) ** 2, np.ones_like(y), np.abs(y)

    return Entries.of(samples, truth, mask).sums(errors)


def _scaled(sums: Floats) -> Floats:
    if not sums[:, 3].any():
        raise ValueError("truth: is 0 wherever it is scored, so errors have no scale; take mae "
                         "or rmse")  # fmt: skip
    return sums
