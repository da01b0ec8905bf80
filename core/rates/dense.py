r"""Any rates at all, one matrix a column: q = expm(B R).

By eigenvectors, R = V diag(l) V^-1 with complex l, where V is well conditioned; else by
`torch.matrix_exp`, one matrix a state of the batch. B is the user's own time: nothing is
normalised, and alpha = e^-B is then a clock, not what is left of a mode. Rates in detailed balance
are cheaper and more exact as `Reversible`, rates of rank one as `Refresh`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unnoise.core.rates.matrix import MatrixRates, at

__all__ = ["AnyRates"]

CONDITION = 1e6  # of V, above which its inverse costs more digits than double precision can spare


class AnyRates(MatrixRates):
    """R of each column as it is given.

    Args:
        matrices: R of each column, (size, size): positive off the diagonal, which is made here.
        absorbing: the last state of each column is none of the data's; all columns are then of one
            size.

    Raises:
        ValueError: if a matrix isn't square, or a rate is negative or not finite.
    """

    def __init__(self, matrices: Sequence[Tensor], absorbing: bool = False) -> None:
        sizes = [len(m) for m in matrices]
        if absorbing and len(set(sizes)) > 1:
            raise ValueError(f"AnyRates: with a state more, columns are of one size, got {sizes}")
        super().__init__([s - int(absorbing) for s in sizes], max(sizes, default=0))
        rates = torch.zeros(len(sizes), self.states, self.states, dtype=torch.float64)
        for d, matrix in enumerate(matrices):
            if matrix.shape != (sizes[d], sizes[d]):
                raise ValueError(f"AnyRates: column {d} has rates of shape {tuple(matrix.shape)}")
            off = matrix.double() - torch.diag(matrix.double().diagonal())
            if not bool(((off >= 0) & off.isfinite()).all()):
                raise ValueError(f"AnyRates: column {d} has a rate that is negative or not finite")
            rates[d, : sizes[d], : sizes[d]] = off - torch.diag(off.sum(1))
        self.register_buffer("rates", rates, persistent=False)
        values, vectors = torch.linalg.eig(rates)
        self.diagonal = bool((torch.linalg.cond(vectors) < CONDITION).all())
        self.modes: Tensor
        self.right: Tensor
        self.left: Tensor
        inverse = torch.linalg.inv(vectors) if self.diagonal else vectors
        for name, value in (("modes", values), ("right", vectors), ("left", inverse)):
            # as pairs of reals: a cast of complex buffers drops their imaginary parts
            self.register_buffer(name, torch.view_as_real(value), persistent=False)

    def transition(self, B: Tensor) -> Tensor:
        """expm(B R), ([B,] D, N, N) in float64; rows are laws."""
        b = B.double()
        if not bool(b.isfinite().all()):
            raise ValueError(
                "AnyRates: B must be finite; end the schedule at a finite log_snr_min"
            )
        b = b.reshape(-1, 1, 1, 1) if b.ndim else b
        if not self.diagonal:
            return torch.matrix_exp(b * self.rates)
        modes, right, left = (
            torch.view_as_complex(pairs) for pairs in (self.modes, self.right, self.left)
        )
        full: Tensor = ((right * torch.exp(b * modes[:, None, :])) @ left).real
        return full

    def stationary(self) -> Tensor:
        exists = self.exists().to(self.rates.device)
        leak = torch.diag_embed((~exists).double())  # or what is absent would be stationary too
        values, vectors = torch.linalg.eig(self.rates.mT - leak)
        slowest = values.real.argmax(-1)
        law: Tensor = vectors.real[torch.arange(len(slowest)), :, slowest].abs() * exists
        return law / law.sum(-1, keepdim=True)

    def row(self, x: Tensor, B: Tensor) -> Tensor:
        row = self._rows(self.transition(B), x).clamp(min=0)
        return (row / row.sum(-1, keepdim=True)).to(B.dtype)

    def column(self, x: Tensor, B: Tensor) -> Tensor:
        return self._rows(self.transition(B).mT, x).clamp(0, 1).to(B.dtype)

    def push(self, law: Tensor, B: Tensor) -> Tensor:
        full = self.transition(B)
        moved = (law.double()[..., None, :] @ full)[..., 0, :]
        return moved.clamp(min=0).to(B.dtype)

    def _rows(self, full: Tensor, x: Tensor) -> Tensor:
        """full[.., d, x_d, :], (B, D, N)."""
        if full.ndim == 3:
            return at(full, x)
        full = full.expand(len(x), x.shape[1], *full.shape[2:])
        index = x[..., None, None].expand(*x.shape, 1, full.shape[-1])
        return full.gather(2, index)[..., 0, :]
