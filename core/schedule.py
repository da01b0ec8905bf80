r"""Noise schedules: how much of the data is left at time t.

A Gaussian channel $x_t = \alpha_t x_0 + \sigma_t z$ carries as much information as its log
signal-to-noise ratio $\lambda_t = \log(\alpha_t^2 / \sigma_t^2)$ says; the common scale of
$\alpha$ and $\sigma$ is a gauge that a change of units undoes. So a schedule here is two formulas,
$\lambda(\tau)$ and its inverse in the textbook's own time $\tau$, and a gauge:

    preserving   alpha^2 + sigma^2 = 1     (VP: diffusion)
    exploding    alpha = 1                 (VE, EDM)
    straight     alpha + sigma = 1         (rectified flow)

The suite's time t in [0, 1] is $\tau$ stretched linearly over the window in which $\lambda$ falls
from `log_snr_max` (t = 0, data) to `log_snr_min` (t = 1, noise): endpoints are pinned, never
"almost infinite". $\alpha$ and $\sigma$ are computed from $\lambda$ by sigmoids, which is exact to
the last bit at both ends, where `1 - alpha**2` in float32 is not.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["EDM", "VE", "Cosine", "Level", "LinearLogSNR", "LinearVP", "Rectified", "Schedule"]

Scalar = Tensor | float


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One point of a schedule: time t, alpha, sigma and the log-SNR.

    Either four tensors that broadcast against the state, (B, 1, ..., 1), as in training, or four
    floats, as in a sampler's loop, where scalar arithmetic costs nothing beside a tensor
    operation.
    """

    t: Scalar
    alpha: Scalar
    sigma: Scalar
    log_snr: Scalar

    def condition(self, x: Tensor) -> Tensor:
        """The log-SNR as the (B,) vector that a network sees."""
        if isinstance(self.log_snr, Tensor):
            return self.log_snr.reshape(-1).to(x.dtype).expand(len(x))
        return x.new_full((len(x),), self.log_snr)


