r"""Numbers of nodes and of edges, standardised: z = (v - m) / s a component.

m and s are the mean and the standard deviation of the training graphs, so log p(v) = log p(z) - sum log s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scale"]

_CONSTANT = 1e-12  # of the values' size: less spread than that is rounding


@dataclass(frozen=True)
class Scale:
    """The units of an attribute, a number or a list of D numbers.

    Attributes:
        mean: of each component.
        sd: of each component.
        single: whether the attribute is a number, no list of one.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    single: bool = True

    @staticmethod
    def of(values: Sequence[Any], what: str) -> Scale:
        """Of the values of the training graphs.

        Raises:
            ValueError: for values that aren't finite numbers, or not as many each, or that are the
                same everywhere: they have no density.
        """
        single = np.ndim(values[0]) == 0
        x = _array(values, np.size(values[0]), what)
        mean, sd = x.mean(0), x.std(0)
        for k in (sd <= _CONSTANT * np.abs(x).max(0)).nonzero()[0]:
            raise ValueError(
                f"{what}: component {k} is {x[0, k]:.6g} everywhere; remove it, a constant has no density"
            )
        return Scale(tuple(mean.tolist()), tuple(sd.tolist()), single)

    @property
    def width(self) -> int:
        """Components."""
        return len(self.mean)

    @property
    def log_det(self) -> float:
        """log |dz / dv| of one node or edge."""
        return -sum(map(math.log, self.sd))

    def encode(self, values: Sequence[Any], what: str) -> NDArray[np.float64]:
        """z of values, (n, D).

        Raises:
            ValueError: for what isn't as many finite numbers.
        """
        x = _array(values, self.width, what)
        z: NDArray[np.float64] = (x - np.array(self.mean)) / np.array(self.sd)
        return z

    def decode(self, z: NDArray[np.float64]) -> list[Any]:
        """The values of z (n, D): numbers, or lists of them."""
        x = z * np.array(self.sd) + np.array(self.mean)
        values: list[Any] = x[:, 0].tolist() if self.single else x.tolist()
        return values

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(told: Mapping[str, Any] | None) -> Scale | None:
        if told is None:
            return None
        return Scale(tuple(told["mean"]), tuple(told["sd"]), told["single"])


def _array(values: Sequence[Any], width: int, what: str) -> NDArray[np.float64]:
    """Values as (n, width) numbers."""
    rows = np.empty((len(values), width))
    for k, value in enumerate(values):
        if value is None:
            raise ValueError(f"{what}: one has none; give it to all or to none")
        try:
            row = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{what}: {value!r} is no number, nor a list of them") from None
        if row.ndim > 1 or row.size != width:
            raise ValueError(
                f"{what}: one has shape {np.shape(value)} where another has {width} numbers; give all as many"
            )
        if not np.isfinite(row).all():
            raise ValueError(f"{what}: {value!r} is not finite")
        rows[k] = row
    return rows
