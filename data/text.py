"""Texts as one string of characters."""

import re

from unnoise.data.errors import unknown
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

__all__ = ["load_text"]

_NAMES = ("republic", "shakespeare")


def load_text(name: str, *, quiet: bool = False) -> str:
    """Loads a text.

    Args:
        name: shakespeare, as it is: 65 characters. republic, in the alphabet of text8: what is
            no letter between a and z, once the text is in lower case, becomes one blank, and
            none is left at the ends; 27 characters.
        quiet: Whether a download does without its progress bar.

    Raises:
        DataError: If there is none of that name, or its file is neither here nor to be had, or
            damaged.
    """
    if name not in _NAMES:
        raise unknown("text", name, _NAMES)
    source = SOURCES[name]
    text = (find(source, quiet=quiet) / source.files[0].path).read_bytes().decode("utf-8")
    return _letters(text) if name == "republic" else text


def _letters(text: str) -> str:
    """The words in lower case, with one blank between them.

    >>> _letters("The 2nd book -- O.K.?")
    'the nd book o k'
    """
    return re.sub("[^a-z]+", " ", text.lower()).strip()
