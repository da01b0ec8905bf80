"""Rows of a frame as places on the axes of its series.

The axes of all series, one behind the other, are one axis of N places; a row is on one of them.
Series come in the order in which the frame first names them, and stamps of a series sorted, whatever
the order of the rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.domains.timeseries.clock import Stamps
from unnoise.domains.timeseries.frames.stamps import read_stamps, row

__all__ = ["Axis"]


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """The places of n rows.

    Attributes:
        place: of each row, 0 to N - 1, (n,).
        stamps: of each place, (N,).
        group: the series of each place, (N,).
        names: of the series; (None,) if rows name none.
    """

    place: NDArray[np.int64]
    stamps: Stamps
    group: NDArray[np.int64]
    names: tuple[Hashable, ...]

    @staticmethod
    def of(time: pd.Series, item: pd.Series | None, title: str) -> Axis:
        """The places of rows with a stamp, and the name of a series if there is more than one.

        Args:
            time: stamps, with the labels of the rows as index.
            item: names of series.
            title: what messages call the stamps.

        Raises:
            ValueError: if a stamp can't be read, or a series has no name.
        """
        stamps = read_stamps(time, title)
        code, names = np.zeros(len(time), np.int64), (None,)
        if item is not None:
            code, uniques = pd.factorize(item)
            names = tuple(uniques.tolist())
            if (code < 0).any():
                k = int((code < 0).argmax())
                raise ValueError(
                    f"column {item.name!r}: {row(item, k)} names no series; fill it in, or drop the row"
                )
        keys = stamps.asi8 if isinstance(stamps, pd.DatetimeIndex) else stamps
        order = np.lexsort((keys, code))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(keys[order]) != 0) | (np.diff(code[order]) != 0)
        place = np.empty(len(order), np.int64)
        place[order] = np.cumsum(new) - 1
        first = order[new]
        return Axis(place, stamps[first], code[first].astype(np.int64), names)

    def __len__(self) -> int:
        return len(self.group)

    @property
    def cuts(self) -> NDArray[np.int64]:
        """Where a series begins, but for the first."""
        return np.flatnonzero(np.diff(self.group)) + 1

    def refuse_twice(
        self, time: pd.Series, title: str, code: NDArray[np.int64], what: Sequence[Hashable] = ()
    ) -> None:
        """Refuse two rows of one place and code.

        Args:
            time: stamps, as in `of`.
            title: what messages call them.
            code: what sets rows of one place apart, (n,): channels.
            what: the names of the codes; (): there is only one.

        Raises:
            ValueError: if there are two; both are named.
        """
        key = self.place * max(len(what), 1) + code
        twice = pd.Series(key).duplicated().to_numpy()
        if not twice.any():
            return
        k = int(twice.argmax())
        j = int((key == key[k]).argmax())
        name = self.names[self.group[self.place[k]]]
        of = f" of series {name!r}" if name is not None else ""
        of += f", channel {what[code[k]]!r}" if what else ""
        if str(time.dtype).lower() in ("float16", "float32"):
            advice = f"{time.dtype} numbers can't tell such stamps apart, so read them as float64 or as dates"
        else:
            advice = "drop one or take their mean"
            advice += "; if these are several series, pass item=" if name is None else ""
        raise ValueError(
            f"{title}: {row(time, j)} and {row(time, k)} have the same stamp {time.iloc[k]}{of}; {advice}"
        )
