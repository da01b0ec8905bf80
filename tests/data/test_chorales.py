"""Chorales: the split of Boulanger-Lewandowski, and what four voices are like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from unnoise.data import load_chorales

if TYPE_CHECKING:
    from collections.abc import Callable

    from unnoise.data import Source


def test_chorales(here: Callable[[str], Source]) -> None:
    here("jsb-chorales")
    parts = load_chorales(quiet=True)
    assert {part: (len(found), sum(map(len, found))) for part, found in parts.items()} == {
        "train": (229, 55228),
        "valid": (76, 18408),
        "test": (77, 18900),
    }
    every = [chorale for found in parts.values() for chorale in found]
    assert {(chorale.shape[1], chorale.dtype.name) for chorale in every} == {(4, "int64")}
    assert {len(every[i]) for i in np.argsort([*map(len, every)])[[0, -1]]} == {100, 640}
    notes = np.concatenate(parts["train"])
    levels = np.unique(notes)
    assert (len(levels), levels[0], levels[1], levels[-1]) == (47, -1, 36, 81)
    sung = (notes >= 0).all(1)
    assert (np.diff(notes[sung].mean(0)) < 0).all()  # soprano, alto, tenor, bass


def test_values_are_those_of_the_file(stand_in: Callable[..., None]) -> None:
    piece = [[74, 70, 65, 58], [75, -1, 65, 58]]
    stand_in("jsb-chorales", json.dumps({"test": [], "valid": [], "train": [piece]}).encode())
    parts = load_chorales()
    assert list(parts) == ["train", "valid", "test"]
    assert [chorale.tolist() for chorale in parts["train"]] == [piece]
