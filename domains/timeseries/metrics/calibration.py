r"""Whether a forecast's own uncertainty is right.

If the truth and S samples are exchangeable, as under the right law, the rank of the truth among
all S + 1 is uniform. Everything here is exact under this alone, for any law and any S:

* a central interval of level p reaches from the order statistic (S + 1)(1 - p)/2 to
  (S + 1)(1 + p)/2 (interpolated where these are no integers): on average it holds the truth with
  probability p. Intervals between quantiles as usually taken, (S - 1) u + 1, are too narrow: of
  100 samples those of 90 % hold 88.2 %.
* PIT values :math:`u = (\#\{x < y\} + V (\#\{x = y\} + 1)) / (S + 1)`, V uniform on [0, 1], are
  uniform on [0, 1], ties or not.

The calibration error is the mean over the 19 levels p of \|share of PIT values below p - p\|. Of a
calibrated forecast it is about .33 / sqrt(n) for n independent entries, of one that is far too
narrow .24, of one that is always too high .5. All of this is about single entries: correlations
don't show.

References:
    Gneiting, Balabdaoui, Raftery (2007), Probabilistic Forecasts, Calibration and Sharpness;
    Czado, Gneiting, Held (2009), Predictive Model Assessment for Count Data, for ties.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.task import Score
from unnoise.domains.timeseries.metrics.crps import LEVELS
from unnoise.domains.timeseries.metrics.entries import Entries
from unnoise.domains.timeseries.metrics.jackknife import jackknife, ratio

__all__ = ["calibration_error", "coverage", "pit", "width"]

Floats = NDArray[np.float64]


def coverage(
    samples: ArrayLike, truth: ArrayLike, level: float, mask: ArrayLike | None = None
) -> Score:
    """The share of entries in their central interval (best: `level`, no unit).

    Args:
        samples: (S, N, ...) of N windows.
        truth: (N, ...), NaN where it is unknown.
        level: Of the interval, between 0 and 1, as .5 or .9.
        mask: Which entries to score, (N, ...); None: all that are known.

    Raises:
        ValueError: If shapes don't fit, nothing is scored, a sample of a scored entry isn't
            finite, or there are too few samples for the level.
    """

    def inside(x: Floats, y: Floats) -> tuple[Floats, ...]:
        low, high = _interval(x, level)
        return ((low <= y) & (y <= high)).astype(np.float64), np.ones_like(y)

    return jackknife(ratio, Entries.of(samples, truth, mask).sums(inside))


def width(
    samples: ArrayLike, truth: ArrayLike, level: float, mask: ArrayLike | None = None
) -> Score:
    """Mean width of the central intervals of scored entries (lower is better at equal coverage,
    unit of the data).

    Args and errors are those of `coverage`.
    """

    def widths(x: Floats, y: Floats) -> tuple[Floats, ...]:
        low, high = _interval(x, level)
        return high - low, np.ones_like(y)

    return jackknife(ratio, Entries.of(samples, truth, mask).sums(widths))


def pit(
    samples: ArrayLike,
    truth: ArrayLike,
    rng: np.random.Generator,
    mask: ArrayLike | None = None,
) -> Floats:
    """Where the truth falls in its law, (entries,), uniform on [0, 1] if the law is right.

    Args:
        samples: (S, N, ...) of N windows.
        truth: (N, ...), NaN where it is unknown.
        rng: Breaks ties.
        mask: Which entries to score, (N, ...); None: all that are known.

    Returns:
        Values of scored entries in their order.

    Raises:
        ValueError: If shapes don't fit, nothing is scored, or a sample of a scored entry isn't
            finite.
    """
    entries = Entries.of(samples, truth, mask)
    return np.concatenate([_ranks(x, y, rng) for x, y in entries.chunks()])


def calibration_error(
    samples: ArrayLike,
    truth: ArrayLike,
    rng: np.random.Generator,
    mask: ArrayLike | None = None,
) -> Score:
    """Mean distance of the PIT values' law from the uniform one (lower is better, in [0, 1/2], no
    unit).

    Args and errors are those of `pit`.
    """

    def below(x: Floats, y: Floats) -> tuple[Floats, ...]:
        u = _ranks(x, y, rng)
        return *((u <= p).astype(np.float64) for p in LEVELS), np.ones_like(y)

    def error(sums: Floats) -> Floats:
        distance: Floats = np.abs(sums[..., :-1] / sums[..., -1:] - LEVELS).mean(-1)
        return distance

    return jackknife(error, Entries.of(samples, truth, mask).sums(below))


def _interval(x: Floats, level: float) -> Floats:
    """The ends of the central interval of samples (e, S), (2, e)."""
    if not 0 < level < 1:
        raise ValueError(f"level: needs to be between 0 and 1, got {level}")
    least = math.ceil(2 / (1 - level) - 1 - 1e-9)
    if x.shape[1] < least:
        raise ValueError(f"samples: an interval of level {level} needs {least}, got {x.shape[1]}")
    ends = np.array([1 - level, 1 + level]) / 2
    interval: Floats = np.quantile(x, ends, axis=1, method="weibull")
    return interval


def _ranks(x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    below, equal = (x < y[:, None]).sum(axis=1), (x == y[:, None]).sum(axis=1)
    ranks: Floats = (below + rng.random(len(y)) * (equal + 1)) / (x.shape[1] + 1)
    return ranks
