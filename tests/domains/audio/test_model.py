"""Processes, samplers and training of speech models, against what is known of Gaussian residuals.

A network that is zero is the exact denoiser of white residuals of standard deviation s, so every
sampler and the likelihood have closed forms.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.objective import Denoising
from unnoise.core.process import Gaussian
from unnoise.core.random import Rows, seeded
from unnoise.domains.audio.mixing import Mixer
from unnoise.domains.audio.model import (
    BBED,
    OUVE,
    Bridge,
    DataError,
    Kind,
    enhancement_model,
    kind_from_json,
    kind_to_json,
    predicted,
    resized,
    states,
)
from unnoise.domains.audio.placed import Placed
from unnoise.domains.audio.sampling import Recipe
from unnoise.domains.audio.spectrogram import SPEECH_16K, Spectrogram
from unnoise.domains.audio.training import Drawn, Pairs

KINDS = [Bridge(), OUVE(), BBED(), BBED(end=0.999)]
S = 0.07
SHAPE = (2, 8, 400)


class Zero(nn.Module):
    """An untrained network, for free."""

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return torch.zeros_like(x)


def blank(rows: int = 1, shape: tuple[int, int, int] = SHAPE) -> Batch:
    y = torch.randn(rows, *shape, generator=seeded(3), dtype=torch.float64)
    return Batch(torch.zeros_like(y), cond={"noisy": 0.1 * y})


def ends(kind: Kind) -> list[tuple[float, float]]:
    """(alpha, sigma) at t = 1 and 0."""
    levels = kind.schedule().levels(torch.tensor([1.0, 0.0], dtype=torch.float64))
    return [(float(v.alpha), float(v.sigma)) for v in levels]


def skip(alpha: float, sigma: float) -> float:
    """E[r | x_t] / x_t of a white residual r."""
    return alpha * S**2 / (alpha**2 * S**2 + sigma**2)


# --- processes and samplers ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_one_evaluation_of_an_untrained_model(kind: Kind) -> None:
    """x = y + c_skip z sqrt(alpha^2 s^2 + sigma^2) at t = 1."""
    model, batch = enhancement_model(kind, Zero(), SHAPE), blank()
    x = model.sample(batch, Recipe(1).sampler(), generator=seeded(0))
    z = torch.randn(batch.x.shape, generator=seeded(0), dtype=torch.float64)
    alpha, sigma = ends(kind)[0]
    expected = batch.cond["noisy"] + skip(alpha, sigma) * math.hypot(alpha * S, sigma) * z
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_flow_turns_the_prior_into_residuals(kind: Kind) -> None:
    """Noise-free steps carry a Gaussian's quantiles along, and the last denoise shrinks them."""
    model, batch = enhancement_model(kind, Zero(), SHAPE), blank()
    z = torch.randn(batch.x.shape, generator=seeded(0), dtype=torch.float64)
    alpha, sigma = ends(kind)[1]
    exact = skip(alpha, sigma) * math.hypot(alpha * S, sigma)
    errors = []
    for nfe in (100, 200):
        x = model.sample(batch, Recipe(nfe, 0.0).sampler(), generator=seeded(0))
        ratio = (x - batch.cond["noisy"]) / z
        assert ratio.std() < 1e-9 * exact + 1e-12 / z.abs().min()
        errors.append(abs(float(ratio.median()) / exact - 1))
    assert errors[1] < 0.02
    assert errors[1] < 0.7 * errors[0]  # first order


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("snr", [None, 0.3])
def test_random_samplers_have_the_law_of_residuals(kind: Kind, snr: float | None) -> None:
    model, batch = enhancement_model(kind, Zero(), SHAPE), blank(4)
    x = model.sample(batch, Recipe(201, 1.0, snr).sampler(), generator=seeded(1))
    r = (x - batch.cond["noisy"]).flatten()
    alpha, sigma = ends(kind)[1]
    exact = skip(alpha, sigma) * math.hypot(alpha * S, sigma)
    assert abs(float(r.mean())) < 5 * exact / len(r) ** 0.5
    assert abs(float(r.std()) / exact - 1) < 0.03


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_each_kind_has_a_recipe_that_runs(kind: Kind) -> None:
    model = enhancement_model(kind, Zero(), (2, 4, 3))
    sampler = kind.recipe.sampler()
    batch = blank(2, (2, 4, 3))
    once, again = (model.sample(batch, sampler, generator=seeded(5)) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, batch.cond["noisy"])


