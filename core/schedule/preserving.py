r"""Schedules that keep the variance of unit-variance data, alpha^2 + sigma^2 = 1, and `SubVP`, which
stays below it.

With $v = \sigma^2$ the first are $dx = -\tfrac12 \beta x\, d\tau + \sqrt\beta\, dw$, $\beta = v'/(1 -
v)$.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from unnoise.core.schedule.base import Schedule, preserving

__all__ = ["Cosine", "GeometricVP", "LinearBeta", "LinearLogSNR", "LinearVP", "SubVP"]


@dataclass(frozen=True)
class LinearBeta:
    r"""$\beta(\tau) = \beta_0 + (\beta_1 - \beta_0) \tau$, and its integral $B$ (Song et al. 2021,
    eq. 32).

    Raises:
        ValueError: unless 0 <= beta_min < beta_max.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.beta_min < self.beta_max:
            raise ValueError(
                f"beta: needs 0 <= beta_min < beta_max, got {self.beta_min} and {self.beta_max}"
            )

    @property
    def total(self) -> float:
        """B at tau = 1."""
        return (self.beta_min + self.beta_max) / 2

    def integral(self, tau: Tensor) -> Tensor:
        r"""$B(\tau)$."""
        return tau * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * tau)

    def time(self, integral: Tensor) -> Tensor:
        r"""$\tau(B)$."""
        root = torch.sqrt(self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * integral)
        return 2 * integral / (self.beta_min + root)  # the root that stays exact where B is small


class LinearVP(Schedule):
    r"""$\alpha^2 = e^{-B}$, $\sigma^2 = 1 - e^{-B}$, $B = \beta_0 \tau + (\beta_1 - \beta_0)
    \tau^2 / 2$ (Song et al. 2021, eq. 33).

    `log_snr_max=math.inf` with the default `log_snr_min` makes t the paper's own time.
    """

    def __init__(
        self,
        beta_min: float = 0.1,
        beta_max: float = 20.0,
        log_snr_max: float = 13.3,
        log_snr_min: float | None = None,
    ) -> None:
        beta = LinearBeta(beta_min, beta_max)
        end = -math.log(math.expm1(beta.total)) if log_snr_min is None else log_snr_min
        super().__init__(log_snr_max, end)
        self.beta = beta

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -torch.log(torch.expm1(self.beta.integral(tau)))

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return self.beta.time(softplus(-log_snr))

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return preserving(log_snr)


class SubVP(Schedule):
    r"""$\alpha = e^{-B/2}$, $\sigma = 1 - e^{-B}$, the square of VP's at the same $\beta$ (Song et
    al. 2021, eq. 29): $dx = -\tfrac12\beta x\, d\tau + \sqrt{\beta(1 - e^{-2B})}\, dw$.

    $\sigma/\alpha = 2 \sinh(B/2)$, so $\alpha = 2 / (\rho + \sqrt{\rho^2 + 4})$ at $\rho =
    e^{-\lambda/2}$. `log_snr_max=math.inf` with the default `log_snr_min` makes t the paper's own
    time.
    """

    def __init__(
        self,
        beta_min: float = 0.1,
        beta_max: float = 20.0,
        log_snr_max: float = 13.3,
        log_snr_min: float | None = None,
    ) -> None:
        beta = LinearBeta(beta_min, beta_max)
        end = -2 * math.log(2 * math.sinh(beta.total / 2)) if log_snr_min is None else log_snr_min
        super().__init__(log_snr_max, end)
        self.beta = beta

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -2 * torch.log(2 * torch.sinh(0.5 * self.beta.integral(tau)))

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return self.beta.time(2 * torch.asinh(0.5 * torch.exp(-0.5 * log_snr)))

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        rho = torch.exp(-0.5 * log_snr)
        alpha = 2 / (rho + torch.hypot(rho, torch.full_like(rho, 2)))
        return alpha, rho * alpha


class GeometricVP(Schedule):
    r"""$\sigma^2 = v_{min} (v_{max}/v_{min})^t$, $\alpha^2 = 1 - \sigma^2$: LSGM's geometric VPSDE
    (Vahdat et al. 2021, appendix B).

    The published SDE starts with the variance $v_{min}$ already there.

    Raises:
        ValueError: unless 0 < variance_min < variance_max < 1.
    """

    def __init__(self, variance_min: float = 3e-5, variance_max: float = 0.999) -> None:
        if not 0 < variance_min < variance_max < 1:
            raise ValueError(
                "GeometricVP: needs 0 < variance_min < variance_max < 1, "
                f"got {variance_min} and {variance_max}"
            )
        super().__init__(*(math.log1p(-v) - math.log(v) for v in (variance_min, variance_max)))

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return torch.log(torch.expm1(-tau))  # tau = log sigma^2

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return -softplus(log_snr)

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return preserving(log_snr)


class Cosine(Schedule):
    r"""The angle schedule: $\sigma/\alpha = s_d \tan(\pi\tau/2)$ (Nichol & Dhariwal 2021, at $s_d
    = 1$).

    With $s_d$ the standard deviation of the data, the flow of Gaussian data $N(0, s_d^2)$ is a
    rotation at constant speed: the straightest path there is, and the coordinate in which
    multistep samplers extrapolate best.
    """

    def __init__(
        self, log_snr_max: float = 13.3, log_snr_min: float = -10.0, data_std: float = 1.0
    ) -> None:
        if not data_std > 0:
            raise ValueError(f"Cosine: data_std must be positive, got {data_std}")
        super().__init__(log_snr_max, log_snr_min)
        self.data_std = data_std

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -2 * torch.log(torch.tan(0.5 * math.pi * tau)) - 2 * math.log(self.data_std)

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return (2 / math.pi) * torch.atan(torch.exp(-0.5 * log_snr) / self.data_std)

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.sigmoid(log_snr + 2 * math.log(self.data_std)).sqrt()
        return alpha, alpha * torch.exp(-0.5 * log_snr)


class LinearLogSNR(Schedule):
    r"""$\lambda$ linear in t, variance preserving (VDM's fixed schedule, Kingma et al. 2021)."""

    def __init__(self, log_snr_max: float = 13.3, log_snr_min: float = -5.0) -> None:
        super().__init__(log_snr_max, log_snr_min)

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -tau

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return -log_snr

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return preserving(log_snr)
