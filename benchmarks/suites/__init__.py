"""Named lists of runs: `<name>.toml` beside this file holds rows of task, preset and seeds."""

from __future__ import annotations

import tomllib
from importlib.resources import files

__all__ = ["load_suite", "suite_names"]


def suite_names() -> list[str]:
    """The suites that ship with us."""
    return sorted(
        f.name.removesuffix(".toml") for f in files(__name__).iterdir() if f.name.endswith(".toml")
    )


def load_suite(name: str) -> list[tuple[str, str, int]]:
    """(task, preset, seed) of every run of a suite.

    Raises:
        ValueError: if there is no such suite.
    """
    if name not in suite_names():
        raise ValueError(f"there is no suite {name!r}; known: {', '.join(suite_names())}")
    rows = tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text())["run"]
    return [(row["task"], row["preset"], seed) for row in rows for seed in row["seeds"]]
