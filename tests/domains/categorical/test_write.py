"""Files of samples hold the samples."""

import csv
from pathlib import Path

import mido
import numpy as np
import pytest
import torch

from unnoise.domains.categorical.problem import Problem
from unnoise.domains.categorical.write import TICKS, write_midi, write_table, write_text

ROWS = torch.tensor([[0, 2], [1, 0], [1, 1]])
PITCHES = (-1, 60, 62, 64)


@pytest.fixture
def table() -> Problem:
    levels = [["no", "yes"], ["a", "b,c", "?"]]
    return Problem(ROWS, ROWS, ROWS, (2, 3), ["bought", "kind"], levels)


def test_a_table_has_its_names_and_spelling(table: Problem, tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.csv"
    write_table(lambda: table)(ROWS, path)
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["bought", "kind"],
            ["no", "?"],
            ["yes", "a"],
            ["yes", "b,c"],
        ]


def test_a_table_without_names_has_numbers(tmp_path: Path) -> None:
    bare = Problem(ROWS, ROWS, ROWS, (2, 3))
    write_table(lambda: bare)(ROWS, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text().split() == ["x1,x2", "0,2", "1,0", "1,1"]


def test_texts_are_apart_by_a_blank_line(tmp_path: Path) -> None:
    text = Problem(ROWS, ROWS, ROWS, (3,), levels=[["x", " ", "z"]])
    write_text(lambda: text)(ROWS, tmp_path / "rows.txt")
    assert (tmp_path / "rows.txt").read_text() == "xz\n\n x\n\n  \n"


def test_an_array_is_the_codes(table: Problem, tmp_path: Path) -> None:
    write_table(lambda: table)(ROWS, tmp_path / "rows.npy")
    assert (np.load(tmp_path / "rows.npy") == ROWS.numpy()).all()


def test_midi_sounds_every_note_as_long_as_it_is_held(tmp_path: Path) -> None:
    """Read back on the grid, two pieces and the bar of silence after each."""
    rows = torch.tensor([[[1, 0], [1, 2], [3, 2]], [[0, 0], [2, 2], [2, 1]]])
    path = tmp_path / "music.mid"
    write_midi(lambda: PITCHES)(rows, path)
    file = mido.MidiFile(path)
    assert file.ticks_per_beat == 4 * TICKS
    steps = 2 * (3 + 16)
    read = np.full((steps, 2), -1)
    for voice, track in enumerate(file.tracks):
        now, sounding = 0, {}
        for message in track:
            now += message.time
            if message.type == "note_on":
                sounding[message.note] = now
            elif message.type == "note_off":
                read[sounding.pop(message.note) // TICKS : now // TICKS, voice] = message.note
        assert not sounding
    silence = np.full((16, 2), -1)
    notes = np.array(PITCHES)[rows.numpy()]
    assert (read == np.concatenate([notes[0], silence, notes[1], silence])).all()
