"""The figures of the report: SVG, drawn the same from the same numbers, safe inside a page.

Several SVG files on one HTML page share its ids, its style sheet and its scripts: two figures may
call different clip paths by one name, and the `<style>` of one holds for the whole page. So
`inline` renames the ids and keeps only what draws.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from unnoise.benchmarks.records import Record, build, inside, rows, slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["Drawing", "Point", "curve", "drawings", "inline", "keep", "plain_ticks", "svg"]

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = {"metadata", "style", "script", "foreignObject", "set", "animate"}
_COLOURS = ("#1f5a99", "#b3541e", "#2f7d4f", "#7a3e9d", "#a3304f", "#4a5a66")
_LOSS = "Training loss, averaged over stretches of steps"
_GROUPS = 160  # points of a drawn curve: more than that can't be told apart


@dataclass(frozen=True)
class Drawing:
    """A figure of the page, or why it is not there."""

    title: str
    svg: Markup | None
    problem: str = ""


@dataclass(frozen=True)
class Point:
    """One row of a training history: the loss is NaN where the training diverged."""

    step: int
    loss: float
    seconds: float


def drawings(records: list[Record], folder: Path, prefixes: Iterator[str]) -> Iterator[Drawing]:
    """The training curves of all seeds in one figure, then the figures of the first seed with any.

    Args:
        records: of one preset, one a seed.
        folder: that their paths are relative to.
        prefixes: of ids, one a figure.
    """
    histories = {record.seed: record.history for record in records if record.history}
    if histories:
        yield _drawing(_LOSS, partial(_curves, histories, folder), next(prefixes))
    shown = next((record for record in records if record.figures), None)
    if shown is None:
        return
    for title, path in shown.figures.items():
        seed = f", seed {shown.seed}" if len(records) > 1 else ""
        yield _drawing(title + seed, partial(_text, path, folder), next(prefixes))


def _drawing(title: str, read: Callable[[], str], prefix: str) -> Drawing:
    """A figure from its SVG; one that is lost or broken must not cost the rest of the page."""
    try:
        return Drawing(title, Markup(inline(read(), prefix, title)))
    except OSError as error:
        return Drawing(title, None, f"{Path(error.filename).name}: {error.strerror}")
    except ValueError as error:
        return Drawing(title, None, str(error))


def _text(relative: str, folder: Path) -> str:
    """The text of a figure's file."""
    return inside(folder, relative).read_text("utf-8")


def _curves(relatives: Mapping[int, str], folder: Path) -> str:
    """The training curves of some files of histories as SVG."""
    histories = {
        seed: list(rows(inside(folder, path), partial(build, Point)))
        for seed, path in relatives.items()
    }
    if (drawing := curve(histories)) is None:
        raise ValueError("there is no loss to draw")
    return drawing


def keep(figures: Mapping[str, Figure | None], folder: Path, out: Path) -> dict[str, str]:
    """Writes figures as SVG files into a folder; their paths relative to `out`, by title."""
    kept = {}
    for title, figure in figures.items():
        if figure is None:
            continue
        path = folder / f"{slug(title)}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(svg(figure))
        kept[title] = str(path.relative_to(out))
    return kept


