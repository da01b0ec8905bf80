r"""Total variation of the frequencies of single columns and of pairs of columns.

.. math:: \mathrm{TV}(p, q) = \tfrac 1 2 \sum_s |p(s) - q(s)|

The largest difference of the two probabilities of any event: 0 for equal laws, 1 for disjoint ones.
Frequencies of finite samples differ even if their laws don't, so the value is biased upwards, and
for pairs, with their many cells, by much: read it beside `two_sample_floor(pair_tv, ...)`.

Standard errors are those of the first-order expansion: a row moves the value by half the sum of
the signs of p - q at its cells, which takes account of rows that fill several cells. At the floor,
where the signs are chance, they are too large: of a column of two levels by 1.66, which is
(1 - 2 / pi)^(-1/2).

Numbers are compared over the quantiles of the real ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from unnoise.domains.categorical.baselines.counts import (
    checked,
    levels,
    one_hot,
    owners,
    pair_counts,
    split_rows,
)
from unnoise.domains.task import Score

__all__ = ["column_tv", "marginal_tv", "numeric_tv", "pair_tv", "quantile_codes"]


def column_tv(real: Tensor, made: Tensor) -> Tensor:
    """Total variation of each column, (D,), float64, of codes (N, D) and (M, D).

    Raises:
        ValueError: For an empty set, unequal D, or negative codes.
    """
    sizes = _sizes(real, made)
    gap = _frequencies(real, sizes) - _frequencies(made, sizes)
    return gap.new_zeros(len(sizes)).index_add_(0, owners(sizes), gap.abs()) / 2


def marginal_tv(real: Tensor, made: Tensor) -> Score:
    """Mean total variation of the columns of codes (N, D) and (M, D) (lower is better).

    Raises:
        ValueError: For an empty set, unequal D, or negative codes.
    """
    sizes = _sizes(real, made)
    gap = _frequencies(real, sizes) - _frequencies(made, sizes)
    weight = gap.sign() / (2 * len(sizes))

    def slope(rows: Tensor) -> Tensor:
        return one_hot(rows, sizes).double() @ weight

    return Score(float(gap @ weight), _stderr(slope, real, made))


def pair_tv(real: Tensor, made: Tensor) -> Score:
    """Mean total variation of the pairs of columns of codes (N, D) and (M, D) (lower is better).

    Raises:
        ValueError: For an empty set, unequal or less than two columns, or negative codes.
    """
    sizes = _sizes(real, made)
    d, owner = len(sizes), owners(sizes)
    if d < 2:
        raise ValueError(f"real, made: need two columns to make a pair, got {d}")
    gap = pair_counts(real, sizes) / len(real) - pair_counts(made, sizes) / len(made)
    gap = torch.where(owner[:, None] == owner, 0.0, gap)
    weight = gap.sign() / (2 * d * (d - 1))  # each pair is there twice

    def slope(rows: Tensor) -> Tensor:
        held = one_hot(rows, sizes).double()
        return (held @ weight * held).sum(1)

    return Score(float((gap * weight).sum()), _stderr(slope, real, made))


def numeric_tv(real: ArrayLike, made: ArrayLike, bins: int = 20) -> Score:
    """Total variation of two columns of numbers over the `quantile_codes` of the real one (lower
    is better).

    Raises:
        ValueError: If there are no numbers, or fewer than two bins.
    """
    codes = quantile_codes(real, made, bins)
    return marginal_tv(*(torch.from_numpy(c)[:, None] for c in codes))


def quantile_codes(
    real: ArrayLike, made: ArrayLike, bins: int = 20
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers (N,) and (M,) as codes: where they lie among the real ones' quantiles.

    A quantile is a bin of its own between two open intervals, so that a value that makes up much
    of the column (no capital gain, 40 hours) is not mixed with its neighbours; the least and the
    largest real number are quantiles too, so that what lies beyond them is told apart. NaN is the
    last code. Arrays and pandas Series both do.

    Raises:
        ValueError: If there are no real numbers, or fewer than two bins.

    >>> real, made = quantile_codes([0, 0, 0, 5, 9], [0, 1, 7, float("nan")], bins=2)
    >>> real.tolist(), made.tolist()
    ([1, 1, 1, 2, 3], [1, 2, 2, 5])
    """
    if bins < 2:
        raise ValueError(f"bins: need at least 2, got {bins}")
    numbers = [np.asarray(x, dtype=np.float64).ravel() for x in (real, made)]
    known = numbers[0][~np.isnan(numbers[0])]
    if not len(known):
        raise ValueError("real: holds no numbers, so it has no quantiles")
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))

    def codes(x: NDArray[np.float64]) -> NDArray[np.int64]:
        place = np.searchsorted(edges, x, "left") + np.searchsorted(edges, x, "right")
        return np.where(np.isnan(x), 2 * len(edges) + 1, place)

    return codes(numbers[0]), codes(numbers[1])


def _sizes(real: Tensor, made: Tensor) -> list[int]:
    if real.ndim != 2 or made.ndim != 2 or real.shape[1] != made.shape[1]:
        raise ValueError(
            f"real, made: need (N, D) and (M, D), got {tuple(real.shape)} and {tuple(made.shape)}"
        )
    if not (len(real) and len(made)):
        raise ValueError(f"real, made: need rows, got {len(real)} and {len(made)}")
    sizes = levels(real, made)
    for name, x in (("real", real), ("made", made)):
        checked(x, sizes, name)
    return sizes


def _frequencies(x: Tensor, sizes: list[int]) -> Tensor:
    """Share of the rows that hold each level, (S,), float64."""
    return sum(one_hot(rows, sizes).double().sum(0) for rows in split_rows(x)) / len(x)  # type: ignore[return-value]


def _stderr(slope: Callable[[Tensor], Tensor], *sets: Tensor) -> float | None:
    """Of a value that each row of a set of n moves by slope / n; None for a single row."""
    if min(len(x) for x in sets) < 2:
        return None
    moves = (torch.cat([slope(rows) for rows in split_rows(x)]) for x in sets)
    return math.sqrt(sum(float(move.var()) / len(move) for move in moves))
