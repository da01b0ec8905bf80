"""A generator of graphs: networkx in, networkx out.

    made = GraphGenerator().fit(graphs)
    made.sample(100)              graphs like those
    made.sample(10, nodes=50)     of a size of your own
    made.log_prob(graphs)         nats a graph
    made.complete(graph, pairs)   edges drawn where they aren't known
    made.save(path), GraphGenerator.load(path)

    made.fit(graphs, conditions=["label"])                    of graph.graph["label"], or values by name
    made.sample(10, given={"label": 3}, guidance=1.5)

Nodes and edges may have kinds, the attribute "kind", and numbers: "x" of nodes, "weight" of edges, a
number or a list of them. Likelihoods are of labelled graphs: log p of an
adjacency matrix in the order that its nodes are in. The model doesn't care about the order, so a graph
without one has n! / |Aut| times the probability.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
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
from unnoise.domains.graphs.conditions import Asked, Conditions, Told, gathered
from unnoise.domains.graphs.denoiser import frequencies
from unnoise.domains.graphs.fitted import FittedGraphs, Pairs
from unnoise.domains.graphs.model import Network, Noising, graph_model

__all__ = ["GraphGenerator", "Network"]

_FORMAT = "graphs-2"
_FIT = Fit(3_000, batch=32, lr=2e-3, warmup=100, ema=0.998)


class GraphGenerator:
    """A diffusion model of graphs.

    Args:
        noising: what noise does to a graph.
        fit: how to train; None: 3,000 steps of 32 graphs.
        network: its size; None: the default.
        completing: whether it learns to be told a part of a graph, as `complete` needs; under the
            absorbing noise it can without, if graphs have no numbers.
        condition_dropout: the share of training graphs whose conditions are hidden, so that it learns
            the law without them too.

    Raises:
        ValueError: for another noise, or a share that isn't in (0, 1).
    """

    def __init__(
        self,
        noising: Noising | str = Noising.ABSORBING,
        *,
        fit: Fit | None = None,
        network: Network | None = None,
        completing: bool = False,
        condition_dropout: float = 0.15,
    ) -> None:
        if not 0 < condition_dropout < 1:
            raise ValueError(
                f"GraphGenerator: condition_dropout must be in (0, 1), got {condition_dropout}"
            )
        self.noising = Noising(noising)
        self.how = fit or _FIT
        self.network = network or Network()
        self.completing = completing
        self.condition_dropout = condition_dropout
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
        conditions: Asked | None = None,
        seed: int = 0,
        progress: bool = True,
        folder: Path | str | None = None,
        **trainer: Any,
    ) -> GraphGenerator:
        """Learn graphs; anything learned before is forgotten.

        Args:
            graphs: simple and undirected; their nodes may be called anything.
            conditions: names of attributes of the graphs (`graph.graph`), or a list of a value each
                by name. Floats are numbers, strings, integers and booleans are labels.
            seed: of weights, the order of graphs, and noise.
            progress: show a progress bar.
            folder: where a resumable state is kept; the same call goes on from it.
            **trainer: passed on to `lightning.Trainer`.

        Returns:
            The generator.

        Raises:
            TypeError, ValueError: for what is no list of simple undirected graphs, or no condition.
        """
        checked(graphs)
        alphabet = Alphabet.of(graphs)
        values = gathered(graphs, conditions) or {}
        told = Conditions.of(values)
        cond = told.encode(values, len(graphs))
        data = alphabet.encode(graphs).replace(cond=cond)
        sizes = Counter(len(g) for g in graphs)
        labelled: dict[tuple[int, ...], Counter[int]] = {}
        for g, key in zip(graphs, told.labels(cond), strict=False):  # no keys: no labels
            labelled.setdefault(key, Counter())[len(g)] += 1
        with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global stream
            torch.manual_seed(seed)
            model = self._model(alphabet, max(sizes), frequencies(alphabet, data), told)
        how = replace(self.how, batch=min(self.how.batch, len(graphs)))
        self._history = fit(model, data, how, folder, seed=seed, progress=progress, **trainer)
        self._fitted = FittedGraphs(model.eval(), alphabet, dict(sizes), told, labelled)
        return self

    def sample(
        self, n: int, nodes: int | Sequence[int] | None = None, seed: int = 0, nfe: int = 24,
        given: Mapping[str, Any] | None = None, guidance: float = 1.0,
    ) -> list[nx.Graph]:  # fmt: skip
        """n graphs. The k-th depends on the seed, on k and on its size, not on how many are drawn.

        Args:
            n: how many.
            nodes: of all of them, or of each; None: as frequent as in training, among graphs of the
                same labels. More than any training graph had is allowed, and is a guess.
            seed: of all randomness.
            nfe: evaluations of the network.
            given: all conditions by name, one for all graphs or a list of one each; None: the law of
                all graphs.
            guidance: 1: the law given the conditions; above 1 they are heeded more, 0: not at all.

        Raises:
            ValueError: if n or nodes is less than 1, there aren't n numbers of nodes, nfe is less
                than 2, or for conditions that weren't learned, or are missing.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        if n < 1:
            raise ValueError(f"sample: n must be at least 1, got {n}")
        cond = self._cond(fitted, given, guidance, n)
        if nodes is None:
            sizes = fitted.draw_sizes(n, seed, cond)
        else:
            sizes = [nodes] * n if isinstance(nodes, int) else list(nodes)
        if len(sizes) != n or min(sizes) < 1:
            raise ValueError(f"sample: nodes must be {n} numbers of at least 1, got {nodes}")
        return fitted.sample(sizes, seed, nfe, cond, guidance)

    def complete(
        self, graph: nx.Graph, unknown: Pairs, n: int = 1, seed: int = 0, nfe: int = 24,
        given: Mapping[str, Any] | None = None, guidance: float = 1.0,
    ) -> list[nx.Graph]:  # fmt: skip
        """n times the graph with the unknown pairs drawn given all others, and its nodes' kinds.

        Args:
            graph: what is known; edges between unknown pairs are not looked at.
            unknown: pairs of nodes that may or may not be joined.
            n: how many answers.
            seed, nfe, given, guidance: as in `sample`.

        Raises:
            ValueError: if the generator wasn't made to complete, a pair isn't of the graph, or as
                `sample` for conditions.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        if not (self.completing or self.noising is Noising.ABSORBING):
            raise ValueError(
                "complete: this generator wasn't trained to be told a part of a graph; make it with completing=True, or noising='absorbing'"
            )
        if fitted.alphabet.scales() and not self.completing:
            raise ValueError(
                "complete: these graphs have numbers, which a generator has to be trained to be told; make it with completing=True"
            )
        checked([graph])
        cond = self._cond(fitted, given, guidance, n)
        return fitted.complete([graph] * n, [list(unknown)] * n, seed, nfe, cond, guidance)

    def log_prob(
        self, graphs: Sequence[nx.Graph], draws: int = 64, seed: int = 0,
        given: Asked | None = None,
    ) -> LikelihoodResult:  # fmt: skip
        """A lower bound on log p of labelled graphs in nats, log p(n) included; -inf for a number of
        nodes that no training graph had. A dimension is a pair of nodes, a node's kind, or a number that is
        there; of graphs with numbers p is a density in their units.

        Args:
            graphs: of the kinds that were learned.
            draws: evaluations for each.
            seed: of all randomness.
            given: conditions, as in `fit`, or one value for all graphs; None: of the law of all.

        Raises:
            TypeError, ValueError: as `fit`, or for a kind or a condition that wasn't learned.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        checked(graphs)
        cond = fitted.conditions.encode(gathered(graphs, given), len(graphs))
        return fitted.log_prob(graphs, draws, seeded(seed), cond=cond)

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
            "condition_dropout": self.condition_dropout,
            "conditions": fitted.conditions.to_json(),
            "labelled": [[key, sorted(law.items())] for key, law in fitted.labelled.items()],
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
            about["noising"], network=Network(**about["network"]), completing=about["completing"],
            condition_dropout=about["condition_dropout"],
        )  # fmt: skip
        told = Conditions.from_json(about["conditions"])
        alphabet, sizes = Alphabet.from_json(about["alphabet"]), dict(about["sizes"])
        even = {k: torch.ones(n) / n for k, n in alphabet.levels().items()}
        with torch.random.fork_rng(devices=[]):
            model = made._model(alphabet, max(sizes), even, told)
        model.load(path)
        labelled = {tuple(key): dict(law) for key, law in about["labelled"]}
        made._fitted = FittedGraphs(model.eval(), alphabet, sizes, told, labelled)
        made._history = History(about["history"])
        return made

    def _model(
        self, alphabet: Alphabet, nodes: int, shares: Mapping[str, torch.Tensor], told: Conditions
    ) -> Model:
        make = partial(self.network.make, cond=told.width)
        condition = Told(told) if told.known else None
        model = graph_model(
            alphabet, nodes, shares, make, self.noising, condition, self.condition_dropout
        )
        if self.completing:
            model.objective = Infill(model.objective)
        return model

    def _cond(
        self, fitted: FittedGraphs, given: Mapping[str, Any] | None, guidance: float, n: int
    ) -> dict[str, torch.Tensor]:
        if given is None and guidance != 1:
            raise ValueError(f"guidance {guidance} is towards conditions; tell them as given=...")
        return fitted.conditions.encode(given, n)

    def _require_fitted(self) -> FittedGraphs:
        if self._fitted is None:
            raise RuntimeError(
                "GraphGenerator: nothing learned yet; call fit(graphs), or load(path)"
            )
        return self._fitted
