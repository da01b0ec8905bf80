"""Models of graphs: an alphabet, a noise and a network to a `Model` of the core.

    ABSORBING   an edge is masked
    MARGINAL    an edge is drawn anew from the edges' own frequency (Vignac et al. 2023)
    GAUSSIAN    levels of an edge as numbers, white noise on pairs (Huang et al. 2022)

Kinds of nodes and pairs are parts of a product; a plain graph is one part. Under the absorbing noise
training is on the bound, which counts the last masks as much as the first: what holds of a graph as a
whole, that it is connected or a tree, is decided there. The others train on the cross-entropy of the
clean graph at uniform times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from torch import Tensor, nn

from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Model
from unnoise.core.objective import CrossEntropy, Denoising, Elbo, MaskedColumns, Objective
from unnoise.core.process import Gaussian, Jump, Process, Product
from unnoise.core.rates import Refresh
from unnoise.core.schedule import Cosine, Rectified, Schedule
from unnoise.core.times import LogisticTimes
from unnoise.core.transform import Codes, Quantised, Transform
from unnoise.domains.graphs.alphabet import EDGES, NODES, Alphabet
from unnoise.domains.graphs.denoiser import GraphDenoiser, Reader
from unnoise.domains.graphs.networks.base import GraphNetwork

__all__ = ["Maker", "Noising", "graph_model", "resized"]

Maker = Callable[[int, int, int, int], GraphNetwork]  # node and edge features in, and odds out


class Noising(StrEnum):
    """What noise does to a graph."""

    ABSORBING = "absorbing"
    MARGINAL = "marginal"
    GAUSSIAN = "gaussian"


def graph_model(
    alphabet: Alphabet,
    nodes: int,
    frequencies: Mapping[str, Tensor],
    network: Maker,
    noising: Noising = Noising.ABSORBING,
    condition: nn.Module | None = None,
    condition_dropout: float = 0.0,
) -> Model:
    """An untrained model of graphs of at most `nodes` nodes; weights are drawn from torch's global
    generator.

    Args:
        alphabet: what nodes and edges may be.
        nodes: N.
        frequencies: of the levels of every part, see `denoiser.frequencies`.
        network: makes the network of (kinds of nodes, levels of pairs, and the same again).
        noising: what noise does.
        condition: see `GraphDenoiser`.
        condition_dropout: the share of graphs whose condition is hidden in training.

    Raises:
        ValueError: for Gaussian noise of graphs whose nodes have kinds, which are no numbers.
    """
    if noising is Noising.GAUSSIAN and alphabet.nodes:
        raise ValueError(
            "graph_model: Gaussian noise is for edges, and these nodes have kinds; take marginal or absorbing noise"
        )
    schedule = _schedule(noising)
    levels = alphabet.levels()
    values = Quantised(levels[EDGES]).values if noising is Noising.GAUSSIAN else None
    parts = {name: _part(noising, schedule, frequencies[name]) for name in levels}
    readers = {name: Reader(parts[name], frequencies[name], values) for name in levels}
    kinds = levels.get(NODES, 0)
    denoiser: Denoiser[Any] = GraphDenoiser(
        network(kinds, levels[EDGES], kinds, levels[EDGES]),
        readers[EDGES],
        readers.get(NODES),
        condition,
    )
    width = alphabet.width(nodes)
    process = parts[EDGES] if len(parts) == 1 else Product(schedule, parts, width)
    transform: Transform = Codes() if values is None else Quantised(levels[EDGES])
    objective = _objective(noising, len(parts), condition_dropout)
    return Model(process, denoiser, (sum(width.values()),), transform, objective)


def resized(model: Model, alphabet: Alphabet, nodes: int) -> Model:
    """The same networks for graphs of at most `nodes` nodes: nothing in them depends on how many
    there are."""
    width = alphabet.width(nodes)
    process = model.process
    if isinstance(process, Product):
        process = Product(process.schedule, {k: process.process(k) for k in width}, width)
    return Model(process, model.denoiser, (sum(width.values()),), model.transform, model.objective)


def _objective(noising: Noising, parts: int, dropout: float) -> Objective:
    if noising is not Noising.ABSORBING:
        return CrossEntropy(condition_dropout=dropout)
    if parts == 1:
        return MaskedColumns(dropout)
    return Denoising(Elbo(), LogisticTimes(scale=2.0), condition_dropout=dropout)


def _schedule(noising: Noising) -> Schedule:
    """Masks may cover all; the others stop where next to nothing is left."""
    if noising is Noising.ABSORBING:
        return Rectified(math.inf, -math.inf)
    return Rectified(14.0, -14.0) if noising is Noising.MARGINAL else Cosine(9.0, -9.0)


def _part(noising: Noising, schedule: Schedule, frequencies: Tensor) -> Process[Any]:
    if noising is Noising.GAUSSIAN:
        grid = Quantised(len(frequencies)).values.double()
        mean = (frequencies * grid).sum()
        spread = (frequencies * (grid - mean).square()).sum() + mean.square()
        return Gaussian(schedule, data_std=float(spread.sqrt()))
    if noising is Noising.ABSORBING:
        rates = Refresh.absorbing([len(frequencies)])
        return Jump(schedule, rates, frequencies[None])
    return Jump(schedule, Refresh.marginal([frequencies]))
