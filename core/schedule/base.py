r"""What every schedule is: a log-SNR, its inverse, a gauge, and a window."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

__all__ = ["Level", "Scalar", "Schedule", "exploding", "preserving", "straight"]

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
        ValueError: if `log_snr_max` is not above `log_snr_min`; or, when first used, if the log-SNR
            doesn't fall all the way between them.
    """

    learned: ClassVar[bool] = False  # True: `speed` has a gradient by the schedule's parameters

    def __init__(self, log_snr_max: float, log_snr_min: float) -> None:
        super().__init__()
        self.shift: nn.Parameter | None
        self.register_parameter("shift", None)  # how far training has moved the ends
        self._pin(log_snr_max, log_snr_min)

    @property
    def log_snr_max(self) -> float:
        r"""$\lambda$ at t = 0."""
        return self.ends()[0].item()

    @property
    def log_snr_min(self) -> float:
        r"""$\lambda$ at t = 1."""
        return self.ends()[1].item()

    def ends(self) -> Tensor:
        """(log_snr_max, log_snr_min) in float64, (2,); with a gradient where they are learned."""
        first, last = self._pinned
        if self.shift is None:
            return torch.tensor([first, last], dtype=torch.float64)
        half = self.shift.new_tensor([first - last, last - first], dtype=torch.float64) / 2
        return (first + last) / 2 + half * self.shift.double().exp()

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
        other._parameters = {**self._parameters, "shift": None}
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

    def speed(self, t: Tensor) -> Tensor:
        r"""$-d\lambda/dt > 0$ at times t of any shape, by automatic differentiation."""
        with torch.inference_mode(False), torch.enable_grad():
            t = t.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.log_snr(t).sum(), t)
        return -slope

    def _pin(self, log_snr_max: float, log_snr_min: float) -> None:
        if not log_snr_max > log_snr_min:
            raise ValueError(
                f"{type(self).__name__}: log_snr_max={log_snr_max} must be above log_snr_min={log_snr_min}"
            )
        self._pinned = (log_snr_max, log_snr_min)

    @cached_property
    def _window(self) -> tuple[float, float]:
        start, end = self.textbook_time(self.ends()).tolist()
        self._require_monotone(start, end)
        return start, end

    def _require_monotone(self, start: float, end: float) -> None:
        log_snr = self.textbook_log_snr(torch.linspace(start, end, 257, dtype=torch.float64))
        reached = torch.allclose(log_snr[[0, -1]], self.ends(), rtol=0, atol=0.1)
        if not (reached and (log_snr.diff() < 0).all()):
            raise ValueError(
                f"{type(self).__name__}: the log-SNR must fall all the way from {self.log_snr_max} to {self.log_snr_min}, "
                f"and doesn't between the times {start:.6g} and {end:.6g}; give a decreasing textbook_log_snr with its inverse, or a window that it reaches"
            )


def preserving(log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """alpha^2 + sigma^2 = 1."""
    return torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()


def exploding(log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """alpha = 1."""
    return torch.ones_like(log_snr), torch.exp(-0.5 * log_snr)


def straight(log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """alpha + sigma = 1."""
    return torch.sigmoid(0.5 * log_snr), torch.sigmoid(-0.5 * log_snr)
