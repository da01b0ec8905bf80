"""VoiceBank-DEMAND's folders, here of a few seconds: voices keep apart, and ratios are found again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.data import DataError, Recording, load_voices
from unnoise.domains.audio.files import Form, write
from unnoise.domains.audio.levels import ActiveLevel
from unnoise.domains.audio.mixing import mix
from unnoise.domains.audio.resample import Resampler
from unnoise.domains.audio.tasks.voicebank import FOLDER, at_its_snr, voicebank_demand
from unnoise.domains.audio.training import Pairs

RATE = 48_000
RATIOS = {"p232_001": 2.5, "p232_002": 17.5, "p257_001": 7.5, "p257_002": 12.5}  # dB


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Voices, each louder than the one before, without and with noise."""
    monkeypatch.setenv("UNNOISE_DATA", str(tmp_path))
    voicebank_demand.cache_clear()
    root = tmp_path / FOLDER
    names = {
        "trainset_28spk": ["p225_001", "p226_001", "p227_001", "p287_001"],
        "testset": [*RATIOS],
    }
    for part, each in names.items():
        for k, name in enumerate(each):
            put(root, part, name, voice(k), RATIOS.get(name, 10.0))
    yield root
    voicebank_demand.cache_clear()


@cache
def voices() -> list[Recording]:
    return load_voices()["test"]


@cache
def voice(k: int) -> Tensor:
    """A second of a synthetic one, (1, n)."""
    wave = torch.from_numpy(voices()[k].samples[None, 8_000:24_000])
    return 0.05 * (k + 1) * Resampler(16_000, RATE)(wave / wave.abs().max())


def put(root: Path, part: str, name: str, clean: Tensor, snr: float) -> None:
    hiss = Resampler(16_000, RATE)(torch.randn(1, clean.shape[1] // 3 + 9, generator=seeded(7)))
    noisy = mix(clean, hiss[:, : clean.shape[1]], snr, ActiveLevel(RATE))
    for side, wave in (("clean", clean), ("noisy", noisy)):
        folder = root / f"{side}_{part}_wav"
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"{name}.wav", wave, Form(RATE, 1, subtype="FLOAT"))


def test_two_voices_are_kept_and_the_others_learned_from(root: Path) -> None:
    with pytest.warns(UserWarning) as told:
        data = voicebank_demand()
    assert isinstance(data.train, Pairs)
    peaks = [[round(20 * float(x.abs().max())) for x in side] for side in (data.train.clean, [p.clean for p in data.valid.pairs])]  # fmt: skip
    assert peaks == [[1, 3], [2, 4]]  # p225 and p227, p226 and p287
    counted = [str(each.message) for each in told if "published" in str(each.message)]
    assert counted == [
        "trainset_28spk: 4 pairs, where 11572 were published; figures don't compare",
        "testset: 4 pairs, where 824 were published; figures don't compare",
    ]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_test_is_at_16_khz_with_the_ratios_it_was_made_at(root: Path) -> None:
    test = voicebank_demand().test
    assert test.labels == [f"{ratio:g} dB" for ratio in RATIOS.values()]
    assert voicebank_demand().valid.labels == ["10 dB"] * 2
    expected = Resampler(RATE, 16_000)(voice(0))[0]
    torch.testing.assert_close(test.pairs[0].clean, expected, atol=1e-6, rtol=0)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_missing_is_named_with_where_to_get_it(root: Path) -> None:
    for file in (root / "noisy_testset_wav").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"noisy_testset_wav: holds no .*; unpack clean_testset_wav.zip and .* of Edinburgh DataShare 10283/2791 in .*voicebank-demand"):  # fmt: skip
        voicebank_demand()
    (root / "noisy_trainset_28spk_wav" / "p225_001.wav").unlink()
    with pytest.raises(DataError, match="no partner in .* for p225_001; .* unpack clean_trainset"):
        voicebank_demand()


def test_a_ratio_is_the_nearest_of_those_that_there_are() -> None:
    clean = torch.from_numpy(voices()[0].samples)
    hiss = torch.randn(len(clean), generator=seeded(0))
    for made, found in ((1.9, 2.5), (8.4, 7.5), (16.0, 17.5)):
        noisy = mix(clean, hiss, made, ActiveLevel(16_000))
        with warnings.catch_warnings(action="error"):
            assert float(at_its_snr(clean, noisy).snr) == found
