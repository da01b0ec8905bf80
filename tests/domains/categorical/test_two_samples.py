"""Distances of two sets, and divergences: closed forms, enumeration, and unbiasedness."""

import math
from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.categorical.baselines import Independent
from unnoise.domains.categorical.graycode import CODES
from unnoise.domains.categorical.metrics import (
    energy_distance,
    hamming_counts,
    in_rounds,
    kl_to_joint,
    mean_score,
    mmd_hamming,
    two_sample_floor,
)
from unnoise.domains.task import Score

States = Callable[[list[int]], Tensor]


def bernoulli(n: int, p: Tensor, seed: int) -> Tensor:
    return (torch.rand(n, len(p), generator=seeded(seed)) < p).long()


def law(*p: float) -> Tensor:
    return torch.tensor(p, dtype=torch.float64)


def mean_over_all_samples(
    statistic: Callable[[Tensor, Tensor], Score], support: Tensor, p: Tensor, q: Tensor
) -> float:
    """Its expectation over two rows of p against two rows of q, by listing all four."""
    total = 0.0
    for a, b, c, d in product(range(len(support)), repeat=4):
        chance = float(p[a] * p[b] * q[c] * q[d])
        total += chance * statistic(support[[a, b]], support[[c, d]]).value
    return total


# --- Hamming MMD ---------------------------------------------------------------------------------


def test_hamming_counts_are_those_of_a_loop() -> None:
    x = torch.stack([torch.randint(0, s, (600,), generator=seeded(s)) for s in (2, 5, 1, 9)], 1)
    y = x[:37].flip(0) * torch.tensor([1, 0, 1, 1])
    distance = (x[:, None] != y).sum(-1)
    assert hamming_counts(x, y).tolist() == distance.flatten().bincount(minlength=5).tolist()


def test_mmd_is_the_u_statistic_of_a_loop() -> None:
    x, y = (torch.randint(0, 3, (n, 4), generator=seeded(n)) for n in (7, 5))

    def k(a: Tensor, b: Tensor) -> float:
        return math.exp(-0.3 * int((a != b).sum()))

    xx = [k(x[i], x[j]) for i, j in product(range(7), repeat=2) if i != j]
    yy = [k(y[i], y[j]) for i, j in product(range(5), repeat=2) if i != j]
    xy = [k(a, b) for a in x for b in y]
    exact = sum(xx) / 42 + sum(yy) / 20 - 2 * sum(xy) / 35
    assert mmd_hamming(x, y, 0.3).value == pytest.approx(exact, rel=1e-12)
    assert mmd_hamming(y, x, 0.3).value == pytest.approx(exact, rel=1e-12)


def test_mmd_is_unbiased(states: States) -> None:
    """Its mean over all samples is the closed form for laws of independent columns."""
    support = states([2, 3])
    first, second = law(0.3, 0.7), law(0.2, 0.5, 0.3)
    other, third = law(0.9, 0.1), law(0.6, 0.1, 0.3)
    p, q = torch.outer(first, second).flatten(), torch.outer(other, third).flatten()

    def expected_kernel(a: list[Tensor], b: list[Tensor]) -> float:
        factors = (
            1 - (1 - math.exp(-0.5)) * (1 - float(u @ v)) for u, v in zip(a, b, strict=True)
        )
        return math.prod(factors)

    a, b = [first, second], [other, third]
    exact = expected_kernel(a, a) + expected_kernel(b, b) - 2 * expected_kernel(a, b)
    mmd = partial(mmd_hamming, bandwidth=0.5)
    assert mean_over_all_samples(mmd, support, p, q) == pytest.approx(exact, rel=1e-12)
    assert mean_over_all_samples(mmd, support, p, p) == pytest.approx(0, abs=1e-15)


def test_mmd_of_many_independent_bits() -> None:
    p, q = torch.linspace(0.1, 0.9, 32), torch.linspace(0.3, 0.6, 32)
    score = in_rounds(mmd_hamming, bernoulli(8000, p, 1), bernoulli(8000, q, 2), rounds=8)

    def kernel(a: Tensor, b: Tensor) -> float:
        return float((1 - (1 - math.exp(-0.1)) * (a * (1 - b) + b * (1 - a))).prod())

    exact = kernel(p, p) + kernel(q, q) - 2 * kernel(p, q)
    assert score.stderr is not None and score.stderr < exact / 20
    assert abs(score.value - exact) < 4 * score.stderr


