"""What a baseline of time series can be asked.

A baseline of forecasting continues a history, one of imputation fills what is NaN. Either returns
S samples, so that the same metrics judge it; one without randomness returns S equal ones. All are
given plain arrays, in the units of the data.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Forecasts", "Imputes", "check_counts", "check_history", "repeated"]

Floats = NDArray[np.float64]


class Forecasts(Protocol):
    """What continues a history on a regular grid."""

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """Samples (S, N, H, C) of what follows N histories (N, T, C) without gaps.

        Raises:
            ValueError: If the history has gaps or is too short, or there is nothing to draw.
        """


class Imputes(Protocol):
    """What fills gaps, at any times."""

    def impute(
        self, values: Floats, times: Floats, samples: int, rng: np.random.Generator
    ) -> Floats:
        """Samples (S, N, T, C) of windows (N, T, C) with NaN for what is asked, at increasing
        times (N, T). What isn't NaN stays as it is.

        Raises:
            ValueError: If shapes don't fit.
        """


def check_history(history: Floats, least: int) -> Floats:
    """The history as float64, once it is (N, T, C) without gaps and T >= least.

    Raises:
        ValueError: If it isn't.
    """
    x = np.asarray(history, dtype=np.float64)
    if x.ndim != 3 or x.shape[1] < least:
        raise ValueError(f"history: needs (N, T, C) with T >= {least}, got {x.shape}")
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        n, t, c = bad[0]
        raise ValueError(
            f"history: series {n}, time {t}, channel {c} is NaN or infinite; fill gaps first, for "
            "example by Linear"
        )
    return x


def check_counts(**counts: int) -> None:
    """Raises a ValueError that names the count below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}: needs at least 1, got {count}")


def repeated(x: Floats, samples: int) -> Floats:
    """One answer S times, (S, ...)."""
    check_counts(samples=samples)
    return np.repeat(x[None], samples, axis=0)
