"""What a task of time series is about: windows to learn, windows of which something is asked, and the
units of both.

    asked = mask & ~observed,     given = observed

Windows are in standard units as networks see them; figures are in those of the data, or in
z-scores where others published them so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.core.batch import Batch
from unnoise.core.transform import Affine
from unnoise.domains.task import Splits
from unnoise.domains.timeseries.learned import reference_of
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.patterns import Pattern
from unnoise.domains.timeseries.question import times
from unnoise.domains.timeseries.reference import Seasonal
from unnoise.domains.timeseries.standard import Standard
from unnoise.domains.timeseries.windows import stacked

__all__ = ["Exam", "Rival", "Scale", "SeriesSet", "standard_of"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scale:
    """(x - shift) / scale of every channel, (C,) each: the units that figures are in."""

    shift: Floats
    scale: Floats

    @staticmethod
    def plain(channels: int) -> Scale:
        """Those of the data."""
        return Scale(np.zeros(channels), np.ones(channels))

    @staticmethod
    def z(values: Floats) -> Scale:
        """z-scores by what is known of values (..., C)."""
        flat = values.reshape(-1, values.shape[-1])
        return Scale(np.nanmean(flat, 0), np.nanstd(flat, 0))

    def __call__(self, x: Floats) -> Floats:
        """In these units, channels last."""
        return (x - self.shift) / self.scale


@dataclass(frozen=True, eq=False)
class Exam:
    """Windows of which something is asked.

    Attributes:
        batch: states in standard units, `observed` what is given, `mask` that and what is asked.
        values: in the data's units, NaN where unknown, (N, T, C).
    """

    batch: Batch
    values: Floats

    @staticmethod
    def of(
        parts: Sequence[Series],
        asked: Sequence[Mask],
        given: Sequence[Mask],
        units: Standard,
        length: int | None = None,
    ) -> Exam:
        """The exam of windows.

        Args:
            parts: windows, whose values are the truth.
            asked, given: which entries are, (T, C) of each; what is neither is never looked at.
            units: standard ones.
            length: to which windows are padded; None: the longest's.

        Raises:
            ValueError: if an entry is asked for and given, or of what is asked the truth is unknown.
        """
        for part, want, tell in zip(parts, asked, given, strict=True):
            if (want & tell).any():
                raise ValueError(f"{part.title}: an entry is both asked for and given")
            if (want & np.isnan(part.values)).any():
                raise ValueError(f"{part.title}: an entry is asked for whose truth is unknown")
        batch = stacked(parts, [units] * len(parts), length)
        n = batch.x.shape[1]
        assert batch.mask is not None
        told = torch.from_numpy(np.stack([_padded(g, n, False) for g in given])) & batch.mask
        wanted = torch.from_numpy(np.stack([_padded(a, n, False) for a in asked]))
        values = np.stack([_padded(p.values, n, np.nan) for p in parts])
        return Exam(batch.replace(mask=told | wanted, observed=told), values)

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def given(self) -> Mask:
        """Which entries are, (N, T, C)."""
        assert self.batch.observed is not None
        return np.asarray(self.batch.observed)

    @property
    def asked(self) -> Mask:
        """Which entries are, (N, T, C)."""
        assert self.batch.mask is not None
        return np.asarray(self.batch.mask) & ~self.given

    @property
    def times(self) -> Floats:
        """(N, T)."""
        return np.asarray(times(self.batch))

    @property
    def truth(self) -> Floats:
        """What is asked, in the data's units; NaN elsewhere, (N, T, C)."""
        return np.where(self.asked, self.values, np.nan)

    @property
    def seen(self) -> Floats:
        """What is given, likewise."""
        return np.where(self.given, self.values, np.nan)

    def first(self, n: int | None) -> Exam:
        """At most n windows, spread evenly; None: all."""
        if n is None or n >= len(self):
            return self
        some = np.linspace(0, len(self) - 1, n).round().astype(int)
        return Exam(self.batch.rows(torch.from_numpy(some)), self.values[some])


@dataclass(frozen=True)
class Rival:
    """A classical answer to an exam.

    Attributes:
        draw: (exam, samples, rng) -> samples (S, N, T, C) in the data's units, of which only what is
            asked counts.
        point: whether its samples are all the same.
    """

    draw: Callable[[Exam, int, np.random.Generator], Floats]
    point: bool = False


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Windows to learn and windows to be examined on.

    Attributes:
        train: states (B, T, C) in standard units; nothing of them is asked for in an exam.
        valid, test: exams.
        units: standard ones.
        pattern: what training gives.
        periods: of seasons, in the times' unit.
        gap: a typical one between times.
        source: the file and the protocol, as titles name it.
        judged: the units of figures.
        channels: names.
        rivals: by name; the first is the baseline.
    """

    train: Batch
    valid: Exam
    test: Exam
    units: Standard
    pattern: Pattern
    periods: Sequence[float]
    gap: float
    source: str
    judged: Scale
    channels: Sequence[Hashable]
    rivals: Mapping[str, Rival] = field(default_factory=dict)

    @property
    def reference(self) -> Seasonal:
        """The law that answers before any training."""
        return fitted_reference(self.train, tuple(self.periods), self.gap)

    @cached_property
    def spread(self) -> Floats:
        """Standard deviations of training values in the units of figures, (C,)."""
        assert self.train.mask is not None
        known = np.asarray(self.train.mask)
        values = np.where(known, self.units.decode(self.train.x.double().numpy()), np.nan)
        return Scale.z(self.judged(values)).scale

    @property
    def longest(self) -> float:
        """Time that a window spans."""
        t = times(self.train)
        return float((t[:, -1] - t[:, 0]).max())

    def decoded(self, z: Floats) -> Floats:
        """Standard units to those of figures."""
        return self.judged(self.units.decode(z))

    def splits(self) -> Splits:
        """As a task has them."""
        return Splits(self.train, self.valid.batch, self.test.batch, Affine())


def standard_of(values: Floats) -> Standard:
    """Standard units of training values (..., C), NaN where unknown.

    Raises:
        ValueError: if a channel has no two different values.
    """
    flat = values.reshape(-1, values.shape[-1])
    whole = Series(None, np.arange(len(flat), dtype=float), flat, np.zeros((len(flat), 0)))
    return Standard.of(Panel([whole], tuple(range(flat.shape[1]))))


@cache
def fitted_reference(train: Batch, periods: tuple[float, ...], gap: float) -> Seasonal:
    """Sets that share their training windows share it: it takes a minute of many channels."""
    return reference_of(train, periods, gap)


def _padded(x: NDArray[np.generic], n: int, fill: float | bool) -> NDArray[np.generic]:
    rest = np.full((n - len(x), x.shape[1]), fill, x.dtype)
    return np.concatenate([x, rest])
