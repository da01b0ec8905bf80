"""Coefficients of a linear process that are more than a number: linear maps on states.

A solver writes `a * x + b * mean + c * z` and never asks what a, b and c are. They are floats for
a scalar channel, and these where a state has channels that mix, or frequencies of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.noise.cosines import Cosines

__all__ = ["Blocks", "Coefficient", "Frequencies", "Operator", "combine"]


class Operator(ABC):
    """A linear map, applied by `*`."""

    @abstractmethod
    def __mul__(self, x: Tensor) -> Tensor:
        """The map of states x (B, ...)."""


Coefficient = float | Operator


@dataclass(frozen=True, eq=False)
class Blocks(Operator):
    """A small matrix on the channels of a state: `matrix` (m, n) or, one a row, (B, m, n).

    States (B, n, ...) go to (B, m, ...); with n = 1 a state has no channel dimension yet, and gets
    it.
    """

    matrix: Tensor

    def __mul__(self, x: Tensor) -> Tensor:
        rows, columns = self.matrix.shape[-2:]
        shape = x.shape[1:] if columns == 1 else x.shape[2:]
        flat = x.reshape(len(x), columns, -1)
        return torch.matmul(self.matrix.to(x), flat).reshape(len(x), rows, *shape)


@dataclass(frozen=True, eq=False)
class Frequencies(Operator):
    """A factor for every frequency: `values`, shaped as the transform of one state."""

    values: Tensor
    basis: Cosines

    def __mul__(self, x: Tensor) -> Tensor:
        return self.basis.inverse(self.values.to(x) * self.basis.forward(x))


def combine(a: Coefficient, x: Tensor, b: Coefficient, y: Tensor) -> Tensor:
    """a x + b y, in the fewest passes."""
    if isinstance(b, float):
        return torch.add(x if a == 1.0 else a * x, y, alpha=b)
    return a * x + b * y
