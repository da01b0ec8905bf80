"""Frames with one row a measurement: series, stamp, channel, value.

A row without a value asks for it; what has no row is missing too, and isn't written.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.frames.axis import Axis
from unnoise.domains.timeseries.frames.cells import filled, numbers, typed
from unnoise.domains.timeseries.frames.columns import refuse_twice_named, require_columns
from unnoise.domains.timeseries.frames.layout import Layout, joint
from unnoise.domains.timeseries.frames.stamps import row
from unnoise.domains.timeseries.panel import Panel

__all__ = ["Long"]


@final
@dataclass(frozen=True)
class Long(Layout):
    """A row is a measurement; the axis of a series is the union of its channels' stamps.

    Attributes:
        time: the column of stamps; None: the index.
        channel: the column of names of channels.
        value: the column of what was measured.
        item: the column of names of series; None: there is one series.
        known: columns of covariates known at all times, the same for all rows of a stamp.
        static: columns of covariates that are constant within a series.

    Raises:
        ValueError: if a column has two roles.
    """

    time: Hashable | None
    channel: Hashable
    value: Hashable
    item: Hashable | None = None
    known: Sequence[Hashable] = ()
    static: Sequence[Hashable] = ()

    def __post_init__(self) -> None:
        refuse_twice_named(vars(self))

    def channels(self, frame: pd.DataFrame) -> tuple[Hashable, ...]:
        require_columns(frame, [self.channel])
        return tuple(frame[self.channel].dropna().unique().tolist())

    def values(
        self, frame: pd.DataFrame, axis: Axis, channels: Sequence[Hashable]
    ) -> NDArray[np.float64]:
        require_columns(frame, [self.channel, self.value])
        code = self._codes(frame, channels)
        axis.refuse_twice(self.stamps(frame), self.title, code, channels)
        out = np.full((len(axis), len(channels)), np.nan)
        out[axis.place, code] = numbers(frame[self.value])
        return out

    def fill(
        self, frame: pd.DataFrame, axis: Axis, panel: Panel, values: NDArray[np.float64]
    ) -> pd.DataFrame:
        out, code = frame.copy(), self._codes(frame, panel.channels)
        out[self.value] = filled(frame[self.value], values[axis.place, code])
        return out

    def asked(self, frame: pd.DataFrame, axis: Axis, panel: Panel) -> NDArray[np.bool_]:
        out = np.zeros((len(axis), len(panel.channels)), bool)
        out[axis.place, self._codes(frame, panel.channels)] = True
        return out

    def rows(
        self,
        frame: pd.DataFrame,
        panel: Panel,
        keys: Sequence[pd.Index],
        values: NDArray[np.float64],
    ) -> pd.DataFrame:
        keys = [k.repeat(len(panel.channels)) for k in keys]
        columns = {k.name: k for k in (keys[:-1] if self.time is None else keys)}
        columns[self.channel] = self._labels(frame, panel, len(values))
        columns[self.value] = typed(values.reshape(-1), frame[self.value]).array
        order = [c for c in frame.columns if c in columns]
        return pd.DataFrame(columns, index=keys[-1] if self.time is None else None, columns=order)

    def table(
        self,
        frame: pd.DataFrame,
        panel: Panel,
        keys: Sequence[pd.Index],
        values: NDArray[np.float64],
        levels: Sequence[float],
    ) -> pd.DataFrame:
        keys = [k.repeat(len(panel.channels)) for k in keys]
        keys.append(self._labels(frame, panel, values.shape[1]))
        flat = values.reshape(len(values), -1).T
        return pd.DataFrame(flat, joint(keys), pd.Index(levels, name="quantile"))

    def _labels(self, frame: pd.DataFrame, panel: Panel, N: int) -> pd.Index:
        """Channels of N stamps' rows, in the type of a frame."""
        names = pd.Index(panel.channels, dtype=frame[self.channel].dtype, name=self.channel)
        return names[np.tile(np.arange(len(names)), N)]

    def _codes(self, frame: pd.DataFrame, channels: Sequence[Hashable]) -> NDArray[np.int64]:
        """The channel of each row, (n,).

        Raises:
            ValueError: if a row names none, or one that isn't among them.
        """
        column = frame[self.channel]
        code = pd.Index(channels).get_indexer(pd.Index(column.astype(object)))
        if (code < 0).any():
            k = int((code < 0).argmax())
            raise ValueError(
                f"column {self.channel!r}: {row(column, k)} has {column.iloc[k]!r}, which is none of the channels {', '.join(map(repr, channels))}"
            )
        return np.asarray(code, np.int64)
