r"""Roots of Matern covariances in O(T), by a Kalman filter (Hartikainen & Särkkä 2010).

A Matern path of p - 1 derivatives solves $(d/du + 1)^p f = w$, w white of density q, in the time
$u = \sqrt{2p - 1}\, t / scale$. Its state $x = (f, f', ..., f^{(p-1)})$ is a Markov chain,

    x_k = A(u) x_{k-1} + N(0, Q(u)),   A(u) = e^-u sum_i (uN)^i / i!,  N = F + I nilpotent
    Q(u) = q int_0^u A(v) b b' A(v)' dv,   F the companion matrix of (x + 1)^p, b = (0, ..., 0, 1)

and what is read off is $y_k = h x_k + e_k$, h = (1, 0, ...), e white: the jitter's share of the
variance. What a reading adds to those before it, $y_k - E[y_k | y_1 ... y_{k-1}] = s_k z_k$, is
independent of them, so y = L z with L the Cholesky factor, which is never formed. Entries of Q are
incomplete gamma functions, exact to rounding however close two points are; P - A P A' is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.noise.recurrence import Recurrence
from unnoise.core.noise.root import Root, folded

__all__ = ["Innovations", "StateSpace"]


@dataclass(frozen=True)
class StateSpace:
    """A path of unit variance with `order` - 1 derivatives as a Markov chain; in the time
    u."""

    order: int

    @property
    def rate(self) -> float:
        """sqrt(2p - 1): u of a distance of one scale."""
        return math.sqrt(2 * self.order - 1)

    def transition(self, u: Tensor) -> Tensor:
        """A(u), (..., p, p)."""
        u = u.clamp(max=700.0)[..., None, None]  # e^-700 is 0 beside everything
        powers = self._powers().to(u.device)
        return torch.exp(-u) * torch.stack([u**i * N for i, N in enumerate(powers)]).sum(0)

    def news(self, u: Tensor) -> Tensor:
        """Q(u), (..., p, p): the stationary covariance at u = infinity."""
        p = self.order
        v = self._powers()[..., -1]  # A(u) b = e^-u sum_i u^i v_i
        q = 2 ** (2 * p - 1) * math.factorial(p - 1) ** 2 / math.factorial(2 * p - 2)
        weights = torch.zeros(2 * p - 1, p, p, dtype=torch.float64)
        for i in range(p):
            for j in range(p):
                weights[i + j] += q * torch.outer(v[i], v[j])
        parts = []
        for m, weight in enumerate(weights.to(u.device)):
            # int_0^u v^m e^-2v dv = m! / 2^(m + 1) P(m + 1, 2u)
            share = torch.special.gammainc(u.new_tensor(m + 1.0), 2 * u)[..., None, None]
            parts.append(math.factorial(m) / 2 ** (m + 1) * share * weight)
        return torch.stack(parts).sum(0)

    def _powers(self) -> Tensor:
        """N^i / i! for i < p, (p, p, p); later ones are 0."""
        p = self.order
        N = torch.eye(p, dtype=torch.float64) + torch.diag(torch.ones(p - 1).double(), 1)
        N[-1] -= torch.tensor([math.comb(p, k) for k in range(p)], dtype=torch.float64)
        return torch.stack([torch.linalg.matrix_power(N, i) / math.factorial(i) for i in range(p)])


@dataclass(frozen=True, eq=False)
class Innovations(Root):
    """y = L z by the filter's recurrences, channels apart; f_k is the mean of the state given y_1
    ... y_k:

        colour   f_k = A_k f_{k-1} + K_k s_k z_k            y_k = h A_k f_{k-1} + s_k z_k
        whiten   f_k = (1 - K_k h) A_k f_{k-1} + K_k y_k    z_k = (y_k - h A_k f_{k-1}) / s_k

    Attributes:
        onto: h A_k, what a state foretells of the next reading, (B, T, p); where no point exists
            the state passes on.
        gain: K_k, (B, T, p); 0 where no point exists.
        spread: s_k, the standard deviation of the innovation, (B, T); 1 where no point exists.
        generator: the recurrence of colouring.
        filter: that of whitening.
    """

    onto: Tensor
    gain: Tensor
    spread: Tensor
    generator: Recurrence
    filter: Recurrence

    @staticmethod
    def of(space: StateSpace, gap: Tensor, exists: Tensor, jitter: float) -> Innovations:
        """The filter of gaps (B, T) to the point before, in units of the rate; infinite for the
        first.

        Raises:
            ValueError: if points coincide without jitter.
        """
        gap = torch.where(exists, gap, 0.0)
        A = space.transition(gap)
        gain, variance = gains(A, (1 - jitter) * space.news(gap), exists, jitter)
        if not (variance > 0).all():
            row, k = (~(variance > 0)).nonzero()[0].tolist()
            raise ValueError(
                f"Kernel: the covariance of the times of row {row} is singular at point {k}, which coincides with another; "
                "raise the jitter of its correlation (1e-4 suits most), or merge points that coincide"
            )
        onto = A[:, :, 0]
        closed = A - gain[..., None] * onto[:, :, None]
        return Innovations(onto, gain, variance.sqrt(), Recurrence.of(A), Recurrence.of(closed))

    def colour(self, z: Tensor) -> Tensor:
        def run(z: Tensor) -> Tensor:
            new = self.spread[..., None] * z
            return self._foretold(self.generator, new) + new

        return folded(run, z, len(self.spread))

    def whiten(self, x: Tensor) -> Tensor:
        def run(x: Tensor) -> Tensor:
            return (x - self._foretold(self.filter, x)) / self.spread[..., None]

        return folded(run, x, len(self.spread))

    def log_det(self, channels: int) -> Tensor:
        return 2 * channels * self.spread.log().sum(1)

    def to(self, dtype: torch.dtype) -> Innovations:
        onto, gain, spread = (v.to(dtype) for v in (self.onto, self.gain, self.spread))
        return Innovations(onto, gain, spread, self.generator.to(dtype), self.filter.to(dtype))

    def _foretold(self, recurrence: Recurrence, x: Tensor) -> Tensor:
        """h A_k f_{k-1} of the states that inputs x (B, T, C) drive, (B, T, C)."""
        f = recurrence(self.gain[..., None] * x[:, :, None])
        before = torch.cat([torch.zeros_like(f[:, :1]), f[:, :-1]], 1)
        return (self.onto[..., None] * before).sum(2)


def gains(A: Tensor, Q: Tensor, exists: Tensor, jitter: float) -> tuple[Tensor, Tensor]:
    """The gain K_k (B, T, p) and the variance s_k^2 (B, T) of each innovation: Riccati's recursion,
    one step a point.

    The posterior covariance of the state is P - K s^2 K', of whose entries those of the reading
    itself are written without a difference, so that they are exactly 0 without jitter.
    """
    P = torch.zeros_like(Q[:, 0])
    all_gains, variances = [], []
    for a, q, here in zip(A.unbind(1), Q.unbind(1), exists.unbind(1), strict=True):
        P = a @ P @ a.mT + q
        variance = torch.where(here, P[:, 0, 0] + jitter, 1.0)
        gain = torch.where(here[:, None], P[:, 0] / variance[:, None], 0.0)
        left = torch.where(here, jitter / variance, 1.0)[:, None] * P[:, 0]
        P = P - gain[:, :, None] * P[:, None, 0]
        P[:, 0] = P[:, :, 0] = left
        all_gains.append(gain)
        variances.append(variance)
    return torch.stack(all_gains, 1), torch.stack(variances, 1)
