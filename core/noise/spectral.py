r"""Noise with a spectrum: independent cosines, each with a variance of its own.

    C = D' diag(s) D,   D the orthonormal DCT-II

Natural images and smooth fields have most of their variance in low frequencies. White noise of the
same total variance drowns the high ones long before the low ones; noise with the spectrum of the
data takes all of them at the same rate, and whitened data are then of unit variance in every
frequency.
"""

from __future__ import annotations

import math

from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise.base import Noise
from unnoise.core.noise.cosines import Cosines

__all__ = ["Spectral"]


class Spectral(Noise):
    """C = D' diag(s) D over the last one or two dimensions of the state, those in front of them
    independent.

    Args:
        variances: s, the variance of each cosine, (N,) or (H, W); their mean is the mean variance
            of an entry.

    Raises:
        ValueError: if a variance is not positive, or there are more than two dimensions; if a
            batch has a mask, under which cosines are no longer independent.
    """

    variances: Tensor

    def __init__(self, variances: Tensor) -> None:
        super().__init__()
        if variances.ndim not in (1, 2):
            raise ValueError(
                f"Spectral: variances must be (N,) or (H, W), got shape {tuple(variances.shape)}"
            )
        if not ((variances > 0) & variances.isfinite()).all():
            raise ValueError(
                f"Spectral: every variance must be positive and finite, the least is {variances.min().item():g}"
            )
        self.register_buffer("variances", variances.double())
        self.cosines = Cosines(tuple(variances.shape)).to(variances.device)

    @staticmethod
    def power_law(shape: tuple[int, ...], exponent: float) -> Spectral:
        """s = c omega^-exponent with mean 1, the constant cosine as the slowest other one: 0 is
        white, natural images have about 2."""
        omega = Cosines(shape).frequencies
        slowest = math.pi / max(*shape, 1)
        s = omega.clamp(min=slowest).pow(-exponent)
        return Spectral(s / s.mean())

    @staticmethod
    def of(x: Tensor, ndim: int = 2, floor: float = 1e-6) -> Spectral:
        """The spectrum of data x `(n, ..., *shape)` about their mean, over the last `ndim`
        dimensions; no variance below `floor` times their mean."""
        if x.ndim <= ndim or len(x) < 2:
            raise ValueError(
                f"Spectral.of: needs at least two states with {ndim} dimensions at their end, got shape {tuple(x.shape)}"
            )
        shape = tuple(x.shape[-ndim:])
        cosines = Cosines(shape).to(x.device)
        s = cosines(x.double()).var(0).reshape(-1, *shape).mean(0)
        if not s.mean() > 0:
            raise ValueError("Spectral.of: the data don't vary, so they have no spectrum")
        return Spectral(s.clamp(min=floor * s.mean().item()))

    def extra_repr(self) -> str:
        return f"shape={self.cosines.shape}"

    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        self._check(batch)
        return self.cosines.inverse(self.variances.sqrt().to(z.dtype) * z)

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        self._check(batch)
        y: Tensor = self.cosines(x)
        return y / self.variances.sqrt().to(x.dtype)

    def log_det(self, batch: Batch) -> Tensor:
        self._check(batch)
        repeats = math.prod(batch.x.shape[1:]) / self.variances.numel()
        one = (repeats * self.variances.log().sum()).to(batch.x)
        return one.expand(len(batch))

    def _check(self, batch: Batch) -> None:
        if batch.mask is not None:
            raise ValueError(
                "Spectral: a masked state has no cosine transform; crop the states, or use another noise"
            )
