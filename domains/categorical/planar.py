r"""What a law of the plane is, and the quadratures that make its density and entropy exact.

    curve and noise    p(x) = (1 / (b - a)) int_a^b N(x; c(t), s^2 I) dt

becomes, on 512 Gauss-Legendre nodes, a finite mixture: as good as exact once the nodes are denser
than s. Entropies are in nats, by the trapezoidal rule on the plane, which converges faster than
any power of its step on integrands that are smooth and vanish at the border.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache
from typing import final

import numpy as np
import torch
from torch import Tensor

from unnoise.core.random import normal, uniform

__all__ = ["Planar", "Smooth", "mixture", "nodes", "normals", "points", "uniforms"]

_EMPTY = torch.empty(0, dtype=torch.float64)
_LOG_2PI = math.log(2 * math.pi)


class Planar(ABC):
    """A law on the plane: draws, and exact densities."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Independent points (n, 2), float64."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log density (n,) at points (n, 2), in nats, float64; -inf outside of the support.

        Raises:
            ValueError: If the points are not (n, 2), or one is NaN.
        """

    @abstractmethod
    def log_mass(self, centre: Tensor, side: float) -> Tensor:
        """Log probability (n,) of the squares with centres (n, 2), in nats, float64."""

    @abstractmethod
    def entropy(self) -> float:
        """Differential entropy, in nats."""


class Smooth(Planar):
    """A law whose density is smooth on the scale of its noise.

    `width` is the smallest standard deviation of that noise; the square [-reach, reach]^2 holds
    all of the mass but 1e-7.
    """

    width: float
    reach: float

    @abstractmethod
    def _log_density(self, x: Tensor) -> Tensor:
        """Log density (n,) at a few points (n, 2), float64."""

    @final
    def log_prob(self, x: Tensor) -> Tensor:
        chunks = points(x).split(1024)  # times 512 nodes: 4 MB a table of them
        return torch.cat([self._log_density(chunk) for chunk in chunks])

    @final
    def log_mass(self, centre: Tensor, side: float) -> Tensor:
        """The density at the centre times the area: off by O((side / width)^2)."""
        return self.log_prob(centre) + 2 * math.log(side)

    @final
    def entropy(self) -> float:
        return _trapezoid(self)


@cache
def _trapezoid(law: Smooth) -> float:
    cells = math.ceil(3 * law.reach / law.width)  # a step is two thirds of the noise
    line = torch.linspace(-law.reach, law.reach, cells + 1, dtype=torch.float64)
    log_p = law.log_prob(torch.cartesian_prod(line, line))
    return -((2 * law.reach / cells) ** 2) * float(
        torch.special.xlogy(log_p.exp(), log_p.exp()).sum()
    )


def points(x: Tensor) -> Tensor:
    """Points (n, 2) as float64.

    Raises:
        ValueError: If they have another shape, or one is NaN.
    """
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"points: need shape (n, 2), got {tuple(x.shape)}")
    if x.isnan().any():
        raise ValueError(f"points: {int(x.isnan().any(1).sum())} of {len(x)} are NaN")
    return x.double()


def uniforms(n: int, columns: int, generator: torch.Generator) -> Tensor:
    """Independent uniforms on [0, 1), (n, columns), float64."""
    return uniform((n, columns), _EMPTY, generator)


def normals(n: int, generator: torch.Generator) -> Tensor:
    """Independent standard normals (n, 2), float64."""
    return normal(_EMPTY.new_empty(n, 2), generator)


@cache
def nodes(low: float, high: float) -> tuple[Tensor, Tensor]:
    """512 Gauss-Legendre nodes on an interval, and the logarithms of weights that sum to one.

    One rule, not panels: far from a curve the integrand is narrow, and mostly at the curve's ends,
    where these nodes are dense.
    """
    t, w = np.polynomial.legendre.leggauss(512)
    return torch.from_numpy(low + (high - low) * (t + 1) / 2), torch.from_numpy(w / 2).log()


def mixture(x: Tensor, centres: Tensor, log_weights: Tensor, sigma: float) -> Tensor:
    """Log density (n,) of round Gaussians at centres (k, 2)."""
    squares = (x[:, :1] - centres[:, 0]) ** 2 + (x[:, 1:] - centres[:, 1]) ** 2
    log_norm = _LOG_2PI + 2 * math.log(sigma)
    return torch.logsumexp(log_weights - squares / (2 * sigma**2), 1) - log_norm
