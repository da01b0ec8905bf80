"""Bits-back coding: what it costs, and that every bit comes back."""

import math
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import LevelDenoiser
from unnoise.core.likelihood import DiscreteBound, ImportanceWeighted, Query
from unnoise.core.likelihood.coding import BitsBack, random_words
from unnoise.core.prior import FullGaussian
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded, uniform
from unnoise.core.schedule import Cosine

pytest.importorskip("constriction")

VALUES = torch.linspace(-1, 1, 8)
ODDS = torch.tensor([1.0, 2, 3, 4, 4, 3, 2, 1]) / 20


@pytest.fixture
def ask() -> Callable[[Tensor], Query]:
    """Independent entries on eight levels, and their exact denoiser."""
    network = LevelDenoiser(lambda x, *_: x.new_zeros(*x.shape, 0), 0, VALUES, ODDS.log())

    def make(x: Tensor) -> Query:
        process, batch = Gaussian(Cosine(log_snr_max=6.0, log_snr_min=-9.0)), Batch(x)
        return Query(process, network, batch, process.prior(batch), VALUES, seeded(1))

    return make


def draw(n: int) -> Tensor:
    return VALUES[torch.bucketize(uniform((n, 2, 2), VALUES, seeded(0)), ODDS.cumsum(0)[:-1])]


def bits(words: np.ndarray) -> int:
    return 32 * len(words)


def test_every_bit_comes_back(ask: Callable[[Tensor], Query]) -> None:
    """Two batches on one stack: last in, first out; and in the end the stack that it was."""
    coder, start = BitsBack(steps=6), random_words(4000, seed=0)
    one, two = draw(30), draw(50)[30:]
    stack = coder.encode(ask(two), coder.encode(ask(one), start))
    x, stack = coder.decode(ask(torch.zeros_like(two)), stack)
    assert torch.equal(x, two)
    x, stack = coder.decode(ask(torch.zeros_like(one)), stack)
    assert torch.equal(x, one)
    assert np.array_equal(stack, start)


@pytest.mark.parametrize("precision", [2, 4, 6])
def test_an_item_costs_the_discrete_bound(ask: Callable[[Tensor], Query], precision: int) -> None:
    """Bits on the stack grow by the bound of the same chain, whatever the cells (T20)."""
    steps, n = 40, 600
    x = draw(n)
    coder, start = BitsBack(steps, precision=precision), random_words(30_000, seed=0)
    cost = (bits(coder.encode(ask(x), start)) - bits(start)) / n
    with torch.no_grad():
        bound = -DiscreteBound(steps).estimate(ask(x.repeat(4, 1, 1))).nats / math.log(2)
        one = -ImportanceWeighted(1, steps).estimate(ask(x)).nats / math.log(2)
    error = math.hypot(one.std().item() / n**0.5, bound.std().item() / (4 * n) ** 0.5)
    assert error < 0.015 * cost, "the comparison is sharp"
    assert cost == pytest.approx(bound.mean().item(), abs=4 * error)


def test_what_it_needs_is_said(
    ask: Callable[[Tensor], Query], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = draw(4)
    with pytest.raises(ValueError, match="too short to draw the latents of 16 entries"):
        BitsBack(steps=4).encode(ask(x), random_words(2, seed=0))
    with pytest.raises(ValueError, match="a precision of 1 to 8"):
        BitsBack(precision=9)
    query = ask(x)
    with pytest.raises(ValueError, match="data on a grid"):
        BitsBack(4).encode(replace(query, values=None), random_words(9, seed=0))
    wide = FullGaussian((2, 2)).law(query.batch)
    with pytest.raises(ValueError, match="White noise and a PriorLaw prior"):
        BitsBack(4).encode(replace(query, prior=wide), random_words(9, seed=0))
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match=r"pip install 'unnoise\[coding\]'"):
        BitsBack(4).encode(query, random_words(9, seed=0))
