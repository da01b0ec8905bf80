"""What a model of graphs is scored on: graphs, likelihoods, and what fewer evaluations cost; of the
model, of a perfect sampler, and of random graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from unnoise.core.likelihood import LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.domains.graphs.fitted import FittedGraphs
from unnoise.domains.graphs.metrics import erdos_renyi
from unnoise.domains.graphs.pairs import count
from unnoise.domains.graphs.problem import GraphSet
from unnoise.domains.task import Preset, Splits

__all__ = ["Drawn", "Settings", "model_graphs", "random_graphs", "real_graphs", "written"]


@dataclass(frozen=True)
class Settings:
    """How much to generate: the keywords of `Preset.generate`.

    Attributes:
        samples: graphs drawn.
        nfe: network evaluations of each.
        draws: of the bound, for each test graph.
        tests: test graphs of the bound.
        sweep: graphs drawn at every other cost.
        costs: network evaluations of these.
    """

    samples: int
    nfe: int = 24
    draws: int = 64
    tests: int = 1_000
    sweep: int = 0
    costs: Sequence[int] = (4, 8, 16, 24, 50, 100)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Outputs of a model of graphs; None: not made.

    Attributes:
        graphs: samples.
        bound: of test graphs, log p(graph | n) of labelled graphs, in nats.
        sweep: samples by network evaluations.
        nfe: network evaluations of each sample.
    """

    graphs: Sequence[nx.Graph]
    bound: LikelihoodResult | None = None
    sweep: Mapping[int, Sequence[nx.Graph]] = field(default_factory=dict)
    nfe: int | None = None


def model_graphs(
    model: Model, problem: GraphSet, splits: Splits, preset: Preset, generator: Generator
) -> Drawn:
    """Everything that the report shows of a model."""
    how = Settings(**preset.generate)
    assert isinstance(generator, torch.Generator)
    fitted = FittedGraphs(model, problem.alphabet, problem.sizes)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    sizes = fitted.draw_sizes(how.samples, generator)
    sweep = {
        nfe: fitted.sample(sizes[: how.sweep], seed + 1, nfe)
        for nfe in (how.costs if how.sweep else ())
    }
    tests = problem.test[: how.tests]
    return Drawn(
        fitted.sample(sizes, seed, how.nfe),
        bound=fitted.log_prob(tests, how.draws, generator, sizes=False),
        sweep=sweep,
        nfe=how.nfe,
    )


def real_graphs(problem: GraphSet, preset: Preset) -> Drawn:
    """A perfect sampler that makes every training graph once."""
    return Drawn(problem.train)


def random_graphs(problem: GraphSet, preset: Preset) -> Drawn:
    """Erdős–Rényi graphs of the training graphs' sizes and density."""
    n = Settings(**preset.generate).samples
    return Drawn(erdos_renyi(problem.train, n, np.random.default_rng(0)))


def written(problem: GraphSet, states: Tensor) -> list[nx.Graph]:
    """The graphs of states that are -1 where nothing exists."""
    n = problem.alphabet.size(states.shape[1])
    pairs = (states[:, states.shape[1] - count(n) :] >= 0).sum(1).double()
    sizes = ((1 + (1 + 8 * pairs).sqrt()) / 2).round().long().tolist()
    return problem.alphabet.decode(states.clamp(min=0), sizes)
