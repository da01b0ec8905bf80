"""Synthetic speech under coloured noise: nobody has said any of it, and nothing needs to be downloaded.

Harmonics that glide under gliding resonances, with hisses and pauses (`unnoise.data.voices`), are like
speech in what an enhancer uses, and unlike it in how regular they are: figures on them tell that a
method works, not how well it does on speech.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from unnoise.data import load_coloured, load_voices
from unnoise.domains.audio.problem import SpeechSet
from unnoise.domains.audio.tasks.common import exam_of, mixer_of, presets, speech_task
from unnoise.domains.task import Task

__all__ = ["TONES", "synthetic"]

SOURCE = "synthetic voices"
STEPS = 2_000


@cache
def synthetic() -> SpeechSet:
    """A minute to learn from, 20 s in the test; no speaker and no colour of noise is in two parts."""
    speech, noise = load_voices(), load_coloured()
    valid, test = (exam_of(speech, noise, part) for part in ("valid", "test"))
    return SpeechSet(mixer_of(speech, noise), valid, test, SOURCE)


TONES: Mapping[str, Callable[[], Task]] = {
    "tones": lambda: speech_task(
        "synthetic, not speech: gliding harmonics under coloured noise, made at run time",
        synthetic,
        SOURCE,
        presets(STEPS),
    )
}