class Schedule(nn.Module, ABC):
    r"""A monotone log-SNR $\lambda(t)$, its inverse, and a gauge.

    Args:
        log_snr_max: $\lambda$ at t = 0. Pixel data of L levels needs about $2 \log(4 L)$ for its
            grid to be resolved.
        log_snr_min: $\lambda$ at t = 1. The prior's mismatch is about $e^{\lambda}/2$ nats a
            dimension.

    Raises:
        ValueError: if `log_snr_max` is not above `log_snr_min`.
    """

    def __init__(self, log_snr_max: float, log_snr_min: float) -> None:
        super().__init__()
        self._pin(log_snr_max, log_snr_min)

    @abstractmethod
    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        r"""$\lambda(\tau)$ in the textbook's time."""

    @abstractmethod
    def textbook_time(self, log_snr: Tensor) -> Tensor:
        r"""$\tau(\lambda)$, the inverse."""

    @abstractmethod
    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        r"""$(\alpha, \sigma)$ at a log-SNR."""

    def log_snr(self, t: Tensor) -> Tensor:
        """The log-SNR at times t in [0, 1], any shape."""
        start, end = self._window
        return self.textbook_log_snr(start + (end - start) * t)

    def time(self, log_snr: Tensor) -> Tensor:
        """The time t in [0, 1] at which a log-SNR is reached, any shape."""
        start, end = self._window
        return (self.textbook_time(log_snr) - start) / (end - start)

    def forward(self, t: Tensor) -> tuple[Tensor, Tensor]:
        r"""$(\alpha_t, \sigma_t)$ at times t in [0, 1], any shape."""
        return self.gauge(self.log_snr(t))

    def level(self, t: Tensor, ndim: int) -> Level:
        """The levels of times t (B,), shaped to broadcast against states of `ndim` dimensions."""
        t = t.reshape(-1, *[1] * (ndim - 1))
        log_snr = self.log_snr(t)
        return Level(t, *self.gauge(log_snr), log_snr)

    def level_of(self, log_snr: Tensor, ndim: int) -> Level:
        """The levels of log-SNRs (B,), shaped to broadcast against states of `ndim` dimensions."""
        log_snr = log_snr.reshape(-1, *[1] * (ndim - 1))
        return Level(self.time(log_snr), *self.gauge(log_snr), log_snr)

    @torch.no_grad()
    def levels(self, times: Tensor) -> list[Level]:
        """The levels of a whole time grid (K,) as floats, evaluated once in float64."""
        t = times.double().cpu()
        log_snr = self.log_snr(t)
        alpha, sigma = self.gauge(log_snr)
        rows = torch.stack([t, alpha, sigma, log_snr], 1).tolist()
        return [Level(*row) for row in rows]

    def between(self, log_snr_max: float, log_snr_min: float) -> Self:
        """The same schedule over another window of log-SNR."""
        other = copy.copy(self)
        other.__dict__ = {k: v for k, v in self.__dict__.items() if k != "_window"}
        other._pin(log_snr_max, log_snr_min)
        return other

    def slope(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""$(d\alpha/dt, d\sigma/dt, d\lambda/dt)$ at times t of any shape, by automatic
        differentiation."""
        with torch.inference_mode(False), torch.enable_grad():
            t = t.clone().requires_grad_() if not t.requires_grad else t
            log_snr = self.log_snr(t)
            alpha, sigma = self.gauge(log_snr)
            d_alpha, d_sigma, d_log_snr = (
                torch.autograd.grad(y.sum(), t, retain_graph=True)[0]
                if y.requires_grad
                else torch.zeros_like(t)  # exploding: alpha = 1
                for y in (alpha, sigma, log_snr)
            )
        return d_alpha.detach(), d_sigma.detach(), d_log_snr.detach()

    def _pin(self, log_snr_max: float, log_snr_min: float) -> None:
        if not log_snr_max > log_snr_min:
            raise ValueError(
                f"{type(self).__name__}: log_snr_max={log_snr_max} must be above log_snr_min={log_snr_min}"
            )
        self.log_snr_max = log_snr_max
        self.log_snr_min = log_snr_min

    @cached_property
    def _window(self) -> tuple[float, float]:
        ends = torch.tensor([self.log_snr_max, self.log_snr_min], dtype=torch.float64)
        start, end = self.textbook_time(ends).tolist()
        return start, end


def preserving(log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """alpha^2 + sigma^2 = 1."""
    return torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()


def exploding(log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """alpha = 1."""
    return torch.ones_like(log_snr), torch.exp(-0.5 * log_snr)


def straight(log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """alpha + sigma = 1."""
    return torch.sigmoid(0.5 * log_snr), torch.sigmoid(-0.5 * log_snr)


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
        if not 0 <= beta_min < beta_max:
            raise ValueError(
                f"LinearVP: needs 0 <= beta_min < beta_max, got {beta_min} and {beta_max}"
            )
        end = (beta_min + beta_max) / 2
        super().__init__(
            log_snr_max, -math.log(math.expm1(end)) if log_snr_min is None else log_snr_min
        )
        self.beta_min = beta_min
        self.beta_max = beta_max

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        integral = tau * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * tau)
        return -torch.log(torch.expm1(integral))

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        integral = softplus(-log_snr)
        root = torch.sqrt(self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * integral)
        return 2 * integral / (self.beta_min + root)  # the root that stays exact where B is small

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


class Rectified(Schedule):
    r"""$\alpha = 1 - \tau$, $\sigma = \tau$: straight lines between data and noise (Liu et al.
    2023)."""

    def __init__(self, log_snr_max: float = 13.3, log_snr_min: float = -10.0) -> None:
        super().__init__(log_snr_max, log_snr_min)

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return 2 * torch.log((1 - tau) / tau)

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(-0.5 * log_snr)

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return straight(log_snr)


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


class VE(Schedule):
    r"""$\alpha = 1$, $\sigma = \sigma_{min} (\sigma_{max}/\sigma_{min})^t$: geometric (Song &
    Ermon 2019).

    The kernel's standard deviation is $\sigma$ itself; the published SDE starts from variance 0
    and disagrees with it at small t.
    """

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0) -> None:
        super().__init__(*_log_snr_of(sigma_min, sigma_max))

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -2 * tau

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return -0.5 * log_snr

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return exploding(log_snr)


class EDM(Schedule):
    r"""$\alpha = 1$, $\sigma = (\sigma_{min}^{1/\rho} + t(\sigma_{max}^{1/\rho} -
    \sigma_{min}^{1/\rho}))^\rho$ (Karras et al. 2022, eq. 5).

    Uniform steps in t are Karras' time steps.
    """

    def __init__(
        self, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
    ) -> None:
        if not rho > 0:
            raise ValueError(f"EDM: rho must be positive, got {rho}")
        super().__init__(*_log_snr_of(sigma_min, sigma_max))
        self.rho = rho

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return -2 * self.rho * torch.log(tau)

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return torch.exp(-0.5 * log_snr / self.rho)

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return exploding(log_snr)


def _log_snr_of(sigma_min: float, sigma_max: float) -> tuple[float, float]:
    if not 0 < sigma_min < sigma_max:
        raise ValueError(f"needs 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}")
    return -2 * math.log(sigma_min), -2 * math.log(sigma_max)
