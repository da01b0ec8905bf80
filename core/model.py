"""A model: a process, its denoiser, and the units of the data. Pure delegation: everything it does
is a value passed in.

    model.loss(batch)                 a scalar to minimise
    model.sample(8)                   eight states, in the data's units
    model.log_prob(batch).bits_per_dim()

At this border states are in the user's units; inside, in the model's.
"""

from __future__ import annotations

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
from unnoise.core.objective import Objective
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator
from unnoise.core.sampler import Callback, Sampler
from unnoise.core.schedule import Schedule
from unnoise.core.transform import Affine, Transform

__all__ = ["Model"]


class Model(nn.Module):
    """Model(process, denoiser, shape): shape is that of one state, () for scalars."""

    def __init__(
        self,
        process: Gaussian,
        denoiser: Denoiser[Posterior],
        shape: tuple[int, ...],
        transform: Transform | None = None,
        objective: Objective | None = None,
    ) -> None:
        super().__init__()
        self.process = process
        self.denoiser = denoiser
        self.shape = shape
        self.transform = Affine() if transform is None else transform
        self.objective = Objective() if objective is None else objective

    def loss(self, batch: Batch, generator: Generator = None) -> Tensor:
        """The training loss, a scalar."""
        return self.objective(self.process, self.denoiser, self.encode(batch), generator)

    @torch.no_grad()
    def sample(
        self,
        batch: Batch | int,
        sampler: Sampler | None = None,
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
            sampler: how; the default costs 32 evaluations.
            guidance: 1: the conditional model; above 1: classifier-free guidance; 0: the
                unconditional model.
            prior: the law of the first state; None: the process's own.
            generator: source of all randomness; None: torch's global one.
            callback: called after every step.
        """
        batch = self._blank(batch) if isinstance(batch, int) else self.encode(batch)
        denoiser = (
            self.denoiser if guidance == 1 or not batch.cond else Guided(self.denoiser, guidance)
        )
        draw = Sampler() if sampler is None else sampler
        x = draw(
            self.process, denoiser, batch, prior=prior, generator=generator, callback=callback
        )
        return self.transform.decode(x)

    def log_prob(
        self, batch: Batch, method: Likelihood | None = None, generator: Generator = None
    ) -> LikelihoodResult:
        """log p of every state in nats of the data's units: a probability if the data are
        quantised, else a density."""
        estimate = Bound() if method is None else method
        result = estimate(
            self.process,
            self.denoiser,
            self.encode(batch),
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
        x = self.transform.encode(batch.x)
        return batch if x is batch.x else batch.replace(x=x)

    def with_schedule(self, schedule: Schedule) -> Self:
        """The same networks under another schedule (they see log-SNR only)."""
        return type(self)(
            Gaussian(schedule, self.process.noise),
            self.denoiser,
            self.shape,
            self.transform,
            self.objective,
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

    def _blank(self, n: int) -> Batch:
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.zeros(()))
        return Batch(torch.zeros(n, *self.shape, dtype=like.dtype, device=like.device))
