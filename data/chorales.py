"""Bach's chorales: four voices on a grid of sixteenth notes."""

import json

import numpy as np
from numpy.typing import NDArray

from unnoise.data.registry import SOURCES
from unnoise.data.store import find

__all__ = ["load_chorales"]


def load_chorales(*, quiet: bool = False) -> dict[str, list[NDArray[np.int64]]]:
    """Loads the chorales of Boulanger-Lewandowski's split.

    Args:
        quiet: Whether a download does without its progress bar.

    Returns:
        `train`, `valid` and `test`: 229, 76 and 77 arrays (steps, 4) of MIDI pitches of
        soprano, alto, tenor and bass; -1 is silence. A held note and one struck again look alike.

    Raises:
        DataError: If the file is neither here nor to be had, or damaged.
    """
    source = SOURCES["jsb-chorales"]
    path = find(source, quiet=quiet) / source.files[0].path
    parts = json.loads(path.read_text("utf-8"))
    return {
        part: [np.array(chorale, dtype=np.int64) for chorale in parts[part]]
        for part in ("train", "valid", "test")
    }
