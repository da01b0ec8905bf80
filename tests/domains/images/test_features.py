"""Random features and classifier: exact reproducibility, a clean global state, a safe cache."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from unnoise.domains.images.features import (
    Classifier,
    RandomFeatures,
    batched,
    cached_classifier,
    classifier_key,
    train_classifier,
)

Data = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def digits() -> tuple[Data, Data]:
    """1,437 images to train on and 360 to test on, (N, 1, 8, 8) in [-1, 1]."""
    bunch, order = load_digits(), np.random.RandomState(0).permutation(1797)
    x = torch.tensor(bunch.images[order] / 8 - 1, dtype=torch.float32)[:, None]
    labels = torch.tensor(bunch.target[order])
    return (x[:1437], labels[:1437]), (x[1437:], labels[1437:])


def quick(digits: tuple[Data, Data], seed: int, steps: int = 5) -> Classifier:
    return train_classifier(*digits[0], valid=digits[1], seed=seed, steps=steps, batch=32)


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


# --- random features -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 28, 28), (3, 32, 32)])
def test_random_features_are_fixed(shape: tuple[int, int, int]) -> None:
    x = torch.rand(6, *shape) * 2 - 1
    before = torch.get_rng_state()
    features = RandomFeatures(shape, dim=64, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert not list(features.parameters())
    assert features(x).shape == (6, 64)
    assert equal(features, RandomFeatures(shape, dim=64, seed=3))
    assert not equal(features, RandomFeatures(shape, dim=64, seed=4))


def test_random_filters_are_orthogonal() -> None:
    features = RandomFeatures((3, 8, 8), dim=128)
    wide, narrow = features.w2.flatten(1), features.w1.flatten(1)  # (32, 288) and (32, 27)
    torch.testing.assert_close(wide @ wide.T, 4 * torch.eye(32), atol=1e-5, rtol=0)
    assert torch.linalg.matrix_rank(narrow) == 27  # columns span: no direction of a patch is lost


def test_random_features_see_contrast_but_not_a_shift_within_a_cell() -> None:
    features, dot = RandomFeatures((1, 32, 32)), torch.full((1, 1, 32, 32), -1.0)
    dot[:, :, 7, 7] = 1  # clear of the padding
    moved = dot.roll((2, 4), dims=(2, 3))  # by multiples of the first pooling, within a quadrant
    torch.testing.assert_close(features(moved), features(dot), atol=1e-6, rtol=0)
    faint = torch.cosine_similarity(features(dot / 2), features(dot))
    assert faint < 0.999  # homogeneous features would only be shorter


def test_random_features_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="shape: need"):
        RandomFeatures((1, 3, 8))
    with pytest.raises(ValueError, match="multiple of 4, got 6"):
        RandomFeatures((1, 8, 8), dim=6)
    with pytest.raises(ValueError, match=r"x: need images of shape \(1, 8, 8\)"):
        RandomFeatures((1, 8, 8))(torch.zeros(2, 3, 8, 8))


# --- classifier ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (1, 28), (3, 32), (1, 5)])
def test_classifier_is_compact(channels: int, size: int) -> None:
    net, x = Classifier(channels, size, 10).eval(), torch.zeros(2, channels, size, size)
    assert 50_000 < sum(p.numel() for p in net.parameters()) < 100_000
    assert net.features(x).shape == (2, 64)
    assert torch.equal(net.head(net.features(x)), net(x))
    assert math.isnan(net.accuracy)


def test_classifier_learns_the_digits(digits: tuple[Data, Data]) -> None:
    net = train_classifier(*digits[0], valid=digits[1], seed=0, steps=150)
    x, labels = digits[1]
    right = batched(net, x, batch=100).argmax(1) == labels
    assert net.accuracy == right.float().mean() > 0.98
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_training_is_reproducible_and_leaves_the_global_rng_alone(
    digits: tuple[Data, Data],
) -> None:
    before = torch.get_rng_state()
    first = quick(digits, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)  # the global state is not an input either
    assert equal(first, quick(digits, seed=1))
    assert not equal(first, quick(digits, seed=2))


def test_training_takes_fewer_images_than_a_batch(digits: tuple[Data, Data]) -> None:
    x, labels = digits[0]
    net = train_classifier(x[:20], labels[:20], valid=digits[1], seed=0, steps=3)
    assert torch.isfinite(net(x[:5])).all()


def test_training_refuses_what_does_not_fit(digits: tuple[Data, Data]) -> None:
    (x, labels), valid = digits
    bad = x.clone()
    bad[0, 0, 0, 0] = math.nan
    cases: list[tuple[Tensor, Tensor, Data, int, str]] = [
        (x[..., 1:], labels, valid, 5, "x: need square images"),
        (x, labels[1:], valid, 5, "x: need one label an image, got 1437 images"),
        (bad, labels, valid, 5, "x: NaN or infinite"),
        (x, labels - 1, valid, 5, "x: .* negative labels"),
        (x, labels, (valid[0][:0], valid[1][:0]), 5, "valid: need one label an image, got 0"),
        (x, labels, valid, 0, "steps: need at least"),
    ]
    for images, classes, held_out, steps, message in cases:
        with pytest.raises(ValueError, match=message):
            train_classifier(images, classes, valid=held_out, seed=0, steps=steps)


# --- cache ---------------------------------------------------------------------------------------


def never() -> Classifier:
    pytest.fail("trained again")


def test_key_depends_on_data_and_settings(digits: tuple[Data, Data]) -> None:
    x, labels = digits[0]
    key = classifier_key(x, labels, seed=0, steps=5)
    assert key == classifier_key(x.clone(), labels, steps=5, seed=0)
    changed = x.clone()
    changed[0, 0, 0, 0] += 0.1
    others = [
        classifier_key(changed, labels, seed=0, steps=5),
        classifier_key(x, labels.flip(0), seed=0, steps=5),
        classifier_key(x, labels, seed=1, steps=5),
        classifier_key(x.reshape(-1, 1, 4, 16), labels, seed=0, steps=5),
    ]
    assert len({key, *others}) == 5


def test_cache_gives_the_same_classifier_back(tmp_path: Path, digits: tuple[Data, Data]) -> None:
    template, folder, x = Classifier(1, 8, 10), tmp_path / "new", digits[1][0]
    made = cached_classifier("k", folder, lambda: quick(digits, 0), template)
    found = cached_classifier("k", folder, never, template)
    assert torch.equal(found(x), made(x)) and equal(found, made)
    assert not found.training and not any(p.requires_grad for p in found.parameters())
    assert math.isnan(template.accuracy)  # a copy was filled
    assert [f.name for f in folder.iterdir()] == ["classifier-k.safetensors"]
    other = cached_classifier("other", folder, lambda: quick(digits, 1), template)
    assert not equal(other, made)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "another architecture"])
def test_damaged_cache_is_trained_over(
    tmp_path: Path, digits: tuple[Data, Data], damage: str
) -> None:
    template, file = Classifier(1, 8, 10), tmp_path / "classifier-k.safetensors"
    made = cached_classifier("k", tmp_path, lambda: quick(digits, 0), template)
    if damage == "another architecture":
        template = Classifier(1, 8, 7)
    else:
        file.write_bytes(file.read_bytes()[:1000] if damage == "truncated" else b"no such thing")
    with pytest.warns(UserWarning, match="training again, classifier-k.safetensors"):
        again = cached_classifier("k", tmp_path, lambda: quick(digits, 0), template)
    assert equal(again, made)
    assert equal(cached_classifier("k", tmp_path, never, Classifier(1, 8, 10)), made)


def test_failed_training_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> Classifier:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_classifier("k", tmp_path, fail, Classifier(1, 8, 10))
    assert not list(tmp_path.iterdir())
