r"""Structure of noisy graphs, dense and batched: what message passing alone can't see.

For weights A in [0, 1], hollow and symmetric, with degrees d = A 1 and $S = D^{-1/2} A D^{-1/2}$:

    returns      (S^k)_ii                   a random walk of k steps is back where it was
    cycles       of 3, 4, 5 nodes at i      counts; for independent edges of probability A, expected ones
    heat         exp(-t L)_ij               L = I - S: a spectral feature that no basis, no sign changes
    distances    fewest edges from i to j   in the graph of the likely edges, A > 1/2
    rest         1/R_ij - A_ij              how well the others join i and j: as resistors of 1/A, by the
                                            parallel law; 0 where i and j are apart without their own edge

On a graph of zeros and ones all are exact. Degrees under `_FEW` count as `_FEW` in S, so a node that is
all but isolated is treated as one that is. Everything but distances is smooth, and all are made of
products of matrices. Cycles follow by excluding coincidences from closed walks (Harary & Manvel 1971,
here for weights).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.domains.graphs.networks.base import Noisy

__all__ = ["Structure", "cycles", "distances", "heat", "powers", "rest", "returns", "walk"]

_LEAK = 1e-3  # from every node to the ground, so that graphs may be in pieces
_LOOSE = 0.05  # a conductance that is neither a connection nor none
_FEW = 0.1  # edges: a mean graph has more at a node, an isolated node's beliefs sum to less


@dataclass(frozen=True)
class Structure:
    """Features of nodes (B, N, node_features) and pairs (B, N, N, pair_features), of order one.

    Args:
        steps: longest random walk; at least 2, as step 1 returns nowhere.
        furthest: distances are told apart up to this many edges.
        heats: times 1, 2, 4, ... of the heat kernel.
    """

    steps: int = 8
    furthest: int = 5
    heats: int = 4

    @property
    def node_features(self) -> int:
        """Two of the degree, returns, three cycles, and heat that stays."""
        return 2 + (self.steps - 1) + 3 + self.heats

    @property
    def pair_features(self) -> int:
        """The weight, walks, distances (the last is "further"), heat that passes, two of the rest."""
        return 1 + (math.ceil(self.steps / 2) - 1) + (self.furthest + 1) + self.heats + 2

    def __call__(self, noisy: Noisy) -> tuple[Tensor, Tensor]:
        """Of masked graphs; zero at padding, and for pairs on the diagonal."""
        a = noisy.adjacency
        with torch.autocast(a.device.type, enabled=False):
            n = noisy.exists.sum(1).clamp(min=1).to(a.dtype)[:, None, None]
            degree = a.sum(-1, keepdim=True)
            walks = powers(walk(a), math.ceil(self.steps / 2))
            warm = heat(a, self.heats)
            far, joined = distances(a > 0.5, self.furthest), rest(a)
            nodes = torch.cat(
                [
                    degree.log1p() / 2,
                    degree / n,
                    returns(walks, self.steps),
                    cycles(a).log1p() / 4,
                    warm.diagonal(dim1=2, dim2=3).movedim(1, 2),
                ],
                -1,
            )
            passing = torch.cat([walks[:, 1:], warm], 1).clamp(min=0) * n[:, None]
            classes = torch.arange(1, self.furthest + 2, device=a.device)
            pairs = torch.cat(
                [
                    a[..., None],
                    passing.log1p().movedim(1, 3) / 2,
                    (far[..., None] == classes).to(a.dtype),
                    joined.log1p()[..., None],
                    (joined / (joined + _LOOSE))[..., None],
                ],
                -1,
            )
            return nodes * noisy.exists[..., None], pairs * noisy.pairs[..., None]


def walk(a: Tensor) -> Tensor:
    """S (B, N, N); its powers have the diagonals of those of the random walk, A / d."""
    root = a.sum(-1).clamp(min=_FEW).rsqrt()
    return root[:, :, None] * a * root[:, None, :]


def powers(s: Tensor, highest: int) -> Tensor:
    """S, S^2, ..., (B, highest, N, N)."""
    out = [s]
    for _ in range(highest - 1):
        out.append(out[-1] @ s)
    return torch.stack(out, 1)


def returns(walks: Tensor, steps: int) -> Tensor:
    """Diagonals of S^2 ... S^steps (B, N, steps - 1) from `powers` up to half of steps."""
    halves = [((k + 1) // 2 - 1, k // 2 - 1) for k in range(2, steps + 1)]
    return torch.stack([(walks[:, i] * walks[:, j]).sum(-1) for i, j in halves], -1)


def cycles(a: Tensor) -> Tensor:
    """Cycles of 3, 4 and 5 nodes through each node, (B, N, 3)."""
    a2, square = a * a, a @ a
    common = a * square
    degree, closed = a2.sum(-1, keepdim=True), common.sum(-1, keepdim=True)
    apart = square.masked_fill(_diagonal(a), 0).square().sum(-1, keepdim=True)
    two = apart - a2 @ degree + a2.square().sum(-1, keepdim=True)
    walks = (square * (square @ a)).sum(-1, keepdim=True)
    one = 2 * degree * closed + 2 * common @ degree + a2 @ closed
    crossing = 4 * (a2 * common).sum(-1, keepdim=True) + (a * (a @ (a2 * a))).sum(-1, keepdim=True)
    return torch.cat([closed, two, walks - one + crossing], -1).clamp(min=0) / 2


def distances(present: Tensor, furthest: int) -> Tensor:
    """Shortest paths (B, N, N) along edges that are present; furthest + 1: longer, or there is none."""
    step = (present | _diagonal(present)).float()
    reached, out = step, (~_diagonal(present)).long().expand_as(present)
    for k in range(1, furthest + 1):
        out = out + (reached == 0)
        if k < furthest:
            reached = (reached @ step > 0).float()
    return out


def rest(a: Tensor) -> Tensor:
    """The conductance between two nodes of all but their own edge, (B, N, N); under 2 `_LEAK` for none.

    It is what the other pairs say of a pair, and doesn't change with the pair's own weight: of a tree's
    edges it is 0, of those of a cycle of n nodes 1 / (n - 1).
    """
    # a difference of numbers of 1 / _LEAK; MPS has single precision only
    wide = a if a.device.type == "mps" else a.double()
    here = torch.eye(a.shape[1], dtype=wide.dtype, device=a.device)
    laplacian = torch.diag_embed(wide.sum(-1) + _LEAK) - wide
    green = torch.cholesky_inverse(torch.linalg.cholesky(laplacian))
    own = green.diagonal(dim1=1, dim2=2)
    resistance = own[:, :, None] + own[:, None, :] - 2 * green
    conductance = 1 / (resistance + here)  # the diagonal has no resistance, and no meaning
    return ((conductance - wide).clamp(min=0) * (1 - here)).to(a.dtype)


def heat(a: Tensor, times: int) -> Tensor:
    """exp(-t L) at t = 1, 2, 4, ..., (B, times, N, N).

    exp(-L) = (exp(x) / e^(1/4))^4 with x = (I - L) / 4, where the Taylor series to x^8 is exact to 1e-11.
    """
    here = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
    degree = a.sum(-1)
    stay = 1 - degree / degree.clamp(min=_FEW)
    x = (walk(a) + here * stay[:, None]) / 4
    x2 = x @ x
    x3 = x2 @ x
    parts = [
        here / math.factorial(k) + x / math.factorial(k + 1) + x2 / math.factorial(k + 2)
        for k in (0, 3, 6)
    ]
    quarter = (parts[0] + x3 @ (parts[1] + x3 @ parts[2])) * math.exp(-0.25)
    half = quarter @ quarter
    out = [half @ half]
    for _ in range(times - 1):
        out.append(out[-1] @ out[-1])
    return torch.stack(out, 1)


def _diagonal(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=torch.bool, device=like.device)
