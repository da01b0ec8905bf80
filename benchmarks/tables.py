"""The report's wide tables: published figures with a column a budget, and what a run tells beside its
metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unnoise.benchmarks.published import Published
from unnoise.benchmarks.records import Record

__all__ = ["Grid", "Rival", "Rivals", "grids", "rivals"]


@dataclass(frozen=True)
class Rival:
    """One method's published figures of a metric at one protocol; `cells` are by full metric name."""

    name: str
    source: str
    protocol: str
    same_protocol: bool
    cells: Mapping[str, float]


@dataclass(frozen=True)
class Rivals:
    """All published figures of a metric, or of its budgets `metric@nfe`: a column each."""

    columns: Mapping[str, str]
    rows: Sequence[Rival]


@dataclass(frozen=True)
class Grid:
    """A table of a run: more numbers than its metrics hold."""

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]


def rivals(figures: Sequence[Published], titles: Mapping[str, str]) -> list[Rivals]:
    """The published figures of a task, a table a metric: budgets side by side, methods below each
    other."""
    tables = []
    for base in dict.fromkeys(figure.metric.partition("@")[0] for figure in figures):
        some = [figure for figure in figures if figure.metric.partition("@")[0] == base]
        columns = {
            f.metric: titles.get(f.metric, f.metric) + (f" ({f.unit})" if f.unit else "")
            for f in some
        }
        methods: dict[tuple[str, str, str, bool], dict[str, float]] = {}
        for f in some:
            method = (f.name, f.source, f.protocol, f.same_protocol)
            methods.setdefault(method, {})[f.metric] = f.value
        rows = [Rival(*method, cells) for method, cells in methods.items()]
        tables.append(Rivals(columns, rows))
    return tables


def grids(records: list[Record]) -> list[Grid]:
    """The tables of the first seed that has any."""
    shown = next((record for record in records if record.tables), None)
    if shown is None:
        return []
    seed = f", seed {shown.seed}" if len(records) > 1 else ""
    grids = []
    for title, table in shown.tables.items():
        columns = list(dict.fromkeys(column for row in table.values() for column in row))
        rows = {name: [row.get(column) for column in columns] for name, row in table.items()}
        grids.append(Grid(title + seed, columns, rows))
    return grids
