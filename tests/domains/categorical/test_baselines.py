"""Baselines against enumeration: every law of few columns can be listed."""

from collections.abc import Callable
from itertools import combinations, pairwise, product

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.categorical.baselines import (
    ChowLiu,
    ColumnMarkov,
    Forest,
    Independent,
    StepMarkov,
    StepUnigram,
    mutual_information,
)
from unnoise.domains.categorical.baselines.counts import pair_counts
from unnoise.domains.categorical.baselines.forest import ROOT, ForestLaw
from unnoise.domains.categorical.metrics import kl_to_joint

States = Callable[[list[int]], Tensor]
LAWS: list[type[Independent] | type[ColumnMarkov] | type[ChowLiu]] = [
    Independent,
    ColumnMarkov,
    ChowLiu,
]
SIZES = [3, 2, 1, 4]  # the third column is constant


def rows(n: int, sizes: list[int], seed: int = 0) -> Tensor:
    """Codes with dependent columns: each is the sum of the one two before it and of noise."""
    noise = [torch.randint(0, s, (n,), generator=seeded(seed, d)) for d, s in enumerate(sizes)]
    for d, size in enumerate(sizes[2:], start=2):
        noise[d] = (noise[d - 2] + (noise[d] == 0).long()) % size
    return torch.stack(noise, 1)


def agree(drawn: Tensor, law: Forest | ForestLaw, listed: Tensor, given: Tensor) -> float:
    """The p-value of rows under the law, conditioned on the states `given` (a mask)."""
    p = law.log_prob(listed).masked_fill(~given, -torch.inf).exp()
    counts = (drawn[:, None] == listed).all(-1).sum(0)
    assert counts[~given].sum() == 0
    expected = len(drawn) * p / p.sum()
    return float(chisquare(counts[given], expected[given]).pvalue)


# --- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
def test_a_baseline_is_normalised(law: type[ChowLiu], states: States) -> None:
    fitted = law.fit(rows(20, SIZES), SIZES)
    total = fitted.log_prob(states(SIZES)).exp().sum()
    assert float(total) == pytest.approx(1, rel=1e-13)


@pytest.mark.parametrize("law", LAWS)
def test_samples_follow_the_law(law: type[ChowLiu], states: States) -> None:
    fitted, listed = law.fit(rows(50, SIZES), SIZES), states(SIZES)
    drawn = fitted.sample(20_000, seeded(1))
    assert agree(drawn, fitted, listed, torch.ones(len(listed), dtype=torch.bool)) > 1e-4


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("columns", [(0,), (3,), (1, 3), (0, 1, 2, 3)])
def test_completions_follow_the_conditional_law(
    law: type[ChowLiu], columns: tuple[int, ...], states: States
) -> None:
    fitted, listed = law.fit(rows(50, SIZES), SIZES), states(SIZES)
    known = torch.tensor([2, 1, 0, 3])
    observed = torch.zeros(20_000, 4, dtype=torch.bool)
    observed[:, list(columns)] = True
    drawn = fitted.complete(known.expand(20_000, 4), observed, seeded(1))
    given = (listed == known)[:, list(columns)].all(1)
    assert (drawn[observed] == known.expand(20_000, 4)[observed]).all()
    assert given.sum() == 1 or agree(drawn, fitted, listed, given) > 1e-4


@pytest.mark.parametrize("law", LAWS)
def test_completions_of_different_patterns_do_not_touch_each_other(law: type[ChowLiu]) -> None:
    """A row's completion is the same, to the bit, whatever is known of the others."""
    x = rows(200, SIZES)
    fitted, observed = law.fit(x, SIZES), torch.rand(200, 4, generator=seeded(3)) < 0.5
    nothing = torch.zeros_like(observed)
    assert torch.equal(fitted.complete(x, nothing, seeded(1)), fitted.sample(200, seeded(1)))
    half = observed.clone()
    half[100:] = False
    both, some = (fitted.complete(x, given, seeded(1)) for given in (observed, half))
    assert torch.equal(both[:100], some[:100])
    assert torch.equal(some[100:], fitted.sample(200, seeded(1))[100:])


@pytest.mark.parametrize("law", LAWS)
def test_renaming_the_levels_changes_no_likelihood(law: type[ChowLiu]) -> None:
    x = rows(60, SIZES)
    names = [torch.randperm(s, generator=seeded(5, d)) for d, s in enumerate(SIZES)]
    renamed = torch.stack([name[x[:, d]] for d, name in enumerate(names)], 1)
    one, two = (law.fit(y, SIZES).log_prob(y) for y in (x, renamed))
    torch.testing.assert_close(one, two, rtol=1e-13, atol=0)


