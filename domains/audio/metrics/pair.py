"""What every judge of a file asks of its arguments, and when it has no answer.

Wrong use is an error: signals that are no rows of finite numbers, or not of one length. A file
that a measure isn't defined on is not: a silent or very short one may lie in any folder, so the
measure is NaN there, and `over_files` counts it apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Floats", "aligned", "checked_rate"]

Floats = NDArray[np.float64]


def aligned(**signals: ArrayLike) -> list[Floats]:
    """The named signals as float64 rows (n,), checked.

    Raises:
        ValueError: If one is empty, has several channels, or a NaN or an infinity; or if they
            differ in length.
    """
    rows = {name: np.asarray(x, dtype=np.float64) for name, x in signals.items()}
    for name, x in rows.items():
        if x.ndim != 1 or not len(x):
            raise ValueError(
                f"{name}: need one channel of samples, (n,), got shape {x.shape}; "
                "give the channels one by one"
            )
        bad = int((~np.isfinite(x)).sum())
        if bad:
            raise ValueError(f"{name}: {bad} of {len(x)} samples are NaN or infinite")
    if len({len(x) for x in rows.values()}) > 1:
        found = ", ".join(f"{name} has {len(x)}" for name, x in rows.items())
        raise ValueError(f"need signals of equal length: {found}; cut or pad them to match")
    return list(rows.values())


def checked_rate(rate: int) -> int:
    """The rate.

    Raises:
        ValueError: If it is not positive.
    """
    if rate < 1:
        raise ValueError(f"rate: need a positive number of samples a second, got {rate}")
    return rate
