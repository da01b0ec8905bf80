r"""Gaussian-process noise over the times of a series (Bilos et al. 2023): $z \sim N(0, K)$, $K_{ij}
= k(t_i - t_j)$, times irregular and different for every state.

Noise that is as smooth as the data leaves the denoiser less to undo, and makes the process one of
functions: what is drawn at some times agrees with what would be drawn at more. In whitened
coordinates it is ordinary diffusion, so nothing else changes: the path KL is that of the whitened
error, and a density carries -log det C / 2. (Taking the noise for white in the bound is a
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
from unnoise.core.noise.channels import Apart, Joint, Product
from unnoise.core.noise.correlation import Correlation
from unnoise.core.noise.root import Root, previous

__all__ = ["Kernel"]

ENTRIES = 4_096  # of a row whose covariance is dense: 134 MB in float64

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
    """C = K over time, the channels of a point independent or correlated, C = K (x) S: states
    (B, T) or (B, T, ...), times `batch.coords` (B, T).

    A mask says which entries exist, any shape that broadcasts to the state; those that don't are
    zero, and whatever their states and times hold is never read. The noise of those that do is the
    marginal of C, for a mask that differs between the channels of a point, too. The factorisation
    of a batch is made in float64 at its first use and serves all steps of a sampler.

    Args:
        correlation: `OU`, `RBF`, `Matern32` or `Matern52`, with its scale in the units of the times.
        channels: S, the covariance of the channels of a point, (C, C), those of a state (B, T, ...)
            flattened; None: independent, of unit variance.

    Raises:
        ValueError: if S is not a covariance, or of other channels than a batch has; if a batch has
            no times; if its mask differs between correlated channels and a row has more than 4,096
            entries.
    """

    channels: Tensor | None

    def __init__(self, correlation: Correlation, channels: Tensor | None = None) -> None:
        super().__init__()
        self.correlation = correlation
        self.register_buffer("channels", None if channels is None else covariance_of(channels))
        self.roots: Remembered[Root] = Remembered()

    def extra_repr(self) -> str:
        channels = "" if self.channels is None else f", {len(self.channels)} correlated channels"
        return f"{self.correlation!r}{channels}"

    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        return through(self.root(batch).to(z.dtype).colour, z, batch)

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        return through(self.root(batch).to(x.dtype).whiten, x, batch)

    def log_det(self, batch: Batch) -> Tensor:
        log_det = self.root(batch).log_det(math.prod(batch.x.shape[2:]))
        return log_det.expand(len(batch))

    def adjacent(self, batch: Batch) -> Tensor:
        """The mean correlation in time of neighbouring points of each state, (B,): near 0 the noise
        is white, near 1 it is one number for the whole path; a scale was chosen in the wrong
        units."""
        times, exists = times_of(batch)
        channels = exists.shape[2]
        times, paths = times.repeat_interleave(channels, 0), exists.mT.flatten(0, 1)
        before, first = previous(paths)
        pairs = paths & ~first
        correlation = self.correlation((times - times.gather(1, before)).abs())
        total = torch.where(pairs, correlation, 0.0).reshape(len(batch), -1).sum(1)
        count = pairs.reshape(len(batch), -1).sum(1)
        return (total / count.clamp(min=1)).to(batch.x.dtype)

    def root(self, batch: Batch) -> Root:
        """The root of a batch's covariances, in the precision of its states: of one row if all have
        the same times."""
        return self.roots(self._factorise, batch)

    def _factorise(self, batch: Batch) -> Root:
        # outside inference mode, for who samples first may train later on the same batch
        with torch.inference_mode(False), torch.no_grad():
            times, exists = times_of(batch)
            if (exists == exists[:1]).all() and (times == times[:1])[exists.any(2)].all():
                times, exists = times[:1], exists[:1]  # one grid, one factor for all
            channels = math.prod(batch.x.shape[2:])
            if self.channels is None:
                made = self._independent(times, exists)
            else:
                made = self._correlated(times, exists, self.channels.to(times), channels)
            return made.to(batch.x.dtype)

    def _independent(self, times: Tensor, exists: Tensor) -> Root:
        if exists.shape[2] == 1:
            return self.correlation.root(times, exists[..., 0])
        return Apart.of(self.correlation.root, times, exists)

    def _correlated(self, times: Tensor, exists: Tensor, S: Tensor, channels: int) -> Root:
        if len(S) != channels:
            raise ValueError(
                f"Kernel: the covariance of the channels is {len(S)} x {len(S)}, but the states have {channels} channels"
            )
        if exists.shape[2] == 1:
            time = self.correlation.root(times, exists[..., 0])
            return Product(time, torch.linalg.cholesky(S), exists.sum((1, 2)))
        entries = exists.shape[1:].numel()
        if entries > ENTRIES:
            raise ValueError(
                f"Kernel: the mask differs between correlated channels, so the covariance of a row is a matrix of its {entries:,} "
                f"entries, of {ENTRIES:,} at most; cut the series into shorter windows, mask whole points, or drop `channels`"
            )
        return Joint.of(self.correlation.covariance(times, exists.any(2)), S, exists)


def covariance_of(channels: Tensor) -> Tensor:
    """S in float64.

    Raises:
        ValueError: if it is not a positive definite matrix.
    """
    if channels.ndim != 2 or channels.shape[0] != channels.shape[1]:
        raise ValueError(
            f"Kernel: the covariance of the channels must be a matrix (C, C), got shape {tuple(channels.shape)}"
        )
    S = channels.detach().double()
    if not S.isfinite().all() or ((S - S.mT).abs() > 1e-6 * S.abs().max()).any():
        raise ValueError("Kernel: the covariance of the channels must be finite and symmetric")
    S = 0.5 * (S + S.mT)
    if torch.linalg.cholesky_ex(S).info.item():
        least = torch.linalg.eigvalsh(S).min().item()
        raise ValueError(
            f"Kernel: the covariance of the channels must be positive definite, its least eigenvalue is {least:.3g}; "
            "add a little to its diagonal, or drop a channel that others determine"
        )
    return S


def times_of(batch: Batch) -> tuple[Tensor, Tensor]:
    """The times (B, T) of a batch in float64, and which of its entries exist: (B, T, C), or
    (B, T, 1) if the channels of a point exist together.

    Raises:
        ValueError: if a point has no time.
    """
    shape, coords = batch.x.shape[:2], batch.coords
    if coords is None or batch.x.ndim < 2 or coords.shape != shape:
        found = "none" if coords is None else f"shape {tuple(coords.shape)}"
        raise ValueError(
            f"Kernel: needs the times of the points in Batch.coords, (B, T) for states (B, T, ...); "
            f"the states have shape {tuple(batch.x.shape)}, the coords: {found}"
        )
    if batch.mask is None:
        return coords.double(), torch.ones(*shape, 1, dtype=torch.bool, device=coords.device)
    channels = batch.x.shape[2:] if batch.mask.shape[2:].numel() > 1 else batch.mask.shape[2:]
    exists = batch.mask.bool().expand(-1, shape[1], *channels).reshape(*shape, -1)
    together = (exists == exists[..., :1]).all()
    return coords.double(), exists[..., :1] if together else exists


def through(f: Callable[[Tensor], Tensor], x: Tensor, batch: Batch) -> Tensor:
    """f of a state read as (B, T, C), with entries that don't exist zero before and after."""
    mask = batch.mask
    x = x if mask is None else torch.where(mask, x, 0.0)
    y = f(x.flatten(2) if x.ndim > 2 else x[..., None]).reshape(x.shape)
    return y if mask is None else torch.where(mask, y, 0.0)
