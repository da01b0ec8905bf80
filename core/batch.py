"""The one container that travels through the core: a batch of states with what is known about
them.

    x         (B, ...)          the states x_0
    mask      (B, ...)          True where an entry exists (padding is False); None: all exist
    observed  (B, ...)          True where an entry is given and must be kept (inpainting,
                                imputation); None: none is given
    coords    (B, ...)          where the entries live (observation times, positions)
    cond      name -> (B, ...)  what the state is conditioned on: labels, noisy speech, history

A label is a tensor of integers >= 0 and its null value, "not told", is -1; a real-valued
condition's null value is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

__all__ = ["Batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    """States `x` (B, ...) and what is known about them; see the module's docstring for shapes.

    Raises:
        ValueError: if a field's first dimension differs from the number of states, or the mask or
            observed pattern can't be broadcast to the state.
    """

    x: Tensor
    mask: Tensor | None = None
    observed: Tensor | None = None
    coords: Tensor | None = None
    cond: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.tensors().items():
            if value.shape[:1] != self.x.shape[:1]:
                raise ValueError(
                    f"Batch: {name} has {tuple(value.shape)[:1]} rows, x has {len(self.x)}; give one row a state"
                )
        for name, pattern in (("mask", self.mask), ("observed", self.observed)):
            if pattern is not None and not _fits(pattern.shape, self.x.shape):
                raise ValueError(
                    f"Batch: {name} has shape {tuple(pattern.shape)}, which doesn't broadcast to the state's {tuple(self.x.shape)}"
                )

    def __len__(self) -> int:
        return len(self.x)

    @staticmethod
    def empty(n: int, shape: tuple[int, ...], cond: Mapping[str, Tensor] | None = None) -> Batch:
        """A batch of n states to be generated: zeros of `shape`, with their conditions."""
        return Batch(torch.zeros(n, *shape), cond=cond or {})

    def dims(self) -> Tensor:
        """The number of existing entries of each state, (B,)."""
        dtype = self.x.dtype if self.x.is_floating_point() else torch.get_default_dtype()
        if self.mask is None:
            return self.x.new_full((len(self),), math.prod(self.x.shape[1:]), dtype=dtype)
        return self.mask.expand_as(self.x).reshape(len(self), -1).sum(1).to(dtype)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor in it by its name; that of a condition is cond['...']."""
        fields = {"x": self.x, "mask": self.mask, "observed": self.observed, "coords": self.coords}
        named = {f"cond[{k!r}]": v for k, v in self.cond.items()}
        return {k: v for k, v in fields.items() if v is not None} | named

    def map(self, f: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with `f` applied to every tensor in it."""
        mask, observed, coords = (
            None if v is None else f(v) for v in (self.mask, self.observed, self.coords)
        )
        return Batch(f(self.x), mask, observed, coords, {k: f(v) for k, v in self.cond.items()})

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device."""
        return self.map(lambda v: v.to(device))

    def rows(self, index: Tensor | slice) -> Batch:
        """The states of an index or a slice, with everything known about them."""
        return self.map(lambda v: v[index])

    def replace(self, **changes: object) -> Batch:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def without_condition(self, drop: Tensor | None = None) -> Batch:
        """The batch with its conditions set to their null value, in all rows or where `drop` (B,)
        is True."""
        return self.replace(cond={k: _null(v, drop) for k, v in self.cond.items()})


def _fits(shape: torch.Size, state: torch.Size) -> bool:
    """Whether a tensor, rows first as everything here, broadcasts to the state."""
    return len(shape) == len(state) and all(a in (1, b) for a, b in zip(shape, state, strict=True))


def _null(value: Tensor, drop: Tensor | None) -> Tensor:
    null = torch.zeros_like(value) if value.is_floating_point() else torch.full_like(value, -1)
    return (
        null
        if drop is None
        else torch.where(drop.reshape(-1, *[1] * (value.ndim - 1)), null, value)
    )
