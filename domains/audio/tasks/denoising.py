"""Speech under noise: readers of LibriSpeech under recordings of places and weather.

No reader and no recording of noise is in two parts. Of VoiceBank-DEMAND's test there are ten genuine
pairs, for evaluation only: the model of `vbdmd` learns from the same pairs as that of
`speech16k-noise16k`, and has heard neither the voices nor the noises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import torch

from unnoise.data import load_pairs, load_recordings
from unnoise.domains.audio.levels import ActiveLevel, power
from unnoise.domains.audio.mixing import Mixture
from unnoise.domains.audio.problem import Exam, SpeechSet
from unnoise.domains.audio.tasks.common import exam_of, mixer_of, presets, speech_task
from unnoise.domains.task import Task

__all__ = ["DENOISING", "librispeech", "voicebank"]

LIBRISPEECH = "speech16k and noise16k"
VOICEBANK = "VoiceBank-DEMAND (ten pairs)"


@cache
def librispeech() -> SpeechSet:
    """Readers under noise, mixed on the fly; 16 utterances in the test."""
    speech, noise = load_recordings("speech16k"), load_recordings("noise16k")
    valid, test = (exam_of(speech, noise, part) for part in ("valid", "test"))
    return SpeechSet(mixer_of(speech, noise), valid, test, LIBRISPEECH)


@cache
def voicebank() -> SpeechSet:
    """The same training and validation; the test is that of published figures, or ten pairs of it."""
    pairs = []
    for pair in load_pairs():
        clean, noisy = (torch.from_numpy(side.samples) for side in (pair.clean, pair.noisy))
        # made at 2.5, 7.5, 12.5 and 17.5 dB of active speech; what was rounded is found again
        snr = 10 * (ActiveLevel(pair.clean.rate)(clean) / power(noisy - clean)).log10()
        pairs.append(Mixture(clean, noisy, (2 * snr).round() / 2))
    order = sorted(pairs, key=lambda each: float(each.snr))
    return replace(librispeech(), test=Exam.of(order), source=VOICEBANK)


DENOISING: Mapping[str, Callable[[], Task]] = {
    "speech16k-noise16k": lambda: speech_task(
        "readers under noise, mixed on the fly at -5 to 18 dB; unseen voices and noises at 0 to 15 dB",
        librispeech, LIBRISPEECH, presets(),
    ),
    "vbdmd": lambda: speech_task(
        "the same training, judged on ten genuine pairs of VoiceBank-DEMAND's test",
        voicebank, VOICEBANK, presets(),
    ),
}  # fmt: skip
