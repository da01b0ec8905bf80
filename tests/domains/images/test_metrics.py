"""Every metric against a closed form, a brute-force loop, or an exact invariance."""

import math
from collections.abc import Callable
from itertools import product
from statistics import mean, stdev

import pytest
import torch
from torch import Tensor

from unnoise.domains.images.metrics import (
    class_agreement,
    frechet_distance,
    kernel_distance,
    mmd_squared,
    precision_recall,
    sliced_wasserstein,
    unit_directions,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rotation(d: int) -> Tensor:
    q: Tensor = torch.linalg.qr(normal(d, d, seed=99)).Q
    return q


def with_moments(n: int, mean: Tensor, root: Tensor, seed: int) -> Tensor:
    """n rows whose sample mean and covariance are exactly `mean` and `root.T @ root`."""
    x = normal(n, len(mean), seed=seed)
    white: Tensor = torch.linalg.qr(x - x.mean(0)).Q * math.sqrt(n - 1)
    return mean + white @ root


# --- sliced Wasserstein --------------------------------------------------------------------------


def test_sliced_wasserstein_of_a_shift() -> None:
    x, shift = normal(50, 3, 2, 2), normal(3, 2, 2, seed=1)
    exact = (unit_directions(64, 12, seed=5) @ shift.flatten()).square().mean().sqrt()
    assert sliced_wasserstein(x, x + shift, 64, seed=5) == pytest.approx(exact.item(), rel=1e-12)
    # on average |shift| / sqrt(d): for equal entries, the shift of a pixel
    many = sliced_wasserstein(x, x - 0.3, projections=20_000)
    assert many == pytest.approx(0.3, rel=0.02)  # five standard errors, sqrt(1/2 / 20,000) each


def test_sliced_wasserstein_in_one_dimension() -> None:
    x = normal(200, 1)
    assert sliced_wasserstein(x, 3 * x, 1) == pytest.approx(2 * x.square().mean().sqrt().item())
    # F_a^-1 = 0, 1 on halves, F_b^-1 = 0, 0, 1 on thirds: they differ on (1/2, 2/3)
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    assert sliced_wasserstein(a, b, 1) == pytest.approx(math.sqrt(1 / 6), rel=1e-12)


def test_sliced_wasserstein_of_unequal_sizes_is_that_of_repeated_points() -> None:
    a, b = normal(7, 4), normal(5, 4, seed=1)
    repeated = sliced_wasserstein(a.repeat(5, 1), b.repeat(7, 1))
    assert sliced_wasserstein(a, b) == pytest.approx(repeated, rel=1e-12)
    assert sliced_wasserstein(a, a.repeat(3, 1).flip(0)) == pytest.approx(0, abs=1e-12)


def test_sliced_wasserstein_is_a_metric_on_sets() -> None:
    a, b, c = (normal(20, 4, seed=s) * (s + 1) for s in range(3))
    assert sliced_wasserstein(a, a) == 0
    assert sliced_wasserstein(a, a.flip(0)) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(a, b) == pytest.approx(sliced_wasserstein(b, a), rel=1e-14)
    assert sliced_wasserstein(a, c) <= sliced_wasserstein(a, b) + sliced_wasserstein(b, c)
    assert sliced_wasserstein(a, b, seed=1) != sliced_wasserstein(a, b, seed=2)


# --- Fréchet distance ----------------------------------------------------------------------------


def test_frechet_distance_of_commuting_covariances() -> None:
    p, q, turn = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([3.0, 0.1, 0.5]), rotation(3)
    mean = torch.tensor([1.0, -2.0, 0.5]).double()
    a = with_moments(40, torch.zeros(3).double(), p.diag() @ turn, seed=1)
    b = with_moments(60, mean, q.double().diag() @ turn, seed=2)
    exact = mean.square().sum() + (p - q).square().sum()
    assert frechet_distance(a, b) == pytest.approx(exact.item(), rel=1e-12)


def test_frechet_distance_of_any_two_covariances() -> None:
    # for 2 x 2, tr (A B)^1/2 = sqrt(tr A B + 2 sqrt(det A B)), by Cayley-Hamilton
    roots, zero = (normal(2, 2, seed=3), normal(2, 2, seed=4)), torch.zeros(2).double()
    a, b = (with_moments(30 + s, zero, root, seed=s) for s, root in enumerate(roots))
    first, second = (root.T @ root for root in roots)
    both = first @ second
    cross = (both.trace() + 2 * both.det().sqrt()).sqrt()
    exact = first.trace() + second.trace() - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(exact.item(), rel=1e-12)


def test_frechet_distance_of_draws_is_near_that_of_their_laws() -> None:
    # scales 1 and 2 of N(0, I): d (2 - 1)^2; standard errors of the sds 1 and 2 over sqrt(2 n)
    n, d = 50_000, 4
    value = frechet_distance(normal(n, d), 2 * normal(n, d, seed=1))
    stderr = 2 * math.sqrt(d * (1 + 4) / (2 * n))
    assert abs(value - d) < 5 * stderr


@pytest.mark.parametrize("rows", [4, 300])
def test_frechet_distance_of_singular_covariances(rows: int) -> None:
    """Fewer rows than features, or dead ones: 0 for equal sets, |shift|^2 for a shift."""
    x = torch.cat([normal(rows, 6), torch.ones(rows, 2).double(), normal(rows, 6)], 1)
    shift = normal(14, seed=1)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-12)
    exact = shift.square().sum().item()
    assert frechet_distance(x, x + shift) == pytest.approx(exact, rel=1e-12)


