"""The report: the records of a folder as one HTML page that needs nothing else, nor a network.

No number stands alone: each is shown beside its floor (a perfect sampler) and its baseline (a
trivial model), with its spread over the seeds or its standard error. The same records make the
same page, so the date on it is that of the newest run.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import count, groupby
from pathlib import Path
from statistics import fmean, stdev
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from unnoise.benchmarks.charts import Drawing, drawings
from unnoise.benchmarks.published import load
from unnoise.benchmarks.records import Measurement, Record, latest
from unnoise.benchmarks.sounds import Player, players
from unnoise.benchmarks.tables import Grid, Rivals, grids, rivals

__all__ = ["Row", "number", "render", "summarise", "uncertain", "write"]

MISSING = "—"


@dataclass(frozen=True)
class Row:
    """One metric over the seeds of a preset.

    Attributes:
        value: the mean over the seeds.
        error: their standard deviation; of a single seed its standard error; None: unknown.
        floor, baseline: means over the seeds that have them; None: no seed has.
        seeds: how many seeds have the metric.
        measurement: of the first seed that has it, for its title, direction, kind and unit.
    """

    value: float
    error: float | None
    floor: float | None
    baseline: float | None
    seeds: int
    measurement: Measurement


@dataclass(frozen=True)
class Group:
    """The runs of one preset of a task, one a seed, as the page shows them."""

    preset: str
    records: Sequence[Record]
    rows: Sequence[Row]
    hidden: Sequence[str]
    facts: Mapping[str, str]
    settings: Sequence[str]
    command: str
    drawings: Sequence[Drawing]
    sounds: Mapping[str, Sequence[Player]]
    grids: Sequence[Grid]

    @property
    def summary(self) -> str:
        """What the numbers of the table are."""
        if len(self.records) == 1:
            return f"One run, seed {_seeds(self.records)}: value ± standard error."
        return f"Seeds {_seeds(self.records)}: mean ± standard deviation over the seeds."


@dataclass(frozen=True)
class Section:
    """A task."""

    task: str
    anchor: str
    groups: Sequence[Group]
    published: Sequence[Rivals]


def write(records: list[Record], folder: Path, path: Path) -> None:
    """Writes the report of `render` to a file: whole, or not at all.

    Raises:
        OSError: If it can't be written.
    """
    page = render(records, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(page, "utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def render(records: list[Record], folder: Path) -> str:
    """The newest runs of these records as an HTML page.

    Args:
        records: of any tasks.
        folder: that the paths in the records are relative to.
    """
    shown = latest(records)
    prefixes = (f"figure-{number}-" for number in count(1))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "uncertain": uncertain}
    template = environment.from_string(
        (files("unnoise.benchmarks") / "report.html").read_text("utf-8")
    )
    return template.render(
        sections=[
            _section(task, list(runs), folder, prefixes)
            for task, runs in groupby(shown, lambda record: record.task)
        ],
        runs=len(shown),
        replaced=len(records) - len(shown),
        date=max((record.when[:10] for record in shown), default=MISSING),
        commits=_distinct(record.commit for record in shown),
        versions=_versions(shown),
    )


def _section(task: str, records: list[Record], folder: Path, prefixes: Iterator[str]) -> Section:
    """A task, its largest budget first."""
    presets = groupby(records, lambda record: record.preset)
    groups = [_group(preset, list(runs), folder, prefixes) for preset, runs in presets]
    groups.sort(key=lambda group: -max(record.steps for record in group.records))
    titles = {name: each.title for record in records for name, each in record.metrics.items()}
    return Section(task, f"task-{quote(task)}", groups, rivals(load(task), titles))


def _group(preset: str, records: list[Record], folder: Path, prefixes: Iterator[str]) -> Group:
    """The runs of one preset."""
    table = summarise(records)
    bare = [row for row in table if row.floor is None and row.baseline is None]
    return Group(
        preset=preset,
        records=records,
        rows=[row for row in table if row not in bare],
        hidden=[row.measurement.title for row in bare],
        facts=_facts(records),
        settings=_settings(records),
        command=_command(records),
        drawings=list(drawings(records, folder, prefixes)),
        sounds=players(records, folder),
        grids=grids(records),
    )


def summarise(records: Sequence[Record]) -> list[Row]:
    """Every metric over the seeds of one preset, in the order of the records.

    One seed without a number makes the mean NaN: a mean over those that went well would flatter.
    """
    names = dict.fromkeys(name for record in records for name in record.metrics)
    return [
        _row([record.metrics[name] for record in records if name in record.metrics], len(records))
        for name in names
    ]


def _row(seeds: list[Measurement], runs: int) -> Row:
    """One metric over the seeds that have it, of so many runs."""
    values = [seed.value for seed in seeds]
    whole = all(math.isfinite(value) for value in values)
    error = seeds[0].stderr if runs == 1 else None
    return Row(
        value=fmean(values) if whole else math.nan,
        error=stdev(values) if whole and len(seeds) > 1 else error,
        floor=_mean(seed.floor for seed in seeds),
        baseline=_mean(seed.baseline for seed in seeds),
        seeds=len(seeds),
        measurement=seeds[0],
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of the numbers among some values; None if there are none."""
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(numbers) if numbers else None