@pytest.mark.parametrize("recipe", [Recipe(1), Recipe(2), Recipe(5), Recipe(9, 0.0), Recipe(61, 1.0, 0.5), Recipe(60, 1.0, 0.5)])  # fmt: skip
def test_a_recipe_costs_what_it_says(recipe: Recipe) -> None:
    calls = []

    class Counting(Zero):
        def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            calls.append(float(log_snr[0]))
            return super().forward(x, log_snr, batch)

    kind = Bridge()
    batch = blank(1, (2, 4, 3))
    enhancement_model(kind, Counting(), (2, 4, 3)).sample(
        batch, recipe.sampler(), generator=seeded(0)
    )
    assert len(calls) == recipe.nfe - (recipe.snr is not None and recipe.nfe % 2 == 0)
    schedule = kind.schedule()
    assert calls[0] == pytest.approx(schedule.log_snr_min)
    if recipe.nfe > 1:
        assert calls[-1] == pytest.approx(schedule.log_snr_max)


@pytest.mark.parametrize("kind", [*KINDS, Bridge(k=3.0, c=0.2), OUVE(2.0, 0.1, 1.0)], ids=str)
def test_a_kind_survives_json(kind: Kind) -> None:
    assert kind_from_json(kind_to_json(kind)) == kind


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(
        ValueError, match="no process of speech 'ddpm'; there are bridge, ouve, bbed"
    ):
        kind_from_json({"name": "ddpm"})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nfe": 0}, "nfe must be at least 1, got 0"),
        ({"nfe": 2, "snr": 0.5}, "nfe must be at least 3, as a corrector .* got 2"),
        ({"noise": -1.0}, "noise_level must be >= 0"),
        ({"snr": 0.0}, "snr must be positive"),
    ],
)
def test_recipes_that_nothing_can_follow(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)  # type: ignore[arg-type]


# --- noise by place -----------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "frames"), [(0, 1), (3, 200), (64, 64), (130, 63)])
def test_noise_at_a_frame_does_not_depend_on_the_cut(first: int, frames: int) -> None:
    def noise(first: int, frames: int, seed: int = 0) -> list[Tensor]:
        x = torch.zeros(2, 2, 5, frames, dtype=torch.float64)
        batch = Batch(x, coords=(first + torch.arange(frames)).expand(2, -1))
        rows = Rows.seeded(seed, 2)
        return [Placed().sample(batch, rows) for _ in range(2)]

    whole, cut = noise(0, 300), noise(first, frames)
    for a, b in zip(whole, cut, strict=True):
        assert torch.equal(a[..., first : first + frames], b)
    assert not torch.equal(*cut)  # another draw is other noise
    assert not torch.equal(cut[0][0], cut[0][1])
    assert not torch.equal(cut[0], noise(first, frames, 1)[0])


def test_noise_by_place_is_standard_normal() -> None:
    x = torch.zeros(2, 2, 32, 1_000, dtype=torch.float64)
    places = torch.stack([torch.arange(1_000), 5_000 + torch.arange(1_000)])
    z = Placed().sample(Batch(x, coords=places), seeded(0)).flatten()
    uniform = 0.5 * torch.erfc(-z.sort().values / 2**0.5)
    grid = (torch.arange(len(z), dtype=torch.float64) + 0.5) / len(z)
    assert (uniform - grid).abs().max() < 2.0 / len(z) ** 0.5  # p < .001
    assert abs(float((z[:64_000] * z[64_000:]).mean())) < 4 / 64_000**0.5


def test_noise_without_places_is_white_and_masked() -> None:
    mask = torch.tensor([True, False]).reshape(1, 2, 1, 1)
    batch = Batch(torch.zeros(1, 2, 3, 4), mask)
    z = torch.randn(1, 2, 3, 4, generator=seeded(0))
    assert torch.equal(Placed().sample(batch, seeded(0)), z * mask)
    placed = batch.replace(coords=torch.arange(4)[None])
    assert (Placed().sample(placed, seeded(0))[:, 1] == 0).all()
    assert Placed().dims(batch) == 12


