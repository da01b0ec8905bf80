"""`unnoise enhance-train`: what the library learns from the same recordings, and what is wrong in one line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from unnoise.benchmarks import cli
from unnoise.benchmarks.commands import enhance_train
from unnoise.core.model import Model
from unnoise.core.random import seeded
from unnoise.domains.audio.corpus import mixer_in, pairs_in
from unnoise.domains.audio.enhancer import Enhancer
from unnoise.domains.audio.files import Form, write
from unnoise.domains.audio.network import TINY
from unnoise.domains.audio.tasks.common import CPU, CROP, TONES, TRAIN_SNR

Run = Callable[..., tuple[int, str, str]]
PAIRS = ["--clean", "clean", "--noisy", "noisy"]
MIXED = ["--speech", "clean", "--noise", "noise"]
TRAIN = ["--checkpoint", "made.safetensors", "--size", "tiny", "--steps", "2", "--quiet", "--device", "cpu"]  # fmt: skip
HOW = replace(CPU, steps=2, warmup=0, ema=2 / 6)
MADE = (0, "made.safetensors\n", "")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of two clean and two noisy recordings, and one of noise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    names = ("clean/a.wav", "clean/b.wav", "noisy/a.wav", "noisy/b.wav", "noise/rain.wav")
    for k, name in enumerate(names):
        Path(name).parent.mkdir(exist_ok=True)
        write(name, 0.1 * torch.randn(1, 3_000, generator=seeded(k)), Form(16_000, 1))
    return tmp_path


@pytest.fixture
def unnoise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the real entry point, in this process: exit status, output and error stream."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unnoise", "enhance-train", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        code = end.value.code
        return code if isinstance(code, int) else 0, out, err

    return run


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A letter a step of training. Ctrl-C is pressed in the first, and only there."""
    seen: list[str] = []
    loss = Model.loss

    def once(model: Model, *arguments: Any) -> Tensor:
        if not seen:
            signal.raise_signal(signal.SIGINT)
        seen.append("s")
        return loss(model, *arguments)

    monkeypatch.setattr(Model, "loss", once)
    return seen


def left() -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in Path().rglob("*") if p.is_file()}


def weights(path: str) -> dict[str, Tensor]:
    return dict(Enhancer.load(path).learned.model.state_dict())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


# --- what is learned --------------------------------------------------------------------------


def test_pairs_are_learned_as_the_library_learns_them(unnoise: Run) -> None:
    assert unnoise(*PAIRS, *TRAIN, "--seed", 3) == MADE
    source = pairs_in(Path("clean"), Path("noisy"), 16_000, CROP)
    expected = Enhancer(size=TINY, fit=HOW).fit(source, 16_000, 3, progress=False)
    expected.save("expected.safetensors")
    assert same(weights("made.safetensors"), weights("expected.safetensors"))
    assert not Path("made.safetensors.training").exists()


def test_mixtures_are_those_of_the_tasks(unnoise: Run) -> None:
    assert unnoise(*MIXED, *TRAIN) == MADE
    source = mixer_in(Path("clean"), Path("noise"), 16_000, CROP, TRAIN_SNR, tones=TONES)
    Enhancer(size=TINY, fit=HOW).fit(source, 16_000, progress=False).save("expected.safetensors")
    assert same(weights("made.safetensors"), weights("expected.safetensors"))
    told = ["--snr", "{:g},{:g}".format(*TRAIN_SNR), "--checkpoint", "told.safetensors"]
    assert unnoise(*MIXED, *TRAIN, *told)[0] == 0
    assert same(weights("told.safetensors"), weights("expected.safetensors"))
    other = ["--snr", "-1,1", "--checkpoint", "other.safetensors"]
    assert unnoise(*MIXED, *TRAIN, *other)[0] == 0
    assert not same(weights("other.safetensors"), weights("expected.safetensors"))
    assert f"Default: {TRAIN_SNR[0]:g},{TRAIN_SNR[1]:g}." in unnoise("--help")[1]


