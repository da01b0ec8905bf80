"""Figures of models of codes for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from unnoise.domains.categorical.metrics.classifier import is_number
from unnoise.domains.categorical.outputs import Rows
from unnoise.domains.task import Splits

__all__ = ["by_cost", "columns_figure", "frequencies_figure", "piano_roll", "plane", "text_page"]

COLOURS = ("#1f5a99", "#b3541e", "#2f7d4f", "#7a3e9d")


def plane(decode: Callable[[Tensor], Tensor]) -> Callable[[Rows, Splits], Figure]:
    """A figure of decoded points: samples on the left, test rows on the right."""

    def draw(outputs: Rows, splits: Splits) -> Figure:
        figure = Figure(figsize=(8, 4), layout="constrained")
        parts = (outputs.rows[:4000], splits.test.x[:4000])
        for axes, rows, title in zip(
            figure.subplots(1, 2, sharex=True, sharey=True),
            parts,
            ("samples", "test rows"),
            strict=True,
        ):
            points = decode(rows.long())
            axes.scatter(
                *points.T.numpy(), s=1.5, lw=0, color=COLOURS[0], alpha=0.5, rasterized=True
            )
            axes.set_title(title, fontsize=10)
            axes.set_aspect("equal")
        return figure

    return draw


def by_cost(
    score: Callable[[Tensor, Splits], float], label: str
) -> Callable[[Rows, Splits], Figure | None]:
    """A figure of a distance against network evaluations, a line a solver."""

    def draw(outputs: Rows, splits: Splits) -> Figure | None:
        if not outputs.sweep:
            return None
        figure = Figure(figsize=(6, 3.8), layout="constrained")
        axes = figure.subplots()
        for name in dict.fromkeys(point.solver for point in outputs.sweep):
            points = [p for p in outputs.sweep if p.solver == name]
            values = [score(p.rows, splits) for p in points]
            axes.plot([p.nfe for p in points], values, marker="o", ms=4, label=name)
        real = splits.train.x[: len(outputs.sweep[0].rows)].long()
        axes.axhline(
            score(real, splits), color="gray", ls=":", label="floor: as many training rows"
        )
        axes.set_xscale("log", base=2)
        axes.set_yscale("symlog", linthresh=1e-5)
        ticks = [p.nfe for p in points]
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.set_xlabel("steps of the sampler")
        axes.set_ylabel(label)
        axes.legend(fontsize=7)
        return figure

    return draw


def frequencies_figure(sizes: Sequence[int]) -> Callable[[Rows, Splits], Figure]:
    """A figure of the frequency of every level of every column, samples against test rows."""

    def draw(outputs: Rows, splits: Splits) -> Figure:
        figure = Figure(figsize=(4.4, 4.2), layout="constrained")
        axes = figure.subplots()
        made, real = (_shares(x, sizes) for x in (outputs.rows, splits.test.x))
        axes.plot([0, 1], [0, 1], color="gray", lw=0.8)
        axes.scatter(real.numpy(), made.numpy(), s=8, color=COLOURS[0])
        axes.set_xlabel("frequency of a level in test rows")
        axes.set_ylabel("in samples")
        return figure

    return draw


def columns_figure(real: pd.DataFrame, made: pd.DataFrame, most: int = 15) -> Figure:
    """A figure of the first columns: shares of levels or of bins, samples against real rows."""
    names = list(real.columns)[:most]
    across = min(5, len(names))
    down = -(-len(names) // across)
    figure = Figure(figsize=(2.3 * across, 1.9 * down), layout="constrained")
    for axes, name in zip(figure.subplots(down, across, squeeze=False).flat, names, strict=False):
        bars, marks = _histograms(real[name], made[name])
        axes.bar(range(len(bars)), bars, width=0.9, color="#c9d3dc")
        axes.plot(range(len(marks)), marks, "_", ms=6, mew=1.5, color=COLOURS[1])
        axes.set_title(str(name), fontsize=8)
        axes.set_xticks([])
        axes.tick_params(labelsize=6)
    for axes in figure.axes[len(names) :]:
        axes.remove()
    figure.supxlabel("bars: test rows; marks: samples", fontsize=8)
    return figure


def text_page(spell: Callable[[Tensor], list[str]]) -> Callable[[Rows, Splits], Figure]:
    """Samples as text above a piece of the test text, in one picture."""

    def draw(outputs: Rows, splits: Splits) -> Figure:
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axes = figure.subplots()
        axes.axis("off")
        lines = ["samples", ""]
        for text in spell(outputs.rows[:3]):
            lines += [*_wrapped(text, 96), ""]
        lines += ["test text", "", *_wrapped(spell(splits.test.x[:1])[0], 96)]
        axes.text(0, 1, "\n".join(lines), va="top", family="monospace", fontsize=7.5)
        return figure

    return draw


def piano_roll(pitches: Sequence[int]) -> Callable[[Rows, Splits], Figure]:
    """Music as notes over time: what was given of a test piece and what was drawn to it, the piece
    itself, and a free sample."""

    def draw(outputs: Rows, splits: Splits) -> Figure:
        table = torch.tensor(list(pitches))
        shown: list[tuple[str, Tensor, Tensor | None]] = []
        if outputs.filled is not None:
            done = outputs.filled
            shown.append(("soprano given, the others drawn", done.drawn[0], done.observed[0]))
            shown.append(("the chorale itself", done.originals[0], None))
        shown.append(("a free sample", outputs.rows[0], None))
        figure = Figure(figsize=(9, 2.3 * len(shown)), layout="constrained")
        for axes, (title, piece, observed) in zip(
            figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True
        ):
            _roll(axes, table[piece.long()], observed)
            axes.set_title(title, fontsize=9)
        return figure

    return draw


def _roll(axes: object, notes: Tensor, observed: Tensor | None) -> None:
    """Bars of every note of (T, V); given voices are outlined."""
    for voice in range(notes.shape[1]):
        line = notes[:, voice]
        starts = torch.cat([torch.tensor([True]), line[1:] != line[:-1]]).nonzero()[:, 0].tolist()
        for start, end in zip(starts, [*starts[1:], len(line)], strict=True):
            if (pitch := int(line[start])) < 0:
                continue
            given = observed is not None and bool(observed[start, voice])
            axes.barh(  # type: ignore[attr-defined]
                pitch, end - start, left=start, height=0.9, color=COLOURS[voice % 4],
                edgecolor="black" if given else "white", lw=0.6,
            )  # fmt: skip
    axes.set_ylabel("MIDI pitch", fontsize=8)  # type: ignore[attr-defined]
    axes.set_xlim(0, len(notes))  # type: ignore[attr-defined]
    axes.set_xticks(range(0, len(notes) + 1, 16))  # type: ignore[attr-defined]
    axes.set_xlabel("sixteenth notes", fontsize=8)  # type: ignore[attr-defined]


def _histograms(
    real: pd.Series, made: pd.Series, most: int = 20
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of equal bins between the ends of real numbers, or of the most frequent levels."""
    if is_number(real) and real.nunique() > most:
        edges = np.linspace(real.min(), real.max(), most + 1)
        first, second = (np.histogram(column, edges)[0] / len(column) for column in (real, made))
        return first, second
    shares = real.astype(str).value_counts(normalize=True)[:most]
    same = made.astype(str).value_counts(normalize=True).reindex(shares.index, fill_value=0.0)
    return shares.to_numpy(), same.to_numpy()


def _shares(x: Tensor, sizes: Sequence[int]) -> Tensor:
    rows = x.flatten(1).long()
    parts = [torch.bincount(rows[:, d], minlength=s) / len(rows) for d, s in enumerate(sizes)]
    return torch.cat(parts)


def _wrapped(text: str, width: int) -> list[str]:
    return [line for part in text.split("\n") for line in _cut(part, width)]


def _cut(text: str, width: int) -> list[str]:
    return [text[i : i + width] for i in range(0, len(text), width)] or [""]
