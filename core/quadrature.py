r"""Quadrature on grids of steps, once, in float64: what multistep solvers and matrix flows need.

Everything stands on one Gauss-Legendre rule a step: exact for polynomials of degree 31, which for
analytic integrands means exact to rounding, without the cancellation that closed forms have at
small steps.

    multistep    int_{t_k}^{t_{k+1}} K(u) L_j(u) du, L_j the Lagrange polynomials on the latest nodes
    flow         Y' = G(x) Y, Y = I at the step's start: Y_i = I + h sum_j W_ij G_j Y_j at the nodes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["flow", "gauss", "lagrange", "multistep", "polynomials"]

Array = np.ndarray
_X, _W = np.polynomial.legendre.leggauss(16)
# int_{-1}^{x_i} of the Lagrange polynomials on the nodes: Legendre series of each, integrated
_SERIES = np.linalg.inv(np.polynomial.legendre.legvander(_X, len(_X) - 1))
_INTEGRAL = np.stack(
    [np.polynomial.legendre.legval(_X, np.polynomial.legendre.legint(s, lbnd=-1)) for s in _SERIES.T], 1
)  # fmt: skip


def gauss(t: Sequence[float] | Array) -> tuple[Array, Array]:
    """Nodes and weights (K, 16) of the K steps between K + 1 times."""
    times = np.asarray(t)
    half = 0.5 * np.diff(times)[:, None]
    return times[:-1, None] + half * (_X + 1), half * _W


def lagrange(nodes: Array, u: Array) -> Array:
    """L_j(u) of the Lagrange polynomials on nodes (K, J) at points u (K, N), (K, J, N)."""
    size = nodes.shape[1]
    gaps = nodes[:, :, None] - nodes[:, None, :] + np.eye(size)  # 1 on the diagonal: no factor
    factors = (u[:, None, None, :] - nodes[:, None, :, None]) / gaps[..., None]
    factors[:, np.arange(size), np.arange(size)] = 1
    values: Array = factors.prod(2)
    return values


def multistep(t: Sequence[float], order: int, kernel: Callable[[Array], Array]) -> list[Array]:
    """int_{t_k}^{t_{k+1}} kernel(u - t_k) L_j(u) du for every step k, latest node first."""
    u, w = gauss(t)
    weighted = w * kernel(u - np.asarray(t)[:-1, None])
    return [(each * weighted[k]).sum(-1) for k, each in enumerate(polynomials(t, order, u))]


def polynomials(t: Sequence[float], order: int, u: Array) -> list[Array]:
    """L_j at points u (K, N) of every step, (J, N) each: on the latest `order` nodes, newest
    first, or as many as there are."""
    times = np.asarray(t)
    steps = len(times) - 1
    early = [lagrange(times[None, k::-1], u[k : k + 1])[0] for k in range(min(order - 1, steps))]
    late = np.arange(len(early), steps)
    return early + list(lagrange(times[late[:, None] - np.arange(order)], u[late]))


def flow(matrices: Array, h: Array) -> tuple[Array, Array]:
    """The flow of Y' = G(x) Y over K steps of lengths h (K,), from G at their Gauss nodes.

    Args:
        matrices: (K, 16, m, m).
        h: lengths, of either sign.

    Returns:
        Y at the ends (K, m, m), and at the nodes (K, 16, m, m): Gauss collocation, of order 32.
    """
    steps, n, m, _ = matrices.shape
    half = 0.5 * h[:, None, None, None]
    scaled = half * matrices
    system = np.eye(n * m) - np.einsum("ij,kjab->kiajb", _INTEGRAL, scaled).reshape(
        steps, n * m, n * m
    )
    inside = np.linalg.solve(
        system, np.broadcast_to(np.tile(np.eye(m), (n, 1)), (steps, n * m, m))
    )
    nodes = inside.reshape(steps, n, m, m)
    ends = np.eye(m) + np.einsum("j,kjab,kjbc->kac", _W, scaled, nodes)
    return ends, nodes
