r"""The Gaussian with all covariances: for Gaussian data it is the exact law of x_T at every T."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unnoise.core.prior.base import Prior
from unnoise.core.random import Generator, normal

__all__ = ["FullGaussian", "shrinkage"]


class FullGaussian(Prior):
    r"""$N(m, L L^\top)$ with $L L^\top = (1 - \gamma) S + \gamma\, \mathrm{tr}(S)/d\; I$.

    m and S are the moments of the rows; gamma is `shrinkage(rows)`, unless it is given.

    Args:
        shape: of one state.
        gamma: how far the covariance is drawn to a multiple of I, in [0, 1]; None: chosen by the
            rows.

    Raises:
        ValueError: if gamma is outside [0, 1], or the rows have no spread that it could use.
    """

    def __init__(self, shape: tuple[int, ...], gamma: float | None = None) -> None:
        super().__init__(shape)
        if gamma is not None and not 0 <= gamma <= 1:
            raise ValueError(f"FullGaussian: gamma must be in [0, 1] or None, got {gamma}")
        self.gamma = gamma
        self.mean: Tensor
        self.root: Tensor
        self.register_buffer("mean", torch.zeros(self.dims, dtype=torch.float64))
        self.register_buffer("root", torch.eye(self.dims, dtype=torch.float64))

    @torch.no_grad()
    def fit(self, x_T: Tensor, generator: Generator = None) -> None:
        x = self.rows(x_T)
        mean = x.mean(0)
        centred = x - mean
        covariance = centred.T @ centred / len(x)
        gamma = shrinkage(x) if self.gamma is None else self.gamma
        diagonal = torch.eye(self.dims, dtype=x.dtype, device=x.device) * covariance.trace()
        root, failed = torch.linalg.cholesky_ex(
            (1 - gamma) * covariance + gamma / self.dims * diagonal
        )
        if failed:
            raise ValueError(
                f"FullGaussian: {len(x)} states span fewer than {self.dims} dimensions; fit more of them, or give a larger gamma"
            )
        self.mean.copy_(mean)
        self.root.copy_(root)

    def draw(self, n: int, generator: Generator = None) -> Tensor:
        z = normal(self.mean.new_empty(n, self.dims), generator)
        return self.colour(z).reshape(n, *self.shape)

    def log_prob(self, x_T: Tensor) -> Tensor:
        z, log_det = self.whiten(x_T.reshape(len(x_T), -1))
        return -0.5 * (z.square().sum(1) + self.dims * math.log(2 * math.pi)) - log_det

    def whiten(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """L^-1 (x - m) of rows (B, d) in float64, and log det L."""
        root = self.root.double()
        z = torch.linalg.solve_triangular(root, (x - self.mean).double().T, upper=False).T
        return z, root.diagonal().log().sum()

    def colour(self, z: Tensor) -> Tensor:
        """m + L z of rows (B, d), the inverse."""
        return self.mean + z.to(self.root) @ self.root.T


def shrinkage(x: Tensor) -> float:
    r"""The gamma of rows (N, d) that brings the shrunk covariance nearest to the true one in the
    mean square: $\min(b^2, \delta^2) / \delta^2$, $\delta^2 = |S - \mathrm{tr}(S)/d\, I|^2$, $b^2 =
    \sum_i |x_i x_i^\top - S|^2 / N^2$ (Ledoit & Wolf 2004, lemma 3.2 and eq. 14).

    It takes rows for independent: of states that share an x_0 it sees too many.
    """
    n, d = x.shape
    x = x - x.mean(0)
    covariance = x.T @ x / n
    square = covariance.square().sum()
    scatter = square - covariance.trace().square() / d
    noise = (x.square().sum(1).square().mean() - square) / n
    return float((noise / scatter).clamp(0, 1)) if scatter > 0 else 1.0
