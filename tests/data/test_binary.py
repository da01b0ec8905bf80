"""Binary rows: the standard split, the known scores of two simple models, and damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from unnoise.data import DataError, UnknownSource, load_debd

if TYPE_CHECKING:
    from collections.abc import Callable

    from unnoise.data import Source


@pytest.mark.parametrize(
    ("name", "rows", "columns", "independent"),
    [
        ("nltcs", (16181, 2157, 3236), 16, -9.234),
        ("plants", (17412, 2321, 3482), 69, -31.266),
        ("accidents", (12758, 1700, 2551), 111, -45.560),
        ("debd-mushrooms", (2000, 500, 5624), 112, -34.232),
    ],
)
def test_the_standard_split(
    here: Callable[[str], Source],
    name: str,
    rows: tuple[int, ...],
    columns: int,
    independent: float,
) -> None:
    """The score of independent columns on the test part, nats a row, is a known figure.

    It has three decimals, and the frequencies behind it half a count added (Krichevsky and Trofimov).
    """
    here(name)
    parts = load_debd(name, quiet=True)
    assert [(part, array.shape) for part, array in parts.items()] == [
        (part, (n, columns)) for part, n in zip(("train", "valid", "test"), rows, strict=True)
    ]
    assert all(array.dtype == np.uint8 and array.max() == 1 for array in parts.values())
    ones = (parts["train"].sum(0) + 0.5) / (len(parts["train"]) + 1)
    score = np.where(parts["test"] == 1, np.log(ones), np.log(1 - ones)).sum(1).mean()
    assert score == pytest.approx(independent, abs=5e-4)


def test_values_are_those_of_the_file(stand_in: Callable[..., None]) -> None:
    stand_in("nltcs", b"0,1,1\n1,0,0\n", b"1,1,1\n", b"0,0,0\n")
    parts = load_debd("nltcs")
    assert {part: array.tolist() for part, array in parts.items()} == {
        "train": [[0, 1, 1], [1, 0, 0]],
        "valid": [[1, 1, 1]],
        "test": [[0, 0, 0]],
    }
    assert parts["train"].flags.writeable  # torch.from_numpy warns otherwise


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "not all of one length"),
        (b"0,1", "not all of one length"),
        (b"0,1\n1\n", "not all of one length"),
        (b"0,2\n", "something else than 0 and 1"),
        (b"0;1\n", "something else than 0 and 1"),
        (b"0,1,\n", "something else than 0 and 1"),
        (b"0,1\n0,\n1", "something else than 0 and 1"),
    ],
)
def test_damage_is_named(stand_in: Callable[..., None], content: bytes, fault: str) -> None:
    stand_in("plants", content, b"0\n", b"0\n")
    with pytest.raises(DataError, match=f"plants.train.data: .*{fault}.*; fetch it again"):
        load_debd("plants")


def test_wrong_name() -> None:
    with pytest.raises(UnknownSource, match="no set of binary rows is named 'mnist'; known: acc"):
        load_debd("mnist")
