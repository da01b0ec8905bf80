"""Broken lines: monotone maps of [0, 1] to itself that are inverted exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["BrokenLine"]


@dataclass(frozen=True, eq=False)
class BrokenLine:
    """The line from (0, 0) to (1, 1) that rises by 1/K over each of K widths.

    Attributes:
        widths: (K,), positive, of sum 1 up to rounding; the last is taken as what the others leave.
    """

    widths: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The height at x, any shape; beyond the ends the line goes on straight."""
        corners, widths = self._corners()
        k = _piece(x, corners)
        return (k + (x - corners[k]) / widths[k]) / len(widths)

    def slope(self, x: Tensor) -> Tensor:
        """How steep the line is at x, any shape."""
        corners, widths = self._corners()
        return 1 / (len(widths) * widths[_piece(x, corners)])

    def inverse(self, y: Tensor) -> Tensor:
        """Where the line has height y, any shape."""
        corners, widths = self._corners()
        rise = y * len(widths)
        k = rise.detach().long().clamp(0, len(widths) - 1)
        return corners[k] + (rise - k) * widths[k]

    def _corners(self) -> tuple[Tensor, Tensor]:
        """Where the pieces begin (K,), and their widths, which end at 1 to the last bit."""
        corners = torch.cat([self.widths.new_zeros(1), self.widths.cumsum(0)[:-1]])
        return corners, torch.cat([self.widths[:-1], 1 - corners[-1:]])


def _piece(x: Tensor, corners: Tensor) -> Tensor:
    return torch.bucketize(x.detach().contiguous(), corners[1:].detach(), right=True)
