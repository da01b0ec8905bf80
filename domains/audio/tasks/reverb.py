"""Speech in rooms, in faint noise: what is to be restored is the direct sound.

Rooms are Polack's (`rooms.diffuse_response`), which need no simulator. In training, T60 and the ratio
of direct to reverberant sound are drawn; in exams, T60 is one of four, at 0 dB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import torch

from unnoise.core.random import seeded
from unnoise.data import load_recordings
from unnoise.domains.audio.mixing import Mixture, whole_mixtures
from unnoise.domains.audio.problem import Exam, SpeechSet
from unnoise.domains.audio.rooms import Response, Rooms, diffuse_response
from unnoise.domains.audio.spectrogram import SPEECH_16K
from unnoise.domains.audio.tasks.common import mixer_of, presets, speech_task, waves_of
from unnoise.domains.task import Task

__all__ = ["REVERB", "reverberant"]

SOURCE = "speech16k in rooms"
T60 = (0.4, 0.6, 0.8, 1.0)  # s, of exams
TRAIN_T60, TRAIN_DRR = (0.3, 1.1), (-6.0, 6.0)  # s, dB
ROOMS = 200  # in training
FAINT = (20.0, 40.0)  # dB, SNRs in training
FAINT_TEST = 30.0
_TRAIN, _VALID, _TEST = range(3)  # seeds


@cache
def reverberant() -> SpeechSet:
    """Readers in rooms; no reader, recording of noise or room is in two parts."""
    speech, noise = load_recordings("speech16k"), load_recordings("noise16k")
    rooms = Rooms([_drawn(seeded(_TRAIN, k)) for k in range(ROOMS)])

    def exam(part: str, seed: int) -> Exam:
        """A quarter of the utterances for each T60, in a room of their own."""
        pairs: list[Mixture] = []
        labels = []
        for k, t60 in enumerate(T60):
            room = Rooms([diffuse_response(SPEECH_16K.rate, t60, 0.0, seeded(seed, k))])
            some = waves_of(speech[part])[k :: len(T60)]
            pairs += whole_mixtures(some, waves_of(noise[part]), [FAINT_TEST], seed, room=room)
            labels += [f"T60 {t60:g} s"] * len(some)
        return Exam(pairs, labels)

    return SpeechSet(
        mixer_of(speech, noise, FAINT, rooms), exam("valid", _VALID), exam("test", _TEST), SOURCE
    )


def _drawn(generator: torch.Generator) -> Response:
    """A room of training."""
    u = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    t60, drr = (low + x * (high - low) for x, (low, high) in zip(u, (TRAIN_T60, TRAIN_DRR), strict=True))  # fmt: skip
    return diffuse_response(SPEECH_16K.rate, t60, drr, generator)


REVERB: Mapping[str, Callable[[], Task]] = {
    "reverb": lambda: speech_task(
        "readers in rooms with T60 of 0.4 to 1 s, to be brought back to their direct sound",
        reverberant,
        SOURCE,
        presets(),
        by="T60",
    )
}
