"""What a model of graphs is scored on: graphs, likelihoods, and what fewer evaluations cost; of the
model, of a perfect sampler, and of random graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Kind, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator, seeded
from unnoise.domains.graphs.denoiser import frequencies
from unnoise.domains.graphs.fitted import FittedGraphs, draw_sizes
from unnoise.domains.graphs.metrics import Statistics, Vun, describe, valid_unique_novel
from unnoise.domains.graphs.pairs import count
from unnoise.domains.graphs.problem import FLOOR, GraphSet
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
        statistics: theirs.
        shares: of them that are connected, valid, unique, novel.
        bound: of test graphs, log p(graph | n) of labelled graphs, in nats.
        sweep: statistics of samples by network evaluations.
        nfe: network evaluations of each sample.
    """

    graphs: Sequence[nx.Graph]
    statistics: Statistics
    shares: Vun
    bound: LikelihoodResult | None = None
    sweep: Mapping[int, Statistics] = field(default_factory=dict)
    nfe: int | None = None


def model_graphs(
    model: Model, problem: GraphSet, splits: Splits, preset: Preset, generator: Generator
) -> Drawn:
    """Everything that the report shows of a model."""
    how = Settings(**preset.generate)
    assert isinstance(generator, torch.Generator)
    fitted = FittedGraphs(model, problem.alphabet, problem.sizes)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    sizes = draw_sizes(problem.sizes, how.samples, generator)
    sweep = {
        nfe: describe(fitted.sample(sizes[: how.sweep], seed + 1, nfe))
        for nfe in (how.costs if how.sweep else ())
    }
    tests, made = problem.test[: how.tests], fitted.sample(sizes, seed, how.nfe)
    return Drawn(
        made,
        describe(made),
        _shares(problem, made),
        bound=fitted.log_prob(tests, how.draws, generator, sizes=False),
        sweep=sweep,
        nfe=how.nfe,
    )


def real_graphs(problem: GraphSet, preset: Preset) -> Drawn:
    """A perfect sampler that makes training graphs, each once."""
    some = problem.train[:FLOOR]
    return Drawn(some, problem.statistics[0], _shares(problem, some))


def random_graphs(problem: GraphSet, preset: Preset) -> Drawn:
    """Graphs of sizes as in training, whose pairs and nodes are independent draws from the frequencies
    of the training graphs: of plain graphs, Erdős–Rényi graphs."""
    n, generator, alphabet = Settings(**preset.generate).samples, seeded(0), problem.alphabet
    shares = frequencies(alphabet, alphabet.encode(problem.train))
    batch = problem.empty(n, generator)
    parts = [
        torch.multinomial(shares[name], n * width, replacement=True, generator=generator).reshape(
            n, width
        )
        for name, width in alphabet.width(problem.nodes).items()
    ]
    x = torch.cat(parts, 1)
    made = written(problem, x if batch.mask is None else x.masked_fill(~batch.mask, -1))
    tests = problem.test[: Settings(**preset.generate).tests]
    exact = _independent(problem, alphabet.encode(tests, problem.nodes), shares)
    return Drawn(made, describe(made), _shares(problem, made), exact)


def _independent(
    problem: GraphSet, states: Batch, shares: Mapping[str, Tensor]
) -> LikelihoodResult:
    """log p of states whose entries are independent."""
    widths = list(problem.alphabet.width(problem.nodes).values())
    each = [
        law.log()[x] for law, x in zip(shares.values(), states.x.split(widths, 1), strict=True)
    ]
    exists = torch.ones_like(states.x).bool() if states.mask is None else states.mask
    nats = torch.where(exists, torch.cat(each, 1), 0.0).sum(1)
    return LikelihoodResult(nats, exists.sum(1).float(), Kind.EXACT, torch.zeros_like(nats), nfe=0)


def _shares(problem: GraphSet, made: Sequence[nx.Graph]) -> Vun:
    return valid_unique_novel(made, problem.train, problem.family)


def written(problem: GraphSet, states: Tensor) -> list[nx.Graph]:
    """The graphs of states that are -1 where nothing exists."""
    n = problem.alphabet.size(states.shape[1])
    pairs = (states[:, states.shape[1] - count(n) :] >= 0).sum(1).double()
    sizes = ((1 + (1 + 8 * pairs).sqrt()) / 2).round().long().tolist()
    return problem.alphabet.decode(states.clamp(min=0), sizes)
