"""Domains: one folder a modality, found through the entry-point group `unnoise.domains`.

A domain is a mapping from a name to a function that makes a Task. Ours register in
`pyproject.toml`, exactly as a stranger's do in theirs.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from unnoise.domains.task import Task

__all__ = ["Domain", "MissingExtra", "UnknownTask", "make", "task_names", "unavailable"]

Domain = Mapping[str, Callable[[], Task]]
GROUP = "unnoise.domains"


class MissingExtra(ImportError):
    """A domain whose packages aren't installed."""


class UnknownTask(ValueError):
    """A task name that no installed domain offers."""


def task_names() -> list[str]:
    """The names of all tasks of all domains that can be imported, "domain/task", sorted."""
    missing = unavailable()
    points = [p for p in entry_points(group=GROUP) if p.name not in missing]
    return sorted(f"{point.name}/{name}" for point in points for name in _load(point))


def unavailable() -> dict[str, str]:
    """The installed domains that can't be imported, each with a line that says what mends it."""
    problems = {}
    for point in entry_points(group=GROUP):
        try:
            _load(point)
        except MissingExtra as error:
            problems[point.name] = str(error)
    return problems


def make(name: str) -> Task:
    """The task of a name such as "images/digits".

    Raises:
        UnknownTask: if there is none; it names the nearest.
        MissingExtra: if its domain needs a package that isn't installed.
    """
    domain, _, task = name.partition("/")
    for point in entry_points(group=GROUP):
        if point.name == domain:
            made = _load(point)
            if task in made:
                return made[task]()
    known = task_names()
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise UnknownTask(f"there is no task {name!r}{hint} Known: {', '.join(known)}")


def _load(point: EntryPoint) -> Domain:
    """The domain of an entry point, "module:attribute [extra]"; its extras are what may be missing."""
    try:
        domain: Domain = point.load()
    except ModuleNotFoundError as error:
        package = point.dist.name if point.dist else "unnoise"
        extras = f"[{','.join(point.extras)}]" if point.extras else ""
        raise MissingExtra(
            f"{point.name}: {error.name} is not installed; pip install '{package}{extras}'"
        ) from error
    except Exception as error:  # a stranger's code: it must not take the other domains with it
        raise MissingExtra(
            f"{point.name}: can't be imported: {error!r}; mend or remove it"
        ) from error
    return domain
