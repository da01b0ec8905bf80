"""Stamps <-> numbers.

    t = (stamp - origin) / unit

A unit is a length of time (or of whatever numeric stamps count), or a step of the calendar: a month,
a business day. Steps of the calendar differ in length, so there the whole numbers are the stamps of
the calendar, origin + k steps, and t is linear between two of them. A regular series has the times
0, 1, 2, ... under either, and these are exact: arithmetic is that of whole nanoseconds.

With a time zone a length is absolute (an hour is an hour) and a step is the wall clock's (a day may
have 23 hours).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset, BDay, Day, MonthBegin, MonthEnd, Tick

__all__ = ["Clock", "Stamps"]

Stamps: TypeAlias = Any  # a pd.DatetimeIndex in nanoseconds, or an array of float64
Origin: TypeAlias = Any  # pd.Timestamp | float
Unit: TypeAlias = Any  # pd.Timedelta | BaseOffset | float
_EPS = float(np.finfo(np.float64).eps)


@final
@dataclass(frozen=True)
class Clock:
    """t = (stamp - origin) / unit.

    Attributes:
        origin: the stamp of t = 0; its time zone is that of all stamps.
        unit: a Timedelta or a step of the calendar if stamps are dates, else a number.

    Raises:
        ValueError: if the unit isn't positive, isn't of the origin's kind, or is a step of the
            calendar on which the origin doesn't lie.
    """

    origin: Origin = 0.0
    unit: Unit = 1.0

    def __post_init__(self) -> None:
        stepped = isinstance(self.unit, BaseOffset)
        if self.dated != (stepped or isinstance(self.unit, pd.Timedelta)):
            raise ValueError(
                f"Clock: origin {self.origin!r} and unit {self.unit!r} don't go together; dates have a Timedelta or an offset, numbers a number"
            )
        length = self.unit.n if stepped else pd.Timedelta(self.unit).value if self.dated else 0
        if not (length > 0 if self.dated else 0 < self.unit < np.inf):
            raise ValueError(f"Clock: the unit must be positive, got {self.unit!r}")
        if stepped and not self.unit.is_on_offset(self.origin):
            raise ValueError(
                f"Clock: origin {self.origin} isn't a stamp of {self.unit.freqstr!r}; take one that is"
            )

    @property
    def dated(self) -> bool:
        """Whether stamps are dates."""
        return isinstance(self.origin, pd.Timestamp)

    @property
    def mean_unit(self) -> pd.Timedelta:
        """The length of a unit of dates; of a step of the calendar, the mean over the 28 years
        after which the calendar repeats itself."""
        return self.unit if isinstance(self.unit, pd.Timedelta) else _mean_step(self.unit)

    @property
    def step(self) -> BaseOffset | None:
        """The unit as an offset of pandas; None if stamps are numbers."""
        return to_offset(self.unit) if self.dated else None

    @staticmethod
    def of(stamps: Stamps, group: NDArray[np.int64], step: BaseOffset | None = None) -> Clock:
        """The clock that suits stamps.

        Origin: the earliest. Unit: the gap if all are the same; else the step of the calendar on
        which all lie (holes don't matter); else the median gap (of an even number, the lower).

        Args:
            stamps: sorted within each group, (N,).
            group: the series of each, (N,), in one piece each.
            step: a step of the calendar that is known already.
        """
        same = group[1:] == group[:-1]
        if not isinstance(stamps, pd.DatetimeIndex):
            return Clock(float(stamps.min()), _number_unit(stamps, np.diff(stamps)[same]))
        origin = stamps.min()
        if step is not None and not isinstance(step, Tick) and step.is_on_offset(origin):
            return Clock(origin, step)
        gaps = np.sort(np.diff(stamps.asi8)[same])
        if not len(gaps):
            return Clock(origin, pd.Timedelta(1, "D"))
        median = pd.Timedelta(int(gaps[(len(gaps) - 1) // 2]))
        if gaps[0] == gaps[-1]:
            return Clock(origin, median)
        return Clock(origin, _calendar(stamps.unique().sort_values(), median) or median)

    def numbers(self, stamps: Stamps) -> NDArray[np.float64]:
        """The times of stamps, (T,).

        Raises:
            ValueError: if stamps are numbers and the clock's are dates, or the other way round, or
                if only one of them has a time zone.
        """
        self._require_kind(stamps)
        if not len(stamps):
            return np.zeros(0)
        if not isinstance(stamps, pd.DatetimeIndex):
            x = np.asarray(stamps, np.float64)
            scale = float(max(np.abs(x).max() / self.unit, 1.0))
            return _snapped((x - self.origin) / self.unit, 8 * _EPS * scale)
        ns = stamps.asi8
        if isinstance(self.unit, pd.Timedelta):
            whole, rest = np.divmod(ns - self.origin.value, self.unit.value)
            return np.asarray(whole + rest / self.unit.value)
        first, grid = self._around(stamps)
        k = np.searchsorted(grid, ns, "right") - 1
        return np.asarray(first + k + (ns - grid[k]) / (grid[k + 1] - grid[k]))

    def stamps(self, times: NDArray[np.float64]) -> Stamps:
        """The stamps of times, (T,): exact where a time is whole, else rounded to the power of ten
        nanoseconds that a time resolves."""
        t = np.asarray(times, np.float64)
        if not self.dated:
            return np.asarray(self.origin + self.unit * t)
        scale = float(np.abs(t).max(initial=1.0))
        t = _snapped(t, _EPS * scale)
        whole = np.floor(t).astype(np.int64)
        if isinstance(self.unit, pd.Timedelta):
            low, length = self.origin.value + whole * self.unit.value, self.unit.value
        else:
            first, last = int(whole.min(initial=0)), int(whole.max(initial=0)) + 1
            grid = _grid(self.origin, self.unit, -first, last)
            low = grid[whole - first]
            length = grid[whole - first + 1] - low
        digit = 10 ** max(0, int(np.ceil(np.log10(4 * _EPS * scale * np.max(length, initial=1)))))
        exact = low + np.rint((t - whole) * length).astype(np.int64)
        coarse = (exact + digit // 2) // digit * digit
        return self._dates(np.where(t == whole, low, coarse))

    def local(self, times: NDArray[np.float64]) -> pd.DatetimeIndex:
        """What a clock on the wall shows at times, (T,): stamps without their time zone."""
        return self.stamps(times).tz_localize(None)

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON."""
        if not self.dated:
            return {"origin": self.origin, "unit": self.unit}
        tz = None if self.origin.tz is None else str(self.origin.tz)
        timed = isinstance(self.unit, pd.Timedelta)
        unit = self.unit.value if timed else self.unit.freqstr
        return {"origin": self.origin.value, "tz": tz, "unit": unit}

    @staticmethod
    def from_json(told: dict[str, Any]) -> Clock:
        """The clock that `to_json` told of."""
        if "tz" not in told:
            return Clock(told["origin"], told["unit"])
        origin = pd.Timestamp(told["origin"], tz=told["tz"])
        unit = told["unit"]
        return Clock(origin, to_offset(unit) if isinstance(unit, str) else pd.Timedelta(unit))

    def _dates(self, ns: NDArray[np.int64]) -> pd.DatetimeIndex:
        dates = pd.DatetimeIndex(ns)
        tz = self.origin.tz
        return dates if tz is None else dates.tz_localize("UTC").tz_convert(tz)

    def _around(self, stamps: pd.DatetimeIndex) -> tuple[int, NDArray[np.int64]]:
        """Steps from before the first stamp to after the last, and the number of the first."""
        mean, spare = self.mean_unit, 3  # steps at the ends are shorter or longer than the mean
        back = max(0, int((self.origin - stamps.min()) / mean)) + spare
        forth = max(0, int((stamps.max() - self.origin) / mean)) + spare
        return -back, _grid(self.origin, self.unit, back, forth)

    def _require_kind(self, stamps: Stamps) -> None:
        dated = isinstance(stamps, pd.DatetimeIndex)
        if dated != self.dated:
            kinds = {True: "dates", False: "numbers"}
            raise ValueError(f"stamps are {kinds[dated]}, and the clock's are {kinds[self.dated]}")
        if dated and (stamps.tz is None) != (self.origin.tz is None):
            zone = {True: "no time zone", False: "one"}
            raise ValueError(
                f"stamps have {zone[stamps.tz is None]}, and the clock has {zone[self.origin.tz is None]}; tz_localize those that have none"
            )


@lru_cache(maxsize=32)
def _grid(origin: pd.Timestamp, unit: BaseOffset, back: int, forth: int) -> NDArray[np.int64]:
    """The steps of the calendar from -back to forth, both included, in nanoseconds."""
    before = pd.date_range(end=origin, periods=back + 1, freq=unit, unit="ns")
    after = pd.date_range(start=origin, periods=forth + 1, freq=unit, unit="ns")
    steps = np.concatenate([before.asi8, after.asi8[1:]])
    steps.flags.writeable = False  # it is cached
    return steps


@lru_cache(maxsize=32)
def _mean_step(unit: BaseOffset) -> pd.Timedelta:
    steps = pd.date_range("1972-01-01", "2000-01-01", freq=unit, inclusive="left")
    return pd.Timedelta(10_227, "D") / len(steps)


def _snapped(t: NDArray[np.float64], rounding: float) -> NDArray[np.float64]:
    """Times that differ from a whole number by rounding only, as that number."""
    whole = np.rint(t)
    return np.where(np.abs(t - whole) <= rounding, whole, t)


def _number_unit(stamps: NDArray[np.float64], gaps: NDArray[np.float64]) -> float:
    """The median gap; if others are multiples but for rounding, the gap that fits all best."""
    if not len(gaps):
        return 1.0
    median = np.sort(gaps)[(len(gaps) - 1) // 2]
    steps = np.rint(gaps / median)
    off = np.abs(gaps - steps * median)
    regular = (off <= 8 * _EPS * np.abs(stamps).max() * np.maximum(steps, 1)).all()
    return float(gaps.sum() / steps.sum() if regular else median)


def _calendar(stamps: pd.DatetimeIndex, median: pd.Timedelta) -> pd.Timedelta | BaseOffset | None:
    """The step of the calendar on which all stamps lie, holes or not; None: there is none."""
    freq = pd.infer_freq(stamps) if len(stamps) > 2 else None
    if freq is not None:
        step = to_offset(freq)
        fixed = isinstance(step, Tick) and not (isinstance(step, Day) and stamps.tz is not None)
        return pd.Timedelta(step) if fixed else step
    wall = stamps.tz_localize(None)
    day = pd.Timedelta(1, "D")
    if len((wall - wall.normalize()).unique()) > 1:
        return None
    if median <= day and wall[-1] - wall[0] >= 7 * day and (wall.dayofweek < 5).all():
        return BDay()
    if median >= 28 * day and wall.is_month_start.all():
        return MonthBegin()
    if median >= 28 * day and wall.is_month_end.all():
        return MonthEnd()
    return None