# --- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_data_prediction_weighs_every_level_alike(kind: Kind) -> None:
    """An estimate that is wrong by e costs e^2 / s^2, whatever the level."""
    schedule = kind.schedule()
    level = schedule.level(torch.tensor([0.01, 0.3, 0.99], dtype=torch.float64), 4)
    x = torch.randn(3, 2, 5, 4, generator=seeded(0), dtype=torch.float64)

    class Off(nn.Module):
        def forward(self, x_t: Tensor, level: object, batch: Batch) -> object:
            return type("Belief", (), {"mean": batch.x + 0.2})()

    rate = Denoising(DataError(S)).rate(
        Gaussian(schedule, data_std=S), Off(), x, level, Batch(x), None
    )
    loss = DataError(S)(level, schedule) * rate / x[0].numel()
    torch.testing.assert_close(loss, torch.full_like(loss, 0.2**2 / S**2))


SMALL_FRONT = Spectrogram(30, 8)


def pairs(length: int = 80) -> Pairs:
    y = [0.1 + 0.4 * torch.rand(n, generator=seeded(n)) for n in (300, 50, 120)]
    return Pairs(y, [0.5 * v for v in y], length)


def test_crops_of_pairs_are_cut_at_one_place() -> None:
    source = pairs()
    drawn = [source.pair(seeded(0, k)) for k in range(60)]
    lengths = set()
    for pair in drawn:
        assert torch.equal(pair.clean, 0.5 * pair.noisy)
        lengths.add(int((pair.noisy != 0).sum()))
        spots = [
            i
            for i, whole in enumerate(source.noisy)
            if any(torch.equal(w, pair.noisy) for w in whole.unfold(0, min(80, len(whole)), 1))
            or torch.equal(pair.noisy[pair.noisy != 0], whole)
        ]
        assert len(spots) == 1
    assert lengths == {80, 50}
    assert torch.equal(source.pair(seeded(0, 7)).noisy, drawn[7].noisy)


