r"""Laws of random graphs to learn from and to compare with; each draw is independent.

    community    two communities of equal size k, each G(k, 0.7) given that it is connected, and
                 between them every pair with probability 0.1 / k, at least one
    planar       Delaunay triangulation of n uniform points in the unit square
    sbm          blocks of random number and size; pairs with probability 0.3 within a block and
                 0.005 between blocks
    tree         uniform among the n^(n - 2) labelled trees, by Prüfer's bijection with words
    lobster      a path, whose nodes have legs, whose ends have feet; geometric numbers of each
    grid         m x n, both sides uniform

`community` follows Niu et al. (2020) with two differences. There, the first community of every
graph comes from one fixed seed and the second from another, so that only their size and what joins
them vary: a published file of 100 graphs has 51 isomorphism classes. Here both are drawn anew. And
where chance joins no pair, there an edge joins the first node of each, here a random pair: the same
law up to isomorphism, once communities are random.
`planar` and `sbm` are the laws of Martinkus et al. (2022), `grid` that of Jo et al. (2022).

References:
    Niu et al. (2020), Permutation invariant graph generation via score-based generative modeling;
    Martinkus et al. (2022), SPECTRE; Jo, Lee and Hwang (2022), Score-based generative modeling of
    graphs via the system of stochastic differential equations; Prüfer (1918), Neuer Beweis eines
    Satzes über Permutationen.
"""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

__all__ = ["community", "grid", "lobster", "planar", "sbm", "tree"]

_WITHIN, _BETWEEN = (
    0.7,
    0.1,
)  # the second is the mean number of pairs a node, before "at least one"
_BLOCKS, _BLOCK = (2, 5), (20, 40)  # smallest and largest
_IN_BLOCK, _ACROSS = 0.3, 0.005
_SPINE, _LIMB = (5, 15), 0.5
_SIDE = (10, 19)


def community(count: int, rng: np.random.Generator) -> list[nx.Graph]:
    """Two communities of 6 to 10 nodes, joined by one edge or a few: Community-small.

    Their common size is half of a uniform number from 12 to 20, rounded down, so that 10 is half
    as likely as the others. Nodes of the first community come first.
    """
    graphs = []
    for size in rng.integers(12, 21, count) // 2:
        joined = rng.random((size, size)) < _BETWEEN / size
        if not joined.any():
            joined[tuple(rng.integers(0, size, 2))] = True
        first, second = (_connected(int(size), rng) for _ in range(2))
        graphs.append(_graph(np.block([[first, joined], [joined.T, second]])))
    return graphs


def planar(count: int, rng: np.random.Generator, *, nodes: int = 64) -> list[nx.Graph]:
    """Delaunay triangulations of uniform points in the unit square: connected and planar.

    Raises:
        ValueError: If there are fewer than 3 nodes, which make no triangle.
    """
    if nodes < 3:
        raise ValueError(f"planar: {nodes} nodes make no triangle; ask for 3 or more")
    graphs = []
    for _ in range(count):
        corners = Delaunay(rng.random((nodes, 2))).simplices
        graph = nx.empty_graph(nodes)
        for ends in ([0, 1], [1, 2], [0, 2]):
            graph.add_edges_from(corners[:, ends].tolist())
        graphs.append(graph)
    return graphs


def sbm(count: int, rng: np.random.Generator) -> list[nx.Graph]:
    """Stochastic block models of 2 to 5 blocks of 20 to 40 nodes, uniform both; a few fall apart.

    Nodes of a block follow each other, and each has its place, from 0, as `block`.
    """
    graphs = []
    for blocks in _uniform(_BLOCKS, count, rng):
        sizes = _uniform(_BLOCK, int(blocks), rng)
        block = np.repeat(np.arange(blocks), sizes)
        same = block[:, None] == block
        graph = _graph(_pairs(np.where(same, _IN_BLOCK, _ACROSS), rng))
        nx.set_node_attributes(graph, dict(enumerate(block.tolist())), "block")
        graphs.append(graph)
    return graphs


def tree(count: int, rng: np.random.Generator, *, nodes: int = 64) -> list[nx.Graph]:
    """Uniform labelled trees.

    Raises:
        ValueError: If there are fewer than 2 nodes.
    """
    if nodes < 2:
        raise ValueError(f"tree: {nodes} nodes; ask for 2 or more")
    words = rng.integers(0, nodes, (count, nodes - 2)).tolist()
    return [nx.from_prufer_sequence(word) for word in words]


def lobster(count: int, rng: np.random.Generator) -> list[nx.Graph]:
    """Trees that are a path, or nothing, once the leaves are removed twice.

    The spine has 5 to 15 nodes, uniformly. A node of it has k legs, and a leg k feet, with
    probability 2^-(k + 1): one on average.
    """
    graphs = []
    for spine in _uniform(_SPINE, count, rng):
        graph = nx.path_graph(int(spine))
        legs = _grow(graph, range(spine), rng)
        _grow(graph, legs, rng)
        graphs.append(graph)
    return graphs


def grid(count: int, rng: np.random.Generator) -> list[nx.Graph]:
    """Grids whose sides are uniform from 10 to 19; nodes row by row."""
    sides = _uniform(_SIDE, 2 * count, rng).reshape(count, 2).tolist()
    return [
        nx.convert_node_labels_to_integers(nx.grid_2d_graph(*each), ordering="sorted")
        for each in sides
    ]


def _uniform(ends: tuple[int, int], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(*ends, count, endpoint=True)


def _pairs(p: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """An adjacency matrix whose pairs are independent, with probabilities p (n, n), symmetric."""
    upper = np.triu(rng.random(p.shape) < p, 1)
    return np.asarray(upper | upper.T)


def _connected(size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The adjacency of G(size, 0.7), drawn until it is connected: 1.015 times on average at 6."""
    while True:
        adjacency = _pairs(np.full((size, size), _WITHIN), rng)
        if nx.is_connected(_graph(adjacency)):
            return adjacency


def _graph(adjacency: NDArray[np.bool_]) -> nx.Graph:
    graph = nx.empty_graph(len(adjacency))
    graph.add_edges_from(np.argwhere(np.triu(adjacency)).tolist())
    return graph


def _grow(graph: nx.Graph, nodes: Sequence[int], rng: np.random.Generator) -> range:
    """Hangs new nodes on some that are there; returns the new ones."""
    before = len(graph)
    bearers = np.repeat(np.array(nodes, int), rng.geometric(1 - _LIMB, len(nodes)) - 1)
    new = range(before, before + len(bearers))
    graph.add_edges_from(zip(bearers.tolist(), new, strict=True))
    return new
