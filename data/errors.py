"""What goes wrong with data: one kind of error, whose message says what, where and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["DataError", "UnknownSource", "unknown"]


class DataError(ValueError):
    """A data set that cannot be found, fetched or read. The message is one line, for a person."""


class UnknownSource(DataError):
    """A name that stands for no data set."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownSource:
    """The error of a wrong name, which offers the closest of those that there are.

    >>> print(unknown("fruit", "Aple", ["pear", "apple"]))
    no fruit is named 'Aple'; did you mean 'apple'? known: apple, pear
    """
    names = sorted(known)
    close = get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return UnknownSource(f"no {kind} is named {name!r}; {hint}known: {', '.join(names)}")
