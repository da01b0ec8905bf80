"""Entries of a GluonTS data set as series of a panel.

An entry is a mapping: `start`, a period; `target`, (T,) or (D, T) with NaN where unknown; and it may have `item_id`,
`feat_dynamic_real` (F, T), known ahead, `feat_static_real` (S,) and `feat_static_cat`, numbers of categories. Its
times are those of the periods' ordinals, so that all entries of a frequency share a clock:

    t_j = (ordinal(start) - first) / n + j,   j = 0, 1, ...      n periods are a step ("2h": n = 2)

A category is as many static covariates as it has levels, one of which is 1. Nothing here imports GluonTS.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.offsets import BDay, MonthBegin, MonthEnd, QuarterEnd, Tick, Week, YearEnd

from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.panel import Panel, Series

__all__ = ["Entry", "Form", "start_after", "stream", "title"]

Entry: TypeAlias = Mapping[str, Any]
_MOST = 1_000  # levels of all categories: each is a column of its own
_UNUSED = ("past_feat_dynamic_real", "feat_dynamic_cat", "past_feat_dynamic_cat")


@final
@dataclass(frozen=True)
class Form:
    """What the entries of a data set have in common.

    Attributes:
        freq: of their periods, as pandas spells it.
        first: the ordinal of the period whose time is 0.
        dims: rows of a target (D, T); None: targets are (T,).
        known: rows of feat_dynamic_real.
        static: numbers in feat_static_real.
        levels: of each number in feat_static_cat, in order; none if it isn't looked at.
    """

    freq: str
    first: int
    dims: int | None
    known: int
    static: int
    levels: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(entries: Sequence[Entry], categories: bool) -> Form:
        """That of training data.

        Args:
            entries: one or more.
            categories: whether feat_static_cat is looked at.

        Raises:
            ValueError: if there is no entry, a start has another frequency than the first, or categories have too
                many levels.
            TypeError: if a start isn't a period.
        """
        if not entries:
            raise ValueError("train: the data set has no entry; there is nothing to learn")
        one = entries[0]
        freq = _start(one, 0).freqstr
        first = min(_start(e, k, freq).ordinal for k, e in enumerate(entries))
        levels = _levels(entries) if categories else ()
        target = _target(one, 0)
        for field in _UNUSED:
            if field in one:
                warnings.warn(
                    f"train: {field} isn't looked at; what is known of the past only can be a row of the target",
                    stacklevel=3,
                )
        return Form(
            freq,
            first,
            None if target.ndim == 1 else len(target),
            len(_rows(one, 0)),
            len(_numbers(one, "feat_static_real", 0)),
            levels,
        )

    def panel(self, entries: Sequence[Entry]) -> Panel:
        """Entries of training data as a panel.

        Raises:
            ValueError: see `series`.
        """
        dims = ("target",) if self.dims is None else tuple(f"target {d}" for d in range(self.dims))
        known = tuple(f"feat_dynamic_real {j}" for j in range(self.known))
        widths = self.static + sum(map(len, self.levels))
        static = tuple(f"static {j}" for j in range(widths))
        earliest = min((e["start"] for e in entries), key=lambda start: start.ordinal)
        series = [self.series(e, k) for k, e in enumerate(entries)]
        return Panel(series, dims, known, static, _clock(earliest))

    def series(self, entry: Entry, k: int, ahead: int = 0) -> Series:
        """The k-th entry as a series that goes on for `ahead` points, of which nothing but covariates is known.

        Raises:
            ValueError: if it isn't of this form, or lacks covariates.
        """
        who, start, target = title(entry, k), _start(entry, k, self.freq), _target(entry, k)
        if (None if target.ndim == 1 else len(target)) != self.dims:
            shape = "(T,)" if self.dims is None else f"({self.dims}, T)"
            raise ValueError(
                f"{who}: target has shape {target.shape}, and that of training is {shape}; all entries need the same channels"
            )
        values = np.atleast_2d(target).T
        values = np.concatenate([values, np.full((ahead, values.shape[1]), np.nan)])
        n, T = start.freq.n, len(values)
        times = (start.ordinal - self.first + n * np.arange(T)) / n
        known, static = self._known(entry, k, T, ahead), self._static(entry, k)
        return Series(who.removeprefix("entry "), times, values, known, static)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Form:
        return Form(**{**told, "levels": tuple(map(tuple, told["levels"]))})

    def _known(self, entry: Entry, k: int, T: int, ahead: int) -> NDArray[np.float64]:
        """Covariates of T times, (T, F)."""
        rows, who = _rows(entry, k), title(entry, k)
        if len(rows) != self.known:
            raise ValueError(
                f"{who}: feat_dynamic_real has {len(rows)} rows, and that of training has {self.known}; all entries need the same covariates"
            )
        if self.known and rows.shape[1] < T:
            some = f"{T - ahead} of the target" + (f" and {ahead} ahead" if ahead else "")
            raise ValueError(
                f"{who}: feat_dynamic_real has {rows.shape[1]} columns, and needs {T}: {some}"
            )
        return rows[:, :T].T if self.known else np.zeros((T, 0))

    def _static(self, entry: Entry, k: int) -> NDArray[np.float64]:
        """Covariates of the series, (S,), levels of categories last."""
        who, real = title(entry, k), _numbers(entry, "feat_static_real", k)
        codes = _numbers(entry, "feat_static_cat", k) if self.levels else np.zeros(0)
        for name, found, wanted in (
            ("feat_static_real", len(real), self.static),
            ("feat_static_cat", len(codes), len(self.levels)),
        ):
            if found != wanted:
                raise ValueError(
                    f"{who}: {name} has {found} numbers, and that of training has {wanted}; all entries need the same covariates"
                )
        hot = [real]
        for j, levels in enumerate(self.levels):
            if codes[j] not in levels:
                raise ValueError(
                    f"{who}: feat_static_cat[{j}] is {codes[j]:g}, which no entry of training has; train on some, or with use_feat_static_cat=False"
                )
            hot.append(np.equal(levels, codes[j]).astype(np.float64))
        return np.concatenate(hot)


def title(entry: Entry, k: int) -> str:
    """What the k-th entry is called in a message."""
    item = entry.get("item_id")
    return f"entry {k}" if item is None else f"entry {k} ({item})"


def start_after(entry: Entry) -> pd.Period:
    """The period after the last of an entry."""
    with _business_days():
        return entry["start"] + np.shape(entry["target"])[-1]


def stream(entry: Entry) -> int:
    """The number of an entry's noise: a hash of where its forecast starts and of its item_id, or of its target if it
    has none."""
    item = entry.get("item_id")
    target = np.asarray(entry["target"], np.float64)
    who = target.tobytes() if item is None else str(item).encode()
    when = f"{entry['start'].ordinal + entry['start'].freq.n * target.shape[-1]} ".encode()
    return int.from_bytes(blake2b(when + who, digest_size=8).digest(), "big")


def _clock(start: pd.Period) -> Clock:
    """The clock whose unit is a step of the start's frequency, and which shows 0 there.

    Raises:
        ValueError: if there is no clock of such steps.
    """
    freq = start.freq
    n: int = freq.n
    unit: Any
    match freq:
        case YearEnd():  # these have no calendar, and may go beyond the years that nanoseconds can tell
            return Clock(float(start.ordinal), float(n))
        case QuarterEnd():
            unit = MonthBegin(3 * n)
        case MonthEnd():
            unit = MonthBegin(n)
        case Week():
            unit = pd.Timedelta(7 * n, "D")
        case BDay():
            unit = freq
        case Tick():
            unit = pd.Timedelta(freq)
        case _:
            raise ValueError(f"train: periods of {start.freqstr!r} have no clock; use 'D' or 'h'")
    with _business_days():
        return Clock(start.to_timestamp().as_unit("ns"), unit)


@contextmanager
def _business_days() -> Iterator[None]:
    """Periods of business days are deprecated, and GluonTS has nothing else to offer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Period with BDay", FutureWarning)
        yield


