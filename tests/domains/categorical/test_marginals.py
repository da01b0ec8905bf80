"""Total variation of columns and pairs: closed forms, loops, and honest standard errors."""

import math
from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.categorical.metrics import (
    column_tv,
    marginal_tv,
    numeric_tv,
    pair_tv,
    quantile_codes,
    two_sample_floor,
)
from unnoise.domains.task import Score

REAL = torch.tensor([[0, 2], [1, 2], [1, 0], [1, 1]])
MADE = torch.tensor([[0, 0], [0, 3]])  # the level 3 is not among the real ones


def coins(n: int, p: float, d: int, seed: int) -> Tensor:
    return (torch.rand(n, d, generator=seeded(seed)) < p).long()


def test_total_variation_of_columns_by_hand() -> None:
    # (1, 3) / 4 against (1, 0); (1, 1, 2, 0) / 4 against (1, 0, 0, 1) / 2
    assert column_tv(REAL, MADE).tolist() == [0.75, 0.75]
    assert column_tv(MADE, REAL).tolist() == [0.75, 0.75]
    assert marginal_tv(REAL, MADE).value == 0.75
    assert column_tv(REAL, REAL.flip(0)).tolist() == [0, 0]


def test_total_variation_of_pairs_is_that_of_a_loop() -> None:
    sizes = [2, 3, 1, 4]
    sets = []
    for n, seed in ((40, 0), (2500, 1)):
        columns = [torch.randint(0, s, (n,), generator=seeded(seed, s)) for s in sizes]
        sets.append(torch.stack(columns, 1))
    real, made = sets
    values = []
    for d, e in combinations(range(4), 2):
        gaps = [
            abs(
                float(((real[:, d] == a) & (real[:, e] == b)).double().mean())
                - float(((made[:, d] == a) & (made[:, e] == b)).double().mean())
            )
            for a, b in product(range(sizes[d]), range(sizes[e]))
        ]
        values.append(sum(gaps) / 2)
    assert pair_tv(real, made).value == pytest.approx(sum(values) / 6, rel=1e-12)


def test_pairs_see_what_columns_do_not() -> None:
    """Equal bits against opposite ones: the same columns, disjoint pairs."""
    equal, opposite = torch.tensor([[0, 0], [1, 1]]), torch.tensor([[0, 1], [1, 0]])
    assert marginal_tv(equal, opposite).value == 0
    assert pair_tv(equal, opposite).value == 1


def test_the_pair_of_all_columns_is_their_joint_law() -> None:
    """Two columns as one of pairs, and their standard errors, are the same."""
    made = REAL[[0, 0, 1, 2]]
    joint = [(x[:, 0] * 3 + x[:, 1])[:, None] for x in (REAL, made)]
    one, two = marginal_tv(*joint), pair_tv(REAL, made)
    assert two.value == pytest.approx(one.value, rel=1e-13)
    assert one.stderr is not None and two.stderr == pytest.approx(one.stderr, rel=1e-12)


@pytest.mark.parametrize("metric", [marginal_tv, pair_tv])
def test_standard_errors_are_the_deviation_of_repetitions(
    metric: Callable[[Tensor, Tensor], Score],
) -> None:
    """With equal columns in a row, which makes its cells dependent."""
    repeated = []
    for seed in range(200):
        real, made = coins(400, 0.5, 1, 2 * seed), coins(300, 0.7, 1, 2 * seed + 1)
        repeated.append(metric(real.expand(-1, 3), made.expand(-1, 3)))
    values = torch.tensor([s.value for s in repeated])
    assert float(values.mean()) == pytest.approx(0.2, abs=4 * float(values.std()) / 200**0.5)
    told = [s.stderr for s in repeated if s.stderr is not None]
    # the deviation of 200 has a relative error of 5 per cent
    assert sum(told) / 200 == pytest.approx(float(values.std()), rel=0.2)
    assert float(values.std()) == pytest.approx((0.25 / 400 + 0.21 / 300) ** 0.5, rel=0.2)


def test_floor_of_a_column_of_two_levels() -> None:
    """|N(0, s^2)| has the mean s sqrt(2 / pi); at the floor the standard error is 1.66 too large."""
    n, m = 500, 250
    sd = math.sqrt(0.25 / n + 0.25 / m)
    real = coins(20_000, 0.5, 50, 0)
    score = two_sample_floor(marginal_tv, real, n, m, seeded(1), rounds=20)
    assert score.stderr is not None
    # a thousand values of |N|, each with a deviation of .6 s
    assert abs(score.value - sd * math.sqrt(2 / math.pi)) < 4 * 0.6 * sd / 1000**0.5
    told = marginal_tv(real[:n], real[n : n + m]).stderr
    assert told == pytest.approx(sd / 50**0.5, rel=0.5)


def test_numbers_are_compared_over_real_quantiles() -> None:
    real = np.arange(1000) / 1000
    # all mass in the lower half: the upper half of the real ones has no partner
    assert numeric_tv(real, real / 2).value == pytest.approx(0.5, abs=0.002)
    assert numeric_tv(real, real + 5).value == pytest.approx(1, rel=1e-12)
    assert numeric_tv(real, real[::-1]).value == 0
    # increasing functions of both change nothing
    made = real**2
    assert numeric_tv(np.exp(real), np.exp(made)) == numeric_tv(real, made)
    assert numeric_tv(pd.Series(real), pd.Series(made)) == numeric_tv(real, made)


def test_an_atom_is_not_mixed_with_its_neighbours() -> None:
    """Most are exactly 0 in the one, a little more in the other."""
    real = np.array([0.0] * 90 + [5.0] * 10)
    made = np.array([1e-3] * 90 + [5.0] * 10)
    assert numeric_tv(real, made).value == pytest.approx(0.9)
    assert numeric_tv(real, -made).value == pytest.approx(1)


def test_missing_numbers_are_a_level() -> None:
    real, made = quantile_codes([1.0, 2.0, math.nan, 9.0], [math.nan, 3.0, 100.0, -1.0], bins=2)
    assert real.tolist() == [1, 3, 7, 5]
    assert made.tolist() == [7, 4, 6, 0]
    assert numeric_tv([1.0, math.nan], [1.0, 1.0]).value == 0.5


def test_marginals_say_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"need \(N, D\) and \(M, D\), got \(4, 2\) and \(2, 1\)"):
        marginal_tv(REAL, MADE[:, :1])
    with pytest.raises(ValueError, match="real, made: need rows, got 4 and 0"):
        column_tv(REAL, MADE[:0])
    with pytest.raises(ValueError, match="need two columns to make a pair, got 1"):
        pair_tv(REAL[:, :1], MADE[:, :1])
    with pytest.raises(ValueError, match="made: column 1 holds -1"):
        marginal_tv(REAL, torch.tensor([[0, -1]]))
    with pytest.raises(ValueError, match="bins: need at least 2, got 1"):
        numeric_tv([0.0], [0.0], bins=1)
    with pytest.raises(ValueError, match="real: holds no numbers"):
        numeric_tv([math.nan], [0.0])
