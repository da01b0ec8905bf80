"""The tasks of audio."""

from __future__ import annotations

from collections.abc import Callable

from unnoise.domains.audio.tasks.denoising import DENOISING
from unnoise.domains.audio.tasks.reverb import REVERB
from unnoise.domains.audio.tasks.tones import TONES
from unnoise.domains.task import Task

__all__ = ["TASKS"]

TASKS: dict[str, Callable[[], Task]] = {**TONES, **DENOISING, **REVERB}
