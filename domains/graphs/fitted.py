"""A fitted model of graphs: what sampling, completion and likelihoods are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound, LikelihoodResult, tightest
from unnoise.core.model import Model
from unnoise.core.process import Jump
from unnoise.core.progress import track
from unnoise.core.random import Generator, Rows, seeded
from unnoise.core.sampler import (
    AdamsBashforth,
    JumpSampler,
    Ordered,
    ProductSampler,
    Sampling,
    auto,
)
from unnoise.core.times import LogSNRTimes
from unnoise.domains.graphs.alphabet import EDGES, WEIGHTS, Alphabet
from unnoise.domains.graphs.conditions import Conditions
from unnoise.domains.graphs.loose import firm
from unnoise.domains.graphs.model import resized
from unnoise.domains.graphs.order import tournament
from unnoise.domains.graphs.pairs import count

__all__ = ["FittedGraphs", "Pairs", "draw_sizes"]

Pairs = Iterable[tuple[Any, Any]]  # of nodes of a graph
Cond = Mapping[str, Tensor]  # as of `Conditions.encode`

_CELLS = 2**19  # entries of the adjacency matrices that are worked on at once, at most


@dataclass(frozen=True, eq=False)
class FittedGraphs:
    """A trained model and what else is known of the graphs it was trained on.

    Attributes:
        model: the law of graphs, given how many nodes they have.
        alphabet: what nodes and edges may be.
        sizes: how many training graphs had each number of nodes.
        conditions: what graphs are conditioned on.
        labelled: `sizes` of the training graphs of every combination of labels.
    """

    model: Model
    alphabet: Alphabet
    sizes: Mapping[int, int]
    conditions: Conditions = field(default_factory=Conditions)
    labelled: Mapping[tuple[int, ...], Mapping[int, int]] = field(default_factory=dict)

    def draw_sizes(self, n: int, seed: int, cond: Cond) -> list[int]:
        """Numbers of nodes of n graphs, each from a stream of its own."""
        laws = enumerate(self._likely(n, cond))
        return [draw_sizes(law, 1, seeded(seed, -1, k))[0] for k, law in laws]

    def sample(
        self, sizes: Sequence[int], seed: int, nfe: int, cond: Cond | None = None,
        guidance: float = 1.0,
    ) -> list[nx.Graph]:  # fmt: skip
        """Graphs of these sizes; the k-th depends on the seed, on k, on its size and its conditions,
        whatever is drawn beside it."""
        made: dict[int, nx.Graph] = {}
        told = self._told(cond, len(sizes))
        for rows in track(_chunks(sizes), f"graphs, {nfe} evaluations each"):
            n = sizes[rows[0]]
            batch = self.alphabet.batch(torch.full((len(rows),), n), n)
            some = {name: value[rows] for name, value in told.items()}
            x = self._drawn(batch.replace(cond=some), rows, seed, nfe, guidance)
            made.update(zip(rows, self.alphabet.decode(x, [n] * len(rows)), strict=True))
        return [made[k] for k in range(len(sizes))]

    def complete(
        self, graphs: Sequence[nx.Graph], unknown: Sequence[Pairs], seed: int, nfe: int,
        cond: Cond | None = None, guidance: float = 1.0,
    ) -> list[nx.Graph]:  # fmt: skip
        """The graphs with the unknown pairs of each drawn given all others.

        Raises:
            ValueError: for what is no pair of a graph's nodes.
        """
        made, told = [], self._told(cond, len(graphs))
        for k, (graph, some) in enumerate(zip(graphs, unknown, strict=True)):
            batch, n = self.alphabet.encode([graph]), len(graph)
            observed = _observed(self.alphabet, batch.x, graph, some, k)
            known = self.alphabet.batch(torch.tensor([n]), n).replace(
                x=batch.x, observed=observed, cond={name: v[k : k + 1] for name, v in told.items()}
            )
            x = self._drawn(known, [k], seed, nfe, guidance)
            (done,) = self.alphabet.decode(x, [n])
            made.append(_restored(nx.relabel_nodes(done, dict(enumerate(graph))), graph, some))
        return made

    def log_prob(
        self, graphs: Sequence[nx.Graph], draws: int, generator: torch.Generator,
        sizes: bool = True, cond: Cond | None = None,
    ) -> LikelihoodResult:  # fmt: skip
        """A lower bound on log p(graph | n, conditions), and log p(n | labels) more if `sizes`
        count."""
        largest = max(len(g) for g in graphs)
        rows = max(1, _CELLS // largest**2)
        parts = [slice(k, k + rows) for k in range(0, len(graphs), rows)]
        told, some = self._told(cond, len(graphs)), []
        for part in track(parts, "bound"):
            batch = self.alphabet.encode(graphs[part])
            known = {name: value[part] for name, value in told.items()}
            some.append(self.bound(batch.replace(cond=known), draws, generator))
        result = LikelihoodResult.cat(some)
        if not sizes:
            return result
        likely = zip(graphs, self._likely(len(graphs), told), strict=True)
        shares = torch.tensor([law.get(len(g), 0) / sum(law.values()) for g, law in likely])
        return replace(result, nats=result.nats + shares.log().to(result.nats))

    def bound(self, batch: Batch, draws: int, generator: torch.Generator) -> LikelihoodResult:
        """A lower bound on log p(graph | n) of states, with the least variance that is to be had; a
        density in the users' units if they have numbers."""
        model, scales = self._sized(batch), self.alphabet.scales()
        method = Bound(draws, LogSNRTimes()) if scales else tightest(model.process, draws)
        result = model.log_prob(batch.to(self._device), method, generator)
        if not scales or batch.mask is None:
            return result
        there = self.alphabet.split(batch.mask)
        units = [
            there[part].sum(1) * scale.log_det / scale.width for part, scale in scales.items()
        ]
        return replace(result, nats=result.nats + torch.stack(units).sum(0).to(result.nats))

    def _drawn(
        self, batch: Batch, rows: Sequence[int], seed: int, nfe: int, guidance: float = 1.0
    ) -> Tensor:
        """States drawn for the rows of a batch, each from a stream of its own."""
        model = self._sized(batch)
        model = Model(firm(model.process), model.denoiser, model.shape, model.transform)
        streams, asked = Rows([seeded(seed, k) for k in rows]), batch.to(self._device)
        sampler = self._sampler(nfe, model, asked, Rows([seeded(seed, -2, k) for k in rows]))
        x = model.sample(asked, sampler, guidance=guidance, generator=streams)
        return x.cpu()

    def _likely(self, n: int, cond: Cond) -> list[Mapping[int, int]]:
        """How frequent numbers of nodes are for each of n graphs: among the training graphs with its
        labels, or among all if no label is told or no graph had these."""
        keys = self.conditions.labels(cond) or [()] * n
        return [self.labelled.get(key, self.sizes) for key in keys]

    def _told(self, cond: Cond | None, n: int) -> Cond:
        return self.conditions.encode(None, n) if cond is None else cond

    def _sampler(self, nfe: int, model: Model, batch: Batch, generator: Generator) -> Sampling:
        if nfe < 2 or not self.alphabet.scales():
            usual, process = auto(nfe, model.process), model.process
            if isinstance(process, Jump) and process.rates.mask is not None:
                assert isinstance(usual, JumpSampler)
                rank = tournament(len(batch), self.alphabet.size(batch.x.shape[1]), generator)
                return replace(usual, solver=Ordered(rank.to(batch.x.device)))
            return usual
        # ancestral steps make numbers too narrow, if there are few
        return ProductSampler(AdamsBashforth(), steps=nfe - 1)

    def _sized(self, batch: Batch) -> Model:
        return resized(self.model, self.alphabet, self.alphabet.size(batch.x.shape[1]))

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def draw_sizes(sizes: Mapping[int, int], n: int, generator: torch.Generator) -> list[int]:
    """n numbers of nodes, as frequent as `sizes` says."""
    known = sorted(sizes)
    weights = torch.tensor([float(sizes[k]) for k in known])
    drawn = torch.multinomial(weights, n, replacement=True, generator=generator)
    return [known[k] for k in drawn.tolist()]


