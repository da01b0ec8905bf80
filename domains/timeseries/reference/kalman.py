r"""A Kalman filter and Rauch-Tung-Striebel smoother whose gains know no values (Särkkä 2013, chapters
4 and 8).

    z_1 ~ N(0, S),   z_t = a_t z_{t-1} + N(0, q_t S),   y_t = H z_t + N(0, R)

The state z has D = K C numbers, K components of C channels each, and H adds the components up. Of
y_t only the entries in a mask are given: the innovations' covariance F = H P H' + R is that of the
given entries, and the identity elsewhere, so nothing is ever given a "very large" variance. With
F = L L', E = L^-1 on the given entries and G = E H P,

    forwards    w = E (y - H m),         m <- m + G' w,               P <- P - G' G
                then                     m+ = a m,                    P+ = a P a + q S
    backwards   J = P a (P+)^-1,         m <- m + J (m_next - m+),    P <- P + J (P_next - P+) J'

Gains depend on times and masks alone. They are made once, and serve any number of columns of values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Chain", "Gains", "Smoother"]


@dataclass(frozen=True, eq=False)
class Chain:
    """The prior of B state sequences of T steps, times first.

    Attributes:
        decay: a, (T, B, D); the first is not read.
        drive: q, (T, B, D); the first gives the covariance of the first state.
        S: (D, D), zero between components.
        R: variances of the measurement noise, (C,).
    """

    decay: Tensor
    drive: Tensor
    S: Tensor
    R: Tensor

    def observe(self, x: Tensor, dim: int) -> Tensor:
        """H on dimension `dim` of x: the sum over components, D to C."""
        channels = len(self.R)
        return x if x.shape[dim] == channels else x.unflatten(dim, (-1, channels)).sum(dim)

    def predict(self, variance: Tensor, t: int) -> Tensor:
        """P+ of step t, of the variance P (B, D, D) before it."""
        a, q = self.decay[t], self.drive[t]
        return a[..., None] * a[..., None, :] * variance + q[..., None] * self.S

    def gains(self, given: Tensor) -> Gains:
        """The gains where the entries of `given` (T, B, C) are known."""
        filtered, gains, roots = [], [], []
        noise, one = torch.diag(self.R), torch.eye(len(self.R)).to(self.R)
        variance = self.drive[0, :, :, None] * self.S
        for t, g in enumerate(given):
            if t:
                variance = self.predict(variance, t)
            cross = self.observe(variance, 1)
            both = g[:, :, None] & g[:, None]
            innovation = torch.where(both, self.observe(cross, 2) + noise, one)
            root = whitener(innovation) * g[:, None]
            gain = root @ cross
            variance = variance - gain.mT @ gain
            filtered.append(variance)
            gains.append(gain)
            roots.append(root)
        return Gains(self, given, torch.stack(filtered), torch.stack(gains), torch.stack(roots))


@dataclass(frozen=True, eq=False)
class Gains:
    """What a filter and a smoother do with values, whatever they are.

    Attributes:
        given: the entries that are known, (T, B, C).
        filtered: P, the covariance of z_t given what is known up to t, (T, B, D, D).
        gain: G, (T, B, C, D).
        root: E, (T, B, C, C).
    """

    chain: Chain
    given: Tensor
    filtered: Tensor
    gain: Tensor
    root: Tensor

    def log_det(self) -> Tensor:
        """log det of the covariance of the given entries, (B,)."""
        diagonal = self.root.diagonal(dim1=2, dim2=3)
        return -2 * torch.where(self.given, diagonal, 1.0).log().sum((0, 2))

    def filter(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Of n columns y (T, B, C, n), zero where nothing is given: the innovations w, (T, B, C, n),
        and the filtered means m, (T, B, D, n)."""
        innovations, means = [], []
        mean = y.new_zeros(y.shape[1], self.gain.shape[3], y.shape[3])
        for t in range(len(y)):
            if t:
                mean = self.chain.decay[t, :, :, None] * mean
            w = self.root[t] @ (y[t] - self.chain.observe(mean, 1))
            mean = mean + self.gain[t].mT @ w
            innovations.append(w)
            means.append(mean)
        return torch.stack(innovations), torch.stack(means)

    def smoother(self) -> Smoother:
        """The backward gains."""
        predicted, back = [], []
        for t in range(1, len(self.filtered)):
            past = self.filtered[t - 1]
            variance = self.chain.predict(past, t)
            root = whitener(variance)
            predicted.append(variance)
            back.append(root.mT @ (root @ (self.chain.decay[t, :, :, None] * past)))
        return Smoother(self, predicted, back)


@dataclass(frozen=True, eq=False)
class Smoother:
    """The backward pass.

    Attributes:
        predicted: P+ of the steps from the second on, T - 1 times (B, D, D).
        back: J' of the steps up to the last but one, T - 1 times (B, D, D).
    """

    gains: Gains
    predicted: list[Tensor]
    back: list[Tensor]

    def mean(self, y: Tensor) -> Tensor:
        """E[z | y] of columns y (T, B, C, n), zero where nothing is given: (T, B, D, n)."""
        filtered = self.gains.filter(y)[1]
        predicted = self.gains.chain.decay[1:, :, :, None] * filtered[:-1]
        mean = [filtered[-1]]
        for t in reversed(range(len(self.back))):
            mean.append(filtered[t] + self.back[t].mT @ (mean[-1] - predicted[t]))
        return torch.stack(mean[::-1])

    def variance(self) -> Tensor:
        """Var[z | y], (T, B, D, D)."""
        filtered = self.gains.filtered
        variance = [filtered[-1]]
        for t in reversed(range(len(self.back))):
            change = variance[-1] - self.predicted[t]
            variance.append(filtered[t] + self.back[t].mT @ change @ self.back[t])
        return torch.stack(variance[::-1])


def whitener(covariance: Tensor) -> Tensor:
    """L^-1 of covariances L L' (..., n, n)."""
    if covariance.shape[-1] == 1:
        return covariance.rsqrt()
    lower = torch.linalg.cholesky(covariance)
    one = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    inverse: Tensor = torch.linalg.solve_triangular(lower, one.expand_as(lower), upper=False)
    return inverse
