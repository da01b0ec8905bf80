"""Frames as codes, so that what judges codes judges mixed tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from unnoise.domains.categorical.metrics.classifier import is_number
from unnoise.domains.categorical.metrics.marginals import quantile_codes

__all__ = ["frame_codes"]


def frame_codes(real: pd.DataFrame, made: pd.DataFrame, bins: int = 20) -> tuple[Tensor, Tensor]:
    """The columns of the real frame in both frames as codes, (N, D) and (M, D): numbers by their
    place among the real quantiles, see `quantile_codes`; anything else by its name.

    Raises:
        ValueError: If `made` lacks a column.

    >>> real = pd.DataFrame({"x": [0.0, 0.0, 1.0], "y": ["b", "a", "b"]})
    >>> frame_codes(real, pd.DataFrame({"y": ["b", "c"], "x": [0.0, 9.0]}), bins=2)[1].tolist()
    [[1, 1], [4, 2]]
    """
    if lacking := sorted(set(real.columns) - set(made.columns), key=str):
        raise ValueError(f"made: lacks the columns {', '.join(map(repr, lacking))}")
    pairs = []
    for name in real.columns:
        both = real[name], made[name]
        if all(is_number(column) for column in both):
            one, two = (c.to_numpy(np.float64, na_value=np.nan) for c in both)
            pairs.append(quantile_codes(one, two, bins))
        else:
            names = pd.concat([column.astype(str) for column in both])
            codes = pd.factorize(names, sort=True)[0]
            pairs.append((codes[: len(real)], codes[len(real) :]))
    first, second = (
        torch.from_numpy(np.stack(part, axis=1)).long() for part in zip(*pairs, strict=True)
    )
    return first, second
