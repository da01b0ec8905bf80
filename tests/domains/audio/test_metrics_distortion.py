"""Ratios of energies: closed forms, least squares by brute force, and torchmetrics as a judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.functional.audio import (
    scale_invariant_signal_distortion_ratio,
    signal_distortion_ratio,
    signal_noise_ratio,
)

from unnoise.domains.audio.metrics import energy_ratios, sdr, si_sdr, snr

Floats = NDArray[np.float64]


def orthonormal(n: int, count: int) -> Floats:
    return np.linalg.qr(np.random.default_rng(0).normal(size=(n, count)))[0].T


def coloured(n: int, seed: int) -> Floats:
    return np.convolve(np.random.default_rng(seed).normal(size=n), [1, 0.9, 0.5], "same")


def test_parts_that_are_orthogonal() -> None:
    """s^ = 3 s + .2 n + .1 e: 9 / .05, 9 / .04 and 9 / .01."""
    s, n, e = orthonormal(200, 3)
    found = energy_ratios(3 * s + 0.2 * n + 0.1 * e, s, s + n)
    assert found.sdr == pytest.approx(10 * math.log10(9 / 0.05), abs=1e-9)
    assert found.sir == pytest.approx(10 * math.log10(9 / 0.04), abs=1e-9)
    assert found.sar == pytest.approx(10 * math.log10(9 / 0.01), abs=1e-9)


def test_noise_that_is_not_orthogonal_to_speech() -> None:
    """All from inner products: s = (1, 0), n = (3, 4) / 5, s^ = (1, 1)."""
    found = energy_ratios([1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.6, 0.8, 0.0])
    assert found.sdr == pytest.approx(0, abs=1e-12)
    assert found.sir == pytest.approx(10 * math.log10(1 / 1.4**2), abs=1e-12)
    rest = np.array([1, 1]) - [1, 0] - 1.4 * np.array([0.6, 0.8])
    assert found.sar == pytest.approx(-10 * math.log10(rest @ rest), abs=1e-12)


def test_a_factor_changes_nothing() -> None:
    s, x = coloured(500, 0), coloured(500, 1)
    y = s + x
    assert energy_ratios(-4 * y, s, y) == energy_ratios(y, s, y)
    assert si_sdr(0.5 * x, s) == si_sdr(x, s)
    assert sdr(0.5 * x, s, 20) == pytest.approx(sdr(x, s, 20), abs=1e-9)
    assert snr(0.5 * s, s) == pytest.approx(20 * math.log10(2), abs=1e-12)


def test_as_torchmetrics() -> None:
    s, n = coloured(4000, 0), 0.3 * coloured(4000, 1)
    x, truth = torch.from_numpy(s + n), torch.from_numpy(s)
    assert si_sdr(s + n, s) == pytest.approx(
        float(scale_invariant_signal_distortion_ratio(x, truth)), abs=1e-9
    )
    assert snr(s + n, s) == pytest.approx(float(signal_noise_ratio(x, truth)), abs=1e-9)
    assert sdr(s + n, s) == pytest.approx(float(signal_distortion_ratio(x, truth)), abs=1e-6)


def test_filters_by_least_squares() -> None:
    s, x, taps = coloured(60, 0), coloured(60, 1), 7
    shifted = np.array([np.pad(s, (k, taps - 1 - k)) for k in range(taps)]).T
    padded = np.pad(x, (0, taps - 1))
    rest = padded - shifted @ np.linalg.lstsq(shifted, padded)[0]
    target = padded @ padded - rest @ rest
    assert sdr(x, s, taps) == pytest.approx(10 * math.log10(target / (rest @ rest)), abs=1e-9)
    assert sdr(x, s, 1) == pytest.approx(si_sdr(x, s), abs=1e-9)
    assert sdr(x, s, 60) > sdr(x, s, 7) > sdr(x, s, 1)


def test_a_filter_is_forgiven_by_sdr_only() -> None:
    s = np.pad(coloured(4000, 0), (0, 100))
    x = np.convolve(s, [0.0, 0.0, 1.0, 0.5])[: len(s)]
    assert sdr(x, s, 64) > 80
    assert si_sdr(x, s) < 10


def test_what_has_no_ratio() -> None:
    s, zero = coloured(600, 0), np.zeros(600)
    assert si_sdr(s, s) == math.inf == snr(s, s)
    assert math.isnan(si_sdr(zero, s)) and math.isnan(si_sdr(s, zero))
    assert snr(zero, s) == 0 and math.isnan(snr(s, zero)) and math.isnan(snr(zero, zero))
    assert math.isnan(sdr(zero, s)) and math.isnan(sdr(s, zero)) and math.isnan(sdr(s, s, 601))
    noiseless = energy_ratios(coloured(600, 1), s, s)
    assert math.isfinite(noiseless.sdr)
    assert math.isnan(noiseless.sir) and math.isnan(noiseless.sar)
    silent = energy_ratios(zero, s, s + 1)
    assert all(map(math.isnan, (silent.sdr, silent.sir, silent.sar)))


def test_errors() -> None:
    with pytest.raises(ValueError, match="equal length: estimate has 2, clean has 3; cut or pad"):
        si_sdr(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"estimate: need one channel .* shape \(2, 3\)"):
        si_sdr(np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match=r"clean: need one channel .* shape \(0,\)"):
        snr(np.ones(1), np.ones(0))
    with pytest.raises(ValueError, match="noisy: 1 of 3 samples are NaN or infinite"):
        energy_ratios(np.ones(3), np.ones(3), [1.0, math.nan, 1.0])
    with pytest.raises(ValueError, match="taps: need at least 1, got 0"):
        sdr(np.ones(3), np.ones(3), 0)
