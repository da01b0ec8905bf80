"""From a data set's files to arrays, in the values and order of the original; no scaling."""

import numpy as np
from numpy.typing import NDArray

from unnoise.data.idx import read_idx
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

__all__ = ["load_digits", "load_mnist"]

_MNIST = {
    "train_images": "raw/train-images-idx3-ubyte.gz",
    "train_labels": "raw/train-labels-idx1-ubyte.gz",
    "test_images": "raw/t10k-images-idx3-ubyte.gz",
    "test_labels": "raw/t10k-labels-idx1-ubyte.gz",
}


def load_mnist(*, quiet: bool = False) -> dict[str, NDArray[np.uint8]]:
    """Loads MNIST, downloading it (11.6 MB) if it is not here.

    Args:
        quiet: Whether a download does without its progress bar.

    Returns:
        `train_images` (60000, 28, 28) and `test_images` (10000, 28, 28), levels 0..255;
        `train_labels` (60000,) and `test_labels` (10000,), 0..9.

    Raises:
        DataError: If the files are neither here nor to be had, or are damaged.
    """
    folder = find(SOURCES["mnist"], quiet=quiet)
    return {name: read_idx(folder / path) for name, path in _MNIST.items()}


def load_digits() -> dict[str, NDArray[np.uint8]]:
    """Loads the 8 x 8 digits that scikit-learn carries; needs no network.

    Returns:
        `images` (1797, 8, 8), levels 0..16; `labels` (1797,), 0..9.
    """
    from sklearn.datasets import load_digits as embedded

    digits = embedded()
    return {"images": digits.images.astype(np.uint8), "labels": digits.target.astype(np.uint8)}
