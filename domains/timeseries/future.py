"""Times after the last: a regular series goes on as it went, and of an irregular one nobody knows.

    t_h = t_T + h * gap,   h = 1..H

In the clock's unit a step of the calendar has length 1, so months and business days are regular.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.frames.stamps import read_stamps
from unnoise.domains.timeseries.panel import Panel, Series

__all__ = ["Step", "future", "regular_gap"]

Step: TypeAlias = Any  # str | pd.Timedelta | BaseOffset | float
_WHOLE = 1e-6  # of a gap: how far from a multiple is one still


def future(
    panel: Panel, horizon: int | Sequence[object], step: Step | None = None
) -> list[NDArray[np.float64]]:
    """Times after each series' last, in the panel's clock.

    Args:
        panel: the series.
        horizon: how many times, H; or their stamps, the same for all series.
        step: the gap between two: "h", "B", "ME", a Timedelta, or a number if stamps are numbers;
            None: as the series goes, which must be regular but for holes.

    Returns:
        Times of each series, (H,).

    Raises:
        ValueError: if the horizon isn't positive, stamps don't come after the last in rising
            order or can't be read, or a series has no gap of its own and no step is given.
    """
    if not isinstance(horizon, int | np.integer):
        return [_asked(panel.clock, s, horizon) for s in panel.series]
    if horizon < 1:
        raise ValueError(f"horizon: must be at least 1, got {horizon}")
    h = np.arange(1, int(horizon) + 1)
    if step is None:
        return [s.times[-1] + h * _own_gap(panel, s) for s in panel.series]
    return [_stepped(panel.clock, s, len(h), step) for s in panel.series]


def regular_gap(times: NDArray[np.float64]) -> float | None:
    """The gap of times, if at least half are that and others multiples; None: they have none."""
    gaps = np.diff(times)
    if not len(gaps):
        return 1.0
    least = gaps.min()
    off = np.abs(gaps / least - np.rint(gaps / least))
    half = np.sort(gaps)[(len(gaps) - 1) // 2] <= least * (1 + _WHOLE)
    return float(least) if half and (off < _WHOLE).all() else None


def _own_gap(panel: Panel, series: Series) -> float:
    gap = regular_gap(series.times)
    if gap is None:
        median = float(np.median(np.diff(series.times)))
        unit = panel.clock.unit
        shown = f"{unit * median:g}" if not panel.clock.dated else f"{median:g} of {unit}"
        raise ValueError(
            f"horizon: {series.title} is irregular, so its next times aren't known; pass their stamps as the horizon, or a step (its median gap is {shown})"
        )
    return gap


def _stepped(clock: Clock, series: Series, H: int, step: Step) -> NDArray[np.float64]:
    """H times of a step after a series' last one."""
    last = clock.stamps(series.times[-1:])
    if not clock.dated:
        if isinstance(step, str | pd.Timedelta | BaseOffset) or not step > 0:
            raise ValueError(
                f"step: stamps are numbers, so it must be a positive one; got {step!r}"
            )
        return np.asarray(series.times[-1] + np.arange(1, H + 1) * (step / clock.unit))
    try:
        offset = to_offset(step)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"step: {step!r} is no frequency of pandas; such are 'h', 'D', 'B', 'ME', '15min'"
        ) from error
    if offset.n < 1:
        raise ValueError(f"step: must be positive, got {step!r}")
    stamps = pd.date_range(last[0], periods=H + 1, freq=offset)
    return clock.numbers(stamps[stamps > last[0]][:H])


def _asked(clock: Clock, series: Series, stamps: Sequence[object]) -> NDArray[np.float64]:
    """The times of stamps that are to come after a series' last one."""
    if not len(stamps):
        raise ValueError("horizon: has no stamps; name at least one, or say how many")
    asked = read_stamps(pd.Series(list(stamps)), "horizon")
    times = clock.numbers(asked)
    if (np.diff(times, prepend=series.times[-1]) <= 0).any():
        k = int((np.diff(times, prepend=series.times[-1]) <= 0).argmax())
        raise ValueError(
            f"horizon: {asked[k]} must come after {'the stamp before it' if k else f'the last of {series.title}'}"
        )
    return times
