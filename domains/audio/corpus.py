"""Recordings of your own to learn from: folders of noisy and clean speech, or of speech and of noise.

All files under a folder count, in the order of their names, and each channel is a recording. What has
another rate is resampled; what can't be read, or is silent, is left out. Both are warned of by name.
Samples are held in memory, 230 MB an hour at 16 kHz.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from torch import Tensor

from unnoise.core.progress import track
from unnoise.domains.audio.files import AudioError, read
from unnoise.domains.audio.folder import recordings_in
from unnoise.domains.audio.mixing import Filter, Mixer, Room
from unnoise.domains.audio.resample import Resampler, narrow
from unnoise.domains.audio.training import Pairs

__all__ = ["digest", "mixer_in", "pairs_in"]

_NAMED = 3  # of those that a remark is on


def pairs_in(
    clean: Path, noisy: Path, rate: int, length: int, keep: Callable[[Path], bool] | None = None
) -> Pairs:
    """Recordings that exist twice, at the same places of two folders; suffixes may differ.

    Args:
        clean, noisy: the folders.
        rate: samples a second of what is drawn.
        length: samples of a pair.
        keep: whether a pair counts, by its place in the folders, without suffix; None: all do.

    Warns:
        UserWarning: of what is resampled or left out, and of what is odd.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if a recording has no partner, or one of another length, or none is left.
    """
    if clean.resolve() == noisy.resolve():
        raise ValueError(f"{clean}: is the folder of clean and of noisy speech; name two")
    sides = {folder: _by_place(folder, keep) for folder in (clean, noisy)}
    for one, other in ((noisy, clean), (clean, noisy)):
        alone = sorted(sides[one].keys() - sides[other].keys())
        if alone:
            raise ValueError(
                f"{one}: no partner in {other} for {_some(map(str, alone))}; give both the same name, or move them away"
            )
    waves = {folder: _read(folder, paths, rate) for folder, paths in sides.items()}
    places = sorted(waves[clean].keys() & waves[noisy].keys())
    unlike = [p for p in places if waves[clean][p].shape != waves[noisy][p].shape]
    if unlike:
        raise ValueError(
            f"{noisy}: unlike their partners in {clean}, in samples or channels: {_some(_unlike(p, waves[noisy], waves[clean]) for p in unlike)}; cut them to what they share"
        )
    drawn = [
        (y, x)
        for p in places
        for y, x in zip(waves[noisy][p], waves[clean][p], strict=True)
        if y.any()
    ]
    _require(drawn, noisy)
    return Pairs([y for y, _ in drawn], [x for _, x in drawn], length)


def mixer_in(
    speech: Path, noise: Path, rate: int, length: int, snr: tuple[float, float], room: Room | None = None,
    tones: tuple[Filter, Filter] | None = None,
) -> Mixer:  # fmt: skip
    """Recordings of speech, to be mixed with recordings of noise.

    Args:
        speech, noise: the folders.
        rate: samples a second of what is drawn.
        length: samples of a pair.
        snr: the least and the largest, in dB.
        room, tones: as `Mixer` has them.

    Warns:
        UserWarning: of what is resampled or left out, and of what is odd.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if nothing is left of one, or the range of SNRs is empty.
    """

    def channels(folder: Path) -> list[Tensor]:
        waves = _read(folder, {path: path for path in recordings_in(folder)}, rate)
        heard = [channel for wave in waves.values() for channel in wave if channel.any()]
        _require(heard, folder)
        return heard

    return Mixer(channels(speech), channels(noise), length, snr, room=room, tones=tones)


def digest(source: Pairs | Mixer) -> str:
    """A checksum of all samples, which tells one corpus from another."""
    sides = (source.noisy, source.clean) if isinstance(source, Pairs) else (source.speech, source.noise)  # fmt: skip
    found = hashlib.sha256()
    for each in chain(*sides):
        found.update(f"{len(each)} ".encode())
        found.update(each.contiguous().numpy().data)
    return found.hexdigest()


def _by_place(folder: Path, keep: Callable[[Path], bool] | None) -> dict[Path, Path]:
    """The recordings of a folder by their places in it, without suffix, that are to be kept.

    Raises:
        ValueError: if two have one place.
    """
    found: dict[Path, Path] = {}
    for path in recordings_in(folder):
        place = path.relative_to(folder).with_suffix("")
        if place in found:
            raise ValueError(
                f"{folder}: {found[place].name} and {path.name} have one name; keep one of them"
            )
        if keep is None or keep(place):
            found[place] = path
    return found


def _read(folder: Path, paths: Mapping[Path, Path], rate: int) -> dict[Path, Tensor]:
    """Waves (C, N) at a rate, of all files that can be read."""
    waves: dict[Path, Tensor] = {}
    broken, silent, other, low, remarks = (list[str]() for _ in range(5))
    for place, path in track([*paths.items()], f"reading {folder}"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                wave, form = read(path)
            except (AudioError, OSError) as error:
                broken.append(str(error))
                continue
        remarks += [str(one.message) for one in caught]
        if not wave.any(1).all():
            silent.append(path.name)
        if form.rate != rate:
            few = narrow(form.rate, rate) is not None
            (low if few else other).append(f"{path.name} ({form.rate} Hz)")
        waves[place] = Resampler(form.rate, rate)(wave)
    _tell(f"{folder}: left out, as they can't be read", broken)
    _tell(f"{folder}: silent, in one channel at least", silent)
    _tell(f"{folder}: resampled to {rate} Hz", other)
    _tell(f"{folder}: resampled to {rate} Hz, though they have no high frequencies to learn", low)
    _tell(f"{folder}: odd", remarks)
    return waves


def _tell(what: str, of: Sequence[str]) -> None:
    if of:
        warnings.warn(f"{what}: {_some(of)}", stacklevel=4)


def _some(names: Iterable[str]) -> str:
    """The first of many, and how many more there are."""
    every = list(names)
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _unlike(place: Path, one: Mapping[Path, Tensor], other: Mapping[Path, Tensor]) -> str:
    there, here = (" x ".join(map(str, waves[place].shape)) for waves in (one, other))
    return f"{place} ({there} and {here})"


def _require(found: Sequence[object], folder: Path) -> None:
    if not found:
        raise ValueError(f"{folder}: no recording is left to learn from; see the warnings")
