r"""Gaussian-process noise over the times of a series (Bilos et al. 2023): $z \sim N(0, K)$, $K_{ij}
= k(t_i - t_j)$, times irregular and different for every state.

Noise that is as smooth as the data leaves the denoiser less to undo, and makes the process one of
functions: what is drawn at some times agrees with what would be drawn at more. In whitened
coordinates it is ordinary diffusion, so nothing else changes: the path KL is that of the whitened
error, and a density carries -log det K / 2. (Taking the noise for white in the bound is a
published error of 0.8 nats a step.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise.base import Noise
from unnoise.core.noise.correlation import Correlation
from unnoise.core.noise.root import Root, previous

__all__ = ["Kernel"]

V = TypeVar("V")


class Remembered(Generic[V]):
    """Values computed for batches: each is kept as long as its batch lives, and no longer.

    Copies and pickles start empty.
    """

    def __init__(self) -> None:
        self.values: WeakKeyDictionary[Batch, V] = WeakKeyDictionary()

    def __call__(self, make: Callable[[Batch], V], batch: Batch) -> V:
        value = self.values.get(batch)
        if value is None:
            value = self.values[batch] = make(batch)
        return value

    def __reduce__(self) -> tuple[type[Remembered[V]], tuple[()]]:
        return type(self), ()


class Kernel(Noise):
    """C = K over time, the channels of a point independent: states (B, T) or (B, T, ...), times
    `batch.coords` (B, T).

    A mask says which points exist, (B, T) or (B, T, 1, ...); those that don't are zero, and
    whatever their states and times hold is never read. The factorisation of a batch is made in
    float64 at its first use and serves all steps of a sampler.

    Args:
        correlation: `OU`, `RBF`, `Matern32` or `Matern52`, with its scale in the units of the times.

    Raises:
        ValueError: if a batch has no times, or a mask that differs between the channels of a point.
    """

    def __init__(self, correlation: Correlation) -> None:
        super().__init__()
        self.correlation = correlation
        self.roots: Remembered[Root] = Remembered()

    def extra_repr(self) -> str:
        return repr(self.correlation)

    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        return through(self.root(batch).to(z.dtype).colour, z, batch)

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        return through(self.root(batch).to(x.dtype).whiten, x, batch)

    def log_det(self, batch: Batch) -> Tensor:
        log_det = self.root(batch).log_det() * math.prod(batch.x.shape[2:])
        return log_det.expand(len(batch))

    def adjacent(self, batch: Batch) -> Tensor:
        """The mean correlation of neighbouring points of each state, (B,): near 0 the noise is
        white, near 1 it is one number for the whole path; a scale was chosen in the wrong
        units."""
        times, exists = times_of(batch)
        before, first = previous(exists)
        pairs = exists & ~first
        correlation = self.correlation((times - times.gather(1, before)).abs())
        total = torch.where(pairs, correlation, 0.0).sum(1)
        return (total / pairs.sum(1).clamp(min=1)).to(batch.x.dtype)

    def root(self, batch: Batch) -> Root:
        """The root of a batch's covariances, in the precision of its states: of one row if all have
        the same times."""
        return self.roots(self._factorise, batch)

    def _factorise(self, batch: Batch) -> Root:
        # outside inference mode, for who samples first may train later on the same batch
        with torch.inference_mode(False), torch.no_grad():
            times, exists = times_of(batch)
            if (exists == exists[:1]).all() and (times == times[:1])[exists].all():
                times, exists = times[:1], exists[:1]  # one grid, one factor for all
            return self.correlation.root(times, exists).to(batch.x.dtype)


def times_of(batch: Batch) -> tuple[Tensor, Tensor]:
    """The times of a batch in float64, and which of them exist, (B, T) each.

    Raises:
        ValueError: if a point has no time, or exists in some channels only.
    """
    shape, coords = batch.x.shape[:2], batch.coords
    if coords is None or batch.x.ndim < 2 or coords.shape != shape:
        found = "none" if coords is None else f"shape {tuple(coords.shape)}"
        raise ValueError(
            f"Kernel: needs the times of the points in Batch.coords, (B, T) for states (B, T, ...); "
            f"the states have shape {tuple(batch.x.shape)}, the coords: {found}"
        )
    if batch.mask is None:
        return coords.double(), torch.ones(shape, dtype=torch.bool, device=coords.device)
    mask = batch.mask.expand(-1, shape[1], *batch.mask.shape[2:]).reshape(*shape, -1).bool()
    if (mask != mask[..., :1]).any():
        raise ValueError(
            "Kernel: a point exists in some of its channels only; give a mask over time, (B, T, 1, ...). "
            "What is known of each channel is Batch.observed"
        )
    return coords.double(), mask[..., 0]


def through(f: Callable[[Tensor], Tensor], x: Tensor, batch: Batch) -> Tensor:
    """f of a state read as (B, T, C), with points that don't exist zero before and after."""
    mask = batch.mask
    x = x if mask is None else torch.where(mask, x, 0.0)
    y = f(x.flatten(2) if x.ndim > 2 else x[..., None]).reshape(x.shape)
    return y if mask is None else torch.where(mask, y, 0.0)