def _start(entry: Entry, k: int, freq: str | None = None) -> pd.Period:
    start = entry.get("start")
    if not isinstance(start, pd.Period):
        raise TypeError(
            f"{title(entry, k)}: start must be a pd.Period, got {start!r}; ListDataset and PandasDataset make it one"
        )
    if freq is not None and start.freqstr != freq:
        raise ValueError(
            f"{title(entry, k)}: has frequency {start.freqstr!r}, and that of training is {freq!r}; train an estimator for each"
        )
    return start


def _target(entry: Entry, k: int) -> NDArray[np.float64]:
    if "target" not in entry:
        raise ValueError(f"{title(entry, k)}: has no target")
    target = np.asarray(entry["target"], np.float64)
    if target.ndim not in (1, 2):
        raise ValueError(
            f"{title(entry, k)}: target has shape {target.shape}; needs (T,), or (D, T) for D channels"
        )
    return target


def _rows(entry: Entry, k: int) -> NDArray[np.float64]:
    """feat_dynamic_real, (F, T); F is 0 if there is none."""
    if entry.get("feat_dynamic_real") is None:
        return np.zeros((0, 0))
    rows = np.asarray(entry["feat_dynamic_real"], np.float64)
    if rows.ndim != 2:
        raise ValueError(
            f"{title(entry, k)}: feat_dynamic_real has shape {rows.shape}; needs (F, T) for F covariates"
        )
    return rows


def _numbers(entry: Entry, field: str, k: int) -> NDArray[np.float64]:
    """A field of numbers, (S,); S is 0 if there is none."""
    if entry.get(field) is None:
        return np.zeros(0)
    numbers = np.asarray(entry[field], np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"{title(entry, k)}: {field} has shape {numbers.shape}; needs (S,)")
    return numbers


def _levels(entries: Sequence[Entry]) -> tuple[tuple[int, ...], ...]:
    """The levels of each category."""
    codes = [_numbers(e, "feat_static_cat", k) for k, e in enumerate(entries)]
    width = len(codes[0])
    for k, c in enumerate(codes):
        if len(c) != width:
            raise ValueError(
                f"{title(entries[k], k)}: feat_static_cat has {len(c)} numbers, and that of the first entry has {width}; all entries need the same covariates"
            )
    levels = tuple(tuple(sorted({int(c[j]) for c in codes})) for j in range(width))
    many = sum(map(len, levels))
    if many > _MOST:
        raise ValueError(
            f"train: feat_static_cat has {many} levels, and each would be a covariate, at most {_MOST}; pass use_feat_static_cat=False if it only numbers the items, or numbers that describe them as feat_static_real"
        )
    return levels
