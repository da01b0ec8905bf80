r"""What every rate matrix says: its rows, its columns, and how a law moves under it.

A column of data is a state of a continuous-time Markov chain with the rates R_t = beta(t) R,
$R[x, y]$ for a jump from x to y. With $B = \int \beta dt$ the transition probabilities are

    q(x -> y) = expm(B R)[x, y]

and nothing here ever holds such a matrix for every row of a batch: a row, a column, or a row vector
times it is all that loss, sampler and bound ask for. Time is B itself. A rate is normalised so that
e^-B is what is left of the slowest mode, and B of a level is $-\log \alpha$ with $\alpha$ the share
that is kept: log-SNR is $2 \log \alpha/(1 - \alpha)$, the straight gauge, so that every schedule
serves jumps too.

A state has `columns`, each with an alphabet of its own: `sizes` data levels, padded to the largest.
Codes are 0 to size - 1; a noise that adds a state of its own (the mask) puts it last.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from unnoise.core.schedule import Level

__all__ = ["Rates", "elapsed", "padded"]


class Rates(nn.Module, ABC):
    """Rates R of D columns, which jump independently of each other.

    Shapes: codes x are integers (B, D), B a scalar tensor or (B, 1), laws and rows (B, D, N) with N
    = `states`, in the dtype of B. One column's rates serve any number of columns that share them.
    Rates are constants of whoever builds a model, and aren't saved with its weights.

    Args:
        sizes: data levels of each column.
        states: N; at least the largest size.

    Raises:
        ValueError: if there is no column, or one has no level.
    """

    def __init__(self, sizes: Sequence[int], states: int) -> None:
        super().__init__()
        if not sizes or min(sizes) < 1:
            raise ValueError(
                f"{type(self).__name__}: each column needs at least one level, got {list(sizes)}"
            )
        self.sizes = tuple(sizes)
        self.states = states

    @property
    def levels(self) -> int:
        """K, data levels of the largest column."""
        return max(self.sizes)

    @property
    def mask(self) -> int | None:
        """The code of a state that is none of the data's, if the noise has one."""
        return self.levels if self.states > self.levels else None

    def exists(self) -> Tensor:
        """Which states a column has, (D, N)."""
        state = torch.arange(self.states)
        own = state < torch.tensor(self.sizes)[:, None]
        return own | (state >= self.levels)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Tables move with the model that they are part of, but aren't cast with it: eigenvectors
        in half precision make no law."""
        tables = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, table in tables.items():
            moved = self._buffers[name]
            if table is not None and moved is not None and moved.dtype != table.dtype:
                self._buffers[name] = table.to(moved.device)
        return self

    @abstractmethod
    def stationary(self) -> Tensor:
        """The law that the chain tends to, (D, N) in float64."""

    @abstractmethod
    def row(self, x: Tensor, B: Tensor) -> Tensor:
        """expm(B R)[x, :], the law of where x is after B, (B, D, N)."""

    @abstractmethod
    def column(self, x: Tensor, B: Tensor) -> Tensor:
        """expm(B R)[:, x], the likelihood of where x came from, (B, D, N)."""

    @abstractmethod
    def push(self, law: Tensor, B: Tensor) -> Tensor:
        """law expm(B R), (B, D, N); a negative B takes it back, and may leave the simplex."""

    @abstractmethod
    def away(self, x: Tensor) -> Tensor:
        """R[x, y] for y other than x, and 0 at x, (B, D, N)."""

    @abstractmethod
    def into(self, x: Tensor) -> Tensor:
        """R[y, x] for y other than x, and 0 at x, (B, D, N): what the reverse process needs."""

    @abstractmethod
    def draw(self, x: Tensor, B: Tensor, u: Tensor) -> Tensor:
        """The code after B at the quantile u (B, D) of some order of the levels; u in float64,
        since float32 has no room for rare ones."""


def elapsed(level: Level, like: Tensor) -> Tensor:
    r"""$B = -\log\alpha$ of a level, $\alpha = \sigma(\lambda/2)$: 0 at the data, infinite where
    nothing is kept. A scalar, or (B, 1) like the level, in the dtype of `like`."""
    if isinstance(level.log_snr, Tensor):
        return softplus(-0.5 * level.log_snr.to(like.dtype))
    half = -0.5 * level.log_snr
    B = max(half, 0.0) + math.log1p(math.exp(-abs(half)))
    return torch.tensor(B, dtype=like.dtype, device=like.device)


def padded(columns: Sequence[Tensor], states: int) -> Tensor:
    """Laws of columns, one each, as one tensor (D, states) in float64, zero beyond their own."""
    out = torch.zeros(len(columns), states, dtype=torch.float64)
    for row, column in zip(out, columns, strict=True):
        row[: len(column)] = column
    return out
