r"""Fillers of gaps: the mean, the last observation, a line in time, the other channels.

All are points: S samples are S equal ones. Where a window holds nothing of a channel, its level
takes over: fit it to the training data. Windows matter. Of a whole series a gap at the start of
a window has a last observation, which the window doesn't show; compare fillers on the windows that
the model sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.timeseries.baselines.contract import Floats, repeated

__all__ = ["LastObservation", "Linear", "Mean", "OtherChannels"]


@dataclass(frozen=True, eq=False)
class Mean:
    """Each channel's level.

    Attributes:
        level: (C,), in the units of the data.
    """

    level: Floats

    @staticmethod
    def fit(values: ArrayLike) -> Mean:
        """The means over what is known of training values (..., C).

        Raises:
            ValueError: If nothing of a channel is known.
        """
        return Mean(_moments(values)[0])

    def impute(
        self, values: Floats, times: Floats, samples: int, rng: np.random.Generator
    ) -> Floats:
        """S equal fillings (S, N, T, C), as `Imputes` says; nothing is drawn."""
        x, _ = _checked(values, times, self.level)
        return repeated(np.where(np.isnan(x), self.level, x), samples)


@dataclass(frozen=True, eq=False)
class LastObservation:
    """The last observation of the channel, or else its next, or else its level.

    Attributes:
        level: (C,), in the units of the data.
    """

    level: Floats

    @staticmethod
    def fit(values: ArrayLike) -> LastObservation:
        """With the means over what is known of training values (..., C); raises as `Mean.fit`."""
        return LastObservation(_moments(values)[0])

    def impute(
        self, values: Floats, times: Floats, samples: int, rng: np.random.Generator
    ) -> Floats:
        """S equal fillings (S, N, T, C), as `Imputes` says; nothing is drawn."""
        x, _ = _checked(values, times, self.level)
        before, after = _neighbours(x)
        found = np.take_along_axis(x, np.where(before < 0, after, before), axis=1)
        return repeated(np.where(np.isnan(found), self.level, found), samples)


@dataclass(frozen=True, eq=False)
class Linear:
    """On the line in time between the last and the next observation of the channel; only one of
    them: that one; none: its level.

    Attributes:
        level: (C,), in the units of the data.
    """

    level: Floats

    @staticmethod
    def fit(values: ArrayLike) -> Linear:
        """With the means over what is known of training values (..., C); raises as `Mean.fit`."""
        return Linear(_moments(values)[0])

    def impute(
        self, values: Floats, times: Floats, samples: int, rng: np.random.Generator
    ) -> Floats:
        """S equal fillings (S, N, T, C), as `Imputes` says; nothing is drawn."""
        x, t = _checked(values, times, self.level)
        found = _interpolated(x, t)
        return repeated(np.where(np.isnan(found), self.level, found), samples)


@dataclass(frozen=True, eq=False)
class OtherChannels:
    r"""What the other channels are at the same time, on average, each on its own scale.

    With z = (x - level) / scale, the answer is level + scale times the mean of z over the channels
    observed at that time; between times without any, on the line.

    Attributes:
        level: (C,), in the units of the data; 0 takes channels as they are.
        scale: (C,), likewise; 1 takes them as they are.
    """

    level: Floats
    scale: Floats

    @staticmethod
    def fit(values: ArrayLike) -> OtherChannels:
        """With the mean and the standard deviation of what is known of training values (..., C).

        Raises:
            ValueError: If nothing of a channel is known, or it is constant.
        """
        level, scale = _moments(values)
        if not scale.all():
            channel = int((scale == 0).argmax())
            raise ValueError(f"values: channel {channel} is constant and has no scale; drop it")
        return OtherChannels(level, scale)

    def impute(
        self, values: Floats, times: Floats, samples: int, rng: np.random.Generator
    ) -> Floats:
        """S equal fillings (S, N, T, C), as `Imputes` says; nothing is drawn."""
        x, t = _checked(values, times, self.level)
        z = (x - self.level) / self.scale
        observed = (~np.isnan(z)).sum(axis=2, keepdims=True)
        mean = np.nansum(z, axis=2, keepdims=True) / np.where(observed, observed, np.nan)
        mean = np.nan_to_num(_interpolated(mean, t))  # a window without anything: the level
        return repeated(np.where(np.isnan(x), self.level + self.scale * mean, x), samples)


def _moments(values: ArrayLike) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each channel, (C,)."""
    x = np.asarray(values, dtype=np.float64)
    x = x.reshape(-1, x.shape[-1])
    empty = np.isnan(x).all(axis=0)
    if empty.any():
        raise ValueError(f"values: nothing of channel {int(empty.argmax())} is known; drop it")
    return np.nanmean(x, axis=0), np.nanstd(x, axis=0)


def _checked(values: Floats, times: Floats, level: Floats) -> tuple[Floats, Floats]:
    x, t = np.asarray(values, dtype=np.float64), np.asarray(times, dtype=np.float64)
    if x.ndim != 3 or t.shape != x.shape[:2] or x.shape[2:] != np.shape(level):
        raise ValueError(
            f"values, times: need (N, T, {len(level)}) and (N, T), got {x.shape} and {t.shape}"
        )
    if not (np.diff(t, axis=1) > 0).all():
        row = int((~(np.diff(t, axis=1) > 0)).any(axis=1).argmax())
        raise ValueError(f"times: those of window {row} don't increase strictly; sort them")
    return x, t


def _neighbours(x: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where in time the last and the next observation are, (N, T, C); -1: there is none."""
    n = x.shape[1]
    steps = np.arange(n)[:, None]
    before = np.maximum.accumulate(np.where(np.isnan(x), -1, steps), axis=1)
    late = np.where(np.isnan(x), n, steps)
    after = np.minimum.accumulate(late[:, ::-1], axis=1)[:, ::-1]
    return before, np.where(after == n, -1, after)


def _interpolated(x: Floats, t: Floats) -> Floats:
    """Gaps filled on the line between their ends, NaN only where a channel has nothing."""
    before, after = _neighbours(x)
    before, after = np.where(before < 0, after, before), np.where(after < 0, before, after)
    y0, y1 = (np.take_along_axis(x, at, axis=1) for at in (before, after))
    t0, t1 = (np.take_along_axis(t, at.reshape(len(t), -1), axis=1).reshape(at.shape)
              for at in (before, after))  # fmt: skip
    gap = np.where(t1 > t0, t1 - t0, 1)
    line: Floats = y0 + (y1 - y0) * (t[:, :, None] - t0) / gap
    return np.where(np.isnan(x), line, x)
