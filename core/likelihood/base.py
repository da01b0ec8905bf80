"""The signature that all likelihood methods share, and the path integral that two of them are made
of."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.likelihood.result import LikelihoodResult
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator, low_discrepancy
from unnoise.core.schedule import Level
from unnoise.core.times import Times

__all__ = ["Likelihood", "noise_excess", "path_kl", "require_pairs"]


class Likelihood(ABC):
    """A way to estimate log p(x) under a denoiser."""

    @abstractmethod
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
        """log p of every state in nats of the model's units.

        Args:
            process: the noising process.
            denoiser: its denoiser.
            batch: the states, in the model's units.
            prior: p(x_1); None: the process's own.
            values: the grid (K,) that quantised states lie on, for a log probability; None: a log
                density.
            generator: source of all randomness.
        """


def require_pairs(draws: int) -> None:
    """Refuse a number of evaluations that can't be spent in pairs.

    Raises:
        ValueError: if it is odd or less than 2.
    """
    if draws < 2 or draws % 2:
        raise ValueError(
            f"draws must be even and at least 2 (pairs of opposite noise), got {draws}"
        )


@torch.no_grad()
def path_kl(
    process: Gaussian,
    denoiser: Denoiser[Posterior],
    batch: Batch,
    draws: int,
    times: Times,
    *,
    density: bool,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """int rate d(log-SNR) over the schedule's window: an unbiased estimate in nats and its
    standard error, (B,) each.

    `draws` evaluations come in pairs of opposite noise at one level. An item's pairs are
    stratified in time, and the items' strata are shifted against each other (low discrepancy), so
    that the mean over a data set converges faster than its items do; the error of an item is that
    of independent pairs, which is an upper bound.
    """
    pairs = draws // 2
    shift = low_discrepancy(batch.x, generator)
    total, squares = torch.zeros_like(shift), torch.zeros_like(shift)
    for k in range(pairs):
        t, inverse_density = times.draw((k + shift) / pairs, process.schedule)
        level = process.schedule.level(t, batch.x.ndim)
        x_t = process.marginal(batch.x, level, batch).sample(generator)
        rate = torch.zeros_like(shift)
        for x in (x_t, 2 * level.alpha * batch.x - x_t):
            rate = rate + 0.5 * process.rate(batch.x, x, level, denoiser(x, level, batch), batch)
        if density:
            rate = rate - torch.sigmoid(level.condition(batch.x)).square() * noise_excess(
                process, x_t, level, batch
            )
        nats = rate * inverse_density * -process.schedule.slope(t)[2]
        total += nats
        squares += nats.square()
    mean = total / pairs
    variance = (squares / pairs - mean.square()).clamp(min=0) / max(pairs - 1, 1)
    return mean, variance.sqrt()


def noise_excess(process: Gaussian, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
    """(|eps|^2 - d) / 2 of the noise in x_t, (B,): mean zero, a control variate.

    The noise of a density can't be guessed at high log-SNR, so what a denoiser gets wrong there is
    the noise itself. On a grid it can be guessed, and there is nothing to subtract.
    """
    return 0.5 * (
        process.noise.square_norm((x_t - level.alpha * batch.x) / level.sigma, batch)
        - batch.dims()
    )
