"""What a task of codes is about: rows of columns with an alphabet each, and what is known of their
law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.transform import Codes
from unnoise.domains.task import Splits

__all__ = ["Law", "Problem", "frequencies"]


@dataclass(frozen=True)
class Law:
    """The law that rows were drawn from.

    Attributes:
        entropy: in nats.
        log_prob: nats of rows (N, D), (N,) in float64.
        joint: its whole table (S_1, ..., S_D), where it is small enough; None: it isn't.
    """

    entropy: float
    log_prob: Callable[[Tensor], Tensor]
    joint: Tensor | None = None


@dataclass(frozen=True)
class Problem:
    """Rows of codes in three parts.

    Attributes:
        train, valid, test: codes (N, ...), any integer type.
        sizes: levels of each column, or of one that all share.
        names: of the columns; empty: they have none.
        levels: the spelling of each column's levels; empty: their numbers.
        masks: entries of each part that exist; None: all.
        law: what they were drawn from; None: unknown.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    sizes: tuple[int, ...]
    names: Sequence[str] = ()
    levels: Sequence[Sequence[str]] = ()
    masks: tuple[Tensor, Tensor, Tensor] | None = None
    law: Law | None = None

    def __post_init__(self) -> None:
        for name, part in (("train", self.train), ("valid", self.valid), ("test", self.test)):
            rows = part.reshape(len(part), -1)
            top = torch.tensor(self.sizes)
            if len(rows) and (int(rows.min()) < 0 or bool((rows.long().amax(0) >= top).any())):
                raise ValueError(f"{name}: a row has a code outside of its column's levels")

    @property
    def columns(self) -> int:
        """Entries of a row."""
        return self.train[0].numel()

    @property
    def alphabets(self) -> list[int]:
        """Levels of every column."""
        return list(self.sizes) * (self.columns if len(self.sizes) == 1 else 1)

    def splits(self) -> Splits:
        """As a task has them."""
        masks = self.masks or (None, None, None)
        parts = (self.train, self.valid, self.test)
        train, valid, test = (Batch(x, mask) for x, mask in zip(parts, masks, strict=True))
        return Splits(train, valid, test, Codes())


def frequencies(x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Smoothed frequencies of the levels of every column, (size,) each, one count in all added."""
    rows = x.reshape(len(x), -1).long()
    counts = [torch.bincount(rows[:, d], minlength=s).double() for d, s in enumerate(sizes)]
    return [(c + 1 / len(c)) / (len(rows) + 1) for c in counts]
