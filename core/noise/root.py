r"""Roots of a covariance over time: C^(1/2) and its inverse, for every state of a batch.

A dense covariance is factorised, C = L L'. An Ornstein-Uhlenbeck path needs no matrix: it is a
chain in which each point knows the one before it,

    x_k = rho_k x_{k-1} + sqrt(1 - rho_k^2) z_k,   rho_k = exp(-(t_k - t_{k-1}) / scale)

which whitens in O(T). Read from left to right it colours, too; all points at once, by recursive
doubling, it takes log2 T passes (O(T log T), no loop over time, no matrix). The closed form
x_k = e^(-t_k) sum e^(t_j) ... would overflow.

Entries that don't exist have coordinates that nobody reads: they are independent of the rest, and
the caller sets their states to zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["AutoRegression", "Cholesky", "Root", "folded", "previous"]


class Root(ABC):
    """A root of a covariance over T times for each of B states, or one for all (B = 1 below); acts
    on (B, T, C)."""

    @abstractmethod
    def colour(self, z: Tensor) -> Tensor:
        """C^(1/2) z."""

    @abstractmethod
    def whiten(self, x: Tensor) -> Tensor:
        """C^(-1/2) x."""

    @abstractmethod
    def log_det(self, channels: int) -> Tensor:
        """log det C of all the channels of a state, (B,)."""

    @abstractmethod
    def to(self, dtype: torch.dtype) -> Root:
        """The same root in another precision."""


@dataclass(frozen=True, eq=False)
class Cholesky(Root):
    """The lower triangle L (B, T, T) of C = L L', channels apart; rows of entries that don't exist
    are those of the identity."""

    lower: Tensor

    @staticmethod
    def of(covariance: Tensor, exists: Tensor) -> Cholesky:
        """The factor of covariances (B, T, T), of whose entries those in `exists` (B, T) count.

        Raises:
            ValueError: if a covariance is singular to rounding.
        """
        both = exists[:, :, None] & exists[:, None, :]
        eye = torch.eye(exists.shape[1], dtype=covariance.dtype, device=covariance.device)
        lower, info = torch.linalg.cholesky_ex(torch.where(both, covariance, eye))
        if info.any():
            row = info.nonzero()[0].item()
            raise ValueError(
                f"Kernel: the covariance of the times of row {row} is singular to rounding; raise the jitter "
                "of its correlation (1e-4 suits most), or merge points that coincide"
            )
        return Cholesky(lower)

    def colour(self, z: Tensor) -> Tensor:
        # a row vector times L': several times faster than L times a column where C = 1
        return folded(lambda z: (z.mT @ self.lower.mT).mT, z, len(self.lower))

    def whiten(self, x: Tensor) -> Tensor:
        def solve(x: Tensor) -> Tensor:
            y: Tensor = torch.linalg.solve_triangular(self.lower, x, upper=False)
            return y

        return folded(solve, x, len(self.lower))

    def log_det(self, channels: int) -> Tensor:
        return 2 * channels * self.lower.diagonal(dim1=1, dim2=2).log().sum(1)

    def to(self, dtype: torch.dtype) -> Cholesky:
        return Cholesky(self.lower.to(dtype))


@dataclass(frozen=True, eq=False)
class AutoRegression(Root):
    """A chain over irregular gaps, (B, T) each, channels apart.

    Attributes:
        before: index of the existing point before each.
        rho: correlation with it; 0 for the first of a row, 1 where no point exists, so that the
            chain passes on unchanged.
        spread: standard deviation of what is new in each point; 1 where none exists.
        reach: what is left of a value 1, 2, 4, ... points on, (B, T - 1), (B, T - 2), (B, T - 4), ...
    """

    before: Tensor
    rho: Tensor
    spread: Tensor
    reach: tuple[Tensor, ...]

    @staticmethod
    def of(gap: Tensor, before: Tensor, exists: Tensor) -> AutoRegression:
        """The chain of gaps (B, T) to the point before, in units of its correlation time; infinite
        for the first."""
        gap = torch.where(exists, gap, 0.0)
        rho = torch.exp(-gap)
        spread = torch.where(exists, torch.expm1(-2 * gap).neg().sqrt(), 1.0)
        return AutoRegression(before, rho, spread, doubled(rho))

    def colour(self, z: Tensor) -> Tensor:
        x = self.spread[..., None] * z
        for k, reach in enumerate(self.reach):
            # x holds the latest 2^k innovations of each point; now the 2^k before them
            step = 2**k
            x = torch.cat([x[:, :step], x[:, step:] + reach[..., None] * x[:, :-step]], 1)
        return x

    def whiten(self, x: Tensor) -> Tensor:
        last = x.gather(1, self.before[..., None].expand_as(x))
        return (x - self.rho[..., None] * last) / self.spread[..., None]

    def log_det(self, channels: int) -> Tensor:
        return 2 * channels * self.spread.log().sum(1)

    def to(self, dtype: torch.dtype) -> AutoRegression:
        reach = tuple(r.to(dtype) for r in self.reach)
        return AutoRegression(self.before, self.rho.to(dtype), self.spread.to(dtype), reach)


def doubled(rho: Tensor) -> tuple[Tensor, ...]:
    """Products of 1, 2, 4, ... neighbouring factors of rho (B, T), those that end before T."""
    levels = [rho[:, 1:]]
    while 2 ** len(levels) < rho.shape[1]:
        step, last = 2 ** (len(levels) - 1), levels[-1]
        levels.append(last[:, step:] * last[:, :-step])
    return tuple(levels)


def folded(f: Callable[[Tensor], Tensor], x: Tensor, roots: int) -> Tensor:
    """f of x (B, T, C), whose rows are channels of one, (1, T, B C), where they share their root."""
    if roots == len(x):
        return f(x)
    rows, n, channels = x.shape
    y = f(x.transpose(0, 1).reshape(1, n, rows * channels))
    return y.reshape(n, rows, channels).transpose(0, 1)


def previous(exists: Tensor) -> tuple[Tensor, Tensor]:
    """Of each of the points (B, T): the index of the existing one before it, and whether there is
    none (its index is then 0)."""
    index = torch.arange(exists.shape[1], device=exists.device)
    latest = torch.where(exists, index, -1).cummax(1).values
    before = torch.cat([torch.full_like(latest[:, :1], -1), latest[:, :-1]], 1)
    return before.clamp(min=0), before < 0
