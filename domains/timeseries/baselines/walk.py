r"""Random walks: :math:`y_{T + h} = y_T + d_1 + ... + d_h`, with increments of the recent past.

On exchange rates no published model is clearly better. Increments of all channels at one time
stay together, so that the law of sums over channels is that of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unnoise.domains.timeseries.baselines.contract import Floats, check_counts, check_history

__all__ = ["BootstrapWalk", "GaussianWalk"]


@dataclass(frozen=True)
class BootstrapWalk:
    """Increments are drawn from those of the history, with their drift and their tails.

    Attributes:
        steps: From how many of the latest; None: all.
    """

    steps: int | None = None

    def __post_init__(self) -> None:
        check_counts(steps=1 if self.steps is None else self.steps)

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """Samples (S, N, H, C), as `Forecasts` says."""
        check_counts(horizon=horizon, samples=samples)
        last, d = _increments(history, self.steps)
        at = rng.integers(d.shape[1], size=(samples, len(d), horizon))
        path: Floats = last + d[np.arange(len(d))[:, None], at].cumsum(axis=2)
        return path


@dataclass(frozen=True)
class GaussianWalk:
    r"""Increments are N(0, S), with S the mean of $d d^T$ over the history: no drift.

    Attributes:
        steps: Over how many of the latest; None: all.
    """

    steps: int | None = None

    def __post_init__(self) -> None:
        check_counts(steps=1 if self.steps is None else self.steps)

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """Samples (S, N, H, C), as `Forecasts` says."""
        check_counts(horizon=horizon, samples=samples)
        last, d = _increments(history, self.steps)
        variance, axes = np.linalg.eigh(np.einsum("ntc,ntd->ncd", d, d) / d.shape[1])
        root = axes * np.sqrt(variance.clip(min=0))[:, None]  # S may be singular
        z = rng.standard_normal((samples, len(d), horizon, d.shape[2]))
        path: Floats = last + np.einsum("ncd,snhd->snhc", root, z).cumsum(axis=2)
        return path


def _increments(history: Floats, steps: int | None) -> tuple[Floats, Floats]:
    """The last values (N, 1, C) and the latest increments (N, k, C)."""
    x = check_history(history, 1 + (steps or 1))
    d = np.diff(x, axis=1)
    return x[:, -1:], d if steps is None else d[:, -steps:]
