"""Long waves: chunks that add up to the whole, rates that change, and memory that stays flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.audio.chunks import fade, process
from unnoise.domains.audio.resample import Resampler, narrow, taps
from unnoise.domains.audio.spectrogram import SPEECH_16K

DOUBLE = torch.float64


def noise(n: int, channels: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(channels, n, generator=seeded(seed), dtype=DOUBLE)


def cut(wave: Tensor, size: int) -> list[Tensor]:
    return list(wave.split(size, 1))


def same(piece: Tensor, start: int) -> Tensor:
    return piece


def smoothed(reach: int) -> Callable[[Tensor, int], Tensor]:
    """A filter that sees `reach` samples at each side, zeros beyond its piece."""
    kernel = torch.rand(1, 1, 2 * reach + 1, generator=seeded(9), dtype=DOUBLE) - 0.5

    def f(piece: Tensor, start: int) -> Tensor:
        return torch.nn.functional.conv1d(piece[:, None], kernel, padding=reach)[:, 0]

    return f


@pytest.mark.parametrize("overlap", [1, 2, 7, 40, 4_000])
def test_weights_of_neighbours_add_up_to_one(overlap: int) -> None:
    w = fade(overlap)
    assert (w + w.flip(0) - 1).abs().max() < 1e-15
    assert (w.diff() >= 0).all()


@pytest.mark.parametrize("length", [1, 39, 40, 41, 70, 71, 100, 101, 997])
@pytest.mark.parametrize("size", [1, 13, 40, 2_000])
@pytest.mark.parametrize(("overlap", "grid"), [(0, 1), (10, 1), (20, 4)])
def test_the_identity_comes_out_to_the_bit(
    length: int, size: int, overlap: int, grid: int
) -> None:
    def f(piece: Tensor, start: int) -> Tensor:
        assert start % grid == 0
        assert 40 - grid < piece.shape[1] <= 40 or length < 40
        return piece

    wave = noise(length).float()
    out = torch.cat(list(process(cut(wave, size), f, 40, overlap, grid)), 1)
    assert out.shape == wave.shape
    assert (out == wave).all()


def test_a_local_function_gives_what_the_whole_wave_gives() -> None:
    wave, f = noise(1_003), smoothed(16)
    whole = f(wave, 0)
    out = torch.cat(list(process(cut(wave, 50), f, 200, 64)), 1)
    assert (out - whole).abs().max() < 1e-13  # the reach is a quarter of the overlap


def test_a_longer_reach_is_seen_at_the_seams_only() -> None:
    wave, f = noise(1_000), smoothed(32)
    error = (torch.cat(list(process(cut(wave, 50), f, 200, 64)), 1) - f(wave, 0)).abs().amax(0)
    seams = torch.zeros(1_000, dtype=torch.bool)
    for start in range(136, 1_000, 136):
        seams[start : start + 64] = True
    assert error[~seams].max() < 1e-13
    assert error[seams].max() > 1e-3


def test_a_spectral_filter_in_chunks_is_that_of_the_whole() -> None:
    """The front end with a gain a bin: frames of chunks lie where those of the whole wave do."""
    wave = noise(40_000, 1)
    gain = torch.linspace(1, 0, 256, dtype=DOUBLE)[:, None]

    def f(piece: Tensor, start: int) -> Tensor:
        return SPEECH_16K.istft(gain * SPEECH_16K.stft(piece), piece.shape[1])

    out = torch.cat(list(process(cut(wave, 5_000), f, 128 * 100, 128 * 16, 128)), 1)
    assert (out - f(wave, 0)).abs().max() < 1e-12


def test_pieces_are_told_where_they_begin_and_how_blocks_are_cut_does_not_matter() -> None:
    def run(size: int) -> tuple[list[int], Tensor]:
        starts = []

        def f(piece: Tensor, start: int) -> Tensor:
            assert (piece[0] == torch.arange(start, start + piece.shape[1])).all()
            starts.append(start)
            return piece + torch.randn(piece.shape, generator=seeded(start), dtype=DOUBLE)

        wave = torch.arange(500, dtype=DOUBLE)[None]
        return starts, torch.cat(list(process(cut(wave, size), f, 200, 50)), 1)

    (starts, out), (other, again) = run(1), run(321)
    assert starts == other == [0, 150, 300]
    assert (out == again).all()


def test_no_more_than_two_chunks_and_a_block_are_held() -> None:
    taken = 0

    def blocks() -> Iterator[Tensor]:
        nonlocal taken
        for _ in range(1_000):
            taken += 30
            yield torch.zeros(1, 30)

    given = held = 0
    for out in process(blocks(), same, 100, 20):
        given += out.shape[1]
        held = max(held, taken - given)
    assert given == taken == 30_000
    assert held <= 100 + 30


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: process([], same, 10, 6), "0 <= overlap <= chunk / 2"),
        (lambda: process([], same, 0, 0), "chunk > 0"),
        (lambda: process([], same, 20, 6, 4), "multiples of grid, got 20, 6 and 4"),
        (
            lambda: list(process([torch.zeros(1, 9)], lambda x, s: x[:, 1:], 5, 1)),
            "at sample 0; it must keep the shape",
        ),
        (lambda: Resampler(0, 16_000), "positive integer"),
        (lambda: Resampler(16_000, 44_100.5), "44100.5"),  # type: ignore[arg-type]
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_nothing_comes_of_nothing() -> None:
    assert list(process([], same, 10, 2)) == []
    assert list(Resampler(8_000, 16_000).stream([])) == []


RATES = [(48_000, 16_000), (16_000, 48_000), (44_100, 16_000), (16_000, 44_100), (8_000, 16_000)]


@pytest.mark.parametrize(("source", "target"), [*RATES, (1_201, 1_500), (22_050, 16_000)])
@pytest.mark.parametrize("samples", [1, 700, 40_001])
def test_rates_are_changed_as_by_scipy(source: int, target: int, samples: int) -> None:
    r, wave = Resampler(source, target), noise(samples)
    h = taps(r.up, r.down).numpy() / r.up  # scipy multiplies by `up`
    theirs = scipy.signal.resample_poly(wave.numpy(), r.up, r.down, axis=1, window=h)
    ours = r(wave)
    assert ours.shape[1] == r.length(samples) == theirs.shape[1]
    assert np.abs(ours.numpy() - theirs).max() < 1e-13


@pytest.mark.parametrize("up,down", [(3, 1), (160, 441)])
def test_taps_are_scipys_window_method(up: int, down: int) -> None:
    m = max(up, down)
    theirs = scipy.signal.firwin(128 * m + 1, 0.955 / m, window=("kaiser", 9.0))
    assert np.abs(taps(up, down).numpy() - up * theirs).max() < 1e-15 * m * up


@pytest.mark.parametrize(
    ("source", "target", "hertz", "gain"),
    [
        (48_000, 16_000, 0, 1),
        (48_000, 16_000, 440, 1),
        (48_000, 16_000, 7_280, 1),  # .91 of the lower Nyquist frequency
        (48_000, 16_000, 8_000, 0),
        (48_000, 16_000, 8_720, 0),
        (16_000, 48_000, 0, 1),
        (16_000, 48_000, 440, 1),
        (16_000, 48_000, 7_280, 1),
    ],
)
def test_tones_pass_or_vanish(source: int, target: int, hertz: int, gain: int) -> None:
    def tone(rate: int) -> Tensor:
        return torch.cos(2 * np.pi * hertz / rate * torch.arange(rate, dtype=DOUBLE) + 0.3)[None]

    heard = gain * tone(target)
    error = (Resampler(source, target)(tone(source)) - heard)[:, 1_000:-1_000]
    assert error.abs().max() < 1e-4


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_stream_has_the_bits_of_the_whole(source: int, target: int) -> None:
    r, wave = Resampler(source, target), noise(100_000).float()
    whole = r(wave)
    for size in (997, 65_536):
        assert (torch.cat(list(r.stream(cut(wave, size))), 1) == whole).all()


def test_rates_there_and_back_give_a_wave_of_a_lower_band() -> None:
    low = Resampler(8_000, 16_000)(noise(8_000))  # nothing above 4 kHz
    back = Resampler(44_100, 16_000)(Resampler(16_000, 44_100)(low))
    assert back.shape == low.shape
    assert (back - low)[:, 500:-500].abs().max() < 1e-3 * low.abs().max()


def test_equal_rates_change_nothing() -> None:
    wave = noise(10)
    assert (Resampler(16_000, 16_000)(wave) == wave).all()


def test_a_band_narrower_than_the_models_is_remarked_on() -> None:
    said = narrow(8_000, 16_000)
    assert said is not None and "nothing above 4000 Hz" in said
    assert narrow(16_000, 16_000) is narrow(48_000, 16_000) is narrow(44_100, 48_000) is None
