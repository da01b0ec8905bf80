"""Waves and files through a model: what stays as it was, and what the cut and the company don't change.

Weights are random and small; where a law is needed the network is zero, see `test_model.py`.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.checkpoint import CheckpointError
from unnoise.core.denoiser import MeanDenoiser
from unnoise.core.likelihood import Bound
from unnoise.core.model import Model
from unnoise.core.random import seeded
from unnoise.core.times import LogSNRTimes
from unnoise.core.training import Fit
from unnoise.domains.audio.enhancer import Enhancer
from unnoise.domains.audio.files import AudioError, Form, read, write
from unnoise.domains.audio.learned import Learned
from unnoise.domains.audio.model import BBED, OUVE, Bridge, Kind
from unnoise.domains.audio.resample import Resampler
from unnoise.domains.audio.sampling import Recipe
from unnoise.domains.audio.spectrogram import SPEECH_16K, Spectrogram
from unnoise.domains.audio.stream import Stream
from unnoise.domains.audio.training import Pairs
from unnoise.domains.audio.unet import Size

TINY = Size((4, 2), (8,), 1, (1,), 1)
RATE = 16_000


def random_model(kind: Kind | None = None, recipe: Recipe | None = None) -> Learned:
    learned = Learned.untrained(SPEECH_16K, kind or Bridge(), TINY, recipe or Recipe(2))
    for k, parameter in enumerate(learned.model.parameters()):
        nn.init.normal_(parameter, 0, 0.05, generator=seeded(1, k))
    return learned


@pytest.fixture(scope="module")
def made() -> Enhancer:
    return Enhancer.of(random_model())


def speech(samples: int, channels: int | None = None, seed: int = 0) -> Tensor:
    """Noise that swells and fades."""
    shape = (samples,) if channels is None else (channels, samples)
    swell = 1 + torch.sin(torch.arange(samples) / 2_000)
    return 0.1 * swell * torch.randn(shape, generator=seeded(seed))


# --- the same file, seed and model: the same bytes ------------------------------------------------


def test_the_same_seed_makes_the_same_bytes(made: Enhancer) -> None:
    wave = speech(5_000)
    torch.manual_seed(3)
    once = made(wave, RATE, seed=1)
    torch.manual_seed(4)
    state = torch.get_rng_state()
    assert torch.equal(once, made(wave, RATE, seed=1))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(once, made(wave, RATE, seed=2))
    assert not torch.equal(once, made(wave, RATE, seed=1, nfe=3))


def test_draws_differ_and_the_first_is_the_same(made: Enhancer) -> None:
    wave = speech(3_000)
    three = made(wave, RATE, n_samples=3)
    assert three.shape == (3, 3_000)
    assert torch.equal(three[0], made(wave, RATE))
    assert torch.equal(three[:2], made(wave, RATE, n_samples=2))
    assert not torch.equal(three[0], three[1])


def test_channels_do_not_see_each_other(made: Enhancer) -> None:
    stereo = speech(3_000, 2)
    stereo[0, 100] = 1.0  # it has the peak, so the level is its own
    out = made(stereo, RATE)
    assert out.shape == stereo.shape
    assert torch.equal(out[0], made(stereo[0], RATE))
    other = torch.stack([stereo[0], 0.5 * stereo[1].flip(0)])
    assert torch.equal(out[0], made(other, RATE)[0])
    assert torch.equal(out[:1], made(stereo[:1], RATE))
    assert not torch.equal(*made(stereo[:1].expand(2, -1), RATE))  # noise of their own


# --- level, silence, rate ---------------------------------------------------------------------


def test_a_louder_file_gives_a_louder_result(made: Enhancer) -> None:
    wave = speech(3_000)
    assert torch.equal(made(4 * wave, RATE), 4 * made(wave, RATE))


def test_silence_stays_silent(made: Enhancer) -> None:
    assert torch.equal(made(torch.zeros(2, 4_000), RATE), torch.zeros(2, 4_000))
    stereo = speech(4_000, 2)
    stereo[1] = 0
    out = made(stereo, RATE)
    assert out[0].any() and not out[1].any()


def test_pauses_of_digital_silence_stay_silent(made: Enhancer) -> None:
    wave = speech(20_000)
    wave[8_000:12_000] = 0
    out = made(wave, RATE)
    reach = SPEECH_16K.n_fft
    assert not out[8_000 + reach : 12_000 - reach].any()
    assert out[: 8_000 - reach].any() and out[12_000 + reach :].any()


@pytest.mark.parametrize("rate", [24_000, 44_100])
@pytest.mark.parametrize("samples", [1, 777, 9_001])
def test_any_rate_goes_to_the_models_and_back(made: Enhancer, rate: int, samples: int) -> None:
    wave = speech(samples)
    out = made(wave, rate)
    assert out.shape == wave.shape
    peak = wave.abs().max()
    there, back = Resampler(rate, RATE), Resampler(RATE, rate)
    stream = Stream(made.learned, RATE, there.length(samples), 1.0)
    (inner,) = stream([there(wave[None] / peak)], Recipe(2), 0)
    assert torch.equal(out[None], peak * back(inner)[:, :samples])


def test_a_narrow_band_is_remarked_on(made: Enhancer) -> None:
    with pytest.warns(
        UserWarning, match="waveform: sampled at 8000 Hz, so there is nothing above 4000"
    ):
        assert made(speech(500), 8_000).shape == (500,)


def test_an_untrained_model_gives_the_noisy_speech_back() -> None:
    """A zero network believes in white residuals; one step of a bridge from y hardly moves."""
    made = Enhancer.of(Learned.untrained(SPEECH_16K, Bridge(), TINY, Recipe(1)))
    wave = speech(4_000)
    assert (made(wave, RATE) - wave).abs().max() < 1e-3 * wave.abs().max()


@pytest.mark.parametrize("kind", [Bridge(), OUVE(), BBED()], ids=str)
def test_every_process_enhances(kind: Kind) -> None:
    recipe = replace(kind.recipe, nfe=3)
    made = Enhancer.of(random_model(kind, recipe))
    out = made(speech(3_000), RATE)
    assert torch.equal(out, made(speech(3_000), RATE)) and bool(out.isfinite().all())


# --- long waves -------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [23_000, 50_321])
def test_chunks_give_what_the_whole_wave_gives(samples: int) -> None:
    """The network's reach, twice, and that of a frame are less than a quarter of the overlap."""
    learned, wave = random_model(), speech(samples, 1)
    reach = 2 * (TINY.reach + 4) * SPEECH_16K.hop
    overlap = 4 * reach / RATE
    peak = float(wave.abs().max())
    whole = Stream(learned, RATE, samples, peak, chunk=1_000.0)
    cut = Stream(learned, RATE, samples, peak, chunk=2 * overlap + 0.1, overlap=overlap)
    recipe = Recipe(2)
    out = torch.cat(list(cut(wave.split(1_234, 1), recipe, 0)), 1)
    (expected,) = whole([wave], recipe, 0)
    assert samples > 2 * overlap * RATE
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5 * peak)
    assert (expected - wave).abs().max() > 1e-2 * peak  # something happens at all


