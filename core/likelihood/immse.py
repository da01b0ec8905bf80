r"""I-MMSE: the likelihood as an integral of the denoising error (Kong et al. 2023).

    densities      -log p(x) = d/2 log(2 pi e) + 1/2 int (|eps - eps_hat|^2 - d sigmoid(l)) dl
    probabilities  -log P(x) = 1/2 int |eps - eps_hat|^2 dl

over all log-SNRs l; an equality for the exact posterior mean, an upper bound on the mean of -log p
for any other. Only a window can be measured. Below it the posterior mean has stopped moving, |x -
mean|^2 is constant, and its tail is integrated exactly. Above it a density's two terms cancel, and
a probability's error is that of rounding to a grid of step D: at most 4 d sum_j exp(-(j - 1/2)^2
D^2 snr / 2) nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import softplus

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.likelihood.base import Likelihood, path_kl
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator
from unnoise.core.times import LogSNRTimes, Times

__all__ = ["IMMSE"]


@dataclass(frozen=True)
class IMMSE(Likelihood):
    """log p(x) from the denoising error alone: needs no prior and no decoder, only white noise.

    Attributes:
        draws: evaluations for each item, in pairs of opposite noise at stratified levels.
        times: the density of the levels.
    """

    draws: int = 64
    times: Times = field(default_factory=LogSNRTimes)

    @torch.no_grad()
    def __call__(
        self,
        process: Gaussian,
        denoiser: Denoiser[Posterior],
        batch: Batch,
        *,
        prior: Distribution | None = None,
        values: Tensor | None = None,
        generator: Generator = None,
    ) -> LikelihoodResult:
        high = process.schedule.log_snr_max
        dims = batch.dims()
        integral, stderr = path_kl(
            process,
            denoiser,
            batch,
            self.draws,
            self.times,
            density=values is None,
            generator=generator,
        )
        (end,) = process.schedule.levels(torch.ones(1))
        x_t = process.marginal(batch.x, end, batch).sample(generator)
        at_low = process.rate(
            batch.x, x_t, end, denoiser(x_t, end, batch), batch
        )  # = snr |x - mean|^2 / 2, its own tail
        if values is None:
            base = (
                0.5 * dims * (math.log(2 * math.pi * math.e) - _softplus(high))
            )  # int of sigmoid from -inf to the window's top
            return LikelihoodResult(
                -(base + integral + at_low), dims, Kind.ESTIMATE, stderr, self.draws + 1
            )
        nats = -(integral + at_low + dims * rounding_tail(values, high))
        return LikelihoodResult(nats, dims, Kind.LOWER_BOUND, stderr, self.draws + 1)


def rounding_tail(values: Tensor, log_snr: float) -> float:
    """A bound in nats an entry on 1/2 int mmse dsnr above a log-SNR, for entries on a grid: the
    error of rounding."""
    step = (values[1] - values[0]).item()
    j = torch.arange(1, len(values), dtype=torch.float64)
    return float(4 * torch.exp(-0.5 * ((j - 0.5) * step) ** 2 * math.exp(log_snr)).sum())


def _softplus(x: float) -> float:
    return float(softplus(torch.tensor(x, dtype=torch.float64)))
