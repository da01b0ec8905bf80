r"""Rates between ordered levels: they are in detailed balance with their stationary law.

    pi_x R[x, y] = pi_y R[y, x]     so     D^1/2 R D^-1/2 = V diag(-mu) V',   D = diag(pi)
    q = D^-1/2 V diag(e^(-mu B)) V' D^1/2

with V orthogonal: one symmetric eigendecomposition a column, once, in float64. R is divided by its
smallest nonzero mu, so that e^-B is what is left of the slowest mode, as it is for `Refresh`.

    birth-death        R[i, i +- 1] = 1: a walk between neighbours, stationary uniform;
                       mu_k = 4 sin^2(pi k / 2S) before the division
    Gaussian target    R[i, j] = exp(-(|i - j| - 1)^2 / rho^2) min(1, pi_j / pi_i)
                       pi_i ~ exp(-(i - (S - 1)/2)^2 / 2 tau^2)

The second is that of tauLDR (Campbell et al. 2022, appendix E) as a Metropolis chain, which makes
it exact for odd S; there the target is centred half a level off.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.core.rates.matrix import MatrixRates, at

__all__ = ["Reversible"]


class Reversible(MatrixRates):
    """R of each column from its law and the flow between its levels.

    Args:
        laws: pi of each column, (size,) each, positive, of sum 1.
        matrices: R of each column, (size, size), off-diagonal; the diagonal is made here.

    Raises:
        ValueError: if a rate is negative, or not in balance with its law, or a column falls apart.
    """

    def __init__(self, laws: list[Tensor], matrices: list[Tensor]) -> None:
        super().__init__([len(law) for law in laws], max(map(len, laws), default=0))
        shape = (len(laws), self.states, self.states)
        rates, vectors = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
        modes, root = torch.zeros(shape[:2], dtype=torch.float64), torch.ones(shape[:2]).double()
        for d, (law, matrix) in enumerate(zip(laws, matrices, strict=True)):
            n, pi = len(law), law.double() / law.double().sum()
            R, mu, V = _diagonalised(pi, matrix.double(), d)
            rates[d, :n, :n], modes[d, :n], vectors[d, :n, :n] = R, mu, V
            root[d, :n] = pi.sqrt()
        self.modes: Tensor
        self.vectors: Tensor
        self.root: Tensor
        for name, value in (
            ("rates", rates),
            ("modes", modes),
            ("vectors", vectors),
            ("root", root),
        ):
            self.register_buffer(name, value, persistent=False)

    @staticmethod
    def birth_death(sizes: list[int]) -> Reversible:
        """A walk between neighbours, with reflecting ends."""
        ones = [torch.ones(max(s - 1, 0), dtype=torch.float64) for s in sizes]
        steps = [torch.diag(o, 1) + torch.diag(o, -1) for o in ones]
        return Reversible([torch.ones(s).double() for s in sizes], steps)

    @staticmethod
    def gaussian_target(sizes: list[int], reach: float, spread: float) -> Reversible:
        """Towards a discretised Gaussian in the middle.

        Args:
            sizes: levels of each column.
            reach: rho, how far a jump goes, in levels.
            spread: tau, the standard deviation of the target, in levels.

        Raises:
            ValueError: if one of them isn't positive.
        """
        if not (reach > 0 and spread > 0):
            raise ValueError(
                f"Reversible: reach and spread must be positive, got {reach} and {spread}"
            )
        laws, matrices = [], []
        for size in sizes:
            i = torch.arange(size, dtype=torch.float64)
            log_pi = -((i - (size - 1) / 2).square()) / (2 * spread**2)
            far = (i[:, None] - i).abs()
            accept = (log_pi - log_pi[:, None]).clamp(max=0).exp()
            laws.append(torch.softmax(log_pi, 0))
            matrices.append(torch.exp(-((far - 1) / reach).square()) * accept)
        return Reversible(laws, matrices)

    def stationary(self) -> Tensor:
        return self.root.double().square() * self.exists().to(self.root.device)

    def row(self, x: Tensor, B: Tensor) -> Tensor:
        start = at(self.vectors, x) / at(self.root, x)[..., None]
        return self._law(self._moved(start, B) * self.root, B)

    def column(self, x: Tensor, B: Tensor) -> Tensor:
        start = at(self.vectors, x) * at(self.root, x)[..., None]
        return (self._moved(start, B) / self.root).clamp(0, 1).to(B.dtype)

    def push(self, law: Tensor, B: Tensor) -> Tensor:
        start = turned(law.double() / self.root, self.vectors)
        return (self._moved(start, B) * self.root).clamp(min=0).to(B.dtype)

    def _moved(self, amplitudes: Tensor, B: Tensor) -> Tensor:
        """V e^(-mu B) of amplitudes (B, D, N)."""
        b = B.double().clamp(max=1e300)[..., None]  # 0 x infinity is not what is left of a mode
        return turned(amplitudes * torch.exp(-self.modes * b), self.vectors.mT)

    def _law(self, row: Tensor, B: Tensor) -> Tensor:
        """A row without the rounding that makes rare states negative."""
        row = row.clamp(min=0)
        return (row / row.sum(-1, keepdim=True)).to(B.dtype)


def turned(rows: Tensor, matrices: Tensor) -> Tensor:
    """Rows (B, D, N) times the matrix of their column, (D, N, N) or one for all."""
    if len(matrices) == 1:
        return rows @ matrices[0]
    return torch.einsum("bdn,dnm->bdm", rows, matrices)


def _diagonalised(pi: Tensor, R: Tensor, column: int) -> tuple[Tensor, Tensor, Tensor]:
    """R with its diagonal, -eigenvalues and eigenvectors of D^1/2 R D^-1/2; the gap is 1."""
    R = R - torch.diag(R.diagonal())
    flow = pi[:, None] * R
    if bool((R < 0).any()) or not torch.allclose(flow, flow.T, rtol=1e-9, atol=1e-14):
        raise ValueError(
            f"Reversible: column {column}: rates must be positive and in detailed balance with their law; "
            "for any others take AnyRates"
        )
    R = R - torch.diag(R.sum(1))
    if len(pi) == 1:
        return R, torch.zeros(1, dtype=R.dtype), torch.ones(1, 1, dtype=R.dtype)
    symmetric = pi.sqrt()[:, None] * R / pi.sqrt()
    values, vectors = torch.linalg.eigh(-0.5 * (symmetric + symmetric.T))
    gap = values[1]
    if not gap > 1e-12 * values[-1]:
        raise ValueError(f"Reversible: column {column} falls apart: some levels never meet")
    return R / gap, torch.cat([torch.zeros(1), values[1:] / gap]), vectors
