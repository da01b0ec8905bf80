"""What a model of series is scored on: answers to an exam, and likelihoods; of the model, of the law
that it starts from, and of classical rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Kind, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator, seeded
from unnoise.domains.task import Preset
from unnoise.domains.timeseries.fitted import FittedSeries
from unnoise.domains.timeseries.problem import Exam, SeriesSet
from unnoise.domains.timeseries.question import times

__all__ = [
    "POINT",
    "Drawn",
    "Settings",
    "in_data_units",
    "model_answers",
    "model_log_prob",
    "reference_answers",
    "reference_log_prob",
    "rival_answers",
]

POINT = 19  # equal samples of a rival without spread: what an interval of 90 % needs
_NOISE = 2**24  # numbers drawn at once for the reference

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """How much to generate: the keywords of `Preset.generate`.

    Attributes:
        samples: of each window.
        nfe: network evaluations of each.
        windows: of the exam, at most; None: all.
        draws: of the bound, for each window.
        scored: windows of the bound.
        costs: more numbers of evaluations to answer with.
        rivals: names of those that the table shows; None: all.
    """

    samples: int = 100
    nfe: int = 12
    windows: int | None = None
    draws: int = 32
    scored: int = 512
    costs: Sequence[int] = ()
    rivals: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """Outputs of a model of series.

    Attributes:
        samples: (S, N, T, C) in the units of figures; where nothing is asked they mean nothing.
        windows: as in `Settings`: which of the exam they answer.
        nats: log p of test windows in the data's units; None: not asked.
        sweep: samples by network evaluations.
        nfe: network evaluations of each sample.
        rivals: as in `Settings`.
    """

    samples: NDArray[np.float32]
    windows: int | None = None
    nats: LikelihoodResult | None = None
    sweep: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    nfe: int | None = None
    rivals: Sequence[str] | None = None


def model_answers(
    model: Model, data: SeriesSet, exam: Exam, preset: Preset, generator: Generator
) -> Drawn:
    """The model's."""
    how = Settings(**preset.generate)
    assert isinstance(generator, torch.Generator)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    fitted, batch = FittedSeries(model), exam.first(how.windows).batch
    given = batch.observed
    assert given is not None

    def answers(nfe: int) -> NDArray[np.float32]:
        drawn = fitted.draw(batch, given, how.samples, seed, nfe)
        return np.stack([_judged(data, one) for one in drawn])

    return Drawn(
        answers(how.nfe),
        how.windows,
        sweep={nfe: answers(nfe) for nfe in how.costs},
        nfe=how.nfe,
        rivals=how.rivals,
    )


def model_log_prob(
    model: Model, data: SeriesSet, preset: Preset, generator: Generator
) -> LikelihoodResult:
    """A lower bound on log p of test windows given what is given."""
    how = Settings(**preset.generate)
    assert isinstance(generator, torch.Generator)
    exam = data.test.first(how.scored)
    given = exam.batch.observed
    assert given is not None
    found = FittedSeries(model).log_prob(exam.batch, given, how.draws, generator)
    return in_data_units(found, data, exam)


def reference_answers(data: SeriesSet, exam: Exam, preset: Preset, seed: int = 0) -> Drawn:
    """Those of the law that the model starts from: joint draws of a Gaussian process."""
    how = Settings(**preset.generate)
    batch, n = exam.first(how.windows).batch, how.samples
    generator, law = seeded(seed), data.reference
    per = max(1, _NOISE // (n * batch.x[0].numel() * (len(law.reference.tau) + 1)))
    out = []
    for k in range(0, len(batch), per):
        some = batch.rows(slice(k, k + per))
        t, (y, level) = times(some), _centred(some, data)
        drawn = law.reference.joint(y, _given(some), t, n, generator, _exists(some)) + level
        out.append(np.stack([_judged(data, one) for one in drawn]))
    return Drawn(np.concatenate(out, 1), how.windows)


def reference_log_prob(data: SeriesSet, exam: Exam) -> LikelihoodResult:
    """Exact log p of what is asked given what is given, under that law: p(both) / p(given)."""
    batch, law = exam.batch, data.reference.reference
    assert batch.mask is not None
    (y, _), t, exists = _centred(batch, data), times(batch), _exists(batch)
    nats = law.log_prob(y, batch.mask, t, exists) - law.log_prob(y, _given(batch), t, exists)
    return in_data_units(_exact(nats, exam), data, exam)


def rival_answers(data: SeriesSet, exam: Exam, preset: Preset, name: str) -> Drawn:
    """A classical rival's."""
    how, rival = Settings(**preset.generate), data.rivals[name]
    n = min(POINT, how.samples) if rival.point else how.samples
    drawn = rival.draw(exam.first(how.windows), n, np.random.default_rng(0))
    return Drawn(data.judged(drawn).astype(np.float32), how.windows)


def in_data_units(found: LikelihoodResult, data: SeriesSet, exam: Exam) -> LikelihoodResult:
    """A log density of standard units in the data's: log p(x) = log p(z) + log dz / dx."""
    slopes = np.where(exam.asked, data.units.log_det(exam.values), 0.0).sum((1, 2))
    return replace(found, nats=found.nats.double() + torch.from_numpy(slopes))


def _exact(nats: torch.Tensor, exam: Exam) -> LikelihoodResult:
    dims = torch.from_numpy(exam.asked.sum((1, 2))).float()
    return LikelihoodResult(nats, dims, Kind.EXACT, torch.zeros_like(nats), nfe=0)


def _judged(data: SeriesSet, z: torch.Tensor) -> NDArray[np.float32]:
    return data.decoded(z.double().numpy()).astype(np.float32)


def _centred(batch: Batch, data: SeriesSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Values without their seasonal profile, and the profile, in float64."""
    level = data.reference.profile(times(batch))
    return batch.x.double() - level, level


def _given(batch: Batch) -> torch.Tensor:
    assert batch.observed is not None
    return batch.observed


def _exists(batch: Batch) -> torch.Tensor:
    assert batch.mask is not None
    return batch.mask.any(2)