def test_mmd_does_not_see_names_of_levels_nor_constant_columns() -> None:
    x, y = (torch.randint(0, 4, (50, 3), generator=seeded(s)) for s in (0, 1))
    name = torch.tensor([2, 0, 3, 1])
    same = mmd_hamming(name[x], name[y])
    assert same == mmd_hamming(x, y)
    constant = torch.full((50, 1), 6)
    more = mmd_hamming(torch.cat([x, constant], 1), torch.cat([constant, y], 1)[:, [1, 2, 3, 0]])
    assert more.value == pytest.approx(same.value, rel=1e-10)


def test_mmd_of_the_spirals_bits_has_the_references_floor_and_baselines() -> None:
    """The reference, 1e-4: one round of 4,000 rows .41, independent bits 1.98 (+- .3), uniform
    bits 169."""
    code = CODES["2spirals"]
    draws = (code.sample(40_000, seeded(1)), code.sample(20_000, seeded(2)))
    rounds = in_rounds(mmd_hamming, draws[0][:20_000], draws[1], 5)
    assert rounds.stderr is not None
    assert abs(rounds.value) < 4 * 0.41e-4 / 5**0.5
    assert rounds.stderr * 5**0.5 == pytest.approx(0.41e-4, rel=0.8)  # 4 degrees of freedom
    bits = Independent.fit(draws[0], [2] * 32).sample(20_000, seeded(3))
    blind = in_rounds(mmd_hamming, bits, draws[1], 5)
    assert blind.stderr is not None
    assert blind.value == pytest.approx(1.98e-4, abs=0.3e-4 + 3 * blind.stderr)
    uniform = torch.randint(0, 2, (4000, 32), generator=seeded(4))
    assert mmd_hamming(uniform, draws[1][:4000]).value == pytest.approx(169e-4, rel=0.05)


def test_mmd_says_what_does_not_fit() -> None:
    x = torch.zeros(3, 2, dtype=torch.long)
    with pytest.raises(ValueError, match="need at least two rows each, got 3 and 1"):
        mmd_hamming(x, x[:1])
    with pytest.raises(ValueError, match="bandwidth: need more than 0, got 0"):
        mmd_hamming(x, x, 0)
    with pytest.raises(ValueError, match=r"need \(N, D\) and \(M, D\), got \(3, 2\), \(3, 1\)"):
        mmd_hamming(x, x[:, :1])
    with pytest.raises(ValueError, match="column 1 holds -1"):
        mmd_hamming(x, torch.tensor([[0, -1], [0, 0]]))


# --- energy distance -----------------------------------------------------------------------------


def test_energy_distance_is_unbiased() -> None:
    support = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    p, q = law(0.5, 0.2, 0.3), law(0.1, 0.6, 0.3)
    far = math.sqrt(18)
    distance = torch.stack([law(0, 5, 1), law(5, 0, far), law(1, far, 0)])
    exact = 2 * p @ distance @ q - p @ distance @ p - q @ distance @ q
    found = mean_over_all_samples(energy_distance, support, p, q)
    assert found == pytest.approx(float(exact), rel=1e-12)
    assert mean_over_all_samples(energy_distance, support, p, p) == pytest.approx(0, abs=1e-14)


def test_energy_distance_of_normal_points() -> None:
    """|a - b| is Rician: with a shift s, E = sqrt(pi) L(-s^2 / 4), L the Laguerre function 1/2."""
    from scipy.special import eval_laguerre

    a = torch.randn(8000, 2, generator=seeded(0))
    b = torch.randn(8000, 2, generator=seeded(1)) + torch.tensor([1.0, 0.0])
    exact = 2 * math.sqrt(math.pi) * (float(eval_laguerre(0.5, -0.25)) - 1)
    score = in_rounds(energy_distance, a, b, rounds=8)
    assert score.stderr is not None and score.stderr < exact / 20
    assert abs(score.value - exact) < 4 * score.stderr


