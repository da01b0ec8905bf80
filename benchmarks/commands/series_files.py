"""What the commands of series read and write: tables, figures, and which columns are what.

Files are written under temporary names and renamed when all are whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from unnoise.domains.timeseries.answer import Answer
    from unnoise.domains.timeseries.frames import Layout

__all__ = [
    "Kind",
    "checked_files",
    "require_same",
    "table_layout",
    "write_answer",
]


class Kind(StrEnum):
    """What is written of the draws."""

    mean = "mean"
    median = "median"
    quantiles = "quantiles"
    samples = "samples"


def checked_files(
    file: Path, output: Path, plot: Path | None, checkpoint: Path | None
) -> Path | None:
    """The checkpoint, if there is one already.

    Raises:
        ValueError: if a suffix is unknown, or the table would be overwritten.
        FileNotFoundError: if a folder isn't there.
    """
    suffixes: Mapping[str, tuple[Path | None, tuple[str, ...]]] = {
        "--output": (output, (".csv", ".csv.gz", ".parquet", ".pq")),
        "--plot": (plot, (".png", ".svg", ".pdf")),
        "--checkpoint": (checkpoint, (".safetensors",)),
    }
    for option, (path, known) in suffixes.items():
        if path is None:
            continue
        if not path.name.lower().endswith(known) or path.is_dir():
            raise ValueError(f"{option}: {path} is no file that ends in {' or '.join(known)}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{option}: {path.parent}: no such folder; make it first")
    if output.resolve() == file.resolve():
        raise ValueError(f"--output: {output} is the table that is read; name another file")
    return checkpoint if checkpoint is not None and checkpoint.exists() else None


def table_layout(
    frame: pd.DataFrame, time: str | None, target: Sequence[str] | None, item: str | None,
    known: Sequence[str] | None, static: Sequence[str] | None, long: tuple[str, str] | None,
) -> Layout:  # fmt: skip
    """Which columns are what.

    Raises:
        ValueError: if that can't be told, or a column isn't there.
    """
    from unnoise.domains.timeseries.frames import Long, layout_of

    targets = None if target is None else _names(target)
    kinds = {"known": _names(known), "static": _names(static)}
    if long is None:
        return layout_of(frame, time, item, targets, **kinds)
    if targets is not None:
        raise ValueError(
            "--target: in a --long table rows name their channels; leave it out, or drop the rows of others"
        )
    lacks = [name for name in long if name not in frame.columns]
    if lacks:
        raise ValueError(
            f"--long: the table has no column {', '.join(map(repr, lacks))}; its columns are {', '.join(map(repr, frame.columns))}"
        )
    wide = layout_of(frame, time, item, [], **kinds)  # it finds the stamps
    return Long(wide.time, *long, item, **kinds)


def _names(options: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for option in options or () for name in option.split(","))


def require_same(checkpoint: Path, layout: Layout) -> None:
    """Refuse a checkpoint of other columns.

    Raises:
        ValueError: if there are some.
    """
    from unnoise.core.checkpoint import read_about
    from unnoise.domains.timeseries.frontend import layout_from_json

    trained = layout_from_json(read_about(checkpoint)["layout"])
    then, now = ({"layout": type(x).__name__.lower(), **vars(x)} for x in (trained, layout))
    for name, value in then.items():
        if now.get(name) != value:
            raise ValueError(
                f"--checkpoint: {checkpoint} was trained with {name} {value!r}, and here it is {now.get(name)!r}; name the columns as then, or another file"
            )


def write_answer(
    answer: Answer, kind: Kind, levels: Sequence[float], output: Path, plot: Path | None
) -> None:
    """Write the table, and the figure if there is to be one: both or none, and print their names."""
    from unnoise.domains.timeseries.frames import write_frame

    table = _table(answer, kind, levels)
    parts = {path: path.with_name(f".{os.getpid()}.part.{path.name}") for path in (output, plot) if path}  # fmt: skip
    try:
        write_frame(table, parts[output])
        if plot is not None:
            _figure(answer).savefig(parts[plot], dpi=150)
        for path, part in parts.items():
            os.replace(part, path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    for path in parts:
        typer.echo(path)


def _figure(answer: Answer) -> Figure:
    from unnoise.domains.timeseries import plot
    from unnoise.domains.timeseries.answer import Filled

    return plot.gaps(answer) if isinstance(answer, Filled) else plot.fan(answer)


def _table(answer: Answer, kind: Kind, levels: Sequence[float]) -> pd.DataFrame:
    """The answer as a table whose columns have one name each, keys among them."""
    if kind is Kind.samples:
        out = answer.samples().reset_index("sample")
        return out if answer.layout.time is None else out.reset_index(drop=True)
    if kind is Kind.quantiles:
        out = answer.quantiles(levels)
        names = [c if isinstance(c, tuple) else (c,) for c in out.columns]
        out.columns = [" ".join([*map(str, head), f"q{q:g}"]) for *head, q in names]
        return out if answer.layout.time is None else out.reset_index()
    return answer.mean() if kind is Kind.mean else answer.median()
