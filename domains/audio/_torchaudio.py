"""torchaudio, where it can be had: the only place that imports it, and only when it is asked for.

Nothing here needs it: spectrograms, resampling and files are our own (`spectrogram`, `resample`, `files`).
It is for what it has beside them, as mel spectrograms or its data sets.

The registry's wheels are built for CUDA, and beside a torch for the CPU alone their native library can't
be loaded. torchaudio has a path for a library that isn't there, which its import doesn't take for one
that can't be loaded; here it does. What is written in Python works then, which is nearly all.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["torchaudio"]


def torchaudio() -> ModuleType:
    """The module; call this before anything else imports it.

        mel = torchaudio().transforms.MelSpectrogram(16_000, n_mels=80)

    Raises:
        ImportError: if it isn't installed.
        OSError: if its native library can't be loaded for another reason.
    """
    try:
        return import_module("torchaudio")
    except ModuleNotFoundError as error:
        raise ImportError(
            "torchaudio isn't installed: pip install 'unnoise[torchaudio]'", name="torchaudio"
        ) from error
    except OSError:
        # what the failed import leaves behind; False is its own word for "there is no such library"
        utils: Any = sys.modules.get("torchaudio._extension.utils")
        if utils is None:
            raise
        utils._load_lib = lambda lib: False
        return import_module("torchaudio")
