"""The distributions that a process hands out: small, mask-aware, drawn with an explicit generator.

`torch.distributions` takes no generator and validates on every call, so the two laws that Gaussian
diffusion needs are written here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise import Noise
from unnoise.core.operator import Blocks
from unnoise.core.random import Generator, uniform
from unnoise.core.schedule import Scalar

__all__ = ["Centred", "Distribution", "Lattice", "Normal", "Pair", "divergence"]


class Distribution(ABC):
    """A law on the states of a batch."""

    @abstractmethod
    def sample(self, generator: Generator = None) -> Tensor:
        """One draw a state."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """log density (or probability) of each state in nats, (B,)."""

    @abstractmethod
    def on(self, values: Tensor) -> Distribution:
        """The law restricted to entries in `values` (K,) and normalised: how a density decodes
        quantised data."""


class Centred(Distribution):
    """A law that lies symmetrically about a mean: every Gaussian, whatever its covariance."""

    mean: Tensor


@dataclass(frozen=True, eq=False)
class Normal(Centred):
    """N(mean, scale^2 C), C the covariance of a Noise; scale is a number, or a tensor that
    broadcasts against the state."""

    mean: Tensor
    scale: Scalar
    noise: Noise
    batch: Batch

    def sample(self, generator: Generator = None) -> Tensor:
        z = self.noise.sample(self.batch, generator)
        if isinstance(self.scale, Tensor):
            return torch.addcmul(self.mean, self.scale, z)
        return torch.add(self.mean, z, alpha=self.scale)

    def log_prob(self, x: Tensor) -> Tensor:
        scale = torch.as_tensor(self.scale, dtype=x.dtype, device=x.device)
        z = (x - self.mean) / scale
        dims = self.noise.dims(self.batch)
        return self.noise.log_prob(z, self.batch) - dims * scale.reshape(-1).log()

    def on(self, values: Tensor) -> Lattice:
        """Entrywise softmax of -(value - mean)^2 / 2 scale^2."""
        gap = (values - self.mean[..., None]) / _unsqueezed(self.scale)
        return Lattice(-0.5 * gap.square(), values, self.batch)


@dataclass(frozen=True, eq=False)
class Lattice(Distribution):
    """Independent entries with probabilities softmax(logits) on the grid `values`: logits (B, ...,
    K), values (K,) increasing."""

    logits: Tensor
    values: Tensor
    batch: Batch

    def sample(self, generator: Generator = None) -> Tensor:
        # inverse CDF in float64: float32 Gumbel noise biases rare levels
        cdf = torch.softmax(self.logits.double(), -1).cumsum(-1)
        u = uniform(tuple(cdf.shape[:-1]), cdf, generator)
        index = (u[..., None] >= cdf).sum(-1).clamp(max=len(self.values) - 1)
        return self.values[index]

    def log_prob(self, x: Tensor) -> Tensor:
        index = torch.bucketize(x.contiguous(), _midpoints(self.values))
        entry = torch.log_softmax(self.logits, -1).gather(-1, index[..., None])[..., 0]
        entry = entry if self.batch.mask is None else entry * self.batch.mask
        return entry.reshape(len(entry), -1).sum(1)

    def on(self, values: Tensor) -> Lattice:
        return self


@dataclass(frozen=True, eq=False)
class Pair(Centred):
    """N(mean, scale scale' (x) C) of (x, v): mean (B, 2, ...), scale (2, 2) or (B, 2, 2), lower
    triangular."""

    mean: Tensor
    scale: Tensor
    noise: Noise
    batch: Batch

    def sample(self, generator: Generator = None) -> Tensor:
        z = torch.stack([self.noise.sample(self.batch, generator) for _ in range(2)], 1)
        return self.mean + Blocks(self.scale) * z

    def log_prob(self, x: Tensor) -> Tensor:
        z = Blocks(torch.linalg.inv(self.scale)) * (x - self.mean)
        one, two = (self.noise.log_prob(z[:, k], self.batch) for k in range(2))
        return one + two - self.noise.dims(self.batch) * _log_det(self.scale).to(x)

    def on(self, values: Tensor) -> Distribution:
        raise ValueError("Pair: (x, v) has no grid; only the data do, and `decode` knows them")

    def divergence(self, other: Pair) -> Tensor:
        """KL(self || other) of each state in nats, (B,); both of one noise."""
        inverse = torch.linalg.inv(other.scale)
        ratio = inverse @ self.scale
        gap = Blocks(inverse) * (self.mean - other.mean)
        one, two = (self.noise.square_norm(gap[:, k], self.batch) for k in range(2))
        spread = ratio.square().sum((-2, -1)) - 2 - 2 * _log_det(ratio)
        nats: Tensor = 0.5 * (one + two + self.noise.dims(self.batch) * spread.to(gap))
        return nats


def divergence(q: Distribution, p: Distribution, generator: Generator = None) -> Tensor:
    """KL(q || p) of each state in nats, (B,): in closed form for two Normals of one noise, else an
    unbiased one-draw estimate."""
    if isinstance(q, Normal) and isinstance(p, Normal) and q.noise is p.noise:
        ratio = torch.as_tensor(q.scale, dtype=q.mean.dtype, device=q.mean.device) / p.scale
        dims = q.noise.dims(q.batch)
        spread = 0.5 * (ratio.square() - 1 - 2 * ratio.log()).reshape(-1)
        return 0.5 * q.noise.square_norm((q.mean - p.mean) / p.scale, q.batch) + dims * spread
    if isinstance(q, Pair) and isinstance(p, Pair) and q.noise is p.noise:
        return q.divergence(p)
    x = q.sample(generator)
    return q.log_prob(x) - p.log_prob(x)


def _unsqueezed(scale: Scalar) -> Scalar:
    return scale[..., None] if isinstance(scale, Tensor) else scale


def _midpoints(values: Tensor) -> Tensor:
    return 0.5 * (values[1:] + values[:-1])


def _log_det(triangular: Tensor) -> Tensor:
    total: Tensor = triangular.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return total
