"""Progress bars for loops that take more than two seconds: `for batch in track(batches, "test
bits/dim"): ...`

Silent unless the error stream is a terminal, and inside `quiet()`. The library never draws a bar
that a caller can't turn off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

__all__ = ["quiet", "shown", "track"]

T = TypeVar("T")
_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quiet(on: bool = True) -> Iterator[None]:
    """No progress bars inside."""
    token = _QUIET.set(on)
    try:
        yield
    finally:
        _QUIET.reset(token)


def shown() -> bool:
    """Whether bars are drawn here."""
    return not _QUIET.get() and sys.stderr.isatty()


def track(items: Sequence[T], title: str) -> Iterator[T]:
    """The items, with a bar on the error stream."""
    if not shown():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, title, console=Console(stderr=True), transient=True)
