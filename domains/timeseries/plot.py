"""Figures of answers: where values are expected, and whether they are found there.

    fan(answer)                  the past, and bands of what comes
    gaps(answer)                 a series, and bands of what was missing
    calibration(samples, truth)  how often the truth is where a forecast says it is
    beside(samples, data)        generated windows beside real ones

A band of 50 or 90 % lies between two quantiles of the draws at each time of its own; a path that stays in it
all along is rarer than that. Each panel is a channel of a series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.timeseries.answer import Answer, Filled
from unnoise.domains.timeseries.metrics import pit

__all__ = ["BANDS", "beside", "calibration", "fan", "gaps"]

Array = NDArray[np.float64]

BANDS = (0.9, 0.5)  # the wide one first, so that the narrow one is drawn over it
COLOURS = ("#1f5a99", "#b3541e")  # of what was drawn, of the truth
_WIDE, _HIGH = 9.0, 1.9  # of a panel, in inches
_SHOWN = 200  # points of a series with gaps
_BINS = 10


@final
@dataclass(frozen=True, eq=False)
class _Panel:
    """A channel of a series: what is known, at `past`, and draws (S, T) at `times`."""

    title: str
    past: Array
    known: Array
    times: Array
    draws: Array
    truth: Array | None


def fan(
    answer: Answer, truth: Sequence[Array] | None = None, past: int | None = None, most: int = 8
) -> Figure:
    """A fan chart a channel and series: the past, the median, and bands of 50 and 90 %.

    Args:
        answer: a forecast, or draws at new times.
        truth: what happened, (H, C) of every series, if it is known by now.
        past: points of the past; None: three times as many as were drawn.
        most: panels; the rest are counted in the last title.

    Raises:
        ValueError: if there is to be no panel, or the truth has another shape.
    """
    figure, parts = _figure(answer, truth, most)
    for axes, part in zip(figure.axes, parts, strict=True):
        seen = 3 * len(part.times) if past is None else past
        start = max(0, int(np.searchsorted(part.past, part.times[0])) - seen)
        _fill(axes, answer, part, slice(start, None), slice(None))
    return _explained(figure)


def gaps(
    answer: Filled,
    truth: Sequence[Array] | None = None,
    points: int = _SHOWN,
    most: int = 8,
) -> Figure:
    """What is known as dots, and the median and bands of what was missing; where nothing is, the bands close.

    Args:
        answer: an imputed frame.
        truth: (T, C) of every series, if it is known.
        points: of a long series the stretch of so many is shown in which most are missing.
        most: panels; the rest are counted in the last title.

    Raises:
        ValueError: if there is to be no panel, or the truth has another shape.
    """
    figure, parts = _figure(answer, truth, most)
    for axes, part in zip(figure.axes, parts, strict=True):
        holes = np.cumsum(np.r_[0, np.isnan(part.known)])
        ends = np.arange(min(points, len(part.times)), len(part.times) + 1)
        start = int((holes[ends] - holes[ends - ends[0]]).argmax())
        shown = slice(start, start + int(ends[0]))
        _fill(axes, answer, part, shown, shown)
    return _explained(figure)


def calibration(
    samples: ArrayLike,
    truth: ArrayLike,
    rng: np.random.Generator,
    mask: ArrayLike | None = None,
) -> Figure:
    """A histogram of PIT values, flat if the law is right, and the share of entries inside each central interval.

    With n independent entries a right law stays inside the grey band with 95 %; entries that depend on each
    other, as those of one path do, stray further.

    Args:
        samples: (S, N, ...) of N windows.
        truth: (N, ...), NaN where it is unknown.
        rng: breaks ties.
        mask: which entries to score; None: all that are known.

    Raises:
        ValueError: as `metrics.pit`.
    """
    u = pit(samples, truth, rng, mask)
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    share = 1 / _BINS
    spread = 1.96 * np.sqrt((1 - share) / (share * len(u)))
    left.axhspan(max(0.0, 1 - spread), 1 + spread, color="0.9")
    left.axhline(1.0, color="0.5", lw=0.8)
    left.hist(u, bins=_BINS, range=(0, 1), density=True, color=COLOURS[0], rwidth=0.92)
    left.set_xlabel("PIT: share of the forecast's law below the truth", fontsize=8)
    left.set_ylabel("density", fontsize=8)
    level = np.linspace(0, 1, 101)
    inside = (np.abs(2 * u - 1) <= level[:, None]).mean(1)
    spread = 1.96 * np.sqrt(level * (1 - level) / len(u))
    right.fill_between(level, level - spread, level + spread, color="0.9", lw=0)
    right.plot([0, 1], [0, 1], color="0.5", lw=0.8)
    right.plot(level, inside, color=COLOURS[0])
    right.set_xlabel("level of the central interval", fontsize=8)
    right.set_ylabel(f"share of {len(u):,} entries inside", fontsize=8)
    for axes in (left, right):
        axes.tick_params(labelsize=7)
    return figure


def beside(
    samples: ArrayLike,
    data: ArrayLike,
    times: ArrayLike | None = None,
    channels: Sequence[object] = (),
    paths: int = 12,
    most: int = 4,
) -> Figure:
    """Generated windows on the right, real ones on the left, on one scale.

    Args:
        samples: generated windows, (N, T, C).
        data: real ones, (M, T, C), NaN where unknown.
        times: of all windows, (T,); None: 0, 1, ...
        channels: their names; (): numbers.
        paths: windows of each.
        most: channels shown, the first ones.

    Raises:
        ValueError: if the windows aren't of the same length and channels.
    """
    made, real = (np.asarray(x, np.float64) for x in (samples, data))
    if made.ndim != 3 or made.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"beside: needs windows (N, T, C) of one length and as many channels, got {made.shape} and {real.shape}"
        )
    t = np.arange(made.shape[1]) if times is None else np.asarray(times, np.float64)
    rows = min(most, made.shape[2])
    figure = Figure(figsize=(_WIDE, _HIGH * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, 2, sharex=True, sharey="row", squeeze=False)
    sides = ((real, "data", COLOURS[1]), (made, "samples", COLOURS[0]))
    for c, row in enumerate(grid):
        for axes, (x, title, colour) in zip(row, sides, strict=True):
            axes.plot(t, x[:paths, :, c].T, color=colour, lw=0.8, alpha=0.6)
            axes.set_title(title if c == 0 else "", fontsize=9)
            axes.tick_params(labelsize=7)
        row[0].set_ylabel(str(channels[c] if channels else c), fontsize=8)
    return figure


def _figure(
    answer: Answer, truth: Sequence[Array] | None, most: int
) -> tuple[Figure, Sequence[_Panel]]:
    """Empty axes, one below the other, and what is to be drawn in each."""
    if most < 1:
        raise ValueError(f"most: a figure needs at least 1 panel, got {most}")
    parts = _parts(answer, truth)
    shown = parts[:most]
    figure = Figure(figsize=(_WIDE, _HIGH * len(shown) + 0.3), layout="constrained")
    for axes, part in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        axes.set_title(part.title, fontsize=9, loc="left")
        axes.tick_params(labelsize=7)
    rest = len(parts) - len(shown)
    if rest:
        figure.axes[-1].set_title(f"and {rest} more", fontsize=8, loc="right", color="0.4")
    return figure, shown


def _parts(answer: Answer, truth: Sequence[Array] | None) -> list[_Panel]:
    """All channels of all series; of an imputed frame those in which something was drawn, if there are any."""
    parts = []
    for k, (s, times, draws) in enumerate(
        zip(answer.panel.series, answer.times, answer.arrays, strict=True)
    ):
        real = None if truth is None else np.asarray(truth[k], np.float64)
        if real is not None and real.shape != draws.shape[1:]:
            raise ValueError(
                f"truth: that of {s.title} has shape {real.shape}, and the draws {draws.shape[1:]}"
            )
        of = "" if s.name is None else f", {s.name}"
        parts += [
            _Panel(
                f"{name}{of}", s.times, s.values[:, c], times, draws[:, :, c],
                None if real is None else real[:, c],
            )
            for c, name in enumerate(answer.panel.channels)
        ]  # fmt: skip
    if isinstance(answer, Filled):
        return [p for p in parts if (np.isnan(p.known) & ~np.isnan(p.draws[0])).any()] or parts
    return parts


def _fill(axes: Axes, answer: Answer, part: _Panel, past: slice, drawn: slice) -> None:
    """Draw a panel: what is known over the bands."""

    def stamps(times: Array) -> Any:
        clock = answer.panel.clock
        return clock.local(times).to_numpy() if clock.dated else clock.stamps(times)

    x, draws = stamps(part.times[drawn]), part.draws[:, drawn]
    for level, alpha in zip(BANDS, (0.18, 0.3), strict=True):
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
        axes.fill_between(
            x, low, high, color=COLOURS[0], alpha=alpha, lw=0, label=f"{100 * level:.0f} %"
        )
    axes.plot(x, np.median(draws, axis=0), color=COLOURS[0], lw=1, label="median")
    if part.truth is not None:
        axes.plot(x, part.truth[drawn], color=COLOURS[1], lw=0.8, label="truth")
    known = part.known[past]
    axes.plot(stamps(part.past[past]), known, color="0.2", lw=0.7, marker=".", ms=2, label="known")
    if answer.panel.clock.dated:
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.xaxis.get_offset_text().set_fontsize(7)


def _explained(figure: Figure) -> Figure:
    """One legend for all panels, above them."""
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=5, fontsize=7
    )
    return figure
