"""Domains: one folder a modality, found through the entry-point group `unnoise.domains`.

A domain is a mapping from a name to a function that makes a Task. Ours register in
`pyproject.toml`, exactly as a stranger's do in theirs.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from unnoise.domains.task import Task

__all__ = ["Domain", "UnknownTask", "make", "task_names"]

Domain = Mapping[str, Callable[[], Task]]
GROUP = "unnoise.domains"


class UnknownTask(ValueError):
    """A task name that no installed domain offers."""


def task_names() -> list[str]:
    """The names of all tasks of all installed domains, "domain/task", sorted.

    Raises:
        ImportError: if an installed domain can't be imported; it says which.
    """
    points = entry_points(group=GROUP)
    return sorted(f"{point.name}/{name}" for point in points for name in _load(point))


def make(name: str) -> Task:
    """The task of a name such as "images/digits".

    Raises:
        UnknownTask: if there is none; it names the nearest.
        ImportError: if an installed domain can't be imported; it says which.
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
    try:
        domain: Domain = point.load()
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"the domain {point.name!r} ({point.value}) can't be imported: {error}"
        ) from error
    return domain
