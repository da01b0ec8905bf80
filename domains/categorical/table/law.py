r"""The diffusion of a table: Gaussian for numbers, absorbing jumps for codes, one network for both.

The schedule keeps the variance, so that a given number enters the network at its own scale, whatever
the level. Its window, log-SNR 14 to -14, leaves on one side a normal number with noise of 1e-3,
four ranks in 10,000, and masks one code in 1,100, which the decoder draws; on the other side 4e-7 nats
of a number are left, and one code in 1,100 stays, where the prior knows how frequent it is.

Training is by the bound in nats. Levels are drawn from a logistic law in log-SNR: with scale 2 the
share of codes that is kept is uniform, where a bound of codes has the least variance; with scale 4 it
reaches the levels near the data at which numbers still have something to learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, Karras
from unnoise.core.infill import Infill, Known
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Elbo, Objective
from unnoise.core.posterior import Categories, Parts
from unnoise.core.process import Gaussian, Jump, Process, Product
from unnoise.core.random import Generator, uniform
from unnoise.core.rates import Refresh
from unnoise.core.reading import Bayes, Means, PartsDenoiser, Reading
from unnoise.core.schedule import Cosine, Level
from unnoise.core.times import LogisticTimes
from unnoise.domains.categorical.table.encoder import NUMBERS, Encoder
from unnoise.domains.categorical.table.network import TableNetwork

__all__ = ["Network", "Present", "Spread", "build", "law", "spread", "without_holes"]

_WINDOW = 14.0  # of log-SNR, both ways
_EDGE = 1e-9  # of ranks: a normal number beyond 6 says nothing more


@dataclass(frozen=True)
class Network:
    """The network's size; see `TableNetwork`."""

    width: int = 512
    blocks: int = 3
    dropout: float = 0.0

    def make(self, encoder: Encoder, base: Mapping[str, Tensor]) -> TableNetwork:
        """A network whose first belief is that cells are independent: numbers normal, codes as
        frequent as `base` says."""
        codes = {k: (len(s), max(s) + 1, max(s)) for k, s in encoder.sizes.items()}
        network = TableNetwork(
            NUMBERS, len(encoder.numbers), codes, self.width, self.blocks, self.dropout
        )
        with torch.no_grad():
            for part, head in network.heads.items():
                odds = dict(head.named_parameters())["linear.bias"]
                odds.copy_(base[part].clamp(min=1e-9).log().flatten())
        return network


def law(encoder: Encoder, base: Mapping[str, Tensor]) -> Product:
    """The noising process; `base` are frequencies of the codes, as of `Encoder.frequencies`."""
    schedule = Cosine(_WINDOW, -_WINDOW)
    parts: dict[str, Process[Any]] = {NUMBERS: Gaussian(schedule)} if encoder.numbers else {}
    for part, sizes in encoder.sizes.items():
        parts[part] = Jump(schedule, Refresh.absorbing(sizes), base[part])
    return Product(schedule, parts, encoder.widths)


def build(encoder: Encoder, base: Mapping[str, Tensor], size: Network) -> Model:
    """An untrained model; its weights are drawn from torch's global generator."""
    process = law(encoder, base)
    readings: dict[str, Reading[Any]] = {}
    for part in encoder.widths:
        own = process.process(part)
        readings[part] = Bayes(own.rates) if isinstance(own, Jump) else Means(Karras(1.0))
    denoiser = PartsDenoiser(size.make(encoder, base), readings, encoder.widths)
    times = LogisticTimes(scale=4.0 if encoder.numbers else 2.0)
    objective = Spread(Infill(Denoising(Elbo(), times)), len(encoder.numbers))
    return Model(process, Known(denoiser), (sum(encoder.widths.values()),), objective=objective)


def without_holes(encoder: Encoder, model: Model) -> tuple[Product, Denoiser[Any]]:
    """The process and the denoiser of tables none of whose cells is missing."""
    process, known = model.process, model.denoiser
    assert isinstance(process, Product) and isinstance(known, Known)
    base = {}
    for part, holes in encoder.holes.items():
        own = process.process(part)
        assert isinstance(own, Jump)
        some = own.base.masked_fill(holes.to(own.base.device), 0.0)
        base[part] = some / some.sum(1, keepdim=True)
    return law(encoder, base), Known(Present(known.denoiser, encoder.holes))


class Present(Denoiser[Parts]):
    """A belief that no cell is missing.

    Args:
        denoiser: whose belief it is otherwise.
        holes: the levels of every part of codes that say "missing", (columns, levels).
    """

    def __init__(self, denoiser: Denoiser[Parts], holes: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.holes = dict(holes)

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Parts:
        parts = dict(self.denoiser(x_t, level, batch).parts)
        for part, holes in self.holes.items():
            belief = parts[part]
            assert isinstance(belief, Categories)
            parts[part] = Categories(belief.logits.masked_fill(holes.to(x_t.device), -torch.inf))
        return Parts(parts)


class Spread(Objective):
    """Another objective on states whose numbers are drawn anew from the ranks that they own.

    Args:
        objective: what is trained.
        numbers: how many entries of a state are numbers; their widths are `cond["width"]`.
    """

    def __init__(self, objective: Objective, numbers: int) -> None:
        super().__init__()
        self.objective = objective
        self.numbers = numbers

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        states = spread(batch.x, batch.cond["width"], generator)
        return self.objective.terms(process, denoiser, Batch(states), generator)


def spread(x: Tensor, width: Tensor, generator: Generator = None) -> Tensor:
    """Normal numbers at uniform draws of the ranks that they own, and codes, (n, D), float32.

    Args:
        x: least ranks and codes, (n, D), float64.
        width: how many ranks each number owns, (n, numbers).
        generator: of the draws.
    """
    k = width.shape[1]
    u = x[:, :k] + width * uniform(tuple(width.shape), width, generator)
    z = torch.special.ndtri(u.clamp(_EDGE, 1 - _EDGE))
    return torch.cat([z, x[:, k:]], 1).to(torch.float32)
