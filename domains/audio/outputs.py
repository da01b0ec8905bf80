"""What an enhancer is scored on: the waves that it makes of an exam's pairs, and what they cost; of the
model, and of rivals that learn nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.core.model import Model
from unnoise.core.progress import track
from unnoise.core.random import Generator
from unnoise.domains.audio.baselines import (
    Enhances,
    OracleMask,
    SpectralSubtraction,
    log_mmse,
    unprocessed,
)
from unnoise.domains.audio.enhancer import Enhancer
from unnoise.domains.audio.learned import Learned
from unnoise.domains.audio.metrics import judge
from unnoise.domains.audio.mixing import Mixture
from unnoise.domains.audio.network import Network
from unnoise.domains.audio.problem import Exam, SpeechSet
from unnoise.domains.task import Preset

__all__ = ["LOG_MMSE", "ORACLE", "RIVALS", "Enhanced", "Settings", "enhanced", "learned_of", "model_waves", "rival_waves"]  # fmt: skip

Floats = NDArray[np.float64]

UNPROCESSED, LOG_MMSE, ORACLE = "unprocessed", "log-MMSE", "oracle mask"
RIVALS: Mapping[str, Callable[[Mixture], Enhances]] = {
    UNPROCESSED: lambda pair: unprocessed,
    "spectral subtraction": lambda pair: SpectralSubtraction(),
    LOG_MMSE: lambda pair: log_mmse,
    ORACLE: lambda pair: OracleMask(pair.clean.double().numpy()),
}
_WIDE = 16_000  # Hz, of wide-band PESQ


@dataclass(frozen=True)
class Settings:
    """How much to generate: the keywords of `Preset.generate`.

    Attributes:
        nfe: evaluations of the network; None: as suits the process.
        costs: more numbers of evaluations to enhance with.
        files: of the exam, at most; None: all.
    """

    nfe: int | None = None
    costs: Sequence[int] = ()
    files: int | None = None


@dataclass(frozen=True, eq=False)
class Enhanced:
    """What was made of an exam.

    Attributes:
        exam: the pairs.
        waves: of each, as long as the pair.
        seconds: of work on all of them.
        nfe: evaluations of the network for each chunk; None: there is no network.
        sweep: the same of the same model, by other numbers of evaluations.
    """

    exam: Exam
    waves: Sequence[Floats]
    seconds: float
    nfe: int | None = None
    sweep: Mapping[int, Enhanced] = field(default_factory=dict)

    @cached_property
    def judged(self) -> Sequence[Mapping[str, float]]:
        """All measures of each file; PESQ is among them where its package is."""
        rate = self.exam.rate
        perceptual = rate == _WIDE and find_spec("pesq") is not None
        return [
            judge(wave, pair.clean.numpy(), pair.noisy.numpy(), rate, perceptual=perceptual)
            for wave, pair in zip(self.waves, self.exam.pairs, strict=True)
        ]

    @property
    def rtf(self) -> float:
        """The real-time factor: seconds of work a second of sound."""
        return self.seconds / self.exam.seconds

    @property
    def by_cost(self) -> Mapping[int, Enhanced]:
        """By evaluations, itself among them, the fewest first; none without a network."""
        own = {} if self.nfe is None else {self.nfe: self}
        return dict(sorted({**self.sweep, **own}.items()))


def enhanced(exam: Exam, enhancer: Callable[[Mixture], Enhances], what: str) -> Enhanced:
    """What an enhancer, one for each pair, makes of the noisy sides.

    Args:
        exam: the pairs.
        enhancer: of a pair; only the oracle looks at it.
        what: a name for the progress bar.
    """
    made = [enhancer(pair) for pair in exam.pairs]
    noisy = [pair.noisy.double().numpy() for pair in exam.pairs]
    began = time.perf_counter()
    pairs = track(list(zip(made, noisy, strict=True)), what)
    waves = [one(wave, exam.rate) for one, wave in pairs]
    return Enhanced(exam, waves, time.perf_counter() - began)


def rival_waves(exam: Exam, name: str) -> Enhanced:
    """What a rival makes of an exam."""
    return enhanced(exam, RIVALS[name], name)


def learned_of(model: Model, data: SpeechSet, preset: Preset) -> Learned:
    """A task's model with what stands between it and waves."""
    network, how = Network(**preset.network), Settings(**preset.generate)
    recipe = network.recipe if how.nfe is None else replace(network.recipe, nfe=how.nfe)
    return network.around(model, data.front, recipe)


def model_waves(model: Model, data: SpeechSet, preset: Preset, generator: Generator) -> Enhanced:
    """What a task's model makes of the test."""
    how = Settings(**preset.generate)
    assert isinstance(generator, torch.Generator)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    exam, made = data.test.first(how.files), Enhancer.of(learned_of(model, data, preset))

    def waves(nfe: int) -> Enhanced:
        def enhance(noisy: Floats, rate: int) -> Floats:
            wave = torch.from_numpy(noisy).float()
            return np.asarray(made(wave, rate, seed, nfe).double().numpy())

        found = enhanced(exam, lambda pair: enhance, f"{nfe} evaluations")
        return replace(found, nfe=nfe)

    own = made.learned.recipe.nfe
    return replace(waves(own), sweep={nfe: waves(nfe) for nfe in how.costs if nfe != own})
