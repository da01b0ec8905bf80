"""What any frame becomes: a panel of irregular series of the same channels.

A series has one axis of times, and at each a value for every channel or none (NaN). Series of a panel
differ in times and in length, and share a clock (see `clock`), so that a time means the same in all.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from unnoise.domains.timeseries.clock import Clock

__all__ = ["Panel", "Series"]


@final
@dataclass(frozen=True, eq=False)
class Series:
    """One irregular multichannel series.

    Attributes:
        name: its id; None if the frame has only one.
        times: strictly increasing, in the clock's unit since its origin, (T,).
        values: NaN where missing: unknown, or never measured, (T, C).
        known: covariates known at all times, (T, F); F may be 0.
        static: covariates of the series, (S,); S may be 0.

    Raises:
        ValueError: if shapes disagree, times don't increase, a covariate isn't finite, or a value
            is infinite.
    """

    name: Hashable
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    known: NDArray[np.float64]
    static: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        T = len(self.times)
        if not T:
            raise ValueError(f"{self.title}: has no times")
        shapes = {
            "times": (self.times, (T,)),
            "values": (self.values, (T, *self.values.shape[1:2])),
            "known": (self.known, (T, *self.known.shape[1:2])),
            "static": (self.static, (self.static.size,)),
        }
        dims = {"times": 1, "values": 2, "known": 2, "static": 1}
        for name, (array, shape) in shapes.items():
            if array.ndim != dims[name] or array.shape != shape:
                raise ValueError(
                    f"{self.title}: {name} has shape {array.shape}, and there are {T} times; needs {dims[name]} dimensions, the first of times"
                )
        if not np.isfinite(self.times).all():
            raise ValueError(
                f"{self.title}: time {int(_first(~np.isfinite(self.times)))} isn't finite"
            )
        stops = np.diff(self.times) <= 0
        if stops.any():
            k = _first(stops)
            raise ValueError(
                f"{self.title}: times must increase strictly, and time {k + 1} ({self.times[k + 1]:g}) doesn't exceed time {k} ({self.times[k]:g})"
            )
        for name, wrong in {
            "values": np.isinf(self.values),
            "known": ~np.isfinite(self.known),
            "static": ~np.isfinite(self.static),
        }.items():
            if wrong.any():
                where = tuple(int(i) for i in np.argwhere(wrong)[0])
                raise ValueError(f"{self.title}: {name}{list(where)} isn't finite")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def title(self) -> str:
        """What the series is called in a message."""
        return "the series" if self.name is None else f"series {self.name!r}"


@final
@dataclass(frozen=True, eq=False)
class Panel:
    """Series of the same channels.

    Attributes:
        series: one or more.
        channels: names of the C channels.
        known: names of the F covariates that are known at all times.
        static: names of the S covariates of a series.
        clock: of all times.

    Raises:
        ValueError: if there is no series or channel, two of one name, or a series of another
            number of channels or covariates.
    """

    series: Sequence[Series]
    channels: tuple[Hashable, ...]
    known: tuple[Hashable, ...] = ()
    static: tuple[Hashable, ...] = ()
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        if not len(self.series) or not self.channels:
            raise ValueError(
                f"Panel: needs a series and a channel, got {len(self.series)} and {len(self.channels)}"
            )
        _refuse_twice("series", [s.name for s in self.series])
        _refuse_twice("columns", [*self.channels, *self.known, *self.static])
        widths = (len(self.channels), len(self.known), len(self.static))
        for s in self.series:
            has = (s.values.shape[1], s.known.shape[1], len(s.static))
            if has != widths:
                raise ValueError(
                    f"Panel: {s.title} has {has} channels, known and static covariates, and the panel names {widths}"
                )

    def __len__(self) -> int:
        return len(self.series)

    @property
    def gap(self) -> float:
        """The median distance of neighbouring times (of an even number, the lower), in the clock's
        unit; 1 if there are no neighbours."""
        gaps = np.sort(np.concatenate([np.diff(s.times) for s in self.series]))
        return float(gaps[(len(gaps) - 1) // 2]) if len(gaps) else 1.0

    @property
    def span(self) -> float:
        """The distance of the last time from the first, in the clock's unit."""
        return float(max(s.times[-1] for s in self.series) - min(s.times[0] for s in self.series))

    def check_learnable(self) -> None:
        """Refuse channels of which nothing can be learned.

        Raises:
            ValueError: if a channel has no value at all, or only one; all such are named.
        """
        low = np.fmin.reduce([np.fmin.reduce(s.values, axis=0) for s in self.series])
        high = np.fmax.reduce([np.fmax.reduce(s.values, axis=0) for s in self.series])
        void = [c for c, v in zip(self.channels, low, strict=True) if np.isnan(v)]
        flat = [
            f"{c!r} (always {a:g})"
            for c, a, b in zip(self.channels, low, high, strict=True)
            if a == b
        ]
        if void:
            raise ValueError(
                f"fit: no value is known of {', '.join(map(repr, void))}; leave these columns out of the targets"
            )
        if flat:
            raise ValueError(
                f"fit: nothing varies in {', '.join(flat)}; leave these columns out of the targets, their value is known"
            )


def _first(wrong: NDArray[np.bool_]) -> int:
    return int(wrong.argmax())


def _refuse_twice(what: str, names: Sequence[Hashable]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Panel: two {what} are named {name!r}; rename one")
