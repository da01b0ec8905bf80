"""What an MMD must be read between: the floor, a perfect sampler, and random graphs.

- floor: the whole training set in the place of the generated graphs.
- perfect sampler: m graphs drawn from the training set, with replacement, many times. A
  V-statistic of m graphs lies above the floor by (1 - E k) / m on average: what a model with m
  samples is to be compared with. Their spread says how far two perfect models differ.
- ceiling: Erdős–Rényi graphs whose sizes are drawn from the training set's, and whose density is
  that of all its pairs of nodes together.

A model's ratio to the floors, averaged over statistics, is one number to rank by.

References:
    Bergmeister et al. (2024), Efficient and Scalable Graph Generation through Iterative Local
    Expansion, for the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from unnoise.domains.graphs.metrics.statistics import Statistics, describe
from unnoise.domains.task import Score

__all__ = [
    "Judge",
    "Spread",
    "Yardstick",
    "erdos_renyi",
    "floor_ratio",
    "perfect_sampler",
    "yardstick",
]

Judge = Callable[[Statistics, Statistics], Score]  # of real graphs and of those in question


@dataclass(frozen=True)
class Spread:
    """Values of independent draws, at least two."""

    values: tuple[float, ...]

    @property
    def mean(self) -> Score:
        """Their mean and its standard error."""
        return Score(float(np.mean(self.values)), self.sd / math.sqrt(len(self.values)))

    @property
    def sd(self) -> float:
        """The standard deviation of one draw."""
        return float(np.std(self.values, ddof=1))


@dataclass(frozen=True)
class Yardstick:
    """Of one judge: see the module."""

    floor: Score
    perfect: Spread
    ceiling: Spread


def yardstick(
    judge: Judge,
    test: Sequence[nx.Graph],
    train: Sequence[nx.Graph],
    m: int,
    generator: np.random.Generator,
    rounds: int = 30,
) -> Yardstick:
    """Floor, perfect sampler and ceiling of a judge against `test`, the latter two of `m` graphs.

    Args:
        judge: For instance `partial(graph_mmd, statistic="degree", kernel="tv")`.
        test: The real graphs that models are compared with.
        train: What models learn from.
        m: How many graphs a model generates.
        generator: Of the draws.
        rounds: Draws of each.

    Raises:
        ValueError: If a list is empty, `m` is less than 1, or `rounds` less than 2.
    """
    real, learnt = describe(test), describe(train)
    perfect = perfect_sampler(judge, real, learnt, m, generator, rounds)
    random = (judge(real, describe(erdos_renyi(train, m, generator))) for _ in range(rounds))
    return Yardstick(judge(real, learnt), perfect, Spread(tuple(s.value for s in random)))


def perfect_sampler(
    judge: Judge,
    real: Statistics,
    train: Statistics,
    m: int,
    generator: np.random.Generator,
    rounds: int = 30,
) -> Spread:
    """What `m` independent draws from the training set score, so many rounds.

    Raises:
        ValueError: If `m` is less than 1, or `rounds` less than 2.
    """
    if m < 1 or rounds < 2:
        raise ValueError(f"m, rounds: need at least 1 and 2, got {m} and {rounds}")
    draws = (generator.integers(len(train), size=m) for _ in range(rounds))
    return Spread(tuple(judge(real, train[rows]).value for rows in draws))


def erdos_renyi(
    like: Sequence[nx.Graph], count: int, generator: np.random.Generator
) -> list[nx.Graph]:
    """`count` graphs, each of the size of a random one of `like`, each pair of nodes joined with
    the share of such pairs in all of `like`.

    Raises:
        ValueError: For no graph.
    """
    if not len(like):
        raise ValueError("like: need at least one graph")
    sizes = np.array([graph.number_of_nodes() for graph in like])
    pairs = int((sizes * (sizes - 1) // 2).sum())
    density = sum(graph.number_of_edges() for graph in like) / max(pairs, 1)
    graphs = []
    for n in sizes[generator.integers(len(sizes), size=count)].tolist():
        u, v = np.triu_indices(n, 1)
        joined = generator.random(len(u)) < density
        graph = nx.empty_graph(n)
        graph.add_edges_from(zip(u[joined].tolist(), v[joined].tolist(), strict=True))
        graphs.append(graph)
    return graphs


def floor_ratio(values: Mapping[str, Score], floors: Mapping[str, Score]) -> Score:
    """The mean over metrics of value / floor (lower is better, 1 for the training set, no unit).

    The standard error is an upper bound: metrics of the same graphs err together. There is none if
    a value has none.

    Raises:
        ValueError: If the metrics aren't the same, or a floor isn't positive.

    >>> floor_ratio({"a": Score(3.0), "b": Score(1.0)}, {"a": Score(1.0), "b": Score(1.0)})
    Score(value=2.0, stderr=None)
    """
    if not values or set(values) != set(floors):
        raise ValueError(f"need the same metrics, got {sorted(values)} and {sorted(floors)}")
    below = [name for name, floor in floors.items() if not floor.value > 0]
    if below:
        raise ValueError(f"floors: {', '.join(below)} aren't positive; leave them out")
    value = np.mean([values[name].value / floors[name].value for name in values])
    errors = [s.stderr / floors[name].value for name, s in values.items() if s.stderr is not None]
    return Score(float(value), float(np.mean(errors)) if len(errors) == len(values) else None)
