r"""The seven planar laws of the synthetic benchmark, each with its exact density.

Discrete diffusion is tested on points of the plane written in 32 bits (`graycode`), because there
the truth is known: every law pushes simple latent variables through a formula, so its density is a
closed form, a sum over preimages, or one integral over a curve's parameter (`planar`). Log
densities are right to 1e-9 where the density is over e^-100, and to 1e-7 on the whole square that
the code reaches.

Points are independent. The usual code is not quite so: scikit-learn's `make_circles` and
`make_moons` put the angles of one call on a regular grid, and all parts get equal counts. The law
of one point is the same (up to the grid), but means over a call then vary too little, and a
two-sample statistic is biased. Here an angle is uniform, and a part is drawn.

References:
    Grathwohl et al. (2019), FFJORD, whose formulas these are; Dai et al. (2020), Learning Discrete
    Energy-based Models via Auxiliary-variable Local Exploration, who wrote them in bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor

from unnoise.domains.categorical.planar import (
    Planar,
    Smooth,
    mixture,
    nodes,
    normals,
    points,
    uniforms,
)

__all__ = [
    "DENSITIES",
    "Checkerboard",
    "EightGaussians",
    "Pinwheel",
    "Ridges",
    "Spirals",
]


@final
@dataclass(frozen=True)
class Ridges(Smooth):
    """A point at a uniform parameter of one of some curves, plus white Gaussian noise.

    Attributes:
        curves: Each (n,) parameters to (n, 2) points; one is as likely as the others.
        low: The least parameter.
        high: The greatest one.
        width: Standard deviation of the noise.
        reach: Half the side of the square that holds the law.
    """

    curves: tuple[Callable[[Tensor], Tensor], ...]
    low: float
    high: float
    width: float
    reach: float

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        u, noise = uniforms(n, 2, generator), normals(n, generator)
        t = self.low + (self.high - self.low) * u[:, 0]
        candidates = torch.stack([curve(t) for curve in self.curves])
        which = (len(self.curves) * u[:, 1]).long()
        return candidates[which, torch.arange(n)] + self.width * noise

    def _log_density(self, x: Tensor) -> Tensor:
        t, log_w = nodes(self.low, self.high)
        centres = torch.cat([curve(t) for curve in self.curves])
        log_w = log_w.repeat(len(self.curves)) - math.log(len(self.curves))
        return mixture(x, centres, log_w, self.width)


def _circle(radius: float) -> Callable[[Tensor], Tensor]:
    return lambda t: radius * torch.stack([t.cos(), t.sin()], -1)


def _upper_moon(t: Tensor) -> Tensor:
    return torch.stack([2 * t.cos() - 1, 2 * t.sin() - 0.2], -1)


def _lower_moon(t: Tensor) -> Tensor:
    return torch.stack([1 - 2 * t.cos(), 0.8 - 2 * t.sin()], -1)


def _roll(t: Tensor) -> Tensor:
    return torch.stack([t * t.cos(), t * t.sin()], -1) / 5


@final
@dataclass(frozen=True)
class EightGaussians(Smooth):
    """Eight equal round Gaussians: centres on a circle of radius 4, noise 0.5, all divided by
    1.414 (not by a root of two)."""

    width: float = 0.5 / 1.414
    reach: float = 5.0

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        which = (8 * uniforms(n, 1, generator)[:, 0]).long()
        return self._centres()[which] + self.width * normals(n, generator)

    def _log_density(self, x: Tensor) -> Tensor:
        log_w = torch.full((8,), -math.log(8), dtype=torch.float64)
        return mixture(x, self._centres(), log_w, self.width)

    @staticmethod
    def _centres() -> Tensor:
        return _circle(4 / 1.414)(math.pi / 4 * torch.arange(8, dtype=torch.float64))


@final
@dataclass(frozen=True)
class Spirals(Smooth):
    r"""Two spirals, each the other one turned by half a turn.

    With $n = 3 \pi \sqrt U$ and independent uniform $U, U_1, U_2$,

        x = +-(-n cos n + U_1 / 2, n sin n + U_2 / 2) / 3 + N(0, 0.1^2 I)

    Given n, each coordinate is uniform on an interval of length w = 1/6 plus a Gaussian. At z from
    the interval's start its density is $(\Phi(z / s) - \Phi((z - w) / s)) / w$. What remains is
    the integral over n, of density $2 n / (3 \pi)^2$.
    """

    width: float = 0.1
    reach: float = 4.2

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        u, noise = uniforms(n, 4, generator), normals(n, generator)
        one = self._spiral(3 * math.pi * u[:, 0].sqrt()) + u[:, 1:3] / 6
        sign = 2 * (u[:, 3:] < 0.5).double() - 1
        return sign * one + self.width * noise

    def _log_density(self, x: Tensor) -> Tensor:
        n, log_w = nodes(0, 3 * math.pi)
        starts = self._spiral(n)
        log_w = log_w + (2 * n / (3 * math.pi)).log() - math.log(2)
        gaps = torch.stack([x, -x])[:, :, None] - starts  # (2, m, nodes, 2)
        return torch.logsumexp(self._log_jittered(gaps).sum(-1) + log_w, (0, 2))

    def _log_jittered(self, z: Tensor) -> Tensor:
        """Log density of U / 6 + N(0, width^2); by symmetry in the left tail, where the difference
        of two normal distribution functions keeps its digits."""
        upper = (1 / 12 - (z - 1 / 12).abs()) / self.width
        high: Tensor = torch.special.log_ndtr(upper)
        low = torch.special.log_ndtr(upper - 1 / 6 / self.width)
        return high + torch.log1p(-(low - high).exp()) + math.log(6)

    @staticmethod
    def _spiral(n: Tensor) -> Tensor:
        return torch.stack([-n * n.cos(), n * n.sin()], -1) / 3


@final
@dataclass(frozen=True)
class Pinwheel(Smooth):
    r"""Five arms: a radial f_0 ~ N(1, 0.3^2) and a tangential f_1 ~ N(0, 0.1^2), turned clockwise
    by 2 pi k / 5 + exp(f_0) / 4, times two.

    In polar coordinates, f = rho (cos psi, sin psi), the map keeps rho and takes psi to psi -
    2 pi k / 5 - exp(rho cos psi) / 4. So a point of the plane has a preimage wherever

        turns(psi) = (5 / 2 pi) (psi - exp(rho cos psi) / 4 - the point's angle)

    is an integer; its Jacobian is |1 + f_1 exp(f_0) / 4|, times four. Every arm has one, found by a
    scan of the circle and bisection. There are more beyond the folds of the map, f_1 < -4
    exp(-f_0), which hold 1e-9 of the mass; of these, the scan misses pairs within 1/512 of a turn.
    It is dense enough for |x| < 8.9: farther out the density is below e^-60, and its digits aren't
    to be trusted. Arms are 0.2 wide across (twice `width`), and half that where they are sheared.
    """

    width: float = 0.1
    reach: float = 5.6

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        arm, noise = (5 * uniforms(n, 1, generator)[:, 0]).floor(), normals(n, generator)
        f0, f1 = 1 + 0.3 * noise[:, 0], self.width * noise[:, 1]
        angle = 2 * math.pi / 5 * arm + 0.25 * f0.exp()
        cos, sin = angle.cos(), angle.sin()
        return 2 * torch.stack([f0 * cos + f1 * sin, f1 * cos - f0 * sin], -1)

    def _log_density(self, x: Tensor) -> Tensor:
        rho, angle = x.norm(dim=1) / 2, torch.atan2(x[:, 1], x[:, 0])
        row, psi = self._preimages(rho, angle)
        f0, f1 = rho[row] * psi.cos(), rho[row] * psi.sin()
        z0, z1, jacobian = (f0 - 1) / 0.3, f1 / self.width, 4 * (1 + 0.25 * f1 * f0.exp()).abs()
        log_p: Tensor = (
            -(z0**2 + z1**2) / 2 - (5 * 2 * math.pi * 0.3 * self.width * jacobian).log()
        )
        top = log_p.new_full((len(x),), -math.inf).scatter_reduce(0, row, log_p, "amax")
        total = torch.zeros_like(top).index_add(0, row, (log_p - top[row]).exp())
        return top + total.log()

    @staticmethod
    def _preimages(rho: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Every preimage: which point it is of (m,), and its psi (m,)."""

        def turns(psi: Tensor, rho: Tensor, angle: Tensor) -> Tensor:
            return 5 / (2 * math.pi) * (psi - 0.25 * (rho * psi.cos()).exp() - angle)

        circle = torch.linspace(-math.pi, math.pi, 513, dtype=torch.float64)
        whole = turns(circle, rho[:, None], angle[:, None]).floor()
        row, cell = (whole[:, 1:] != whole[:, :-1]).nonzero(as_tuple=True)
        low, high = circle[cell], circle[cell + 1]
        before, after = whole[row, cell], whole[row, cell + 1]
        target, rises = before.maximum(after), after > before
        for _ in range(48):  # halves the cell down to rounding
            middle = (low + high) / 2
            past = (turns(middle, rho[row], angle[row]) >= target) == rises
            low, high = torch.where(past, low, middle), torch.where(past, middle, high)
        return row, (low + high) / 2


@final
@dataclass(frozen=True)
class Checkerboard(Planar):
    """Uniform on the eight dark squares, of side 2, of the board [-4, 4]^2; (-4, -4) is the corner
    of a dark one."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        u = uniforms(n, 3, generator)
        x = 4 * u[:, 0] - 2
        y = u[:, 1] - 2 * (u[:, 2] < 0.5) + x.floor() % 2
        return 2 * torch.stack([x, y], -1)

    def log_prob(self, x: Tensor) -> Tensor:
        square = (points(x) / 2).floor()
        dark = (square.sum(1) % 2 == 0) & (square >= -2).all(1) & (square < 2).all(1)
        return (dark.double() / 32).log()

    def log_mass(self, centre: Tensor, side: float) -> Tensor:
        """Exact, for cells across an edge as well."""
        edges = torch.arange(-4, 5, 2, dtype=torch.float64)
        middle = points(centre)[..., None]
        overlap = (middle + side / 2).minimum(edges[1:]) - (middle - side / 2).maximum(edges[:-1])
        dark = 1 - torch.arange(4, dtype=torch.float64).add(torch.arange(4)[:, None]) % 2
        x, y = overlap.clamp(min=0).unbind(1)
        return (((x @ dark) * y).sum(1) / 32).log()

    def entropy(self) -> float:
        return math.log(32)


DENSITIES: Mapping[str, Planar] = MappingProxyType(
    {
        "2spirals": Spirals(),
        "8gaussians": EightGaussians(),
        "circles": Ridges((_circle(3), _circle(1.5)), 0, 2 * math.pi, 0.24, 4.6),
        "moons": Ridges((_upper_moon, _lower_moon), 0, math.pi, 0.2, 4.2),
        "pinwheel": Pinwheel(),
        "swissroll": Ridges((_roll,), 1.5 * math.pi, 4.5 * math.pi, 0.2, 4.0),
        "checkerboard": Checkerboard(),
    }
)
