"""Synthetic speech: always the same, and of the laws that it claims."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from unnoise.data import load_coloured, load_voices
from unnoise.data.voices import Speaker, coloured, spoken

RATE = 16_000


def test_a_minute_to_train_on_and_speakers_of_their_own() -> None:
    voices = load_voices()
    seconds = {
        part: sum(len(r.samples) for r in rows) / r.rate
        for part, rows in voices.items()
        for r in rows[:1]
    }
    assert seconds == {"train": 60.0, "valid": 10.0, "test": 20.0}
    speakers = [r.about["speaker"] for rows in voices.values() for r in rows]
    assert len(set(speakers)) == len(speakers) == 36
    for again, rows in zip(load_voices().values(), voices.values(), strict=True):
        for a, b in zip(again, rows, strict=True):
            assert np.array_equal(a.samples, b.samples)
            assert a.samples.dtype == np.float32
            assert np.abs(a.samples).max() == pytest.approx(0.5)
    waves = {r.samples.tobytes() for rows in voices.values() for r in rows}
    assert len(waves) == 36


def test_no_colour_is_in_two_parts() -> None:
    names = [r.name for rows in load_coloured().values() for r in rows]
    assert len(set(names)) == len(names) == 9


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_noise_has_its_colour(colour: float) -> None:
    """The slope of log power over log frequency."""
    x = coloured(2**18, colour, np.random.default_rng(0))
    assert (x**2).mean() == pytest.approx(1)
    power = np.abs(np.fft.rfft(x)) ** 2
    f = np.fft.rfftfreq(len(x), 1 / RATE)
    edges = np.geomspace(100, 6_400, 13)
    bands = [power[(f >= a) & (f < b)].mean() for a, b in pairwise(edges)]
    middles = np.sqrt(edges[1:] * edges[:-1])
    slope = np.polyfit(np.log(middles), np.log(bands), 1)[0]
    assert slope == pytest.approx(-colour, abs=0.05)


def test_a_voice_has_pitch_and_pauses() -> None:
    """In loud frames the autocorrelation of a low voice peaks at a lag near its pitch's, and some
    frames are silent."""
    pitch = 120.0
    x = spoken(Speaker(pitch, 1.0), 10.0, np.random.default_rng(1))
    frames = x[: len(x) // 800 * 800].reshape(-1, 800)
    power = (frames**2).mean(1)
    assert (power < 1e-6 * power.max()).mean() > 0.02
    lags = np.arange(RATE // 250, RATE // 70)
    found = []
    for frame in frames[power > np.median(power)]:
        correlation = np.correlate(frame, frame, "full")[len(frame) - 1 :]
        found.append(RATE / lags[correlation[lags].argmax()])
    assert np.median(found) == pytest.approx(pitch, rel=0.2)


def test_errors() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="seconds: need at least one sample, got 0"):
        spoken(Speaker(100, 1.0), 0, rng)
    with pytest.raises(ValueError, match="samples: need two or more, got 1"):
        coloured(1, 1.0, rng)
