"""Floors and ceilings: closed forms of the expectations, reference figures, laws of the draws."""

import math
from collections.abc import Callable
from functools import partial

import networkx as nx
import numpy as np
import pytest

from unnoise.domains.graphs.metrics import (
    STATISTICS,
    Spread,
    Statistic,
    describe,
    erdos_renyi,
    floor_ratio,
    graph_mmd,
    perfect_sampler,
    yardstick,
)
from unnoise.domains.task import Score

Published = Callable[[str], dict[str, list[nx.Graph]]]

# emd, in the order of STATISTICS: mean and deviation of 30 draws of as many training as test
# graphs, and one draw of random graphs, from other code
SUBSETS = {
    "com_small GraphGDP": ((0.036, 0.087, 0.0075, 0.120), (0.034, 0.046, 0.009, 0.035)),
    "com_small GDSS": ((0.028, 0.034, 0.0067, 0.079), (0.026, 0.021, 0.007, 0.030)),
    "ego_small GraphGDP": ((0.018, 0.040, 0.010, 0.050), (0.010, 0.022, 0.005, 0.013)),
}
CEILINGS = {
    "com_small GraphGDP": (0.081, 0.850, 0.406, 0.168),
    "com_small GDSS": (0.131, 0.810, 0.388, 0.157),
    "ego_small GraphGDP": (0.098, 0.052, 0.038, 0.100),
    "ego_small GDSS": (0.124, 0.069, 0.036, 0.090),
    "planar": (0.394, 1.915, 1.445, 0.665),
}


def judge(statistic: Statistic) -> partial[Score]:
    return partial(graph_mmd, statistic=statistic)


def expected(statistic: Statistic, test: list[nx.Graph], train: list[nx.Graph], m: int) -> float:
    """Of m independent draws from the training graphs: the floor + (1 - mean kernel) / m, and
    1 - mean kernel is the mean MMD² of a single one of them against all."""
    real, learnt = describe(test), describe(train)
    singles = [graph_mmd(learnt, learnt[np.array([i])], statistic) for i in range(len(train))]
    return graph_mmd(real, learnt, statistic).value + np.mean([s.value for s in singles]) / m


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_perfect_sampler_has_its_expected_value(statistic: Statistic) -> None:
    test, train = ([nx.gnp_random_graph(9, 0.4, seed=s + i) for i in range(12)] for s in (0, 50))
    found = perfect_sampler(
        judge(statistic), describe(test), describe(train), 7, np.random.default_rng(0), 400
    ).mean
    assert found.stderr is not None
    assert abs(found.value - expected(statistic, test, train, 7)) < 4 * found.stderr


@pytest.mark.parametrize("name", SUBSETS)
def test_perfect_samplers_of_published_sets_score_as_the_reference(
    name: str, published: Published
) -> None:
    """Means within three of the standard errors of the reference's 30 draws, and the rounding;
    deviations within three of theirs, 1 / sqrt(2 (k - 1)) of it for k draws of a normal law."""
    parts = published(name)
    test, train = describe(parts["test"]), describe(parts["train"])
    draw = np.random.default_rng(0)
    for statistic, mean, sd in zip(STATISTICS, *SUBSETS[name], strict=True):
        exact = expected(statistic, parts["test"], parts["train"], len(test))
        assert abs(exact - mean) < 3 * sd / math.sqrt(30) + 5e-4
        own = perfect_sampler(judge(statistic), test, train, len(test), draw, 200).sd
        assert abs(own - sd) < 3 * own * math.sqrt(1 / 58 + 1 / 398) + 5e-4


@pytest.mark.parametrize("name", CEILINGS)
def test_random_graphs_like_published_sets_score_as_the_reference(
    name: str, published: Published
) -> None:
    """Its single draw lies within three deviations of ours, and the rounding."""
    parts = published(name)
    real, draw = describe(parts["test"]), np.random.default_rng(0)
    lists = [describe(erdos_renyi(parts["train"], len(parts["train"]), draw)) for _ in range(20)]
    for statistic, value in zip(STATISTICS, CEILINGS[name], strict=True):
        own = Spread(tuple(graph_mmd(real, made, statistic).value for made in lists))
        assert abs(own.mean.value - value) < 3 * own.sd * math.sqrt(1 + 1 / 20) + 5e-4


def test_random_graphs_have_the_sizes_and_the_density_of_their_models() -> None:
    like = [nx.path_graph(4), nx.complete_graph(10)]
    graphs = erdos_renyi(like, 4000, np.random.default_rng(0))
    sizes = [len(graph) for graph in graphs]
    assert set(sizes) == {4, 10}
    assert abs(sizes.count(10) / 4000 - 0.5) < 4 * math.sqrt(0.25 / 4000)
    pairs = sum(n * (n - 1) // 2 for n in sizes)
    density = (3 + 45) / (6 + 45)
    edges = sum(graph.number_of_edges() for graph in graphs)
    assert abs(edges / pairs - density) < 4 * math.sqrt(density * (1 - density) / pairs)


def test_a_yardstick_is_ordered_and_the_same_for_the_same_seed() -> None:
    """A test set that is the training set has floor 0, which eight draws of it don't reach."""
    train = [nx.complete_graph(n) for n in (4, 5, 6, 7)] + [nx.star_graph(5), nx.star_graph(7)]
    first, second = (
        yardstick(judge("clustering"), train, train, 8, np.random.default_rng(3), 20)
        for _ in range(2)
    )
    assert first == second
    assert first.floor.value == pytest.approx(0, abs=1e-15)
    assert 0 < first.perfect.mean.value < first.ceiling.mean.value


def test_the_mean_of_a_spread_has_the_standard_error_of_a_mean() -> None:
    spread = Spread((1.0, 2.0, 3.0, 6.0))
    assert spread.sd == pytest.approx(math.sqrt(14 / 3))
    assert spread.mean == Score(3.0, spread.sd / 2)


def test_ratios_are_means_of_quotients() -> None:
    values = {"a": Score(0.3, 0.01), "b": Score(0.5, 0.2)}
    floors = {"a": Score(0.1), "b": Score(0.5)}
    ratio = floor_ratio(values, floors)
    assert ratio.value == pytest.approx(2)
    assert ratio.stderr == pytest.approx((0.1 + 0.4) / 2)


def test_wrong_arguments_are_named() -> None:
    paths = describe([nx.path_graph(3)])
    with pytest.raises(ValueError, match="need at least 1 and 2, got 1 and 1"):
        perfect_sampler(judge("orbit"), paths, paths, 1, np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match="like: need at least one graph"):
        erdos_renyi([], 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"need the same metrics, got \['a'\] and \['b'\]"):
        floor_ratio({"a": Score(1.0)}, {"b": Score(1.0)})
    with pytest.raises(ValueError, match="floors: a aren't positive"):
        floor_ratio({"a": Score(1.0)}, {"a": Score(-0.1)})