def number(value: float | None) -> str:
    """A number in four digits; "—" for one that is missing.

    >>> number(2.42), number(12345.6), number(-0.00001234), number(float("nan")), number(0)
    ('2.420', '12,346', '−1.234e−05', '—', '0')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    place = math.floor(math.log10(abs(value)))
    text = f"{value:.3e}" if abs(place) > 6 or place < -3 else f"{value:,.{max(0, 3 - place)}f}"
    return text.replace("-", "−")


def uncertain(value: float, error: float | None) -> str:
    """A number and its error, to two digits of the error.

    >>> uncertain(2.04321, 0.0312), uncertain(1234.5, 88.8), uncertain(0.5, None)
    ('2.043 ± 0.031', '1,234 ± 89', '0.5000')
    """
    if error is None or not math.isfinite(error) or not math.isfinite(value):
        return number(value)
    if error == 0:
        return f"{number(value)} ± 0"
    place = math.floor(math.log10(error))
    if abs(place) > 6:
        return f"{number(value)} ± {error:.1e}".replace("-", "−")
    decimals = max(0, 1 - place)
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f}".replace("-", "−")


def _facts(records: list[Record]) -> dict[str, str]:
    """What the runs took, by the name of the fact."""
    nfe = [record.nfe for record in records if record.nfe is not None]
    training = {
        "Parameters": _span([record.parameters for record in records]),
        "Optimiser steps": _span([record.steps for record in records]),
        "Training time a run": f"{_span([record.train_seconds for record in records])} s",
    }
    return {
        "Seeds": _seeds(records),
        **(training if any(record.steps for record in records) else {"Training": "none"}),
        "NFE a sample": _span(nfe) if nfe else MISSING,
        "Commit": _distinct(record.commit for record in records),
        "Finished": max(record.when[:10] for record in records),
    }


def _seeds(records: Sequence[Record], comma: str = ", ") -> str:
    """The seeds in a row."""
    return comma.join(str(record.seed) for record in records)


def _span(values: Sequence[float]) -> str:
    """Equal numbers as one, others as a range."""
    ends = [f"{value:,.0f}" for value in (min(values), max(values))]
    return "–".join(dict.fromkeys(ends))


def _distinct(values: Iterable[str | None]) -> str:
    """The different ones, in a row."""
    names = {
        re.sub(r"\b[0-9a-f]{40}\b", lambda hash: hash[0][:10], value or "unknown")
        for value in values
    }
    return ", ".join(sorted(names)) or MISSING


def _versions(records: list[Record]) -> dict[str, str]:
    """The versions of every library that these runs used."""
    names = sorted({name for record in records for name in record.versions})
    return {
        name: _distinct(r.versions[name] for r in records if name in r.versions) for name in names
    }


def _command(records: list[Record]) -> str:
    """The command that repeats these runs."""
    first = records[0]
    words = ["unnoise", "bench", "run", first.task, "--preset", first.preset]
    return shlex.join([*words, "--seed", _seeds(records, ",")])


def _settings(records: list[Record]) -> list[str]:
    """The different settings of these runs, as JSON."""
    texts = (json.dumps(dict(r.settings), indent=2, sort_keys=True) for r in records if r.settings)
    return list(dict.fromkeys(texts))
