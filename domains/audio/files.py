"""Audio files in blocks: an hour is read and written in the memory of a second.

libsndfile does the decoding (WAV, FLAC, OGG, MP3 and more, under Python by `soundfile`). What it
lets pass is caught here: a file that ends before its header says, samples that are no numbers, a
half-written result under its final name. What can be enhanced but shouldn't surprise anybody,
clipping and channels without sound, is a remark.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile
import torch
from torch import Tensor

__all__ = ["AudioError", "Form", "Survey", "blocks", "read", "write", "writing"]

BLOCK = 1 << 16  # samples
_FULL = 0.99  # of full scale: 127/128, the largest sample of 8 bits, is above
_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")  # named like their containers
_WAV = ("WAV", "WAVEX", "RF64")
_ENDLESS = 0x7FFFF000  # bytes, of a WAV that was written into a pipe
_DEEP = ("PCM_32", "FLOAT", "DOUBLE")  # what FLAC has 24 bits for
_PLAIN = ("PCM_16", "PCM_24", *_DEEP)


class AudioError(ValueError):
    """A file that can't be read or written as audio; it says which, where and what to do."""


@dataclass(frozen=True)
class Form:
    """What a file is, apart from its samples.

    Attributes:
        rate: samples a second.
        channels: how many.
        container: libsndfile's name of the format: WAV, FLAC, OGG, MP3, ...
        subtype: its name of the coding of samples: PCM_16, FLOAT, VORBIS, ...
    """

    rate: int
    channels: int
    container: str = "WAV"
    subtype: str = "PCM_16"

    @staticmethod
    def of(path: Path | str) -> Form:
        """The form of a file, by its header.

        Raises:
            FileNotFoundError: if there is none.
            AudioError: if it isn't audio, or has no bytes.
        """
        with _opened(Path(path)) as file:
            return Form(file.samplerate, file.channels, file.format, file.subtype)

    def under(self, path: Path | str) -> Form:
        """The nearest form that a file of this name can have: container and coding stay where the
        suffix allows it.

        Raises:
            AudioError: if the suffix is none of .wav, .flac, .ogg and .mp3.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in _SUFFIXES:
            raise AudioError(
                f"{path}: can't be written; its suffix must be one of {', '.join(_SUFFIXES)}"
            )
        container = suffix[1:].upper()
        if self.container in (_WAV if container == "WAV" else (container,)):
            return self
        wanted = "PCM_24" if container == "FLAC" and self.subtype in _DEEP else self.subtype
        # only plain codings move: a WAV may hold even MP3, and nobody expects that
        plain = wanted in _PLAIN and soundfile.check_format(container, wanted)
        subtype = wanted if plain else soundfile.default_subtype(container)
        return replace(self, container=container, subtype=subtype)


@dataclass(frozen=True)
class Survey:
    """What one pass over a file finds.

    Attributes:
        form: what it is.
        samples: of each channel.
        peaks: the largest magnitude of each channel.
        constant: channels that hold one value only, other than 0.
        clipped: samples on flat tops: the fourth and later of a run of equal ones at .99 of full
            scale or more.
    """

    form: Form
    samples: int
    peaks: tuple[float, ...]
    constant: tuple[int, ...]
    clipped: int

    @staticmethod
    def of(path: Path | str) -> Survey:
        """Goes through a file once, in bounded memory; raises what `blocks` raises."""
        tally = _Tally(Form.of(path))
        for block in blocks(path):
            tally.add(block)
        return tally.survey()

    @property
    def seconds(self) -> float:
        return self.samples / self.form.rate

    @property
    def remarks(self) -> list[str]:
        """What its owner should know before it is enhanced, a line each."""
        found = [
            f"channel {c} is constant, of magnitude {self.peaks[c]:g} (DC only): there is no sound in it"
            for c in self.constant
        ]
        if self.clipped:
            share = self.clipped / (self.samples * self.form.channels)
            found.append(
                f"{self.clipped} samples ({share:.2g} of all) are clipped: record at a lower level"
            )
        return found


def blocks(path: Path | str, size: int = BLOCK) -> Iterator[Tensor]:
    """The samples of a file as float32 blocks (C, n), n = `size` but for the last.

    Raises:
        FileNotFoundError: at once, if there is none.
        AudioError: at once, if it isn't audio; at the block, if it is damaged or truncated there,
            holds NaN or infinite samples, or none at all.
    """
    Form.of(path)
    return _blocks(Path(path), size)


def read(path: Path | str) -> tuple[Tensor, Form]:
    """The whole file, float32 (C, N), and its form; warns of remarks, raises what `blocks` does."""
    tally = _Tally(Form.of(path))
    wave = torch.cat(list(blocks(path)), 1)
    tally.add(wave)
    for remark in tally.survey().remarks:
        warnings.warn(f"{path}: {remark}", stacklevel=2)
    return wave, tally.form


@contextmanager
def writing(path: Path | str, form: Form) -> Iterator[Callable[[Tensor], None]]:
    """A function that appends a block (C, n) to a file, which appears when all is written, and
    not at all if anything fails.

    Args:
        path: its suffix chooses the container.
        form: of the samples; it becomes `form.under(path)`.

    Warns:
        UserWarning: at the end, if samples beyond full scale had to be clipped.

    Raises:
        FileNotFoundError: if there is no such folder.
        AudioError: if the container can't hold that rate or so many channels, or a block has NaN.
        ValueError: if a block has another number of channels.
    """
    path = Path(path)
    form = form.under(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder; make it first")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    clipped = 0

    def put(block: Tensor) -> None:
        nonlocal clipped
        shape = tuple(block.shape)
        if len(shape) != 2 or shape[0] != form.channels:
            raise ValueError(f"{path}: a block must be ({form.channels}, n), got {shape}")
        _check(block, path, 0, form.rate, "to be written")
        clipped += int((block.abs() > 1).sum()) if form.subtype.startswith("PCM") else 0
        # in pieces: libvorbis keeps a call's samples on the stack, and long calls crash it
        for piece in block.detach().float().cpu().split(BLOCK, 1):
            file.write(piece.T.contiguous().numpy())

    try:
        with _created(part, path, form) as file:
            yield put
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    if clipped:
        warnings.warn(
            f"{path}: {clipped} samples beyond full scale were clipped; use a lower level, or a WAV of subtype FLOAT",
            stacklevel=3,
        )


def write(path: Path | str, wave: Tensor, form: Form) -> None:
    """Writes a whole wave (C, N); warns and raises what `writing` does."""
    with writing(path, form) as put:
        put(wave)


def _opened(path: Path) -> soundfile.SoundFile:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty, 0 bytes; copy it again")
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: can't be read as audio ({error.error_string.strip(' .')}); it must be WAV, FLAC, OGG or MP3 with a sample rate in its header"
        ) from error
    except TypeError as error:  # what soundfile says of .raw
        raise AudioError(f"{path}: has no header, so no sample rate; convert it to WAV") from error


def _created(part: Path, path: Path, form: Form) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(
            part, "w", form.rate, form.channels, form.subtype, format=form.container
        )
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: {form.container} can't hold {form.channels} channels of {form.subtype} at {form.rate} Hz ({error.error_string.strip(' .')}); write .wav instead"
        ) from error


def _blocks(path: Path, size: int) -> Iterator[Tensor]:
    with _opened(path) as file:
        done, rate = 0, file.samplerate
        while True:
            try:
                block = torch.from_numpy(file.read(size, dtype="float32", always_2d=True)).T
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"{path}: damaged after {done / rate:.2f} s ({error.error_string.strip(' .')}); copy it again"
                ) from error
            if block.shape[1] == 0:
                break
            _check(block, path, done, rate, "in the file")
            done += block.shape[1]
            yield block.contiguous()
        if done == 0:
            raise AudioError(f"{path}: has a header and no samples; record or copy it again")
        if done < (promised := _promised(file)):
            raise AudioError(
                f"{path}: ends after {done / rate:.2f} s of {promised / rate:.2f} s; copy it again"
            )


def _promised(file: soundfile.SoundFile) -> int:
    """The samples by the header; that a WAV has fewer stands in libsndfile's log only."""
    cut = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    told, there = (int(cut[1]), int(cut[2])) if cut else (0, 0)
    frames: int = file.frames
    return frames * told // there if there < told < _ENDLESS else frames


