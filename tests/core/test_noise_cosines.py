"""The cosine transform, against scipy's and against the operator that it diagonalises."""

import math

import pytest
import torch
from scipy import fft
from torch import Tensor

from unnoise.core.noise import Cosines
from unnoise.core.random import normal, seeded

DOUBLE = torch.float64
SHAPES = [(1,), (2,), (7,), (64,), (1000,), (28, 28), (5, 9), (1, 6)]


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_orthonormal_dct(shape: tuple[int, ...]) -> None:
    """scipy.fft.dctn with norm="ortho", to 1e-12, whatever stands in front."""
    cosines, x = Cosines(shape), states(3, 2, *shape)
    axes = tuple(range(-len(shape), 0))
    y = cosines(x)
    exact = torch.from_numpy(fft.dctn(x.numpy(), axes=axes, norm="ortho"))
    torch.testing.assert_close(y, exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(cosines.inverse(y), x, rtol=0, atol=1e-12)
    torch.testing.assert_close(y.square().sum(), x.square().sum(), rtol=1e-13, atol=0)


@pytest.mark.parametrize("shape", [(7,), (5, 9)])
def test_frequencies_are_those_of_the_reflecting_second_difference(shape: tuple[int, ...]) -> None:
    """A cosine k is an eigenvector with eigenvalue -sum_a (2 sin(omega_a / 2))^2, omega_a = pi k_a / N_a,
    and the frequency of the transform is |omega|."""
    cosines = Cosines(shape)
    size = math.prod(shape)
    waves = cosines.inverse(torch.eye(size, dtype=DOUBLE).reshape(size, *shape))
    second = torch.zeros_like(waves)
    for axis in range(1, len(shape) + 1):
        ends = [waves.narrow(axis, k, 1) for k in (0, shape[axis - 1] - 1)]
        padded = torch.cat([ends[0], waves, ends[1]], axis)
        second = second + padded.diff(n=2, dim=axis)
    omega = [math.pi / n * torch.arange(n, dtype=DOUBLE) for n in shape]
    grid = torch.meshgrid(*omega, indexing="ij")
    eigenvalues = -sum((2 * torch.sin(w / 2)).square() for w in grid)
    torch.testing.assert_close(second, waves * eigenvalues.reshape(size, *[1] * len(shape)))
    torch.testing.assert_close(cosines.frequencies, sum(w.square() for w in grid).sqrt())


def test_it_works_in_the_precision_of_the_state_and_is_not_saved() -> None:
    cosines, x = Cosines((32, 32)), states(4, 32, 32)
    y = cosines(x.float())
    assert y.dtype == torch.float32
    torch.testing.assert_close(y.double(), cosines(x), rtol=0, atol=3e-6)
    assert cosines.state_dict() == {}


def test_bad_arguments_are_refused() -> None:
    for shape in ((), (0,), (4, -1)):
        with pytest.raises(ValueError, match="one positive size a dimension"):
            Cosines(shape)
    with pytest.raises(ValueError, match=r"last dimensions must be \(4,\)"):
        Cosines((4,))(states(2, 5))
    with pytest.raises(ValueError, match=r"last dimensions must be \(4, 4\)"):
        Cosines((4, 4)).inverse(states(4))