def test_blocks_may_be_cut_anywhere(made: Enhancer) -> None:
    wave = speech(20_000, 2)
    stream = Stream(made.learned, 22_050, 20_000, 1.0, chunk=0.3, overlap=0.1)
    outs = [torch.cat(list(stream(wave.split(n, 1), Recipe(1), 0)), 1) for n in (999, 20_000)]
    assert torch.equal(*outs)
    assert outs[0].shape == wave.shape


def test_the_grid_is_that_of_frames_and_tokens() -> None:
    assert random_model().grid == 128 * 2
    size = Size((4, 2), (8, 8, 8), 1, (1,), 1)
    assert Learned.untrained(SPEECH_16K, Bridge(), size).grid == 128 * 8


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_a_file_becomes_what_a_call_gives(made: Enhancer, rate: int, tmp_path: Path) -> None:
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    form = Form(rate, 2, "WAV", "FLOAT")
    write(source, speech(70_000, 2), form)
    made.enhance_file(source, target, seed=3, nfe=1)
    out, found = read(target)
    assert found == form
    assert torch.equal(out, made(read(source)[0], rate, seed=3, nfe=1))


def test_a_flac_stays_one(made: Enhancer, tmp_path: Path) -> None:
    form = Form(16_000, 1, "FLAC", "PCM_24")
    write(tmp_path / "in.flac", speech(3_000, 1), form)
    made.enhance_file(tmp_path / "in.flac", tmp_path / "out.flac")
    assert Form.of(tmp_path / "out.flac") == form


def test_remarks_on_a_file_are_warnings(made: Enhancer, tmp_path: Path) -> None:
    wave = speech(3_000, 1)
    wave[:, 100:150] = 1.0
    write(tmp_path / "in.wav", wave, Form(16_000, 1, "WAV", "FLOAT"))
    with pytest.warns(UserWarning, match=r"in.wav: \d+ samples .* are clipped"):
        made.enhance_file(tmp_path / "in.wav", tmp_path / "out.wav")


