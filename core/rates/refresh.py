r"""Rates that forget at once: a jump goes to a fresh draw from one law, wherever it comes from.

    R = 1 pi' - I          q = a I + (1 - a) 1 pi',   a = e^-B

pi is uniform (D3PM's uniform noise; 11' - S I of tauLDR and SDDM is S times this), one extra state
(absorbing: the mask), or the frequencies of each column (marginal). Everything is of rank one, so a
step costs O(N) and no matrix is ever held: an alphabet may be large.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from unnoise.core.rates.base import Rates, padded

__all__ = ["Refresh"]


class Refresh(Rates):
    """R = 1 pi' - I.

    Args:
        sizes: data levels of each column.
        target: pi, (D, N), rows of sum 1; N = the largest size, or one more for a mask.

    Raises:
        ValueError: if a row isn't a law over the levels of its own column.
    """

    def __init__(self, sizes: Sequence[int], target: Tensor) -> None:
        super().__init__(sizes, target.shape[-1])
        if target.shape[0] != len(self.sizes) or bool((target < 0).any()):
            raise ValueError(
                f"Refresh: the target needs a row of probabilities for each of {len(self.sizes)} columns, got {tuple(target.shape)}"
            )
        sums = target.sum(1)
        if not torch.allclose(sums, torch.ones_like(sums)) or bool(
            (target[~self.exists()] > 0).any()
        ):
            raise ValueError("Refresh: each row must sum to 1 over the levels of its own column")
        self.target: Tensor
        self.upper: Tensor
        self.register_buffer("target", target.double(), persistent=False)
        self.register_buffer(
            "upper", target.double().cumsum(1)[:, :-1].contiguous(), persistent=False
        )
        self.absorbs = self.mask is not None and bool((target[:, -1] == 1).all())

    @staticmethod
    def uniform(sizes: Sequence[int]) -> Refresh:
        """To every level of a column alike."""
        return Refresh(
            sizes, padded([torch.ones(s).double() / s for s in sizes], max(sizes, default=0))
        )

    @staticmethod
    def absorbing(sizes: Sequence[int]) -> Refresh:
        """To one state more, the mask, where a column stays."""
        target = torch.zeros(len(sizes), max(sizes, default=0) + 1, dtype=torch.float64)
        target[:, -1] = 1
        return Refresh(sizes, target)

    @staticmethod
    def marginal(frequencies: Sequence[Tensor]) -> Refresh:
        """To each column's own frequencies, (size,) each; a level that was never seen keeps its
        0."""
        laws = [f.double() / f.double().sum() for f in frequencies]
        return Refresh([len(f) for f in frequencies], padded(laws, max(map(len, laws), default=0)))

    def stationary(self) -> Tensor:
        return self.target.double()

    def row(self, x: Tensor, B: Tensor) -> Tensor:
        kept, gone = _shares(B)
        return kept * one_hot(x, self.states) + gone * self.target.to(B.dtype)

    def column(self, x: Tensor, B: Tensor) -> Tensor:
        kept, gone = _shares(B)
        return kept * one_hot(x, self.states) + gone * self._at(x).to(B.dtype)[..., None]

    def push(self, law: Tensor, B: Tensor) -> Tensor:
        kept, gone = _shares(B)
        return kept * law + gone * law.sum(-1, keepdim=True) * self.target.to(B.dtype)

    def away(self, x: Tensor) -> Tensor:
        return self.target * (1 - one_hot(x, self.states))

    def into(self, x: Tensor) -> Tensor:
        return self._at(x)[..., None] * (1 - one_hot(x, self.states))

    def draw(self, x: Tensor, B: Tensor, u: Tensor) -> Tensor:
        kept, gone = torch.exp(-B.double()), -torch.expm1(-B.double())
        fresh = self._quantile((u - kept) / gone.clamp(min=1e-300))
        return torch.where(u < kept, x, fresh)

    def _quantile(self, v: Tensor) -> Tensor:
        """The level of pi at a quantile, (B, D)."""
        if self.absorbs:
            return torch.full_like(v, self.states - 1, dtype=torch.long)
        if len(self.upper) == 1:
            return torch.searchsorted(self.upper[0].double(), v.contiguous(), right=True)
        return torch.searchsorted(self.upper.double(), v.T.contiguous(), right=True).T

    def _at(self, x: Tensor) -> Tensor:
        """pi[x], (B, D)."""
        if len(self.target) == 1:
            return self.target[0][x]
        return self.target.gather(1, x.T).T


def _shares(B: Tensor) -> tuple[Tensor, Tensor]:
    """e^-B and 1 - e^-B, to stand against (B, D, N)."""
    return torch.exp(-B)[..., None], -torch.expm1(-B)[..., None]
