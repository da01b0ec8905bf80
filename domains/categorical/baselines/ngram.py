r"""Character n-grams, each order interpolated with the next shorter one.

With N the times a history h was seen, T the different characters that followed it, and h' the
history without its oldest character, Witten and Bell take

.. math:: p(c \mid h) = \frac{N(h c) + T(h)\, p(c \mid h')}{N(h) + T(h)}

down to the empty history, below which all characters are equally likely; a history never seen
passes on to the shorter one. T estimates how often something new follows: there is nothing to
tune, and nothing has probability 0.

Read as a mixture it is a way to draw: with probability N / (N + T) repeat what followed one of
the N occurrences of h, else forget the oldest character. One uniform number u a character decides
both, since u (N + T) is below N with that probability and is then an occurrence.

References:
    Witten, Bell (1991), The Zero-Frequency Problem, method C; Chen, Goodman (1999), An Empirical
    Study of Smoothing Techniques for Language Modeling, section 2.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.random import Generator, uniform

__all__ = ["WittenBell"]


@dataclass(frozen=True, eq=False)
class _Order:
    """The n-grams of one length, as numbers in base S, sorted.

    Attributes:
        grams: The different ones, (G,).
        ends: How many occurrences they and all before them have, (G + 1,), starting with 0.
        histories: Their different histories, (H,).
        starts: The first gram of every history, (H + 1,), ending with G.
    """

    grams: Tensor
    ends: Tensor
    histories: Tensor
    starts: Tensor

    @staticmethod
    def count(grams: Tensor, levels: int) -> _Order:
        """The table of n-grams (any shape) over `levels` characters."""
        grams, counts = torch.unique(grams, return_counts=True)
        histories, kinds = torch.unique_consecutive(grams // levels, return_counts=True)
        ends, starts = (torch.cat([c.new_zeros(1), c.cumsum(0)]) for c in (counts, kinds))
        return _Order(grams, ends, histories, starts)

    def seen(self, history: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """N, T and the number of the first occurrence of histories; N = T = 0 for unseen ones."""
        at, found = _find(self.histories, history)
        low, high = self.starts[at], self.starts[at + 1]
        times = torch.where(found, self.ends[high] - self.ends[low], 0)
        return times, torch.where(found, high - low, 0), self.ends[low]

    def times(self, gram: Tensor) -> Tensor:
        """How often n-grams were seen."""
        at, found = _find(self.grams, gram)
        return torch.where(found, self.ends[at + 1] - self.ends[at], 0)

    def occurrence(self, number: Tensor) -> Tensor:
        """The n-gram of an occurrence, counted through all of them."""
        return self.grams[torch.searchsorted(self.ends, number, right=True) - 1]


@dataclass(frozen=True, eq=False)
class WittenBell:
    """A law of strings of characters 0 .. levels - 1, each drawn by the n - 1 before it.

    Attributes:
        levels: S, the size of the alphabet.
        orders: The tables of the 1-grams, the 2-grams, ..., the n-grams.
    """

    levels: int
    orders: Sequence[_Order]

    @staticmethod
    def fit(x: Tensor, levels: int, n: int) -> WittenBell:
        """The n-grams of a text (T,), or of rows (N, T) that have nothing to do with each other.

        Raises:
            ValueError: If `n` isn't positive or longer than the text, characters don't fit
                `levels`, or levels^n doesn't fit 63 bits.
        """
        if not 1 <= n <= x.shape[-1]:
            raise ValueError(f"n: need 1 to {x.shape[-1]}, the length of the text, got {n}")
        if n * math.log2(levels) >= 63:
            raise ValueError(f"n: {n}-grams of {levels} characters don't fit 63 bits; take fewer")
        x = _characters(x, levels)
        orders = (_Order.count(_numbers(x, k, levels), levels) for k in range(1, n + 1))
        return WittenBell(levels, tuple(orders))

    def log_prob(self, x: Tensor) -> Tensor:
        """Nats of each row (N, T), (N,), or of a text (T,), a scalar; float64. The first
        characters have only those before them as a history.

        Raises:
            ValueError: If characters don't fit `levels`.
        """
        x = _characters(x, self.levels)
        p = torch.full(x.shape, 1 / self.levels, dtype=torch.float64)
        for k, order in enumerate(self.orders[: x.shape[-1]], start=1):
            gram = _numbers(x, k, self.levels)
            times, kinds, _ = order.seen(gram // self.levels)
            shorter = p[..., k - 1 :]
            longer = (order.times(gram) + kinds * shorter) / (times + kinds)
            p[..., k - 1 :] = torch.where(times > 0, longer, shorter)  # 0 / 0 is not taken
        return p.log().sum(-1)

    def bits_per_char(self, x: Tensor) -> float:
        """Mean bits a character of a text (T,), or of rows (N, T): exact, of these characters.

        Raises:
            ValueError: If characters don't fit `levels`.
        """
        return -float(self.log_prob(x).sum()) / (x.numel() * math.log(2))

    def sample(self, n: int, length: int, generator: Generator) -> Tensor:
        """Independent rows (n, length), by the inverse CDF in float64."""
        u = uniform((n, length), torch.empty(0, dtype=torch.float64), generator)
        history = torch.zeros(n, dtype=torch.long)
        drawn = torch.zeros(n, length, dtype=torch.long)
        for t in range(length):
            drawn[:, t] = self._next(history, min(t + 1, len(self.orders)), u[:, t])
            history = history * self.levels + drawn[:, t]
            history = history % self.levels ** (len(self.orders) - 1)
        return drawn

    def _next(self, history: Tensor, k: int, u: Tensor) -> Tensor:
        """What follows each history of k - 1 characters, at the quantiles `u` of the mixture."""
        drawn = torch.full_like(history, -1)
        for order in reversed(self.orders[:k]):
            times, kinds, first = order.seen(history)
            place = u * (times + kinds)
            repeat = (drawn < 0) & (place < times)
            occurrence = order.occurrence((first + place.long())[repeat])
            drawn[repeat] = occurrence % self.levels
            u = torch.where(times > 0, (place - times) / kinds, u)
            k -= 1
            history = history % self.levels ** max(k - 1, 0)
        anything = (u * self.levels).long().clamp(0, self.levels - 1)
        return torch.where(drawn < 0, anything, drawn)


def _characters(x: Tensor, levels: int) -> Tensor:
    """Characters as int64, once they fit."""
    if x.ndim not in (1, 2) or x.is_floating_point():
        raise ValueError(f"x: need a text (T,) or rows (N, T) of integers, got {x.dtype} "
                         f"{tuple(x.shape)}")  # fmt: skip
    if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < levels:
        raise ValueError(
            f"x: holds {int(x.min())} to {int(x.max())}, but there are the characters 0 to "
            f"{levels - 1}"
        )
    return x.long()


def _numbers(x: Tensor, k: int, levels: int) -> Tensor:
    """The k-grams of the last dimension (..., T), as numbers (..., T - k + 1)."""
    places = levels ** torch.arange(k - 1, -1, -1)
    return (x.unfold(-1, k, 1) * places).sum(-1)


def _find(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Where in the sorted keys each wanted one is, and whether it is there at all."""
    at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return at, keys[at] == wanted
