r"""In which order pairs are unmasked: that of a tournament.

    round of {i, j} = p_i + p_j mod m,     of {i, last} = 2 p_i mod m     (m is odd: n, or n - 1 and one is the last)

The nodes play in rounds, in each of which nobody plays twice (the circle method, Kirkman 1847), p a random order of
them. Two rounds in a row are one way through all nodes, a cycle if n is even, else a path. So the pairs that are drawn
at once with n evaluations or more close no shorter cycle, and with fewer hardly one. Edges that close no cycle depend
least on each other: of two communities of equal chances, each node's drawn by a coin, they are independent. Random
pairs make triangles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.core.random import Generator, uniform
from unnoise.domains.graphs.pairs import count

__all__ = ["tournament"]


def tournament(graphs: int, nodes: int, generator: Generator = None) -> Tensor:
    """Ranks of the pairs of nodes, (B, P), 0 first, by a tournament for every graph; within a round at random."""
    like = torch.zeros((), dtype=torch.float64)
    place = uniform((graphs, nodes), like, generator).argsort(1)
    m = nodes if nodes % 2 else nodes - 1
    i, j = torch.tril_indices(nodes, nodes, -1)
    low, high = place[:, i].minimum(place[:, j]), place[:, i].maximum(place[:, j])
    rounds = torch.where(high == m, 2 * low, low + high) % max(m, 1)  # m is the last one's place
    when = rounds + uniform((graphs, count(nodes)), like, generator)
    return when.argsort(1).argsort(1)
