"""What every way of sampling shares, and walks of linear Gaussian processes: where they start, along
which schedule, and how they end.

What is walked need not be the schedule of training: networks see log-SNR alone, so `path` may be
any schedule, and its window is pinned to that of the process. By default it is the angle schedule
of data of the process's own standard deviation, on which the flow of such data is a rotation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, Given
from unnoise.core.distribution import Distribution
from unnoise.core.process import Process
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.random import Generator
from unnoise.core.sampler.solver import Draw, Mean
from unnoise.core.schedule import Cosine, Level, Schedule

__all__ = ["Angle", "Callback", "Path", "Sampling", "Walk", "on_path"]

Callback = Callable[[int, Level, Tensor], None]  # step index, the level reached, the state there


@dataclass(frozen=True)
class Angle:
    """The path on which data of the process's `data_std` turn at constant speed."""


Path = Schedule | Angle | None  # None: the schedule of the process


def on_path(path: Path, process: LinearGaussian) -> LinearGaussian:
    """The process on the schedule that is walked, pinned to its own window."""
    if path is None:
        return process
    schedule = Cosine(data_std=process.data_std) if isinstance(path, Angle) else path
    own = process.schedule
    return process.on(schedule.between(own.log_snr_max, own.log_snr_min))


class Sampling(ABC):
    """From the prior to data, by a process and its denoiser."""

    @abstractmethod
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
        """Samples shaped as batch.x, which gives shape, dtype, device and the observed values.

        Args:
            process: the noising process that the denoiser was made for.
            denoiser: its denoiser.
            batch: conditions, masks and observed entries of the states to draw.
            prior: the law of the first state; None: the process's own.
            generator: source of all randomness.
            callback: called after every step.
        """


class Walk(Sampling):
    """A walk of a linear Gaussian process; it sees the denoiser's mean alone."""

    path: Path
    denoise: bool

    @abstractmethod
    def walk(
        self, process: LinearGaussian, mean: Mean, x: Tensor, draw: Draw, callback: Callback | None
    ) -> Tensor:
        """The state at t = 0 of a state x at t = 1, both on the schedule of `process`."""

    @torch.no_grad()
    def __call__(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        *,
        prior: Distribution | None = None,
        x: Tensor | None = None,
        generator: Generator = None,
        callback: Callback | None = None,
    ) -> Tensor:
        """See `Sampling`; `x` is the first state itself, in the gauge of the process, instead of a
        draw.

        Raises:
            TypeError: for a process that isn't linear Gaussian.
        """
        if not isinstance(process, LinearGaussian):
            raise TypeError(
                f"{type(self).__name__} walks linear Gaussian processes, got {type(process).__name__}; "
                "for codes take JumpSampler, for mixed data ProductSampler, for either auto(nfe, process)"
            )
        denoiser = denoiser if batch.observed is None else Given(denoiser)

        def mean(x: Tensor, level: Level) -> Tensor:
            return denoiser(x, level, batch).mean

        if x is None:
            x = (prior or process.prior(batch)).sample(generator)
        walked = on_path(self.path, process)
        (own,) = process.schedule.levels(torch.ones(1))
        first, last = walked.schedule.levels(torch.tensor([1.0, 0.0]))
        x = x * (walked.gauge(first) / process.gauge(own))
        x = self.walk(walked, mean, x, lambda: process.draw(batch, generator), callback)
        return mean(x, last) if self.denoise else x
