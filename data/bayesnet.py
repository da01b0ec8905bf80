"""Bayesian networks: laws of rows of categories that are known exactly.

Every variable has a table of its probabilities given its parents, and the law of a row is

    p(x) = prod_d p(x_d | x_parents(d))

so that a row's probability is a product of look-ups, and a row is drawn variable by variable,
parents first. Sums over rows need no table of all rows: `marginal` eliminates variables one by
one (Zhang and Poole 1994), each time the one that leaves the smallest table, and the chain rule
gives the entropy from the laws of the parents alone,

    H(X) = sum_d sum_u p(parents(d) = u) H(X_d | parents(d) = u)

The entropy is the floor of any model's negative log-likelihood, in nats a row.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BayesNet"]

LIMIT = 2**24  # entries of a table that we are willing to make: 128 MiB

Floats = NDArray[np.float64]
Factor = tuple[tuple[int, ...], Floats]  # variables, and a table with an axis for each


@dataclass(frozen=True, eq=False)
class BayesNet:
    """A law of rows of D categories.

    Attributes:
        names: D names, every variable after its parents.
        levels: The states of each variable; a code is a place among them.
        parents: The places of each variable's parents in `names`.
        tables: `p(x_d | parents)` of each variable, shape (*sizes of the parents, S_d), float64.

    Raises:
        ValueError: If a parent comes after its child, or a table has another shape or rows that
            do not sum to 1.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    parents: tuple[tuple[int, ...], ...]
    tables: tuple[Floats, ...]

    def __post_init__(self) -> None:
        parts = zip(self.names, self.levels, self.parents, self.tables, strict=True)
        for d, (name, _, parents, table) in enumerate(parts):
            if not all(0 <= parent < d for parent in parents):
                raise ValueError(f"{name}: parents {parents} do not all come before {d}")
            shape = tuple(self.sizes[variable] for variable in (*parents, d))
            if table.shape != shape:
                raise ValueError(f"{name}: a table of shape {table.shape}, not {shape}")
            if not ((table >= 0).all() and np.allclose(table.sum(-1), 1, rtol=0, atol=1e-12)):
                raise ValueError(f"{name}: rows of the table are not probabilities")

    @property
    def sizes(self) -> tuple[int, ...]:
        """S_1, ..., S_D: how many states each variable has."""
        return tuple(map(len, self.levels))

    def log_prob(self, codes: NDArray[np.integer[Any]]) -> Floats:
        """Log-probabilities of rows in nats, (N,); minus infinity for an impossible row.

        Args:
            codes: Rows, (N, D).

        Raises:
            ValueError: If the codes are not rows of D states.
        """
        if codes.ndim != 2 or codes.shape[1] != len(self.names):
            raise ValueError(f"codes of shape {codes.shape}, not (N, {len(self.names)})")
        if not ((codes >= 0) & (codes < np.array(self.sizes))).all():
            raise ValueError(f"codes outside 0 .. size - 1, where the sizes are {self.sizes}")
        total = np.zeros(len(codes))
        with np.errstate(divide="ignore"):
            for d, (parents, table) in enumerate(zip(self.parents, self.tables, strict=True)):
                total += np.log(table[tuple(codes[:, [*parents, d]].T)])
        return total

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draws n rows, (n, D), by inversion of each table's cumulative sums."""
        codes = np.empty((n, len(self.names)), np.int64)
        for d, (parents, table) in enumerate(zip(self.parents, self.tables, strict=True)):
            sums = table.cumsum(-1)
            sums /= sums[..., -1:]  # exactly 1 from the last possible state on
            rows = sums[tuple(codes[:, list(parents)].T)]
            codes[:, d] = (rng.random((n, 1)) >= rows).sum(-1)
        return codes

    def marginal(self, *variables: int) -> Floats:
        """The law of some variables, with an axis for each, in the order given; exact.

        Raises:
            ValueError: If a variable is named twice, or a table on the way would be too large.
        """
        if len(set(variables)) < len(variables):
            raise ValueError(f"variables {variables} are not distinct")
        relevant = self._ancestors(variables)
        factors = [((*self.parents[d], d), self.tables[d]) for d in sorted(relevant)]
        hidden = relevant - set(variables)
        while hidden:
            d = min(sorted(hidden), key=lambda v: self._count(_scope(_near(factors, v))))
            scope, table = self._product(_near(factors, d))
            rest = scope[: scope.index(d)] + scope[scope.index(d) + 1 :]
            factors = [factor for factor in factors if d not in factor[0]]
            factors.append((rest, table.sum(scope.index(d))))
            hidden.remove(d)
        scope, table = self._product(factors)
        return table.transpose([scope.index(d) for d in variables])

    def joint(self) -> Floats:
        """The law of a row, shape (S_1, ..., S_D).

        Raises:
            ValueError: If that has more than 2^24 entries.
        """
        return self.marginal(*range(len(self.names)))

    def entropy(self) -> float:
        """The entropy of a row in nats; exact."""
        pairs = zip(self.parents, self.tables, strict=True)
        return float(sum((self.marginal(*up) * _entropies(table)).sum() for up, table in pairs))

    def _ancestors(self, variables: Iterable[int]) -> set[int]:
        """The variables and all that they depend on."""
        found: set[int] = set()
        open_ = list(variables)
        while open_:
            d = open_.pop()
            if d not in found:
                found.add(d)
                open_.extend(self.parents[d])
        return found

    def _count(self, scope: Iterable[int]) -> int:
        return math.prod(self.sizes[d] for d in scope)

    def _product(self, factors: list[Factor]) -> Factor:
        """The product of factors as one factor, whose variables are in ascending order."""
        scope = _scope(factors)
        if self._count(scope) > LIMIT:
            raise ValueError(
                f"the law of {', '.join(self.names[d] for d in scope)} has {self._count(scope)} "
                f"entries, more than {LIMIT}; ask for fewer variables, or use log_prob of samples"
            )
        table = np.ones((1,) * len(scope))
        for factor in factors:
            table = table * _spread(factor, scope)
        return scope, table


def _scope(factors: Iterable[Factor]) -> tuple[int, ...]:
    return tuple(sorted({d for scope, _ in factors for d in scope}))


def _near(factors: Iterable[Factor], d: int) -> list[Factor]:
    return [factor for factor in factors if d in factor[0]]


def _spread(factor: Factor, scope: tuple[int, ...]) -> Floats:
    """The table with an axis for each variable of an ascending scope, of length 1 for others."""
    variables, table = factor
    sizes = dict(zip(variables, table.shape, strict=True))
    order = sorted(range(len(variables)), key=variables.__getitem__)
    return table.transpose(order).reshape([sizes.get(d, 1) for d in scope])


def _entropies(table: Floats) -> Floats:
    """Entropies of the rows along the last axis, in nats; 0 log 0 = 0."""
    logs = np.log(np.where(table > 0, table, 1))
    return np.asarray(-(table * logs).sum(-1))
