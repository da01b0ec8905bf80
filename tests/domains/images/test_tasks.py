"""The image tasks: an untrained model is known in closed form, which checks all likelihoods."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import IMMSE, Bound, ExactTrace, Flow, Likelihood
from unnoise.core.model import Model
from unnoise.core.random import seeded, uniform
from unnoise.core.schedule import Cosine
from unnoise.core.transform import Quantised
from unnoise.domains.images import mnist, tasks
from unnoise.domains.images.outputs import Settings
from unnoise.domains.images.tasks import image_model
from unnoise.domains.task import Preset, Splits

BIT = 64 * math.log(2)  # nats of one bit/dim of an 8 x 8 image


@pytest.fixture
def pooled(digits: Splits) -> Tensor:
    """log of the frequencies of the levels in all training pixels, one count added to each."""
    counts = torch.stack([(digits.train.x == level).sum() for level in range(17)]).double()
    return ((counts + 1) / (counts + 1).sum()).log()


@pytest.fixture
def wide(untrained: Model) -> Model:
    """The model under a schedule that goes on until the grid is resolved."""
    return untrained.with_schedule(Cosine(2 * math.log(5 * 17), log_snr_min=-8.0)).eval()


@pytest.mark.parametrize(
    ("method", "images", "resolved"),
    [
        (Bound(64), 360, False),
        (IMMSE(64), 360, False),
        (IMMSE(64), 360, True),
        (Flow(8, ExactTrace()), 3, False),
    ],
    ids=["bound", "immse", "immse-resolved", "flow"],
)
def test_an_untrained_model_scores_the_cross_entropy_of_the_pooled_levels(
    digits: Splits, untrained: Model, wide: Model, pooled: Tensor,
    method: Likelihood, images: int, resolved: bool,
) -> None:  # fmt: skip
    """Its denoiser is exact for independent pixels of one law, so every method gives -log p."""
    batch = digits.test.rows(slice(images))
    truth = pooled[batch.x.long()].flatten(1).sum(1)
    result = (wide if resolved else untrained).log_prob(batch, method, seeded(0))
    excess = (truth - result.nats) / BIT
    assert abs(excess.mean().item()) < 0.02
    if images > 100:
        assert abs(excess.mean().item()) < 4 * excess.std().item() / math.sqrt(images)
    else:  # nothing is random but the noise at t = 0, and that cancels
        assert excess.abs().max() < 0.005


def test_an_untrained_model_samples_the_pooled_levels(untrained: Model, pooled: Tensor) -> None:
    drawn = untrained.sample(200, generator=seeded(0))
    found = torch.stack([(drawn == level).double().mean() for level in range(17)])
    p = pooled.exp()
    error = (p * (1 - p) / drawn.numel()).sqrt()
    assert ((found - p).abs() < 4 * error + 0.01).all(), "0.01: 31 steps"


def test_an_untrained_model_is_blind_to_the_label(digits: Splits, untrained: Model) -> None:
    batch = digits.test.rows(slice(20))
    given = untrained.log_prob(batch, Bound(4), seeded(0))
    assert torch.equal(
        given.nats, untrained.log_prob(batch.without_condition(), Bound(4), seeded(0)).nats
    )


def fake(shape: tuple[int, int, int], levels: int) -> Splits:
    """Random images of a data set's shape, every class and level among them."""
    generator = seeded(0)
    images = (levels * uniform((20, *shape), torch.empty(0), generator)).long()
    images.view(-1)[:levels] = torch.arange(levels)
    batch = Batch(images, cond={"label": torch.arange(20) % 10})
    return Splits(batch, batch, batch, Quantised(levels))


PRESETS = [
    pytest.param(shape, levels, preset, id=f"{name}-{budget}")
    for name, shape, levels, task in (
        ("digits", (1, 8, 8), 17, tasks.digits()),
        ("mnist", (1, 28, 28), 256, mnist()),
    )
    for budget, preset in task.presets.items()
]


@pytest.mark.parametrize(("shape", "levels", "preset"), PRESETS)
def test_a_preset_makes_a_network_of_its_data(
    shape: tuple[int, int, int], levels: int, preset: Preset
) -> None:
    splits = fake(shape, levels)
    model = image_model(splits, preset)
    assert model.shape == shape
    assert Settings(**preset.generate).samples >= 10, "one of every class"
    assert preset.fit.batch <= 1337
    few = splits.test.rows(slice(2))
    assert torch.isfinite(model.loss(few, seeded(0)))


def test_a_misspelt_keyword_of_a_preset_is_refused(digits: Splits) -> None:
    task, wrong = tasks.digits(), {"sampels": 3}
    preset = task.presets["smoke"]
    with pytest.raises(TypeError, match="sampels"):
        task.model(digits, replace(preset, network=wrong))
    assert task.baseline is not None
    with pytest.raises(TypeError, match="sampels"):
        task.baseline(digits, replace(preset, generate=wrong))


def test_the_window_ends_where_the_decoder_can_read_the_levels(untrained: Model) -> None:
    """sigma / alpha at t = 0 is 2/3 of the spacing of the grid."""
    values = untrained.transform.values
    assert values is not None
    (start,) = untrained.process.schedule.levels(torch.zeros(1))
    spacing = (values[1] - values[0]).item()
    assert float(start.sigma) / float(start.alpha) == pytest.approx(2 / 3 * spacing, rel=1e-5)


def test_seeds_make_other_weights_and_the_data_make_the_odds(
    digits: Splits, preset: Callable[..., Preset], pooled: Tensor
) -> None:
    torch.manual_seed(1)
    one, other = image_model(digits, preset()), image_model(digits, preset())
    same = [
        n
        for (n, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True)
        if torch.equal(a, b)
    ]
    assert "denoiser.bias" in same
    assert "denoiser.network.enter.weight" not in same
    odds = torch.log_softmax(one.state_dict()["denoiser.bias"].double(), 0)
    torch.testing.assert_close(odds, pooled, rtol=1e-5, atol=1e-5)
