"""Standard errors by repetition, and floors.

A statistic of two samples that has no standard error of its own gets one from disjoint parts: each
pair of parts gives an independent value. Its floor is what two samples of the truth give.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from unnoise.domains.task import Score

__all__ = ["Statistic", "in_rounds", "mean_score", "two_sample_floor"]

Statistic = Callable[[Tensor, Tensor], Score]  # of two sets of rows


def mean_score(values: Tensor) -> Score:
    """The mean of independent values (N,) and its standard error; a single one has none.

    >>> mean_score(torch.tensor([1.0, 3.0]))
    Score(value=2.0, stderr=1.0)
    """
    values = values.double()
    stderr = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else None
    return Score(values.mean().item(), stderr)


def in_rounds(statistic: Statistic, x: Tensor, y: Tensor, rounds: int = 10) -> Score:
    """Mean and standard error of a statistic over disjoint parts of two sets of rows.

    The k-th part of `x` meets the k-th of `y`. Parts are taken in order: shuffle rows that come
    sorted. An estimate whose bias depends on the size keeps the bias of the parts' size.

    Raises:
        ValueError: If there are fewer rows than rounds.
    """
    least = min(len(x), len(y))
    if not 1 <= rounds <= least:
        raise ValueError(f"rounds: need 1 to {least}, the rows there are, got {rounds}")
    parts = zip(x.tensor_split(rounds), y.tensor_split(rounds), strict=True)
    return mean_score(torch.tensor([statistic(*part).value for part in parts], dtype=torch.double))


def two_sample_floor(
    statistic: Statistic,
    real: Tensor,
    n: int,
    m: int,
    generator: torch.Generator,
    rounds: int = 10,
) -> Score:
    """What a perfect generator gets on average: the statistic of `n` against `m` real rows.

    Args:
        statistic: Of two sets of rows.
        real: Rows (N, ...), N >= n + m, so that the two sets have no row in common.
        n: Rows in the place of the real ones.
        m: Rows in the place of those made.
        generator: Of the splits.
        rounds: How many random splits. Those of one pool are not independent, so the standard
            error is that of the choice of the split, given the pool.

    Raises:
        ValueError: If there are too few real rows.
    """
    if not (n >= 1 and m >= 1 and n + m <= len(real)):
        raise ValueError(f"real: need {n} + {m} different rows, got {len(real)}; take fewer")
    values = []
    for _ in range(rounds):
        rows = torch.randperm(len(real), generator=generator)[: n + m]
        values.append(statistic(real[rows[:n]], real[rows[n:]]).value)
    return mean_score(torch.tensor(values, dtype=torch.double))
