r"""The distribution function of a column of numbers, which makes them normal: $u = F(v)$, $z =
\Phi^{-1}(u)$.

F has steps at atoms, values that occur in one row of a thousand, and straight lines between quantiles
elsewhere. Whole numbers, and those with a few decimals, lie on a grid of step s. So a value owns ranks:

    an atom              (F(v-), F(v)]                width  P(v)
    a point of a grid    (F(v - s/2), F(v + s/2)]     width  P(v)
    any other value      F(v)                         width  0

A width is filled by a uniform draw, and any rank in it decodes to exactly v: the column's law is what
it was. With p(u) = p(z) / phi(z) the density that a model gives to ranks,

    log P(v) = log int_v p(u) du >= E_v[log p(z(u)) - log phi(z(u))] + log width      (Jensen)
    log p(v) = log p(z) - log phi(z) + log F'(v)                                      real numbers

A point of a grid that is no atom counts as a density, P(v) / s, which for whole numbers is P(v).

Between the ends of the column there is a rank for everything. Beyond them, and in gaps between atoms,
lie ranks worth one row in all; tails fall like a Cauchy law's, so that no number is impossible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Quantiles"]

Array = NDArray[np.float64]

_DECIMALS = 6  # at most, of a grid
_ATOM = 0.001, 3  # the share of the rows, and their number, that make a value an atom


@final
@dataclass(frozen=True, eq=False)
class Quantiles:
    """F of a column, in units of its grid.

    Attributes:
        points: values where F is known, (K,), non-decreasing; twice where F steps.
        ranks: F at these, (K,), increasing, in (0, 1).
        atoms: values with steps of their own, increasing.
        ends: the least and the largest value.
        decimals: of the grid; None: real numbers.
    """

    points: Array
    ranks: Array
    atoms: Array
    ends: tuple[float, float]
    decimals: int | None

    @staticmethod
    def fit(values: Array, knots: int, single: bool = False) -> Quantiles:
        """F of some numbers, by about `knots` quantiles; `single`: they were single precision."""
        decimals = _decimals(values, single)
        v, counts = np.unique(_on_grid(values, decimals), return_counts=True)
        n, after = len(values), counts.cumsum()
        often = counts >= max(_ATOM[1], math.ceil(_ATOM[0] * n)) if len(v) > 1 else counts > 0
        kept, half = _kept(v, counts, often, knots), _half(decimals)
        points = np.concatenate([v[often] - half, v[often] + half, v[kept]])
        below = np.concatenate([(after - counts)[often], after[often], (after - counts / 2)[kept]])
        order = np.lexsort((points, below))
        points, below = points[order], below[order]
        new = np.append(True, (np.diff(points) > 0) | (np.diff(below) > 0))
        points, below = points[new], below[new]
        # what no row tells of: the tails beyond an atom, and the gap between two
        unseen = np.concatenate([[below[0] == 0], np.diff(below) == 0, [below[-1] == n]])
        extra = unseen / max(unseen.sum(), 1)
        ranks = (below + extra.cumsum()[:-1]) / (n + extra.sum())
        return Quantiles(points, ranks, v[often], (float(v[0]), float(v[-1])), decimals)

    def interval(self, values: Array) -> tuple[Array, Array]:
        """The least rank that each value owns, and how many."""
        v, half = _on_grid(values, self.decimals), _half(self.decimals)
        low = self._ranks(v - half, before=True)
        if half:
            return low, self._ranks(v + half) - low
        return low, np.where(self._is_atom(v), self._ranks(v) - low, 0.0)

    def log_scale(self, values: Array) -> Array:
        """What takes log p(ranks) to log p(values), (n,): log width, or log F'."""
        v, (_, width) = _on_grid(values, self.decimals), self.interval(values)
        if self.decimals is not None:
            per_step = np.where(self._is_atom(v), 0.0, self.decimals * math.log(10))
            out: Array = np.log(width) + per_step
            return out
        scale = np.where(width > 0, width, self._slope(v))
        return np.asarray(np.log(scale))

    def decode(self, u: Array) -> Array:
        """The value at each rank, within the ends of the column."""
        v = np.interp(u, self.ranks, self.points)
        if self.decimals is None:
            return v
        return np.asarray(np.clip(np.rint(v), *self.ends) / 10.0**self.decimals)

    def _ranks(self, v: Array, before: bool = False) -> Array:
        """F, or its limit from the left."""
        x, r = self.points, self.ranks
        inner = 1 - np.interp(-v, -x[::-1], 1 - r[::-1]) if before else np.interp(v, x, r)
        scale = self._scale
        left = r[0] * scale / (scale + np.maximum(x[0] - v, 0))
        right = 1 - (1 - r[-1]) * scale / (scale + np.maximum(v - x[-1], 0))
        return np.where(v < x[0], left, np.where(v > x[-1], right, inner))

    def _slope(self, v: Array) -> Array:
        """F' from the right; anything at an atom."""
        x, r, scale = self.points, self.ranks, self._scale
        k = np.clip(np.searchsorted(x, v, "right"), 1, len(x) - 1)
        step = x[k] - x[k - 1]
        inner = (r[k] - r[k - 1]) / np.where(step > 0, step, 1.0)
        far = np.maximum(np.maximum(x[0] - v, v - x[-1]), 0)
        tail = np.where(v < x[0], r[0], 1 - r[-1]) * scale / (scale + far) ** 2
        return np.where((v < x[0]) | (v > x[-1]), tail, inner)

    @property
    def _scale(self) -> float:
        """How far the tails reach."""
        return float(self.points[-1] - self.points[0]) or 1.0

    def _is_atom(self, v: Array) -> NDArray[np.bool_]:
        if not len(self.atoms):
            return np.zeros(len(v), dtype=bool)
        near = np.clip(np.searchsorted(self.atoms, v), 0, len(self.atoms) - 1)
        return np.asarray(self.atoms[near] == v)

    def to_json(self) -> dict[str, Any]:
        arrays = {k: getattr(self, k).tolist() for k in ("points", "ranks", "atoms")}
        return {**arrays, "ends": list(self.ends), "decimals": self.decimals}

    @staticmethod
    def from_json(told: dict[str, Any]) -> Quantiles:
        points, ranks, atoms = (
            np.array(told[k], dtype=np.float64) for k in ("points", "ranks", "atoms")
        )
        low, high = told["ends"]
        return Quantiles(points, ranks, atoms, (low, high), told["decimals"])


