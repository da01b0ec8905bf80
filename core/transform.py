"""Data transforms: between a user's units and the model's, with the bookkeeping that makes
likelihoods comparable.

A transform owns what it does to a density (its log-determinant) and, for quantised data, the grid.
So a likelihood is always in nats of the user's own data: a density for real-valued data, a
probability for quantised data, and no constant like "7 bits" is ever added by hand.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["Affine", "Anchored", "Codes", "Quantised", "Transform"]

Conditions = Mapping[str, Tensor]


class Transform(nn.Module, ABC):
    """An invertible map of every entry."""

    @abstractmethod
    def encode(self, raw: Tensor, cond: Conditions | None = None) -> Tensor:
        """User's units to the model's, given what the states are conditioned on."""

    @abstractmethod
    def decode(self, x: Tensor, cond: Conditions | None = None) -> Tensor:
        """The model's units to the user's."""

    @property
    @abstractmethod
    def log_det(self) -> float:
        """log |dx / d raw| an entry."""

    @property
    @abstractmethod
    def values(self) -> Tensor | None:
        """The grid of quantised data in the model's units (K,), increasing and equally spaced;
        None: real-valued data, and codes, whose process knows them."""


class Affine(Transform):
    """x = (raw - shift) / scale, for real-valued data; the default is the identity."""

    def __init__(self, shift: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"Affine: scale must be positive, got {scale}")
        self.shift = shift
        self.scale = scale

    def encode(self, raw: Tensor, cond: Conditions | None = None) -> Tensor:
        return raw if self.shift == 0 and self.scale == 1 else (raw - self.shift) / self.scale

    def decode(self, x: Tensor, cond: Conditions | None = None) -> Tensor:
        return x * self.scale + self.shift

    @property
    def log_det(self) -> float:
        return -math.log(self.scale)

    @property
    def values(self) -> None:
        return None


class Anchored(Transform):
    r"""x = (raw - anchor) / scale, the anchor being the condition `key`: noisy speech, a blurred
    picture, the last value seen.

    The bridge $x_t = \alpha x_0 + (1 - \alpha) y + \sigma z$ between data and an anchor y is plain
    diffusion of the residual x_0 - y, so an anchor is a change of origin and nothing else: OUVE,
    BBED and the Schrödinger bridge are schedules under this transform.

    Raises:
        ValueError: if scale isn't positive, or states come without their anchor.
    """

    def __init__(self, key: str, scale: float = 1.0) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"Anchored: scale must be positive, got {scale}")
        self.key = key
        self.scale = scale

    def encode(self, raw: Tensor, cond: Conditions | None = None) -> Tensor:
        return (raw - self._anchor(cond)) / self.scale

    def decode(self, x: Tensor, cond: Conditions | None = None) -> Tensor:
        return x * self.scale + self._anchor(cond)

    @property
    def log_det(self) -> float:
        return -math.log(self.scale)

    @property
    def values(self) -> None:
        return None

    def _anchor(self, cond: Conditions | None) -> Tensor:
        if cond is None or self.key not in cond:
            known = ", ".join(cond or {}) or "none"
            raise ValueError(
                f"Anchored: states need their anchor in Batch.cond[{self.key!r}]; conditions given: {known}"
            )
        return cond[self.key]


class Quantised(Transform):
    """Levels 0 ... K - 1 to the centres of K equal cells of [-1, 1]: x = 2 (k + 1/2) / K - 1."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        if levels < 2:
            raise ValueError(f"Quantised: needs at least 2 levels, got {levels}")
        self.levels = levels
        self.grid: Tensor
        self.register_buffer(
            "grid", 2 * (torch.arange(levels) + 0.5) / levels - 1, persistent=False
        )

    def encode(self, raw: Tensor, cond: Conditions | None = None) -> Tensor:
        return (2 * raw.to(self.grid.dtype) + 1) / self.levels - 1

    def decode(self, x: Tensor, cond: Conditions | None = None) -> Tensor:
        """The nearest level, int64."""
        return torch.round(((x + 1) * self.levels - 1) / 2).clamp(0, self.levels - 1).long()

    @property
    def log_det(self) -> float:
        return 0.0

    @property
    def values(self) -> Tensor:
        return self.grid


class Codes(Transform):
    """Categories 0 ... size - 1 of every column, int64 outside, the same numbers as floats inside: a
    jump process takes them as they are."""

    def encode(self, raw: Tensor, cond: Conditions | None = None) -> Tensor:
        return raw if raw.is_floating_point() else raw.to(torch.get_default_dtype())

    def decode(self, x: Tensor, cond: Conditions | None = None) -> Tensor:
        return x.long()

    @property
    def log_det(self) -> float:
        return 0.0

    @property
    def values(self) -> None:
        return None
