r"""Roots for the channels of a path: states (B, T, C) of one correlation K in time.

    independent, one mask      I_C (x) K, the root of K itself
    independent, masks differ  K[e_c, e_c] for each channel c, e_c its existing points: Apart
    correlated, one mask       K (x) S, S (C, C):     L_K (x) L_S, log det = C log|K| + T log|S|
    correlated, masks differ   (K (x) S)[e, e], e the existing entries of a row: Joint

A marginal of a Gaussian drops rows and columns of its covariance, so what exists has the law it
would have if everything did. Dropping them breaks the Kronecker product unless all channels drop
the same points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.noise.root import Cholesky, Root

__all__ = ["Apart", "Joint", "Product"]


@dataclass(frozen=True, eq=False)
class Apart(Root):
    """Each channel of each state has a root of its own.

    Attributes:
        paths: the root of the B C paths, those of a state side by side.
        rows: B, 1 if all states share their roots.
    """

    paths: Root
    rows: int

    @staticmethod
    def of(root: Callable[[Tensor, Tensor], Root], times: Tensor, exists: Tensor) -> Apart:
        """The roots of times (B, T), of which those in `exists` (B, T, C) count.

        Raises:
            ValueError: as `root` does.
        """
        channels = exists.shape[2]
        try:
            paths = root(times.repeat_interleave(channels, 0), exists.mT.flatten(0, 1))
        except ValueError as error:
            raise ValueError(
                f"{error} (masks differ between the {channels} channels, so each is a row here: "
                f"row r is channel r % {channels} of state r // {channels})"
            ) from error
        return Apart(paths, len(exists))

    def colour(self, z: Tensor) -> Tensor:
        return self._folded(self.paths.colour, z)

    def whiten(self, x: Tensor) -> Tensor:
        return self._folded(self.paths.whiten, x)

    def log_det(self, channels: int) -> Tensor:
        return self.paths.log_det(1).reshape(-1, channels).sum(1)

    def to(self, dtype: torch.dtype) -> Apart:
        return Apart(self.paths.to(dtype), self.rows)

    def _folded(self, f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if self.rows == 1:  # states are what channels are to a root: columns that it acts on alike
            return f(x.permute(2, 1, 0)).permute(2, 1, 0)
        return f(x.mT.flatten(0, 1)[..., None]).reshape(x.mT.shape).mT


@dataclass(frozen=True, eq=False)
class Product(Root):
    """K (x) S by their roots.

    Attributes:
        time: the root of K.
        lower: the triangle L_S (C, C).
        points: how many points exist, (B,).
    """

    time: Root
    lower: Tensor
    points: Tensor

    def colour(self, z: Tensor) -> Tensor:
        return self.time.colour(z) @ self.lower.mT

    def whiten(self, x: Tensor) -> Tensor:
        mixed: Tensor = torch.linalg.solve_triangular(self.lower.mT, x, upper=True, left=False)
        return self.time.whiten(mixed)

    def log_det(self, channels: int) -> Tensor:
        log_det = 2 * self.lower.diagonal().log().sum()
        return self.time.log_det(channels) + self.points * log_det

    def to(self, dtype: torch.dtype) -> Product:
        return Product(self.time.to(dtype), self.lower.to(dtype), self.points)


@dataclass(frozen=True, eq=False)
class Joint(Root):
    """One dense factor of all entries of a state, time by time.

    Attributes:
        entries: the factor, (B, T C, T C).
    """

    entries: Cholesky

    @staticmethod
    def of(time: Tensor, channels: Tensor, exists: Tensor) -> Joint:
        """The factor of K (B, T, T) (x) S (C, C), of whose entries those in `exists` (B, T, C)
        count.

        Raises:
            ValueError: if it is singular to rounding.
        """
        product = time[:, :, None, :, None] * channels[:, None, :]
        covariance = product.flatten(3, 4).flatten(1, 2)
        return Joint(Cholesky.of(covariance, exists.flatten(1)))

    def colour(self, z: Tensor) -> Tensor:
        return self.entries.colour(z.flatten(1)[..., None]).reshape(z.shape)

    def whiten(self, x: Tensor) -> Tensor:
        return self.entries.whiten(x.flatten(1)[..., None]).reshape(x.shape)

    def log_det(self, channels: int) -> Tensor:
        return self.entries.log_det(1)

    def to(self, dtype: torch.dtype) -> Joint:
        return Joint(self.entries.to(dtype))
