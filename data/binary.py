"""Rows of zeros and ones: the standard sets of density estimation, in their standard split."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unnoise.data.errors import DataError, unknown
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

__all__ = ["load_debd"]

_NAMES = ("accidents", "debd-mushrooms", "nltcs", "plants")
_PARTS = ("train", "valid", "test")


def load_debd(name: str, *, quiet: bool = False) -> dict[str, NDArray[np.uint8]]:
    """Loads a set of binary rows: accidents, debd-mushrooms, nltcs or plants.

    Args:
        name: The data set.
        quiet: Whether a download does without its progress bar.

    Returns:
        `train`, `valid` and `test`, (rows, columns), 0 or 1.

    Raises:
        DataError: If there is none of that name, or its files are neither here nor to be had, or
            damaged.
    """
    if name not in _NAMES:
        raise unknown("set of binary rows", name, _NAMES)
    source = SOURCES[name]
    folder = find(source, quiet=quiet)
    pairs = zip(_PARTS, source.files, strict=True)
    return {part: _read(folder / file.path) for part, file in pairs}


def _read(path: Path) -> NDArray[np.uint8]:
    """Reads lines like `0,1,1`: every value is one byte, and so is what follows it."""
    content = path.read_bytes()
    width = content.find(b"\n") + 1
    if not width or len(content) % width:
        raise DataError(f"{path}: its lines are not all of one length; fetch it again")
    signs = np.frombuffer(content, np.uint8).reshape(-1, width)
    after = np.frombuffer(b"," * (width // 2 - 1) + b"\n", np.uint8)
    values = signs[:, ::2] - ord("0")
    if width % 2 or not (values <= 1).all() or not (signs[:, 1::2] == after).all():
        raise DataError(f"{path}: holds something else than 0 and 1 with commas; fetch it again")
    return values
