"""The image data sets as splits of integer levels with their labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.random import seeded
from unnoise.core.transform import Quantised
from unnoise.data import load_digits, load_mnist
from unnoise.domains.task import Splits

__all__ = ["digits", "images_batch", "mnist"]


def digits() -> Splits:
    """scikit-learn's 8 x 8 digits, 17 levels: RandomState(0).permutation, 1337 train / 100 valid /
    360 test."""
    data = load_digits()
    order = np.random.RandomState(0).permutation(len(data["images"]))
    images, labels = (
        torch.from_numpy(data["images"][order]),
        torch.from_numpy(data["labels"][order]),
    )
    train, valid, test = (
        images_batch(images[rows], labels[rows])
        for rows in (slice(1337), slice(1337, 1437), slice(1437, None))
    )
    return Splits(train, valid, test, Quantised(17))


def mnist() -> Splits:
    """MNIST, 28 x 28, 256 levels: 59,000 train / 1,000 valid (a fixed random choice of the 60,000)
    / the 10,000 test images."""
    data = load_mnist()
    images, labels = torch.from_numpy(data["train_images"]), torch.from_numpy(data["train_labels"])
    order = torch.randperm(len(images), generator=seeded(0))
    train, valid = (
        images_batch(images[rows], labels[rows]) for rows in (order[1000:], order[:1000])
    )
    test = images_batch(
        torch.from_numpy(data["test_images"]), torch.from_numpy(data["test_labels"])
    )
    return Splits(train, valid, test, Quantised(256))


def images_batch(images: Tensor, labels: Tensor) -> Batch:
    """Grey images (N, H, W) or (N, C, H, W) of levels, with labels (N,), as a Batch."""
    x = images if images.ndim == 4 else images[:, None]
    return Batch(x, cond={"label": labels.long()})
