"""Frames with one column a channel."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.frames.axis import Axis
from unnoise.domains.timeseries.frames.cells import filled, is_number, numbers, typed
from unnoise.domains.timeseries.frames.columns import refuse_twice_named, require_columns
from unnoise.domains.timeseries.frames.layout import Layout, joint
from unnoise.domains.timeseries.panel import Panel

__all__ = ["Wide"]


@final
@dataclass(frozen=True)
class Wide(Layout):
    """A row is a stamp of a series, a column a channel.

    Attributes:
        time: the column of stamps; None: the index.
        item: the column of names of series; None: there is one series.
        targets: the columns of channels; None: all that have no other role.
        known: columns of covariates known at all times.
        static: columns of covariates that are constant within a series.

    Raises:
        ValueError: if a column has two roles.
    """

    time: Hashable | None = None
    item: Hashable | None = None
    targets: Sequence[Hashable] | None = None
    known: Sequence[Hashable] = ()
    static: Sequence[Hashable] = ()

    def __post_init__(self) -> None:
        refuse_twice_named(vars(self))

    def channels(self, frame: pd.DataFrame) -> tuple[Hashable, ...]:
        if self.targets is not None:
            return tuple(self.targets)
        rest = tuple(c for c in frame.columns if c not in self.keys)
        strange = [c for c in rest if not is_number(frame[c])]
        if strange or not rest:
            found = "".join(f"; {c!r} has type {frame[c].dtype}" for c in strange)
            raise ValueError(
                f"targets: not all columns without a role are numbers, or there are none{found}; pass targets=[...]"
            )
        return rest

    def values(
        self, frame: pd.DataFrame, axis: Axis, channels: Sequence[Hashable]
    ) -> NDArray[np.float64]:
        require_columns(frame, channels)
        axis.refuse_twice(self.stamps(frame), self.title, np.zeros(len(frame), np.int64))
        out = np.empty((len(axis), len(channels)))
        for c, name in enumerate(channels):
            out[axis.place, c] = numbers(frame[name])
        return out

    def fill(
        self, frame: pd.DataFrame, axis: Axis, panel: Panel, values: NDArray[np.float64]
    ) -> pd.DataFrame:
        out = frame.copy()
        for c, name in enumerate(panel.channels):
            out[name] = filled(frame[name], values[axis.place, c])
        return out

    def asked(self, frame: pd.DataFrame, axis: Axis, panel: Panel) -> NDArray[np.bool_]:
        return np.ones((len(axis), len(panel.channels)), bool)

    def rows(
        self,
        frame: pd.DataFrame,
        panel: Panel,
        keys: Sequence[pd.Index],
        values: NDArray[np.float64],
    ) -> pd.DataFrame:
        columns = {k.name: k for k in (keys[:-1] if self.time is None else keys)}
        for c, name in enumerate(panel.channels):
            columns[name] = typed(values[:, c], frame[name]).array
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
        columns = pd.MultiIndex.from_product(
            [panel.channels, levels], names=["channel", "quantile"]
        )
        flat = values.transpose(1, 2, 0).reshape(values.shape[1], -1)
        return pd.DataFrame(flat, joint(keys), columns)
