r"""The variational bound in continuous time (VDM, Kingma et al. 2021):

    -log p(x) <= KL(q(x_1|x) || p(x_1)) + int E rate d(log-SNR) + E[-log p(x | x_0)]
                 prior                     diffusion              decoder

With an exact denoiser, prior and decoder it is an equality in expectation and, by I-MMSE, at every
x.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution, divergence
from unnoise.core.likelihood.base import Likelihood, noise_excess, path_kl, require_pairs
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator
from unnoise.core.times import LogSNRTimes, Times

__all__ = ["Bound"]


@dataclass(frozen=True)
class Bound(Likelihood):
    """A lower bound on log p(x), unbiased as an estimate of the bound.

    Attributes:
        draws: evaluations for each item, in pairs of opposite noise at stratified levels.
        times: the density of the levels.
    """

    draws: int = 32
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
        start, end = process.schedule.levels(torch.tensor([0.0, 1.0]))
        prior_kl = divergence(
            process.marginal(batch.x, end, batch), prior or process.prior(batch), generator
        )
        diffusion, stderr = path_kl(
            process,
            denoiser,
            batch,
            self.draws,
            self.times,
            density=values is None,
            generator=generator,
        )
        x_t = process.marginal(batch.x, start, batch).sample(generator)
        decoder = process.decode(x_t, start, denoiser(x_t, start, batch), batch)
        if values is None:
            reconstruction = decoder.log_prob(batch.x) + noise_excess(process, x_t, start, batch)
        else:
            reconstruction = decoder.on(values).log_prob(batch.x)
        nats = reconstruction - diffusion - prior_kl
        return LikelihoodResult(nats, batch.dims(), Kind.LOWER_BOUND, stderr, self.draws + 1)
