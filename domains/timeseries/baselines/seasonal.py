r"""Seasons repeat: what comes is what was a period m ago.

The naive forecast has no spread, so its CRPS is its absolute error, and any law with a spread
looks good beside it. The fair rival adds what the naive forecast got wrong in the past,
:math:`e_t = y_t - y_{t - m}`, drawn from the history, of all channels at the same time. One such
error is added for each period gone by: the process behind it is a random walk at every phase.

References:
    Hyndman, Athanasopoulos (2021), Forecasting: Principles and Practice, sections 5.2 and 5.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unnoise.domains.timeseries.baselines.contract import (
    Floats,
    check_counts,
    check_history,
    repeated,
)

__all__ = ["SeasonalBootstrap", "SeasonalNaive"]


@dataclass(frozen=True)
class SeasonalNaive:
    r"""$y_{T + h} = y_{T + h - k m}$ with the least k that leads into the history.

    Attributes:
        period: m, in steps.
    """

    period: int

    def __post_init__(self) -> None:
        check_counts(period=self.period)

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """S equal forecasts (S, N, H, C), as `Forecasts` says; nothing is drawn."""
        check_counts(horizon=horizon)
        last = check_history(history, self.period)[:, -self.period :]
        return repeated(last[:, np.arange(horizon) % self.period], samples)


@dataclass(frozen=True)
class SeasonalBootstrap:
    """The seasonal naive forecast, with its own errors in the history drawn at random.

    Attributes:
        period: m, in steps.
        steps: How many of the latest errors to draw from; None: all.
    """

    period: int
    steps: int | None = None

    def __post_init__(self) -> None:
        check_counts(period=self.period, steps=1 if self.steps is None else self.steps)

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """Samples (S, N, H, C), as `Forecasts` says. Errors of one time are drawn together for
        all channels, those of different times independently."""
        check_counts(horizon=horizon, samples=samples)
        m = self.period
        x = check_history(history, m + (self.steps or 1))
        errors = x[:, m:] - x[:, :-m]
        errors = errors if self.steps is None else errors[:, -self.steps :]
        cycles = -(-horizon // m)
        at = rng.integers(errors.shape[1], size=(samples, len(x), cycles * m))
        drawn = errors[np.arange(len(x))[:, None], at]
        walk = drawn.reshape(samples, len(x), cycles, m, -1).cumsum(axis=2)
        path: Floats = walk + x[:, None, -m:]
        return path.reshape(drawn.shape)[:, :, :horizon]
