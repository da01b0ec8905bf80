"""The last value, for ever: the point forecast of a random walk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unnoise.domains.timeseries.baselines.contract import (
    Floats,
    check_counts,
    check_history,
    repeated,
)

__all__ = ["LastValue"]


@dataclass(frozen=True)
class LastValue:
    r"""$y_{T + h} = y_T$."""

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """S equal forecasts (S, N, H, C), as `Forecasts` says; nothing is drawn."""
        check_counts(horizon=horizon)
        last = check_history(history, 1)[:, -1:]
        return repeated(np.repeat(last, horizon, axis=1), samples)
