r"""Linear recurrences f_k = M_k f_{k-1} + u_k with small matrices, without a loop over all of time.

The T points are cut into n blocks of L. All blocks run from f = 0 at the same time, L steps; the
ends of the blocks run through the n of them; and what came in at the left of a block reaches its
points through the products of the matrices between,

    f_k = f_k(from 0) + (M_k ... M_first) f_(end of the block before)

L + n steps of O(T p^2) work in all, 2 sqrt(T) of them at L = sqrt(T). Products of stable matrices
don't grow, so nothing is lost to rounding. (Recursive doubling keeps log2 T such products a point.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["Recurrence"]


@dataclass(frozen=True, eq=False)
class Recurrence:
    """f_k = M_k f_{k-1} + u_k from f = 0, in blocks.

    Attributes:
        matrices: M, (B, n, L, p, p).
        products: those of each block up to each of its points, (B, n, L, p, p).
        points: T <= n L; the blocks end with matrices 0.
    """

    matrices: Tensor
    products: Tensor
    points: int

    @staticmethod
    def of(matrices: Tensor) -> Recurrence:
        """The recurrence of matrices (B, T, p, p)."""
        points = matrices.shape[1]
        length = math.isqrt(max(points - 1, 0)) + 1
        blocks = in_blocks(matrices, length)
        products = [blocks[:, :, 0]]
        for k in range(1, length):
            products.append(blocks[:, :, k] @ products[-1])
        return Recurrence(blocks, torch.stack(products, 2), points)

    def __call__(self, u: Tensor) -> Tensor:
        """f (B, T, p, C) of inputs u (B, T, p, C)."""
        length = self.matrices.shape[2]
        inputs = in_blocks(u, length)
        inside = [inputs[:, :, 0]]
        for k in range(1, length):
            inside.append(self.matrices[:, :, k] @ inside[-1] + inputs[:, :, k])
        ends = [torch.zeros_like(inside[-1][:, 0])]
        for block in range(inputs.shape[1] - 1):
            ends.append(self.products[:, block, -1] @ ends[-1] + inside[-1][:, block])
        before = torch.stack(ends, 1)[:, :, None]
        f = torch.stack(inside, 2) + self.products @ before
        return f.flatten(1, 2)[:, : self.points]

    def to(self, dtype: torch.dtype) -> Recurrence:
        """The same recurrence in another precision."""
        return Recurrence(self.matrices.to(dtype), self.products.to(dtype), self.points)


def in_blocks(x: Tensor, length: int) -> Tensor:
    """x (B, T, ...) as (B, n, length, ...), zeros at its end."""
    x = pad(x, [0, 0] * (x.ndim - 2) + [0, -x.shape[1] % length])
    return x.reshape(len(x), -1, length, *x.shape[2:])