def svg(figure: Figure) -> str:
    """A figure as SVG, the same text for the same figure: no date, no random ids, text as text."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "unnoise", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", dpi=200, transparent=True, metadata={"Date": None})
    return stream.getvalue()


def inline(text: str, prefix: str, title: str) -> str:
    """An SVG file as an element of an HTML page.

    Args:
        text: of the file.
        prefix: put before all its ids; another one for every figure of the page.
        title: what a screen reader says.

    Raises:
        ValueError: If it is not SVG.
    """
    try:
        source = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"not SVG: {error}") from error
    if source.tag != f"{_SVG}svg":
        raise ValueError(f"not SVG: the root is {source.tag}")
    root = _copy(source, prefix)
    root.attrib |= {"role": "img", "aria-label": title}
    root.tail = None
    return ElementTree.tostring(root, encoding="unicode")


def _copy(source: ElementTree.Element, prefix: str) -> ElementTree.Element:
    """An element without its namespace (HTML knows SVG), and of its content what draws."""
    copy = ElementTree.Element(source.tag.removeprefix(_SVG))
    copy.text, copy.tail = source.text, source.tail
    for name, value in source.items():
        name = "href" if name == _LINK else name
        if (kept := _attribute(name, value, prefix)) is not None:
            copy.set(name, kept)
    for child in source:
        if child.tag.startswith(_SVG) and child.tag.removeprefix(_SVG) not in _DROPPED:
            copy.append(_copy(child, prefix))
    return copy


def _attribute(name: str, value: str, prefix: str) -> str | None:
    """The value of an attribute on the page; None if it acts or reaches outside of its figure."""
    if name == "id":
        return prefix + value
    if name == "href":
        if value.startswith("#"):
            return f"#{prefix}{value[1:]}"
        return value if value.startswith("data:image/") else None
    if name.startswith(("{", "on")) or re.search(r"url\((?!#)", value):
        return None
    return value.replace("url(#", f"url(#{prefix}")


def curve(histories: Mapping[int, Sequence[Point]]) -> str | None:
    """The training curves of some seeds as SVG; None if not one loss is a number.

    Both axes are logarithmic where their values span decades. Losses are averaged over stretches
    of steps that grow with the step, which shows the trend through the noise of small batches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    smooth = {seed: _smooth(history) for seed, history in sorted(histories.items())}
    lines = {seed: (steps, losses) for seed, (steps, losses) in smooth.items() if steps}
    if not lines:
        return None
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(4.4, 2.8), layout="constrained")
        axes = figure.subplots()
        for (seed, (steps, losses)), colour in zip(lines.items(), cycle(_COLOURS), strict=False):
            axes.plot(steps, losses, color=colour, lw=1.3, label=f"seed {seed}")
        steps, losses = (list(chain(*parts)) for parts in zip(*lines.values(), strict=True))
        _dress(axes, steps, losses)
        return svg(figure)


def _smooth(history: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Mean steps and mean losses of stretches of a history that grow with the step."""
    import numpy as np

    rows = np.array([(point.step, point.loss) for point in history], dtype=float).reshape(-1, 2)
    rows = rows[np.isfinite(rows[:, 1])]
    if not len(rows):
        return [], []
    starts = np.arange(len(rows))
    if len(rows) > _GROUPS:
        starts = np.unique(np.geomspace(1, len(rows), _GROUPS + 1)[:-1].astype(int)) - 1
    counts = np.diff(np.append(starts, len(rows)))
    steps, losses = (np.add.reduceat(rows, starts) / counts[:, None]).T
    return steps.tolist(), losses.tolist()


def _dress(axes: Axes, steps: list[float], losses: list[float]) -> None:
    """Labels, scales and grid for all that is drawn."""
    axes.set_xlabel("step")
    axes.set_ylabel("training loss")
    axes.grid(color="#d5d5d0", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if _ratio(steps) >= 100:
        axes.set_xscale("log")
        plain_ticks(axes.xaxis, (1,))
    if _ratio(losses) >= 5:  # so that there are two of 1, 2, 5, 10, … to label
        axes.set_yscale("log")
        plain_ticks(axes.yaxis, (1, 2, 5))
    if len(axes.lines) > 1:
        axes.legend(frameon=False)


def _ratio(values: list[float]) -> float:
    """The largest over the smallest; 0 if a logarithmic axis can't hold them."""
    return max(values) / min(values) if min(values) > 0 else 0


def plain_ticks(axis: Axis, digits: tuple[int, ...]) -> None:
    """Ticks of a logarithmic axis at these digits times powers of ten, written without powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
