r"""What a classifier learns from generated rows, tested on real ones.

Trained on synthetic rows and tested on real ones, a classifier is as good as the rows tell of the
label; trained on real rows it has the value to compare with. The classifier is scikit-learn's
boosted trees on histograms, which take numbers, categories and missing values as they are.

The area under the ROC curve is the probability that a row with the label scores above one without
it. Its standard error, for a given classifier and random test rows, is DeLong's: with
:math:`v_i` the share of the rows without it that row i is above, and :math:`w_j` that of the rows
with it that are above row j,

.. math:: \mathrm{AUC} = \bar v = \bar w, \qquad
          \mathrm{stderr}^2 = \frac{\mathrm{var}(v)}{m} + \frac{\mathrm{var}(w)}{n}

It doesn't contain the chance in the training rows: repeat it with other samples for that.

References:
    DeLong, DeLong, Clarke-Pearson (1988), Comparing the Areas under Two or More Correlated Receiver
    Operating Characteristic Curves; Esteban et al. (2017) for training on synthetic rows and
    testing on real ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unnoise.domains.task import Score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["auc", "classifier_auc", "is_number"]

_MOST_LEVELS = 255  # that the trees can tell apart as categories


def auc(scores: ArrayLike, positive: ArrayLike) -> Score:
    """Area under the ROC curve and DeLong's standard error (higher is better, in [0, 1]).

    Args:
        scores: One number a row, higher for the label; ties count half.
        positive: Whether the row has the label.

    Raises:
        ValueError: If no row has the label, or all have.

    >>> auc([0.9, 0.5, 0.5, 0.1], [True, True, False, False]).value
    0.875
    """
    from scipy.stats import rankdata

    values, label = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    with_it, without = values[label], values[~label]
    m, n = len(with_it), len(without)
    if not (m and n):
        raise ValueError(f"positive: need rows with the label and without, got {m} and {n}")
    ranks = rankdata(values)
    v = (ranks[label] - rankdata(with_it)) / n
    w = 1 - (ranks[~label] - rankdata(without)) / m
    if min(m, n) == 1:
        return Score(float(v.mean()))
    return Score(float(v.mean()), math.sqrt(v.var(ddof=1) / m + w.var(ddof=1) / n))


def classifier_auc(train: pd.DataFrame, test: pd.DataFrame, label: str) -> Score:
    """AUC on real rows of boosted trees fitted to other rows, synthetic or real (higher is better).

    A column is a number if both frames say so, and else a category. Categories that training
    didn't have are missing values in the test. If training has one label only, nothing can be
    learnt: the AUC is one half.

    Args:
        train: Rows to learn from.
        test: Real rows, with the same columns.
        label: The column to predict, with two levels in `test`; the later one in sorted order is
            the positive one.

    Raises:
        ValueError: If the columns differ, there is no label, or `test` hasn't two levels of it.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if set(train.columns) != set(test.columns) or label not in test.columns:
        raise ValueError(
            f"train, test: need the same columns and {label!r} among them, got "
            f"{sorted(train.columns)} and {sorted(test.columns)}"
        )
    found = sorted(test[label].astype(str).unique())
    if len(found) != 2:
        raise ValueError(f"test: need two levels of {label!r}, got {len(found)}: {found[:5]}")
    wanted, truth = ((f[label].astype(str) == found[1]).to_numpy() for f in (train, test))
    if wanted.all() or not wanted.any():
        return auc(np.zeros(len(test)), truth)
    names = [name for name in test.columns if name != label]
    x, y, categorical = _features(train[names], test[names])
    trees = HistGradientBoostingClassifier(
        categorical_features=categorical, early_stopping=False, random_state=0
    )
    return auc(trees.fit(x, wanted).decision_function(y), truth)


def _features(
    train: pd.DataFrame, test: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Both frames as numbers, and which of the columns are categories."""
    columns, categorical = [], []
    for name in test.columns:
        numbers = all(is_number(frame[name]) for frame in (train, test))
        encode = _numbers if numbers else _codes
        columns.append(encode(train[name], test[name]))
        categorical.append(not numbers and train[name].nunique() <= _MOST_LEVELS)
    x, y = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
    return x, y, np.array(categorical)


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds numbers; truth values are none."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(column) and not is_bool_dtype(column))


def _numbers(*columns: pd.Series[Any]) -> list[NDArray[np.float64]]:
    return [column.to_numpy(dtype=np.float64, na_value=np.nan) for column in columns]


def _codes(train: pd.Series[Any], test: pd.Series[Any]) -> list[NDArray[np.float64]]:
    """The place of each level among those of the training rows; NaN for others."""
    order = {name: float(i) for i, name in enumerate(sorted(train.dropna().astype(str).unique()))}
    return [column.astype(str).map(order).to_numpy(dtype=np.float64) for column in (train, test)]
