r"""Densities of times: where a loss or a bound looks along the schedule.

Any density on [0, 1] whose draws carry 1 / density integrates the same function; the choice only
moves the variance. The noise of a standard Gaussian is guessed with the error $E|\epsilon -
\hat\epsilon|^2 = \alpha^2$ an entry, so for data not too far from one the best density of a loss
$\int w\, |\epsilon - \hat\epsilon|^2 dt$ is about $w \alpha^2$ (LSGM, Vahdat et al. 2021):

    w                             density                                    LSGM's name
    |d log-SNR / dt|  the bound   log sigma^2 uniform    LogVarianceTimes    ll_iw
    |d log alpha^2 / dt|          sigma^2 uniform        LogisticTimes(0, 1) drop_sigma2t_iw
    1                 simple      ~ alpha^2              SignalTimes         drop_all_iw

with alpha and sigma those of unit total variance, whatever the schedule's gauge. A density may also
be learned: `Along` a `Learned` schedule.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from unnoise.core.line import BrokenLine
from unnoise.core.schedule import Schedule

__all__ = [
    "Along",
    "LogSNRTimes",
    "LogVarianceTimes",
    "LogisticTimes",
    "SignalTimes",
    "Times",
    "Uniform",
]


class Times(ABC):
    """A density of times on [0, 1], drawn by its inverse CDF so that quantiles can be
    stratified."""

    @abstractmethod
    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor | float]:
        """Times (n,) at the quantiles u (n,) of the density, and 1 / density at them.

        The times have no gradient. 1 / density has one by the density's own parameters, if there
        are any, at fixed times.
        """


@dataclass(frozen=True)
class Uniform(Times):
    """t uniform on [0, 1]: along the schedule itself, so a learned schedule is the density's
    parameter."""

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor | float]:
        if not schedule.learned:
            return u, 1.0
        speed = schedule.speed(u)
        return u, speed / speed.detach()


class Along(nn.Module, Times):
    """t uniform in the time of another schedule, pinned to the same window: the log-SNR is seen as
    often as that schedule passes it.

    Along a `Learned` schedule these are loss-aware times: they look where the loss is large or
    noisy, and learn where that is from the loss alone.
    """

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
        path = self.schedule.between(schedule.log_snr_max, schedule.log_snr_min)
        t = schedule.time(path.log_snr(u)).clamp(0, 1)
        return t, path.speed(u) / schedule.speed(t).detach()


@dataclass(frozen=True)
class LogSNRTimes(Times):
    """Log-SNR uniform over the schedule's window: along `LinearLogSNR`."""

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
        top, bottom = schedule.log_snr_max, schedule.log_snr_min
        if not math.isfinite(top - bottom):
            raise ValueError(
                f"LogSNRTimes: the window {top} to {bottom} is infinite; take Uniform() or LogisticTimes()"
            )
        return _at(top - (top - bottom) * u, top - bottom, schedule)


@dataclass(frozen=True)
class LogisticTimes(Times):
    """Log-SNR from a logistic law cut to the schedule's window: where Gaussian data's error lives
    (Kong et al. 2023, appendix B).

    For data of variance v the noise error is sigmoid(log-SNR + log v) a dimension, whose slope in
    log-SNR is this density with `loc = -log v` and `scale = 1`; a wider spectrum of variances
    wants a larger scale. With `loc = 0` and `scale = 1`, sigma^2 is uniform; with `scale = 2`, the
    share of codes that is kept. The window may be infinite.
    """

    loc: float = 0.0
    scale: float = 2.0

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
        low, high = schedule.log_snr_min, schedule.log_snr_max
        if math.isinf(low):  # no times lie nearer to where nothing is kept
            u = u.clamp(max=1 - 4 * torch.finfo(u.dtype).eps)
        width = self._cdf(high) - self._cdf(low)
        # both tails of the law at the quantile, each exact where it is small; t rises with u
        above = self._tail(high) + width * u
        below = self._cdf(low) + width * (1 - u)
        log_snr = (self.loc + self.scale * torch.log(below / above)).clamp(low, high)
        return _at(log_snr, self.scale * width / (above * below), schedule)

    def _cdf(self, log_snr: float) -> float:
        return 1 / (1 + math.exp((self.loc - log_snr) / self.scale))

    def _tail(self, log_snr: float) -> float:
        return 1 / (1 + math.exp((log_snr - self.loc) / self.scale))


@dataclass(frozen=True)
class LogVarianceTimes(Times):
    """log sigma^2 uniform over the schedule's window: the density of log-SNR is ~ alpha^2."""

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
        first, last = (-softplus(schedule.ends())).tolist()
        log_variance = last - (last - first) * (1 - u)
        log_snr = torch.log(torch.expm1(-log_variance))
        return _at(log_snr, (last - first) / torch.sigmoid(log_snr), schedule)


@dataclass(frozen=True)
class SignalTimes(Times):
    """The density of t is ~ alpha^2, in steps: a constant on each of `cells` equal parts of [0, 1].

    A density in steps is as unbiased as any, since 1 / density is its own. For linear beta it tends
    to the error function of LSGM's appendix.
    """

    cells: int = 256

    def draw(self, u: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
        centres = (torch.arange(self.cells, dtype=u.dtype, device=u.device) + 0.5) / self.cells
        power = torch.sigmoid(schedule.log_snr(centres))
        mass = power / power.sum()
        t = BrokenLine(mass)(u).clamp(0, 1)
        cell = (t * self.cells).long().clamp(max=self.cells - 1)
        return t, 1 / (self.cells * mass[cell])


def _at(
    log_snr: Tensor, inverse_density: Tensor | float, schedule: Schedule
) -> tuple[Tensor, Tensor]:
    """Times at log-SNRs, and 1 / density of them, from 1 / density of the log-SNR."""
    t = schedule.time(log_snr).clamp(0, 1)
    return t, inverse_density / schedule.speed(t).detach()
