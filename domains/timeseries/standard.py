r"""Channels in units of their own spread, and of a shape that a Gaussian process suits.

    z = (w(x) - mean) / std,    w(x) = x, or sqrt(x) for amounts

An amount, never negative and with a long upper tail (dust in the air, a bill, a count), has fluctuations that grow
with it. Its root has a tail half as heavy, and its square can't blow up as an exponential does.

Units are those of all series together, or, where series differ in level more than they vary, each one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.domains.timeseries.panel import Panel, Series

__all__ = ["Standard", "Units"]

Array = NDArray[np.float64]
_ENOUGH = 30  # known values of a channel that a series needs for units of its own
_SKEWED = 1.0  # skewness from which on a channel without negative values is an amount


@dataclass(frozen=True, eq=False)
class Standard:
    """z = (w(x) - mean) / std of every channel, over all series.

    Attributes:
        mean, std: of w(x), (C,).
        amount: which channels' w is the root, (C,) booleans.
    """

    mean: Array
    std: Array
    amount: NDArray[np.bool_]

    @staticmethod
    def of(panel: Panel) -> Standard:
        """That of what is known of a panel.

        Raises:
            ValueError: if a channel has no two different values.
        """
        values = np.concatenate([s.values for s in panel.series])
        mean, std, skewness = _moments(values)
        flat = ~(std > 1e-12 * np.maximum(1.0, np.abs(mean)))
        if flat.any():
            name = panel.channels[int(flat.argmax())]
            raise ValueError(
                f"channel {name!r} has no two different values: there is nothing to learn; leave it out"
            )
        known = np.where(np.isfinite(values), values, 0.0)
        amount = (known >= 0).all(0) & (skewness > _SKEWED)
        mean, std, _ = _moments(np.where(amount, np.sqrt(np.where(amount, values, 1.0)), values))
        return Standard(mean, std, amount)

    def encode(self, values: Array) -> Array:
        """User's units to standard ones, channels last; what an amount has below 0 counts as 0."""
        return (np.where(self.amount, _root(values), values) - self.mean) / self.std

    def decode(self, z: Array) -> Array:
        """Standard units to the user's."""
        w = z * self.std + self.mean
        return np.where(self.amount, np.maximum(w, 0.0) ** 2, w)

    def log_det(self, values: Array) -> Array:
        """log dz / dx at values in the user's units, channels last; NaN where they are."""
        with np.errstate(divide="ignore"):
            slope = -np.log(2 * np.sqrt(np.maximum(values, 0.0)))
        return np.where(self.amount, slope, values * 0.0) - np.log(self.std)

    def to_json(self) -> dict[str, Any]:
        return {k: getattr(self, k).tolist() for k in ("mean", "std", "amount")}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Standard:
        return Standard(
            np.array(told["mean"]), np.array(told["std"]), np.array(told["amount"], dtype=bool)
        )


@dataclass(frozen=True, eq=False)
class Units:
    """The standard of every series.

    Attributes:
        common: that of all series together.
        own: whether a series has its own, from what is known of it; channels of which too little is, have the
            common one.
    """

    common: Standard
    own: bool

    @staticmethod
    def of(panel: Panel) -> Units:
        """Those of training data: their own where levels of series differ more than series vary, and all have enough
        known values.

        Raises:
            ValueError: see `Standard.of`.
        """
        common = Standard.of(panel)
        z = [common.encode(s.values) for s in panel.series]
        enough = all((np.isfinite(v).sum(0) >= _ENOUGH).all() for v in z)
        if len(z) < 2 or not enough:
            return Units(common, False)
        levels = np.stack([np.nanmean(v, 0) for v in z])
        return Units(common, bool(levels.var(0).mean() > 0.5))

    def __call__(self, series: Series) -> Standard:
        """That of a series."""
        if not self.own:
            return self.common
        values = np.where(self.common.amount, _root(series.values), series.values)
        mean, std, _ = _moments(values)
        enough = (np.isfinite(values).sum(0) >= _ENOUGH) & (std > 1e-12 * np.maximum(1, abs(mean)))
        return Standard(
            np.where(enough, mean, self.common.mean),
            np.where(enough, std, self.common.std),
            self.common.amount,
        )

    def to_json(self) -> dict[str, Any]:
        return {"common": self.common.to_json(), "own": self.own}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Units:
        return Units(Standard.from_json(told["common"]), bool(told["own"]))


def _root(values: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(values, 0.0)))


def _moments(values: Array) -> tuple[Array, Array, Array]:
    """Mean, standard deviation and skewness of the known values of each channel."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, values, 0.0).sum(0) / count
    gap = np.where(known, values - mean, 0.0)
    std = np.sqrt((gap**2).sum(0) / count)
    return mean, std, (gap**3).sum(0) / count / np.where(std > 0, std, 1.0) ** 3
