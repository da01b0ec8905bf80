"""A generator of graphs: networkx in, networkx out.

    made = GraphGenerator().fit(graphs)
    made.sample(100)              graphs like those
    made.sample(10, nodes=50)     of a size of your own
    made.log_prob(graphs)         nats a graph
    made.complete(graph, pairs)   edges drawn where they aren't known
    made.save(path), GraphGenerator.load(path)

Nodes and edges may have kinds, the attribute "kind". Likelihoods are of labelled graphs: log p of an
adjacency matrix in the order that its nodes are in. The model doesn't care about the order, so a graph
without one has n! / |Aut| times the probability.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import networkx as nx
import torch

from unnoise.core.checkpoint import CheckpointError, read_about
from unnoise.core.infill import Infill
from unnoise.core.likelihood import LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import seeded
from unnoise.core.training import Fit, History, fit
from unnoise.domains.graphs.alphabet import Alphabet, checked
from unnoise.domains.graphs.denoiser import frequencies
from unnoise.domains.graphs.fitted import FittedGraphs, Pairs, draw_sizes
from unnoise.domains.graphs.model import Noising, graph_model
from unnoise.domains.graphs.networks import EdgeTransformer

__all__ = ["GraphGenerator", "Network"]

_FORMAT = "graphs-1"
_FIT = Fit(3_000, batch=32, lr=2e-3, warmup=100, ema=0.998)


@dataclass(frozen=True)
class Network:
    """The network's size; see `EdgeTransformer`."""

    width: int = 64
    pair_width: int = 32
    layers: int = 4
    dropout: float = 0.0

    def make(self, nodes: int, edges: int, node_out: int, edge_out: int) -> EdgeTransformer:
        """The network of so many features in and odds out."""
        return EdgeTransformer(nodes, edges, node_out, edge_out, **asdict(self))


