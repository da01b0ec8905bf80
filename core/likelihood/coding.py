r"""Bits-back coding (Hinton & van Camp 1993; BB-ANS, Townsend et al. 2019): lossless compression at
the price of the discrete bound.

    encode   pop x_1 ~ q(x_1 | x), ..., x_0 ~ q(x_0 | x_t, x) off a stack of bits,
             push x with P(x | x_0), x_0 with p(x_0 | x_t), ..., x_1 with p(x_1)
    decode   pop with p what was pushed last, then push back with q what was popped

so an item costs log q - log p of the chain, which averages to the bound of the ancestral sampler, and
the bits that drew the latents come back. A latent is coded as an integer: its distance from the mean
of p in cells of 2^-precision standard deviations of q, the same for p and q, so that their volume
cancels. Both sides compute the same means from the same states, to the bit, on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from unnoise.core.distribution import Lattice, Normal
from unnoise.core.likelihood.base import Query
from unnoise.core.noise import White
from unnoise.core.posterior import Mean, Posterior
from unnoise.core.process.gaussian import reverse_coefficients
from unnoise.core.random import seeded
from unnoise.core.sampler.grid import Grid, LogSNRGrid

__all__ = ["BitsBack", "random_words"]

REACH = 16  # standard deviations from the mean of p, beyond which a latent is clipped, not lost
Words: TypeAlias = np.ndarray  # bits as uint32, symbols as int32


def random_words(n: int, seed: int) -> Words:
    """Words to start a stack with."""
    words = torch.randint(0, 1 << 32, (n,), generator=seeded(seed))
    return words.numpy().astype(np.uint32)


@dataclass(frozen=True)
class BitsBack:
    """A coder of quantised data with the ancestral chain; needs the package `constriction`.

    Attributes:
        steps: of the chain.
        grid: where they end.
        precision: log2 of the cells in a standard deviation.

    Raises:
        ValueError: if steps isn't positive or the precision isn't 1 to 8; and on use, if the
            process isn't Gaussian with white noise and a normal prior, the data have no grid or
            padding, or the stack is too short to draw the latents.
        ImportError: on use, without constriction.
    """

    steps: int = 32
    grid: Grid = field(default_factory=LogSNRGrid)
    precision: int = 4

    def __post_init__(self) -> None:
        if self.steps < 1 or not 1 <= self.precision <= 8:
            raise ValueError(
                f"BitsBack: needs steps >= 1 and a precision of 1 to 8, got {self.steps} and {self.precision}"
            )

    @torch.no_grad()
    def encode(self, query: Query, words: Words) -> Words:
        """The stack with the states of the query's batch on it.

        Args:
            query: whose `values` the states lie on.
            words: the stack so far (uint32), with at least the bits that the latents need: random
                words, or what was coded before.
        """
        chain, stack = Chain(self, query), Stack(words)
        values = chain.values
        index = torch.bucketize(query.batch.x.contiguous(), 0.5 * (values[1:] + values[:-1]))
        x, x_t = values[index], query.batch.x
        pushed: list[tuple[Words, float]] = []
        for k in range(self.steps + 1):
            p, q, width = chain.p(k, x_t), chain.q(k, x_t, x), chain.width(k)
            symbols = stack.pop((q.mean - p.mean) / width, float(q.scale) / width)
            pushed.append((symbols, float(p.scale) / width))
            x_t = state(p, symbols, width)
        if stack.empty:
            raise ValueError(
                f"BitsBack: a stack of {len(words)} words is too short to draw the latents of {x.numel()} entries; "
                "start with more of random_words"
            )
        stack.push_levels(index, chain.decoder(x_t))
        for symbols, spread in reversed(pushed):
            stack.push(symbols, torch.zeros_like(x), spread)
        return stack.words

    @torch.no_grad()
    def decode(self, query: Query, words: Words) -> tuple[Tensor, Words]:
        """The states that were coded last, and the stack as it was before them.

        Args:
            query: as in encoding, but for the states, of which shape and dtype alone are read.
            words: the stack.
        """
        chain, stack = Chain(self, query), Stack(words)
        x_t = query.batch.x
        popped: list[tuple[int, Tensor, Normal, Words]] = []
        for k in range(self.steps + 1):
            p, width = chain.p(k, x_t), chain.width(k)
            symbols = stack.pop(torch.zeros_like(x_t), float(p.scale) / width)
            popped.append((k, x_t, p, symbols))
            x_t = state(p, symbols, width)
        x = chain.values[stack.pop_levels(chain.decoder(x_t))]
        for k, before, p, symbols in reversed(popped):
            q, width = chain.q(k, before, x), chain.width(k)
            stack.push(symbols, (q.mean - p.mean) / width, float(q.scale) / width)
        return x, stack.words


class Chain:
    """The laws of latent number k = 0 ... T, from noise to data, given the one before it."""

    def __init__(self, coder: BitsBack, query: Query) -> None:
        self.process, self.query = query.gaussian("BitsBack"), query
        self.prior, self.values = cast(Normal, query.prior), cast(Tensor, query.values)
        plain = isinstance(query.prior, Normal) and isinstance(self.process.noise, White)
        if not plain or query.values is None or query.batch.mask is not None:
            raise ValueError(
                "BitsBack: needs white noise, a Normal prior, data on a grid (query.values) and no padding; "
                f"got {type(self.process.noise).__name__} noise and a {type(query.prior).__name__} prior"
            )
        schedule = self.process.schedule
        self.levels = schedule.levels(coder.grid(schedule, coder.steps))
        self.cells = 2.0**coder.precision

    def p(self, k: int, x_t: Tensor) -> Normal:
        """p(x_s | x_t), or the prior."""
        return (
            self._step(k, x_t, self.query.denoiser(x_t, self.levels[k - 1], self.query.batch))
            if k
            else self.prior
        )

    def q(self, k: int, x_t: Tensor, x: Tensor) -> Normal:
        """q(x_s | x_t, x), or q(x_1 | x)."""
        if k:
            return self._step(k, x_t, Mean(x))
        return self.process.marginal(x, self.levels[0], self.query.batch)

    def width(self, k: int) -> float:
        """Of a cell: known before either law."""
        level = self.levels[k]
        if k == 0:
            return float(level.sigma) / self.cells
        _, _, c = reverse_coefficients(self.levels[k - 1], level, noise_level=1.0)
        return float(c) / self.cells

    def decoder(self, x_t: Tensor) -> Lattice:
        level, batch = self.levels[-1], self.query.batch
        law = self.process.decode(x_t, level, self.query.denoiser(x_t, level, batch), batch)
        return cast(Lattice, law.on(self.values))

    def _step(self, k: int, x_t: Tensor, belief: Posterior) -> Normal:
        level, to = self.levels[k - 1], self.levels[k]
        return self.process.reverse(x_t, level, to, belief, self.query.batch)


class Stack:
    """A stack of bits that integers are pushed on and popped from with a law: asymmetric numeral
    systems (Duda et al. 2015)."""

    def __init__(self, words: Words) -> None:
        try:
            import constriction
        except ImportError as error:
            raise ImportError(
                "BitsBack needs the package constriction: pip install 'unnoise[coding]'"
            ) from error
        self.models = constriction.stream.model
        self.coder = constriction.stream.stack.AnsCoder(np.asarray(words, dtype=np.uint32))

    @property
    def words(self) -> Words:
        out: Words = self.coder.get_compressed()
        return out

    @property
    def empty(self) -> bool:
        return bool(self.coder.is_empty())

    def pop(self, means: Tensor, spread: float) -> Words:
        """Integers by N(means, spread^2)."""
        out: Words = self.coder.decode(*self._gaussian(means, spread))
        return out

    def push(self, symbols: Words, means: Tensor, spread: float) -> None:
        self.coder.encode_reverse(symbols, *self._gaussian(means, spread))

    def pop_levels(self, law: Lattice) -> Tensor:
        model, p = self._levels(law)
        return torch.from_numpy(self.coder.decode(model, p)).long().reshape(law.logits.shape[:-1])

    def push_levels(self, index: Tensor, law: Lattice) -> None:
        self.coder.encode_reverse(index.flatten().int().numpy(), *self._levels(law))

    def _gaussian(self, means: Tensor, spread: float) -> tuple[Any, Words, Words]:
        reach = int(REACH * spread)
        flat = means.double().flatten().cpu().numpy()
        return self.models.QuantizedGaussian(-reach, reach), flat, np.full(len(flat), spread)

    def _levels(self, law: Lattice) -> tuple[Any, Words]:
        p = torch.softmax(law.logits.double(), -1).flatten(0, -2).float().cpu().numpy()
        return self.models.Categorical(perfect=False), p


def state(p: Normal, symbols: Words, width: float) -> Tensor:
    """The latent that its integers name."""
    offset = torch.from_numpy(symbols.astype(np.float64)).reshape(p.mean.shape)
    return p.mean + (width * offset).to(p.mean)