def test_frechet_distance_is_invariant_under_rotation() -> None:
    a, b, turn = normal(50, 5), 2 * normal(70, 5, seed=1) + 1, rotation(5)
    value = frechet_distance(a, b)
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(value, rel=1e-12)
    assert frechet_distance(b, a) == pytest.approx(value, rel=1e-12)


# --- kernel distance -----------------------------------------------------------------------------


def brute_mmd(x: Tensor, y: Tensor) -> float:
    def k(p: Tensor, q: Tensor) -> float:
        return (float(p @ q) / len(p) + 1) ** 3

    n, m = len(x), len(y)
    xx = [k(x[i], x[j]) for i, j in product(range(n), repeat=2) if i != j]
    yy = [k(y[i], y[j]) for i, j in product(range(m), repeat=2) if i != j]
    xy = [k(p, q) for p in x for q in y]
    return sum(xx) / len(xx) + sum(yy) / len(yy) - 2 * sum(xy) / len(xy)


def test_kernel_distance_is_the_mean_of_brute_force_blocks() -> None:
    x, y = normal(3, 2), normal(4, 2, seed=1) + 1
    assert mmd_squared(x, y) == pytest.approx(brute_mmd(x, y), rel=1e-12)
    fa, fb, generator = normal(6, 2), normal(9, 2, seed=1), torch.Generator().manual_seed(7)
    dealt = (f[torch.randperm(len(f), generator=generator)].tensor_split(3) for f in (fa, fb))
    blocks = [brute_mmd(p, q) for p, q in zip(*dealt, strict=True)]
    value, stderr = kernel_distance(fa, fb, block=2, seed=7)
    assert value == pytest.approx(mean(blocks), rel=1e-12)
    assert stderr == pytest.approx(stdev(blocks) / math.sqrt(3), rel=1e-12)


def test_kernel_distance_of_two_points() -> None:
    fa, fb = torch.tensor([[1.0, 0.0]]).repeat(8, 1), torch.tensor([[0.0, 2.0]]).repeat(12, 1)
    # k(a, a) = 1.5^3, k(b, b) = 3^3, k(a, b) = 1; every block is alike
    value, stderr = kernel_distance(fa, fb)
    assert value == pytest.approx(1.5**3 + 3**3 - 2) and stderr == 0


def test_kernel_distance_is_unbiased_and_knows_its_error() -> None:
    seeds = range(0, 800, 2)
    draws = [kernel_distance(normal(100, 3, seed=s), normal(80, 3, seed=s + 1)) for s in seeds]
    values, stderrs = zip(*draws, strict=True)
    spread = stdev(values)
    assert abs(mean(values)) < 4 * spread / math.sqrt(len(values))
    # E[stderr^2] is the variance of the value: blocks are independent
    assert math.sqrt(mean(e**2 for e in stderrs)) == pytest.approx(spread, rel=0.15)


def test_kernel_distance_does_not_mind_sorted_rows() -> None:
    labels = torch.arange(10).repeat_interleave(20).double()[:, None]
    value, stderr = kernel_distance(labels + 0.1 * normal(200, 1), labels.flip(0))
    assert abs(value) < 4 * stderr


# --- precision and recall ------------------------------------------------------------------------


