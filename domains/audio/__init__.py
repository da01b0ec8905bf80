"""Audio: speech enhancement and dereverberation, waveforms in, waveforms out.

A wave is a tensor (C, N) of channels and samples in [-1, 1], or (B, N) where channels are rows of
a batch. A file goes through

    blocks of a file -> the model's rate -> overlapping chunks -> model -> the file's rate -> file

(`files`, `resample`, `chunks`), and a model sees a chunk as the state (B, 2, F, T) of
`spectrogram`, at the level of `normalise`. No step holds more than a few chunks.
"""

from collections.abc import Callable

from unnoise.domains.audio.enhancer import Enhancer
from unnoise.domains.audio.mixing import Mixer
from unnoise.domains.audio.model import BBED, OUVE, Bridge
from unnoise.domains.audio.sampling import Recipe
from unnoise.domains.audio.spectrogram import SPEECH_16K, SPEECH_48K, Spectrogram
from unnoise.domains.audio.tasks import TASKS
from unnoise.domains.audio.training import Pairs
from unnoise.domains.audio.unet import LARGE, MEDIUM, SMALL, Size
from unnoise.domains.task import Task

__all__ = [
    "BBED",
    "DOMAIN",
    "LARGE",
    "MEDIUM",
    "OUVE",
    "SMALL",
    "SPEECH_16K",
    "SPEECH_48K",
    "Bridge",
    "Enhancer",
    "Mixer",
    "Pairs",
    "Recipe",
    "Size",
    "Spectrogram",
]

DOMAIN: dict[str, Callable[[], Task]] = TASKS