def test_what_is_made_enhances(unnoise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unnoise(*PAIRS, *TRAIN, "--kind", "bbed") == MADE
    second = [*PAIRS, *TRAIN, "--first", "made.safetensors", "--checkpoint", "two.safetensors"]
    assert unnoise(*second) == (0, "two.safetensors\n", "")
    learned = Enhancer.load("two.safetensors").learned
    assert learned.first is not None
    assert same(dict(learned.first.model.state_dict()), weights("made.safetensors"))
    words = ["unnoise", "enhance", "noisy", "-o", "out", "--checkpoint", "two.safetensors", "-q"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert sorted(p.name for p in Path("out").iterdir()) == ["a.wav", "b.wav"]


def test_all_steps_are_those_of_the_preset() -> None:
    assert enhance_train._untrained("bridge", "tiny", None, None).how == CPU
    assert enhance_train._untrained("bridge", "tiny", None, 2).how == HOW


def test_rooms_need_their_package(unnoise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    code, _, err = unnoise(*MIXED, *TRAIN, "--rooms", 1)
    assert code == 2 and err == "error: rooms need pyroomacoustics: pip install pyroomacoustics\n"


def test_speech_in_rooms(unnoise: Run) -> None:
    pytest.importorskip("pyroomacoustics")
    assert unnoise(*MIXED, *TRAIN, "--rooms", 1) == MADE
    dry = ["--checkpoint", "dry.safetensors"]
    assert unnoise(*MIXED, *TRAIN, *dry)[0] == 0
    assert not same(weights("made.safetensors"), weights("dry.safetensors"))


# --- Ctrl-C -----------------------------------------------------------------------------------


def test_after_ctrl_c_the_same_command_goes_on(unnoise: Run, interrupted: list[str]) -> None:
    line = "stopped; the training so far is in made.safetensors.training, and the same command goes on from there\n"
    assert unnoise(*PAIRS, *TRAIN) == (130, "", line)
    assert not Path("made.safetensors").exists()
    kept = left()
    for words, told in (
        ([*PAIRS, *TRAIN, "--kind", "ouve"], "kind was bridge and is ouve"),
        ([*MIXED, *TRAIN], "recordings was "),
        ([*PAIRS, *TRAIN, "--seed", 1], "seed was 0 and is 1"),
    ):
        code, out, err = unnoise(*words)
        assert (code, out) == (2, "") and told in err and err.count("\n") == 1
    assert left() == kept
    assert unnoise(*PAIRS, *TRAIN) == MADE
    assert len(interrupted) == 2  # one step before, one after
    straight = ["--checkpoint", "straight.safetensors"]
    assert unnoise(*PAIRS, *TRAIN, *straight)[0] == 0
    assert same(weights("made.safetensors"), weights("straight.safetensors"))


# --- what is wrong ----------------------------------------------------------------------------


def test_a_recording_that_cannot_be_read_is_told_and_left_out(unnoise: Run) -> None:
    Path("noise/broken.wav").write_bytes(b"RIFF")
    code, out, err = unnoise(*MIXED, *TRAIN)
    assert (code, out) == MADE[:2]
    assert err.startswith("warning: noise: left out, as they can't be read: noise/broken.wav")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name --clean and --noisy, or --speech and --noise: two folders"),
        (["--clean", "clean"], "name --clean and --noisy, or"),
        ([*PAIRS, "--noise", "noise"], "name --clean and --noisy, or"),
        ([*PAIRS, "--snr", "0,5"], "--snr, --rooms: are of mixtures"),
        ([*PAIRS, "--rooms", "3"], "--snr, --rooms: are of mixtures"),
        ([*MIXED, "--snr", "5"], "--snr: '5' is no range of dB, such as 0,20"),
        ([*MIXED, "--snr", "9,-9"], "--snr: '9,-9' is no range of dB"),
        ([*MIXED, "--snr", "nan,9"], "--snr: 'nan,9' is no range of dB"),
        (["--clean", "no", "--noisy", "noisy"], "no: no such folder"),
        (["--clean", "clean", "--noisy", "noise"], "noise: no partner in clean for rain"),
        ([*PAIRS, "--kind", "vp"], "'vp' is none of bridge, ouve, bbed"),
        ([*PAIRS, "--size", "huge"], "'huge' is none of tiny, small, medium, large"),
        ([*PAIRS, "--first", "no.safetensors"], "no such checkpoint"),
        ([*PAIRS, "--device", "abacus"], "--device: there is no 'abacus' here"),
        ([*PAIRS, "--checkpoint", "made.bin"], "made.bin is no file that ends in .safetensors"),
        ([*PAIRS, "--checkpoint", "no/made.safetensors"], "--checkpoint: no: no such folder"),
        ([*PAIRS, "--checkpoint", "old.safetensors"], "old.safetensors is there already"),
    ],
)
def test_what_is_wrong_is_one_line(unnoise: Run, words: list[str], message: str) -> None:
    Path("old.safetensors").write_bytes(b"")
    before = left()
    code, out, err = unnoise(*TRAIN, *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and message in err and err.count("\n") == 1
    assert left() == before
