"""What the calendar says of a time: the phase phi of the day, the week and the year, each as

    sin(2 pi phi), cos(2 pi phi),   phi in [0, 1)

on the wall clock of the stamps' time zone, so that "at eight" stays at eight when summer time ends,
and the first of January is phase 0 of every year. A cycle that the data can't show is left out: one
of fewer than two gaps, or of which the data span less than one and a half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.panel import Panel

__all__ = ["CYCLES", "Calendar", "Cycle", "length", "periods"]

Cycle = Literal["day", "week", "year"]
CYCLES: tuple[Cycle, ...] = ("day", "week", "year")
_DAYS: dict[Cycle, float] = {"day": 1, "week": 7, "year": 365.25}
_DAY = pd.Timedelta(1, "D")


@final
@dataclass(frozen=True)
class Calendar:
    """Features of times, sin and cos of the phase of each cycle.

    Attributes:
        clock: of the times.
        cycles: those that the data show.
    """

    clock: Clock
    cycles: tuple[Cycle, ...]

    @staticmethod
    def of(panel: Panel) -> Calendar:
        """The cycles that a panel shows; numeric stamps have none."""
        clock = panel.clock
        if not clock.dated:
            return Calendar(clock, ())
        gap, span = panel.gap, panel.span
        shown = (c for c in CYCLES if 2 * gap <= length(clock, c) <= span / 1.5)
        return Calendar(clock, tuple(shown))

    @property
    def periods(self) -> tuple[float, ...]:
        """Lengths of the cycles, in the clock's unit."""
        return tuple(length(self.clock, c) for c in self.cycles)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""
        return tuple(f"{f} of {c}" for c in self.cycles for f in ("sin", "cos"))

    def __call__(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features of times (T,): (T, 2 K) of K cycles."""
        if not self.cycles:
            return np.zeros((len(times), 0))
        wall = self.clock.local(times)
        angle = 2 * np.pi * np.stack([_phase(wall, c) for c in self.cycles], axis=-1)
        return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(len(times), -1)


def periods(panel: Panel) -> tuple[float, ...]:
    """Lengths of the cycles that a panel shows, in its clock's unit: 24 and 168 of hours."""
    return Calendar.of(panel).periods


def length(clock: Clock, cycle: Cycle) -> float:
    """Of a cycle, in the unit of a clock of dates: 12 months a year, 5 business days a week.

    Raises:
        ValueError: if the clock's stamps are numbers.
    """
    if not clock.dated:
        raise ValueError(f"calendar: stamps are numbers, and these have no {cycle}")
    return float(_DAYS[cycle] * (_DAY / clock.mean_unit))


def _phase(wall: pd.DatetimeIndex, cycle: Cycle) -> NDArray[np.float64]:
    """How much of its cycle is over, (T,), in [0, 1)."""
    midnight = wall.normalize()
    day = np.asarray((wall - midnight) / _DAY, np.float64)
    if cycle == "day":
        return day
    if cycle == "week":
        return np.asarray((wall.dayofweek.to_numpy() + day) / 7)
    return np.asarray((wall.dayofyear.to_numpy() - 1 + day) / (365 + wall.is_leap_year))