def test_a_baseline_says_what_does_not_fit() -> None:
    x = rows(5, SIZES)
    with pytest.raises(ValueError, match=r"x: column 3 holds 0 to \d, but has the levels 0 to 0"):
        Independent.fit(x, [3, 2, 1, 1])
    with pytest.raises(ValueError, match="x: has 4 columns, but there are 2 sizes"):
        ChowLiu.fit(x, [3, 2])
    with pytest.raises(ValueError, match="need rows of codes"):
        ColumnMarkov.fit(x[:0], SIZES)
    with pytest.raises(TypeError, match=r"need integer codes, got torch\.float32"):
        Independent.fit(x.float(), SIZES)
    with pytest.raises(ValueError, match="add: need more than 0, got 0"):
        Independent.fit(x, SIZES, add=0)
    with pytest.raises(ValueError, match="column 0 holds -1"):
        Independent.fit(x, SIZES).log_prob(torch.tensor([[-1, 0, 0, 0]]))
    with pytest.raises(ValueError, match=r"observed: has shape \(4,\), the codes \(5, 4\)"):
        Independent.fit(x, SIZES).complete(x, torch.ones(4, dtype=torch.bool), seeded(0))


# --- one by one ----------------------------------------------------------------------------------


def test_independent_columns_have_their_smoothed_frequencies() -> None:
    x = torch.tensor([[0, 0], [0, 0], [0, 0], [1, 0]])
    log_p = Independent.fit(x, [3, 1]).forest.log_p
    expected = (torch.tensor([[3.5, 1.5, 0.5]]).double() / 5.5).log()
    torch.testing.assert_close(log_p[0], expected, rtol=1e-14, atol=0)
    assert log_p[1].tolist() == [[0.0]]


def test_pair_counts_are_those_of_a_loop() -> None:
    x = rows(3000, SIZES)  # more than one block
    starts = [0, 3, 5, 6]
    counts = pair_counts(x, SIZES)
    for (d, s), (e, t) in product(enumerate(starts), repeat=2):
        for a, b in product(range(SIZES[d]), range(SIZES[e])):
            assert counts[s + a, t + b] == ((x[:, d] == a) & (x[:, e] == b)).sum()


def test_mutual_information_of_the_toy_law(toy_rows: Tensor) -> None:
    information = mutual_information(toy_rows, [3, 3])
    assert float(information[0, 1]) == pytest.approx(0.3033244538, abs=1e-10)
    assert torch.equal(information, information.T)
    for column in range(2):  # with itself it is the entropy
        p = torch.bincount(toy_rows[:, column]) / 100
        entropy = -float((p * p.log()).sum())
        assert float(information[column, column]) == pytest.approx(entropy, rel=1e-6)


@pytest.mark.parametrize("law", [ColumnMarkov, ChowLiu])
def test_two_columns_are_told_in_full(
    law: type[ChowLiu], toy: Tensor, toy_rows: Tensor, states: States
) -> None:
    """Of independent columns the divergence from the truth is the mutual information."""
    exact = law.fit(toy_rows, [3, 3], add=1e-9).log_prob(states([3, 3]))
    apart = Independent.fit(toy_rows, [3, 3], add=1e-9).log_prob(states([3, 3]))
    truth = toy.flatten().log()
    assert kl_to_joint(truth, exact) == pytest.approx(0, abs=1e-8)
    assert kl_to_joint(truth, apart) == pytest.approx(0.3033244538, abs=1e-8)


def test_the_trees_likelihood_is_its_information_less_the_entropies() -> None:
    sizes = [3, 2, 1, 4, 2]
    x = rows(200, sizes)
    fitted, information = ChowLiu.fit(x, sizes, add=1e-9), mutual_information(x, sizes)
    gained = sum(information[d, p] for d, p in fitted.forest.edges if p != ROOT)
    expected = float(gained - information.diagonal().sum())
    assert float(fitted.log_prob(x).mean()) == pytest.approx(expected, rel=1e-7)


def test_no_tree_is_likelier_than_chow_lius() -> None:
    """Of all trees on five columns, listed."""
    sizes = [3, 2, 2, 4, 2]
    x = rows(100, sizes)
    weight = mutual_information(x, sizes)
    pairs = list(combinations(range(5), 2))
    trees = [t for t in combinations(pairs, 4) if connected(t)]
    assert len(trees) == 125  # Cayley: 5^3
    totals = [sum(float(weight[e]) for e in tree) for tree in trees]
    fitted = ChowLiu.fit(x, sizes, add=1e-9)
    chosen = {(min(e), max(e)) for e in fitted.forest.edges if ROOT not in e}
    assert chosen == set(trees[totals.index(max(totals))])


