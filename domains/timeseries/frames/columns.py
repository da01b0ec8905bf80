"""What a frame must be and have, whatever its layout."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import pandas as pd

__all__ = ["refuse_twice_named", "require_columns", "require_frame"]


def refuse_twice_named(roles: dict[str, Any]) -> None:
    """Refuse a column that has two roles, or text where there should be a list of names.

    Raises:
        ValueError: if there is one.
    """
    seen: dict[Hashable, str] = {}
    for role, names in roles.items():
        if isinstance(names, str) and role in ("targets", "known", "static"):
            raise ValueError(f"{role}: must be a list of columns; pass [{names!r}]")
        for name in names if isinstance(names, tuple | list) else [names] * (names is not None):
            if name in seen:
                raise ValueError(f"column {name!r} is both {seen[name]} and {role}; choose one")
            seen[name] = role


def require_frame(frame: pd.DataFrame) -> None:
    """Refuse what isn't a frame with rows, plain labels and columns of different names.

    Raises:
        TypeError: if it isn't a frame.
        ValueError: if it isn't such a frame.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"needs a pandas DataFrame, got {type(frame).__name__}")
    if frame.index.nlevels > 1 or frame.columns.nlevels > 1:
        raise ValueError(
            "the frame has several levels of rows or columns; reset_index() makes levels columns"
        )
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"two columns are named {twice[0]!r}; rename one")
    if not len(frame):
        raise ValueError("the frame has no rows")


def require_columns(frame: pd.DataFrame, names: Iterable[Hashable]) -> None:
    """Refuse a frame without columns of such names.

    Raises:
        ValueError: if it lacks some; they are named.
    """
    lacks = [name for name in names if name not in frame.columns]
    if lacks:
        raise ValueError(
            f"the frame has no column {', '.join(map(repr, lacks))}; its columns are {', '.join(map(repr, frame.columns))}"
        )
