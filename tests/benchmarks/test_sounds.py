"""Players: samples that are kept to the bit, and a page that plays them without a file."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from unnoise.benchmarks.records import Record, append, read
from unnoise.benchmarks.report import render
from unnoise.benchmarks.sounds import keep, players
from unnoise.domains.task import Sound

WAVE = torch.tensor([0.0, 0.5, -1.0, 1.0, 3.0, -3.0])
SIXTEEN = [0, 16384, -32767, 32767, 32767, -32768]  # 16383.5 is rounded to even


def record(sounds: dict[str, dict[str, str]], seed: int = 0) -> Record:
    return Record("toy/task", "smoke", seed, {}, None, 0.0, 1, 1, {}, None, sounds=sounds)


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, dict[str, str]]:
    sounds = {"5 dB": {"noisy": Sound(WAVE, 16_000), "clean": Sound(WAVE / 2, 8_000)}}
    return keep(sounds, tmp_path / "toy" / "sounds", tmp_path)


def decoded(content: bytes) -> tuple[int, list[int]]:
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(99), "<i2").tolist()


def test_sounds_are_wav_files_beside_the_run(
    kept: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    assert kept == {
        "5 dB": {"noisy": "toy/sounds/5-db-noisy.wav", "clean": "toy/sounds/5-db-clean.wav"}
    }
    assert decoded((tmp_path / kept["5 dB"]["noisy"]).read_bytes()) == (16_000, SIXTEEN)
    assert decoded((tmp_path / kept["5 dB"]["clean"]).read_bytes())[0] == 8_000
    append(tmp_path / "records.jsonl", record(kept))
    assert read(tmp_path / "records.jsonl")[0].sounds == kept


def test_the_page_holds_what_it_plays(kept: dict[str, dict[str, str]], tmp_path: Path) -> None:
    (row,) = players([record(kept)], tmp_path).values()
    assert [player.name for player in row] == ["noisy", "clean"]
    head, _, data = (row[0].source or "").partition(",")
    assert head == "data:audio/wav;base64"
    assert decoded(base64.b64decode(data)) == (16_000, SIXTEEN)
    page = render([record(kept)], tmp_path)
    assert page.count("<audio controls") == 2
    assert f'src="{row[0].source}"' in page
    assert "media-src data:" in page
    assert 'aria-label="noisy, 5 dB"' in page


def test_of_several_seeds_the_first_is_heard(
    kept: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    records = [record({}, 0), record(kept, 1), record(kept, 2)]
    assert list(players(records, tmp_path)) == ["5 dB, seed 1"]
    assert players([record({})], tmp_path) == {}
    assert "<audio controls" not in render([record({})], tmp_path)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("lost.wav", "lost.wav: No such file or directory"),
        ("text.wav", "text.wav: not WAV"),
        ("../x.wav", "../x.wav is outside the folder of the records"),
    ],
)
def test_what_cannot_be_played_costs_itself_only(tmp_path: Path, path: str, problem: str) -> None:
    (tmp_path / "text.wav").write_text("<script>")
    (row,) = players([record({"a": {"noisy": path}})], tmp_path).values()
    assert (row[0].source, row[0].problem) == (None, problem)
    page = render([record({"a": {"noisy": path}})], tmp_path)
    assert f"This sound can’t be played. {problem}" in page and "<audio controls" not in page
