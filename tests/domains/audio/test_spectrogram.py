"""The front end: exact inverses, bounded gradients, densities, and the noise that papers mean."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.audio.normalise import Level
from unnoise.domains.audio.spectrogram import SPEECH_16K, SPEECH_48K, Spectrogram

DOUBLE = torch.float64
BOTH = [SPEECH_16K, SPEECH_48K]


def waves(n: int, dtype: torch.dtype = DOUBLE, rows: int = 3) -> Tensor:
    return torch.rand(rows, n, generator=seeded(n), dtype=DOUBLE).mul(2).sub(1).to(dtype)


def lost(n: int) -> float:
    """By a transform and its inverse, of noise in [-1, 1]: 1e-15 to 1e-13, as n has prime factors."""
    noise = waves(n, rows=1_000)
    return float((torch.fft.irfft(torch.fft.rfft(noise), n) - noise).abs().max())


@pytest.mark.parametrize("front", BOTH)
@pytest.mark.parametrize("samples", [1, 127, 128, 500, 16_001])
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_every_sample_comes_back(front: Spectrogram, samples: int, dtype: torch.dtype) -> None:
    """In double precision up to what Fourier transforms of that length lose, which is the processor's."""
    error = 1e-6 if dtype is torch.float32 else 2e-15 + lost(front.n_fft)
    wave = waves(samples, dtype)
    state = front.encode(wave)
    assert state.shape == (3, 2, front.bins, front.frames(samples))
    assert (front.decode(state, samples) - wave).abs().max() <= error


def test_frames_are_numpys_fourier_transforms_of_centred_windows() -> None:
    wave = waves(1_000, rows=1)
    window = scipy.signal.get_window("hann", 510)  # periodic
    padded = np.pad(wave[0].numpy(), 255)
    for frame, x in enumerate(SPEECH_16K.stft(wave)[0].T):
        cut = padded[frame * 128 : frame * 128 + 510] * window
        assert np.abs(np.fft.rfft(cut) - x.numpy()).max() < 1e-12


def test_frames_and_samples_agree() -> None:
    for frames in (1, 2, 64, 256):
        least = SPEECH_16K.samples(frames)
        assert SPEECH_16K.frames(least) == frames
        assert least == 0 or SPEECH_16K.frames(least - 1) == frames - 1
    assert SPEECH_16K.samples(256) == 255 * 128  # the published crop


def test_the_compressed_magnitude_is_the_formula_and_tends_to_the_published_one() -> None:
    front = Spectrogram(alpha=0.5, beta=0.15, epsilon=1e-3)
    r = torch.logspace(-6, 3, 40, dtype=DOUBLE)
    x = torch.polar(r, torch.linspace(-3, 3, 40, dtype=DOUBLE))[None, None]
    state = front.compress(x) / (math.sqrt(2) * 0.15)
    c = torch.complex(state[:, 0], state[:, 1])
    assert torch.allclose(c.abs().square() + 1e-3, (r.square() + 1e-6).sqrt(), rtol=1e-13)
    assert torch.allclose(c.angle(), x.angle(), rtol=1e-13)
    published = x / x.abs().sqrt()
    assert ((c - published).abs() / published.abs())[0, 0, r > 1].max() < 1e-3  # about eps / 2 |X|


@pytest.mark.parametrize("front", BOTH)
def test_gradients_are_bounded_by_the_one_at_silence(front: Spectrogram) -> None:
    r = torch.cat([torch.zeros(1, dtype=DOUBLE), torch.logspace(-200, 3, 60, dtype=DOUBLE)])
    bound = math.sqrt(2 * front.alpha) * front.beta * front.epsilon ** (front.alpha - 1)
    for angle in (0.0, 1.0):
        x = torch.polar(r, torch.full_like(r, angle))[:, None, None].requires_grad_()
        for part in (0, 1):
            (slope,) = torch.autograd.grad(front.compress(x)[:, part].sum(), x)
            assert slope.abs().max() <= bound * (1 + 1e-12)
            if part == 0:
                assert abs(slope[0].abs().item() / bound - 1) < 1e-12


def test_float32_has_gradients_at_numbers_too_small_to_square() -> None:
    r = torch.tensor([0, 1e-45, 1e-38, 1e-30, 1e-23, 1e-19, 1e-12])
    x = torch.complex(r, torch.zeros(7))[None, None].requires_grad_()
    state = SPEECH_16K.compress(x)
    (slope,) = torch.autograd.grad(state[:, 0].sum(), x)
    bound = 0.15 * 1e-3**-0.5  # sqrt(2 alpha) = 1
    assert torch.allclose(slope.abs(), torch.full((1, 1, 7), bound), rtol=1e-6)
    assert torch.allclose(SPEECH_16K.expand(_on_bins(state))[:, 1, 0], x[:, 0, 3], rtol=1e-6)


def _on_bins(state: Tensor) -> Tensor:
    """One of the states at every bin of `SPEECH_16K`."""
    return state[..., 3:4].expand(1, 2, 256, 1)


@pytest.mark.parametrize("front", [Spectrogram(8, 3, alpha=0.5), Spectrogram(6, 3, alpha=0.667)])
def test_the_determinant_is_that_of_the_jacobian(front: Spectrogram) -> None:
    wave = 0.01 * waves(7, rows=2)
    spectrum = front.stft(wave)
    kept = front.exists().expand(2, front.bins, spectrum.shape[2]).flatten()

    def states(parts: Tensor) -> Tensor:
        pair = parts.reshape(2, front.bins, -1)
        return front.compress(torch.complex(pair[0], pair[1])[None])[0].flatten()

    for row, claimed in zip(spectrum, front.log_det(spectrum), strict=True):
        parts = torch.stack([row.real, row.imag]).flatten()
        jacobian = torch.autograd.functional.jacobian(states, parts)
        exact = torch.linalg.slogdet(jacobian[kept][:, kept])[1]
        assert abs(exact.item() - claimed.item()) < 1e-9


