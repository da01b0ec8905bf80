"""How enhanced speech is drawn: a recipe of three numbers, which a checkpoint keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.process import Process
from unnoise.core.random import Generator
from unnoise.core.sampler import (
    Annealed,
    AnyNoise,
    Callback,
    PredictorCorrector,
    Sampler,
    Sampling,
)

__all__ = ["Predict", "Recipe"]


@dataclass(frozen=True)
class Predict(Sampling):
    """E[x_0 | x_1], one evaluation: for a bridge, which begins at the noisy speech, the mean of
    clean speech given it."""

    @torch.no_grad()
    def __call__(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        *,
        prior: Distribution | None = None,
        generator: Generator = None,
        callback: Callback | None = None,
    ) -> Tensor:
        x = (prior or process.prior(batch)).sample(generator)
        (end,) = process.schedule.levels(torch.ones(1))
        mean: Tensor = denoiser(x, end, batch).mean
        if callback is not None:
            callback(0, end, mean)
        return mean


@dataclass(frozen=True)
class Recipe:
    r"""Steps of equal length in the published time, from 1 to its start, then $E[x_0 | x]$.

    A step is `AnyNoise`: on a bridge its noise levels 1 and 0 are the published SDE and ODE
    samplers (Jukić et al. 2024). A corrector before each step makes it SGMSE's predictor-corrector
    sampler, `ald`.

    Attributes:
        nfe: evaluations of the network, at most; 1 is `Predict`.
        noise: of a step, 0 or more: 0 is the probability flow, 1 the reverse SDE.
        snr: of one Langevin step before each step; None: there is none.

    Raises:
        ValueError: if nfe is too small, the noise negative or the snr not positive.
    """

    nfe: int = 5
    noise: float = 1.0
    snr: float | None = None

    def __post_init__(self) -> None:
        least = 1 if self.snr is None else 3
        if self.nfe < least:
            why = "" if self.snr is None else ", as a corrector is one more for each step"
            raise ValueError(f"Recipe: nfe must be at least {least}{why}, got {self.nfe}")
        self.sampler()

    def sampler(self) -> Sampling:
        """What does it."""
        step = AnyNoise(self.noise)
        if self.snr is not None:
            corrected = PredictorCorrector(step, Annealed(self.snr))
            return Sampler(corrected, (self.nfe - 1) // 2, path=None)
        return Predict() if self.nfe == 1 else Sampler(step, self.nfe - 1, path=None)
