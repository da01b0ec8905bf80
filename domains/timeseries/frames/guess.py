"""Which layout a frame has, where that can be seen; what can't is asked for, never guessed."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from datetime import date

import pandas as pd

from unnoise.domains.timeseries.frames.cells import is_number
from unnoise.domains.timeseries.frames.columns import require_columns, require_frame
from unnoise.domains.timeseries.frames.stamps import is_dated
from unnoise.domains.timeseries.frames.wide import Wide

__all__ = ["layout_of"]

_TRIED = 100  # rows of a column of text that must be dates
_PARTED = re.compile(r"\d[-/:]\d")  # without it "2001" is a date


def layout_of(
    frame: pd.DataFrame,
    time: Hashable | None = None,
    item: Hashable | None = None,
    targets: Sequence[Hashable] | None = None,
    known: Sequence[Hashable] = (),
    static: Sequence[Hashable] = (),
) -> Wide:
    """The layout of a wide frame; a long one looks like many things, so say `Long(...)`.

    Stamps are an index of dates, or of text in ISO 8601; else the one such column; else an index of
    numbers, if these are real or it has a name, for others may only count rows. Channels are all
    other columns, which must be numbers.

    Args:
        frame: the rows.
        time: the column of stamps, if it isn't to be found.
        item: the column of names of series.
        targets: the columns of channels, if others are to be left out.
        known, static: columns of covariates, see `Wide`.

    Raises:
        ValueError: if there is no column of stamps, or several, or a column that may have several
            roles; what to pass is said.
    """
    require_frame(frame)
    named = [c for c in (time, item) if c is not None]
    require_columns(frame, [*named, *(targets or ()), *known, *static])
    taken = {*named, *(targets or ()), *known, *static}
    if time is None and not _holds_dates(pd.Series(frame.index)):
        dated = [c for c in frame.columns if c not in taken and _holds_dates(frame[c])]
        time = _found(dated, frame.index)
        taken.add(time)
    rest = [c for c in frame.columns if c not in taken]
    strange = [c for c in rest if not is_number(frame[c])]
    if targets is None and strange:
        name = strange[0]
        series = "" if item is not None else f"if it names series pass item={name!r}, "
        raise ValueError(
            f"layout: column {name!r} has type {frame[name].dtype}; {series}if it names channels use Long(time, channel, value), else pass targets=[...] without it"
        )
    return Wide(time, item, tuple(rest) if targets is None else tuple(targets), known, static)


def _holds_dates(column: pd.Series) -> bool:
    if is_dated(column.dtype):
        return True
    head = column.dropna().head(_TRIED)
    if not len(head) or not all(_may_be_date(v) for v in head):
        return False
    return bool(pd.to_datetime(head, format="ISO8601", errors="coerce", utc=True).notna().all())


def _may_be_date(value: object) -> bool:
    return isinstance(value, date) or (isinstance(value, str) and bool(_PARTED.search(value)))


def _found(columns: Sequence[Hashable], index: pd.Index) -> Hashable | None:
    """The one column of dates; None: stamps are the index."""
    if len(columns) == 1:
        return columns[0]
    if columns:
        raise ValueError(
            f"layout: {', '.join(map(repr, columns))} hold dates; say which are the stamps, such as time={columns[0]!r}"
        )
    real = pd.api.types.is_float_dtype(index.dtype)
    if not real and not (index.name is not None and pd.api.types.is_numeric_dtype(index.dtype)):
        raise ValueError(
            "layout: no column holds dates, and the index may only count rows; pass time=, or make the stamps the index and name it"
        )
    return None