@pytest.mark.parametrize("front", BOTH)
def test_what_does_not_exist_is_zero_and_is_not_read(front: Spectrogram) -> None:
    wave = waves(700)
    state = front.encode(wave)
    missing = ~front.exists().expand_as(state)
    assert missing[0].sum() == 2 * front.frames(700)
    assert (state[missing] == 0).all()
    spoilt = torch.where(missing, 7.0, state)
    assert (front.decode(spoilt, 700) == front.decode(state, 700)).all()


def test_unit_noise_of_papers_is_unit_noise_of_the_core() -> None:
    """Complex z with E|z|^2 = 1, added to beta c, is a real normal of variance 1 on the state."""
    z = torch.randn(200_000, dtype=torch.complex128, generator=seeded(0))
    real = math.sqrt(2) * torch.view_as_real(z)
    assert abs(real.var().item() - 1) < 5 * math.sqrt(2 / 400_000)
    x = SPEECH_16K.stft(waves(2_000))
    state, alpha, e = SPEECH_16K.compress(x), 0.5, 1e-3
    c = torch.polar(((x.abs() ** 2 + e**2) ** alpha - e ** (2 * alpha)).sqrt(), x.angle())
    c[:, [0, -1]] = c[:, [0, -1]].real + 0j
    assert (state - math.sqrt(2) * 0.15 * torch.stack([c.real, c.imag], 1)).abs().max() < 1e-12


@pytest.mark.parametrize("front", BOTH)
def test_silence_is_zero_both_ways(front: Spectrogram) -> None:
    state = front.encode(torch.zeros(2, 1_000))
    assert (state == 0).all()
    assert (front.decode(state, 1_000) == 0).all()


@pytest.mark.parametrize("front", BOTH)
def test_batch_mates_do_not_meet(front: Spectrogram) -> None:
    wave = waves(5_003, torch.float32, rows=4)
    wave[2] = 0
    together = front.encode(wave)
    apart = torch.cat([front.encode(row[None]) for row in wave])
    assert (together == apart).all()
    back = torch.cat([front.decode(state[None], 5_003) for state in together])
    assert (front.decode(together, 5_003) == back).all()


def test_the_decoder_is_the_projection_on_spectra_of_waves() -> None:
    """Encoding what was decoded from anything at all, and decoding it, changes nothing more."""
    state = torch.randn(1, 2, 256, 9, generator=seeded(3), dtype=DOUBLE)
    wave = SPEECH_16K.decode(state, 1_100)
    assert torch.allclose(SPEECH_16K.decode(SPEECH_16K.encode(wave), 1_100), wave, rtol=1e-12)
    x, own = SPEECH_16K.expand(state), SPEECH_16K.stft(wave)
    weights = torch.full((256, 1), 2.0, dtype=DOUBLE)
    weights[[0, -1]] = 1  # the other half of the spectrum is the conjugate of this one
    other = SPEECH_16K.stft(waves(1_100, rows=1))
    product = (weights * ((x - own).conj() * other).real).sum()
    assert abs(product.item()) < 1e-9 * x.norm().item() * other.norm().item()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Spectrogram(hop=256), "0 < hop <= n_fft / 2"),
        (lambda: Spectrogram(511), "an even n_fft"),
        (lambda: Spectrogram(alpha=1.5), "0 < alpha <= 1"),
        (lambda: SPEECH_16K.encode(torch.zeros(2, 0)), "N > 0"),
        (lambda: SPEECH_16K.encode(torch.zeros(2, 1, 9)), "make channels rows"),
        (lambda: SPEECH_16K.decode(torch.zeros(1, 2, 256, 3), 128), r"\(256, 2\) bins and frames"),
        (lambda: Level.of(torch.tensor([[0.0], [math.nan]])), "file 1 is nan"),
        (lambda: Level(torch.tensor([-1.0])), "file 0 is -1"),
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_level_is_of_all_channels_and_undone() -> None:
    stereo = torch.stack([0.3 * waves(999, torch.float32, 2), 7 * waves(999, torch.float32, 2)])
    level = Level.of(stereo)
    assert (level.peak == stereo.abs().amax((1, 2))).all()
    at_one = level.apply(stereo)
    assert (at_one.abs().amax((1, 2)) == 1).all()
    ulp = torch.finfo(torch.float32).eps
    assert ((level.undo(at_one) - stereo).abs() <= ulp * stereo.abs()).all()


def test_a_level_that_is_a_power_of_two_is_undone_to_the_bit() -> None:
    wave = waves(999, torch.float32)
    wave[:, 5] = torch.tensor([1.0, 4.0, -2.0])
    level = Level.of(wave)
    assert (level.undo(level.apply(wave)) == wave).all()


def test_a_silent_file_comes_back_silent_whatever_a_model_makes_of_it() -> None:
    wave = torch.stack([torch.zeros(50), torch.full((50,), 0.5)])
    level = Level.of(wave)
    assert (level.apply(wave)[0] == 0).all()
    out = level.undo(torch.ones(2, 50))
    assert (out[0] == 0).all() and (out[1] == 0.5).all()
