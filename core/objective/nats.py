r"""Objectives whose value is an estimate of -log p, in nats a state.

    Variational       KL(q(x_1|x) || p(x_1)) + int rate d(log-SNR) + E[-log p(x | x_0)]
    InformationMSE    d/2 log(2 pi e) + 1/2 int (|eps - eps_hat|^2 - d sigmoid(l)) dl

The first is the bound, all of it: a decoder and the ends of a learned schedule get their gradient
from it. The ends move as $\lambda = \lambda_{max} (1 - s) + \lambda_{min} s$ at a fixed share s of
the window, with the noise of x_t; what lies between the ends changes nothing but the variance
(VDM, Kingma et al. 2021). The second is a regression on the absolute scale (Kong et al. 2023).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import divergence
from unnoise.core.objective.base import Integral, weighed
from unnoise.core.objective.weight import Elbo
from unnoise.core.process import Process
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.random import Generator
from unnoise.core.schedule import Level, Schedule
from unnoise.core.times import LogSNRTimes, Times

__all__ = ["InformationMSE", "Variational"]


class Variational(Integral):
    """The variational bound on -log p(x): in the mean what `Bound` reports, with its sign turned,
    and with a gradient.

    Args:
        values: the grid (K,) of quantised data in the model's units, `transform.values`; None: the
            data have a density.
        times: where to look; None: uniform in log-SNR. With `Uniform` a learned schedule learns
            what lies between its ends too.
        stratified: see `Integral`.
        condition_dropout: see `Integral`.
    """

    def __init__(
        self,
        values: Tensor | None = None,
        times: Times | None = None,
        stratified: bool = True,
        condition_dropout: float = 0.0,
    ) -> None:
        super().__init__(LogSNRTimes() if times is None else times, stratified, condition_dropout)
        self.values: Tensor | None
        self.register_buffer(
            "values", None if values is None else values.clone(), persistent=False
        )

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """-log p(x) of each state or more, (B,), in nats of the model's units."""
        told, drawn, inverse_density = self.draw(process, batch, generator)
        schedule, ndim = process.schedule, batch.x.ndim
        first, last = schedule.ends().to(batch.x).reshape(2, 1, *[1] * (ndim - 1))
        width = (first - last).reshape(-1)
        share = ((first - drawn.log_snr) / (first - last)).detach()
        level = _level(schedule, drawn.t, torch.lerp(first, last, share))
        start = _level(schedule, torch.zeros_like(first), first)
        end = _level(schedule, torch.ones_like(last), last)

        x_t = process.marginal(batch.x, level, batch).sample(generator)
        rate = process.rate(batch.x, x_t, level, denoiser(x_t, level, told), batch)
        if self.values is None:
            rate = rate - _luck(process, x_t, level, batch)
        path = weighed(rate, Elbo()(drawn, schedule) * inverse_density) * (width / width.detach())
        prior = divergence(process.marginal(batch.x, end, batch), process.prior(batch), generator)
        x_t = process.marginal(batch.x, start, batch).sample(generator)
        decoder = process.decode(x_t, start, denoiser(x_t, start, told), batch)
        nats: Tensor = prior + path
        if self.values is None:
            return nats - decoder.log_prob(batch.x) - _luck(process, x_t, start, batch)
        return nats - decoder.on(self.values).log_prob(batch.x)


class InformationMSE(Integral):
    """The I-MMSE identity over the schedule's window, with what lies outside of it that of data of
    unit variance; at the exact posterior mean its average is the differential entropy.

    For densities. For quantised data there is neither a constant nor anything to subtract: the loss
    is that of `Denoising(Elbo())`.

    Args:
        times: where to look; None: uniform in log-SNR. Kong et al. take `LogisticTimes`.
        stratified: see `Integral`.
        condition_dropout: see `Integral`.
    """

    def __init__(
        self,
        times: Times | None = None,
        stratified: bool = True,
        condition_dropout: float = 0.0,
    ) -> None:
        super().__init__(LogSNRTimes() if times is None else times, stratified, condition_dropout)

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """An estimate of -log p(x) of each state, (B,), in nats of the model's units."""
        told, level, inverse_density = self.draw(process, batch, generator)
        x_t = process.marginal(batch.x, level, batch).sample(generator)
        rate = process.rate(batch.x, x_t, level, denoiser(x_t, level, told), batch)
        half = 0.5 * (
            process.noise.dims(batch) if isinstance(process, LinearGaussian) else batch.dims()
        )
        excess = rate - half * torch.sigmoid(level.condition(batch.x))
        excess = excess - _luck(process, x_t, level, batch)
        integral = weighed(excess, Elbo()(level, process.schedule) * inverse_density)
        return half * math.log(2 * math.pi * math.e) + integral


def _luck(process: Process[Any], x_t: Tensor, level: Level, batch: Batch) -> Tensor | float:
    """What of a density's rate is that of the noise drawn, (B,): mean zero, a control variate.

    The noise can't be guessed at high log-SNR, so what a denoiser gets wrong there is the noise.
    """
    if not isinstance(process, LinearGaussian):
        return 0.0
    guessed = torch.sigmoid(level.condition(batch.x)).square()
    return guessed * process.excess(batch.x, x_t, level, batch)


def _level(schedule: Schedule, t: Tensor | float, log_snr: Tensor) -> Level:
    return Level(t, *schedule.gauge(log_snr), log_snr)
