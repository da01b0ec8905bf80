r"""Laws of rows in which a column depends on one other at most.

.. math:: p(x) = \prod_d p(x_d \mid x_{\pi(d)})

The edges :math:`d \to \pi(d)` make a forest; a root depends on nothing. Counts of columns and of
pairs of columns say all there is to say, so it is fitted in one pass, its likelihood is exact, and
it is drawn from root to leaf.

Given some of the entries, the others are drawn exactly as well. What is observed below a column
tells of it through messages, passed once from the leaves to the roots (Pearl 1988):

.. math:: m_{d}(s) = \sum_{s'} p(x_d = s' \mid x_{\pi(d)} = s)\, [x_d \text{ may be } s']
          \prod_{c \to d} m_c(s')

Going down, a column's law is that of its row in the table times the messages that reached it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.random import Generator, uniform
from unnoise.domains.categorical.baselines.counts import checked

__all__ = ["ROOT", "Forest", "ForestLaw", "conditionals", "draw", "smoothed"]

ROOT = -1  # the parent of a column that depends on nothing


def smoothed(counts: Tensor, add: float) -> Tensor:
    """Log frequencies in nats, (..., S), float64, of counts (..., S) with `add` more each.

    Raises:
        ValueError: If `add` isn't positive.
    """
    if not add > 0:
        raise ValueError(f"add: need more than 0, got {add}: what was never seen may be seen yet")
    more = counts.double() + add
    return more.log() - more.sum(-1, keepdim=True).log()


def draw(log_p: Tensor, u: Tensor) -> Tensor:
    """The levels (n,) at the quantiles `u` (n,) of laws (n, S) that needn't be normalised."""
    cdf = (log_p - log_p.amax(-1, keepdim=True)).exp().cumsum(-1)
    return (u[:, None] * cdf[:, -1:] >= cdf).sum(-1).clamp(max=log_p.shape[1] - 1)


def conditionals(
    x: Tensor, sizes: Sequence[int], edges: Sequence[tuple[int, int]], add: float
) -> tuple[Tensor, ...]:
    """The tables `Forest.log_p` of edges, from codes `x` (N, D), with `add` counts more a cell.

    Raises:
        ValueError: If the codes don't fit `sizes`, or `add` isn't positive.
    """
    x, tables = checked(x, sizes), []
    for column, parent in edges:
        rows, above = (1, 0) if parent == ROOT else (sizes[parent], x[:, parent])
        cell = above * sizes[column] + x[:, column]
        counts = torch.bincount(cell, minlength=rows * sizes[column])
        tables.append(smoothed(counts.reshape(rows, -1), add))
    return tuple(tables)


@dataclass(frozen=True, eq=False)
class Forest:
    """A law of rows of codes (N, D).

    Attributes:
        edges: (column, parent), a parent before its children; a root's parent is `ROOT`.
        log_p: of each edge, log p(level | parent's level), (S_parent, S_column), float64, nats;
            of a root, (1, S_column).
    """

    edges: Sequence[tuple[int, int]]
    log_p: Sequence[Tensor]

    @staticmethod
    def fit(
        x: Tensor, sizes: Sequence[int], edges: Sequence[tuple[int, int]], add: float
    ) -> Forest:
        """The frequencies in codes `x` (N, D), every cell of every table with `add` counts more.

        Raises:
            ValueError: If the codes don't fit `sizes`, or `add` isn't positive.
        """
        return Forest(tuple(edges), conditionals(x, sizes, edges, add))

    @property
    def sizes(self) -> list[int]:
        """The number of levels of each column."""
        widths = {
            column: t.shape[1] for (column, _), t in zip(self.edges, self.log_p, strict=True)
        }
        return [widths[d] for d in range(len(widths))]

    def log_prob(self, x: Tensor) -> Tensor:
        """Nats of each row, (N,), float64.

        Raises:
            ValueError: If a code is out of its column's range.
        """
        x = checked(x, self.sizes)
        nats = torch.zeros(len(x), dtype=torch.float64)
        for (column, parent), table in zip(self.edges, self.log_p, strict=True):
            above = x[:, parent] if parent != ROOT else torch.zeros_like(x[:, column])
            nats += table[above, x[:, column]]
        return nats

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Independent rows (n, D), by the inverse CDF in float64."""
        nothing = torch.zeros(n, len(self.edges), dtype=torch.long)
        return self.complete(nothing, torch.zeros_like(nothing, dtype=torch.bool), generator)

    def complete(self, x: Tensor, observed: Tensor, generator: Generator) -> Tensor:
        """Rows (N, D) whose observed entries are those of `x`, and the others drawn given them.

        Args:
            x: Codes (N, D); those that aren't observed don't matter, if they are in range.
            observed: What is given, bool, (N, D).
            generator: One uniform number an entry, observed or not.

        Raises:
            ValueError: If a code is out of its column's range, or the shapes differ.
        """
        x = checked(x, self.sizes) if len(x) else x
        if observed.shape != x.shape:
            raise ValueError(
                f"observed: has shape {tuple(observed.shape)}, the codes {tuple(x.shape)}"
            )
        told = self._messages(x, observed)
        u = uniform(tuple(x.shape), torch.empty(0, dtype=torch.float64), generator)
        out = x.clone()
        for (column, parent), table in zip(self.edges, self.log_p, strict=True):
            above = out[:, parent] if parent != ROOT else torch.zeros_like(out[:, column])
            law = table[above]
            if column in told:
                law = law + told[column]
            drawn = draw(law, u[:, column])
            out[:, column] = torch.where(observed[:, column], x[:, column], drawn)
        return out

    def _messages(self, x: Tensor, observed: Tensor) -> dict[int, Tensor]:
        """log of what is observed in and below each column, up to a constant, (N, S_column);
        columns of which nothing is known have none."""
        told: dict[int, Tensor] = {}
        for (column, parent), table in reversed(list(zip(self.edges, self.log_p, strict=True))):
            seen = observed[:, column, None]
            if seen.any():
                away = torch.arange(table.shape[1]) != x[:, column, None]
                here = torch.zeros(away.shape, dtype=torch.float64)
                told[column] = told.get(column, 0.0) + here.masked_fill(seen & away, -torch.inf)
            if column in told and parent != ROOT:
                up = _log_matmul(told[column], table.T)
                told[parent] = told.get(parent, 0.0) + up
        return told


@dataclass(frozen=True, eq=False)
class ForestLaw(ABC):
    """A law of rows of codes (N, D) that a forest tells, whatever chose its edges."""

    forest: Forest

    def log_prob(self, x: Tensor) -> Tensor:
        """Nats of each row, (N,), float64; see `Forest.log_prob`."""
        return self.forest.log_prob(x)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Independent rows (n, D); see `Forest.sample`."""
        return self.forest.sample(n, generator)

    def complete(self, x: Tensor, observed: Tensor, generator: Generator) -> Tensor:
        """Rows drawn given their observed entries; see `Forest.complete`."""
        return self.forest.complete(x, observed, generator)


def _log_matmul(a: Tensor, b: Tensor) -> Tensor:
    """log (exp a) (exp b), each row of `a` scaled by its largest entry."""
    top = a.amax(-1, keepdim=True)
    return ((a - top).exp() @ b.exp()).log() + top
