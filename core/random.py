"""Randomness with an owner: every draw of the core goes through an explicit generator.

A draw is made on the generator's own device and then moved, so one CPU seed gives the same noise
on every device. A `Shard` is a generator that draws the rows of a whole distributed batch and
keeps those of its own rank: training on w devices then sees exactly the noise that one device with
a w times larger batch would see, for the price of w cheap draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Generator", "Rows", "Shard", "low_discrepancy", "normal", "seeded", "uniform"]


@dataclass(frozen=True)
class Shard:
    """Rank `rank` of `world` equal shards of one global stream of random rows."""

    base: torch.Generator
    rank: int
    world: int


@dataclass(frozen=True)
class Rows:
    """A stream of its own for every row, for the price of a draw each."""

    each: Sequence[torch.Generator]

    @staticmethod
    def seeded(seed: int, n: int) -> Rows:
        """Streams 0 ... n - 1 of a seed."""
        return Rows([seeded(seed, k) for k in range(n)])


Generator = torch.Generator | Shard | Rows | None


def seeded(seed: int, *stream: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one named stream of a seed: `seeded(0, 3)` and `seeded(0, 4)` are unrelated.

    The stream's numbers are hashed (splitmix64), so neighbouring steps don't get neighbouring
    states.
    """
    state = seed & _MASK
    for number in stream:
        state = _splitmix(state ^ _splitmix(number & _MASK))
    return torch.Generator(device).manual_seed(state & 0x7FFF_FFFF_FFFF_FFFF)


def normal(like: Tensor, generator: Generator = None) -> Tensor:
    """Standard normal draws shaped as `like` (rows first)."""
    return _draw(torch.randn, like.shape, like, generator)


def uniform(shape: tuple[int, ...], like: Tensor, generator: Generator = None) -> Tensor:
    """Uniform draws on [0, 1) of a shape (rows first), with the dtype and device of `like`."""
    return _draw(torch.rand, torch.Size(shape), like, generator)


def low_discrepancy(like: Tensor, generator: Generator = None) -> Tensor:
    """(u + i/n) mod 1 for the n rows of `like`, of the whole distributed batch if there is one:
    stratified, from one draw (VDM); never 0, where a schedule's log-SNR may be infinite."""
    n = len(like)
    rank, world, base = (
        (generator.rank, generator.world, generator.base)
        if isinstance(generator, Shard)
        else (0, 1, generator)
    )
    rows = torch.arange(rank * n, (rank + 1) * n, device=like.device, dtype=like.dtype)
    return (
        torch.add(uniform((1,), like, base), rows, alpha=1 / (n * world))
        .frac_()
        .clamp_(min=2.0**-26)
    )


_MASK = (1 << 64) - 1


def _splitmix(z: int) -> int:
    z = (z + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def _draw(
    draw: Callable[..., Tensor], shape: torch.Size, like: Tensor, generator: Generator
) -> Tensor:
    if isinstance(generator, Shard):
        rows = shape[0]
        whole = _draw(draw, torch.Size((rows * generator.world, *shape[1:])), like, generator.base)
        return whole[rows * generator.rank : rows * (generator.rank + 1)]
    if isinstance(generator, Rows):
        if len(generator.each) != shape[0]:
            raise ValueError(
                f"Rows: {len(generator.each)} generators for {shape[0]} rows; give one each"
            )
        return torch.cat(
            [_draw(draw, torch.Size((1, *shape[1:])), like, one) for one in generator.each]
        )
    device = like.device if generator is None else generator.device
    noise = draw(shape, generator=generator, dtype=like.dtype, device=device)
    return noise if device == like.device else noise.to(like.device)
