"""The distributions that a process hands out: small, mask-aware, drawn with an explicit generator.

`torch.distributions` takes no generator and validates on every call, so the few laws that diffusion
needs are written here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise import Noise
from unnoise.core.operator import Blocks
from unnoise.core.random import Generator, uniform
from unnoise.core.rates import Rates
from unnoise.core.schedule import Scalar

__all__ = [
    "Centred",
    "Discrete",
    "Distribution",
    "Joined",
    "Jumped",
    "Lattice",
    "Normal",
    "Pair",
    "divergence",
    "opposite",
]


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


class Discrete(Distribution):
    """Independent entries, each with finitely many values.

    They are drawn by the inverse CDF in float64: Gumbel noise in float32 biases rare values.
    """

    batch: Batch

    @abstractmethod
    def log_table(self) -> Tensor:
        """log probabilities of every value of every entry, (B, ..., K); -inf for none."""

    @abstractmethod
    def at(self, u: Tensor) -> Tensor:
        """The state at the quantiles u (B, ...) of its entries, in float64."""

    def quantiles(self, generator: Generator) -> Tensor:
        """Uniform draws in float64, shaped as a state."""
        x = self.batch.x
        return uniform(tuple(x.shape), x.new_empty(0, dtype=torch.float64), generator)


@dataclass(frozen=True, eq=False)
class Lattice(Discrete):
    """Independent entries with probabilities softmax(logits) on the grid `values`: logits (B, ...,
    K), values (K,) increasing."""

    logits: Tensor
    values: Tensor
    batch: Batch

    def sample(self, generator: Generator = None) -> Tensor:
        return self.at(self.quantiles(generator))

    def at(self, u: Tensor) -> Tensor:
        cdf = torch.softmax(self.logits.double(), -1).cumsum(-1)
        index = (u[..., None] >= cdf).sum(-1).clamp(max=len(self.values) - 1)
        return self.values[index]

    def log_table(self) -> Tensor:
        return torch.log_softmax(self.logits, -1)

    def log_prob(self, x: Tensor) -> Tensor:
        index = torch.bucketize(x.contiguous(), _midpoints(self.values))
        return _total(self.log_table().gather(-1, index[..., None])[..., 0], self.batch)

    def on(self, values: Tensor) -> Lattice:
        return self


@dataclass(frozen=True, eq=False)
class Jumped(Discrete):
    """Where codes x_0 (B, ...) are after a time B of jumps."""

    rates: Rates
    x_0: Tensor
    B: Tensor
    batch: Batch

    def sample(self, generator: Generator = None) -> Tensor:
        return self.at(self.quantiles(generator))

    def at(self, u: Tensor) -> Tensor:
        x = self._codes()
        codes = self.rates.draw(x, self.B, u.reshape(x.shape))
        return codes.reshape(self.x_0.shape).to(self.x_0.dtype)

    def log_table(self) -> Tensor:
        return (
            self.rates.row(self._codes(), self.B).log().reshape(*self.x_0.shape, self.rates.states)
        )

    def log_prob(self, x: Tensor) -> Tensor:
        return _total(self.log_table().gather(-1, x.long()[..., None])[..., 0], self.batch)

    def on(self, values: Tensor) -> Jumped:
        return self

    def _codes(self) -> Tensor:
        return self.x_0.reshape(len(self.x_0), math.prod(self.x_0.shape[1:])).long()


@dataclass(frozen=True, eq=False)
class Joined(Distribution):
    """Independent parts of a state, side by side in its last dimension, `widths` entries each."""

    parts: Sequence[Distribution]
    widths: Sequence[int]

    def sample(self, generator: Generator = None) -> Tensor:
        return torch.cat([part.sample(generator) for part in self.parts], -1)

    def log_prob(self, x: Tensor) -> Tensor:
        split = x.split(list(self.widths), -1)
        total: Tensor = sum(p.log_prob(v) for p, v in zip(self.parts, split, strict=True))  # type: ignore[assignment]
        return total

    def on(self, values: Tensor) -> Distribution:
        raise ValueError("Joined: the parts of a mixed state have no grid in common")


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


def opposite(law: Distribution, generator: Generator = None) -> tuple[Tensor, Tensor]:
    """Two draws, each by itself one of the law, that lie on opposite sides of it."""
    if isinstance(law, Centred):
        x = law.sample(generator)
        return x, 2 * law.mean - x
    if isinstance(law, Discrete):
        u = law.quantiles(generator)
        return law.at(u), law.at(1 - u)
    if isinstance(law, Joined):
        one, two = zip(*(opposite(part, generator) for part in law.parts), strict=True)
        return torch.cat(one, -1), torch.cat(two, -1)
    return law.sample(generator), law.sample(generator)


def divergence(q: Distribution, p: Distribution, generator: Generator = None) -> Tensor:
    """KL(q || p) of each state in nats, (B,): in closed form for two Normals of one noise and for
    independent entries of finitely many values, else an unbiased one-draw estimate."""
    if isinstance(q, Joined) and isinstance(p, Joined):
        pairs = zip(q.parts, p.parts, strict=True)
        return torch.stack([divergence(a, b, generator) for a, b in pairs]).sum(0)
    if isinstance(q, Discrete) and isinstance(p, Discrete):
        log_q, log_p = q.log_table(), p.log_table()
        some = log_q > -torch.inf  # 0 log 0 = 0, whatever p says
        nats = torch.where(some, log_q.exp() * (log_q - log_p), 0.0)
        return _total(nats.sum(-1), q.batch)
    if isinstance(q, Normal) and isinstance(p, Normal) and q.noise is p.noise:
        ratio = torch.as_tensor(q.scale, dtype=q.mean.dtype, device=q.mean.device) / p.scale
        dims = q.noise.dims(q.batch)
        spread = 0.5 * (ratio.square() - 1 - 2 * ratio.log()).reshape(-1)
        return 0.5 * q.noise.square_norm((q.mean - p.mean) / p.scale, q.batch) + dims * spread
    if isinstance(q, Pair) and isinstance(p, Pair) and q.noise is p.noise:
        return q.divergence(p)
    x = q.sample(generator)
    return q.log_prob(x) - p.log_prob(x)


def _total(entry: Tensor, batch: Batch) -> Tensor:
    """The sum over the entries that exist, (B,)."""
    entry = entry if batch.mask is None else torch.where(batch.mask, entry, 0.0)
    return entry.reshape(len(entry), math.prod(entry.shape[1:])).sum(1)


def _unsqueezed(scale: Scalar) -> Scalar:
    return scale[..., None] if isinstance(scale, Tensor) else scale


def _midpoints(values: Tensor) -> Tensor:
    return 0.5 * (values[1:] + values[:-1])


def _log_det(triangular: Tensor) -> Tensor:
    total: Tensor = triangular.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return total