def test_a_crop_is_at_the_level_of_a_file() -> None:
    drawn = Drawn(Denoising(DataError(S)), pairs(), SMALL_FRONT)
    batch = drawn.drawn([seeded(1, k) for k in range(40)])
    peaks = SMALL_FRONT.decode(batch.cond["noisy"], 80).abs().amax(1)
    assert float(peaks.max()) <= 1 + 1e-5 and float(peaks.min()) >= 10 ** (-10 / 20) - 1e-5
    assert peaks.max() - peaks.min() > 0.5  # all that is between
    x, y = (SMALL_FRONT.decode(v, 80) for v in (batch.x, batch.cond["noisy"]))
    torch.testing.assert_close(x, 0.5 * y, rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_fresh_pairs() -> None:
    plain = enhancement_model(Bridge(), Zero(), (2, 16, 11))
    drawn = Drawn(plain.objective, pairs(), SMALL_FRONT)
    batch = drawn.blank(6)
    assert (tuple(batch.x.shape), batch.x.untyped_storage().size()) == ((6, 2, 16, 11), 4)
    training = enhancement_model(Bridge(), Zero(), (2, 16, 11), objective=drawn)
    keys = (torch.rand(6, generator=(g := seeded(2)), dtype=torch.float64) * 2**53).long()
    ready = drawn.drawn([seeded(int(k)) for k in keys])
    assert torch.equal(training.loss(batch, seeded(2)), plain.loss(ready, g))
    assert not torch.equal(training.loss(batch, seeded(2)), training.loss(batch, seeded(3)))


def test_a_copy_of_a_model_in_training_has_the_same_pairs() -> None:
    """Averaged weights are another model; hours of speech are held once."""
    first = enhancement_model(Bridge(), One(), (2, 16, 1))
    plain = enhancement_model(Bridge(), Zero(), (2, 16, 11), anchor="predicted")
    drawn = Drawn(plain.objective, pairs(), SMALL_FRONT, first)
    model = enhancement_model(Bridge(), Zero(), (2, 16, 11), S, drawn, "predicted")
    other = copy.deepcopy(model)
    assert isinstance(other.objective, Drawn) and other.objective is not drawn
    assert other.objective.source is drawn.source and other.objective.first is not drawn.first
    batch = drawn.blank(2)
    assert torch.equal(model.loss(batch, seeded(0)), other.loss(batch, seeded(0)))


class One(nn.Module):
    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return torch.ones_like(x)


def test_a_first_stage_is_the_anchor_of_the_second() -> None:
    """F = 1 of the first stage moves its prediction by c_out = sigma s / sqrt(alpha^2 s^2 + sigma^2)."""
    first = enhancement_model(Bridge(), One(), (2, 8, 1))
    batch = blank()
    told = predicted(first, batch, seeded(0))
    z = torch.randn(batch.x.shape, generator=seeded(0), dtype=torch.float64)
    alpha, sigma = ends(Bridge())[0]
    total = math.hypot(alpha * S, sigma)
    d = batch.cond["noisy"] + skip(alpha, sigma) * total * z + sigma * S / total
    torch.testing.assert_close(told.cond["predicted"], d, rtol=0, atol=1e-12)
    assert told.cond["noisy"] is batch.cond["noisy"]
    second = enhancement_model(Bridge(), Zero(), SHAPE, anchor="predicted")
    x = second.sample(told, Recipe(1).sampler(), generator=seeded(1))
    z = torch.randn(batch.x.shape, generator=seeded(1), dtype=torch.float64)
    torch.testing.assert_close(x, d + skip(alpha, sigma) * total * z, rtol=0, atol=1e-12)


def test_the_loss_of_a_second_stage_is_that_of_what_the_first_leaves() -> None:
    first = enhancement_model(Bridge(), One(), (2, 16, 1))
    plain = enhancement_model(Bridge(), Zero(), (2, 16, 11), anchor="predicted")
    drawn = Drawn(plain.objective, pairs(), SMALL_FRONT, first)
    training = enhancement_model(Bridge(), Zero(), (2, 16, 11), S, drawn, "predicted")
    keys = (torch.rand(6, generator=(g := seeded(2)), dtype=torch.float64) * 2**53).long()
    told = predicted(first, drawn.drawn([seeded(int(k)) for k in keys]), g)
    assert torch.equal(training.loss(drawn.blank(6), seeded(2)), plain.loss(told, g))


def test_a_mixer_is_a_source() -> None:
    speech, noise = (torch.randn(500, generator=seeded(k)) for k in (0, 1))
    mixer = Mixer([speech], [noise], 80, (5.0, 5.0))
    batch = Drawn(Denoising(), mixer, SMALL_FRONT).drawn([seeded(0)])
    pair = mixer.pair(seeded(0))
    y, x = (SMALL_FRONT.decode(v, 80)[0] for v in (batch.cond["noisy"], batch.x))
    scale = float(y.abs().max() / pair.noisy.abs().max())
    torch.testing.assert_close(y, scale * pair.noisy, rtol=0, atol=1e-5)
    torch.testing.assert_close(x, scale * pair.clean, rtol=0, atol=1e-5)


def test_states_mask_what_cannot_exist() -> None:
    batch = states(SPEECH_16K, torch.randn(1, 1_000, generator=seeded(0)))
    assert batch.mask is not None and batch.dims() == (2 * 256 - 2) * 8
    assert (batch.x == 0).all() and torch.equal(
        batch.cond["noisy"], SPEECH_16K.encode(torch.randn(1, 1_000, generator=seeded(0)))
    )
    assert resized(enhancement_model(Bridge(), Zero(), (2, 256, 1)), 8).shape == (2, 256, 8)


@pytest.mark.parametrize(
    ("noisy", "clean", "length", "message"),
    [
        ([], [], 8, "at least one; got 0 noisy and 0 clean"),
        ([torch.ones(9)], [], 8, "as many clean recordings as noisy ones"),
        ([torch.ones(9)], [torch.ones(9)], 0, "length must be at least 1 sample, got 0"),
        ([torch.ones(9)], [torch.ones(8)], 8, r"pair 0 has shapes \(9,\) and \(8,\)"),
        ([torch.zeros(9)], [torch.zeros(9)], 8, "pair 0 is silent or holds NaN"),
        ([torch.full((9,), torch.nan)], [torch.ones(9)], 8, "pair 0 is silent or holds NaN"),
    ],
)
def test_pairs_that_teach_nothing(
    noisy: list[Tensor], clean: list[Tensor], length: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Pairs(noisy, clean, length)


def test_recordings_that_are_mostly_silent() -> None:
    y = torch.zeros(1_000_000)
    y[0] = 1
    with pytest.raises(ValueError, match="50 crops of 10 samples were silent"):
        Pairs([y], [y], 10).pair(seeded(0))
