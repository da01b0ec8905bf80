r"""Synthetic speech, for tests and demonstrations that need no data: nobody has said any of it.

A voice is a sum of harmonics of a pitch that glides from syllable to syllable, under an envelope of
three resonances that glide from vowel to vowel,

    s(t) = a(t) sum_k H(k f(t), t) cos(2 pi k int f),   H = prod_j F_j^2 / |F_j^2 - f^2 + i f B_j|

with hisses before some syllables and pauses between words. Noise has the spectrum f^-e, e its colour
from 0 (white) to 2 (brown). Everything follows from a seed, and figures on it tell whether a method
works at all, not how well it does on speech.

References:
    Klatt (1980), Software for a cascade/parallel formant synthesizer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unnoise.data.audio import Recording

__all__ = ["Speaker", "coloured", "load_coloured", "load_voices", "spoken"]

Floats = NDArray[np.float64]

_RATE = 16_000
_SECONDS = 2.5  # of an utterance
_PARTS = {"train": 24, "valid": 4, "test": 8}  # utterances, each by a speaker of its own
_COLOURS = {"train": (0.0, 0.5, 1.0, 1.5, 2.0), "valid": (0.25, 1.25), "test": (0.75, 1.75)}
_NOISE = 10.0  # seconds of each colour
_PEAK = 0.5
# resonances in Hz of ten vowels of men (Peterson and Barney 1952), and their widths
_VOWELS = np.array(
    [
        (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410),
        (730, 1090, 2440), (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240),
        (640, 1190, 2390), (490, 1350, 1690),
    ],
    dtype=np.float64,
)  # fmt: skip
_WIDTHS = np.array([80.0, 100.0, 120.0])


@dataclass(frozen=True)
class Speaker:
    """Who speaks.

    Attributes:
        pitch: In Hz, on average.
        tract: Factor on the resonances; above 1 for a shorter vocal tract.
    """

    pitch: float
    tract: float


def load_voices() -> dict[str, list[Recording]]:
    """A minute of synthetic speech to train on, and 10 s and 20 s to validate and test, at 16 kHz: 36
    utterances by as many speakers."""
    return {
        part: [_utterance(part, stream, k) for k in range(n)]
        for stream, (part, n) in enumerate(_PARTS.items())
    }


def load_coloured() -> dict[str, list[Recording]]:
    """Noises of ten seconds at 16 kHz; no colour is in two parts."""
    return {
        part: [_noise(stream, colour) for colour in colours]
        for stream, (part, colours) in enumerate(_COLOURS.items())
    }


def spoken(speaker: Speaker, seconds: float, rng: np.random.Generator) -> Floats:
    """Syllables and pauses, peak 0.5, at 16 kHz.

    Raises:
        ValueError: If there is no time for a sample.
    """
    samples = round(seconds * _RATE)
    if samples < 1:
        raise ValueError(f"seconds: need at least one sample, got {seconds}")
    out, at, vowel, pitch = np.zeros(samples), 0, _vowel(rng), speaker.pitch
    while at < samples:
        target, after = _vowel(rng), speaker.pitch * float(np.exp(0.15 * rng.standard_normal()))
        if rng.random() < 0.4:
            at = _add(out, at, _hiss(rng))
        n = round(rng.uniform(0.12, 0.3) * _RATE)
        glide = np.linspace(0, 1, n)
        resonances = speaker.tract * (vowel + glide[:, None] * (target - vowel))
        at = _add(out, at, _syllable(pitch + glide * (after - pitch), resonances))
        at += round(rng.uniform(0.15, 0.35) * _RATE) if rng.random() < 0.25 else 0
        vowel, pitch = target, after
    scaled: Floats = _PEAK * out / np.abs(out).max()
    return scaled


def coloured(samples: int, colour: float, rng: np.random.Generator) -> Floats:
    """Gaussian noise of unit power, whose power spectrum falls as f^-colour from 50 Hz on.

    Raises:
        ValueError: If there are fewer than two samples.
    """
    if samples < 2:
        raise ValueError(f"samples: need two or more, got {samples}")
    f = np.fft.rfftfreq(samples, 1 / _RATE)
    spectrum = np.fft.rfft(rng.standard_normal(samples)) * np.maximum(f, 50.0) ** (-colour / 2)
    x = np.fft.irfft(spectrum, samples)
    scaled: Floats = x / np.sqrt((x**2).mean())
    return scaled


def _utterance(part: str, stream: int, k: int) -> Recording:
    rng = np.random.default_rng([stream, k])
    speaker = Speaker(float(rng.uniform(90, 240)), float(rng.uniform(0.95, 1.2)))
    samples = spoken(speaker, _SECONDS, rng).astype(np.float32)
    return Recording(f"{part}-{k}", samples, _RATE, {"speaker": f"{part}-{k}"})


def _noise(stream: int, colour: float) -> Recording:
    rng = np.random.default_rng([len(_PARTS) + stream, round(100 * colour)])
    x = coloured(round(_NOISE * _RATE), colour, rng)
    return Recording(f"colour-{colour:g}", (0.1 * x).astype(np.float32), _RATE, {})


def _vowel(rng: np.random.Generator) -> Floats:
    vowel: Floats = _VOWELS[rng.integers(len(_VOWELS))]
    return vowel


def _syllable(pitch: Floats, resonances: Floats) -> Floats:
    """Harmonics (n,) of a pitch (n,) under resonances (n, 3), swelling and fading."""
    count = int(_RATE / 2 / pitch.max())
    square = (np.arange(1, count + 1)[:, None] * pitch) ** 2
    shape = np.ones_like(square)
    for centre, width in zip(resonances.T, _WIDTHS, strict=True):
        shape *= (1 - square / centre**2) ** 2 + square * (width / centre**2) ** 2
    turn = np.exp(2j * np.pi * np.cumsum(pitch) / _RATE)
    turns = np.cumprod(np.broadcast_to(turn, square.shape), axis=0)
    tone = (turns.real / np.sqrt(shape)).sum(0)
    faded: Floats = tone * np.sin(np.linspace(0, np.pi, len(pitch))) ** 0.5
    return faded


def _hiss(rng: np.random.Generator) -> Floats:
    """White noise, differenced so that it is bright: an s of 50 to 100 ms."""
    x = np.diff(rng.standard_normal(round(rng.uniform(0.05, 0.1) * _RATE) + 1))
    hiss: Floats = 0.4 * x * np.hanning(len(x))
    return hiss


def _add(out: Floats, at: int, sound: Floats) -> int:
    """Adds a sound from a place on, as much of it as there is room for; returns where it ends."""
    part = out[at : at + len(sound)]
    part += sound[: len(part)]
    return at + len(sound)
