"""What rates have in common that hold a matrix a column: its rows and columns, and draws from rows."""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from unnoise.core.rates.base import Rates

__all__ = ["MatrixRates", "at"]


class MatrixRates(Rates, ABC):
    """Rates with `rates`, R of each column, (D, N, N)."""

    rates: Tensor

    def away(self, x: Tensor) -> Tensor:
        return at(self.rates, x) * (1 - one_hot(x, self.states))

    def into(self, x: Tensor) -> Tensor:
        return at(self.rates.mT, x) * (1 - one_hot(x, self.states))

    def draw(self, x: Tensor, B: Tensor, u: Tensor) -> Tensor:
        upper = self.row(x, B.double()).cumsum(-1)
        return (u[..., None] >= upper[..., :-1]).sum(-1)


def at(table: Tensor, x: Tensor) -> Tensor:
    """table[d, x_d] for codes x (B, D), of a table (D, N, ...) or of one that all columns share."""
    if len(table) == 1:
        return table[0][x]
    return table[torch.arange(len(table), device=x.device), x]
