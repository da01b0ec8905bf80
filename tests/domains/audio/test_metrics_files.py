"""Spectral distance, PESQ and its guards, and means over files."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from unnoise.data import SOURCES, load_pairs, locate
from unnoise.domains.audio import metrics

RATE = 16_000


def noise(n: int = RATE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_factor_is_its_own_distance(rate: int) -> None:
    s = noise(RATE // 4)  # short enough for no bin to be 80 dB down
    for factor in (0.5, 1.0, -3.0):
        gap = abs(20 * math.log10(abs(factor)))
        assert metrics.log_spectral_distance(factor * s, s, rate) == pytest.approx(gap, abs=1e-9)


def test_distance_of_independent_noise() -> None:
    """Powers are exponential, so 10 lg of their ratio has the variance (10 / ln 10)^2 pi^2 / 3."""
    found = metrics.log_spectral_distance(noise(20 * RATE), noise(20 * RATE, 1), RATE)
    assert found == pytest.approx(10 / math.log(10) * math.pi / math.sqrt(3), rel=0.01)


def test_distance_of_silence_is_that_to_the_floor() -> None:
    s = noise(512)
    powers = np.abs(np.fft.rfft(s * np.hanning(513)[:-1])) ** 2
    gap = 10 * np.log10(powers / powers.max()) + 80
    assert metrics.log_spectral_distance(np.zeros(512), s, RATE) == pytest.approx(
        math.sqrt((gap**2).mean()), abs=1e-9
    )
    assert math.isnan(metrics.log_spectral_distance(s, np.zeros(512), RATE))
    assert math.isnan(metrics.log_spectral_distance(s[:511], s[:511], RATE))


def test_pesq_of_pairs_that_are_published() -> None:
    """`pesq` 0.0.4 on pairs of VoiceBank-DEMAND."""
    pytest.importorskip("pesq")
    if locate(SOURCES["vbdmd-pairs"]) is None:
        pytest.skip("vbdmd-pairs is not in $UNNOISE_DATA")
    pairs = load_pairs(quiet=True)[:2]
    found = [metrics.pesq(pair.noisy.samples, pair.clean.samples, RATE) for pair in pairs]
    assert found == pytest.approx([1.3319470882415771, 1.2714295387268066], abs=1e-4)


def test_pesq_of_itself_is_its_best_and_loudness_does_not_matter() -> None:
    """4.644 is what the map of P.862.2 makes of the raw maximum, 4.5."""
    pytest.importorskip("pesq")
    best = 0.999 + 4 / (1 + math.exp(-1.3669 * 4.5 + 3.8224))
    s = noise()
    assert metrics.pesq(s, s, RATE) == pytest.approx(best, abs=1e-3)
    assert metrics.pesq(1e-6 * s, s, RATE) == pytest.approx(best, abs=1e-3)


def test_pesq_is_not_asked_where_it_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoUtterancesError(RuntimeError):
        """As the package's."""

    class BufferTooShortError(RuntimeError):
        """As the package's."""

    def ask(rate: int, clean: np.ndarray, estimate: np.ndarray, mode: str) -> float:
        assert (rate, mode) == (RATE, "wb")
        assert clean.any() and estimate.any() and len(clean) > RATE / 4
        if clean[0] == 7:
            raise NoUtterancesError
        return 3.0

    stub = SimpleNamespace(
        pesq=ask, NoUtterancesError=NoUtterancesError, BufferTooShortError=BufferTooShortError
    )
    monkeypatch.setitem(sys.modules, "pesq", stub)
    s, zero = noise(), np.zeros(RATE)
    assert metrics.pesq(s, s, RATE) == 3
    assert math.isnan(metrics.pesq(zero, s, RATE))
    assert math.isnan(metrics.pesq(s, zero, RATE))
    assert math.isnan(metrics.pesq(zero, zero, RATE))
    assert math.isnan(metrics.pesq(1e-30 * s, s, RATE))
    assert math.isnan(metrics.pesq(s[: RATE // 4], s[: RATE // 4], RATE))
    assert math.isnan(metrics.pesq(s, np.append(7, s[1:]), RATE))
    with pytest.raises(ValueError, match="defined at 16,000 Hz, got 8000; resample"):
        metrics.pesq(s, s, 8000)


def test_pesq_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(ImportError, match="needs the package pesq: pip install pesq"):
        metrics.pesq(noise(), noise(), RATE)
    assert "pesq" not in metrics.judge(noise(), noise(), noise(), RATE, perceptual=False)


def test_one_file_by_everything() -> None:
    s, n = noise(), 0.3 * noise(seed=1)
    x = s + 0.5 * n
    found = metrics.judge(x, s, s + n, RATE, perceptual=False)
    ratios = metrics.energy_ratios(x, s, s + n)
    assert found == {
        "estoi": metrics.estoi(x, s, RATE),
        "stoi": metrics.stoi(x, s, RATE),
        "lsd": metrics.log_spectral_distance(x, s, RATE),
        "si_sdr": ratios.sdr,
        "si_sir": ratios.sir,
        "si_sar": ratios.sar,
        "snr": metrics.snr(x, s),
    }


def test_means_over_files() -> None:
    found = metrics.over_files([1.0, math.nan, 2.0, 6.0])
    assert (found.score.value, found.files, found.undefined) == (3, 3, 1)
    assert found.score.stderr == pytest.approx(math.sqrt(7 / 3), abs=1e-12)
    one = metrics.over_files([2.0])
    assert (one.score.value, one.score.stderr) == (2, None)
    none = metrics.over_files([math.nan])
    assert math.isnan(none.score.value) and (none.files, none.undefined) == (0, 1)
    perfect = metrics.over_files([1.0, math.inf])
    assert (perfect.score.value, perfect.score.stderr) == (math.inf, None)


def test_figures_of_voicebank_demand() -> None:
    """STOI, ESTOI and SI-SDR of ten mixtures, by pystoi 0.4.1 and torchmetrics 1.9.0."""
    if locate(SOURCES["vbdmd-pairs"]) is None:
        pytest.skip("vbdmd-pairs is not in $UNNOISE_DATA")
    rows = [
        metrics.judge(
            p.noisy.samples, p.clean.samples, p.noisy.samples, p.clean.rate, perceptual=False
        )
        for p in load_pairs(quiet=True)
    ]
    mean = {k: metrics.over_files([row[k] for row in rows]).score.value for k in rows[0]}
    assert mean["stoi"] == pytest.approx(0.9118919, abs=1e-6)
    assert mean["estoi"] == pytest.approx(0.7825337, abs=1e-6)
    assert mean["si_sdr"] == pytest.approx(5.754352, abs=1e-5)
