r"""Schedules of anchored processes: speech enhancement's OUVE, BBED and Schroedinger bridge.

An anchored process moves the data towards an anchor y (noisy speech) while noise is added,

    x_t = alpha x_0 + (1 - alpha) y + sigma z,   so   x_t - y = alpha (x_0 - y) + sigma z:

the plain channel of the residual x_0 - y. An anchor is a change of origin, which a transform makes,
and what is left of each paper is a schedule with a gauge of its own. The SDE
$dx = \gamma (y - x) d\tau + g dw$ has, for the residual,

    alpha = exp(-int gamma),   sigma^2 / alpha^2 = int g^2 / alpha^2.

OUVE stops early, with alpha = .22 left. In the bridges sigma is 0 at both ends: they start at the
anchor itself, the state x = 0 of the residual, and from there only fresh noise leads to more than
one end.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from unnoise.core.schedule.base import Schedule

__all__ = ["BBED", "OUVE", "SchroedingerBridge"]


class OUVE(Schedule):
    r"""$\gamma = \theta$, $g = \sigma_{min} (\sigma_{max}/\sigma_{min})^\tau \sqrt{2 L}$, $L = \log
    \sigma_{max}/\sigma_{min}$ (Richter et al. 2023, eq. 4): $\alpha = e^{-\theta\tau}$ and

    $\sigma^2 / \alpha^2 = c\, (e^{2 (\theta + L) \tau} - 1)$, $c = \sigma_{min}^2 L / (\theta + L)$.

    At theta = 0 it is VE from variance 0, the kernel that the published VE SDE really has.

    Args:
        theta: stiffness, how fast the mean goes to the anchor.
        sigma_min: with `sigma_max`, the scale of g at tau = 0 and 1.
        sigma_max: see there.
        start: the published time that is t = 0 (the paper's t_eps).
        end: the published time that is t = 1.

    Raises:
        ValueError: unless theta >= 0, 0 < sigma_min < sigma_max, 0 <= start < end.
    """

    def __init__(
        self,
        theta: float = 1.5,
        sigma_min: float = 0.05,
        sigma_max: float = 0.5,
        start: float = 0.03,
        end: float = 1.0,
    ) -> None:
        if not (theta >= 0 and 0 < sigma_min < sigma_max):
            raise ValueError(
                f"OUVE: needs theta >= 0 and 0 < sigma_min < sigma_max, got {theta}, {sigma_min}, {sigma_max}"
            )
        log_ratio = math.log(sigma_max / sigma_min)
        self.theta = theta
        self.growth = 2 * (theta + log_ratio)
        self.log_c = math.log(sigma_min**2 * log_ratio / (theta + log_ratio))
        super().__init__(*_ends(self, start, end, math.inf))

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -self.log_c - torch.log(torch.expm1(self.growth * tau))

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return softplus(-log_snr - self.log_c) / self.growth

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.exp(-self.theta * self.textbook_time(log_snr))
        return alpha, alpha * torch.exp(-0.5 * log_snr)


class SchroedingerBridge(Schedule):
    r"""VE, $g = \sqrt{c}\, k^\tau$, that must end at the anchor (Jukić et al. 2024, table 1): $\gamma =
    g^2 / (s_1^2 - s_\tau^2)$ with $s_\tau^2 = \int g^2 = c (k^{2\tau} - 1) / (2 \log k)$, so that

    $\alpha = 1 - s_\tau^2/s_1^2$, $\sigma = s_1 \sqrt{\alpha (1 - \alpha)}$, $\alpha^2/\sigma^2 = 1 /
    s_\tau^2 - 1 / s_1^2$, so $\alpha$ is the sigmoid of $\lambda + \log s_1^2$.

    The published samplers are `AnyNoise(1)` and `AnyNoise(0)` on the residual. The window keeps off
    tau = 1, where the log-SNR is minus infinity: at 1 - 1e-4 alpha is 2e-4 and sigma .016.

    Args:
        k: growth of g in unit time, above 1.
        c: g^2 at tau = 0.
        start: the published time that is t = 0.
        end: the published time that is t = 1.

    Raises:
        ValueError: unless k > 1, c > 0, 0 <= start < end < 1.
    """

    def __init__(
        self, k: float = 2.6, c: float = 0.4, start: float = 1e-4, end: float = 1 - 1e-4
    ) -> None:
        if not (k > 1 and c > 0):
            raise ValueError(f"SchroedingerBridge: needs k > 1 and c > 0, got {k} and {c}")
        self.growth = 2 * math.log(k)
        self.log_variance = math.log(c * math.expm1(self.growth) / self.growth)  # log s_1^2
        self.total = math.expm1(self.growth)
        super().__init__(*_ends(self, start, end, 1.0))

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        # alpha / (1 - alpha) = (k^2 - k^(2 tau)) / (k^(2 tau) - 1), without the cancellation at 1
        rest = torch.expm1(self.growth * (1 - tau)) / -torch.expm1(-self.growth * tau)
        return torch.log(rest) - self.log_variance

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        done = torch.sigmoid(-log_snr - self.log_variance)  # 1 - alpha = s_tau^2 / s_1^2
        return torch.log1p(self.total * done) / self.growth

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.sigmoid(log_snr + self.log_variance)
        return alpha, alpha * torch.exp(-0.5 * log_snr)


class BBED(Schedule):
    r"""The Brownian bridge with exploding diffusion, $\gamma = 1/(1 - \tau)$, $g = \sqrt\theta\,
    k^\tau$ (Lay et al. 2023, eq. 7): $\alpha = 1 - \tau$ and $\sigma^2/\alpha^2 = \theta I(e)$ with
    the odds $e = \tau/(1 - \tau)$,

    $I = \int_0^\tau k^{2s} (1 - s)^{-2} ds = \int_0^{\log(1 + e)} e^w k^{2 (1 - e^{-w})} dw$.

    In $w = -\log(1 - s)$ the integrand is entire and positive, so that a Gauss rule is exact to
    rounding, without the cancelling exponential integrals of the paper. The inverse is Newton's:
    I is convex in e, and at least e, so from $e = I$ it falls to the root and never overshoots.

    Args:
        k: growth of g in unit time, above 1, at most 10.
        theta: g^2 at tau = 0.
        start: the published time that is t = 0.
        end: the published time that is t = 1; .5 is the paper's warm start from y + sigma z.

    Raises:
        ValueError: unless 1 < k <= 10, theta > 0, 0 <= start < end < 1.
    """

    def __init__(
        self, k: float = 2.6, theta: float = 0.52, start: float = 0.03, end: float = 0.999
    ) -> None:
        if not (1 < k <= 10 and theta > 0):
            raise ValueError(f"BBED: needs 1 < k <= 10 and theta > 0, got {k} and {theta}")
        self.growth = 2 * math.log(k)
        self.log_theta = math.log(theta)
        super().__init__(*_ends(self, start, end, 1.0))

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -self.log_theta - torch.log(self._integral(-torch.log1p(-tau)))

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        odds = self._odds(log_snr)
        return odds / (1 + odds)

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        alpha = 1 / (1 + self._odds(log_snr))
        return alpha, alpha * torch.exp(-0.5 * log_snr)

    def _integral(self, w: Tensor) -> Tensor:
        """I up to -log(1 - tau) = w, in the dtype of w."""
        u = w[..., None] * _NODES.to(w)
        # a sum, not a product with a matrix: autocast would make that in bfloat16
        return w * (torch.exp(u - self.growth * torch.expm1(-u)) * _WEIGHTS.to(w)).sum(-1)

    def _odds(self, log_snr: Tensor) -> Tensor:
        """tau / (1 - tau) at a log-SNR."""
        integral = torch.exp(-log_snr - self.log_theta)
        with torch.no_grad():
            odds = integral
            for _ in range(_NEWTON):
                odds = self._newton(odds, integral)
        # a step doubles the number of right derivatives as it doubles that of right digits
        return self._newton(self._newton(odds, integral), integral)

    def _newton(self, odds: Tensor, integral: Tensor) -> Tensor:
        slope = torch.exp(self.growth * odds / (1 + odds))  # dI / d odds = k^(2 tau)
        return odds - (self._integral(torch.log1p(odds)) - integral) / slope


_NEWTON = 7  # to rounding for every k <= 10
_X, _W = np.polynomial.legendre.leggauss(32)
_NODES, _WEIGHTS = torch.from_numpy((_X + 1) / 2), torch.from_numpy(_W / 2)  # on [0, 1]


def _ends(schedule: Schedule, start: float, end: float, last: float) -> tuple[float, float]:
    """The log-SNRs of two published times."""
    if not 0 <= start < end < last:
        until = "" if last == math.inf else f" < {last:g}, where the log-SNR is minus infinity"
        raise ValueError(
            f"{type(schedule).__name__}: start and end are times of the paper and must keep 0 <= start < end{until}; "
            f"got {start} and {end}"
        )
    times = torch.tensor([start, end], dtype=torch.float64)
    high, low = schedule.textbook_log_snr(times).tolist()
    return high, low
