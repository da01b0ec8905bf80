"""Laws of networks, by hand, by enumeration, by sampling, and against known entropies."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from unnoise.data import BayesNet, load_bayesnet

if TYPE_CHECKING:
    from collections.abc import Callable

    from unnoise.data import Source

# A chain with a common effect: rain -> sprinkler, (sprinkler, rain) -> grass, which is dry, damp
# or wet. The grass names its parents in the order that is not theirs.
RAIN = np.array([0.2, 0.8])
SPRINKLER = np.array([[0.01, 0.99], [0.4, 0.6]])  # by rain
GRASS = np.array([[[0, 0.1, 0.9], [0.1, 0.2, 0.7]], [[0, 0.2, 0.8], [1, 0, 0]]])  # sprinkler, rain
GARDEN = BayesNet(
    names=("rain", "sprinkler", "grass"),
    levels=(("yes", "no"), ("on", "off"), ("dry", "damp", "wet")),
    parents=((), (0,), (1, 0)),
    tables=(RAIN, SPRINKLER, GRASS),
)
STATES = np.array(list(product(range(2), range(2), range(3))))

KNOWN = {  # entropies in nats
    "asia": 2.237029,
    "cancer": 2.099781,
    "earthquake": 0.441396,
    "sachs": 7.174573,
    "survey": 3.950149,
}
ESTIMATED = {  # entropy and its standard error, by an independent simulation
    "child": (12.180, 0.008),
    "alarm": (10.420, 0.010),
    "insurance": (13.067, 0.007),
}


def entropy(p: np.ndarray) -> float:
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def test_a_row_has_the_product_of_its_tables() -> None:
    expected = np.array([RAIN[r] * SPRINKLER[r, s] * GRASS[s, r, g] for r, s, g in STATES])
    assert GARDEN.sizes == (2, 2, 3)
    np.testing.assert_allclose(GARDEN.joint().ravel(), expected, rtol=1e-15)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(GARDEN.log_prob(STATES), np.log(expected), rtol=1e-14)
    assert GARDEN.entropy() == pytest.approx(entropy(expected), rel=1e-14)


def test_marginals_are_sums_of_the_joint() -> None:
    joint = GARDEN.joint()
    np.testing.assert_allclose(GARDEN.marginal(2, 0), joint.sum(1).T, rtol=1e-14)
    np.testing.assert_allclose(GARDEN.marginal(1), joint.sum((0, 2)), rtol=1e-14)
    np.testing.assert_allclose(GARDEN.marginal(1, 2, 0), joint.transpose(1, 2, 0), rtol=1e-14)
    assert GARDEN.marginal() == 1


def test_samples_follow_the_joint() -> None:
    n = 200_000
    codes = GARDEN.sample(n, np.random.default_rng(0))
    assert codes.dtype == np.int64
    counts = np.zeros(GARDEN.sizes)
    np.add.at(counts, tuple(codes.T), 1)
    p = GARDEN.joint()
    assert (counts[p == 0] == 0).all()
    squares = (counts - n * p)[p > 0] ** 2 / (n * p[p > 0])
    assert squares.sum() < 30  # chi squared with 8 degrees of freedom: 2e-4


def test_a_seed_is_a_sample() -> None:
    one, two = (GARDEN.sample(50, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", KNOWN)
def test_entropies_that_are_known(here: Callable[[str], Source], name: str) -> None:
    here("bayesnets")
    net = load_bayesnet(name)
    joint = net.joint()
    assert joint.shape == net.sizes
    assert joint.sum() == pytest.approx(1, abs=1e-12)
    assert round(net.entropy(), 6) == KNOWN[name]
    assert net.entropy() == pytest.approx(entropy(joint), rel=1e-12)
    codes = net.sample(500, np.random.default_rng(0))
    np.testing.assert_allclose(net.log_prob(codes), np.log(joint[tuple(codes.T)]), rtol=1e-12)


def test_half_of_asia_is_impossible(here: Callable[[str], Source]) -> None:
    here("bayesnets")
    net = load_bayesnet("asia")
    assert (net.joint() == 0).sum() == 128
    states = np.array(list(product(range(2), repeat=8)))
    assert (net.log_prob(states) == -np.inf).sum() == 128
    assert np.isfinite(net.log_prob(net.sample(5000, np.random.default_rng(0)))).all()


def test_sachs_without_its_edges(here: Callable[[str], Source]) -> None:
    """The entropies of its variables alone, a known figure in bits a dimension."""
    here("bayesnets")
    net = load_bayesnet("sachs")
    alone = sum(entropy(net.marginal(d)) for d in range(11))
    assert alone / (11 * np.log(2)) == pytest.approx(1.228862, abs=5e-7)


@pytest.mark.parametrize("name", ESTIMATED)
def test_entropies_beyond_enumeration(here: Callable[[str], Source], name: str) -> None:
    here("bayesnets")
    net = load_bayesnet(name)
    estimate, stderr = ESTIMATED[name]
    assert abs(net.entropy() - estimate) < 3 * stderr
    codes = net.sample(50_000, np.random.default_rng(0))
    nats = -net.log_prob(codes)
    assert abs(nats.mean() - net.entropy()) < 4 * nats.std() / np.sqrt(len(nats))
    child = len(net.names) - 1
    shares = np.bincount(codes[:, child], minlength=net.sizes[child]) / len(codes)
    np.testing.assert_allclose(shares, net.marginal(child), atol=4 * 0.5 / np.sqrt(len(codes)))


def test_a_table_that_is_too_large_is_refused(here: Callable[[str], Source]) -> None:
    here("bayesnets")
    with pytest.raises(ValueError, match="has 1007769600 entries, more than 16777216; ask for"):
        load_bayesnet("child").joint()


@pytest.mark.parametrize(
    ("codes", "fault"),
    [
        (np.zeros((4, 2), int), r"shape \(4, 2\), not \(N, 3\)"),
        (np.zeros(3, int), r"shape \(3,\), not \(N, 3\)"),
        (np.array([[0, 0, 3]]), r"outside 0 .. size - 1, where the sizes are \(2, 2, 3\)"),
        (np.array([[0, -1, 0]]), "outside 0"),
    ],
)
def test_codes_that_are_no_rows(codes: np.ndarray, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        GARDEN.log_prob(codes)


@pytest.mark.parametrize(
    ("parents", "table", "fault"),
    [
        ((1,), SPRINKLER, r"sprinkler: parents \(1,\) do not all come before 1"),
        ((0,), SPRINKLER[:1], r"sprinkler: a table of shape \(1, 2\), not \(2, 2\)"),
        ((0,), 2 * SPRINKLER, "sprinkler: rows of the table are not probabilities"),
        ((0,), np.array([[1.5, -0.5], [0, 1]]), "rows of the table are not probabilities"),
    ],
)
def test_what_is_no_network(parents: tuple[int, ...], table: np.ndarray, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        BayesNet(GARDEN.names[:2], GARDEN.levels[:2], ((), parents), (RAIN, table))


def test_a_variable_named_twice() -> None:
    with pytest.raises(ValueError, match=r"variables \(0, 0\) are not distinct"):
        GARDEN.marginal(0, 0)
