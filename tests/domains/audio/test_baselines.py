"""Enhancers that learn nothing: their formulas by quadrature, their invariances, their rank."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ive

from unnoise.data import SOURCES, load_pairs, locate
from unnoise.domains.audio.baselines import (
    DecisionDirected,
    Enhances,
    OracleMask,
    SpectralSubtraction,
    log_mmse,
    log_mmse_gain,
    noise_power,
    unprocessed,
    wiener,
    wiener_gain,
)
from unnoise.domains.audio.baselines.frames import Frames
from unnoise.domains.audio.metrics import estoi, pesq, si_sdr

Floats = NDArray[np.float64]
RATE = 16_000
BLIND: dict[str, Enhances] = {
    "unprocessed": unprocessed,
    "subtraction": SpectralSubtraction(),
    "wiener": wiener,
    "log-MMSE": log_mmse,
}


def syllables(n: int = 2 * RATE, seed: int = 0) -> tuple[Floats, Floats]:
    """Harmonics in four syllables a second, after 100 ms of nothing; and white noise."""
    t = np.arange(n) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 20))
    s = np.maximum(0, np.sin(2 * np.pi * 4 * (t - 0.1))) * (t > 0.1) * tone
    return s, 0.3 * np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("n", [1, 127, 128, 129, 5000])
def test_unchanged_spectra_give_the_signal_back(rate: int, n: int) -> None:
    frames, x = Frames.at(rate), np.random.default_rng(0).normal(size=n)
    assert frames.signal(frames.spectra(x), n) == pytest.approx(x, abs=1e-12)


def test_synthesis_is_the_nearest_signal() -> None:
    """Least squares: what is left of arbitrary spectra is orthogonal to the spectra of signals."""
    frames, n = Frames(8), 100
    rng = np.random.default_rng(0)

    def inner(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> float:
        twice = np.full(a.shape[1], 2.0)
        twice[[0, -1]] = 1  # the other half of a real signal's spectrum
        return float(((a.conj() * b).real * twice).sum())

    shape = frames.spectra(np.zeros(n)).shape
    wild = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    wild[:, [0, -1]] = wild[:, [0, -1]].real
    rest = wild - frames.spectra(frames.signal(wild, n))
    for _ in range(5):
        other = frames.spectra(rng.normal(size=n))
        assert inner(rest, other) == pytest.approx(0, abs=1e-9 * inner(other, other))


@pytest.mark.parametrize(("xi", "gamma"), [(0.1, 0.5), (1.0, 2.0), (10.0, 3.0), (0.05, 9.0)])
def test_log_mmse_is_the_mean_of_the_log_amplitude(xi: float, gamma: float) -> None:
    """Given |Y|^2 = gamma (sigma = 1), S is normal about w Y with variance w: |S| is Rice."""
    w = xi / (1 + xi)
    middle = w * math.sqrt(gamma)

    def density(a: float) -> float:
        return 2 * a / w * math.exp(-((a - middle) ** 2) / w) * ive(0, 2 * a * middle / w)

    top = middle + 12 * math.sqrt(w)
    assert quad(density, 0, top)[0] == pytest.approx(1, abs=1e-8)
    mean = quad(lambda a: math.log(a) * density(a), 0, top, points=[middle], limit=200)[0]
    gain = log_mmse_gain(np.array([xi]), np.array([gamma]))
    assert gain * math.sqrt(gamma) == pytest.approx(math.exp(mean), rel=1e-7)
    assert wiener_gain(np.array([xi]), np.array([gamma])) * math.sqrt(gamma) == middle
    assert gain > w  # the logarithm's estimate is above that of the mean


def test_decision_directed_snr_by_hand() -> None:
    """Constant powers and no speech: gamma is 1, and xi falls to its floor."""
    seen: list[tuple[Floats, Floats]] = []

    def gain(xi: Floats, gamma: Floats) -> Floats:
        seen.append((xi.copy(), gamma.copy()))
        return np.full_like(xi, 0.5)

    noisy = np.random.default_rng(0).normal(size=RATE)
    DecisionDirected(gain, memory=0.9, least=-math.inf)(noisy, RATE)
    sigma2 = noise_power(np.abs(Frames.at(RATE).spectra(noisy)) ** 2, 0.008)
    for k in range(1, len(seen)):
        before = 0.25 * seen[k - 1][1] * sigma2[k - 1]
        fresh = 0.1 * np.maximum(seen[k][1] - 1, 0)
        assert seen[k][0] == pytest.approx(0.9 * before / sigma2[k] + fresh, rel=1e-12)


def test_noise_alone_is_found_where_its_expectation_stands_still() -> None:
    """sigma^2 such that E[(1 - p)(|Y|^2 - sigma^2)] = 0, for slow tracking of exponential |Y|^2."""
    prior = 10**1.5

    def drift(sigma2: float) -> float:
        def share(y2: float) -> float:
            odds = (1 + prior) * math.exp(-y2 / sigma2 * prior / (1 + prior))
            return math.exp(-y2) * (y2 - sigma2) * odds / (1 + odds)

        return float(quad(share, 0, 50)[0])

    power = np.random.default_rng(0).exponential(size=(3000, 300))
    found = noise_power(power, 0.0008)[1500:].mean()
    assert found == pytest.approx(brentq(drift, 0.5, 1.0), rel=0.01)
    assert 10 * math.log10(found) == pytest.approx(-0.9, abs=0.05)


def test_a_step_of_noise_is_not_speech_for_ever() -> None:
    power = np.random.default_rng(0).exponential(size=(1000, 200))
    power[400:] *= 10
    found = noise_power(power, 0.008).mean(1)
    assert found[650:].mean() == pytest.approx(10 * found[50:400].mean(), rel=0.02)


def test_short_bursts_are_not_noise() -> None:
    power = np.random.default_rng(0).exponential(size=(500, 200))
    power[200:215] *= 1000  # 120 ms, 30 dB
    found = noise_power(power, 0.008).mean(1)
    assert found[200:260].max() < 2 * found[100:200].mean()


@pytest.mark.parametrize("name", BLIND)
def test_silence_stays_silent_and_loudness_does_not_matter(name: str) -> None:
    s, n = syllables(RATE)
    enhance = BLIND[name]
    assert not enhance(np.zeros(3000), RATE).any()
    assert (enhance(0.25 * (s + n), RATE) == 0.25 * enhance(s + n, RATE)).all()
    after = enhance(np.append(np.zeros(RATE // 2), s + n), RATE)  # digital silence first
    assert np.isfinite(after).all()
    assert not after[: RATE // 2 - 512].any()
    assert enhance(np.ones(1), RATE).shape == (1,)


@pytest.mark.parametrize("name", ["subtraction", "wiener", "log-MMSE"])
def test_noise_is_turned_down(name: str) -> None:
    s, n = syllables()
    assert si_sdr(BLIND[name](s + n, RATE), s) > si_sdr(s + n, s) + 3
    alone = BLIND[name](n, RATE)
    assert 10 * math.log10((alone @ alone) / (n @ n)) < -8


def test_subtraction_by_hand() -> None:
    x = np.random.default_rng(0).normal(size=RATE)
    assert SpectralSubtraction(over=0)(x, RATE) == pytest.approx(x, abs=1e-12)
    assert SpectralSubtraction(over=1e9, floor=0.25)(x, RATE) == pytest.approx(x / 4, abs=1e-9)


def test_oracle() -> None:
    s, n = syllables()
    assert OracleMask(s)(s, RATE) == pytest.approx(s, abs=1e-12)
    assert not OracleMask(np.zeros_like(n))(n, RATE).any()
    best = si_sdr(OracleMask(s)(s + n, RATE), s)
    assert best > max(si_sdr(enhance(s + n, RATE), s) for enhance in BLIND.values())


def test_rank_on_voicebank_demand() -> None:
    """The figures that a model has to beat: spectral subtraction and log-MMSE of others had 7.52
    and 11.15 dB, and ESTOI .795 and .777."""
    if locate(SOURCES["vbdmd-pairs"]) is None:
        pytest.skip("vbdmd-pairs is not in $UNNOISE_DATA")
    pairs = [(p.noisy.samples.astype(float), p.clean.samples) for p in load_pairs(quiet=True)]
    figures = {}
    for name, enhance in BLIND.items():
        made = [(enhance(y, RATE), s) for y, s in pairs]
        figures[name] = np.mean([(si_sdr(x, s), estoi(x, s, RATE)) for x, s in made], 0)
    assert figures["unprocessed"] == pytest.approx([5.754, 0.7825], abs=1e-3)
    assert figures["subtraction"] == pytest.approx([10.02, 0.798], abs=5e-3)
    assert figures["log-MMSE"] == pytest.approx([11.31, 0.775], abs=5e-3)
    oracle = [si_sdr(OracleMask(s.astype(float))(y, RATE), s) for y, s in pairs]
    assert np.mean(oracle) == pytest.approx(17.82, abs=5e-3)


def test_pesq_on_voicebank_demand() -> None:
    """Of others: 1.82 unprocessed, 2.05 by spectral subtraction, 2.18 by log-MMSE."""
    pytest.importorskip("pesq")
    if locate(SOURCES["vbdmd-pairs"]) is None:
        pytest.skip("vbdmd-pairs is not in $UNNOISE_DATA")
    pairs = [(p.noisy.samples.astype(float), p.clean.samples) for p in load_pairs(quiet=True)]
    found = {
        name: np.mean([pesq(BLIND[name](y, RATE), s, RATE) for y, s in pairs])
        for name in ("unprocessed", "subtraction", "log-MMSE")
    }
    assert found["unprocessed"] == pytest.approx(1.8226, abs=1e-3)
    assert found["subtraction"] == pytest.approx(2.128, abs=0.01)
    assert found["log-MMSE"] == pytest.approx(2.209, abs=0.01)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"one channel of finite samples, .* shape \(2, 3\)"):
        log_mmse(np.zeros((2, 3)), RATE)
    with pytest.raises(ValueError, match="with 1 NaN or infinite"):
        wiener(np.array([0.0, math.nan]), RATE)
    with pytest.raises(ValueError, match="rate: need a positive number"):
        log_mmse(np.zeros(3), 0)
    with pytest.raises(ValueError, match=r"memory: need a number in \[0, 1\), got 1"):
        DecisionDirected(wiener_gain, memory=1)
    with pytest.raises(ValueError, match="got over 1, floor 2"):
        SpectralSubtraction(1, 2)
    with pytest.raises(ValueError, match=r"shape \(4,\), the clean speech \(3,\)"):
        OracleMask(np.zeros(3))(np.zeros(4), RATE)
