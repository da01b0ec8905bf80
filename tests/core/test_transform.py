"""Transforms: inverses, grids, log-determinants."""

import math

import pytest
import torch

from unnoise.core.transform import Affine, Quantised, Transform

DOUBLE = torch.float64


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 256])
def test_quantised_levels_are_the_centres_of_equal_cells(levels: int) -> None:
    transform, raw = Quantised(levels), torch.arange(levels)
    x = transform.encode(raw)
    centres = (2 * (raw.double() + 0.5) / levels - 1).float()
    torch.testing.assert_close(x, centres, rtol=0, atol=1e-7)
    torch.testing.assert_close(transform.values, centres, rtol=0, atol=1e-7)
    assert torch.equal(transform.decode(x), raw)
    assert transform.decode(x).dtype == torch.int64
    assert transform.log_det == 0


def test_quantised_decodes_to_the_nearest_level() -> None:
    transform = Quantised(4)
    x = torch.tensor([-9, -0.501, -0.499, 0.2, 0.51, 9])
    assert transform.decode(x).tolist() == [0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize("transform", [Affine(), Affine(3.0, 0.25), Affine(-1.0, 40.0)])
def test_affine(transform: Affine) -> None:
    raw = torch.linspace(-5, 5, 11, dtype=DOUBLE)
    x = transform.encode(raw)
    torch.testing.assert_close(transform.decode(x), raw)
    slope = (x[1:] - x[:-1]) / (raw[1:] - raw[:-1])
    torch.testing.assert_close(slope, torch.full_like(slope, math.exp(transform.log_det)))
    assert transform.values is None


def test_identity_does_not_copy() -> None:
    raw = torch.zeros(3)
    assert Affine().encode(raw) is raw


@pytest.mark.parametrize(
    "make", [lambda: Affine(scale=0), lambda: Affine(scale=-1), lambda: Quantised(1)]
)
def test_bad_arguments_are_refused(make: type[Transform]) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        make()
