"""Quadrature on steps: exactness by degree, and the collocation flow against matrix exponentials."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm

from unnoise.core.quadrature import flow, gauss, lagrange, multistep

TIMES = [0.0, 0.3, 0.4, 1.1, 1.3, 2.0]


def test_the_rule_is_exact_for_degree_31() -> None:
    u, w = gauss([0.5, 2.0])
    assert (w * u**31).sum() == pytest.approx((2.0**32 - 0.5**32) / 32, rel=1e-13)


def test_lagrange_polynomials_are_one_on_their_node_and_zero_on_the_others() -> None:
    nodes = np.array([[0.0, 0.5, 2.0]])
    np.testing.assert_allclose(lagrange(nodes, nodes)[0], np.eye(3), atol=1e-15)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_weights_integrate_a_polynomial_through_the_latest_nodes(order: int) -> None:
    """int e^(3 (u - t_k)) f(u) du for f of degree order - 1, as soon as there are so many nodes."""

    def f(u: float) -> float:
        return float(sum((j + 1) * u**j for j in range(order)))

    weights = multistep(TIMES, order, lambda u: np.exp(3 * u))
    assert [len(w) for w in weights] == [min(k + 1, order) for k in range(len(TIMES) - 1)]
    for k in range(order - 1, len(TIMES) - 1):
        nodes = [f(TIMES[k - j]) for j in range(order)]
        start, end = TIMES[k], TIMES[k + 1]
        exact = quad(lambda u, s=start: np.exp(3 * (u - s)) * f(u), start, end, epsabs=1e-13)[0]
        assert weights[k] @ nodes == pytest.approx(exact, rel=1e-12)


def test_flow_of_a_constant_matrix_is_its_exponential() -> None:
    matrix = np.array([[0.3, 2.0], [-1.5, -0.8]])
    h = np.array([0.7, -1.2])
    ends, nodes = flow(np.broadcast_to(matrix, (2, 16, 2, 2)), h)
    u, _ = gauss([0.0, 0.7])
    for k in range(2):
        np.testing.assert_allclose(ends[k], expm(h[k] * matrix), rtol=0, atol=1e-13)
    np.testing.assert_allclose(nodes[0][5], expm(u[0, 5] * matrix), atol=1e-13)


def test_flow_of_a_moving_matrix_is_the_solution_of_its_ode() -> None:
    def g(x: float) -> np.ndarray:
        return np.array([[np.sin(3 * x), np.exp(x)], [-np.cos(x), -2.0 - x]])

    times = [0.2, 1.0, 1.7]
    u, _ = gauss(times)
    ends, _ = flow(np.array([[g(x) for x in row] for row in u]), np.diff(times))
    for k, (a, b) in enumerate(pairwise(times)):
        exact = solve_ivp(
            lambda x, y: (g(x) @ y.reshape(2, 2)).ravel(), (a, b), np.eye(2).ravel(), rtol=1e-12, atol=1e-13
        ).y[:, -1]  # fmt: skip
        np.testing.assert_allclose(ends[k].ravel(), exact, atol=1e-10)
