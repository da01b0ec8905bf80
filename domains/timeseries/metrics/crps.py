r"""The continuous ranked probability score: how far a forecast's law is from what happened.

.. math:: \mathrm{CRPS}(F, y) = \int (F(x) - 1[x \ge y])^2 dx = E|X - y| - \tfrac12 E|X - X'|
          = 2 \int_0^1 (1[y \le q_u] - u) (q_u - y)\, du

Published figures of forecasting and imputation are none of these but the last one at 19 levels
u = .05, .10, ..., .95, summed over all entries and divided by their sum of \|y\|: `crps`. Of the
sum over channels it is `crps_sum`. `sample_crps` is the score itself, from the middle form, and
without a bias: ordering S samples makes the mean distance of two of them a sum of S terms.

The published codes don't agree on quantiles of S samples: GluonTS takes the nearest one, CSDI
interpolates. Of 100 samples the difference is far below their own noise.

Whoever ranks by `crps_sum` should know that it sees the law of the sum only: a forecast with wrong
correlations of the channels may win on a few windows. `energy_score` sees them.

References:
    Gneiting, Raftery (2007), Strictly Proper Scoring Rules; Ferro (2014), Fair Scores for Ensemble
    Forecasts; Salinas et al. (2019), High-dimensional Multivariate Forecasting with Low-rank
    Gaussian Copula Processes, for CRPS-sum; Tashiro et al. (2021), CSDI.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.task import Score
from unnoise.domains.timeseries.metrics.entries import Entries
from unnoise.domains.timeseries.metrics.jackknife import jackknife, ratio

__all__ = ["LEVELS", "Quantile", "crps", "crps_sum", "sample_crps"]

LEVELS = np.arange(1, 20) / 20
Quantile = Literal["linear", "nearest"]  # of CSDI, of GluonTS


def crps(
    samples: ArrayLike,
    truth: ArrayLike,
    mask: ArrayLike | None = None,
    quantile: Quantile = "linear",
) -> Score:
    """Mean quantile loss at 19 levels by the mean of |truth| (lower is better, no unit).

    GluonTS calls it mean_wQuantileLoss. For samples that are all the same it is ND.

    Args:
        samples: (S, N, ...) of N windows.
        truth: (N, ...), NaN where it is unknown.
        mask: Which entries to score, (N, ...); None: all that are known.
        quantile: How samples make quantiles: "linear" as CSDI, "nearest" as GluonTS.

    Raises:
        ValueError: If shapes don't fit, nothing is scored or all of it is 0, or a sample of a
            scored entry isn't finite.

    >>> crps([[[1.0, 5.0]]], [[2.0, 4.0]]).value
    0.3333333333333333
    """

    def losses(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        loss = np.zeros_like(y)
        for u, q in zip(LEVELS, np.quantile(x, LEVELS, axis=1, method=quantile), strict=True):
            loss += 2 * ((y <= q) - u) * (q - y)
        return loss / len(LEVELS), np.abs(y)

    sums = Entries.of(samples, truth, mask).sums(losses)
    if not sums[:, 1].any():
        raise ValueError("truth: is 0 wherever it is scored, so the loss has no scale; take "
                         "sample_crps")  # fmt: skip
    return jackknife(ratio, sums)


def crps_sum(
    samples: ArrayLike,
    truth: ArrayLike,
    mask: ArrayLike | None = None,
    quantile: Quantile = "linear",
) -> Score:
    """The `crps` of the sum over channels, the last axis (lower is better, no unit).

    What of the channels is missing or masked at a time isn't scored at that time.

    Raises:
        ValueError: As `crps`, and if there is no axis of channels.
    """
    y = np.asarray(truth, dtype=np.float64)
    if y.ndim < 2:
        raise ValueError(f"truth: needs channels as its last axis, (N, ..., C), got {y.shape}")
    whole = None if mask is None else np.asarray(mask).all(axis=-1)
    return crps(np.sum(samples, axis=-1, dtype=np.float64), y.sum(axis=-1), whole, quantile)


def sample_crps(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Score:
    """Mean CRPS of entries, unbiased for the law behind the samples (lower is better, unit of the
    data).

    Args:
        samples: (S, N, ...), S > 1 independent ones.
        truth: (N, ...), NaN where it is unknown.
        mask: Which entries to score, (N, ...); None: all that are known.

    Raises:
        ValueError: As `crps`, and for a single sample.

    >>> sample_crps([[[0.0]], [[1.0]]], [[3.0]]).value
    2.0
    """
    entries = Entries.of(samples, truth, mask)
    s = len(entries.samples)
    if s < 2:
        raise ValueError("samples: need at least two of each entry for their distance, got 1")
    weight = (2 * np.arange(1, s + 1) - s - 1) / (s * (s - 1))

    def scores(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        distance = np.abs(x - y[:, None]).mean(axis=1)
        half = (np.sort(x, axis=1) * weight).sum(axis=1)
        return distance - half, np.ones_like(y)

    return jackknife(ratio, entries.sums(scores))
