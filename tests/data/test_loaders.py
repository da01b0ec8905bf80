"""The arrays, against what is published about them."""

import hashlib
import os

import numpy as np
import pytest

from unnoise.data import find, load_digits, load_mnist, lookup

needs_mnist = pytest.mark.skipif(
    not os.environ.get("UNNOISE_DATA"),
    reason="UNNOISE_DATA is not set, and tests do not download",
)


@needs_mnist
def test_mnist() -> None:
    mnist = load_mnist(quiet=True)
    assert {name: array.shape for name, array in mnist.items()} == {
        "train_images": (60000, 28, 28),
        "train_labels": (60000,),
        "test_images": (10000, 28, 28),
        "test_labels": (10000,),
    }
    assert all(array.dtype == np.uint8 for array in mnist.values())
    assert mnist["train_images"].mean() == pytest.approx(33.318, abs=1e-3)
    assert mnist["train_images"].std() == pytest.approx(78.567, abs=1e-3)
    assert (mnist["train_images"].min(), mnist["train_images"].max()) == (0, 255)
    assert mnist["train_labels"][:5].tolist() == [5, 0, 4, 1, 9]
    histogram = np.bincount(mnist["test_labels"])
    assert histogram.sum() == 10000
    assert histogram.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_mnist
def test_mnist_is_what_torchvision_calls_mnist() -> None:
    source = lookup("mnist")
    folder = find(source)
    for file in source.files:
        content = (folder / file.path).read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == file.md5


def test_digits() -> None:
    digits = load_digits()
    images, labels = digits["images"], digits["labels"]
    assert images.shape == (1797, 8, 8) and images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 16)
    # The class counts that UCI publishes for this set.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
