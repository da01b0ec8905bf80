r"""Maximum mean discrepancy with a kernel of the Hamming distance h, the number of unequal codes.

.. math:: \mathrm{MMD}^2 = E[k(x, x')] + E[k(y, y')] - 2 E[k(x, y)], \qquad k(x, y) = e^{-b\, h(x, y)}

The kernel is a product of one factor a column, hence positive definite and, since it tells any two
rows apart, characteristic: 0 for equal laws only. For laws of independent columns each expectation
is the product over columns of 1 - (1 - e^{-b}) P(x_d != y_d).

The estimate is a U-statistic, without pairs of a row with itself: unbiased, so it may be negative,
and no root is taken. All that enters is how many pairs are h apart; these counts are integers,
from products of one-hot rows, so nothing is rounded before the last line.

It is a weak judge. Of points on two spirals, written in the Gray code of 32 bits, independent bits
with the right marginals score 2e-4, where one round of 4,000 rows has a standard deviation of
0.4e-4. Report the likelihood beside it.

References:
    Gretton et al. (2012), A Kernel Two-Sample Test, eq. 3; Dai et al. (2020), Learning Discrete
    Energy-based Models via Auxiliary-variable Local Exploration, for this kernel with b = 0.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.domains.categorical.baselines.counts import checked, levels, one_hot
from unnoise.domains.task import Score

__all__ = ["hamming_counts", "mmd_hamming"]

_BLOCK = 512  # its distances to 4,096 rows are 8 MB


def mmd_hamming(x: Tensor, y: Tensor, bandwidth: float = 0.1) -> Score:
    """Unbiased MMD² of two sets of codes (lower is better, 0 on average for equal laws, no unit).

    For a standard error, `in_rounds(mmd_hamming, x, y)`. Of 4,096 rows of 32 bits each, it takes
    about a second.

    Args:
        x: Codes (N, D) with any number of levels.
        y: Codes (M, D).
        bandwidth: b; larger values look at closer pairs.

    Raises:
        ValueError: For fewer than two rows, unequal D, negative codes, or b that isn't positive.
    """
    if not bandwidth > 0:
        raise ValueError(f"bandwidth: need more than 0, got {bandwidth}")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"x, y: need at least two rows each, got {len(x)} and {len(y)}")
    n, m = len(x), len(y)
    within_x, within_y, across = (hamming_counts(a, b) for a, b in ((x, x), (y, y), (x, y)))
    within_x[0] -= n
    within_y[0] -= m
    shares = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)
    kernel = torch.exp(-bandwidth * torch.arange(len(shares), dtype=torch.float64))
    return Score(float(shares @ kernel))


def hamming_counts(x: Tensor, y: Tensor) -> Tensor:
    """How many pairs of rows of `x` (N, D) and `y` (M, D) differ in 0, 1, ..., D columns,
    (D + 1,), float64.

    Raises:
        ValueError: For an empty set, unequal D, or negative codes.

    >>> hamming_counts(torch.tensor([[0, 2], [1, 2]]), torch.tensor([[0, 2]])).tolist()
    [1.0, 1.0, 0.0]
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"x, y: need (N, D) and (M, D), got {tuple(x.shape)}, {tuple(y.shape)}")
    sizes, d = levels(x, y), x.shape[1]
    a, b = (one_hot(checked(rows, sizes), sizes) for rows in (x, y))
    counts = torch.zeros(d + 1, dtype=torch.int64)
    for rows in torch.split(a, _BLOCK):
        equal = (rows @ b.T).int().flatten()
        counts += torch.bincount(equal, minlength=d + 1)
    return counts.flip(0).double()
