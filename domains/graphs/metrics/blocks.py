r"""Whether a graph could come from a stochastic block model of known probabilities.

Labels z of the nodes have the log likelihood, up to a constant,

.. math:: \sum_{i < j,\ z_i = z_j} w_{ij}, \qquad
          w = A \log \frac{p}{q} + (1 - A) \log \frac{1 - p}{1 - q},

with p the probability of an edge within a block and q that between blocks. Both being known, the
number of blocks needs no penalty. The labels are found greedily: blocks of one node are merged by
their mean weight while that is positive, then single nodes move, then blocks merge again, until
nothing gains. A node of few edges is likeliest alone, which the family doesn't allow: blocks of
less than half the least size are dissolved, the smallest first. Where sizes are still out of
bounds, the nodes that lose least move. All is deterministic.

Given the labels, the edges of each block and those between all blocks are binomial. The graph
passes if the number of blocks and their sizes are within the family's bounds, and the sum of
squared standardised counts is no more than the 0.99 quantile of chi-square with one degree of
freedom more than there are blocks: one true graph in a hundred fails.

This is not the test of the literature (SPECTRE's), which fits blocks with graph-tool and divides a
density's error by the deviation of a single edge, so that it hardly looks at the densities. Shares
of the two must not be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from threadpoolctl import threadpool_limits

__all__ = ["BlockFamily", "fit_blocks"]

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

_ROUNDING = 1e-9  # of a sum of log likelihoods; a gain must be larger, or nodes might circle


@dataclass(frozen=True)
class BlockFamily:
    """The stochastic block models of SPECTRE's data set, or others, as a predicate of graphs.

    Attributes:
        p: the probability of an edge within a block.
        q: the same between blocks, less than `p`.
        blocks: the least and the largest number of blocks.
        sizes: of a block, the least and the largest.
        level: the share of true graphs that fail.
    """

    p: float = 0.3
    q: float = 0.005
    blocks: tuple[int, int] = (2, 5)
    sizes: tuple[int, int] = (20, 40)
    level: float = 0.01

    def __call__(self, graph: nx.Graph) -> bool:
        """Whether the graph could be one of them: see the module."""
        n = graph.number_of_nodes()
        if not self.blocks[0] * self.sizes[0] <= n <= self.blocks[1] * self.sizes[1]:
            return False
        a = nx.to_numpy_array(graph, weight=None)
        held = np.eye(n)[fit_blocks(a, self.p, self.q, self.sizes)]
        size = held.sum(0)
        held, size = held[:, size > 0], size[size > 0]
        if not self.blocks[0] <= len(size) <= self.blocks[1]:
            return False
        if not (self.sizes[0] <= size.min() and size.max() <= self.sizes[1]):
            return False
        edges = held.T @ a @ held
        pairs = np.outer(size, size)
        within, most = np.diag(edges) / 2, size * (size - 1) / 2
        across = (edges.sum() - np.trace(edges)) / 2, (pairs.sum() - np.trace(pairs)) / 2
        deviation = _squared(within, most, self.p).sum() + _squared(*across, self.q)
        return bool(deviation <= chi2.ppf(1 - self.level, len(size) + 1))


def _squared(count: Matrix, of: Matrix, p: float) -> Matrix:
    return (count - of * p) ** 2 / (of * p * (1 - p))


def fit_blocks(a: Matrix, p: float, q: float, sizes: tuple[int, int]) -> Labels:
    """Labels (n,) of the nodes of a graph with adjacency `a` (n, n), by likelihood; some of
    0, ..., n - 1 label no node. Block sizes lie between the two of `sizes` if nodes can move so.

    >>> fit_blocks(np.kron(np.eye(2), np.ones((3, 3))) - np.eye(6), 0.9, 0.1, (2, 4)).tolist()
    [0, 0, 0, 3, 3, 3]
    """
    weight = a * math.log(p / q) + (1 - a) * math.log((1 - p) / (1 - q))
    np.fill_diagonal(weight, 0)
    before, labels = None, np.arange(len(a))
    with threadpool_limits(1):  # matrices are small: threads only wait for each other
        while before is None or (labels != before).any():
            before = labels
            labels = _moved(weight, _merged(weight, labels), np.arange(len(a)))
        return _bounded(weight, _without_small(weight, labels, sizes[0] / 2), sizes)


def _without_small(weight: Matrix, labels: Labels, least: float) -> Labels:
    """Blocks of fewer nodes dissolved, the smallest first; their nodes go where they fit best."""
    while True:
        blocks, sizes = np.unique(labels, return_counts=True)
        smallest = int(sizes.argmin())
        if sizes[smallest] >= least or len(blocks) == 1:
            return labels
        others = np.delete(blocks, smallest)
        homeless = labels == blocks[smallest]
        score = weight[homeless] @ (labels[:, None] == others)
        labels = labels.copy()
        labels[homeless] = others[score.argmax(1)]
        labels = _moved(weight, labels, others)


def _bounded(weight: Matrix, labels: Labels, sizes: tuple[int, int]) -> Labels:
    """Nodes moved where they lose least: into blocks too small, then out of blocks too large."""
    least, most = sizes
    blocks = np.unique(labels)
    labels = labels.copy()
    while True:
        held = (labels[:, None] == blocks).astype(float)
        size, at = held.sum(0), held.argmax(1)
        if size.min() < least:
            allowed = (size[at] > least)[:, None] & (size < least)
        else:
            allowed = (size[at] > most)[:, None] & (size < most)
        if not allowed.any():
            return labels
        gain = np.where(allowed, _gain(weight, held, at), -np.inf)
        node, to = divmod(int(gain.argmax()), len(blocks))
        labels[node] = blocks[to]


def _merged(weight: Matrix, labels: Labels) -> Labels:
    """Blocks joined while a pair has a positive mean weight, the largest first."""
    held = np.eye(len(labels))[labels]
    total, size = held.T @ weight @ held, held.sum(0)
    labels = labels.copy()
    while True:
        pairs = np.outer(size, size)
        mean = np.divide(total, pairs, out=np.full(pairs.shape, -np.inf), where=pairs > 0)
        np.fill_diagonal(mean, -np.inf)
        i, j = divmod(int(mean.argmax()), len(labels))
        if not mean[i, j] > 0:
            return labels
        labels[labels == j] = i
        total[i] += total[j]
        total[:, i] += total[:, j]
        size[i], size[j] = size[i] + size[j], 0


def _moved(weight: Matrix, labels: Labels, blocks: Labels) -> Labels:
    """One node at a time goes to the block where it gains most, until none gains."""
    held = (labels[:, None] == blocks).astype(float)
    at = held.argmax(1)
    while True:
        gain = _gain(weight, held, at)
        node, to = divmod(int(gain.argmax()), len(blocks))
        if not gain[node, to] > _ROUNDING:
            moved: Labels = blocks[at]
            return moved
        held[node, at[node]], held[node, to] = 0, 1
        at[node] = to


def _gain(weight: Matrix, held: Matrix, at: Labels) -> Matrix:
    """How much likelihood each node would win in each block (n, blocks)."""
    score = weight @ held
    return score - np.take_along_axis(score, at[:, None], 1)
