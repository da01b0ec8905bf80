"""Recordings of speech and noise, as rows of samples, in parts that share no voice.

The manifest of a set is pinned by its checksum, and pins each of its files in turn. Nothing is
resampled or scaled: full scale is 1. The files are FLAC, which needs `soundfile`.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unnoise.data.errors import DataError, unknown
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

__all__ = ["Pair", "Recording", "load_pairs", "load_recordings"]

_SETS = ("fsdd", "noise16k", "speech16k")
_VALID_TAKES = {"5", "6"}  # of fsdd, which publishes no validation part


@dataclass(frozen=True, eq=False)
class Recording:
    """One channel of sound.

    Attributes:
        name: That of the file, without its suffix.
        samples: (n,), full scale 1.
        rate: Samples a second.
        about: What the manifest says of it, as `speaker` or `licence`.
    """

    name: str
    samples: NDArray[np.float32]
    rate: int
    about: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Pair:
    """The same utterance without and with noise, sample by sample."""

    clean: Recording
    noisy: Recording


def load_recordings(name: str, *, quiet: bool = False) -> dict[str, list[Recording]]:
    """Loads a set of recordings; needs soundfile.

        speech16k   160 readers of LibriSpeech, one utterance each; no reader is in two parts
        noise16k    18 backgrounds; no recording is in two parts
        fsdd        1,200 digits by six speakers, at 8 kHz; all six are in all parts: `test` is
                    takes 0 to 4, as published, and `valid` is takes 5 and 6

    Args:
        name: One of these.
        quiet: Whether a download does without its progress bar.

    Returns:
        `train`, `valid` and `test`, in the order of the manifest.

    Raises:
        DataError: If there is none of that name, its files are not here or damaged, or soundfile
            is not installed.
    """
    if name == "vbdmd-pairs":
        raise DataError("vbdmd-pairs is for evaluation, in pairs; load_pairs() reads it")
    if name not in _SETS:
        raise unknown("set of recordings", name, _SETS)
    folder, rows = _manifest(name, ("file", "split", "sha256"), quiet)
    parts: dict[str, list[Recording]] = {"train": [], "valid": [], "test": []}
    for row in rows:
        part = row["split"]
        if name == "fsdd" and part == "train" and row["take"] in _VALID_TAKES:
            part = "valid"
        if part not in parts:
            raise DataError(
                f"{folder}, {row['file']} is in part {part!r}, none of {', '.join(parts)}; "
                "put the right manifest there"
            )
        parts[part].append(_recording(folder / row["file"], row["sha256"], row))
    return parts


def load_pairs(*, quiet: bool = False) -> list[Pair]:
    """Loads ten pairs of VoiceBank-DEMAND's test set, `vbdmd-pairs`; needs soundfile.

    They are those that published figures are on: never train on them, nor choose by them.

    Args:
        quiet: Whether a download does without its progress bar.

    Raises:
        DataError: If the files are not here or damaged, or soundfile is not installed.
    """
    folder, rows = _manifest("vbdmd-pairs", ("file", "sha256_clean", "sha256_noisy"), quiet)
    pairs = []
    for row in rows:
        clean, noisy = (
            _recording(folder / side / row["file"], row[f"sha256_{side}"], row)
            for side in ("clean", "noisy")
        )
        if (len(clean.samples), clean.rate) != (len(noisy.samples), noisy.rate):
            raise DataError(
                f"{folder}, {row['file']}: {len(clean.samples)} clean samples at {clean.rate} Hz, "
                f"but {len(noisy.samples)} noisy ones at {noisy.rate} Hz; put the right copy there"
            )
        pairs.append(Pair(clean, noisy))
    return pairs


def _manifest(
    name: str, needed: Iterable[str], quiet: bool
) -> tuple[Path, list[Mapping[str, str]]]:
    """The folder of a set, and the rows of its manifest."""
    source = SOURCES[name]
    folder = find(source, quiet=quiet)
    path = folder / source.files[0].path
    with path.open(encoding="utf-8", newline="") as stream:
        table = csv.DictReader(stream)
        rows: list[Mapping[str, str]] = list(table)
    missing = [column for column in needed if column not in (table.fieldnames or ())]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(missing)}; put the right copy there")
    return folder, rows


def _recording(path: Path, sha256: str, about: Mapping[str, str]) -> Recording:
    """A file of one channel, which is read once for its checksum and its samples.

    Raises:
        DataError: If it cannot be read, or is another file than the manifest's.
    """
    try:
        sound = import_module("soundfile")
    except ModuleNotFoundError as error:
        raise DataError(
            f"{path}: FLAC is read by soundfile; pip install 'unnoise[audio]'"
        ) from error
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}; put the files of the manifest there"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise DataError(
            f"{path} has sha256 {digest}, not the manifest's {sha256}; put the right copy there"
        )
    try:
        samples, rate = sound.read(io.BytesIO(content), dtype="float32")
    except sound.LibsndfileError as error:
        raise DataError(f"{path}: {error.error_string}; put the right copy there") from error
    if samples.ndim != 1:
        raise DataError(f"{path}: {samples.shape[1]} channels, not 1; put the right copy there")
    return Recording(path.stem, samples, int(rate), about)
