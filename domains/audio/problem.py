"""What a task of speech is about: pairs to learn from, drawn without end, and pairs to be judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.random import seeded
from unnoise.core.transform import Anchored
from unnoise.domains.audio.mixing import Mixture
from unnoise.domains.audio.model import states
from unnoise.domains.audio.normalise import Level
from unnoise.domains.audio.spectrogram import SPEECH_16K, Spectrogram
from unnoise.domains.audio.training import Source
from unnoise.domains.task import Splits

__all__ = ["Exam", "SpeechSet"]

_ROWS = 64  # of the training split: a batch may have as many


@dataclass(frozen=True, eq=False)
class Exam:
    """Whole utterances that were disturbed.

    Attributes:
        pairs: without and with the disturbance, (n,) each, of any lengths.
        labels: how strong it is in each, as "5 dB"; tables have a row for each label.
        rate: samples a second.

    Raises:
        ValueError: if there is none, or there aren't as many labels as pairs.
    """

    pairs: Sequence[Mixture]
    labels: Sequence[str]
    rate: int = SPEECH_16K.rate

    def __post_init__(self) -> None:
        if not self.pairs or len(self.labels) != len(self.pairs):
            raise ValueError(
                f"Exam: need a pair or more and a label for each, got {len(self.pairs)} pairs and {len(self.labels)} labels"
            )

    @staticmethod
    def of(pairs: Sequence[Mixture]) -> Exam:
        """Labelled by SNR."""
        return Exam(pairs, [f"{float(pair.snr):g} dB" for pair in pairs])

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def seconds(self) -> float:
        """Of all pairs."""
        return sum(len(pair.noisy) for pair in self.pairs) / self.rate

    def first(self, n: int | None) -> Exam:
        """At most n pairs, spread evenly; None: all."""
        if n is None or n >= len(self):
            return self
        some = np.linspace(0, len(self) - 1, n).round().astype(int)
        return Exam([self.pairs[k] for k in some], [self.labels[k] for k in some], self.rate)


@dataclass(frozen=True, eq=False)
class SpeechSet:
    """Pairs to learn from, and pairs to be judged on.

    Attributes:
        train: draws pairs; none of its speakers and recordings is in an exam.
        valid, test: exams. Choose on `valid`.
        source: the data, as titles name them.
        front: makes states of waves.

    Raises:
        ValueError: if an exam has another rate than the front end.
    """

    train: Source
    valid: Exam
    test: Exam
    source: str
    front: Spectrogram = SPEECH_16K

    def __post_init__(self) -> None:
        for exam in (self.valid, self.test):
            if exam.rate != self.front.rate:
                raise ValueError(
                    f"SpeechSet: the front end is for {self.front.rate} Hz, an exam has {exam.rate} Hz; resample it"
                )

    @property
    def frames(self) -> int:
        """Of a state in training."""
        return self.front.frames(self.train.length)

    def splits(self) -> Splits:
        """States of crops of the length of training. Those of `train` are 64 of the pairs that training
        draws anew at each step; those of exams are the middle of each utterance."""
        drawn = [self.train.pair(seeded(0, k)) for k in range(_ROWS)]
        train, valid, test = map(self._crops, (drawn, self.valid.pairs, self.test.pairs))
        return Splits(train, valid, test, Anchored("noisy"))

    def _crops(self, pairs: Sequence[Mixture]) -> Batch:
        """States of the middle of each pair, at the level of the whole."""
        noisy: list[Tensor] = []
        clean: list[Tensor] = []
        for pair in pairs:
            level = Level.of(pair.noisy[None])
            for side, wave in ((noisy, pair.noisy), (clean, pair.clean)):
                side.append(self._middle(level.apply(wave[None])[0]))
        return states(self.front, torch.stack(noisy).float(), torch.stack(clean).float())

    def _middle(self, x: Tensor) -> Tensor:
        """As many samples as a crop of training has; beyond the ends of what is shorter there are zeros."""
        spare = len(x) - self.train.length
        start = spare // 2
        if spare >= 0:
            return x[start : start + self.train.length]
        return torch.nn.functional.pad(x, (-spare // 2, -spare - -spare // 2))
