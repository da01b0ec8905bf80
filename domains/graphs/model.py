"""Models of graphs: an alphabet, a noise and a network to a `Model` of the core.

    MARGINAL    an edge is drawn anew from the edges' own frequency (Vignac et al. 2023)
    ABSORBING   an edge is masked
    GAUSSIAN    levels of an edge as numbers, white noise on pairs (Huang et al. 2022)

Kinds of nodes and pairs are parts of a product; a plain graph is one part. Training is on the
cross-entropy of the clean graph: of Gaussian noise it is the bound's loss with nats in the place of
squares, and it doesn't leave large levels of noise, where graphs get their communities, to few draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from torch import Tensor, nn

from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Model
from unnoise.core.objective import CrossEntropy, MaskedColumns, Objective
from unnoise.core.process import Gaussian, Jump, Process, Product
from unnoise.core.rates import Refresh
from unnoise.core.schedule import Cosine, Rectified, Schedule
from unnoise.core.transform import Codes, Quantised, Transform
from unnoise.domains.graphs.alphabet import EDGES, NODES, Alphabet
from unnoise.domains.graphs.denoiser import GraphDenoiser, Reader
from unnoise.domains.graphs.networks.base import GraphNetwork

__all__ = ["Maker", "Noising", "graph_model", "resized"]

Maker = Callable[[int, int, int, int], GraphNetwork]  # node and edge features in, and odds out


class Noising(StrEnum):
    """What noise does to a graph."""

    MARGINAL = "marginal"
    ABSORBING = "absorbing"
    GAUSSIAN = "gaussian"


def graph_model(
    alphabet: Alphabet,
    nodes: int,
    frequencies: Mapping[str, Tensor],
    network: Maker,
    noising: Noising = Noising.MARGINAL,
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
    masked = noising is Noising.ABSORBING and len(parts) == 1
    objective: Objective = (
        MaskedColumns(condition_dropout)
        if masked
        else CrossEntropy(condition_dropout=condition_dropout)
    )
    return Model(process, denoiser, (sum(width.values()),), transform, objective)


def resized(model: Model, alphabet: Alphabet, nodes: int) -> Model:
    """The same networks for graphs of at most `nodes` nodes: nothing in them depends on how many
    there are."""
    width = alphabet.width(nodes)
    process = model.process
    if isinstance(process, Product):
        process = Product(process.schedule, {k: process.process(k) for k in width}, width)
    return Model(process, model.denoiser, (sum(width.values()),), model.transform, model.objective)


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
