r"""Standard errors of functions of sums, by leaving out one window after the other.

Most figures of forecasts are no means but functions of sums over windows, as the ratio sum |x -
y| / sum |y|. With :math:`\theta_{-n}` the figure without window n of N,

.. math:: \mathrm{stderr}^2 = \frac{N - 1}{N} \sum_n (\theta_{-n} - \bar\theta)^2

For a mean this is the usual standard error, to the last digit. It takes windows as independent:
those that overlap, or follow each other closely in one series, are not, and the true error is
larger.

References:
    Efron, Stein (1981), The Jackknife Estimate of Variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unnoise.domains.task import Score

__all__ = ["jackknife", "ratio"]


def jackknife(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], sums: NDArray[np.float64]
) -> Score:
    """A function of sums over windows, and its standard error.

    Args:
        statistic: Of sums (..., K), (...).
        sums: Those of every window, (N, K). Of a single one, or where a figure without one window
            doesn't exist, there is no standard error.

    >>> jackknife(lambda s: s[..., 0] / s[..., 1], np.array([[1.0, 1.0], [3.0, 1.0]]))
    Score(value=2.0, stderr=1.0)
    """
    total, n = sums.sum(0), len(sums)
    value = float(statistic(total))
    if n == 1:
        return Score(value)
    with np.errstate(invalid="ignore", divide="ignore"):
        without = statistic(total - sums)
        stderr = math.sqrt((n - 1) * float(without.var()))
    return Score(value, stderr if math.isfinite(stderr) else None)


def ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first of two sums by the second, (..., 2) -> (...)."""
    quotient: NDArray[np.float64] = sums[..., 0] / sums[..., 1]
    return quotient