def test_a_bad_file_leaves_nothing_behind(made: Enhancer, tmp_path: Path) -> None:
    (tmp_path / "in.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match=r"in.wav: can't be read as audio"):
        made.enhance_file(tmp_path / "in.wav", tmp_path / "out.wav")
    assert [p.name for p in tmp_path.iterdir()] == ["in.wav"]


# --- likelihood -------------------------------------------------------------------------------


class Zero(nn.Module):
    """An untrained network, for free."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return 0 * self.weight * x


@pytest.mark.parametrize("kind", [Bridge(start=1e-4), OUVE(start=1e-4)], ids=str)
def test_the_likelihood_of_white_residuals(kind: Kind) -> None:
    """A zero network is the exact denoiser of white residuals, of which the bound is the density."""
    front = Spectrogram(62, 16)
    learned = Learned.untrained(front, kind, TINY)
    model, s = learned.model, learned.residual
    assert isinstance(model.denoiser, MeanDenoiser)
    model.denoiser.network = Zero()
    y = torch.randn(1, 480, generator=seeded(0))
    y = y / y.abs().max()
    x = y + 0.1 * torch.randn(1, 480, generator=seeded(1))
    gap = front.encode(x) - front.encode(y)
    r = gap[front.exists().expand_as(gap)].double()
    exact = -0.5 * (r / s).square().sum() - len(r) * math.log(s * math.sqrt(2 * math.pi))
    exact = exact + front.log_det(front.stft(x))[0]
    made = Enhancer.of(
        replace(learned, model=Model(model.process, model.denoiser, model.shape, model.transform))
    )
    method = Bound(1_000, LogSNRTimes())
    result = made.log_prob(x[0], y[0], front.rate, method)
    assert int(result.dims) == len(r)
    # levels are stratified, so the error is well below the standard error
    assert abs(float(result.nats - exact)) < 0.04 * len(r) < float(result.stderr)


def test_the_likelihood_in_other_units(made: Enhancer) -> None:
    """p(X) of waves that are c times as loud is c^-dims of it."""
    y, x = speech(2_000), speech(2_000, seed=1)
    result, louder = (made.log_prob(c * x, c * y, RATE, seed=2) for c in (1.0, 4.0))
    expected = result.nats - result.dims * math.log(4.0)
    torch.testing.assert_close(louder.nats, expected, rtol=1e-6, atol=0.5)


# --- training and checkpoints -----------------------------------------------------------------


def test_training_ends_on_the_same_bytes(tmp_path: Path) -> None:
    wave = speech(9_000)
    pairs = Pairs([wave], [0.5 * wave], 31 * 128)
    made = []
    for _ in range(2):
        enhancer = Enhancer(size=TINY, fit=Fit(3, batch=2, log_every=1), recipe=Recipe(3))
        enhancer.fit(pairs, RATE, seed=4, progress=False, accelerator="cpu")
        made.append(enhancer)
    assert [row["step"] for row in made[0].learned.history.rows] == [1, 2, 3]
    out = made[0](wave, RATE)
    assert torch.equal(out, made[1](wave, RATE))
    untrained = Enhancer.of(Learned.untrained(SPEECH_16K, Bridge(), TINY, Recipe(3), seed=4))
    assert not torch.equal(out, untrained(wave, RATE))
    made[0].save(tmp_path / "made.safetensors")
    loaded = Enhancer.load(tmp_path / "made.safetensors")
    assert torch.equal(out, loaded(wave, RATE))
    assert loaded.learned.history == made[0].learned.history


@pytest.mark.parametrize("kind", [Bridge(c=0.2), OUVE(), BBED()], ids=str)
def test_a_checkpoint_keeps_how_to_sample(kind: Kind, tmp_path: Path) -> None:
    front = Spectrogram(30, 8, 8_000, beta=0.3)
    size = Size((2, 2), (4, 8), 1, (1, 2), 1)
    learned = Learned.untrained(front, kind, size, Recipe(7, 0.5, 0.2), 0.1)
    learned.save(tmp_path / "made.safetensors")
    found = Enhancer.load(tmp_path / "made.safetensors")
    for name in ("front", "kind", "size", "recipe", "residual"):
        assert getattr(found.learned, name) == getattr(learned, name)
    assert (found.front, found.kind, found.recipe) == (front, kind, Recipe(7, 0.5, 0.2))
    for a, b in zip(found.learned.model.parameters(), learned.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_first_stage_is_part_of_the_second(tmp_path: Path) -> None:
    wave = speech(9_000)
    pairs = Pairs([wave], [0.5 * wave], 15 * 128)
    first = random_model()
    before = [p.clone() for p in first.model.parameters()]
    size = Size((4, 3), (8,), 1, (1,), 1)
    made = Enhancer(size=size, fit=Fit(1, batch=2), first=Enhancer.of(first), recipe=Recipe(2))
    made.fit(pairs, RATE, progress=False, accelerator="cpu")
    for a, b in zip(first.model.parameters(), before, strict=True):
        assert torch.equal(a, b) and a.requires_grad
    assert made.learned.grid == 128 * 6  # tokens of both
    made.save(tmp_path / "both.safetensors")
    out = made(wave, RATE)
    assert torch.equal(out, Enhancer.load(tmp_path / "both.safetensors")(wave, RATE))
    alone = Enhancer.of(first)(wave, RATE, nfe=1)
    assert (out - alone).abs().max() < (alone - wave).abs().max()  # one step of training is little


def test_first_stages_that_do_not_fit() -> None:
    other = Learned.untrained(Spectrogram(30, 8), Bridge(), TINY)
    with pytest.raises(ValueError, match="a first stage must have the same front end"):
        Learned.untrained(SPEECH_16K, Bridge(), TINY, first=other)
    two = Learned.untrained(SPEECH_16K, Bridge(), TINY, first=random_model())
    with pytest.raises(ValueError, match="and no first stage itself"):
        Learned.untrained(SPEECH_16K, Bridge(), TINY, first=two)


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        Enhancer.load(tmp_path / "none.safetensors")
    learned = random_model()
    assert isinstance(learned.model, Model)
    learned.model.save(tmp_path / "other.safetensors", {"format": "imputer-1"})
    with pytest.raises(CheckpointError, match="holds no enhancer-1; it says 'imputer-1'"):
        Enhancer.load(tmp_path / "other.safetensors")


# --- errors -------------------------------------------------------------------------------------


def test_nothing_learned_yet() -> None:
    with pytest.raises(RuntimeError, match=r"nothing learned yet; call fit\(pairs, rate\)"):
        Enhancer()(speech(10), RATE)


@pytest.mark.parametrize(
    ("wave", "rate", "samples", "message"),
    [
        (torch.zeros(0), RATE, 1, r"with samples; got \(0,\)"),
        (torch.zeros(1, 2, 9), RATE, 1, r"\(N,\) or \(C, N\), with samples; got \(1, 2, 9\)"),
        (torch.zeros(9, dtype=torch.int16), RATE, 1, "must be floats .* divide integers"),
        (torch.zeros(500, 2), RATE, 1, r"a waveform is \(C, N\), got \(500, 2\); transpose it"),
        (torch.tensor([0.0, torch.nan]), RATE, 1, "1 samples are NaN or infinite"),
        (torch.tensor([0.0, torch.inf]), RATE, 1, "1 samples are NaN or infinite"),
        (torch.ones(9), 0, 1, "a rate must be a positive integer in Hz, got 0"),
        (torch.ones(9), 16_000.5, 1, "a rate must be a positive integer in Hz, got 16000.5"),
        (torch.ones(9), RATE, 0, "n_samples must be at least 1, got 0"),
    ],
)
def test_waves_that_are_none(
    made: Enhancer, wave: Tensor, rate: int, samples: int, message: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            made(wave, rate, n_samples=samples)


def test_rates_that_training_and_likelihood_refuse(made: Enhancer) -> None:
    pairs = Pairs([torch.ones(9)], [torch.ones(9)], 8)
    with pytest.raises(ValueError, match="fit: the front end is for 16000 Hz, got 8000 Hz"):
        Enhancer().fit(pairs, 8_000)
    with pytest.raises(ValueError, match="log_prob: the front end is for 16000 Hz"):
        made.log_prob(torch.ones(9), torch.ones(9), 8_000)


def test_pairs_that_have_no_likelihood(made: Enhancer) -> None:
    with pytest.raises(ValueError, match=r"clean is \(9,\), noisy \(8,\); cut them"):
        made.log_prob(torch.ones(9), torch.ones(8), RATE)
    with pytest.raises(ValueError, match="noisy must be one channel"):
        made.log_prob(torch.ones(9), torch.zeros(9), RATE)
