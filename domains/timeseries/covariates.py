"""Covariates as networks see them: in units of their spread, and with the calendar beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.domains.timeseries.calendar import Calendar
from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.panel import Panel, Series

__all__ = ["Covariates"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Covariates:
    """(z - mean) / std of covariates; one that never varies is 0.

    Attributes:
        calendar: whose features are put beside those known at all times.
        known: mean and std of these, (2, F).
        static: of those of a series, (2, S).
    """

    calendar: Calendar
    known: Array
    static: Array

    @staticmethod
    def of(panel: Panel) -> Covariates:
        """Those of training data."""
        known = np.concatenate([s.known for s in panel.series])
        static = np.stack([s.static for s in panel.series])
        return Covariates(Calendar.of(panel), _units(known), _units(static))

    @property
    def widths(self) -> tuple[int, int]:
        """Features of a time and of a series."""
        return self.known.shape[1] + len(self.calendar.names), self.static.shape[1]

    def __call__(self, series: Series) -> Series:
        """The series with its covariates as networks see them."""
        known = np.concatenate(
            [_standard(series.known, self.known), self.calendar(series.times)], 1
        )
        return replace(series, known=known, static=_standard(series.static, self.static))

    def to_json(self) -> dict[str, Any]:
        return {
            "cycles": list(self.calendar.cycles),
            "known": self.known.tolist(),
            "static": self.static.tolist(),
        }

    @staticmethod
    def from_json(told: Mapping[str, Any], clock: Clock) -> Covariates:
        known, static = (np.array(told[k]).reshape(2, -1) for k in ("known", "static"))
        return Covariates(Calendar(clock, tuple(told["cycles"])), known, static)


def _units(x: Array) -> Array:
    return np.stack([x.mean(0), x.std(0)])


def _standard(x: Array, units: Array) -> Array:
    mean, std = units
    return np.where(std > 0, (x - mean) / np.where(std > 0, std, 1.0), 0.0)
