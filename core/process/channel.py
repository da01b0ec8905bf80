r"""What position and velocity know of the data: the closed forms of critical damping.

With $\omega = 2\tau/\sqrt M$ and $v_0 \sim N(0, \gamma M)$ integrated out, $(x, v) = \psi x_0 + N(0,
S)$,

    psi    e^(-w/2) (1 + w/2, -sqrt(M) w/2)
    S_xx   P(3, w) + gamma w^2/4 e^-w
    S_xv   sqrt(M) e^-w (w^2/2 + gamma w/2 (1 - w/2))
    S_vv   M [P(3, w) + 2 w e^-w + gamma (1 - w/2)^2 e^-w]

P the regularised incomplete gamma function: the stationary law minus its own transport, which
would cancel, is exactly that. All that is known of x_0 is $y = \psi' S^{-1} u / snr = x_0 + N(0,
1/snr)$, $snr = \psi' S^{-1} \psi$, falling in time: $d \log snr / d\tau = -2\Gamma (S^{-1}\psi)_v^2 /
snr$. So the log-SNR says when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.special import gammainc

__all__ = ["Channel", "transition", "triangular_root"]


@dataclass(frozen=True, eq=False)
class Channel:
    """(x, v) given x_0 at a damping w (...): psi (..., 2), covariance (..., 2, 2), snr (...)."""

    w: Tensor
    psi: Tensor
    covariance: Tensor
    mass: float

    @staticmethod
    def at(w: Tensor, mass: float, gamma: float) -> Channel:
        """The closed forms of the module's docstring."""
        u, e, p = 0.5 * w, torch.exp(-w), gammainc(torch.full_like(w, 3.0), w)
        root = math.sqrt(mass)
        xx = p + gamma * u * u * e
        xv = root * e * (2 * u * u + gamma * u * (1 - u))
        vv = mass * (p + 2 * w * e + gamma * (1 - u) ** 2 * e)
        psi = torch.stack([1 + u, -root * u], -1) * torch.exp(-u)[..., None]
        covariance = torch.stack([xx, xv, xv, vv], -1).reshape(*w.shape, 2, 2)
        return Channel(w, psi, covariance, mass)

    @property
    def precision_psi(self) -> Tensor:
        """S^-1 psi, (..., 2)."""
        (xx, xv), (_, vv) = (row.unbind(-1) for row in self.covariance.unbind(-2))
        x, v = self.psi.unbind(-1)
        det = xx * vv - xv * xv
        return torch.stack([vv * x - xv * v, xx * v - xv * x], -1) / det[..., None]

    @property
    def snr(self) -> Tensor:
        """psi' S^-1 psi, (...)."""
        return (self.psi * self.precision_psi).sum(-1)

    @property
    def slope(self) -> Tensor:
        """d log-SNR / dtau = -2 Gamma (S^-1 psi)_v^2 / snr, (...)."""
        return -4 * math.sqrt(self.mass) * self.precision_psi[..., 1].square() / self.snr

    def drift(self, noise_level: float) -> Tensor:
        """F + (1 + l^2)/2 G G' S^-1, (..., 2, 2): the reverse drift if x_0 were 0."""
        root = math.sqrt(self.mass)
        matrix = torch.linalg.inv(self.covariance)[..., 1:, :] * (2 * root * (1 + noise_level**2))
        fixed = torch.tensor(
            [[0, 1 / self.mass], [-1, -2 / root]], dtype=matrix.dtype, device=matrix.device
        )
        return fixed + torch.cat([torch.zeros_like(matrix), matrix], -2)

    def gain(self, data_std: float) -> Tensor:
        """k of E[x_0 | u] = k u for data N(0, data_std^2), (..., 1, 2)."""
        weight = 1 / (self.snr + 1 / data_std**2)
        return (weight[..., None] * self.precision_psi)[..., None, :]

    def pull(self, noise_level: float) -> Tensor:
        """-(1 + l^2)/2 G G' S^-1 psi, (..., 2): what a belief adds to that drift."""
        v = self.precision_psi[..., 1] * (-2 * math.sqrt(self.mass) * (1 + noise_level**2))
        return torch.stack([torch.zeros_like(v), v], -1)


def transition(w: Tensor, mass: float) -> Tensor:
    """The free transition of (x, v) over a damping w (...), (..., 2, 2)."""
    u, root = 0.5 * w, math.sqrt(mass)
    rows = torch.stack([1 + u, u / root, -u * root, 1 - u], -1).reshape(*w.shape, 2, 2)
    return rows * torch.exp(-u)[..., None, None]


@lru_cache(maxsize=8)
def _table(mass: float, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """log-SNR, rising, and log w at it."""
    log_w = torch.linspace(math.log(200.0), math.log(1e-7), 4096, dtype=torch.float64)
    return Channel.at(log_w.exp(), mass, gamma).snr.log().numpy(), log_w.numpy()


@lru_cache(maxsize=4096)
def channel_at(log_snr: float, mass: float, gamma: float) -> Channel:
    """The channel of one log-SNR, remembered: samplers ask for the same again and again."""
    return channel_of(torch.tensor(log_snr, dtype=torch.float64), mass, gamma)


def channel_of(log_snr: Tensor, mass: float, gamma: float) -> Channel:
    """The channel of log-SNRs (...): a table, then Newton in log w, to rounding."""
    wanted = log_snr.detach().double().cpu()
    w = torch.as_tensor(np.interp(wanted.numpy(), *_table(mass, gamma))).exp()
    for _ in range(3):
        here = Channel.at(w, mass, gamma)
        w = w * torch.exp((wanted - here.snr.log()) / (here.slope * 0.5 * math.sqrt(mass) * w))
    return Channel.at(w.to(log_snr.device), mass, gamma)


def triangular_root(covariance: Tensor) -> Tensor:
    """The lower triangular square root of positive semi-definite (..., 2, 2)."""
    (a, b), (_, d) = (row.unbind(-1) for row in covariance.unbind(-2))
    x = a.clamp(min=0).sqrt()
    y = torch.where(x > 0, b / x, 0.0)
    z = (d - y * y).clamp(min=0).sqrt()
    return torch.stack([x, torch.zeros_like(x), y, z], -1).reshape(covariance.shape)
