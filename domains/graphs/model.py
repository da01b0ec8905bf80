"""Models of graphs: an alphabet, a noise and a network to a `Model` of the core.

    ABSORBING   an edge is masked
    MARGINAL    an edge is drawn anew from the edges' own frequency (Vignac et al. 2023)
    GAUSSIAN    levels of an edge as numbers, white noise on pairs (Huang et al. 2022)

Kinds of nodes and pairs are parts of a product; a plain graph is one part. Under the absorbing noise
training is on the bound, which counts the last masks as much as the first: what holds of a graph as a
whole, that it is connected or a tree, is decided there. The others train on the cross-entropy of the
clean graph at uniform times.

Numbers of nodes and edges are parts with white noise beside codes that jump, all along one log-SNR; then
training is on the bound, as that of tables: its schedule and times are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
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
from unnoise.core.transform import Affine, Codes, Quantised, Transform
from unnoise.domains.graphs.alphabet import EDGES, FEATURES, NODES, WEIGHTS, Alphabet
from unnoise.domains.graphs.denoiser import GraphDenoiser, Reader
from unnoise.domains.graphs.loose import Loose
from unnoise.domains.graphs.networks import EdgeTransformer, GraphNetwork

__all__ = ["Maker", "Network", "Noising", "graph_model", "resized"]

_WINDOW = 14.0  # of log-SNR with numbers, both ways
Maker = Callable[[int, int, int, int], GraphNetwork]  # node and edge features in, and odds out


class Noising(StrEnum):
    """What noise does to a graph."""

    ABSORBING = "absorbing"
    MARGINAL = "marginal"
    GAUSSIAN = "gaussian"


@dataclass(frozen=True)
class Network:
    """The network's size; see `EdgeTransformer`."""

    width: int = 64
    pair_width: int = 32
    layers: int = 4
    dropout: float = 0.0

    def make(
        self, nodes: int, edges: int, node_out: int, edge_out: int, cond: int = 0
    ) -> EdgeTransformer:
        """The network of so many features in and odds out."""
        return EdgeTransformer(nodes, edges, node_out, edge_out, cond, **asdict(self))


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
        network: makes the network of (features of nodes, of pairs, outputs of nodes, of pairs):
            features are kinds or levels and two a number, outputs kinds or levels and one a number.
        noising: what noise does.
        condition: see `GraphDenoiser`.
        condition_dropout: the share of graphs whose condition is hidden in training.

    Raises:
        ValueError: for Gaussian noise of graphs whose nodes have kinds, which are no numbers, or with
            numbers beside the levels of edges.
    """
    if noising is Noising.GAUSSIAN and alphabet.nodes:
        raise ValueError(
            "graph_model: Gaussian noise is for edges, and these nodes have kinds; take marginal or absorbing noise"
        )
    scales, levels = alphabet.scales(), alphabet.levels()
    if noising is Noising.GAUSSIAN and scales:
        raise ValueError(
            "graph_model: Gaussian noise of edges goes with no other numbers, and these graphs have "
            f"{' and '.join(scales)}; take marginal or absorbing noise, or remove the attributes"
        )
    schedule = Cosine(_WINDOW, -_WINDOW) if scales else _schedule(noising)
    values = Quantised(levels[EDGES]).values if noising is Noising.GAUSSIAN else None
    parts: dict[str, Process[Any]] = {name: Gaussian(schedule) for name in scales}
    if alphabet.weights is not None:
        parts[WEIGHTS] = Loose(Gaussian(schedule))
    parts |= {name: _part(noising, schedule, frequencies[name]) for name in levels}
    readers = {name: Reader(parts[name], frequencies[name], values) for name in levels}
    of_nodes, of_edges = (
        scales[part].width if part in scales else 0 for part in (FEATURES, WEIGHTS)
    )
    kinds, pairs = levels.get(NODES, 0), levels[EDGES]
    denoiser: Denoiser[Any] = GraphDenoiser(
        alphabet,
        network(kinds + 2 * of_nodes, pairs + 2 * of_edges, kinds + of_nodes, pairs + of_edges),
        readers[EDGES],
        readers.get(NODES),
        condition,
    )
    width = alphabet.width(nodes)
    process = parts[EDGES] if len(parts) == 1 else Product(schedule, parts, width)
    transform: Transform = Codes() if values is None else Quantised(pairs)
    if scales:
        transform = Affine()
    objective = _objective(noising, alphabet, condition_dropout)
    return Model(process, denoiser, (sum(width.values()),), transform, objective)


def resized(model: Model, alphabet: Alphabet, nodes: int) -> Model:
    """The same networks for graphs of at most `nodes` nodes: nothing in them depends on how many
    there are."""
    width = {part: n for part, n in alphabet.width(nodes).items() if n}
    process = model.process
    if isinstance(process, Product):
        process = Product(process.schedule, {k: process.process(k) for k in width}, width)
    return Model(process, model.denoiser, (sum(width.values()),), model.transform, model.objective)


def _objective(noising: Noising, alphabet: Alphabet, dropout: float) -> Objective:
    if alphabet.scales():
        return Denoising(Elbo(), LogisticTimes(scale=4.0), condition_dropout=dropout)
    if noising is not Noising.ABSORBING:
        return CrossEntropy(condition_dropout=dropout)
    if not alphabet.nodes:
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
