"""Recordings: the sets that are here, as their provenance says; and sets that a test writes."""

from __future__ import annotations

import csv
import hashlib
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from unnoise.data import SOURCES, DataError, UnknownSource, load_pairs, load_recordings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.data.conftest import Places

    from unnoise.data import Source

    Here = Callable[[str], Source]
    StandIn = Callable[..., None]
    Put = Callable[..., None]


def test_speech(here: Here) -> None:
    """160 readers, half of them women, 36.4 minutes; no reader is in two parts."""
    here("speech16k")
    parts = load_recordings("speech16k", quiet=True)
    assert {part: len(found) for part, found in parts.items()} == {
        "train": 130,
        "valid": 14,
        "test": 16,
    }
    everyone = [each for found in parts.values() for each in found]
    assert len({each.about["speaker"] for each in everyone}) == 160
    assert sum(each.about["sex"] == "F" for each in everyone) == 80
    assert all(each.name.startswith(each.about["speaker"] + "-") for each in everyone)
    assert {each.rate for each in everyone} == {16_000}
    assert sum(len(each.samples) for each in everyone) / 16_000 / 60 == pytest.approx(
        36.4, abs=0.05
    )
    assert all(len(each.samples) == int(each.about["samples"]) for each in everyone)
    assert all(6 * 16_000 <= len(each.samples) <= 17 * 16_000 for each in everyone)
    assert max(np.abs(each.samples).max() for each in everyone) <= 1


def test_noise(here: Here) -> None:
    here("noise16k")
    parts = load_recordings("noise16k", quiet=True)
    assert {part: len(found) for part, found in parts.items()} == {
        "train": 13,
        "valid": 2,
        "test": 3,
    }
    for each in (each for found in parts.values() for each in found):
        loudness = 20 * np.log10(np.sqrt(np.square(each.samples, dtype=np.float64).mean()))
        assert loudness == pytest.approx(float(each.about["rms_dbfs"]), abs=0.06)
        assert each.about["licence"]


def test_pairs(here: Here) -> None:
    here("vbdmd-pairs")
    pairs = load_pairs(quiet=True)
    assert len(pairs) == 10
    assert sum(len(pair.clean.samples) for pair in pairs) / 16_000 == pytest.approx(55.6, abs=0.05)
    assert {pair.clean.about["speaker"] for pair in pairs} == {"p232", "p257"}
    for pair in pairs:
        assert pair.clean.name == pair.noisy.name
        added = pair.noisy.samples - pair.clean.samples
        assert 0 < np.square(added).sum() < np.square(pair.clean.samples).sum()


def test_digits(here: Here) -> None:
    """Takes 0 to 4 are its published test part; two of the other fifteen are for validation."""
    here("fsdd")
    parts = load_recordings("fsdd", quiet=True)
    assert {part: len(found) for part, found in parts.items()} == {
        "train": 780,
        "valid": 120,
        "test": 300,
    }
    takes = {part: {int(each.about["take"]) for each in found} for part, found in parts.items()}
    assert takes == {"test": {*range(5)}, "valid": {5, 6}, "train": {*range(7, 20)}}
    assert all(each.rate == 8000 for found in parts.values() for each in found)


@pytest.fixture
def put(places: Places, stand_in: StandIn) -> Put:
    """Puts a set of files and the manifest that lists them in the place of a data set's own."""

    def write(
        name: str, rows: Sequence[Mapping[str, str]], files: Mapping[str, bytes] | None = None
    ) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
        for path, content in (files or {}).items():
            place = places.own / SOURCES[name].folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        stand_in(name, text.getvalue().encode())

    return write


def flac(samples: NDArray[np.int16], rate: int = 16_000) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def row(file: str, content: bytes, split: str = "train", **more: str) -> dict[str, str]:
    return {"file": file, "split": split, "sha256": hashlib.sha256(content).hexdigest()} | more


RAMP = np.array([0, 1, -1, 16384, -32768, 32767], dtype=np.int16)


