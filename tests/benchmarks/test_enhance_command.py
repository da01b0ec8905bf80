"""`unnoise enhance`: the library's own results in files, and what is wrong in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unnoise.benchmarks import cli
from unnoise.core.random import seeded
from unnoise.domains.audio.enhancer import Enhancer
from unnoise.domains.audio.files import Form, read, write
from unnoise.domains.audio.learned import Learned
from unnoise.domains.audio.model import Bridge
from unnoise.domains.audio.sampling import Recipe
from unnoise.domains.audio.spectrogram import SPEECH_16K
from unnoise.domains.audio.unet import Size

MODEL = "made.safetensors"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint, a recording, and a folder of two recordings and a text."""
    monkeypatch.chdir(tmp_path)
    size = Size((4, 2), (8,), 1, (1,), 1)
    Learned.untrained(SPEECH_16K, Bridge(), size, Recipe(2)).save(MODEL)
    Path("all/deep").mkdir(parents=True)
    for k, name in enumerate(("in.wav", "all/a.wav", "all/deep/b.flac")):
        write(name, 0.1 * torch.randn(1, 3_000, generator=seeded(k)), Form(16_000, 1).under(name))
    Path("all/notes.txt").write_text("not a recording")
    return tmp_path


@pytest.fixture
def unnoise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the real entry point, in this process: exit status, output and error stream."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unnoise", "enhance", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        code = end.value.code
        return code if isinstance(code, int) else 0, out, err

    return run


def left() -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()}


def test_a_file_is_the_librarys(unnoise: Run) -> None:
    told = unnoise("in.wav", "-o", "out.wav", "--checkpoint", MODEL, "--nfe", 3, "--seed", 5)
    assert told == (0, "out.wav\n", "")
    Enhancer.load(MODEL).enhance_file("in.wav", "expected.wav", 5, 3)
    assert Path("out.wav").read_bytes() == Path("expected.wav").read_bytes()
    assert read("out.wav")[0].shape == (1, 3_000)


def test_remarks_are_told(unnoise: Run) -> None:
    write("in.wav", 0.1 * torch.randn(1, 900, generator=seeded(0)), Form(8_000, 1))
    code, _, err = unnoise("in.wav", "-o", "out.wav", "--checkpoint", MODEL)
    assert code == 0
    assert err.startswith("warning: in.wav: sampled at 8000 Hz") and err.count("\n") == 1


def test_a_folder_is_done_once(unnoise: Run) -> None:
    words = ("all", "-o", "new", "--checkpoint", MODEL, "-q")
    assert unnoise(*words) == (0, "2 enhanced, 0 skipped, 0 failed\n", "")
    Enhancer.load(MODEL).enhance_file("all/deep/b.flac", "expected.flac")
    assert Path("new/deep/b.flac").read_bytes() == Path("expected.flac").read_bytes()
    before = left()
    Path("new/a.wav").unlink()
    assert unnoise(*words) == (0, "1 enhanced, 1 skipped, 0 failed\n", "")
    assert left() == before
    assert unnoise(*words, "--again")[1] == "2 enhanced, 0 skipped, 0 failed\n"
    assert left() == before


def test_what_fails_is_told_and_the_rest_is_done(unnoise: Run) -> None:
    Path("all/broken.wav").write_bytes(b"RIFF")
    code, out, err = unnoise("all", "-o", "new", "--checkpoint", MODEL, "-q")
    assert (code, out) == (1, "2 enhanced, 0 skipped, 1 failed\n")
    assert (
        err.startswith("failed: all/broken.wav: can't be read as audio") and err.count("\n") == 1
    )
    assert sorted(p.name for p in Path("new").rglob("*.*")) == ["a.wav", "b.flac"]


@pytest.mark.slow
def test_two_at_once_make_the_same_bytes(unnoise: Run) -> None:
    assert unnoise("all", "-o", "one", "--checkpoint", MODEL, "-q")[0] == 0
    told = unnoise("all", "-o", "two", "--checkpoint", MODEL, "-q", "--jobs", 2)
    assert told == (0, "2 enhanced, 0 skipped, 0 failed\n", "")
    for name in ("a.wav", "deep/b.flac"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in.wav", "-o", "out.wav"], "--checkpoint: needed, as no model comes with the package"),
        (["none.wav", "-o", "out.wav"], "none.wav: no such file or folder"),
        (["in.wav", "-o", "in.wav"], "--output: in.wav is the source itself; name another"),
        (["all", "-o", "in.wav"], "--output: in.wav is a file, and all a folder"),
        (["in.wav", "-o", "no/out.wav"], "--output: there is no folder no; make it first"),
        (["in.wav", "-o", "out.wav", "--checkpoint", "no.safetensors"], "no such checkpoint"),
        (["in.wav", "-o", "out.m4a", "--checkpoint", MODEL], "its suffix must be one of .wav"),
        (["all/notes.txt", "-o", "out.wav", "--checkpoint", MODEL], "can't be read as audio"),
        (["all", "-o", "all/new", "--checkpoint", MODEL], "all/new: lies in all"),
        (["empty", "-o", "new", "--checkpoint", MODEL], "empty: holds no .wav, .flac, .ogg, .mp3"),
    ],
)
def test_what_is_wrong_is_one_line(unnoise: Run, words: list[str], message: str) -> None:
    Path("empty").mkdir()
    before = left()
    code, out, err = unnoise(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and message in err and err.count("\n") == 1
    assert left() == before


def test_a_recipe_that_cannot_be_is_refused_once(unnoise: Run) -> None:
    size = Size((4, 2), (8,), 1, (1,), 1)
    Learned.untrained(SPEECH_16K, Bridge(), size, Recipe(5, 1.0, 0.5)).save(MODEL)
    code, _, err = unnoise("all", "-o", "new", "--checkpoint", MODEL, "--nfe", 2)
    assert code == 2 and "nfe must be at least 3" in err and err.count("\n") == 1
    assert not Path("new").exists()
