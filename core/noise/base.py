"""Centred Gaussian noise on a state space: z ~ N(0, C).

A noise is a root of its covariance: `colour` turns standard normal entries into z = C^(1/2) e and
`whiten` turns them back. Any root will do, C^(1/2) C^(1/2)' = C. White noise has C = I; kernels in
time, symmetric matrices and spectra are the other classes of this package, and a process never asks
which it has. All respect the batch's mask: entries that don't exist are zero, and count for nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.random import Generator, normal

__all__ = ["Noise", "White"]


class Noise(nn.Module, ABC):
    """A centred Gaussian N(0, C) on the state space of a batch."""

    @abstractmethod
    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        """C^(1/2) z, shaped as the state; entries of z that aren't free are not read."""

    @abstractmethod
    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        """C^(-1/2) x, shaped as the state: the inverse of `colour`, zero where nothing is free."""

    @abstractmethod
    def log_det(self, batch: Batch) -> Tensor:
        """log det C of each state, (B,), over its free dimensions."""

    def dims(self, batch: Batch) -> Tensor:
        """The number of free dimensions of each state, (B,): the rank of C."""
        return batch.dims()

    def sample(self, batch: Batch, generator: Generator = None) -> Tensor:
        """z ~ N(0, C), shaped as batch.x."""
        return self.colour(normal(batch.x, generator), batch)

    def square_norm(self, x: Tensor, batch: Batch) -> Tensor:
        """x' C^-1 x of each state, (B,)."""
        square = self.whiten(x, batch).square()
        return square.sum(tuple(range(1, x.ndim))) if x.ndim > 1 else square

    def log_prob(self, z: Tensor, batch: Batch) -> Tensor:
        """log N(z; 0, C) of each state in nats, (B,), a density over the free dimensions."""
        return -0.5 * (
            self.square_norm(z, batch)
            + self.log_det(batch)
            + math.log(2 * math.pi) * self.dims(batch)
        )


class White(Noise):
    """C = I on the entries that exist."""

    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        return z if batch.mask is None else z * batch.mask

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        return x if batch.mask is None else x * batch.mask

    def log_det(self, batch: Batch) -> Tensor:
        return batch.x.new_zeros(len(batch))
