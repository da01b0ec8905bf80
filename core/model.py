"""A model: a process, its denoiser, and the units of the data. Pure delegation: everything it does
is a value passed in.

    model.loss(batch)                 a scalar to minimise
    model.sample(8)                   eight states, in the data's units
    model.log_prob(batch).bits_per_dim()

At this border states are in the user's units; inside, in the model's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.checkpoint import load_weights, save_weights
from unnoise.core.denoiser import Denoiser, Guided
from unnoise.core.distribution import Distribution
from unnoise.core.likelihood import Bound, Likelihood, LikelihoodResult
from unnoise.core.objective import Denoising, Objective
from unnoise.core.prior.base import Prior
from unnoise.core.process import Process
from unnoise.core.random import Generator
from unnoise.core.sampler import Callback, Sampling, auto
from unnoise.core.schedule import Schedule
from unnoise.core.transform import Affine, Transform

__all__ = ["Model"]


class Model(nn.Module):
    """Model(process, denoiser, shape): shape is that of one state, () for scalars.

    `prior` is a learned law of x_1, with which sampling starts and likelihoods end; None: the
    process's own.
    """

    def __init__(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        shape: tuple[int, ...],
        transform: Transform | None = None,
        objective: Objective | None = None,
        prior: Prior | None = None,
    ) -> None:
        super().__init__()
        self.process = process
        self.denoiser = denoiser
        self.shape = shape
        self.transform = Affine() if transform is None else transform
        self.objective = Denoising() if objective is None else objective
        self.prior = prior

    def loss(self, batch: Batch, generator: Generator = None) -> Tensor:
        """The training loss, a scalar."""
        return self.objective(self.process, self.denoiser, self.encode(batch), generator)

    @torch.no_grad()
    def sample(
        self,
        batch: Batch | int,
        sampler: Sampling | None = None,
        *,
        guidance: float = 1.0,
        prior: Distribution | None = None,
        generator: Generator = None,
        callback: Callback | None = None,
    ) -> Tensor:
        """Samples in the data's units.

        Args:
            batch: how many, or a batch whose conditions, masks and observed entries the samples
                shall have.
            sampler: how; None: the best of 32 evaluations, `auto(32, process)`.
            guidance: 1: the conditional model; above 1: classifier-free guidance; 0: the
                unconditional model.
            prior: the law of the first state; None: the model's.
            generator: source of all randomness; None: torch's global one.
            callback: called after every step.
        """
        batch = self._blank(batch) if isinstance(batch, int) else self.encode(batch)
        denoiser = (
            self.denoiser if guidance == 1 or not batch.cond else Guided(self.denoiser, guidance)
        )
        draw = auto(32, self.process) if sampler is None else sampler
        start = self._start(batch) if prior is None else prior
        x = draw(
            self.process, denoiser, batch, prior=start, generator=generator, callback=callback
        )
        return self.transform.decode(x, batch.cond)

    def log_prob(
        self, batch: Batch, method: Likelihood | None = None, generator: Generator = None
    ) -> LikelihoodResult:
        """log p of every state in nats of the data's units: a probability if the data are
        quantised, else a density."""
        estimate = Bound() if method is None else method
        batch = self.encode(batch)
        result = estimate(
            self.process,
            self.denoiser,
            batch,
            prior=self._start(batch),
            values=self.transform.values,
            generator=generator,
        )
        return result.shifted(self.transform.log_det)

    def encode(self, batch: Batch) -> Batch:
        """The batch in the model's units.

        Raises:
            ValueError: if its states don't have the model's shape.
        """
        if tuple(batch.x.shape[1:]) != self.shape:
            raise ValueError(
                f"Model: a state has shape {self.shape}, the batch holds {tuple(batch.x.shape[1:])}"
            )
        x = self.transform.encode(batch.x, batch.cond)
        return batch if x is batch.x else batch.replace(x=x)

    def fit_prior(self, batch: Batch, copies: int = 16, generator: Generator = None) -> None:
        """Fit the learned prior to noisy versions x_1 of data, `copies` of each item.

        Raises:
            ValueError: if the model has no learned prior.
        """
        if self.prior is None:
            raise ValueError(
                f"Model: no learned prior to fit; make one with model.until(time, FullGaussian({self.shape}))"
            )
        batch = self.encode(batch).map(lambda v: v.repeat_interleave(copies, 0))
        (end,) = self.process.schedule.levels(torch.ones(1))
        self.prior.fit(self.process.marginal(batch.x, end, batch).sample(generator), generator)

    def until(self, time: float, prior: Prior | None = None) -> Self:
        """The same networks on a path that ends at `time`, with another prior there (None: the
        process's own); nothing is trained anew, since they see log-SNR only.

        Raises:
            ValueError: if the time isn't in (0, 1].
        """
        if not 0 < time <= 1:
            raise ValueError(f"Model: a path ends at a time in (0, 1], got {time}")
        schedule = self.process.schedule
        if time < 1:
            (end,) = schedule.levels(torch.tensor([time], dtype=torch.float64))
            schedule = schedule.between(schedule.log_snr_max, float(end.log_snr))
        return self._like(schedule, prior)

    def with_schedule(self, schedule: Schedule) -> Self:
        """The same networks under another schedule (they see log-SNR only).

        Raises:
            ValueError: if the model has a learned prior, and it was fitted elsewhere than where
                this schedule ends.
        """
        if self.prior is not None:
            (old,), (new,) = (s.levels(torch.ones(1)) for s in (self.process.schedule, schedule))
            if not math.isclose(old.alpha, new.alpha) or not math.isclose(old.sigma, new.sigma):
                raise ValueError(
                    f"Model: the learned prior was fitted at alpha = {old.alpha:.4g}, sigma = {old.sigma:.4g}, and this "
                    f"schedule ends at {new.alpha:.4g}, {new.sigma:.4g}; drop the prior first, with model.until(1.0)"
                )
        return self._like(schedule, self.prior)

    def _like(self, schedule: Schedule, prior: Prior | None) -> Self:
        return type(self)(
            self.process.on(schedule),
            self.denoiser,
            self.shape,
            self.transform,
            self.objective,
            prior,
        )

    def save(self, path: Path | str, about: Mapping[str, Any] | None = None) -> None:
        """Write weights (safetensors) and `about`, any JSON, in one file, atomically."""
        save_weights(self, Path(path), about or {})

    def load(self, path: Path | str) -> Mapping[str, Any]:
        """Read weights written by `save` for a model of the same architecture; returns `about`.

        Raises:
            CheckpointError: if the file is unreadable, or made for another architecture.
        """
        return load_weights(self, Path(path))

    def _start(self, batch: Batch) -> Distribution | None:
        return None if self.prior is None else self.prior.law(batch)

    def _blank(self, n: int) -> Batch:
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.zeros(()))
        return Batch(torch.zeros(n, *self.shape, dtype=like.dtype, device=like.device))
