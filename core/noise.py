"""Centred Gaussian noise on a state space: z ~ N(0, C).

White noise has C = I. Other covariances (kernels in time, symmetric matrices, spectra) are other
classes with the same four methods, and a process never asks which it has. All methods respect the
batch's mask: entries that don't exist are zero, and count for nothing.
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
    def sample(self, batch: Batch, generator: Generator = None) -> Tensor:
        """z ~ N(0, C), shaped as batch.x."""

    @abstractmethod
    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        """C^(-1/2) x, shaped as the state."""

    @abstractmethod
    def log_det(self, batch: Batch) -> Tensor:
        """log det C of each state, (B,)."""

    def square_norm(self, x: Tensor, batch: Batch) -> Tensor:
        """x' C^-1 x of each state, (B,)."""
        square = self.whiten(x, batch).square()
        return square.sum(tuple(range(1, x.ndim))) if x.ndim > 1 else square

    def log_prob(self, z: Tensor, batch: Batch) -> Tensor:
        """log N(z; 0, C) of each state in nats, (B,)."""
        return -0.5 * (
            self.square_norm(z, batch) + self.log_det(batch) + math.log(2 * math.pi) * batch.dims()
        )


class White(Noise):
    """C = I on the entries that exist."""

    def sample(self, batch: Batch, generator: Generator = None) -> Tensor:
        z = normal(batch.x, generator)
        return z if batch.mask is None else z * batch.mask

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        return x if batch.mask is None else x * batch.mask

    def log_det(self, batch: Batch) -> Tensor:
        return batch.x.new_zeros(len(batch))
