"""Training on pairs of noisy and clean speech that are drawn anew at every step.

A crop is brought to a level as a whole file will be: divided by the peak of its noisy side, and made
quieter at random, since the loudest moment of a file is seldom in the crop.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Model
from unnoise.core.objective import Objective
from unnoise.core.process import Process
from unnoise.core.random import Generator, seeded, uniform
from unnoise.domains.audio.mixing import Mixture
from unnoise.domains.audio.model import predicted, states
from unnoise.domains.audio.normalise import Level
from unnoise.domains.audio.spectrogram import Spectrogram

__all__ = ["Drawn", "Pairs", "Source"]

_KEYS = 2**53
_TRIES = 50


class Source(Protocol):
    """Random pairs of one length, as `mixing.Mixer`; it isn't changed by being asked."""

    @property
    def length(self) -> int: ...

    def pair(self, generator: torch.Generator) -> Mixture: ...


@dataclass(frozen=True, eq=False)
class Pairs:
    """Random crops of recordings that exist with and without noise; a shorter one is put at a
    random place among zeros.

    Attributes:
        noisy: recordings, (n,) each.
        clean: the same without noise, sample by sample.
        length: samples of a pair.

    Raises:
        ValueError: if there is none, or two sides differ in shape, or one holds NaN or only
            silence; it says which.
    """

    noisy: Sequence[Tensor]
    clean: Sequence[Tensor]
    length: int

    def __post_init__(self) -> None:
        if not self.noisy or len(self.noisy) != len(self.clean):
            raise ValueError(
                f"Pairs: needs as many clean recordings as noisy ones, and at least one; got {len(self.noisy)} noisy and {len(self.clean)} clean"
            )
        if self.length < 1:
            raise ValueError(f"Pairs: length must be at least 1 sample, got {self.length}")
        for i, (y, x) in enumerate(zip(self.noisy, self.clean, strict=True)):
            if y.ndim != 1 or y.shape != x.shape:
                raise ValueError(
                    f"Pairs: pair {i} has shapes {tuple(y.shape)} and {tuple(x.shape)}; both must be the same (n,)"
                )
            if not bool(y.isfinite().all() & x.isfinite().all()) or not bool(y.any()):
                raise ValueError(f"Pairs: pair {i} is silent or holds NaN; leave it out")

    def pair(self, generator: torch.Generator) -> Mixture:
        """One crop in which there is sound, (length,)."""
        for _ in range(_TRIES):
            i = int(torch.randint(len(self.noisy), (), generator=generator))
            spare = len(self.noisy[i]) - self.length
            start = int(torch.randint(abs(spare) + 1, (), generator=generator))
            noisy, clean = (_cut(side[i], start, self.length) for side in (self.noisy, self.clean))
            if noisy.any():
                return Mixture(clean, noisy, torch.tensor(torch.nan, dtype=torch.float64))
        raise ValueError(
            f"Pairs: {_TRIES} crops of {self.length} samples were silent; leave out recordings that are mostly silent"
        )


class Drawn(Objective):
    """Another objective, on fresh pairs: of the batch given, only the number of rows counts.

    A copy of it, as training keeps one with averaged weights, has the same source: hours of speech
    are held once.

    Args:
        objective: of the states.
        source: of pairs.
        front: makes states of them.
        first: the first stage, if there is one; it isn't trained.
        quieter: dB below peak 1 that a crop may be brought to, at most.
    """

    def __init__(
        self,
        objective: Objective,
        source: Source,
        front: Spectrogram,
        first: Model | None = None,
        quieter: float = 10.0,
    ) -> None:
        super().__init__()
        self.objective = objective
        self.source = source
        self.front = front
        self.first = None if first is None else copy.deepcopy(first).requires_grad_(False)
        self.quieter = quieter

    def __deepcopy__(self, memo: dict[int, Any]) -> Drawn:
        objective = copy.deepcopy(self.objective, memo)
        return Drawn(objective, self.source, self.front, self.first, self.quieter)

    def blank(self, rows: int) -> Batch:
        """A batch to be filled, as `Model.loss` takes it."""
        shape = (rows, 2, self.front.bins, self.front.frames(self.source.length))
        zeros = torch.zeros(()).expand(shape)
        return Batch(zeros, cond={"noisy": zeros, "predicted": zeros})

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        like = torch.zeros((), dtype=torch.float64)
        keys = (uniform((len(batch),), like, generator) * _KEYS).long().tolist()
        told = self.drawn([seeded(key) for key in keys], batch.x.device)
        anchor = "noisy"
        if self.first is not None:
            told, anchor = predicted(self.first, told, generator), "predicted"
        residual = told.replace(x=told.x - told.cond[anchor])
        return self.objective.terms(process, denoiser, residual, generator)

    @torch.no_grad()
    def drawn(
        self, generators: Sequence[torch.Generator], device: torch.device | str = "cpu"
    ) -> Batch:
        """States, on a device, of a pair from each generator."""
        pairs = [self.source.pair(generator) for generator in generators]
        noisy = torch.stack([pair.noisy for pair in pairs]).float()
        clean = torch.stack([pair.clean for pair in pairs]).float()
        down = torch.stack([torch.rand((), generator=generator) for generator in generators])
        peak = Level.of(noisy).peak * 10 ** (self.quieter * down / 20)
        level = Level(peak)
        waves = (level.apply(side).to(device) for side in (noisy, clean))
        return states(self.front, *waves)


def _cut(x: Tensor, start: int, length: int) -> Tensor:
    """Samples from `start`; of what is shorter, all of them from that place on, among zeros."""
    if len(x) >= length:
        return x[start : start + length]
    return torch.nn.functional.pad(x, (start, length - len(x) - start))
