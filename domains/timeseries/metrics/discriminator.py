r"""Whether a classifier can tell generated windows from real ones.

Of a window it sees the values, their increments, the mean and the standard deviation of each
channel, the mean product of neighbours in time, and that of every two channels: boosted trees cut
one feature at a time, and would hardly find a difference of two values by themselves. Each window
is judged by trees that saw other windows only (cross-validation).

The best possible classifier of two laws with equal numbers of windows is right with probability
:math:`\tfrac12 + \tfrac12 \mathrm{TV}`, and its log loss is :math:`\log 2 - \mathrm{JS}`. Of
equal laws: accuracy one half, log loss log 2 = .693 nats. What trees find is less: accuracies are
lower bounds of what a better classifier would have, and log losses may exceed log 2 by what trees
fitted to chance.

References:
    Lopez-Paz, Oquab (2017), Revisiting Classifier Two-Sample Tests; Yoon et al. (2019), TimeGAN,
    for a discriminative score of time series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.task import Score
from unnoise.domains.timeseries.metrics.mmd import flat_pair

__all__ = ["Discrimination", "discriminate", "window_features"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Discrimination:
    """What a classifier makes of real and generated windows that it didn't see in training.

    Attributes:
        accuracy: Share of windows told right, real and generated weighing equally; .5: none can be
            told.
        log_loss: Mean nats of the right answer, weighed likewise; log 2: none can be told.
    """

    accuracy: Score
    log_loss: Score


def discriminate(
    real: ArrayLike, made: ArrayLike, rng: np.random.Generator, folds: int = 5
) -> Discrimination:
    """Cross-validated accuracy and log loss of boosted trees between two sets of windows.

    Standard errors are those of the windows judged, given the trees; the chance in training comes
    on top. For the floor, `real_against_real`. Of 2,000 windows of 64 times it takes seconds.

    Args:
        real: Windows (N, T, C), without gaps.
        made: Windows (M, T, C).
        rng: Of the folds and the trees.
        folds: Into how many parts windows are dealt.

    Raises:
        ValueError: For unequal shapes, values that aren't finite, or fewer windows than folds.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    a, b = flat_pair(real, made)
    if not 2 <= folds <= min(len(a), len(b)):
        least = min(len(a), len(b))
        raise ValueError(f"folds: need 2 to {least}, the windows of a set, got {folds}")
    x = np.concatenate([window_features(real), window_features(made)])
    label = np.repeat([0, 1], [len(a), len(b)])
    deal, grow = (int(seed) for seed in rng.integers(2**31, size=2))
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=60,
        max_leaf_nodes=8,
        min_samples_leaf=min(20, len(x) // 10),
        early_stopping=False,
        random_state=grow,
    )
    parts = StratifiedKFold(folds, shuffle=True, random_state=deal)
    p = cross_val_predict(trees, x, label, cv=parts, method="predict_proba")
    p /= np.bincount(label)  # as if both sets had been of one size (weights make fitting slow)
    own = p[np.arange(len(label)), label] / p.sum(axis=1)
    right = np.where(own == 0.5, 0.5, own > 0.5)
    return Discrimination(_balanced(right, label), _balanced(-np.log(own), label))


def window_features(windows: ArrayLike) -> Floats:
    """What the classifier sees of windows (N, T, C): values, increments and second moments.

    >>> window_features([[[1.0], [4.0]]]).tolist()
    [[1.0, 4.0, 3.0, 2.5, 1.5, -2.25]]
    """
    x = np.asarray(windows, dtype=np.float64)
    if x.ndim != 3:
        raise ValueError(f"windows: need (N, T, C), got {x.shape}")
    n, t, c = x.shape
    mean, sd = x.mean(axis=1), x.std(axis=1)
    z = x - mean[:, None]
    first, second = np.triu_indices(c, k=1)
    joint = np.einsum("ntc,ntd->ncd", z, z)[:, first, second] / t
    near = (z[:, 1:] * z[:, :-1]).sum(axis=1) / max(t - 1, 1)
    parts = (x.reshape(n, -1), np.diff(x, axis=1).reshape(n, -1), mean, sd, near, joint)
    return np.concatenate(parts, axis=1)


def _balanced(values: Floats, label: NDArray[np.int_]) -> Score:
    """The mean of the means of both labels."""
    sides = [values[label == side] for side in (0, 1)]
    variance = sum(float(v.var(ddof=1)) / len(v) for v in sides) / 4
    return Score(float(np.mean([v.mean() for v in sides])), math.sqrt(variance))
