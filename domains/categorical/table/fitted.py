"""A fitted table: what sampling, imputation and likelihoods are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.core.sampler import Sampling
from unnoise.core.training import History
from unnoise.domains.categorical.table.bound import rows_bound
from unnoise.domains.categorical.table.encoder import Encoder
from unnoise.domains.categorical.table.law import spread, without_holes
from unnoise.domains.categorical.table.sampler import OneByOne

__all__ = ["FittedTable", "table_sampler"]

_CHUNK = 2**22  # numbers in a tensor of beliefs, at most
_ROWS = 4096  # in a chunk, at most


@dataclass(frozen=True, eq=False)
class FittedTable:
    """An encoder and its trained model.

    Attributes:
        encoder: frames to states and back.
        model: the law of the states.
        history: of its training.
    """

    encoder: Encoder
    model: Model
    history: History

    def sample(self, n: int, sampler: Sampling, generator: Generator) -> pd.DataFrame:
        """n rows; holes of columns that shall have none are filled, given the rest of their rows.

        So what a column with holes says of the others is learnt from all rows, and what it holds
        itself from those where it is there: right, if whether it is depends on the others alone.
        """
        some = []
        for rows in self.chunks(n):
            batch = Batch(torch.zeros(rows.stop - rows.start, *self.model.shape))
            x = self.model.sample(batch, sampler, generator=generator)
            x, known = self.encoder.reopened(x)
            some.append(self.completed(x, known, sampler, generator))
        return self.encoder.decode(torch.cat(some))

    def impute(self, frame: pd.DataFrame, sampler: Sampling, generator: Generator) -> pd.DataFrame:
        """The frame with its missing cells drawn given the others."""
        states = self.encoder.encode(frame, holes=True)
        holed = (~states.known).any(1).nonzero()[:, 0]
        if not len(holed):
            return frame.copy()
        some = []
        for piece in self.chunks(len(holed)):
            rows = holed[piece]
            x = spread(states.x[rows], states.width[rows], generator)
            some.append(self.completed(x, states.known[rows], sampler, generator))
        return self.encoder.filled(frame, holed.numpy(), self.encoder.decode(torch.cat(some)))

    def log_prob(self, frame: pd.DataFrame, draws: int, generator: Generator) -> LikelihoodResult:
        """See `rows_bound`."""
        states, columns = self.encoder.encode(frame), len(self.encoder.columns)
        some = [
            rows_bound(self.model, states.rows(rows), columns, draws, generator)
            for rows in self.chunks(len(frame))
        ]
        return LikelihoodResult.cat(some)

    def chunks(self, n: int) -> Iterator[slice]:
        """Rows in slices whose beliefs fit into memory, however many levels a column has."""
        rows = max(1, min(_ROWS, _CHUNK // self.encoder.cells))
        return (slice(k, min(k + rows, n)) for k in range(0, n, rows))

    def completed(
        self, x: Tensor, known: Tensor, sampler: Sampling, generator: Generator
    ) -> Tensor:
        """States (n, D) with what isn't known drawn given the rest, and nothing missing."""
        rows = (~known).any(1)
        if bool(rows.any()):
            process, denoiser = without_holes(self.encoder, self.model)
            batch = Batch(x[rows], observed=known[rows])
            x = x.clone()
            x[rows] = sampler(process, denoiser, batch, generator=generator)
        return x


def table_sampler(encoder: Encoder, nfe: int) -> OneByOne:
    """The sampler of tables at nfe noise levels. Whether a number is an ordinary one is drawn first:
    one that the network takes for a hole or a spike, which own all ranks, is led nowhere, and where
    holes are ruled out it would have to be an ordinary one all the same.

    Raises:
        ValueError: if there are less than two levels.
    """
    if nfe < 2:
        raise ValueError(f"nfe must be at least 2, a step and the last denoise, got {nfe}")
    return OneByOne(steps=nfe - 1, first=encoder.marks)
