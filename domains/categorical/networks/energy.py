"""A scalar function of the state as a network of conditionals, for few columns:

    F_d,y = f(x with x_d := y)        so       p_t(y | the other columns) ~ exp(F_d,y)

The conditionals belong to one joint law ~ exp(f), which no other network here promises. It costs D
(N - 1) + 1 evaluations of f a state (SDDM's energy-based model).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.domains.categorical.networks.mlp import Cells, Trunk

__all__ = ["Energy"]


class Energy(nn.Module):
    """f(x) from the perceptron of `TableMLP`, at all neighbours of a state.

    Args:
        columns: D.
        states: N; every column must have as many.
        width, blocks: see `TableMLP`.
    """

    def __init__(self, columns: int, states: int, width: int = 256, blocks: int = 3) -> None:
        super().__init__()
        self.columns, self.states = columns, states
        self.cells = Cells(columns, states, width)
        self.trunk = Trunk(width, blocks, 0.0)
        self.scalar = nn.Linear(width, 1)

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        flat = x.reshape(len(x), -1)
        here = torch.eye(self.columns, dtype=torch.bool, device=x.device)
        values = torch.arange(self.states, dtype=x.dtype, device=x.device)
        changed = torch.where(here[:, None], values[:, None], flat[:, None, None])  # B, D, N, D
        each = log_snr.repeat_interleave(self.columns * self.states)
        out: Tensor = self.scalar(self.trunk(self.cells(changed.flatten(0, 2)), each))
        return out.reshape(*x.shape, self.states)
