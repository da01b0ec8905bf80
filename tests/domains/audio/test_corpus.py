"""Recordings of one's own: what is drawn is what lies in the files, and what is odd is told by name."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.audio.corpus import digest, mixer_in, pairs_in
from unnoise.domains.audio.files import Form, write
from unnoise.domains.audio.mixing import mix
from unnoise.domains.audio.resample import Resampler
from unnoise.domains.audio.tone import Tone

RATE = 16_000
CLEAN, NOISY = Path("clean"), Path("noisy")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hiss(samples: int, seed: int, channels: int = 1) -> Tensor:
    return 0.1 * torch.randn(channels, samples, generator=seeded(seed))


def put(name: Path | str, wave: Tensor, rate: int = RATE, subtype: str = "FLOAT") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    form = Form(rate, len(wave), "WAV", subtype)
    write(name, wave, form.under(name))


def told(caught: list[warnings.WarningMessage]) -> list[str]:
    return [str(one.message) for one in caught]


# --- pairs --------------------------------------------------------------------------------------


def test_pairs_are_those_of_the_files_in_the_order_of_names() -> None:
    for k, name in enumerate(("b", "deep/a", "c")):
        put(CLEAN / f"{name}.wav", hiss(900 + k, k))
        put(NOISY / f"{name}.wav", hiss(900 + k, 9 + k))
    found = pairs_in(CLEAN, NOISY, RATE, 400)
    order = (0, 2, 1)  # b, c, deep/a
    assert found.length == 400
    for i, k in enumerate(order):
        assert torch.equal(found.clean[i], hiss(900 + k, k)[0])
        assert torch.equal(found.noisy[i], hiss(900 + k, 9 + k)[0])


def test_each_channel_is_a_pair_and_suffixes_may_differ() -> None:
    put(CLEAN / "a.wav", hiss(500, 0, 2), subtype="PCM_16")
    put(NOISY / "a.flac", hiss(500, 1, 2), subtype="PCM_16")
    found = pairs_in(CLEAN, NOISY, RATE, 100)
    assert len(found.clean) == len(found.noisy) == 2
    torch.testing.assert_close(torch.stack([*found.noisy]), hiss(500, 1, 2), atol=2**-15, rtol=0)
    torch.testing.assert_close(torch.stack([*found.clean]), hiss(500, 0, 2), atol=2**-15, rtol=0)


def test_what_has_no_partner_is_named() -> None:
    put(CLEAN / "a.wav", hiss(500, 0))
    put(NOISY / "a.wav", hiss(500, 0))
    for k in range(5):
        put(NOISY / f"deep/{k}.wav", hiss(500, 0))
    message = "noisy: no partner in clean for deep/0, deep/1, deep/2 and 2 more; give both"
    with pytest.raises(ValueError, match=message):
        pairs_in(CLEAN, NOISY, RATE, 100)
    with pytest.raises(ValueError, match="noisy: no partner in clean for deep/0"):
        pairs_in(NOISY, CLEAN, RATE, 100)


def test_partners_of_unlike_length_are_named() -> None:
    put(CLEAN / "a.wav", hiss(500, 0))
    put(NOISY / "a.wav", hiss(501, 0))
    put(CLEAN / "b.wav", hiss(500, 0))
    put(NOISY / "b.wav", hiss(500, 0, 2))
    message = "noisy: unlike their partners in clean, in samples or channels: a (1 x 501 and 1 x 500), b (2 x 500 and 1 x 500); cut them"
    with pytest.raises(ValueError, match=re.escape(message)):
        pairs_in(CLEAN, NOISY, RATE, 100)


def test_a_pair_is_left_out_if_a_side_cannot_be_read_or_has_no_sound() -> None:
    for k, name in enumerate(("a", "b", "c")):
        put(CLEAN / f"{name}.wav", hiss(500, k))
        put(NOISY / f"{name}.wav", hiss(500, 9 + k) * (name != "c"))
    (CLEAN / "a.wav").write_bytes(b"RIFF")
    with pytest.warns(UserWarning) as caught:
        found = pairs_in(CLEAN, NOISY, RATE, 100)
    broken, silent = told([*caught])
    assert broken.startswith("clean: left out, as they can't be read: clean/a.wav: can't be read")
    assert silent == "noisy: silent, in one channel at least: c.wav"
    assert len(found.clean) == 1 and torch.equal(found.noisy[0], hiss(500, 10)[0])


def test_one_folder_and_one_name_twice_are_refused() -> None:
    put(CLEAN / "a.wav", hiss(500, 0))
    with pytest.raises(ValueError, match="clean: is the folder of clean and of noisy speech"):
        pairs_in(CLEAN, Path("clean/../clean"), RATE, 100)
    put(NOISY / "a.wav", hiss(500, 0))
    put(NOISY / "a.flac", hiss(500, 0))
    with pytest.raises(ValueError, match=r"noisy: a.flac and a.wav have one name; keep one"):
        pairs_in(CLEAN, NOISY, RATE, 100)


# --- mixtures -----------------------------------------------------------------------------------


def test_speech_and_noise_are_mixed_at_the_level_asked_for() -> None:
    put("speech/a.wav", hiss(700, 0))
    put("noise/rain.wav", hiss(900, 1))
    put("noise/rain.flac", hiss(900, 2))  # of noise, names mean nothing
    found = mixer_in(Path("speech"), Path("noise"), RATE, 700, (6.0, 6.0))
    assert len(found.noise) == 2 and found.tones is None and found.room is None
    pair = found.pair(seeded(0))
    assert torch.equal(pair.clean, hiss(700, 0)[0])
    noise = pair.noisy - pair.clean
    torch.testing.assert_close(pair.noisy, mix(pair.clean, noise, 6.0))
    tones = Tone(1.0, RATE), Tone(2.0, RATE)
    toned = mixer_in(Path("speech"), Path("noise"), RATE, 700, (6.0, 6.0), tones=tones)
    assert toned.tones == tones


def test_other_rates_are_resampled_and_told() -> None:
    put("speech/a.wav", hiss(4_800, 0), 48_000)
    put("speech/b.wav", hiss(800, 1), 8_000)
    put("speech/c.wav", hiss(1_600, 2))
    put("noise/a.wav", hiss(1_600, 3))
    with pytest.warns(UserWarning) as caught:
        found = mixer_in(Path("speech"), Path("noise"), RATE, 100, (0.0, 1.0))
    assert told([*caught]) == [
        "speech: resampled to 16000 Hz: a.wav (48000 Hz)",
        "speech: resampled to 16000 Hz, though they have no high frequencies to learn: b.wav (8000 Hz)",
    ]
    assert [len(x) for x in found.speech] == [1_600] * 3
    assert torch.equal(found.speech[0], Resampler(48_000, RATE)(hiss(4_800, 0))[0])


def test_clipping_is_told() -> None:
    wave = hiss(500, 0)
    wave[0, 100:110] = 1.0
    put("speech/a.wav", wave)
    put("noise/a.wav", hiss(500, 1))
    with pytest.warns(UserWarning, match="speech: odd: speech/a.wav: 7 samples .* are clipped"):
        mixer_in(Path("speech"), Path("noise"), RATE, 100, (0.0, 1.0))


def test_folders_without_recordings() -> None:
    put("speech/a.wav", hiss(500, 0))
    with pytest.raises(FileNotFoundError, match="noise: no such folder"):
        mixer_in(Path("speech"), Path("noise"), RATE, 100, (0.0, 1.0))
    Path("noise").mkdir()
    with pytest.raises(ValueError, match=r"noise: holds no .wav, .flac, .ogg, .mp3 file"):
        mixer_in(Path("speech"), Path("noise"), RATE, 100, (0.0, 1.0))
    put("noise/a.wav", torch.zeros(1, 500))
    with (
        pytest.warns(UserWarning, match="noise: silent"),
        pytest.raises(ValueError, match="noise: no recording is left to learn from"),
    ):
        mixer_in(Path("speech"), Path("noise"), RATE, 100, (0.0, 1.0))


# --- digests --------------------------------------------------------------------------------------


def test_a_digest_tells_samples_and_where_they_are_cut() -> None:
    put("speech/a.wav", hiss(500, 0))
    put("noise/a.wav", hiss(500, 1))

    def now() -> str:
        return digest(mixer_in(Path("speech"), Path("noise"), RATE, 100, (0.0, 1.0)))

    before = now()
    assert now() == before
    put("noise/a.wav", torch.nextafter(hiss(500, 1), torch.tensor(1.0)))
    assert now() != before
    put("noise/a.wav", hiss(500, 1)[:, :200])
    put("noise/b.wav", hiss(500, 1)[:, 200:])
    assert now() != before