def brute_precision_recall(real: Tensor, fake: Tensor, k: int) -> tuple[float, float]:
    def share(points: Tensor, centres: Tensor) -> float:
        def radius(i: int) -> float:
            others = [math.dist(centres[i], c) for j, c in enumerate(centres) if j != i]
            return sorted(others)[k - 1]

        radii = [radius(i) for i in range(len(centres))]
        covered = [
            any(math.dist(p, c) <= r for c, r in zip(centres, radii, strict=True)) for p in points
        ]
        return sum(covered) / len(points)

    return share(fake, real), share(real, fake)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_recall_equals_brute_force(k: int) -> None:
    real, fake = normal(25, 2), 1.5 * normal(18, 2, seed=1)
    assert precision_recall(real, fake, k) == pytest.approx(brute_precision_recall(real, fake, k))


def test_precision_recall_of_a_tie_is_exact() -> None:
    grid = torch.tensor([[1.0], [2.0], [4.0]])  # radii for k = 1: 1, 1, 2
    inside, outside = torch.tensor([[0.0], [6.0]]), torch.tensor([[-0.01], [6.01]])
    assert precision_recall(grid, inside, 1)[0] == 1
    assert precision_recall(grid, outside, 1)[0] == 0


def test_precision_recall_of_equal_and_of_disjoint_sets() -> None:
    x = torch.cat(
        [normal(1100, 3), torch.zeros(10, 3).double()]
    )  # over two chunks, with equal rows
    assert precision_recall(x, x.flip(0)) == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)


def test_precision_recall_of_dropped_modes() -> None:
    modes = torch.tensor([0.0, 100.0]).double().repeat_interleave(torch.tensor([700, 300]))
    real = normal(1000, 2) + modes[:, None]
    assert precision_recall(real, real[:700]) == (1, 0.7)
    precision, recall = precision_recall(real, normal(700, 2, seed=1))
    assert precision > 0.95 and 0.65 < recall <= 0.7


# --- class agreement -----------------------------------------------------------------------------


def test_class_agreement() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 0.0, 9.0], [5.0, 0.0, 0.0]])
    value, stderr = class_agreement(logits, torch.tensor([0, 1, 2, 1]))
    hits = torch.tensor([1.0, 1.0, 1.0, 0.0]).double()
    assert value == 0.75
    assert stderr == pytest.approx(hits.std().item() / 2)
    assert class_agreement(logits, torch.tensor([0, 1, 2, 0])) == (1, 0)


# --- all -----------------------------------------------------------------------------------------

PAIRS: list[tuple[Callable[[Tensor, Tensor], object], int]] = [
    (sliced_wasserstein, 1),
    (frechet_distance, 2),
    (kernel_distance, 4),
    (precision_recall, 4),
]


@pytest.mark.parametrize(("metric", "least"), PAIRS)
def test_bad_sets_are_refused_by_name(
    metric: Callable[[Tensor, Tensor], object], least: int
) -> None:
    good, bad = normal(20, 4), normal(20, 4)
    bad[3, 1], bad[5, 2] = math.nan, math.inf
    metric(good, good[:least])  # enough
    with pytest.raises(ValueError, match=rf"^f?.*: need at least {least} samples, got shape \("):
        metric(good, good[: least - 1])
    with pytest.raises(ValueError, match=r"^(b|fb|fake): 2 of 80 entries are NaN or infinite"):
        metric(good, bad)
    with pytest.raises(ValueError, match="has 4, .* has 3"):
        metric(good, good[:, :3])


def test_bad_settings_are_refused() -> None:
    x = normal(20, 4)
    for block in (1, 11):
        with pytest.raises(ValueError, match="block: need 2 to 10 for 20 rows"):
            kernel_distance(x, x, block=block)
    with pytest.raises(ValueError, match="projections: need at least 1"):
        sliced_wasserstein(x, x, projections=0)
    with pytest.raises(ValueError, match="k: need at least 1"):
        precision_recall(x, x, k=0)
    with pytest.raises(ValueError, match="labels: need 0 to 3, got -1 to 4"):
        class_agreement(x, torch.tensor([-1, 4]).repeat(10))
    with pytest.raises(ValueError, match=r"labels: need shape \(20,\), got \(3,\)"):
        class_agreement(x, torch.zeros(3))


def test_results_do_not_depend_on_dtype_or_layout() -> None:
    a, b = normal(30, 1, 4, 4).float(), normal(30, 1, 4, 4, seed=1).float()
    for metric, _ in PAIRS:
        assert metric(a, b) == metric(a.double(), b.flatten(1))