def connected(edges: tuple[tuple[int, int], ...]) -> bool:
    reached = {0}
    for _ in edges:
        reached |= {b for e in edges if reached & set(e) for b in e}
    return len(reached) == 5


def test_chow_liu_finds_the_tree_that_made_the_rows() -> None:
    edges = [(2, ROOT), (0, 2), (4, 2), (1, 4), (3, 1)]
    flip = torch.tensor([[0.85, 0.15], [0.2, 0.8]], dtype=torch.float64).log()
    root = torch.tensor([[0.4, 0.6]], dtype=torch.float64).log()
    truth = Forest(edges, (root, flip, flip, flip, flip))
    x = truth.sample(5000, seeded(0))
    fitted = ChowLiu.fit(x, [2] * 5)
    found = {frozenset(e) for e in fitted.forest.edges if ROOT not in e}
    assert found == {frozenset(e) for e in edges if ROOT not in e}
    # twice the log-likelihood ratio is chi-square with 9 degrees of freedom
    ratio = 2 * float((fitted.log_prob(x) - truth.log_prob(x)).sum())
    assert 0 < ratio < 40


def test_trees_of_one_column_and_of_unrelated_columns() -> None:
    one = ChowLiu.fit(torch.tensor([[0], [1], [1]]), [2])
    assert one.forest.edges == ((0, ROOT),)
    grid = torch.tensor(list(product(range(2), range(3), range(1))))  # nothing to tell
    fitted = ChowLiu.fit(grid, [2, 3, 1])
    torch.testing.assert_close(fitted.log_prob(grid).exp(), torch.full((6,), 1 / 6).double())


# --- voices --------------------------------------------------------------------------------------

SONGS = [torch.tensor([[0, 2], [1, 2], [1, 0]]), torch.tensor([[1, 1], [0, 0]])]


def test_step_models_have_their_smoothed_frequencies() -> None:
    unigram, markov = StepUnigram.fit(SONGS, [2, 3], 1), StepMarkov.fit(SONGS, [2, 3], 1)
    frequencies = [torch.tensor([[2, 3]]) + 1, torch.tensor([[2, 1, 2]]) + 1]
    steps = [
        torch.tensor([[0, 1], [1, 1]]) + 1,
        torch.tensor([[0, 0, 0], [1, 0, 0], [1, 0, 1]]) + 1,
    ]
    for voice in range(2):
        for found, counts in (
            (unigram.log_p, frequencies),
            (markov.first, frequencies),
            (markov.log_p, steps),
        ):
            expected = (counts[voice].double() / counts[voice].sum(1, keepdim=True)).log()
            torch.testing.assert_close(found[voice], expected, rtol=1e-14, atol=0)


def test_a_songs_likelihood_is_the_sum_of_its_steps() -> None:
    unigram, markov = StepUnigram.fit(SONGS, [2, 3]), StepMarkov.fit(SONGS, [2, 3])
    song = torch.tensor([[1, 0], [0, 2], [1, 1], [0, 0]])
    alone = chain = 0.0
    for voice in range(2):
        first, then = markov.first[voice][0], markov.log_p[voice]
        path = song[:, voice].tolist()
        alone += sum(float(unigram.log_p[voice][0, now]) for now in path)
        pairs = pairwise(path)
        chain += float(first[path[0]]) + sum(float(then[pair]) for pair in pairs)
    for model, expected in ((unigram, alone), (markov, chain)):
        found = float(model.rows(4).log_prob(song.reshape(1, -1)))
        assert found == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("model", [StepUnigram, StepMarkov])
def test_songs_are_normalised_and_infilled_by_their_law(
    model: type[StepMarkov], states: States
) -> None:
    law, listed = model.fit(SONGS, [2, 3], add=0.5).rows(3), states([2, 3] * 3)
    assert float(law.log_prob(listed).exp().sum()) == pytest.approx(1, rel=1e-13)
    known = torch.tensor([0, 0, 0, 0, 1, 2])  # the last step: it tells of those before it
    observed = torch.tensor([False] * 4 + [True] * 2).expand(20_000, 6)
    drawn = law.complete(known.expand(20_000, 6), observed, seeded(2))
    given = (listed[:, 4:] == known[4:]).all(1)
    assert agree(drawn, law, listed, given) > 1e-4


def test_a_song_of_one_step_has_no_steps() -> None:
    with pytest.raises(ValueError, match="need rows of codes"):
        StepMarkov.fit([torch.tensor([[0, 0]])], [2, 3])