def _kept(
    v: Array, counts: NDArray[np.int64], often: NDArray[np.bool_], knots: int
) -> NDArray[np.bool_]:
    """Which values that aren't atoms become knots: quantiles, more of them in the tails, and the
    ends of gaps that a straight line would fill."""
    kept = np.zeros(len(v), dtype=bool)
    others = (~often).nonzero()[0]
    if not len(others):
        return kept
    mass = counts[others].cumsum()
    most = min(knots, max(2, int(2 * math.sqrt(len(others)))))
    quantiles = np.searchsorted(mass, np.linspace(0, mass[-1], most)).clip(max=len(others) - 1)
    tail = 2 ** np.arange(int(math.log2(max(len(others) // most, 1))) + 1) - 1
    kept[others[quantiles]] = kept[others[tail]] = kept[others[-1 - tail]] = True
    kept[1:] |= often[:-1]
    kept[:-1] |= often[1:]
    chosen = (kept | often).nonzero()[0]
    left = np.searchsorted(chosen, np.arange(len(v) - 1), "right") - 1
    wide = np.diff(v) > 0.5 * (v[chosen[left + 1]] - v[chosen[left]])
    kept[:-1] |= wide
    kept[1:] |= wide
    return kept & ~often


def _decimals(values: Array, single: bool) -> int | None:
    """The fewest decimals that write all the values exactly; None: more than a few."""
    held, bits = (np.float32, 24) if single else (np.float64, 53)
    for decimals in range(_DECIMALS + 1):
        scaled = np.rint(values * 10.0**decimals)
        if np.abs(scaled).max() >= 2.0**bits:
            return None
        if (held(scaled / 10.0**decimals) == held(values)).all():
            return decimals
    return None


def _on_grid(values: Array, decimals: int | None) -> Array:
    """Values in steps of the grid; real numbers as they are."""
    return values if decimals is None else np.asarray(np.rint(values * 10.0**decimals))


def _half(decimals: int | None) -> float:
    """Half a step."""
    return 0.0 if decimals is None else 0.5
