r"""I-MMSE: the likelihood as an integral of the denoising error (Kong et al. 2023).

    densities      -log p(x) = d/2 log(2 pi e) + 1/2 int (|eps - eps_hat|^2 - d sigmoid(l)) dl
    probabilities  -log P(x) = 1/2 int |eps - eps_hat|^2 dl

over all log-SNRs l; an equality for the exact posterior mean, an upper bound on the mean of -log p
for any other. Only a window can be measured. Below it the posterior mean has stopped moving, |x -
mean|^2 is constant, and its tail is integrated exactly. Above it a density's two terms cancel, and
a probability's error is that of rounding to a grid of step D: at most 4 d sum_j exp(-(j - 1/2)^2
D^2 snr / 2) nats. Where the window doesn't resolve the grid and this is too much, the finite-cut
form stands in, E[-log P(x | x_t)] at the window's top, by the process's decoder.
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
from unnoise.core.likelihood.base import Likelihood, path_kl, require_pairs
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator
from unnoise.core.schedule import Scalar
from unnoise.core.times import LogSNRTimes, Times

__all__ = ["IMMSE"]


@dataclass(frozen=True)
class IMMSE(Likelihood):
    """log p(x) from the denoising error alone: needs no prior, only white noise.

    Attributes:
        draws: evaluations for each item, in pairs of opposite noise at stratified levels.
        times: the density of the levels.
    """

    draws: int = 64
    times: Times = field(default_factory=LogSNRTimes)

    def __post_init__(self) -> None:
        require_pairs(self.draws)

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
        density, dims, spent = values is None, batch.dims(), self.draws + 1
        integral, stderr = path_kl(
            process,
            denoiser,
            batch,
            self.draws,
            self.times,
            density=density,
            generator=generator,
        )
        start, end = process.schedule.levels(torch.tensor([0.0, 1.0]))
        x_t = process.marginal(batch.x, end, batch).sample(generator)
        # below the window the rate is snr |x - mean|^2 / 2: its integral is its value at the edge
        below = process.rate(batch.x, x_t, end, denoiser(x_t, end, batch), batch)
        if values is None:
            # what the Gaussian of unit variance has paid up to the window's top
            above = 0.5 * dims * (math.log(2 * math.pi * math.e) - _softplus(start.log_snr))
        elif rounding_tail(values, float(start.log_snr)) < NEGLIGIBLE:
            above = dims * rounding_tail(values, float(start.log_snr))
        else:
            x_t = process.marginal(batch.x, start, batch).sample(generator)
            decoder = process.decode(x_t, start, denoiser(x_t, start, batch), batch)
            above = -decoder.on(values).log_prob(batch.x)
            spent += 1
        kind = Kind.ESTIMATE if density else Kind.LOWER_BOUND
        return LikelihoodResult(-(above + integral + below), dims, kind, stderr, spent)


NEGLIGIBLE = 1e-3  # nats an entry


def rounding_tail(values: Tensor, log_snr: float) -> float:
    """A bound in nats an entry on 1/2 int mmse dsnr above a log-SNR, for entries on a grid: the
    error of rounding."""
    step = (values[1] - values[0]).item()
    j = torch.arange(1, len(values), dtype=torch.float64)
    return float(4 * torch.exp(-0.5 * ((j - 0.5) * step) ** 2 * math.exp(log_snr)).sum())


def _softplus(x: Scalar) -> float:
    return float(softplus(torch.as_tensor(x, dtype=torch.float64)))
