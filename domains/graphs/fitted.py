"""A fitted model of graphs: what sampling, completion and likelihoods are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import LikelihoodResult, tightest
from unnoise.core.model import Model
from unnoise.core.progress import track
from unnoise.core.random import Rows, seeded
from unnoise.core.sampler import auto
from unnoise.domains.graphs.alphabet import Alphabet
from unnoise.domains.graphs.model import resized
from unnoise.domains.graphs.pairs import count

__all__ = ["FittedGraphs", "Pairs", "draw_sizes"]

Pairs = Iterable[tuple[Any, Any]]  # of nodes of a graph

_CELLS = 2**19  # entries of the adjacency matrices that are worked on at once, at most


@dataclass(frozen=True, eq=False)
class FittedGraphs:
    """A trained model and what else is known of the graphs it was trained on.

    Attributes:
        model: the law of graphs, given how many nodes they have.
        alphabet: what nodes and edges may be.
        sizes: how many training graphs had each number of nodes.
    """

    model: Model
    alphabet: Alphabet
    sizes: Mapping[int, int]

    def sample(
        self, sizes: Sequence[int], seed: int, nfe: int,
        cond: Mapping[str, Tensor] | None = None, guidance: float = 1.0,
    ) -> list[nx.Graph]:  # fmt: skip
        """Graphs of these sizes; the k-th depends on the seed, on k and on its size alone, whatever
        is drawn beside it."""
        made: dict[int, nx.Graph] = {}
        for rows in track(_chunks(sizes), f"graphs, {nfe} evaluations each"):
            n = sizes[rows[0]]
            batch = self.alphabet.batch(torch.full((len(rows),), n), n)
            some = {name: value[rows] for name, value in (cond or {}).items()}
            x = self._drawn(batch.replace(cond=some), rows, seed, nfe, guidance)
            made.update(zip(rows, self.alphabet.decode(x, [n] * len(rows)), strict=True))
        return [made[k] for k in range(len(sizes))]

    def complete(
        self, graphs: Sequence[nx.Graph], unknown: Sequence[Pairs], seed: int, nfe: int
    ) -> list[nx.Graph]:
        """The graphs with the unknown pairs of each drawn given all others.

        Raises:
            ValueError: for what is no pair of a graph's nodes.
        """
        made = []
        for k, (graph, some) in enumerate(zip(graphs, unknown, strict=True)):
            batch, n = self.alphabet.encode([graph]), len(graph)
            observed = _observed(graph, some, k, batch.x.shape[1] - count(n))
            x = self._drawn(batch.replace(observed=observed), [k], seed, nfe)
            (done,) = self.alphabet.decode(x, [n])
            made.append(nx.relabel_nodes(done, dict(enumerate(graph))))
        return made

    def log_prob(
        self, graphs: Sequence[nx.Graph], draws: int, generator: torch.Generator,
        sizes: bool = True,
    ) -> LikelihoodResult:  # fmt: skip
        """A lower bound on log p(graph | n), and log p(n) more if `sizes` count."""
        largest = max(len(g) for g in graphs)
        rows = max(1, _CELLS // largest**2)
        parts = [graphs[k : k + rows] for k in range(0, len(graphs), rows)]
        total, some = sum(self.sizes.values()), []
        for part in track(parts, "bound"):
            result = self.bound(self.alphabet.encode(part), draws, generator)
            shares = torch.tensor([self.sizes.get(len(g), 0) / total for g in part])
            log_p = shares.log().to(result.nats) if sizes else 0.0
            some.append(replace(result, nats=result.nats + log_p))
        return LikelihoodResult.cat(some)

    def bound(self, batch: Batch, draws: int, generator: torch.Generator) -> LikelihoodResult:
        """A lower bound on log p(graph | n) of states, with the least variance that is to be had."""
        model = self._sized(batch)
        method = tightest(model.process, draws)
        return model.log_prob(batch.to(self._device), method, generator)

    def _drawn(
        self, batch: Batch, rows: Sequence[int], seed: int, nfe: int, guidance: float = 1.0
    ) -> Tensor:
        """States drawn for the rows of a batch, each from a stream of its own."""
        model = self._sized(batch)
        sampler, streams = auto(nfe, model.process), Rows([seeded(seed, k) for k in rows])
        asked = batch.to(self._device)
        x = model.sample(asked, sampler, guidance=guidance, generator=streams)
        return x.cpu()

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


def _observed(graph: nx.Graph, unknown: Pairs, k: int, kinds: int) -> Tensor:
    """What is known of the k-th graph: all but some pairs, (1, width)."""
    place = {node: i for i, node in enumerate(graph)}
    observed = torch.ones(1, kinds + count(len(graph)), dtype=torch.bool)
    for u, v in unknown:
        if u not in place or v not in place or u == v:
            raise ValueError(f"graph {k}: ({u!r}, {v!r}) is no pair of its nodes")
        i, j = sorted((place[u], place[v]))
        observed[0, kinds + count(j) + i] = False
    return observed
