"""Broken lines: pinned, monotone, inverted exactly."""

import pytest
import torch

from unnoise.core.line import BrokenLine
from unnoise.core.random import normal, seeded

DOUBLE = torch.float64


@pytest.fixture
def line() -> BrokenLine:
    """Eight pieces, the widest a hundred times the narrowest."""
    return BrokenLine(torch.softmax(2 * normal(torch.empty(8, dtype=DOUBLE), seeded(0)), 0))


def test_corners_are_where_they_should_be(line: BrokenLine) -> None:
    corners = torch.cat([torch.zeros(1, dtype=DOUBLE), line.widths.cumsum(0)])
    torch.testing.assert_close(line(corners), torch.linspace(0, 1, 9, dtype=DOUBLE))
    assert line(torch.tensor([0.0, 1.0], dtype=DOUBLE)).tolist() == [0.0, 1.0]
    assert line.inverse(torch.tensor([0.0, 1.0], dtype=DOUBLE)).tolist() == [0.0, 1.0]


def test_the_line_is_straight_between_corners(line: BrokenLine) -> None:
    """Against numpy's interpolation."""
    import numpy as np

    x = torch.linspace(0, 1, 1001, dtype=DOUBLE)
    corners = np.concatenate([[0], line.widths.cumsum(0).numpy()])
    expected = torch.from_numpy(np.interp(x.numpy(), corners, np.linspace(0, 1, 9)))
    torch.testing.assert_close(line(x), expected, rtol=1e-12, atol=1e-14)


def test_the_inverse_is_exact_inside_and_beyond(line: BrokenLine) -> None:
    x = torch.linspace(-0.5, 1.5, 401, dtype=DOUBLE)
    torch.testing.assert_close(line.inverse(line(x)), x, rtol=1e-13, atol=1e-13)
    single = BrokenLine(line.widths.float())
    torch.testing.assert_close(single.inverse(single(x.float())), x.float(), rtol=0, atol=1e-6)


def test_the_slope_is_the_derivative(line: BrokenLine) -> None:
    x = torch.linspace(0.003, 0.997, 100, dtype=DOUBLE, requires_grad=True)
    (slope,) = torch.autograd.grad(line(x).sum(), x)
    torch.testing.assert_close(line.slope(x.detach()), slope, rtol=1e-14, atol=0)


def test_shapes_are_kept(line: BrokenLine) -> None:
    x = torch.linspace(0, 1, 12, dtype=DOUBLE)
    for f in (line, line.inverse, line.slope):
        assert torch.equal(f(x.reshape(3, 1, 4)), f(x).reshape(3, 1, 4))
        assert torch.equal(f(x.reshape(3, 4).T), f(x).reshape(3, 4).T)
