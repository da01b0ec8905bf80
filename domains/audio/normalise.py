r"""The level of a file: models see waves of peak 1, users get their own level back.

    x = y / p,   p = max |y| over the channels and samples of a file

A model's answer is multiplied by the same p, which undoes the division to the last bit where p is
a power of 2, and to half a unit of the last place elsewhere. Therefore an enhancer is
equivariant: a file that is c times as loud gives the result times c. Of a pair of noisy and clean
speech both are divided by the peak of the noisy one, the only one known later (Richter et al.
2023, section IV).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Level"]


@dataclass(frozen=True, eq=False)
class Level:
    """Peaks `p` (B,) of B files; 0 for a silent one.

    Raises:
        ValueError: if a peak is negative or no number, as that of a wave with NaN is.
    """

    peak: Tensor

    def __post_init__(self) -> None:
        good = torch.isfinite(self.peak) & (self.peak >= 0)
        if not bool(good.all()):
            row = int((~good).nonzero()[0, 0])
            raise ValueError(
                f"Level: the peak of file {row} is {self.peak[row].item()}; replace its NaN and infinite samples"
            )

    @staticmethod
    def of(waves: Tensor) -> Level:
        """The level of files (B, ..., N), all channels of a file together."""
        return Level(waves.abs().flatten(1).amax(1))

    def apply(self, waves: Tensor) -> Tensor:
        """Waves (B, ..., N) at the model's level; silence stays."""
        return waves / self._beside(torch.where(self.peak > 0, self.peak, 1), waves)

    def undo(self, waves: Tensor) -> Tensor:
        """A model's waves (B, ..., N) at the files' level.

        A silent file comes back silent whatever a model made of it: its peak is 0.
        """
        return waves * self._beside(self.peak, waves)

    def _beside(self, factor: Tensor, waves: Tensor) -> Tensor:
        return factor.to(waves).reshape(-1, *[1] * (waves.ndim - 1))
