"""Texts: lengths, alphabets, and the known entropies of their letters."""

from __future__ import annotations

import string
from collections import Counter
from math import log2
from typing import TYPE_CHECKING

import pytest

from unnoise.data import UnknownSource, load_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from unnoise.data import Source


def unigram(text: str) -> float:
    """Bits a character of the last twentieth, under the frequencies of the first nine tenths."""
    cut = round(0.9 * len(text)), round(0.95 * len(text))
    counts, rest = Counter(text[: cut[0]]), text[cut[1] :]
    return -sum(log2(counts[letter] / cut[0]) for letter in rest) / len(rest)


def test_shakespeare(here: Callable[[str], Source]) -> None:
    here("shakespeare")
    text = load_text("shakespeare", quiet=True)
    assert text.startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:")
    assert (len(text), len(set(text))) == (1_115_394, 65)
    assert set(text) < set(string.printable)
    assert unigram(text) == pytest.approx(4.850, abs=1e-3)


def test_republic(here: Callable[[str], Source]) -> None:
    here("republic")
    text = load_text("republic", quiet=True)
    assert text.startswith(
        "the project gutenberg ebook of the republic by plato this ebook is for"
    )
    assert (len(text), set(text)) == (1_158_814, {*string.ascii_lowercase, " "})
    assert "  " not in text and text == text.strip()
    assert unigram(text) == pytest.approx(4.050, abs=1e-3)


def test_a_text_is_not_touched_but_the_republic(stand_in: Callable[..., None]) -> None:
    stand_in("shakespeare", b"Ay,\r\n sir!  \n")
    assert load_text("shakespeare") == "Ay,\r\n sir!  \n"
    stand_in("republic", "\ufeffI.\r\n-- Na\u00efve -- 2nd \n".encode())
    assert load_text("republic") == "i na ve nd"


def test_wrong_name() -> None:
    with pytest.raises(UnknownSource, match="no text is named 'Shakspeare'; did you mean 'shakes"):
        load_text("Shakspeare")
