"""How a frame is read as a panel, and written.

    panel = layout.read(frame)
    layout.write(frame, panel, values)                        the frame, its holes filled
    layout.new(frame, panel, times, values)                   a frame of new times, like it
    layout.draws(frame, panel, samples), new_draws(...)       of each, one level of the index more
    layout.quantiles(frame, panel, times, values, levels)     keys as index, quantiles as columns

Rows may come in any order; they are sorted by time for reading only. Stamps are those of the index, or
of a column. Channels of one stamp are either cells of a row (`Wide`) or rows of their own (`Long`).
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.frames.axis import Axis
from unnoise.domains.timeseries.frames.cells import agreed
from unnoise.domains.timeseries.frames.columns import require_columns, require_frame
from unnoise.domains.timeseries.frames.stamps import spelled
from unnoise.domains.timeseries.panel import Panel, Series

__all__ = ["Layout", "joint"]

Arrays = Sequence[NDArray[np.float64]]


class Layout(ABC):
    """Which columns of a frame are what.

    Attributes:
        time: of stamps; None: they are the index.
        item: of names of series; None: there is one series.
        known: of covariates known at all times, also in the future.
        static: of covariates that are constant within a series.
    """

    time: Hashable | None
    item: Hashable | None
    known: Sequence[Hashable]
    static: Sequence[Hashable]

    @abstractmethod
    def channels(self, frame: pd.DataFrame) -> tuple[Hashable, ...]:
        """The names of the channels that a frame has.

        Raises:
            ValueError: if a column can't be one.
        """

    @abstractmethod
    def values(
        self, frame: pd.DataFrame, axis: Axis, channels: Sequence[Hashable]
    ) -> NDArray[np.float64]:
        """The values of all places, NaN where missing, (N, C).

        Raises:
            ValueError: if a column is missing, isn't one of numbers or holds an infinite one, or
                one place has two values.
        """

    @abstractmethod
    def fill(
        self, frame: pd.DataFrame, axis: Axis, panel: Panel, values: NDArray[np.float64]
    ) -> pd.DataFrame:
        """A frame with values (N, C) in the place of missing cells."""

    @abstractmethod
    def asked(self, frame: pd.DataFrame, axis: Axis, panel: Panel) -> NDArray[np.bool_]:
        """Which entries have a cell in the frame, empty or not, (N, C)."""

    @abstractmethod
    def rows(
        self,
        frame: pd.DataFrame,
        panel: Panel,
        keys: Sequence[pd.Index],
        values: NDArray[np.float64],
    ) -> pd.DataFrame:
        """Values (N, C) as a frame of this layout; keys are names of series, if any, and stamps."""

    @abstractmethod
    def table(
        self,
        frame: pd.DataFrame,
        panel: Panel,
        keys: Sequence[pd.Index],
        values: NDArray[np.float64],
        levels: Sequence[float],
    ) -> pd.DataFrame:
        """Quantiles (Q, N, C) as a frame that has the keys as its index."""

    def read(self, frame: pd.DataFrame, like: Panel | None = None) -> Panel:
        """The panel of a frame.

        Args:
            frame: the rows, in any order.
            like: a panel whose clock and channels are to be kept: that of training.

        Raises:
            ValueError: if the frame can't be read; column and row are named.
        """
        self.require(frame)
        axis = self.axis(frame)
        channels = self.channels(frame) if like is None else like.channels
        values = self.values(frame, axis, channels)
        known = self.known_values(frame, axis)
        static = self._static(frame, axis)
        clock = Clock.of(axis.stamps, axis.group, _freq(frame)) if like is None else like.clock
        parts = (np.split(v, axis.cuts) for v in (clock.numbers(axis.stamps), values, known))
        series = [Series(*part) for part in zip(axis.names, *parts, static, strict=True)]
        return Panel(series, channels, tuple(self.known), tuple(self.static), clock)

    def write(self, frame: pd.DataFrame, panel: Panel, values: Arrays) -> pd.DataFrame:
        """The frame with values in the place of its missing cells; all else stays as it is.

        Args:
            frame: the one that was read.
            panel: what it was read as.
            values: of every series, (T, C); NaN leaves a cell missing.

        Raises:
            ValueError: if the values aren't those of the frame's series and stamps.
        """
        axis, joined = self._same(frame, panel, values)
        return self.fill(frame, axis, panel, joined)

    def cells(self, frame: pd.DataFrame, panel: Panel) -> list[NDArray[np.bool_]]:
        """Which entries of every series have a cell in the frame, (T, C): what `write` can fill."""
        axis = self.axis(frame)
        return np.split(self.asked(frame, axis, panel), axis.cuts)

    def draws(self, frame: pd.DataFrame, panel: Panel, samples: Arrays) -> pd.DataFrame:
        """The frame of `write` for every sample, one below the other: `out.loc[s]` is the s-th,
        and `out.reset_index("sample")` has s as a column.

        Args:
            frame: the one that was read.
            panel: what it was read as.
            samples: of every series, (S, T, C).
        """
        axis, joined = self._same(frame, panel, samples)
        return _stacked(self.fill(frame, axis, panel, values) for values in joined)

    def new(
        self, frame: pd.DataFrame, panel: Panel, times: Arrays, values: Arrays
    ) -> pd.DataFrame:
        """A frame of other times, in the form and the types of a frame.

        It has columns of keys and channels, not of covariates. Dates on the clock's steps keep its
        frequency.

        Args:
            frame: the one that was read.
            panel: what it was read as.
            times: of every series, (H,).
            values: of every series, (H, C).
        """
        return self.rows(frame, panel, self._keys(frame, panel, times), _joined(values, panel))

    def new_draws(
        self, frame: pd.DataFrame, panel: Panel, times: Arrays, samples: Arrays
    ) -> pd.DataFrame:
        """The frame of `new` for every sample, as in `draws`; samples of every series, (S, H, C)."""
        keys, joined = self._keys(frame, panel, times), _joined(samples, panel)
        return _stacked(self.rows(frame, panel, keys, values) for values in joined)

    def quantiles(
        self,
        frame: pd.DataFrame,
        panel: Panel,
        times: Arrays,
        values: Arrays,
        levels: Sequence[float],
    ) -> pd.DataFrame:
        """A frame of quantiles at times, which has names of series and stamps as its index.

        Args:
            frame: the one that was read.
            panel: what it was read as.
            times: of every series, (H,).
            values: of every series, (Q, H, C).
            levels: of the quantiles, (Q,).
        """
        keys, joined = self._keys(frame, panel, times), _joined(values, panel)
        return self.table(frame, panel, keys, joined, levels)

    def axis(self, frame: pd.DataFrame) -> Axis:
        """The places of a frame's rows."""
        item = None if self.item is None else frame[self.item]
        return Axis.of(self.stamps(frame), item, self.title)

    def stamps(self, frame: pd.DataFrame) -> pd.Series:
        """The column of stamps, or the index as one."""
        if self.time is not None:
            return frame[self.time]
        return pd.Series(frame.index, index=frame.index)

    @property
    def title(self) -> str:
        """What messages call the stamps."""
        return "the index" if self.time is None else f"column {self.time!r}"

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """Columns that are no channels."""
        own = [c for c in (self.time, self.item) if c is not None]
        return (*own, *self.known, *self.static)

    def require(self, frame: pd.DataFrame) -> None:
        """Refuse what isn't a frame with rows and the columns that are named.

        Raises:
            TypeError: if it isn't a frame.
            ValueError: if it has no rows, two columns of one name, several levels of an index, or
                lacks a column.
        """
        require_frame(frame)
        require_columns(frame, self.keys)

    def known_values(self, frame: pd.DataFrame, axis: Axis) -> NDArray[np.float64]:
        """Known covariates of all places, (N, F)."""
        out = np.zeros((len(axis), len(self.known)))
        for f, name in enumerate(self.known):
            out[:, f] = agreed(frame[name], axis.place, len(axis), "of one stamp")
        return out

    def _static(self, frame: pd.DataFrame, axis: Axis) -> NDArray[np.float64]:
        """Covariates of all series, (groups, S)."""
        out, group = np.zeros((len(axis.names), len(self.static))), axis.group[axis.place]
        for s, name in enumerate(self.static):
            out[:, s] = agreed(frame[name], group, len(axis.names), "of one series")
        return out

    def _same(
        self, frame: pd.DataFrame, panel: Panel, values: Arrays
    ) -> tuple[Axis, NDArray[np.float64]]:
        """A frame's places, and values for them."""
        axis, joined = self.axis(frame), _joined(values, panel)
        if joined.shape[-2] != len(axis) or axis.names != tuple(s.name for s in panel.series):
            raise ValueError(
                f"write: the frame has {len(axis)} stamps of {len(axis.names)} series, and there are values of {joined.shape[-2]} stamps of {len(panel)}; pass the frame that was read"
            )
        return axis, joined

    def _keys(self, frame: pd.DataFrame, panel: Panel, times: Arrays) -> list[pd.Index]:
        """Names of series, if any, and stamps of times, in the types of a frame."""
        like = self.stamps(frame)
        index = spelled(panel.clock.stamps(np.concatenate(times)), like)
        step = panel.clock.step
        if isinstance(index, pd.DatetimeIndex) and len(panel) == 1 and step is not None:
            with contextlib.suppress(ValueError):  # these stamps have gaps
                index = pd.DatetimeIndex(index, freq=step)
        stamps = index.rename(frame.index.name if self.time is None else self.time)
        if self.item is None:
            return [stamps]
        names = np.repeat(np.arange(len(panel)), [len(t) for t in times])
        items = pd.Index([s.name for s in panel.series], dtype=frame[self.item].dtype)
        return [items[names].rename(self.item), stamps]


def joint(keys: Sequence[pd.Index]) -> pd.Index:
    """Keys as one index."""
    return keys[0] if len(keys) == 1 else pd.MultiIndex.from_arrays(keys)


def _stacked(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(dict(enumerate(frames)), names=["sample"])


def _joined(values: Arrays, panel: Panel) -> NDArray[np.float64]:
    """Values of all series, (..., N, C)."""
    if len(values) != len(panel):
        raise ValueError(f"write: got values of {len(values)} series, the panel has {len(panel)}")
    return np.concatenate(values, axis=-2)


def _freq(frame: pd.DataFrame) -> Any:
    """The frequency that an index of dates was given."""
    return frame.index.freq if isinstance(frame.index, pd.DatetimeIndex) else None
