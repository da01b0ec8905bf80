"""torchaudio's own way around a native library that can't be loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.audio._torchaudio import torchaudio
from unnoise.domains.audio.spectrogram import SPEECH_16K

LOADS = 'def _load_lib(lib): raise OSError(f"{lib}: libc10_cuda.so is missing")\n'
ASKS = "from torchaudio._extension.utils import _load_lib\nNATIVE = _load_lib('native')\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that comes first; what is imported from it is forgotten."""
    before = {k: m for k, m in sys.modules.items() if k.partition(".")[0] == "torchaudio"}
    for name in before:
        del sys.modules[name]
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [k for k in sys.modules if k.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules.update(before)


def package(site: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = site / "torchaudio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_library_that_cannot_be_loaded_is_one_that_is_not_there(site: Path) -> None:
    extension = {"_extension/__init__.py": ASKS, "_extension/utils.py": LOADS}
    package(site, {"__init__.py": "from torchaudio._extension import NATIVE\n", **extension})
    assert torchaudio().NATIVE is False
    assert torchaudio() is sys.modules["torchaudio"]


def test_one_that_can_be_loaded_is_left_alone(site: Path) -> None:
    files = {"_extension/__init__.py": ASKS, "_extension/utils.py": "_load_lib = bool\n"}
    package(site, {"__init__.py": "from torchaudio._extension import NATIVE\n", **files})
    assert torchaudio().NATIVE is True
    assert sys.modules["torchaudio._extension.utils"]._load_lib is bool


def test_other_failures_are_told(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(site, {"__init__.py": 'raise OSError("the disk is on fire")\n'})
    with pytest.raises(OSError, match="the disk is on fire"):
        torchaudio()
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(ImportError, match=r"pip install 'unnoise\[torchaudio\]'"):
        torchaudio()


@pytest.mark.skipif(find_spec("torchaudio") is None, reason="torchaudio is not installed")
def test_the_real_one_agrees_with_our_spectrogram() -> None:
    module = torchaudio()
    x = torch.randn(1, 4_000, generator=seeded(0))
    theirs = module.transforms.Spectrogram(
        SPEECH_16K.n_fft, hop_length=SPEECH_16K.hop, power=None, pad_mode="constant"
    )
    torch.testing.assert_close(theirs(x), SPEECH_16K.stft(x), rtol=0, atol=1e-6)
