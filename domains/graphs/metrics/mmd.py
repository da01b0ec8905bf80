r"""Maximum mean discrepancy of two lists of graphs, as the literature on graph generation has it.

.. math:: \mathrm{MMD}^2 = \overline{k(x, x')} + \overline{k(y, y')} - 2\, \overline{k(x, y)},
          \qquad k = e^{-D^2 / 2 \sigma^2}

over all pairs, a graph with itself included (a V-statistic): equal laws give about
(1/N + 1/M)(1 - E k), not 0: read it beside `perfect_sampler` of `floors`. Published figures come
in three families, each with its own D between histograms p and q. A value belongs to its family:

    family  D                                       sigma: degree, clustering, orbit, spectrum
    emd     sum |P - Q| of the cumulated p and q    1, 0.1 (D / 100), 30 (D Euclidean), 1
    tv      sum |p - q| / 2, over sums + 1e-6       1, 0.1, 30 (D of raw vectors), 1
    rbf     Euclidean                               best of exp(-5 + 10 i / 49), i < 30; no orbit

Best is the sigma with the largest MMD². Distances of bins are in bins.

The kernels emd and tv are not positive definite, so MMD² may be negative; it keeps its sign.

Graphs without nodes have no histogram. As in all published code, those generated are left out:
their share is another metric's affair. Among the real ones they are an error.

References:
    You et al. (2018), GraphRNN (emd); Liao et al. (2019), GRAN (tv); Thompson et al. (2022), On
    Evaluation Metrics for Graph Generative Models (rbf); O'Bray et al. (2022), Evaluation Metrics
    for Graph Generative Models: Problems, Pitfalls, and Practical Solutions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from unnoise.domains.graphs.metrics.statistics import (
    Statistic,
    Statistics,
    describe,
)
from unnoise.domains.task import Score

__all__ = ["KERNELS", "Graphs", "Kernel", "graph_mmd", "mmd_squared"]

Kernel = Literal["emd", "tv", "rbf"]
KERNELS: tuple[Kernel, ...] = ("emd", "tv", "rbf")
Graphs = Sequence[nx.Graph] | Statistics

Matrix = NDArray[np.float64]

_SIGMA: dict[Statistic, float] = {"degree": 1, "clustering": 0.1, "orbit": 30, "spectrum": 1}
_RBF_SIGMAS = tuple(np.exp(np.linspace(-5, 5, 50)[:30]).tolist())


def graph_mmd(
    real: Graphs, made: Graphs, statistic: Statistic = "orbit", kernel: Kernel = "emd"
) -> Score:
    """MMD² of one statistic under one kernel (lower is better, no unit), and its standard error.

    The error is that of the choice of the generated graphs, given the real ones, to first order:
    how far one graph moves the value, over the square root of their number. At the floor, where a
    V-statistic isn't normal, prefer the spread of `perfect_sampler`. For the largest of several
    sigmas, it is that of the sigma chosen. A single graph has none.

    Args:
        real: Graphs, or what `describe` says of them.
        made: The same, of generated graphs.
        statistic: What is compared.
        kernel: The family.

    Raises:
        ValueError: For graphs that `describe` refuses, real graphs without nodes, no generated one
            with nodes, an unknown statistic or kernel, or orbits under rbf, which has none.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel: need one of {', '.join(KERNELS)}, got {kernel}")
    if kernel == "rbf" and statistic == "orbit":
        raise ValueError("statistic: rbf compares histograms, and orbit is none; take emd or tv")
    a, b = (x if isinstance(x, Statistics) else describe(x) for x in (real, made))
    if not a.sizes.all():
        raise ValueError(f"real: {int((a.sizes == 0).sum())} graphs have no nodes; leave them out")
    if not b.sizes.any():
        raise ValueError("made: no graph has nodes, so there is nothing to compare")
    x, y = _points(a.rows(statistic), b[b.sizes > 0].rows(statistic), statistic, kernel)
    metric: Literal["euclidean", "cityblock"] = (
        "euclidean" if kernel == "rbf" or (kernel, statistic) == ("emd", "orbit") else "cityblock"
    )
    xx, yy, xy = (cdist(p, q, metric) for p, q in ((x, x), (y, y), (x, y)))
    sigmas = _RBF_SIGMAS if kernel == "rbf" else (_SIGMA[statistic],)
    return max((mmd_squared(xx, yy, xy, sigma) for sigma in sigmas), key=lambda s: s.value)


def mmd_squared(xx: Matrix, yy: Matrix, xy: Matrix, sigma: float) -> Score:
    """MMD² from the distances (N, N), (M, M) and (N, M), with the standard error of the choice of
    the M points.

    >>> mmd_squared(np.zeros((1, 1)), np.zeros((1, 1)), np.full((1, 1), 9.0), 1e-3)
    Score(value=2.0, stderr=None)
    """
    kxx, kyy, kxy = (np.exp(d**2 / (-2 * sigma**2)) for d in (xx, yy, xy))
    value = float(kxx.mean() + kyy.mean() - 2 * kxy.mean())
    m = len(yy)
    if m == 1:
        return Score(value)
    influence = 2 * (kyy.mean(1) - kxy.mean(0))
    return Score(value, float(influence.std(ddof=1)) / math.sqrt(m))


def _points(x: Matrix, y: Matrix, statistic: Statistic, kernel: Kernel) -> tuple[Matrix, Matrix]:
    """Rows whose cityblock or Euclidean distance is D."""
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    if statistic != "orbit":
        spare = 1e-6 if kernel == "tv" else 0.0
        x, y = (z / (z.sum(1, keepdims=True) + spare) for z in (x, y))
    if kernel == "tv":
        return x / 2, y / 2
    if kernel == "emd" and statistic != "orbit":
        unit = x.shape[1] if statistic == "clustering" else 1
        return x.cumsum(1) / unit, y.cumsum(1) / unit
    return x, y