def _chunks(sizes: Sequence[int]) -> list[list[int]]:
    """Rows of graphs of one size, as many as are worked on at once."""
    rows: dict[int, list[int]] = {}
    for k, n in enumerate(sizes):
        rows.setdefault(n, []).append(k)
    out = []
    for n in sorted(rows):
        most = max(1, _CELLS // n**2)
        out += [rows[n][k : k + most] for k in range(0, len(rows[n]), most)]
    return out


def _observed(alphabet: Alphabet, x: Tensor, graph: nx.Graph, unknown: Pairs, k: int) -> Tensor:
    """What is known of the k-th graph, a state x (1, width): all but some pairs; no weight where there
    is no edge."""
    place = {node: i for i, node in enumerate(graph)}
    known = torch.ones(1, count(len(graph)), dtype=torch.bool)
    for u, v in unknown:
        if u not in place or v not in place or u == v:
            raise ValueError(f"graph {k}: ({u!r}, {v!r}) is no pair of its nodes")
        i, j = sorted((place[u], place[v]))
        known[0, count(j) + i] = False
    of = {part: torch.ones_like(v, dtype=torch.bool) for part, v in alphabet.split(x).items()}
    of[EDGES] = known
    if alphabet.weights is not None:
        there = known & (alphabet.split(x)[EDGES] > 0)
        of[WEIGHTS] = there.repeat_interleave(alphabet.weights.width, 1)
    return torch.cat(list(of.values()), 1)


def _restored(done: nx.Graph, graph: nx.Graph, unknown: Pairs) -> nx.Graph:
    """The completed graph with what was given as it was given, to the last digit."""
    drawn = {frozenset(pair) for pair in unknown}
    for node, data in done.nodes(data=True):
        data.update({k: v for k, v in graph.nodes[node].items() if k in data})
    for u, v, data in done.edges(data=True):
        if frozenset((u, v)) not in drawn:
            data.update({k: w for k, w in graph.edges[u, v].items() if k in data})
    return done
