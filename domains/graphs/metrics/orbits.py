r"""How often each node lies in each place of the connected graphs of 2 to 4 nodes: 15 orbits.

Orbits are those of automorphisms, numbered as usual (Pržulj 2007): 0 edge; path of three: 1 end, 2
middle; 3 triangle; path of four: 4 end, 5 inner; star: 6 leaf, 7 centre; 8 square; triangle with
a tail: 9 tail, 10 base, 11 joint; diamond: 12 off the chord, 13 on it; 14 complete.

Subgraphs that need not be induced are counted by matrix products, with A the adjacency, d the
degrees, :math:`T = A^2 \circ A` the triangles at each edge and t those at each node. Each is a sum
of induced ones on the same nodes: a square of edges is also in a diamond (once) and in a complete
graph (three times). From the densest to the sparsest, these are subtracted. Counts are integers in
float64, exact below 2^53, and cost O(n^3 + sum of d^3).

References:
    Pržulj (2007), Biological Network Comparison Using Graphlet Degree Distribution; Hočevar,
    Demšar (2014), A Combinatorial Approach to Graphlet Counting, for the linear relations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORBITS", "orbit_counts"]

ORBITS = 15

Matrix = NDArray[np.float64]


def orbit_counts(a: Matrix) -> NDArray[np.int64]:
    """Counts (n, 15) of induced orbits of the nodes of a graph with adjacency `a` (n, n).

    >>> orbit_counts(np.ones((4, 4)) - np.eye(4))[0].tolist()
    [3, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    """
    d = a.sum(1)
    square = a @ a
    at_edge = square * a
    t = at_edge.sum(1) / 2
    o = np.zeros((ORBITS, len(a)))
    o[14] = _complete(a)
    o[13] = (a * _pairs(at_edge)).sum(1) - 3 * o[14]
    o[12] = ((a @ (a * (at_edge - 1))) * a).sum(1) / 2 - 3 * o[14]
    o[11] = t * (d - 2) - 2 * o[13] - 3 * o[14]
    o[10] = at_edge @ (d - 2) - 2 * o[12] - 2 * o[13] - 6 * o[14]
    o[9] = a @ t - 2 * t - 2 * o[12] - 3 * o[14]
    o[8] = _pairs(square - np.diag(d)).sum(1) - o[12] - o[13] - 3 * o[14]
    o[7] = d * (d - 1) * (d - 2) / 6 - o[11] - o[13] - o[14]
    o[6] = a @ _pairs(d - 1) - o[9] - o[10] - 2 * o[12] - o[13] - 3 * o[14]
    o[5] = (d - 1) * (a @ (d - 1)) - 2 * t
    o[5] -= 2 * (o[8] + o[11] + o[12]) + o[10] + 4 * o[13] + 6 * o[14]
    o[4] = a @ (a @ (d - 1)) - d * (d - 1) - 2 * t
    o[4] -= 2 * (o[8] + o[9] + o[13]) + o[10] + 4 * o[12] + 6 * o[14]
    o[3] = t
    o[2] = _pairs(d) - t
    o[1] = a @ (d - 1) - 2 * t
    o[0] = d
    return np.rint(o.T).astype(np.int64)


def _pairs(count: Matrix) -> Matrix:
    return count * (count - 1) / 2


def _complete(a: Matrix) -> Matrix:
    """Complete graphs of four at each node, (n,): triangles among its neighbours."""
    found = np.zeros(len(a))
    for node, row in enumerate(a):
        near = np.flatnonzero(row)
        if len(near) > 2:
            among = a[np.ix_(near, near)]
            found[node] = ((among @ among) * among).sum() / 6
    return found
