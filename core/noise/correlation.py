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

OU and the Matern class are Markov, OU in its value and the others in their derivatives too, so a
root of theirs costs O(T). RBF is not: no finite state holds all that its past tells, and its
factor costs O(T^3).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unnoise.core.noise.innovations import Innovations, StateSpace
from unnoise.core.noise.root import AutoRegression, Cholesky, Root, previous

__all__ = ["OU", "RBF", "Correlation", "Matern", "Matern32", "Matern52", "Smooth"]


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
    def covariance(self, times: Tensor, exists: Tensor) -> Tensor:
        """C (B, T, T) of times (B, T), of which those in `exists` count.

        Raises:
            ValueError: if an existing point has no finite time.
        """

    @abstractmethod
    def root(self, times: Tensor, exists: Tensor) -> Root:
        """A root of that covariance.

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

    def covariance(self, times: Tensor, exists: Tensor) -> Tensor:
        return self(distances(self, times, exists))

    def root(self, times: Tensor, exists: Tensor) -> AutoRegression:
        gap, before = gaps(self, times, exists)
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

    def covariance(self, times: Tensor, exists: Tensor) -> Tensor:
        correlation = self(distances(self, times, exists))
        eye = torch.eye(times.shape[1], dtype=torch.bool, device=times.device)
        return torch.where(eye, 1.0, (1 - self.jitter) * correlation)  # the shares add up to 1

    def root(self, times: Tensor, exists: Tensor) -> Root:
        return Cholesky.of(self.covariance(times, exists), exists)


@dataclass(frozen=True)
class RBF(Smooth):
    """exp(-d^2 / 2 scale^2)."""

    def __call__(self, distance: Tensor) -> Tensor:
        return torch.exp(-0.5 * (distance / self.scale).square())


@dataclass(frozen=True)
class Matern(Smooth):
    """A path of `order` - 1 derivatives, by the innovations of a Kalman filter if it is long.

    Attributes:
        dense: a path of up to so many points is factorised as a matrix; 0: none. Many rows of
            their own times or masks hold a matrix each, and fewer points are then too many.

    Raises:
        ValueError: if the times of a longer path decrease.
    """

    order: ClassVar[int]
    dense: int = 1_000

    def root(self, times: Tensor, exists: Tensor) -> Root:
        if times.shape[1] <= self.dense:
            return Cholesky.of(self.covariance(times, exists), exists)
        gap, _ = gaps(self, times, exists, ties=True)
        space = StateSpace(self.order)
        return Innovations.of(space, space.rate / self.scale * gap, exists, self.jitter)


@dataclass(frozen=True)
class Matern32(Matern):
    """(1 + u) exp(-u), u = sqrt(3) d / scale."""

    order: ClassVar[int] = 2

    def __call__(self, distance: Tensor) -> Tensor:
        u = math.sqrt(3) / self.scale * distance
        return (1 + u) * torch.exp(-u)


@dataclass(frozen=True)
class Matern52(Matern):
    """(1 + u + u^2/3) exp(-u), u = sqrt(5) d / scale."""

    order: ClassVar[int] = 3

    def __call__(self, distance: Tensor) -> Tensor:
        u = math.sqrt(5) / self.scale * distance
        return (1 + u + u.square() / 3) * torch.exp(-u)


def distances(correlation: Correlation, times: Tensor, exists: Tensor) -> Tensor:
    """|t_i - t_j| of times (B, T), (B, T, T); those of points that don't exist mean nothing.

    Raises:
        ValueError: if an existing point has no finite time.
    """
    if not times[exists].isfinite().all():
        raise ValueError(
            f"{type(correlation).__name__}: the times of existing points must be finite; mask the others"
        )
    times = torch.where(exists, times, 0.0)
    return (times[:, :, None] - times[:, None, :]).abs()


def gaps(
    correlation: Correlation, times: Tensor, exists: Tensor, ties: bool = False
) -> tuple[Tensor, Tensor]:
    """Of each of the times (B, T) the gap to the existing one before it, infinite for the first,
    and its index.

    Raises:
        ValueError: if the times of existing points decrease or, without `ties`, coincide.
    """
    before, first = previous(exists)
    gap = torch.where(first, math.inf, times - times.gather(1, before))
    wrong = exists & ~((gap >= 0 if ties else gap > 0) & times.isfinite())
    if wrong.any():
        row, k = wrong.nonzero()[0].tolist()
        order, cure = (
            ("not decrease", "Sort the points")
            if ties
            else ("increase strictly", "Sort the points and merge duplicates")
        )
        raise ValueError(
            f"{type(correlation).__name__}: the times of a state must be finite and {order}; in row {row} point {k} is at {times[row, k].item():g}, "
            f"the one before it at {times[row, before[row, k]].item():g}. {cure}, or mask them"
        )
    return gap, before
