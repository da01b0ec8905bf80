"""What is compared: the one table of samplers and the one of likelihoods, a line each.

A sampler is a function of its budget of network evaluations, the final denoise among them, and
keeps to it: `sampler(nfe).nfe <= nfe`. A likelihood's budget counts evaluations of the velocity
with its divergence; what a divergence costs beside is its own trade. The first of a table is the
default and makes the headline. All start at the noise level SIGMA[1] of the exploding gauge, as
EDM's do, and end at SIGMA[0].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.benchmarks.core.problem import STD, Problem
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.likelihood import AdamsMultistep, Flow, Hutchinson, HutchPlusPlus, Likelihood
from unnoise.core.posterior import Posterior
from unnoise.core.prior import FullGaussian
from unnoise.core.process import Gaussian, Langevin, Sufficient
from unnoise.core.random import Generator
from unnoise.core.sampler import (
    AdamsBashforth,
    AnyNoise,
    Churn,
    DPMSolver,
    Heun,
    LogSNRGrid,
    PowerGrid,
    PredictorCorrector,
    Sampler,
    SigmaGrid,
    auto,
)
from unnoise.core.schedule import EDM, Rectified

__all__ = [
    "DETERMINISTIC",
    "LIKELIHOODS",
    "SIGMA",
    "STOCHASTIC",
    "Damped",
    "Estimate",
    "process",
]

SIGMA = (0.002, 80.0)
LINEAR = EDM(*SIGMA, rho=1.0)  # time is sigma: Karras' Heun on his grid


def process(data_std: float, sigma_max: float = SIGMA[1]) -> Gaussian:
    """The process of all problems, up to some noise level."""
    return Gaussian(EDM(SIGMA[0], sigma_max), data_std=data_std)


DETERMINISTIC: dict[str, Callable[[int], Sampler]] = {
    "auto": auto,
    "AB2, angle": lambda nfe: Sampler(AdamsBashforth(2), nfe - 1),
    "AB3, angle": lambda nfe: Sampler(AdamsBashforth(3), nfe - 1),
    "AB3, rectified": lambda nfe: Sampler(AdamsBashforth(3), nfe - 1, path=Rectified()),
    "Heun, angle": lambda nfe: Sampler(Heun(), (nfe - 1) // 2),
    "Heun, Karras": lambda nfe: Sampler(Heun(), (nfe - 1) // 2, SigmaGrid(), path=LINEAR),
    "DPM-Solver++ 2M, Karras": lambda nfe: Sampler(DPMSolver(2), nfe - 1, SigmaGrid(), path=None),
    "DPM-Solver++ 3M, log-SNR": lambda nfe: Sampler(
        DPMSolver(3), nfe - 1, LogSNRGrid(), path=None
    ),
    "DDIM, angle": lambda nfe: Sampler(AnyNoise(0.0), nfe - 1),
}


@dataclass(frozen=True)
class Damped:
    """A sampler on critically damped Langevin diffusion, with the denoiser of the plain process;
    the velocity it starts with is drawn."""

    sampler: Sampler

    @property
    def nfe(self) -> int:
        return self.sampler.nfe

    def __call__(
        self,
        process: Gaussian,
        denoiser: Denoiser[Posterior],
        batch: Batch,
        *,
        x: Tensor,
        generator: Generator = None,
    ) -> Tensor:
        """Samples from starts x of the plain process."""
        damped = Langevin(process.schedule, data_std=process.data_std)
        start = damped.prior(batch).sample(generator)
        start[:, 0] = x / process.prior(batch).scale
        denoiser = Sufficient(damped, denoiser)
        return self.sampler(damped, denoiser, batch, x=start, generator=generator)


STOCHASTIC: dict[str, Callable[[int], Sampler | Damped]] = {
    "half noise, angle": lambda nfe: Sampler(AnyNoise(0.5), nfe - 1),
    "ancestral, angle": lambda nfe: Sampler(AnyNoise(1.0), nfe - 1),
    "stochastic 2M, log-SNR": lambda nfe: Sampler(
        DPMSolver(2, noise_level=1.0), nfe - 1, LogSNRGrid(), path=None
    ),
    "ancestral + corrector, angle": lambda nfe: Sampler(PredictorCorrector(), (nfe - 1) // 2),
    "Heun + churn, Karras": lambda nfe: Sampler(Churn(), (nfe - 1) // 2, SigmaGrid(), path=LINEAR),
    "damped, gDDIM, angle": lambda nfe: Damped(Sampler(AnyNoise(0.0), nfe - 1)),
    "damped, auto": lambda nfe: Damped(auto(nfe)),
}


@dataclass(frozen=True)
class Estimate:
    """log p of a problem's points, as a function of a budget.

    Attributes:
        method: the likelihood of a budget.
        sigma_max: where the path ends.
        matched: whether the law there is that of Gaussian data with the problem's mean and
            covariance, instead of the process's own prior.
    """

    method: Callable[[int], Likelihood]
    sigma_max: float = SIGMA[1]
    matched: bool = False

    def __call__(self, problem: Problem, nfe: int, generator: Generator) -> Tensor:
        """log p of the problem's points in nats, (M,)."""
        batch, walked = Batch(problem.points), process(STD, self.sigma_max)
        prior = _matched(problem, batch, self.sigma_max) if self.matched else None
        estimate = self.method(nfe)
        return estimate(walked, problem.law, batch, prior=prior, generator=generator).nats


LIKELIHOODS: dict[str, Estimate] = {
    "RK, exact": Estimate(lambda nfe: Flow(nfe // 4), matched=True),
    "RK, exact, the process's prior": Estimate(lambda nfe: Flow(nfe // 4)),
    "RK, exact, to sigma = 5": Estimate(lambda nfe: Flow(nfe // 4), 5.0, matched=True),
    "AB4, exact": Estimate(
        lambda nfe: Flow(nfe, grid=PowerGrid(2.0), rule=AdamsMultistep(4)), matched=True
    ),
    "RK, Hutchinson, 1 probe": Estimate(lambda nfe: Flow(nfe // 4, Hutchinson(1)), matched=True),
    "RK, Hutchinson, 8 probes": Estimate(lambda nfe: Flow(nfe // 4, Hutchinson(8)), matched=True),
    "RK, Hutch++, 9 products": Estimate(
        lambda nfe: Flow(nfe // 4, HutchPlusPlus(9)), matched=True
    ),
}


def _matched(problem: Problem, batch: Batch, sigma: float) -> Distribution:
    """The law of x_0 + sigma z, x_0 Gaussian with the problem's mean and covariance."""
    gaussian = problem.matched()
    prior = FullGaussian(tuple(batch.x.shape[1:]))
    axes, variances = gaussian.axes[0], gaussian.lam[0] + sigma**2
    prior.mean.copy_(gaussian.means[0])
    prior.root.copy_(torch.linalg.cholesky(axes @ variances.diag() @ axes.T))
    return prior.law(batch)