def test_samples_are_those_of_the_file(put: Put) -> None:
    content = flac(RAMP, 22_050)
    put("speech16k", [row("a-1.flac", content, "valid", speaker="a")], {"a-1.flac": content})
    parts = load_recordings("speech16k")
    assert not parts["train"] and not parts["test"]
    (found,) = parts["valid"]
    assert (found.name, found.rate, found.about["speaker"]) == ("a-1", 22_050, "a")
    assert found.samples.dtype == np.float32
    assert (found.samples == RAMP.astype(np.float32) / 32768).all()


def test_digits_are_cut_by_take(put: Put) -> None:
    content = flac(RAMP)
    takes = {"0": "test", "5": "train", "6": "train", "7": "train"}
    files = {f"{take}.flac": content for take in takes}
    put("fsdd", [row(f"{t}.flac", content, part, take=t) for t, part in takes.items()], files)
    parts = load_recordings("fsdd")
    names = {part: [each.name for each in found] for part, found in parts.items()}
    assert names == {"train": ["7"], "valid": ["5", "6"], "test": ["0"]}


def test_a_file_that_is_not_the_manifest_s(put: Put) -> None:
    content = flac(RAMP)
    put("noise16k", [row("a.flac", content)], {"a.flac": flac(RAMP[::-1].copy())})
    with pytest.raises(DataError, match="a.flac has sha256 .*, not the manifest's .*; put the r"):
        load_recordings("noise16k")


def test_a_file_that_is_missing(put: Put) -> None:
    put("noise16k", [row("a.flac", b"")])
    with pytest.raises(DataError, match="a.flac: No such file or directory; put the files of the"):
        load_recordings("noise16k")


def test_a_file_that_is_no_sound(put: Put) -> None:
    put("noise16k", [row("a.flac", b"bytes")], {"a.flac": b"bytes"})
    with pytest.raises(DataError, match="a.flac: .*; put the right copy there"):
        load_recordings("noise16k")


def test_a_file_of_two_channels(put: Put) -> None:
    content = flac(np.stack([RAMP, RAMP], 1))
    put("noise16k", [row("a.flac", content)], {"a.flac": content})
    with pytest.raises(DataError, match="a.flac: 2 channels, not 1; put the right copy there"):
        load_recordings("noise16k")


def test_a_manifest_without_a_column(put: Put) -> None:
    put("noise16k", [{"file": "a.flac"}])
    with pytest.raises(DataError, match="manifest.csv: has no column split, sha256; put the"):
        load_recordings("noise16k")


def test_a_part_that_there_is_not(put: Put) -> None:
    content = flac(RAMP)
    put("noise16k", [row("a.flac", content, "dev")], {"a.flac": content})
    with pytest.raises(DataError, match="a.flac is in part 'dev', none of train, valid, test"):
        load_recordings("noise16k")


def test_pairs_of_unequal_length(put: Put) -> None:
    clean, noisy = flac(RAMP), flac(RAMP[:-1].copy())
    rows = [
        {
            "file": "a.flac",
            "sha256_clean": hashlib.sha256(clean).hexdigest(),
            "sha256_noisy": hashlib.sha256(noisy).hexdigest(),
        }
    ]
    put("vbdmd-pairs", rows, {"clean/a.flac": clean, "noisy/a.flac": noisy})
    with pytest.raises(DataError, match="a.flac: 6 clean samples at 16000 Hz, but 5 noisy ones"):
        load_pairs()


def test_without_soundfile(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put("noise16k", [row("a.flac", b"")], {"a.flac": b""})
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(DataError, match=r"by soundfile; pip install 'unnoise\[audio\]'"):
        load_recordings("noise16k")


def test_wrong_names() -> None:
    with pytest.raises(UnknownSource, match="'speech'; did you mean 'speech16k'"):
        load_recordings("speech")
    with pytest.raises(DataError, match=r"for evaluation, in pairs; load_pairs\(\) reads it"):
        load_recordings("vbdmd-pairs")