def _check(block: Tensor, path: Path, done: int, rate: int, where: str) -> None:
    """Refuses samples that are no numbers."""
    bad = ~torch.isfinite(block)
    if bool(bad.any()):
        channel, sample = bad.nonzero()[0].tolist()
        raise AudioError(
            f"{path}: sample {done + sample} ({(done + sample) / rate:.2f} s) of channel {channel} {where} is {block[channel, sample].item()}; replace NaN and infinite samples, by 0 for example"
        )


class _Tally:
    """What a survey finds, block by block."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.samples = self.clipped = 0
        self.low = torch.full((form.channels,), torch.inf)
        self.high = -self.low
        self.tail = torch.zeros(form.channels, 0)  # the last three samples

    def add(self, block: Tensor) -> None:
        self.low = torch.minimum(self.low, block.amin(1))
        self.high = torch.maximum(self.high, block.amax(1))
        joint = torch.cat([self.tail, block], 1)
        if joint.shape[1] > 3:
            same = (joint[:, 1:] == joint[:, :-1]) & (joint[:, 1:].abs() >= _FULL)
            self.clipped += int((same[:, 2:] & same[:, 1:-1] & same[:, :-2]).sum())
        self.tail = joint[:, -3:]
        self.samples += block.shape[1]

    def survey(self) -> Survey:
        peaks = torch.maximum(self.high, -self.low)
        still = (self.low == self.high) & (peaks > 0) & (self.samples > 1)
        constant = tuple(still.nonzero()[:, 0].tolist())
        return Survey(self.form, self.samples, tuple(peaks.tolist()), constant, self.clipped)
