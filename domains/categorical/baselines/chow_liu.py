r"""The best tree of a table.

Of all laws in which every column depends on one other at most, the likeliest is the tree whose
edges have the largest mutual informations in total, since the mean log-likelihood of the data is

.. math:: -\sum_d H(x_d) + \sum_{\text{edges}} I(x_d; x_{\pi(d)})

and only the second sum depends on the edges. So it is a maximum spanning tree, found exactly. It
is the classical baseline of density estimation: whoever does worse has not learnt even the pairs.

References:
    Chow, Liu (1968), Approximating Discrete Probability Distributions with Dependence Trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from torch import Tensor

from unnoise.domains.categorical.baselines.counts import (
    block_sums,
    checked,
    owners,
    pair_counts,
)
from unnoise.domains.categorical.baselines.forest import ROOT, Forest, ForestLaw

__all__ = ["ChowLiu", "mutual_information"]


@dataclass(frozen=True, eq=False)
class ChowLiu(ForestLaw):
    """The tree of largest total mutual information, with column 0 as its root."""

    @staticmethod
    def fit(x: Tensor, sizes: Sequence[int], add: float = 0.5) -> ChowLiu:
        """The tree of codes `x` (N, D).

        Args:
            x: Codes.
            sizes: Levels a column.
            add: Counts more in every cell, of the tables that weigh the edges (see
                `mutual_information`) as of those that are kept. A half is what the published
                figures of the reference have.

        Raises:
            ValueError: If the codes don't fit `sizes`, or `add` isn't positive.
        """
        information = mutual_information(x, sizes, add)
        return ChowLiu(Forest.fit(x, sizes, _spanning_tree(information), add))


def mutual_information(x: Tensor, sizes: Sequence[int], add: float = 0.0) -> Tensor:
    r"""Mutual informations in nats of all pairs of columns, (D, D), float64, from their
    frequencies in codes `x` (N, D).

    .. math:: \sum_{s, s'} p(s, s') \ln \frac{p(s, s')}{p(s)\, p(s')}

    All tables, of pairs and of columns, have `add` counts more in every cell. For columns of
    more than two levels the two kinds then differ a little in their margins; with `add` = 0 they
    agree. The diagonal holds what a copy of the column would get.

    Raises:
        ValueError: If the codes don't fit `sizes`.
    """
    x = checked(x, sizes)
    counts, size = pair_counts(x, sizes), torch.tensor(sizes)[owners(sizes)].double()
    single = (counts.diagonal() + add) / (len(x) + add * size)
    pair = (counts + add) / (len(x) + add * size[:, None] * size)
    terms = torch.xlogy(pair, pair) - torch.xlogy(pair, single[:, None] * single)
    return block_sums(terms, sizes)


def _spanning_tree(weight: Tensor) -> list[tuple[int, int]]:
    """The edges of the maximum spanning tree of weights (D, D), from column 0 outwards."""
    distance = weight.max() - weight + 1.0  # not 0, which means no edge
    tree = minimum_spanning_tree(distance.numpy())
    order, parents = breadth_first_order(tree, 0, directed=False)
    return [(int(d), int(parents[d]) if d else ROOT) for d in order]
