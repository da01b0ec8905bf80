"""Climatology: what the same phase of earlier periods had, whatever came just before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unnoise.domains.timeseries.baselines.contract import Floats, check_counts, check_history

__all__ = ["Climatology"]


@dataclass(frozen=True)
class Climatology:
    """Each period to come is one of the latest periods, as it was.

    A period is drawn as a whole, of all channels, so that what belongs together within a day stays
    together; different periods are independent.

    Attributes:
        period: m, in steps, such as 24 of hours.
        cycles: D, from how many of the latest to draw.
    """

    period: int
    cycles: int

    def __post_init__(self) -> None:
        check_counts(period=self.period, cycles=self.cycles)

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """Samples (S, N, H, C), as `Forecasts` says."""
        check_counts(horizon=horizon, samples=samples)
        m, d = self.period, self.cycles
        x = check_history(history, m * d)
        n, _, c = x.shape
        periods = x[:, -m * d :].reshape(n, d, m, c)
        at = rng.integers(d, size=(samples, n, -(-horizon // m)))
        drawn: Floats = periods[np.arange(n)[:, None], at]
        return drawn.reshape(samples, n, -1, c)[:, :, :horizon]
