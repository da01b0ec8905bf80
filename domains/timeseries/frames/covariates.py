"""Covariates of times to come, from a frame of their own.

A forecast with covariates needs them at all its times: a frame with the columns of stamps, of names of
series and of known covariates, in any order and with more rows than are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.frames.columns import require_columns, require_frame
from unnoise.domains.timeseries.frames.layout import Layout
from unnoise.domains.timeseries.panel import Panel

__all__ = ["covariates"]

_NEAR = 1e-6  # of the clock's unit: what differs less is the same time


def covariates(
    layout: Layout, frame: pd.DataFrame, panel: Panel, times: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Known covariates at times.

    Args:
        layout: how the panel was read.
        frame: of covariates.
        panel: the series.
        times: of every series, (H,).

    Returns:
        Those of every series, (H, F).

    Raises:
        ValueError: if the frame can't be read, or lacks a series or a time; it is named.
    """
    require_frame(frame)
    keys = [c for c in (layout.time, layout.item) if c is not None]
    require_columns(frame, [*keys, *layout.known])
    axis = layout.axis(frame)
    ends = [0, *axis.cuts, len(axis)]
    places = {name: slice(*ends[k : k + 2]) for k, name in enumerate(axis.names)}
    known, at = layout.known_values(frame, axis), panel.clock.numbers(axis.stamps)
    out = []
    for s, t in zip(panel.series, times, strict=True):
        if s.name not in places:
            raise ValueError(f"covariates: the frame has no rows of {s.title}")
        has = at[places[s.name]]
        near = np.clip(np.searchsorted(has, t - _NEAR), 0, len(has) - 1)
        lacks = np.abs(has[near] - t) > _NEAR
        if lacks.any():
            stamp = panel.clock.stamps(t[lacks])[0]
            raise ValueError(
                f"covariates: {s.title} has none at {stamp}; the frame must cover all {len(t)} times of the horizon, and lacks {lacks.sum()}"
            )
        out.append(known[places[s.name]][near])
    return out
