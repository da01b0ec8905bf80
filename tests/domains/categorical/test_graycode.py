"""The 32-bit code: Gray, invertible, with the published scales, and its entropy summed exactly."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.categorical.densities import DENSITIES
from unnoise.domains.categorical.graycode import BITS, CODES, GrayCode, centres, decode, encode
from unnoise.domains.categorical.planar import Smooth

RANGE = 2**15
CASES = list(CODES.items())


def words(x: Tensor, int_scale: float = 1.0) -> list[str]:
    return ["".join(map(str, row)) for row in encode(x, int_scale).tolist()]


def every_cell() -> Tensor:
    """All 2^16 codes of a coordinate, once as x and once as y: centres at scale 1."""
    a = torch.arange(RANGE, dtype=torch.float64) + 0.5
    line = torch.cat([-a.flip(0), a])
    return torch.stack([line, line.flip(0)], 1)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0.0, "0" + 15 * "0"),
        (-0.0, "0" + 15 * "0"),
        (0.9, "0" + 15 * "0"),
        (-0.9, "1" + 15 * "0"),
        (1.0, "0" + 14 * "0" + "1"),
        (2.0, "0" + 13 * "0" + "11"),
        (3.99, "0" + 13 * "0" + "10"),
        (-4.0, "1" + 12 * "0" + "110"),
        (RANGE / 2 - 1, "0" + "01" + 13 * "0"),
        (RANGE / 2, "0" + "11" + 13 * "0"),
        (RANGE - 1, "0" + "1" + 14 * "0"),
        (-RANGE + 1, "1" + "1" + 14 * "0"),
    ],
)
def test_codes_by_hand(value: float, code: str) -> None:
    x = torch.tensor([[value, 1.0], [1.0, value]], dtype=torch.float64)
    one = 15 * "0" + "1"
    assert words(x) == [code + one, one + code]


def test_the_scale_multiplies_before_truncation() -> None:
    x = torch.tensor([[0.74, -0.76]], dtype=torch.float64)
    assert torch.equal(encode(x, 4.0), encode(torch.tensor([[2.0, -3.0]]), 1.0))


def test_neighbouring_cells_differ_in_one_bit() -> None:
    """Also across zero, where only the sign changes."""
    bits = encode(every_cell(), 1.0).unflatten(1, (2, 16))
    flips = (bits[1:] != bits[:-1]).sum(-1)
    assert (flips == 1).all()
    assert len(bits[:, 0].unique(dim=0)) == 2 * RANGE, "and no code occurs twice"


def test_centres_are_the_inverse_of_encode() -> None:
    x = every_cell()
    assert torch.equal(centres(encode(x, 1.0), 1.0), x)
    for _, code in CASES:
        bits = encode(x, 1.0)
        assert torch.equal(code.encode(centres(bits, code.int_scale)), bits)


def test_every_vector_of_bits_is_a_code() -> None:
    bits = torch.randint(0, 2, (2000, BITS), generator=seeded(0))
    assert torch.equal(encode(centres(bits, 7.0), 7.0), bits)
    assert torch.equal(decode(bits.bool(), 7.0), decode(bits, 7.0))


@pytest.mark.parametrize(("name", "code"), CASES)
def test_a_round_trip_moves_a_point_towards_zero_by_less_than_a_cell(
    name: str, code: GrayCode
) -> None:
    x = code.density.sample(20_000, seeded(1))
    back = code.decode(code.encode(x))
    assert (x.abs() < RANGE / code.int_scale).all(), "no sample is clamped"
    move = (x.abs() - back.abs()) * code.int_scale
    assert ((x * back >= 0) & (move > -1e-9) & (move < 1)).all()
    error = (x - centres(code.encode(x), code.int_scale)).abs() * code.int_scale
    assert error.max() <= 0.5 + 1e-9


def test_points_out_of_range_are_clamped_to_the_outermost_cell() -> None:
    far = torch.tensor([[40_000.0, -math.inf], [-1e300, RANGE]], dtype=torch.float64)
    edge = torch.tensor([[RANGE - 1, 1 - RANGE], [1 - RANGE, RANGE - 1]])
    assert torch.equal(encode(far, 1.0), encode(edge, 1.0))


def test_wrong_points_and_bits_are_rejected() -> None:
    with pytest.raises(ValueError, match="points: 1 of 1 are NaN"):
        encode(torch.tensor([[math.nan, 0.0]]), 1.0)
    with pytest.raises(ValueError, match=r"points: need shape \(n, 2\), got \(1, 3\)"):
        encode(torch.zeros(1, 3), 1.0)
    with pytest.raises(ValueError, match=r"bits: need shape \(n, 32\), got \(1, 16\)"):
        decode(torch.zeros(1, 16), 1.0)
    with pytest.raises(ValueError, match=r"bits: need 0 and 1, got \[0.0, 0.5\]"):
        decode(torch.tensor([[0.5] + 31 * [0.0]]), 1.0)


@pytest.mark.parametrize(
    ("name", "f_scale", "int_scale"),
    [("8gaussians", 5.19478, 5289.62), ("pinwheel", 4.94606, 5510.88)],
)
def test_reproducible_scales_are_those_published(
    name: str, f_scale: float, int_scale: float
) -> None:
    assert round(CODES[name].f_scale, 5) == f_scale
    assert round(CODES[name].int_scale, 2) == int_scale


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("2spirals", 4.43, 4.56), ("circles", 4.61, 5.10), ("moons", 4.40, 4.79),
        ("swissroll", 4.14, 4.47), ("checkerboard", 4.999, 5.0),
    ],
)  # fmt: skip
def test_the_other_scales_are_in_the_range_of_twenty_seeds(
    name: str, low: float, high: float
) -> None:
    assert low <= CODES[name].f_scale <= high


# H of the reference: h, from samples with this standard error, and 2 ln int_scale
@pytest.mark.parametrize(
    ("name", "entropy", "error"),
    [
        ("2spirals", 20.042, 0.005), ("8gaussians", 19.973, 0.007), ("circles", 20.56, 0.006),
        ("moons", 19.70, 0.005), ("pinwheel", 19.516, 0.015), ("swissroll", 20.15, 0.006),
        ("checkerboard", 20.677, 0.0002),
    ],
)  # fmt: skip
def test_the_entropies_of_the_codes_are_near_the_reference(
    name: str, entropy: float, error: float
) -> None:
    """Within its rounding (.005) and three of its errors, which were estimates of h."""
    rounding = 0.005 if name in ("circles", "moons", "swissroll") else 0.0005
    assert CODES[name].discrete_entropy() == pytest.approx(entropy, abs=3 * error + rounding)


def test_the_entropy_of_the_checkerboard_exceeds_the_formula_by_a_tenth_of_a_millinat() -> None:
    """The sum of all 2^32 cells, by the few kinds of overlap that a cell has with the board."""
    code = CODES["checkerboard"]
    a = np.arange(RANGE) / code.int_scale
    low = np.concatenate([-a - 1 / code.int_scale, a])[:, None]
    edges = np.array([-4, -2, 0, 2, 4])
    overlap = np.minimum(low + 1 / code.int_scale, edges[1:]) - np.maximum(low, edges[:-1])
    kinds, first, counts = np.unique(
        overlap.clip(0).round(14), axis=0, return_index=True, return_counts=True
    )
    dark = np.add.outer(np.arange(4), np.arange(4)) % 2 == 0
    p = kinds @ dark @ kinds.T / 32
    cells = np.outer(counts, counts)
    assert (cells * p).sum() == pytest.approx(1, abs=1e-9)
    exact = -(cells * p * np.log(np.where(p > 0, p, 1))).sum()
    assert exact - code.discrete_entropy() == pytest.approx(8.6e-5, abs=1e-6)

    i, j = np.meshgrid(first, first, indexing="ij")
    middles = torch.from_numpy((low[:, 0] + 0.5 / code.int_scale)[np.stack([i, j], -1)])
    masses = code.log_prob_bits(code.encode(middles.flatten(0, 1))).exp()
    np.testing.assert_allclose(masses, p.ravel(), rtol=1e-6, atol=1e-20)


def test_the_entropy_of_coarse_codes_exceeds_the_formula_by_the_fisher_information() -> None:
    """J / (24 int_scale^2) for 8gaussians, by the exact masses of all cells: products of
    differences of distribution functions. At the published scale that is 2e-8 nats."""
    law = DENSITIES["8gaussians"]
    assert isinstance(law, Smooth)
    line = torch.linspace(-5, 5, 201, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line).requires_grad_()
    log_p = law.log_prob(grid)
    (score,) = torch.autograd.grad(log_p.sum(), grid)
    fisher = (log_p.exp() @ score.square().sum(1)).item() * 0.05**2
    angles = np.arange(8) * np.pi / 4
    for scale, tolerance in ((10, 0.02), (20, 0.005)):
        edges = np.arange(-7 * scale, 7 * scale + 1) / scale
        x, y = (
            np.diff(stats.norm(4 / 1.414 * f(angles)[:, None], 0.5 / 1.414).cdf(edges))
            for f in (np.cos, np.sin)
        )
        p = x.T @ y / 8
        exact = stats.entropy(p.ravel())
        code = GrayCode(law, RANGE / scale - 1)
        assert code.int_scale == pytest.approx(scale)
        excess = exact - code.discrete_entropy()
        assert excess == pytest.approx(fisher / (24 * scale**2), rel=tolerance)
    assert fisher / (24 * CODES["8gaussians"].int_scale ** 2) < 1e-7


@pytest.mark.parametrize(("name", "code"), CASES)
def test_probabilities_of_all_codes_sum_to_one(name: str, code: GrayCode) -> None:
    """At a coarse scale, where they can be listed."""
    scale, extent = (7, 42) if name == "checkerboard" else (12, 70)
    coarse = GrayCode(code.density, RANGE / scale - 1)
    line = (torch.arange(-extent, extent, dtype=torch.float64) + 0.5) / scale
    bits = coarse.encode(torch.cartesian_prod(line, line))
    total = coarse.log_prob_bits(bits).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-3 if name == "pinwheel" else 1e-6)


@pytest.mark.parametrize(("name", "code"), CASES)
def test_code_lengths_average_to_the_entropy(name: str, code: GrayCode) -> None:
    surprise = -code.log_prob_bits(code.sample(5_000, seeded(2)))
    error = surprise.std().item() / math.sqrt(len(surprise))
    assert abs(surprise.mean().item() - code.discrete_entropy()) < 4 * error + 1e-3, error


def test_a_code_length_is_that_of_the_point_but_for_the_cell() -> None:
    """The density hardly changes over a cell: by at most |score| / int_scale."""
    code = CODES["moons"]
    x = code.density.sample(200, seeded(3)).requires_grad_()
    log_p = code.density.log_prob(x)
    (score,) = torch.autograd.grad(log_p.sum(), x)
    gap = code.log_prob_bits(code.encode(x)) - log_p + 2 * math.log(code.int_scale)
    assert (gap.abs() <= score.abs().sum(1) / code.int_scale + 1e-9).all()


def test_uniform_bits_are_as_long_as_their_number() -> None:
    """32 ln 2 = 22.181 nats, less 20.677 of the checkerboard: ln of the board's share of codes."""
    code = CODES["checkerboard"]
    share = 32 / (2 * (code.f_scale + 1)) ** 2
    gap = BITS * math.log(2) - code.discrete_entropy()
    assert gap == pytest.approx(-math.log(share), abs=1e-12)
