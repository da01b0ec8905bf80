r"""Points of the plane in 32 bits, for models of binary vectors whose true law is known.

A coordinate x becomes 16 bits: its sign (0 for x >= 0), then the reflected Gray code

    g = a XOR (a >> 1),    a = floor(|x| int_scale) in 0 .. 2^15 - 1

of 15 bits, the most significant one first, so that neighbouring cells differ in one bit. A vector
is the bits of x, then those of y. Truncation is towards zero, and the sign is a bit of its own, so
[0, 1 / int_scale) and (-1 / int_scale, 0) are two codes, +0 and -0: all cells are squares of the
same side, at the axes too.

The law of the bits is therefore the planar law integrated over squares, and its entropy

    H = h + 2 ln int_scale + J / (24 int_scale^2) + ...,    J = int |grad p|^2 / p

where the last term is below 1e-7 nats for the six smooth laws. For the checkerboard, whose edges
cut some cells, the exact sum over all cells exceeds h + 2 ln int_scale by 9e-5 nats. So the first
two terms are the entropy, to a tenth of a millinat.

The NELBO of a model in nats exceeds H by its divergence from the truth and the bound's slack. On
a test set, subtract `log_prob_bits` of the same vectors instead of H: the difference of the two
has a far smaller standard error, since both are large on the same vectors.

References:
    Dai et al. (2020), Learning Discrete Energy-based Models via Auxiliary-variable Local
    Exploration; Sun et al. (2023), Score-based Continuous-time Discrete Diffusion Models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from unnoise.domains.categorical.densities import DENSITIES
from unnoise.domains.categorical.planar import Planar, points

__all__ = ["BITS", "CODES", "GrayCode", "centres", "decode", "encode"]

BITS = 32
_MAGNITUDE = 15  # bits a coordinate, after its sign
_RANGE = 1 << _MAGNITUDE
_PLACES = torch.arange(_MAGNITUDE - 1, -1, -1)


def encode(x: Tensor, int_scale: float) -> Tensor:
    """The bits (n, 32), int64, of points (n, 2).

    A coordinate beyond the representable range, |x| int_scale >= 2^15, is clamped to the outermost
    cell of its sign. No law of `CODES` gets there with a probability above 1e-10.

    Raises:
        ValueError: If the points are not (n, 2), or one is NaN.

    >>> "".join(str(bit) for bit in encode(torch.tensor([[5.5, -0.5]]), 1.0)[0].tolist())
    '00000000000001111000000000000000'
    """
    scaled = points(x) * int_scale
    a = scaled.abs().clamp(max=_RANGE - 1).long()
    gray = ((a ^ (a >> 1))[..., None] >> _PLACES) & 1
    sign = (scaled < 0).long()[..., None]
    return torch.cat([sign, gray], -1).flatten(1)


def decode(bits: Tensor, int_scale: float) -> Tensor:
    """The points (n, 2), float64, of bits (n, 32): of a cell, its corner nearest to the origin,
    as the published code has it. So |x - decode(encode(x))| < 1 / int_scale a coordinate.

    Raises:
        ValueError: If the bits are not (n, 32), or not all 0 or 1.
    """
    sign, a = _integers(bits)
    return sign * a / int_scale


def centres(bits: Tensor, int_scale: float) -> Tensor:
    """The centres (n, 2), float64, of the cells of bits (n, 32); they encode as the same bits.

    Raises:
        ValueError: If the bits are not (n, 32), or not all 0 or 1.
    """
    sign, a = _integers(bits)
    return sign * (a + 0.5) / int_scale


def _integers(bits: Tensor) -> tuple[Tensor, Tensor]:
    """Signs +-1 and magnitudes, both (n, 2) in float64."""
    if bits.ndim != 2 or bits.shape[1] != BITS:
        raise ValueError(f"bits: need shape (n, {BITS}), got {tuple(bits.shape)}")
    if not ((bits == 0) | (bits == 1)).all():
        raise ValueError(f"bits: need 0 and 1, got {bits.unique()[:5].tolist()}")
    words = bits.long().unflatten(1, (2, _MAGNITUDE + 1))
    binary = words[..., 1:].cumsum(-1) % 2  # cumulative XOR
    return 1.0 - 2.0 * words[..., 0], (binary << _PLACES).sum(-1).double()


@dataclass(frozen=True)
class GrayCode:
    """A planar law in 32 bits.

    Attributes:
        density: The law.
        f_scale: Sets the resolution: 2^15 cells reach from 0 to f_scale + 1.
    """

    density: Planar
    f_scale: float

    @property
    def int_scale(self) -> float:
        """Cells a unit of length, 2^15 / (f_scale + 1)."""
        return _RANGE / (self.f_scale + 1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Independent vectors (n, 32), int64."""
        return self.encode(self.density.sample(n, generator))

    def encode(self, x: Tensor) -> Tensor:
        """`encode` at this scale."""
        return encode(x, self.int_scale)

    def decode(self, bits: Tensor) -> Tensor:
        """`decode` at this scale."""
        return decode(bits, self.int_scale)

    def log_prob_bits(self, bits: Tensor) -> Tensor:
        """Log probability (n,), in nats, float64, of vectors (n, 32).

        The density at the cell's centre times its area, which is off by some 1e-7 on a typical
        vector; for the checkerboard the exact mass, -inf off the dark squares.
        """
        return self.density.log_mass(centres(bits, self.int_scale), 1 / self.int_scale)

    def discrete_entropy(self) -> float:
        """Entropy of the vector in nats, h + 2 ln int_scale, to 1e-4 (see the module)."""
        return self.density.entropy() + 2 * math.log(self.int_scale)


CODES: Mapping[str, GrayCode] = MappingProxyType(
    {
        name: GrayCode(DENSITIES[name], f_scale)
        for name, f_scale in {
            "2spirals": 4.4809861,
            "8gaussians": 5.1947766,
            "circles": 4.7805780,
            "moons": 4.6694434,
            "pinwheel": 4.9460595,
            "swissroll": 4.2659386,
            "checkerboard": 4.9994155,
        }.items()
    }
)
"""The published benchmark: f_scale is one more than the largest coordinate of 5,000 points.

Those points come from `RandomState(1)`, which the published code hands to `8gaussians` and
`pinwheel` only: these two scales are everybody's. Its other laws draw from an unseeded global
generator, so every run there has its own scale (2spirals 4.43 to 4.56 over 20 runs); here they
have that of the same recipe with the same seed. Between figures of different runs, compare NELBO -
H, not the NELBO.
"""
