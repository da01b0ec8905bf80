"""What image models make: kept halves, reproducible draws, counted evaluations, readable files."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import Tensor

from unnoise.core.likelihood.base import path_kl
from unnoise.core.model import Model
from unnoise.core.random import seeded, uniform
from unnoise.core.sampler import Sampler
from unnoise.core.times import LogSNRTimes
from unnoise.domains.images import outputs
from unnoise.domains.images.outputs import (
    SAMPLERS,
    SWEEP,
    Images,
    complete,
    conditions,
    model_images,
    real_images,
    sample,
    tiles,
    write,
)
from unnoise.domains.images.tasks import image_model
from unnoise.domains.task import Preset, Splits

BIT = 64 * math.log(2)  # nats of one bit/dim of an 8 x 8 image


@pytest.fixture
def evaluations(untrained: Model) -> list[int]:
    """The rows of every call of the network."""
    calls: list[int] = []
    untrained.denoiser.network.register_forward_hook(lambda m, args, out: calls.append(len(out)))  # type: ignore[union-attr]
    return calls


@pytest.fixture(scope="module")
def made(digits: Splits, preset: Callable[..., Preset]) -> Images:
    """All that the report shows, of little."""
    asked = preset(samples=13, flow_images=2, sweep_samples=11)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "SWEEP", (4, 8))
        return model_images(image_model(digits, asked).eval(), digits, asked, seeded(0))


def test_a_completion_keeps_the_given_half_exactly(digits: Splits, untrained: Model) -> None:
    done = complete(untrained, digits.test.rows(slice(3)), seeded(0), each=4)
    assert torch.equal(done.originals, digits.test.x[:3])
    assert done.observed[..., :4, :].all()
    assert not done.observed[..., 4:, :].any()
    assert done.completions.shape == (3, 4, 1, 8, 8)
    for k in range(4):
        drawn = done.completions[:, k]
        assert torch.equal(drawn[done.observed], done.originals[done.observed].long())
        assert (drawn != done.completions[:, k - 1]).any(), "every completion is drawn anew"


def test_a_completion_has_all_draws_of_its_own_image(digits: Splits, untrained: Model) -> None:
    """Rows are repeated in the order in which they are unfolded."""
    done = complete(untrained, digits.test.rows(slice(5)), seeded(0), each=2)
    upper = done.completions[..., :4, :]
    assert torch.equal(upper, digits.test.x[:5, None, :, :4].expand_as(upper).long())


def test_sampling_in_batches_repeats_itself(untrained: Model) -> None:
    labels, sampler = torch.arange(7), Sampler(steps=3)
    draws = [sample(untrained, labels, sampler, seeded(0), 3, "") for _ in range(2)]
    assert torch.equal(*draws)
    generator = seeded(0)
    parts = [sample(untrained, part, sampler, generator, 7, "") for part in labels.split(3)]
    assert torch.equal(draws[0], torch.cat(parts)), "a batch draws what it would draw alone"
    assert not torch.equal(draws[0], sample(untrained, labels, sampler, seeded(1), 3, ""))


def test_samples_have_the_labels_that_were_asked_for(
    digits: Splits, preset: Callable[..., Preset], made: Images
) -> None:
    assert torch.equal(made.labels, torch.arange(13) % 10)
    assert made.images.shape == (13, 1, 8, 8)
    assert made.images.dtype == torch.long
    assert 0 <= made.images.min() <= made.images.max() <= 16
    real = real_images(digits, preset(samples=13))
    assert torch.equal(real.images, digits.train.x[:13])
    assert torch.equal(real.labels, digits.train.cond["label"][:13])
    assert len(real_images(digits, preset(samples=5_000)).images) == 1337, "there are no more"


def test_evaluations_are_counted_as_they_are_spent(
    digits: Splits, untrained: Model, preset: Callable[..., Preset], evaluations: list[int]
) -> None:
    images = sample(untrained, torch.arange(5), Sampler(steps=9), seeded(0), 5, "")
    assert evaluations == [5] * Sampler(steps=9).nfe == [5] * 10
    assert len(images) == 5
    for name, make in SAMPLERS.items():
        for nfe in SWEEP:
            evaluations.clear()
            sampler = make(nfe, 0.7)
            sample(untrained, torch.arange(2), sampler, seeded(0), 2, name)
            assert len(evaluations) == sampler.nfe == nfe


def test_what_is_made_is_what_was_asked_for(made: Images) -> None:
    assert made.nfe == 32
    assert made.profile is not None
    assert (made.profile[1] > 0).all()
    for result, n in ((made.bound, 360), (made.bound_given_label, 360), (made.flow, 2)):
        assert result is not None
        assert len(result.nats) == n
        assert result.nats.isfinite().all()
    assert [(p.sampler, p.nfe, len(p.images)) for p in made.sweep] == [
        (name, nfe, 11) for name in SAMPLERS for nfe in (4, 8)
    ]


def test_what_was_not_asked_for_is_not_made(
    digits: Splits, untrained: Model, preset: Callable[..., Preset]
) -> None:
    few = replace(digits, test=digits.test.rows(slice(9)))
    made = model_images(untrained, few, preset(), seeded(0))
    assert made.flow is None
    assert list(made.sweep) == []


def test_the_profile_integrates_to_the_diffusion_part_of_the_bound(
    digits: Splits, untrained: Model
) -> None:
    test, process = digits.test.rows(slice(100)), untrained.process
    profiles = [outputs._profile(untrained, test, seeded(0, k)) for k in range(10)]
    log_snr = profiles[0][0]
    window = [process.schedule.log_snr_min, process.schedule.log_snr_max]
    assert log_snr[[0, -1]].tolist() == pytest.approx(window)
    areas = torch.stack([torch.trapezoid(rate, log_snr) for _, rate in profiles])
    encoded = untrained.encode(test)
    parts = torch.stack([
        path_kl(
            process, untrained.denoiser, encoded, 24, LogSNRTimes(),
            density=False, generator=seeded(1, k),
        )[0].mean() / BIT
        for k in range(10)
    ])  # fmt: skip
    error = torch.hypot(areas.std(), parts.std()) / math.sqrt(10)
    assert error < 0.01, "the comparison is sharp"
    assert abs(areas.mean() - parts.mean()) < 4 * error


@pytest.mark.parametrize("label", [None, 0, 9])
def test_conditions_are_one_class_or_all_in_turn(digits: Splits, label: int | None) -> None:
    labels = conditions(digits, 12, label)["label"]
    assert labels.tolist() == ([*range(10), 0, 1] if label is None else [label] * 12)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_told_the_range(digits: Splits, label: int) -> None:
    with pytest.raises(ValueError, match=rf"no class {label}; labels are 0 to 9"):
        conditions(digits, 4, label)


def levels(n: int) -> Tensor:
    return (17 * uniform((n, 1, 8, 6), torch.empty(0), seeded(0))).long()


def test_an_array_is_written_as_it_is(tmp_path: Path) -> None:
    images, path = levels(5), tmp_path / "new" / "images.npy"
    write(images, path)
    assert np.array_equal(np.load(path, allow_pickle=False), images.numpy())


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (5, 2, 3), (9, 3, 3), (10, 3, 4)])
def test_a_picture_has_every_image_at_its_place(
    tmp_path: Path, n: int, rows: int, columns: int
) -> None:
    images, path = levels(n), tmp_path / "images.png"
    write(images, path)
    grey = imread(path)[..., 0]
    assert grey.shape == (9 * rows, 7 * columns), "a pixel of margin"
    for k, image in enumerate(images[:, 0]):
        top, left = 9 * (k // columns), 7 * (k % columns)
        shown = torch.from_numpy(grey[top : top + 8, left : left + 6])
        darker = shown.flatten().argsort(descending=True, stable=True)
        assert (image.flatten()[darker].diff() >= 0).all(), "dark is high"


@pytest.mark.parametrize("name", ["images.jpg", "images", ".png"])
def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / name
    with pytest.raises(ValueError, match=r"written as \.png or \.npy"):
        write(levels(2), path)
    assert not path.parent.exists()


def test_tiles_are_framed_and_in_order() -> None:
    grid = torch.arange(6).reshape(2, 3, 1, 1, 1)
    assert tiles(grid).tolist() == [
        [0, 0, 1, 0, 2, 0],
        [0] * 6,
        [3, 0, 4, 0, 5, 0],
        [0] * 6,
    ]
