"""Files: the same samples back in the same form, and a clear word on every file that is none."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.audio.chunks import process
from unnoise.domains.audio.files import (
    AudioError,
    Form,
    Survey,
    blocks,
    read,
    write,
    writing,
)
from unnoise.domains.audio.resample import Resampler


def noise(channels: int, n: int, bits: int = 15) -> Tensor:
    """Samples that a coding of so many bits holds exactly."""
    wave = torch.rand(channels, n, generator=seeded(n), dtype=torch.float64) - 0.5
    return (wave * 2**bits).round().div(2**bits).float()


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize(
    ("suffix", "container", "subtype"),
    [
        (".wav", "WAV", "PCM_16"),
        (".wav", "WAVEX", "PCM_24"),
        (".wav", "WAV", "FLOAT"),
        (".flac", "FLAC", "PCM_16"),
        (".flac", "FLAC", "PCM_24"),
    ],
)
def test_lossless_files_come_back_to_the_bit(
    tmp_path: Path, channels: int, rate: int, suffix: str, container: str, subtype: str
) -> None:
    wave = noise(channels, 501, 23 if subtype in ("PCM_24", "FLOAT") else 15)
    path, form = tmp_path / f"a{suffix}", Form(rate, channels, container, subtype)
    write(path, wave, form)
    again, found = read(path)
    assert found == form == Form.of(path)
    assert (again == wave).all()
    write(tmp_path / f"b{suffix}", again, found)
    assert (tmp_path / f"b{suffix}").read_bytes() == path.read_bytes() or subtype == "FLOAT"


@pytest.mark.parametrize(
    ("suffix", "form"),
    [
        (".ogg", Form(16_000, 2, "OGG", "VORBIS")),
        (".ogg", Form(16_000, 1, "OGG", "OPUS")),
        (".mp3", Form(44_100, 2, "MP3", "MPEG_LAYER_III")),
    ],
)
def test_lossy_files_keep_form_length_and_sound(tmp_path: Path, suffix: str, form: Form) -> None:
    wave = 0.5 * torch.sin(torch.arange(30_000) * 0.1).expand(form.channels, -1)
    write(tmp_path / f"a{suffix}", wave, form)
    again, found = read(tmp_path / f"a{suffix}")
    assert found == form
    assert again.shape == wave.shape
    assert (again - wave)[:, 2_000:-2_000].abs().max() < 0.05


@pytest.mark.parametrize(
    ("form", "name", "kept"),
    [
        (Form(8_000, 1, "WAV", "FLOAT"), "a.WAV", ("WAV", "FLOAT")),
        (Form(8_000, 1, "WAV", "FLOAT"), "a.flac", ("FLAC", "PCM_24")),
        (Form(8_000, 1, "WAV", "PCM_24"), "a.flac", ("FLAC", "PCM_24")),
        (Form(8_000, 1, "WAV", "ULAW"), "a.flac", ("FLAC", "PCM_16")),
        (Form(8_000, 1, "FLAC", "PCM_24"), "a.wav", ("WAV", "PCM_24")),
        (Form(8_000, 1, "MP3", "MPEG_LAYER_III"), "a.wav", ("WAV", "PCM_16")),
        (Form(8_000, 1, "OGG", "OPUS"), "a.ogg", ("OGG", "OPUS")),
        (Form(8_000, 1, "OGG", "OPUS"), "a.mp3", ("MP3", "MPEG_LAYER_III")),
        (Form(8_000, 1, "AIFF", "PCM_24"), "a.wav", ("WAV", "PCM_24")),
    ],
)
def test_a_suffix_keeps_what_it_can(form: Form, name: str, kept: tuple[str, str]) -> None:
    under = form.under(name)
    assert (under.container, under.subtype) == kept
    assert (under.rate, under.channels) == (8_000, 1)


def test_blocks_are_the_file_in_order(tmp_path: Path) -> None:
    wave = noise(2, 1_000)
    write(tmp_path / "a.flac", wave, Form(16_000, 2))
    parts = list(blocks(tmp_path / "a.flac", 300))
    assert [part.shape[1] for part in parts] == [300, 300, 300, 100]
    assert (torch.cat(parts, 1) == wave).all()


def test_ogg_takes_waves_of_any_length(tmp_path: Path) -> None:
    """libvorbis crashes at ten million samples in one call."""
    write(tmp_path / "a.ogg", torch.zeros(1, 1_000_000), Form(8_000, 1))
    assert Survey.of(tmp_path / "a.ogg").samples == 1_000_000


def test_file_to_file_through_rates_and_chunks(tmp_path: Path) -> None:
    """The whole path of a long file, with an enhancer that does nothing."""
    tone = 0.5 * torch.sin(2 * torch.pi * 440 / 44_100 * torch.arange(100_000))
    form = Form(44_100, 2, "WAV", "FLOAT")
    write(tmp_path / "in.wav", torch.stack([tone, -tone]), form)
    down, up = Resampler(44_100, 16_000), Resampler(16_000, 44_100)
    with writing(tmp_path / "out.wav", form) as put:
        inside = down.stream(blocks(tmp_path / "in.wav"))
        left = 100_000
        for block in up.stream(process(inside, lambda x, start: x, 8_000, 1_600)):
            put(block[:, :left])
            left -= block.shape[1]
    out, _ = read(tmp_path / "out.wav")
    assert out.shape == (2, 100_000)
    assert (out[0] - tone)[1_000:-1_000].abs().max() < 1e-4
    assert (out[0] == -out[1]).all()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path, form = tmp_path / "a.wav", Form(8_000, 1)
    write(path, noise(1, 50), form)
    before = path.read_bytes()

    def half() -> None:
        with writing(path, form) as put:
            put(noise(1, 20))
            assert path.read_bytes() == before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]
    assert path.read_bytes() == before


def test_a_survey_counts_across_blocks(tmp_path: Path) -> None:
    wave = 0.1 * noise(2, 200_000)
    wave[0, 65_533:65_541] = (
        1 - 2**-15
    )  # over the border of two blocks: 8 equal ones, 5 of them late
    wave[1, 100] = -0.5
    write(tmp_path / "a.flac", wave, Form(16_000, 2))
    found = Survey.of(tmp_path / "a.flac")
    assert found.samples == 200_000 and found.seconds == 12.5
    assert found.peaks == (1 - 2**-15, 0.5)
    assert (found.clipped, found.constant) == (5, ())


def test_a_full_scale_tone_and_silence_are_no_remarks(tmp_path: Path) -> None:
    tone = torch.sin(2 * torch.pi * 110 / 16_000 * torch.arange(16_000)) * (1 - 2**-15)
    write(tmp_path / "a.wav", torch.stack([tone, torch.zeros(16_000)]), Form(16_000, 2))
    assert Survey.of(tmp_path / "a.wav").remarks == []


def test_clipped_files_are_warned_of(tmp_path: Path) -> None:
    tone = 1.5 * torch.sin(2 * torch.pi * 110 / 16_000 * torch.arange(16_000))[None]
    with pytest.warns(UserWarning, match=r"a\.wav: \d+ samples beyond full scale were clipped"):
        write(tmp_path / "a.wav", tone, Form(16_000, 1))
    # 1 - 2 / pi asin(2 / 3) = .535 of the time, less three samples for each of the 220 tops
    with pytest.warns(UserWarning, match=r"\d+ samples \(0\.49 of all\) are clipped"):
        read(tmp_path / "a.wav")


def test_floats_beyond_full_scale_are_kept(tmp_path: Path) -> None:
    wave = 3 * noise(1, 100)
    write(tmp_path / "a.wav", wave, Form(16_000, 1, "WAV", "FLOAT"))
    assert (read(tmp_path / "a.wav")[0] == wave).all()


def test_files_without_sound_are_warned_of(tmp_path: Path) -> None:
    wave = torch.stack([torch.full((500,), -0.25), noise(1, 500)[0]])
    write(tmp_path / "a.wav", wave, Form(16_000, 2))
    with pytest.warns(UserWarning, match=r"channel 0 is constant, of magnitude 0\.25 \(DC only\)"):
        read(tmp_path / "a.wav")


def _text(path: Path) -> None:
    path.write_text("no sound")


def _no_bytes(path: Path) -> None:
    path.touch()


def _no_samples(path: Path) -> None:
    soundfile.write(path, noise(1, 0).T.numpy(), 16_000, format="WAV")


def _no_rate(path: Path) -> None:
    soundfile.write(path, noise(1, 9).T.numpy(), 16_000, format="WAV")
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", 0)
    path.write_bytes(data)


def _nan(path: Path) -> None:
    wave = noise(2, 70_000)
    wave[1, 66_000] = torch.nan
    soundfile.write(path, wave.T.numpy(), 16_000, format="WAV", subtype="FLOAT")


def _half(container: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        soundfile.write(path, noise(1, 40_000).T.numpy(), 16_000, format=container)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_text, "can't be read as audio .*must be WAV, FLAC, OGG or MP3"),
        (_no_bytes, "0 bytes"),
        (_no_samples, "a header and no samples"),
        (_no_rate, "with a sample rate in its header"),
        (_nan, r"sample 66000 \(4\.12 s\) of channel 1 in the file is nan"),
        (_half("FLAC"), r"damaged after \d\.\d\d s"),
        (_half("WAV"), r"ends after 1\.25 s of 2\.50 s"),
        (_half("MP3"), r"ends after 1\.\d\d s of 2\.50 s"),
    ],
)
def test_files_that_are_none(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "a.wav"
    make(path)
    for way in (read, Survey.of):
        with pytest.raises(AudioError, match=message) as told:
            way(path)
        assert str(path) in str(told.value)


def test_a_wav_from_a_pipe_has_the_length_it_has(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", noise(1, 500), Form(8_000, 1))
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(data)
    assert (read(tmp_path / "a.wav")[0] == noise(1, 500)).all()


def test_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"1234")
    with pytest.raises(AudioError, match="has no header, so no sample rate"):
        Form.of(tmp_path / "a.raw")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        blocks(tmp_path / "a.wav")
    with pytest.raises(FileNotFoundError, match="no such folder; make it first"):
        write(tmp_path / "b" / "a.wav", noise(1, 9), Form(8_000, 1))


@pytest.mark.parametrize(
    ("name", "wave", "form", "message"),
    [
        ("a.txt", noise(1, 9), Form(8_000, 1), r"suffix must be one of \.wav, \.flac"),
        ("a.mp3", noise(1, 9), Form(96_000, 1), "MP3 can't hold 1 channels .* at 96000 Hz"),
        ("a.wav", noise(2, 9), Form(8_000, 1), r"must be \(1, n\), got \(2, 9\)"),
        ("a.wav", noise(1, 9) / 0, Form(8_000, 1), "of channel 0 to be written is"),
    ],
)
def test_what_is_not_written(
    tmp_path: Path, name: str, wave: Tensor, form: Form, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write(tmp_path / name, wave, form)
    assert list(tmp_path.iterdir()) == []


def test_a_good_file_is_read_without_a_word(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", noise(1, 99), Form(8_000, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tmp_path / "a.wav")