def test_energy_distance_keeps_close_points_apart() -> None:
    """Far from the origin a matrix product would lose a distance of 1e-6."""
    a = torch.full((40, 2), 1e3).double()
    b = a + torch.tensor([1e-6, 0.0])
    assert energy_distance(a, b).value == pytest.approx(2e-6, rel=1e-6)


def test_energy_distance_says_what_does_not_fit() -> None:
    a = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"b: need at least two points \(N, d\), got \(1, 2\)"):
        energy_distance(a, a[:1])
    with pytest.raises(ValueError, match="a: holds NaN or infinite"):
        energy_distance(a / 0, a)
    with pytest.raises(ValueError, match="need equal dimensions, got 2 and 1"):
        energy_distance(a, a[:, :1])


# --- rounds and floors ---------------------------------------------------------------------------


def gap(x: Tensor, y: Tensor) -> Score:
    return Score(float(x.double().mean() - y.double().mean()))


def test_rounds_are_disjoint_parts_in_order() -> None:
    x, y = torch.tensor([1.0, 3.0, 5.0, 7.0]), torch.tensor([0.0, 1.0])
    score = in_rounds(gap, x, y, rounds=2)  # 2 - 0 and 6 - 1
    assert score.value == 3.5
    assert score.stderr == pytest.approx(1.5, rel=1e-14)
    assert in_rounds(gap, x, y, rounds=1) == Score(3.5, None)
    assert mean_score(torch.tensor([1, 2, 6])).stderr == pytest.approx(math.sqrt(7 / 3))
    with pytest.raises(ValueError, match="rounds: need 1 to 2, the rows there are, got 3"):
        in_rounds(gap, x, y, rounds=3)


def test_a_floor_takes_different_rows_of_the_sizes_asked_for() -> None:
    seen = []

    def note(x: Tensor, y: Tensor) -> Score:
        seen.append((x.tolist(), y.tolist()))
        return Score(float(len(x)))

    assert two_sample_floor(note, torch.arange(10), 3, 6, seeded(0), rounds=4) == Score(3.0, 0.0)
    assert all(len(x) == 3 and len(y) == 6 and len({*x, *y}) == 9 for x, y in seen)
    assert len({str(pair) for pair in seen}) == 4
    with pytest.raises(ValueError, match=r"real: need 5 \+ 6 different rows, got 10"):
        two_sample_floor(note, torch.arange(10), 5, 6, seeded(0))


def test_the_floor_of_an_unbiased_statistic_is_zero() -> None:
    x = bernoulli(2000, torch.linspace(0.1, 0.9, 8), 0)
    score = two_sample_floor(mmd_hamming, x, 200, 300, seeded(1), rounds=30)
    assert score.stderr is not None and abs(score.value) < 4 * score.stderr


# --- divergence ----------------------------------------------------------------------------------


def test_divergence_from_independent_columns_is_the_information(toy: Tensor) -> None:
    apart = toy.sum(1, keepdim=True) * toy.sum(0, keepdim=True)
    assert kl_to_joint(toy.log(), apart.log()) == pytest.approx(0.3033244538, abs=1e-10)
    uniform = torch.full_like(toy, 1 / 9).log()
    entropy = math.log(9) - kl_to_joint(toy.log(), uniform)
    assert entropy == pytest.approx(1.8553889767, abs=1e-10)
    assert kl_to_joint(toy.log(), toy.log()) == 0


def test_divergence_of_impossible_states() -> None:
    half = torch.tensor([0.5, 0.5, 0.0]).log()
    other = torch.tensor([0.5, 0.0, 0.5]).log()
    assert kl_to_joint(half, torch.tensor([0.25, 0.25, 0.5]).log()) == pytest.approx(math.log(2))
    assert kl_to_joint(half, half) == 0  # 0 log 0 / 0
    assert kl_to_joint(half, other) == math.inf


def test_divergence_says_what_does_not_fit() -> None:
    p = law(0.5, 0.5).log()
    with pytest.raises(ValueError, match=r"need the same states, got \(2,\) and \(1,\)"):
        kl_to_joint(p, p[:1])
    with pytest.raises(ValueError, match="log_p: its probabilities sum to 0.5, not to 1"):
        kl_to_joint(p[:1], p[:1])
    with pytest.raises(ValueError, match="hold NaN"):
        kl_to_joint(p, p * math.nan)
