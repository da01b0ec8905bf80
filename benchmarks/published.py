"""Figures that others published, or that a classical model reaches, shown below a task's own.

They lie in `reference/<domain>.toml`, one `[[figure]]` each. A figure is worth nothing without its
protocol: it says how it was measured, and whether that is how we measure. Figures of one method at
several budgets of evaluations are one table: `value = {5 = 0.12, 10 = 0.04}` of the metric `m` are
the figures of `m@5` and `m@10`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from unnoise.benchmarks.records import build

__all__ = ["Published", "load", "parse"]


@dataclass(frozen=True)
class Published:
    """One figure.

    Attributes:
        task: "domain/task".
        metric: its name, as in the records.
        name: of the method.
        value, unit: the figure.
        source: where it was read.
        protocol: how it was measured.
        same_protocol: whether that is how we measure, so that it may be compared with ours.
    """

    task: str
    metric: str
    name: str
    value: float
    unit: str
    source: str
    protocol: str
    same_protocol: bool


def load(task: str) -> list[Published]:
    """The figures of a task, in the order of their file; none if there is no such file.

    Raises:
        ValueError: If the file is malformed.
    """
    domain = task.partition("/")[0]
    file = files("unnoise.benchmarks") / "reference" / f"{domain}.toml"
    if not file.is_file():
        return []
    return [each for each in parse(file.read_text("utf-8"), domain) if each.task == task]


def parse(text: str, domain: str) -> list[Published]:
    """All figures of the TOML text of a domain.

    Raises:
        ValueError: If it is malformed; it names the file, the figure and what is wrong.
    """
    try:
        tables = tomllib.loads(text)
        if set(tables) - {"figure"} or not isinstance(tables.get("figure", []), list):
            raise ValueError("expected nothing but [[figure]] tables")
    except ValueError as error:
        raise ValueError(f"{domain}.toml: {error}") from error
    return [
        _figure(each, domain, number)
        for number, content in enumerate(tables.get("figure", []), 1)
        for each in _by_budget(content)
    ]


def _by_budget(content: Any) -> list[Any]:
    """A table for every budget of one whose value is a table of budgets."""
    match content:
        case {"metric": str(metric), "value": dict(values)}:
            return [
                content | {"metric": f"{metric}@{nfe}", "value": value}
                for nfe, value in values.items()
            ]
        case _:
            return [content]


def _figure(content: Any, domain: str, number: int) -> Published:
    """One [[figure]] table at one budget."""
    try:
        figure = build(Published, content)
        if not figure.task.startswith(f"{domain}/"):
            raise ValueError(f"the task {figure.task!r} belongs in another file")
        if blank := [
            name for name, value in vars(figure).items() if value == "" and name != "unit"
        ]:
            raise ValueError(f"{', '.join(blank)} can't be empty")
    except ValueError as error:
        raise ValueError(f"{domain}.toml, figure {number}: {error}") from error
    return figure
