r"""The network of a mixed table: an embedding of every cell, summed; residual layers that are told the
noise level; a head a column.

A noisy number is seen as what it says of the true one. If that is normal, it is N(m, v) given x_t with
m = alpha x_t and v = sigma^2; if it is given, m is its value and v = 0. Features are expectations,

    E sin(w x) = sin(w m) e^{-w^2 v / 2},   E cos(w x) = cos(w m) e^{-w^2 v / 2}

(integrated positional encoding, Barron et al. 2021): noise fades out by itself, the finest detail
first, so that it never looks like evidence, and a fine dependence needs no steep layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.domains.categorical.networks.mlp import Cells, Heads, Trunk

__all__ = ["TableNetwork"]

_FREQUENCIES = 6  # pi/4 to 8 pi: a period from 8 standard deviations down to a quarter
_QUIET = -8.0  # log-SNR at which 3e-4 of a number's variance and 2 % of the codes are left


class TableNetwork(nn.Module):
    """F(parts by name, log_snr, batch): means of the numbers, odds of every level of the codes.

    Args:
        numbers: the name of the part of numbers.
        count: how many it has; 0: there is no such part.
        codes: (columns, states, odds a column) of every part of codes.
        width, blocks, dropout: see `TableMLP`.
    """

    def __init__(
        self,
        numbers: str,
        count: int,
        codes: Mapping[str, Sequence[int]],
        width: int,
        blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.numbers, self.count = numbers, count
        self.frequencies: Tensor
        w = math.pi / 4 * 2.0 ** torch.arange(_FREQUENCIES)
        self.register_buffer("frequencies", w, persistent=False)
        columns = count + sum(c for c, _, _ in codes.values())
        self.enter = nn.Linear(count * (1 + 2 * _FREQUENCIES) + columns, width)
        self.cells = nn.ModuleDict({k: Cells(c, s, width) for k, (c, s, _) in codes.items()})
        self.trunk = Trunk(width, blocks, dropout)
        self.heads = nn.ModuleDict({k: Heads(width, c, o) for k, (c, _, o) in codes.items()})
        self.means = nn.ModuleDict({numbers: nn.Linear(width, count)} if count else {})
        for parameter in self.means.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, parts: Mapping[str, Tensor], log_snr: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        given = torch.zeros_like(batch.x, dtype=torch.bool)
        if batch.observed is not None:
            given = batch.observed.expand_as(batch.x)
        told = [given.to(log_snr.dtype)]
        if self.count:
            told += self._features(parts[self.numbers], log_snr, given[:, : self.count])
        h = self.enter(torch.cat(told, 1))
        for name, cells in self.cells.items():
            h = h + cells(parts[name])
        h = self.trunk(h, log_snr.clamp(min=_QUIET))
        return {name: leave(h) for name, leave in (*self.means.items(), *self.heads.items())}

    def _features(self, x: Tensor, log_snr: Tensor, given: Tensor) -> list[Tensor]:
        """m, E sin(w x) and E cos(w x) of every number, for numbers x_t at unit variance."""
        m = torch.where(given, x, torch.sigmoid(log_snr).sqrt()[:, None] * x)
        v = torch.where(given, 0.0, torch.sigmoid(-log_snr)[:, None])
        angle = m[..., None] * self.frequencies
        fade = torch.exp(-0.5 * v[..., None] * self.frequencies.square())
        return [m, (fade * angle.sin()).flatten(1), (fade * angle.cos()).flatten(1)]
