"""STOI and ESTOI against pystoi 0.4.1, whose values were recorded, and what holds of any signal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from unnoise.domains.audio.metrics import estoi, stoi

Floats = NDArray[np.float64]

PYSTOI = {
    8000: (0.9538308845844498, 0.7487423516691277),
    10000: (0.958640624290118, 0.7296027523061869),
    16000: (0.9584328022671891, 0.7156583192257341),
    22050: (0.9594302504247594, 0.7087871740242524),
    44100: (0.9590575242131466, 0.7121107496328208),
    48000: (0.9588677768239598, 0.707007638207238),
}


def signals(rate: int, seconds: float = 1.0, noise: float = 0.5) -> tuple[Floats, Floats]:
    """White noise in syllables, four a second, with a pause; and the same in noise."""
    rng = np.random.default_rng(0)
    n = int(rate * seconds)
    t = np.arange(n) / rate
    loud = np.where((t > 0.3) & (t < 0.45), 1e-4, 1 + np.sin(2 * np.pi * 4 * t))
    clean = loud * rng.normal(size=n)
    return clean + noise * rng.normal(size=n), clean


@pytest.mark.parametrize("rate", PYSTOI)
def test_as_pystoi_recorded(rate: int) -> None:
    x, s = signals(rate)
    assert stoi(x, s, rate) == pytest.approx(PYSTOI[rate][0], abs=1e-12)
    assert estoi(x, s, rate) == pytest.approx(PYSTOI[rate][1], abs=1e-12)


def test_as_pystoi() -> None:
    pystoi = pytest.importorskip("pystoi")
    x, s = signals(16000, 2.5, 1.0)
    assert stoi(x, s, 16000) == pytest.approx(pystoi.stoi(s, x, 16000), abs=1e-12)
    assert estoi(x, s, 16000) == pytest.approx(pystoi.stoi(s, x, 16000, extended=True), abs=1e-12)


def test_a_perfect_estimate_has_one_and_a_louder_one_the_same() -> None:
    x, s = signals(10000)
    assert stoi(s, s, 10000) == pytest.approx(1, abs=1e-12)
    assert estoi(-3 * s, s, 10000) == pytest.approx(1, abs=1e-12)
    assert stoi(4 * x, 0.25 * s, 10000) == stoi(x, s, 10000)
    assert estoi(4 * x, 0.25 * s, 10000) == estoi(x, s, 10000)


def test_more_noise_is_less_intelligible() -> None:
    for measure in (stoi, estoi):
        found = [measure(*signals(10000, 2.0, noise), 10000) for noise in (0.1, 0.5, 2.0, 8.0)]
        assert found == sorted(found, reverse=True)


def test_a_silent_estimate_has_nothing() -> None:
    """No modulation at all, so all correlations are 0."""
    _, s = signals(10000)
    assert stoi(np.zeros_like(s), s, 10000) == 0 == estoi(np.zeros_like(s), s, 10000)


@pytest.mark.parametrize("measure", [stoi, estoi])
def test_what_has_no_value(measure: object) -> None:
    assert callable(measure)
    x, s = signals(10000)
    assert math.isnan(measure(x, np.zeros_like(s), 10000))
    assert math.isnan(measure(x[:100], s[:100], 10000))
    click = np.where(np.arange(len(s)) == 5000, 1.0, 0.0)
    assert math.isnan(measure(x, click, 10000))
    long = 30 * 128 + 256  # the 31 frames of which 30 remain
    rng = np.random.default_rng(0)
    even = rng.normal(size=long)
    assert measure(even, even, 10000) == pytest.approx(1, abs=1e-12)
    assert math.isnan(measure(even[:-1], even[:-1], 10000))


def test_errors() -> None:
    with pytest.raises(ValueError, match="equal length: estimate has 2, clean has 3"):
        stoi(np.ones(2), np.ones(3), 16000)
    with pytest.raises(ValueError, match="rate: need a positive number .* got 0"):
        estoi(np.ones(3), np.ones(3), 0)
