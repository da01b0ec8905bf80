"""Image data: the published splits, complete and disjoint, and the exact trivial model."""

import math
import os
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from unnoise.core.random import seeded
from unnoise.data import load_digits, load_mnist
from unnoise.domains.images import data
from unnoise.domains.images.baseline import Pixels, exact
from unnoise.domains.images.outputs import independent_pixels
from unnoise.domains.task import Preset, Splits

SIZES = {"train": 1337, "valid": 100, "test": 360}


def counted(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Counter[bytes]:
    """How often each labelled image occurs."""
    return Counter(
        image.tobytes() + bytes([label]) for image, label in zip(images, labels, strict=True)
    )


def test_digits_are_split_by_the_published_permutation(digits: Splits) -> None:
    raw = load_digits()
    order = np.random.RandomState(0).permutation(1797)
    start = 0
    for name, size in SIZES.items():
        part, rows = getattr(digits, name), order[start : start + size]
        assert np.array_equal(part.x[:, 0], raw["images"][rows])
        assert np.array_equal(part.cond["label"], raw["labels"][rows])
        start += size
    assert start == len(order), "every image is in one part"


def test_digits_are_levels_of_the_grid(digits: Splits) -> None:
    assert digits.transform.values is not None
    levels = torch.arange(17)
    assert torch.equal(digits.train.x.unique(), levels.to(torch.uint8))
    assert torch.equal(digits.transform.decode(digits.transform.encode(levels)), levels)
    assert digits.train.cond["label"].dtype == torch.long
    assert torch.equal(digits.train.cond["label"].unique(), torch.arange(10))


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 1, 4, 6), (5, 3, 4, 6)])
def test_images_get_a_channel_if_they_have_none(shape: tuple[int, ...]) -> None:
    images = torch.arange(int(np.prod(shape))).reshape(shape)
    batch = data.images_batch(images, torch.arange(5, dtype=torch.uint8))
    assert batch.x.shape == (5, *(shape[1:] if len(shape) == 4 else (1, *shape[1:])))
    assert torch.equal(batch.x.flatten(), images.flatten())
    assert batch.cond["label"].dtype == torch.long


@pytest.mark.skipif(
    not os.environ.get("UNNOISE_DATA"), reason="MNIST lies in $UNNOISE_DATA, which is not set"
)
def test_mnist_is_split_into_disjoint_parts_that_make_up_the_whole() -> None:
    raw, splits = load_mnist(), data.mnist()
    parts = {
        name: (part.x[:, 0].numpy(), part.cond["label"].numpy())
        for name, part in (("train", splits.train), ("valid", splits.valid), ("test", splits.test))
    }
    assert {k: len(x) for k, (x, _) in parts.items()} == {
        "train": 59_000, "valid": 1_000, "test": 10_000,
    }  # fmt: skip
    both = counted(*parts["train"]) + counted(*parts["valid"])
    assert both == counted(raw["train_images"], raw["train_labels"])
    assert np.array_equal(parts["test"][0], raw["test_images"])
    assert np.array_equal(parts["test"][1], raw["test_labels"])
    assert torch.equal(splits.valid.x, data.mnist().valid.x), "the choice is fixed"
    assert splits.transform.values is not None
    assert len(splits.transform.values) == 256


def test_independent_pixels_score_the_published_bits(
    digits: Splits, preset: Callable[..., Preset]
) -> None:
    bound = independent_pixels(digits, preset()).bound
    assert bound is not None
    assert bound.kind == "exact"
    assert bound.bits_per_dim().value == pytest.approx(2.42, abs=0.005)


def test_independent_pixels_given_the_label_score_the_frequencies_of_its_class(
    digits: Splits, preset: Callable[..., Preset]
) -> None:
    """Also where too few samples are asked for to show every class."""
    scored = independent_pixels(digits, preset(samples=3)).bound_given_label
    assert scored is not None
    labels, test = digits.train.cond["label"], digits.test
    for i in range(0, 360, 40):
        images = digits.train.x[labels == test.cond["label"][i]]
        p = ((images == test.x[i]).sum(0).double() + 1 / 17) / (len(images) + 1)
        assert scored.nats[i].item() == pytest.approx(p.log().sum().item(), rel=1e-5)


def test_independent_pixels_have_the_marginals_of_their_class(
    digits: Splits, preset: Callable[..., Preset]
) -> None:
    outputs = independent_pixels(digits, preset(samples=5_000))
    assert torch.equal(outputs.labels.bincount(), torch.full((10,), 500))
    z = []
    for c in range(10):
        own = digits.train.x[digits.train.cond["label"] == c]
        p = Pixels.fit(own, 17).log_p.double().exp()
        drawn = outputs.images[outputs.labels == c]
        counts = torch.stack([(drawn == level).sum(0) for level in range(17)], -1)
        errors = (counts - 500 * p) / (500 * p * (1 - p)).sqrt()
        z.append(errors[(500 * p > 5) & (500 * (1 - p) > 5)])
    together = torch.cat(z)
    assert len(together) > 1_000
    assert together.abs().max() < 5
    assert together.square().mean().item() == pytest.approx(1, abs=0.1)


def test_a_result_of_bytes_knows_its_dimensions() -> None:
    """784 pixels are more than a byte can count."""
    batch = data.images_batch(torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(2))
    result = exact(torch.tensor([-784.0, 0.0]), batch)
    assert result.bits_per_dim().value == pytest.approx(0.5 / math.log(2))


def test_a_pixel_law_is_normalised_and_never_zero() -> None:
    pixels = Pixels.fit(torch.tensor([0, 0, 2]).reshape(3, 1, 1, 1), 4)
    p = pixels.log_p.exp().flatten()
    assert p.tolist() == pytest.approx([2.25 / 4, 0.25 / 4, 1.25 / 4, 0.25 / 4])
    drawn = pixels.sample(20_000, seeded(0)).flatten().bincount(minlength=4)
    assert stats.chisquare(drawn.numpy(), 20_000 * p.numpy(), sum_check=False).pvalue > 1e-4