class GraphGenerator:
    """A diffusion model of graphs.

    Args:
        noising: what noise does to a graph.
        fit: how to train; None: 3,000 steps of 32 graphs.
        network: its size; None: the default.
        completing: whether it learns to be told a part of a graph, as `complete` needs; under the
            absorbing noise it can without.
    """

    def __init__(
        self,
        noising: Noising | str = Noising.ABSORBING,
        *,
        fit: Fit | None = None,
        network: Network | None = None,
        completing: bool = False,
    ) -> None:
        self.noising = Noising(noising)
        self.how = fit or _FIT
        self.network = network or Network()
        self.completing = completing
        self._fitted: FittedGraphs | None = None
        self._history = History()

    @property
    def history(self) -> History:
        """The losses of training."""
        self._require_fitted()
        return self._history

    def fit(
        self,
        graphs: Sequence[nx.Graph],
        seed: int = 0,
        progress: bool = True,
        folder: Path | str | None = None,
        **trainer: Any,
    ) -> GraphGenerator:
        """Learn graphs; anything learned before is forgotten.

        Args:
            graphs: simple and undirected; their nodes may be called anything.
            seed: of weights, the order of graphs, and noise.
            progress: show a progress bar.
            folder: where a resumable state is kept; the same call goes on from it.
            **trainer: passed on to `lightning.Trainer`.

        Returns:
            The generator.

        Raises:
            TypeError, ValueError: for what is no list of simple undirected graphs.
        """
        checked(graphs)
        alphabet = Alphabet.of(graphs)
        data = alphabet.encode(graphs)
        sizes = Counter(len(g) for g in graphs)
        with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global stream
            torch.manual_seed(seed)
            model = self._model(alphabet, max(sizes), frequencies(alphabet, data))
        how = replace(self.how, batch=min(self.how.batch, len(graphs)))
        self._history = fit(model, data, how, folder, seed=seed, progress=progress, **trainer)
        self._fitted = FittedGraphs(model.eval(), alphabet, dict(sizes))
        return self

    def sample(
        self, n: int, nodes: int | Sequence[int] | None = None, seed: int = 0, nfe: int = 24
    ) -> list[nx.Graph]:
        """n graphs. The k-th depends on the seed, on k and on its size, not on how many are drawn.

        Args:
            n: how many.
            nodes: of all of them, or of each; None: as frequent as in training. More than any
                training graph had is allowed, and is a guess.
            seed: of all randomness.
            nfe: evaluations of the network.

        Raises:
            ValueError: if n or nodes is less than 1, there aren't n numbers of nodes, or nfe is
                less than 2.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        if n < 1:
            raise ValueError(f"sample: n must be at least 1, got {n}")
        if nodes is None:
            sizes = draw_sizes(fitted.sizes, n, seeded(seed, -1))
        else:
            sizes = [nodes] * n if isinstance(nodes, int) else list(nodes)
        if len(sizes) != n or min(sizes) < 1:
            raise ValueError(f"sample: nodes must be {n} numbers of at least 1, got {nodes}")
        return fitted.sample(sizes, seed, nfe)

    def complete(
        self, graph: nx.Graph, unknown: Pairs, n: int = 1, seed: int = 0, nfe: int = 24
    ) -> list[nx.Graph]:
        """n times the graph with the unknown pairs drawn given all others, and its nodes' kinds.

        Args:
            graph: what is known; edges between unknown pairs are not looked at.
            unknown: pairs of nodes that may or may not be joined.
            n: how many answers.
            seed, nfe: as in `sample`.

        Raises:
            ValueError: if the generator wasn't made to complete, or a pair isn't of the graph.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        if not (self.completing or self.noising is Noising.ABSORBING):
            raise ValueError(
                "complete: this generator wasn't trained to be told a part of a graph; make it with completing=True, or noising='absorbing'"
            )
        checked([graph])
        return fitted.complete([graph] * n, [list(unknown)] * n, seed, nfe)

    def log_prob(
        self, graphs: Sequence[nx.Graph], draws: int = 64, seed: int = 0
    ) -> LikelihoodResult:
        """A lower bound on log p of labelled graphs in nats, log p(n) included; -inf for a number of
        nodes that no training graph had. A dimension is a pair of nodes, or a node's kind.

        Args:
            graphs: of the kinds that were learned.
            draws: evaluations for each.
            seed: of all randomness.

        Raises:
            TypeError, ValueError: as `fit`, or for a kind that wasn't learned.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        checked(graphs)
        return fitted.log_prob(graphs, draws, seeded(seed))

    def save(self, path: Path | str) -> None:
        """Write all that sampling needs in one file: weights (safetensors) with a JSON header.

        Raises:
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        about = {
            "format": _FORMAT,
            "noising": str(self.noising),
            "completing": self.completing,
            "network": asdict(self.network),
            "alphabet": fitted.alphabet.to_json(),
            "sizes": sorted(fitted.sizes.items()),
            "history": list(self._history.rows),
        }
        fitted.model.save(path, about)

    @staticmethod
    def load(path: Path | str) -> GraphGenerator:
        """The generator that was saved.

        Raises:
            CheckpointError: if the file is missing, unreadable, or no generator.
        """
        about = read_about(Path(path))
        if about.get("format") != _FORMAT:
            raise CheckpointError(f"{path}: holds no GraphGenerator")
        made = GraphGenerator(
            about["noising"], network=Network(**about["network"]), completing=about["completing"]
        )
        alphabet, sizes = Alphabet.from_json(about["alphabet"]), dict(about["sizes"])
        even = {k: torch.ones(n) / n for k, n in alphabet.levels().items()}
        with torch.random.fork_rng(devices=[]):
            model = made._model(alphabet, max(sizes), even)
        model.load(path)
        made._fitted = FittedGraphs(model.eval(), alphabet, sizes)
        made._history = History(about["history"])
        return made

    def _model(self, alphabet: Alphabet, nodes: int, shares: dict[str, torch.Tensor]) -> Model:
        model = graph_model(alphabet, nodes, shares, self.network.make, self.noising)
        if self.completing:
            model.objective = Infill(model.objective)
        return model

    def _require_fitted(self) -> FittedGraphs:
        if self._fitted is None:
            raise RuntimeError(
                "GraphGenerator: nothing learned yet; call fit(graphs), or load(path)"
            )
        return self._fitted
