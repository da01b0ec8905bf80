r"""Exact denoisers of laws whose every marginal is known: what all tests and training-free
benchmarks stand on.

    Gaussian  N(m, S)                E[x_0|x] = m + alpha S V^-1 (x - alpha m)
                                     V = alpha^2 S + sigma^2 I
    mixture   sum_k w_k N(m_k, S_k)  the same of each component, averaged with its responsibility

Covariances are diagonalised once, so a call costs two rotations a component. A component of zero
covariance is an atom: a mixture of atoms is any finite discrete law, and its posterior is Bayes'
rule.

    joint     P(x_1, ..., x_D)       P(x_d = k | x_t) = sum over states with x_d = k of
                                     P(x) prod_d q(x_d -> x_t,d), normalised

A finite joint of codes is enumerated: its states are few.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.posterior import Categories, Mean
from unnoise.core.process.jump import codes, flat
from unnoise.core.random import Generator, normal, uniform
from unnoise.core.rates import Rates
from unnoise.core.rates.base import elapsed
from unnoise.core.schedule import Level, Scalar

__all__ = ["Joint", "Mixture"]


class Mixture(Denoiser[Mean]):
    """The exact posterior mean, density and score of a Gaussian mixture under white Gaussian
    noise.

    Args:
        weights: (K,), positive; normalised here.
        means: (K, d).
        covariances: (K, d, d), positive semi-definite; zero for an atom.

    Raises:
        ValueError: if the shapes don't fit, or a covariance has a negative eigenvalue.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        super().__init__()
        k, d = means.shape
        if weights.shape != (k,) or covariances.shape != (k, d, d):
            raise ValueError(
                f"Mixture: weights {tuple(weights.shape)}, means {tuple(means.shape)}, covariances {tuple(covariances.shape)} "
                "don't fit; give (K,), (K, d), (K, d, d)"
            )
        lam, axes = torch.linalg.eigh(covariances.double())
        if (lam < -1e-9 * lam.abs().max().clamp(min=1e-30)).any():
            raise ValueError(
                f"Mixture: a covariance has the negative eigenvalue {lam.min().item():.3g}"
            )
        self.log_weights: Tensor
        self.means: Tensor
        self.lam: Tensor
        self.axes: Tensor
        self.register_buffer("log_weights", (weights / weights.sum()).double().log())
        self.register_buffer("means", means.double())
        self.register_buffer("lam", lam.clamp(min=0))
        self.register_buffer("axes", axes)

    @staticmethod
    def gaussian(mean: Tensor, covariance: Tensor) -> Mixture:
        """N(mean (d,), covariance (d, d))."""
        return Mixture(torch.ones(1), mean[None], covariance[None])

    @staticmethod
    def atoms(weights: Tensor, points: Tensor) -> Mixture:
        """The discrete law of points (K, d)."""
        return Mixture(weights, points, torch.zeros(len(points), points.shape[1], points.shape[1]))

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        x = x_t.reshape(len(x_t), -1).double()
        alpha, variance, y, log_r = self._components(x, level)
        r = torch.softmax(log_r, 1)
        pulled = (r[..., None] * (alpha * self.lam / variance) * y).flatten(1)
        mean = torch.addmm(r @ self.means.double(), pulled, self.axes.mT.flatten(0, 1).double())
        return Mean(mean.reshape(x_t.shape).to(x_t.dtype))

    def log_prob(self, x_t: Tensor, level: Level | None = None) -> Tensor:
        """log density of x_t at a level, or of the data themselves, (B,) in float64."""
        x = x_t.reshape(len(x_t), -1).double()
        *_, log_r = self._components(x, level or Level(0.0, 1.0, 0.0, math.inf))
        return torch.logsumexp(log_r, 1)

    def score(self, x_t: Tensor, level: Level) -> Tensor:
        """grad log p(x_t), shaped as x_t, by Tweedie's formula."""
        mean = self(x_t, level, Batch(x_t)).mean
        return (level.alpha * mean - x_t) / level.sigma**2

    def sample(self, n: int, generator: Generator = None) -> Tensor:
        """Draws (n, d) in float64."""
        u = uniform((n,), self.means, generator)
        k = torch.bucketize(u, self.log_weights.exp().cumsum(0)[:-1], right=True)
        z = normal(self.means.new_zeros(n, self.means.shape[1]), generator)
        return self.means[k] + torch.einsum("bij,bj->bi", self.axes[k], self.lam[k].sqrt() * z)

    def _components(self, x: Tensor, level: Level) -> tuple[Scalar, Tensor, Tensor, Tensor]:
        """alpha, variances along the axes (.., K, d), rotated residuals (B, K, d), log joint
        density (B, K)."""
        alpha, sigma = (
            v.reshape(-1, 1, 1).double() if isinstance(v, Tensor) else v
            for v in (level.alpha, level.sigma)
        )
        variance = alpha**2 * self.lam + sigma**2
        # all rotations in one product, and few passes over (B, K, d): a flow's trace takes d of each
        axes = self.axes.double()  # a law may have been cast with the model that it is part of
        centres = torch.einsum("kji,kj->ki", axes, self.means.double())
        y = (x @ axes.permute(1, 0, 2).flatten(1)).unflatten(1, self.lam.shape)
        y = y - alpha * centres
        log_det = (variance.log() + math.log(2 * math.pi)).sum(-1)
        log_normal = -0.5 * ((y * (1 / variance) * y).sum(-1) + log_det)
        return alpha, variance, y, self.log_weights + log_normal


