r"""Judges in the feature space of random graph networks, which see what no one statistic sees.

A graph isomorphism network with untrained weights,

.. math:: h \leftarrow \mathrm{relu}(W_2\, \mathrm{relu}(W_1 (h + A h) + b_1) + b_2),

starts at twice the degrees and does this three times, 35 wide. Matrices are orthogonal, biases
uniform in +-1 / sqrt(inputs): without them h would be one number times a constant vector, and the
network a count of walks. (Thompson et al.'s code calls two such rounds three layers: that is
`RandomGin(generator, layers=2)`.) The sums over nodes after each round are a graph's 105 features,
standardised by the real graphs'. In them are compared: MMD² with a Gaussian kernel (the largest of
ten widths, in units of the root mean squared distance between real and generated graphs),
precision and recall, density and coverage. A single network is one opinion: ten are asked, and the
standard error is that of their mean, given the graphs. How much another sample of graphs would
change it, repeated draws tell.

Isomorphic graphs get the same features but for rounding, so data sets with few classes have
neighbours at distance 0; distances that differ by rounding count as equal.

References:
    Thompson et al. (2022), On Evaluation Metrics for Graph Generative Models; Xu et al. (2019),
    How Powerful are Graph Neural Networks?; Kynkäänniemi et al. (2019), Improved Precision and
    Recall Metric; Naeem et al. (2020), Reliable Fidelity and Diversity Metrics, for density and
    coverage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor, nn
from torch_geometric.nn import GINConv, global_add_pool

from unnoise.core.progress import track
from unnoise.domains.graphs.metrics.mmd import mmd_squared
from unnoise.domains.graphs.metrics.packed import pack
from unnoise.domains.task import Score

__all__ = ["GinScores", "Neighbours", "RandomGin", "gin_scores", "neighbours"]

Matrix = NDArray[np.float64]

_WIDTHS = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_ROUNDING = 1e-9  # of standardised features


@dataclass(frozen=True)
class Neighbours:
    """Shares by nearest neighbours (higher is better); all in [0, 1] but density, which is about
    1 for equal laws."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class GinScores:
    """Means over networks: see the module. `mmd` is better lower, the others higher."""

    mmd: Score
    precision: Score
    recall: Score
    density: Score
    coverage: Score


class RandomGin(nn.Module):
    """One network, its weights drawn from the generator, float64."""

    def __init__(self, generator: torch.Generator, layers: int = 3, width: int = 35) -> None:
        super().__init__()
        inputs = [1] + [width] * (layers - 1)
        self.layers = nn.ModuleList(
            GINConv(
                nn.Sequential(
                    _Affine(size, width, generator),
                    nn.ReLU(),
                    _Affine(width, width, generator),
                )
            )
            for size in inputs
        )

    @torch.no_grad()
    def forward(self, graphs: Sequence[nx.Graph]) -> Tensor:
        """Features (G, layers * width) of graphs with nodes 0, ..., n - 1.

        Raises:
            ValueError: For graphs that aren't simple and undirected, or with other nodes.
        """
        packed = pack(graphs)
        sizes = torch.tensor([graph.n for graph in packed])
        starts = sizes.cumsum(0) - sizes
        pairs = [
            torch.from_numpy(np.frombuffer(graph.edges, np.int32).reshape(-1, 2).astype(np.int64))
            + start
            for graph, start in zip(packed, starts, strict=True)
        ]
        one_way = torch.cat(pairs).T
        edges = torch.cat([one_way, one_way.flip(0)], 1)
        owner = torch.repeat_interleave(torch.arange(len(packed)), sizes)
        h = torch.bincount(edges[0], minlength=int(sizes.sum())).double()[:, None] * 2
        features = []
        for layer in self.layers:
            h = layer(h, edges).relu()
            features.append(global_add_pool(h, owner, len(packed)))
        return torch.cat(features, 1)


class _Affine(nn.Module):
    """x -> W x + b. Not `nn.Linear`, which `GINConv` would draw anew from the global generator."""

    weight: Tensor
    bias: Tensor

    def __init__(self, size: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        weight = torch.empty(width, size, dtype=torch.float64)
        self.register_buffer("weight", nn.init.orthogonal_(weight, generator=generator))
        uniform = torch.rand(width, dtype=torch.float64, generator=generator)
        self.register_buffer("bias", (2 * uniform - 1) / math.sqrt(size))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


def gin_scores(
    real: Sequence[nx.Graph],
    made: Sequence[nx.Graph],
    generator: torch.Generator,
    networks: int = 10,
    k: int = 5,
) -> GinScores:
    """All scores of generated graphs. Those without nodes are left out, as by `graph_mmd`.

    Args:
        real: Graphs with nodes 0, ..., n - 1.
        made: The same; two lists are comparable if they met the same networks.
        generator: Of the networks' weights.
        networks: How many, at least 2.
        k: Which neighbour sets the radius of a graph's ball.

    Raises:
        ValueError: For fewer than two networks, fewer than k + 1 graphs in a list, or real graphs
            without nodes.
    """
    if networks < 2:
        raise ValueError(f"networks: need at least 2, got {networks}")
    made = [graph for graph in made if len(graph)]
    if not all(len(graph) for graph in real):
        raise ValueError("real: some graphs have no nodes; leave them out")
    rows = []
    for _ in track(range(networks), "random networks"):
        network = RandomGin(generator)
        x, y = _standardised(*(network(graphs).numpy() for graphs in (real, made)))
        rows.append((_mmd(x, y), *astuple(neighbours(x, y, k))))
    scores = np.array(rows)
    errors = scores.std(0, ddof=1) / math.sqrt(networks)
    return GinScores(*map(Score, scores.mean(0).tolist(), errors.tolist()))


def _standardised(x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
    """By mean and deviation of `x`; a feature that is constant there keeps its unit."""
    mean, sd = x.mean(0), x.std(0)
    sd = np.where(sd > _ROUNDING * (1 + np.abs(mean)), sd, 1)
    return (x - mean) / sd, (y - mean) / sd


def _mmd(x: Matrix, y: Matrix) -> float:
    xx, yy, xy = (cdist(p, q) for p, q in ((x, x), (y, y), (x, y)))
    unit = math.sqrt((xy**2).mean())
    if unit < _ROUNDING:  # all graphs are the same
        return 0.0
    return max(mmd_squared(xx, yy, xy, width * unit).value for width in _WIDTHS)


def neighbours(real: Matrix, made: Matrix, k: int = 5) -> Neighbours:
    """Precision, recall, density and coverage of points (N, d) and (M, d).

    A point's ball reaches its k-th nearest other point of its own set.

    Raises:
        ValueError: For k < 1, or k or fewer points in a set.

    >>> neighbours(np.array([[0.0], [1.0], [5.0]]), np.array([[0.5], [8.0]]), k=1)
    Neighbours(precision=1.0, recall=1.0, density=1.5, coverage=1.0)
    """
    if k < 1 or min(len(real), len(made)) <= k:
        raise ValueError(
            f"k: need at least 1 and more than k points, got {k} for {len(real)} and {len(made)}"
        )
    of_real, of_made = (np.partition(cdist(z, z), k, axis=1)[:, k] for z in (real, made))
    gap = cdist(real, made) - _ROUNDING
    in_real = gap <= of_real[:, None]
    in_made = gap <= of_made
    return Neighbours(
        precision=float(in_real.any(0).mean()),
        recall=float(in_made.any(1).mean()),
        density=float(in_real.sum(0).mean()) / k,
        coverage=float(in_real.any(1).mean()),
    )
