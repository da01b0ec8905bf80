r"""The orthonormal cosine transform (DCT-II): the basis in which reflecting boundaries make
smoothness diagonal.

    y_k = c_k sum_n x_n cos(pi k (n + 1/2) / N),   c_0 = sqrt(1/N), else sqrt(2/N)

Its rows are the eigenvectors of the second difference with a reflecting boundary, at the angular
frequencies omega_k = pi k / N, so blurring, and every noise that is diagonal here, is a factor a
frequency. An orthonormal transform has determinant one and its transpose is its inverse. It is
kept as a matrix a dimension: at the sizes of images and windows a product is as fast as an FFT.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Cosines"]


class Cosines(nn.Module):
    """The transform over the last `len(shape)` dimensions of a state, those of size `shape`.

    Its matrices are kept in float64 and used in the precision of the state.

    Raises:
        ValueError: if a size is not positive, or a state doesn't end with `shape`.
    """

    frequencies: Tensor  # |omega_k| in radians an entry, shaped `shape`: 0 at the mean

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        if not shape or min(shape) < 1:
            raise ValueError(f"Cosines: shape must be one positive size a dimension, got {shape}")
        self.shape = tuple(shape)
        for axis, n in enumerate(self.shape):
            self.register_buffer(f"basis{axis}", cosine_basis(n), persistent=False)
        axes = [math.pi / n * torch.arange(n, dtype=torch.float64) for n in self.shape]
        squares = sum(omega.square() for omega in torch.meshgrid(*axes, indexing="ij"))
        self.register_buffer("frequencies", torch.as_tensor(squares).sqrt(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The coefficients of x `(..., *shape)`, shaped as x."""
        for axis, basis in self._axes(x):
            x = (x.movedim(axis, -1) @ basis.T).movedim(-1, axis)
        return x

    def inverse(self, y: Tensor) -> Tensor:
        """The state of coefficients y `(..., *shape)`, shaped as y."""
        for axis, basis in self._axes(y):
            y = (y.movedim(axis, -1) @ basis).movedim(-1, axis)
        return y

    def _axes(self, x: Tensor) -> list[tuple[int, Tensor]]:
        """The dimension that each matrix acts on, and the matrix in the precision of x."""
        n = len(self.shape)
        if tuple(x.shape[-n:]) != self.shape:
            raise ValueError(
                f"Cosines: the last dimensions must be {self.shape}, the state has shape {tuple(x.shape)}"
            )
        return [(k - n, self.get_buffer(f"basis{k}").to(x.dtype)) for k in range(n)]


def cosine_basis(n: int) -> Tensor:
    """The matrix of the DCT-II of size n: rows are the basis, (n, n) in float64."""
    k = torch.arange(n, dtype=torch.float64)
    # the phase is reduced while it is an integer: cos of a large number has lost its last digits
    phase = (k[:, None] * (2 * k + 1)).remainder(4 * n)
    basis = math.sqrt(2 / n) * torch.cos(phase * (math.pi / (2 * n)))
    basis[0] = math.sqrt(1 / n)
    return basis