class Joint(Denoiser[Categories]):
    """The exact posterior of every column of a finite joint law under a jump process.

    Args:
        probabilities: P, (S_1, ..., S_D), one dimension a column; normalised here.
        rates: of the jump process, D columns or one for all.

    Raises:
        ValueError: if a probability is negative, or the rates are of other columns.
    """

    def __init__(self, probabilities: Tensor, rates: Rates) -> None:
        super().__init__()
        sizes = tuple(probabilities.shape)
        if bool((probabilities < 0).any()) or rates.sizes not in (sizes, sizes[:1]):
            raise ValueError(
                f"Joint: probabilities of shape {sizes} must not be negative, and the rates' columns have sizes {rates.sizes}"
            )
        self.rates = rates
        self.sizes = sizes
        states = probabilities.nonzero()
        p = probabilities[tuple(states.T)].double()
        self.states: Tensor
        self.log_p: Tensor
        self.register_buffer("states", states)
        self.register_buffer("log_p", (p / p.sum()).log())

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
        # where nothing is kept, what is known all the same (an entry that is given) still counts
        B = elapsed(flat(level), x_t.double()).clamp(max=700)
        w = torch.softmax(self._joint(codes(x_t), B), 1)
        table = w.new_zeros(*w.shape[:1], len(self.sizes), self.rates.levels)
        for d in range(len(self.sizes)):
            table[:, d].index_add_(1, self.states[:, d], w)
        return Categories(table.log().reshape(*x_t.shape, self.rates.levels).to(x_t.dtype))

    def log_prob(self, x_t: Tensor, level: Level | None = None) -> Tensor:
        """log P of x_t (B, D) at a level, or of the data themselves, (B,) in float64."""
        B = (
            torch.zeros((), dtype=torch.float64)
            if level is None
            else elapsed(flat(level), x_t.double())
        )
        return torch.logsumexp(self._joint(codes(x_t), B), 1)

    def sample(self, n: int, generator: Generator = None) -> Tensor:
        """Draws (n, D), codes."""
        u = uniform((n,), self.log_p, generator)
        upper = self.log_p.exp().cumsum(0)[:-1]
        return self.states[torch.bucketize(u, upper, right=True)]

    def _joint(self, x: Tensor, B: Tensor) -> Tensor:
        """log P(state) q(state -> x) for every state (B, M)."""
        evidence = self.rates.column(x, B).log()
        total = self.log_p.expand(len(x), -1)
        for d in range(len(self.sizes)):
            total = total + evidence[:, d, self.states[:, d]]
        return total
