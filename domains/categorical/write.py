"""Rows of codes as files: tables as CSV, texts as plain text, music as MIDI, anything as an array."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unnoise.domains.categorical.problem import Problem

__all__ = ["MIDI", "TABLE", "TEXT", "write_midi", "write_table", "write_text"]

TABLE, TEXT, MIDI = (".csv", ".npy"), (".txt", ".npy"), (".mid", ".npy")
TICKS = 120  # of a sixteenth note
VOICES = ("soprano", "alto", "tenor", "bass")


def write_table(load: Callable[[], Problem]) -> Callable[[Tensor, Path], None]:
    """A writer of rows with the column names and the level spelling of a problem."""

    def write(rows: Tensor, path: Path) -> None:
        if _array(rows, path):
            return
        problem = load()
        flat = rows.flatten(1).tolist()
        names = problem.names or [f"x{d + 1}" for d in range(problem.columns)]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            if problem.levels:
                writer.writerows(
                    [levels[k] for levels, k in zip(problem.levels, row, strict=True)]
                    for row in flat
                )
            else:
                writer.writerows(flat)

    return write


def write_text(load: Callable[[], Problem]) -> Callable[[Tensor, Path], None]:
    """A writer of texts, a blank line between two samples."""

    def write(rows: Tensor, path: Path) -> None:
        if not _array(rows, path):
            path.write_text("\n\n".join(spelled(rows, load().levels[0])) + "\n", "utf-8")

    return write


def spelled(rows: Tensor, alphabet: Sequence[str]) -> list[str]:
    """Texts of rows (N, T) of letters."""
    return ["".join(alphabet[k] for k in row) for row in rows.tolist()]


def write_midi(pitches: Callable[[], Sequence[int]]) -> Callable[[Tensor, Path], None]:
    """A writer of music (N, T, V) on a grid of sixteenth notes: a track a voice, the samples one
    after another, a bar of silence between two.

    Args:
        pitches: the MIDI pitch of every code, -1 for silence.
    """

    def write(rows: Tensor, path: Path) -> None:
        if not _array(rows, path):
            notes = torch.tensor(list(pitches()))[rows.long()]
            rest = notes.new_full((len(notes), 16, notes.shape[2]), -1)
            midi(torch.cat([notes, rest], 1).flatten(0, 1), path)

    return write


def midi(notes: Tensor, path: Path) -> None:
    """Pitches (T, V), -1 for silence, as a MIDI file; a pitch that stays is held."""
    from mido import Message, MetaMessage, MidiFile, MidiTrack

    file = MidiFile(type=1, ticks_per_beat=4 * TICKS)
    for voice, line in enumerate(notes.T.tolist()):
        track = MidiTrack()
        name = VOICES[voice] if len(notes.T) == len(VOICES) else f"voice {voice + 1}"
        track.append(MetaMessage("track_name", name=name, time=0))
        track.append(Message("program_change", channel=voice, program=52, time=0))
        waited, sounding = 0, -1
        for pitch in [*line, -1]:
            if pitch != sounding:
                if sounding >= 0:
                    track.append(
                        Message("note_off", channel=voice, note=sounding, velocity=0, time=waited)
                    )
                    waited = 0
                if pitch >= 0:
                    track.append(
                        Message("note_on", channel=voice, note=pitch, velocity=72, time=waited)
                    )
                    waited = 0
                sounding = pitch
            waited += TICKS
        file.tracks.append(track)
    file.save(path)


def _array(rows: Tensor, path: Path) -> bool:
    """Whether the rows were written as an array, which the suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, rows.numpy(), allow_pickle=False)
        return True
    return False
