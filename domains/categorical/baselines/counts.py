"""How often levels, and pairs of levels, occur in rows of codes.

Codes are int64, (N, D); column d has the levels 0 .. sizes[d] - 1. With S = the sum of the sizes,
a row is S zeros and ones, D of them ones, and for two sets of rows the matrix product of these
counts every pair of levels of every pair of columns at once. The product is taken in float32 over
few rows at a time, where all its entries are small integers, and added up in float64: the counts
are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["block_sums", "checked", "levels", "one_hot", "owners", "pair_counts", "split_rows"]

_ROWS = 2048  # in float32 their products stay far below 2^24, where integers end


def checked(x: Tensor, sizes: Sequence[int], name: str = "x") -> Tensor:
    """The codes `x` (N, D) as int64, once they fit `sizes`.

    Raises:
        ValueError: If there is no row, not one size a column, or a code out of its column's range.
        TypeError: If the codes are no integers.
    """
    if x.ndim != 2 or not len(x):
        raise ValueError(f"{name}: need rows of codes (N, D), got shape {tuple(x.shape)}")
    if x.is_floating_point() or x.is_complex():
        raise TypeError(f"{name}: need integer codes, got {x.dtype}; encode the levels first")
    if x.shape[1] != len(sizes):
        raise ValueError(f"{name}: has {x.shape[1]} columns, but there are {len(sizes)} sizes")
    x, limit = x.long(), torch.tensor(sizes, device=x.device)
    bad = ((x < 0) | (x >= limit)).any(0).nonzero()
    if len(bad):
        d = int(bad[0])
        low, high = int(x[:, d].min()), int(x[:, d].max())
        raise ValueError(
            f"{name}: column {d} holds {low} to {high}, but has the levels 0 to {sizes[d] - 1}"
        )
    return x


def levels(*sets: Tensor) -> list[int]:
    """The least sizes that fit the codes of all sets, one a column.

    >>> levels(torch.tensor([[0, 3]]), torch.tensor([[1, 0], [0, 2]]))
    [2, 4]
    """
    sizes: list[int] = torch.stack([x.amax(0) for x in sets]).amax(0).add(1).tolist()
    return sizes


def owners(sizes: Sequence[int]) -> Tensor:
    """The column of every place of a one-hot row, (S,).

    >>> owners([2, 1, 3]).tolist()
    [0, 0, 1, 2, 2, 2]
    """
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def one_hot(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Codes (N, D) as zeros and ones, (N, S), float32: the columns side by side.

    >>> one_hot(torch.tensor([[1, 0, 2]]), [2, 1, 3]).tolist()
    [[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]]
    """
    starts = torch.tensor([0, *sizes[:-1]]).cumsum(0)
    return torch.zeros(len(x), sum(sizes)).scatter_(1, x + starts, 1.0)


def split_rows(x: Tensor) -> tuple[Tensor, ...]:
    """Few rows at a time."""
    return torch.split(x, _ROWS)


def pair_counts(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The rows that hold both of any two levels, (S, S), float64; the diagonal has the counts of
    single levels."""
    total = torch.zeros(sum(sizes), sum(sizes), dtype=torch.float64)
    for rows in split_rows(x):
        held = one_hot(rows, sizes)
        total += held.T @ held
    return total


def block_sums(terms: Tensor, sizes: Sequence[int]) -> Tensor:
    """Terms (S, S) of pairs of levels, summed over each pair of columns, (D, D)."""
    owner, d = owners(sizes), len(sizes)
    rows = terms.new_zeros(d, terms.shape[1]).index_add_(0, owner, terms)
    return rows.new_zeros(d, d).index_add_(1, owner, rows)
