r"""Energy distance of two sets of points.

.. math:: 2 E|a - b| - E|a - a'| - E|b - b'|

Székely and Rizzo's distance is 0 for equal laws only, has no parameter, and sees far as well as
near. Of points decoded from bits it judges what the Hamming distance cannot: the bits of a point
that has moved by a little may differ in many places. The estimate leaves out pairs of a point
with itself: unbiased, so it may be negative; no root is taken.

References:
    Székely, Rizzo (2013), Energy Statistics: A Class of Statistics Based on Distances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.domains.task import Score

__all__ = ["energy_distance"]

_BLOCK = 512


def energy_distance(a: Tensor, b: Tensor) -> Score:
    """Unbiased energy distance (lower is better, 0 on average for equal laws, unit of length).

    For a standard error, `in_rounds(energy_distance, a, b)`.

    Args:
        a: Points (N, d).
        b: Points (M, d).

    Raises:
        ValueError: For fewer than two points, unequal d, NaN or infinite coordinates.

    >>> energy_distance(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [3.0, 4.0]])).value
    10.0
    """
    for name, x in (("a", a), ("b", b)):
        if x.ndim != 2 or len(x) < 2:
            raise ValueError(f"{name}: need at least two points (N, d), got {tuple(x.shape)}")
        if not torch.isfinite(x).all():
            raise ValueError(f"{name}: holds NaN or infinite coordinates")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a, b: need equal dimensions, got {a.shape[1]} and {b.shape[1]}")
    n, m = len(a), len(b)
    within = _total(a, a) / (n * (n - 1)) + _total(b, b) / (m * (m - 1))
    return Score(2 * _total(a, b) / (n * m) - within)


def _total(x: Tensor, y: Tensor) -> float:
    """The sum of all distances; not by a matrix product, which loses those of close points."""
    x, y = x.double(), y.double()
    exact = "donot_use_mm_for_euclid_dist"
    return sum(float(torch.cdist(p, y, compute_mode=exact).sum()) for p in x.split(_BLOCK))
