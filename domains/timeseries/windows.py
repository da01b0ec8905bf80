"""Windows of a panel as a batch of states.

A window is a stretch of a series' own points, `length` of them whatever the gaps. Series that are shorter make one
window each, and the places that are left are padding: no entry exists there, and their times go on in steps of
one, so that they increase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.core.batch import Batch
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.question import KNOWN, STATIC
from unnoise.domains.timeseries.standard import Standard, Units

__all__ = ["Windows", "part", "stacked", "teaching"]

_LEAST = 2  # known entries below which a window teaches nothing
_ENTRIES = 2**24  # of all windows of a training set, at most: 64 MiB


@dataclass(frozen=True)
class Windows:
    """Windows of `length` points that start `stride` points apart; the last one ends with the series.

    Raises:
        ValueError: if one of them is less than 1.
    """

    length: int
    stride: int = 1

    def __post_init__(self) -> None:
        if self.length < 1 or self.stride < 1:
            raise ValueError(
                f"Windows: length and stride must be at least 1, got {self.length}, {self.stride}"
            )

    @staticmethod
    def fitting(panel: Panel, length: int) -> Windows:
        """With the least stride that leaves a training set of a size that memory bears."""
        points = sum(len(s) for s in panel.series)
        width = len(panel.channels) + len(panel.known)
        return Windows(length, max(1, -(-points * length * width // _ENTRIES)))

    def starts(self, points: int) -> list[int]:
        """Where the windows of a series of so many points start."""
        last = max(points - self.length, 0)
        return sorted({*range(0, last + 1, self.stride), last})

    def cut(self, panel: Panel, units: Units) -> Batch:
        """All windows of all series, in order."""
        parts, standards = [], []
        for series in panel.series:
            starts, standard = self.starts(len(series)), units(series)
            parts += [part(series, slice(k, k + self.length)) for k in starts]
            standards += [standard] * len(starts)
        return stacked(parts, standards, self.length)


def teaching(batch: Batch) -> Batch:
    """The windows of which enough is known that one entry can be asked for given another."""
    if batch.mask is None:
        return batch
    return batch.rows((batch.mask.sum((1, 2)) >= _LEAST).nonzero()[:, 0])


def part(series: Series, points: slice) -> Series:
    """Some consecutive points of a series."""
    return Series(
        series.name,
        series.times[points],
        series.values[points],
        series.known[points],
        series.static,
    )


def stacked(
    parts: Sequence[Series], standards: Sequence[Standard], length: int | None = None
) -> Batch:
    """Series of at most `length` points, padded to it (None: to the longest), as states (B, T, C) in standard
    units, whose mask is what is known of them."""
    n = max(len(s) for s in parts) if length is None else length
    values = np.stack(
        [_padded(u.encode(s.values), n, np.nan) for s, u in zip(parts, standards, strict=True)]
    )
    known = np.stack([_padded(s.known, n, 0.0) for s in parts])
    times = np.stack([_times(s.times, n) for s in parts])
    exists = np.isfinite(values)
    x = np.where(exists, values, 0.0)
    cond = {}
    if known.shape[2]:
        cond[KNOWN] = torch.from_numpy(known).float()
    static = np.stack([s.static for s in parts])
    if static.shape[1]:
        cond[STATIC] = torch.from_numpy(static).float()
    return Batch(
        torch.from_numpy(x).float(),
        torch.from_numpy(exists),
        coords=torch.from_numpy(times),
        cond=cond,
    )


def _padded(x: NDArray[np.float64], n: int, fill: float) -> NDArray[np.float64]:
    return np.concatenate([x, np.full((n - len(x), x.shape[1]), fill)])


def _times(times: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.concatenate([times, times[-1] + np.arange(1, n - len(times) + 1)])
