"""Speech under noise: readers of LibriSpeech under recordings of places and weather.

No reader and no recording of noise is in two parts. Of VoiceBank-DEMAND's test there are ten genuine
pairs, for evaluation only: the model of `vbdmd` learns from the same pairs as that of
`speech16k-noise16k`, and has heard neither the voices nor the noises. The whole of that corpus is
`voicebank-demand`, see `voicebank`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import torch

from unnoise.data import load_pairs, load_recordings
from unnoise.domains.audio.problem import Exam, SpeechSet
from unnoise.domains.audio.tasks.common import exam_of, mixer_of, presets, speech_task
from unnoise.domains.audio.tasks.voicebank import SOURCE, at_its_snr, voicebank_demand
from unnoise.domains.task import Task

__all__ = ["DENOISING", "librispeech", "ten_pairs"]

LIBRISPEECH = "speech16k and noise16k"
VOICEBANK = "VoiceBank-DEMAND (ten pairs)"


@cache
def librispeech() -> SpeechSet:
    """Readers under noise, mixed on the fly; 16 utterances in the test."""
    speech, noise = load_recordings("speech16k"), load_recordings("noise16k")
    valid, test = (exam_of(speech, noise, part) for part in ("valid", "test"))
    return SpeechSet(mixer_of(speech, noise), valid, test, LIBRISPEECH)


@cache
def ten_pairs() -> SpeechSet:
    """The same training and validation; the test is ten pairs of the one that published figures are on."""
    pairs = [
        at_its_snr(torch.from_numpy(pair.clean.samples), torch.from_numpy(pair.noisy.samples))
        for pair in load_pairs()
    ]
    test = Exam.of(sorted(pairs, key=lambda pair: float(pair.snr)))
    return replace(librispeech(), test=test, source=VOICEBANK)


DENOISING: Mapping[str, Callable[[], Task]] = {
    "speech16k-noise16k": lambda: speech_task(
        "readers under noise, mixed on the fly at -5 to 18 dB; unseen voices and noises at 0 to 15 dB",
        librispeech, LIBRISPEECH, presets(),
    ),
    "vbdmd": lambda: speech_task(
        "the same training, judged on ten genuine pairs of VoiceBank-DEMAND's test",
        ten_pairs, VOICEBANK, presets(),
    ),
    "voicebank-demand": lambda: speech_task(
        "VoiceBank-DEMAND, of which you place the files: 26 voices to learn from, two others in the test",
        voicebank_demand, SOURCE, presets(paper="large"),
    ),
}  # fmt: skip
