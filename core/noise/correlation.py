r"""Stationary correlations in time: how alike two points of a path are, a distance d apart.

    OU         exp(-d / scale)                        continuous, nowhere smooth; Markov
    Matern32   (1 + u) exp(-u),          u = sqrt(3) d / scale    once differentiable
    Matern52   (1 + u + u^2/3) exp(-u),  u = sqrt(5) d / scale    twice differentiable
    RBF        exp(-d^2 / 2 scale^2)                  analytic

All have unit variance. `scale` is in the units of the coordinates, and means nothing without them:
0.05 is a smooth path on [0, 1] and white noise on 0, 1, 2, ... (`Kernel.adjacent` tells).

Smooth paths leave almost no room between close points: eigenvalues of their covariance fall below
rounding, and whitening would divide by them. So a share `jitter` of their variance is white,
C = (1 - jitter) K + jitter I: no eigenvalue is below the jitter, no entry of C moves by more. OU
needs none.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.noise.root import AutoRegression, Cholesky, Root, previous

__all__ = ["OU", "RBF", "Correlation", "Matern32", "Matern52", "Smooth"]


@dataclass(frozen=True)
class Correlation(ABC):
    """A correlation of unit variance.

    Attributes:
        scale: correlation length, in the units of the coordinates.

    Raises:
        ValueError: if the scale is not positive.
    """

    scale: float

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(
                f"{type(self).__name__}: scale must be positive and finite, in the units of the coordinates, got {self.scale}"
            )

    @abstractmethod
    def __call__(self, distance: Tensor) -> Tensor:
        """The correlation at distances >= 0, any shape."""

    @abstractmethod
    def root(self, times: Tensor, exists: Tensor) -> Root:
        """The root of the covariance of times (B, T), of which those in `exists` count.

        Raises:
            ValueError: if there is none.
        """


@dataclass(frozen=True)
class OU(Correlation):
    """exp(-d / scale), the Ornstein-Uhlenbeck process, as a chain: no matrix, no jitter.

    Raises:
        ValueError: if the times of a state don't increase strictly.
    """

    def __call__(self, distance: Tensor) -> Tensor:
        return torch.exp(-distance / self.scale)

    def root(self, times: Tensor, exists: Tensor) -> AutoRegression:
        before, first = previous(exists)
        gap = torch.where(first, math.inf, times - times.gather(1, before))
        wrong = exists & ~(gap > 0) | exists & ~times.isfinite()
        if wrong.any():
            row, k = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"OU: the times of a state must be finite and increase strictly; in row {row} point {k} is at {times[row, k].item():g}, "
                f"the one before it at {times[row, before[row, k]].item():g}. Sort the points and merge duplicates, or mask them"
            )
        return AutoRegression.of(gap / self.scale, before, exists)


@dataclass(frozen=True)
class Smooth(Correlation):
    """A correlation whose paths are smooth, by a Cholesky factor in float64.

    Attributes:
        jitter: the share of the variance that is white.

    Raises:
        ValueError: if the jitter is not in [0, 1), or too small for its times.
    """

    jitter: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.jitter < 1:
            raise ValueError(
                f"{type(self).__name__}: jitter is a share of the variance, in [0, 1), got {self.jitter}"
            )

    def root(self, times: Tensor, exists: Tensor) -> Cholesky:
        if not times[exists].isfinite().all():
            raise ValueError(
                f"{type(self).__name__}: the times of existing points must be finite; mask the others"
            )
        times = torch.where(exists, times, 0.0)
        correlation = self((times[:, :, None] - times[:, None, :]).abs())
        both = exists[:, :, None] & exists[:, None, :]
        eye = torch.eye(times.shape[1], dtype=times.dtype, device=times.device)
        # on the diagonal the shares add up to 1, for points that exist and for those that don't
        covariance = torch.where(both, (1 - self.jitter) * correlation, 0.0)
        lower, info = torch.linalg.cholesky_ex(torch.where(eye == 1, 1.0, covariance))
        if info.any():
            raise ValueError(
                f"{type(self).__name__}: the covariance of these times is singular to rounding with jitter={self.jitter:g}; "
                "raise the jitter (1e-4 suits most), or merge points that coincide"
            )
        return Cholesky(lower)


@dataclass(frozen=True)
class RBF(Smooth):
    """exp(-d^2 / 2 scale^2)."""

    def __call__(self, distance: Tensor) -> Tensor:
        return torch.exp(-0.5 * (distance / self.scale).square())


@dataclass(frozen=True)
class Matern32(Smooth):
    """(1 + u) exp(-u), u = sqrt(3) d / scale."""

    def __call__(self, distance: Tensor) -> Tensor:
        u = math.sqrt(3) / self.scale * distance
        return (1 + u) * torch.exp(-u)


@dataclass(frozen=True)
class Matern52(Smooth):
    """(1 + u + u^2/3) exp(-u), u = sqrt(5) d / scale."""

    def __call__(self, distance: Tensor) -> Tensor:
        u = math.sqrt(5) / self.scale * distance
        return (1 + u + u.square() / 3) * torch.exp(-u)
