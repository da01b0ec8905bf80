"""Character n-grams against a recursion over a text that is searched anew every time."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.categorical.baselines import WittenBell

TEXT = torch.tensor([0, 1, 0, 2, 0, 1, 1, 0, 1, 0, 0, 2])


def witten_bell(rows: Sequence[Sequence[int]], history: list[int], c: int, levels: int) -> float:
    """p(c | history) by the formula."""
    if not history:
        followed = [character for row in rows for character in row]
    else:
        k = len(history)
        followed = [
            row[i + k]
            for row in rows
            for i in range(len(row) - k)
            if list(row[i : i + k]) == history
        ]
    shorter = witten_bell(rows, history[1:], c, levels) if history else 1 / levels
    if not followed:
        return shorter
    kinds = len(set(followed))
    return (followed.count(c) + kinds * shorter) / (len(followed) + kinds)


def nats(rows: Sequence[Sequence[int]], x: list[int], n: int, levels: int) -> float:
    histories = (x[max(0, t - n + 1) : t] for t in range(len(x)))
    return sum(
        math.log(witten_bell(rows, h, c, levels)) for h, c in zip(histories, x, strict=True)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_likelihoods_are_those_of_the_recursion(n: int) -> None:
    model = WittenBell.fit(TEXT, 4, n)  # the fourth character never occurs
    other = torch.randint(0, 4, (30,), generator=seeded(0))
    for x in (TEXT, other, other[:2]):
        expected = nats([TEXT.tolist()], x.tolist(), n, 4)
        assert float(model.log_prob(x)) == pytest.approx(expected, rel=1e-13)
        bits = -expected / math.log(2) / len(x)
        assert model.bits_per_char(x) == pytest.approx(bits, rel=1e-13)


def test_rows_have_nothing_to_do_with_each_other() -> None:
    rows = torch.randint(0, 3, (4, 6), generator=seeded(1))
    model = WittenBell.fit(rows, 3, 3)
    expected = [nats(rows.tolist(), row, 3, 3) for row in rows.tolist()]
    torch.testing.assert_close(model.log_prob(rows), torch.tensor(expected, dtype=torch.float64))
    assert torch.equal(model.log_prob(rows), torch.stack([model.log_prob(row) for row in rows]))
    assert not torch.equal(
        WittenBell.fit(rows.flatten(), 3, 3).log_prob(rows), model.log_prob(rows)
    )


@pytest.mark.parametrize("n", [1, 2, 4])
def test_text_is_normalised_and_drawn_by_its_law(
    n: int, states: Callable[[list[int]], Tensor]
) -> None:
    model, listed = WittenBell.fit(TEXT, 4, n), states([4] * 4)
    p = model.log_prob(listed).exp()
    assert float(p.sum()) == pytest.approx(1, rel=1e-13)
    drawn = model.sample(40_000, 4, seeded(2))
    place = (drawn * torch.tensor([64, 16, 4, 1])).sum(1)
    counts = torch.bincount(place, minlength=256)
    often = p > 5 / len(drawn)  # the rest together
    found = torch.cat([counts[often], counts[~often].sum()[None]])
    expected = torch.cat([p[often], p[~often].sum()[None]]) * len(drawn)
    assert chisquare(found, expected).pvalue > 1e-4


def test_one_character_grams_are_smoothed_frequencies() -> None:
    model = WittenBell.fit(TEXT, 4, 1)
    # 6, 4, 2, 0 of 12, three kinds, and a quarter of these for each
    expected = (torch.tensor([6.75, 4.75, 2.75, 0.75]).double() / 15).log()
    torch.testing.assert_close(model.log_prob(torch.arange(4)[:, None]), expected)


def test_a_history_never_seen_is_shortened() -> None:
    longer, shorter = (WittenBell.fit(TEXT, 4, n) for n in (3, 2))
    unseen = torch.tensor([2, 2, 0])  # 2 is followed by 0 only
    gained = longer.log_prob(unseen) - longer.log_prob(unseen[:2])
    assert float(gained) == pytest.approx(
        float(shorter.log_prob(unseen) - shorter.log_prob(unseen[:2])), rel=1e-13
    )


def test_ngrams_say_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="n: need 1 to 12, the length of the text, got 13"):
        WittenBell.fit(TEXT, 4, 13)
    with pytest.raises(ValueError, match="x: holds 0 to 2, but there are the characters 0 to 1"):
        WittenBell.fit(TEXT, 2, 2)
    with pytest.raises(ValueError, match="n: 12-grams of 65 characters don't fit 63 bits"):
        WittenBell.fit(TEXT, 65, 12)
    with pytest.raises(ValueError, match=r"x: need a text .* got torch.float32 \(12,\)"):
        WittenBell.fit(TEXT.float(), 4, 2)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("tinyshakespeare", (4.850, 3.604, 3.037, 2.680, 2.550)),
        ("republic_clean", (4.050, 3.197, 2.531, 2.014, 1.753)),
    ],
)
def test_texts_have_the_published_bits_per_character(
    name: str, bits: tuple[float, ...], text: Callable[[str], tuple[Tensor, Tensor, int]]
) -> None:
    train, test, levels = text(name)
    for n, expected in enumerate(bits, start=1):
        found = WittenBell.fit(train, levels, n).bits_per_char(test)
        # printed with three decimals after a rounding to four: 3.19647 became 3.1965 and 3.197
        assert found == pytest.approx(expected, abs=5.5e-4), n
