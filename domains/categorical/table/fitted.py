"""A fitted table: what sampling, imputation and likelihoods are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.core.sampler import Sampling
from unnoise.core.times import LogSNRTimes
from unnoise.core.training import History
from unnoise.domains.categorical.table.encoder import Encoder
from unnoise.domains.categorical.table.law import spread, without_holes
from unnoise.domains.categorical.table.sampler import OneByOne

__all__ = ["ROUNDS", "FittedTable"]

ROUNDS = 8  # of a likelihood: draws of where in its ranks a number lies
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

    def sampler(self, nfe: int) -> OneByOne:
        """That of tables, at nfe noise levels. Whether a number is an ordinary one is drawn first:
        one that the network takes for a hole or a spike, which own all ranks, is led nowhere, and
        where holes are ruled out it would have to be an ordinary one all the same.

        Raises:
            ValueError: if there are less than two levels.
        """
        if nfe < 2:
            raise ValueError(f"nfe must be at least 2, a step and the last denoise, got {nfe}")
        return OneByOne(steps=nfe - 1, first=self.encoder.marks)

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
        """The bound on every row, a mean over `ROUNDS`, each with draws of its own ranks."""
        states = self.encoder.encode(frame)
        some = []
        for rows in self.chunks(len(frame)):
            x, width = states.x[rows], states.width[rows]
            rounds = [self._bound(x, width, draws // ROUNDS, generator) for _ in range(ROUNDS)]
            nats = torch.stack([result.nats for result in rounds])
            some.append(
                replace(
                    rounds[0],
                    nats=nats.mean(0) + states.log_scale[rows],
                    dims=torch.full((len(x),), float(len(self.encoder.columns))),
                    stderr=nats.std(0) / math.sqrt(ROUNDS),
                    nfe=ROUNDS * rounds[0].nfe,
                )
            )
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

    def _bound(
        self, ranks: Tensor, width: Tensor, draws: int, generator: Generator
    ) -> LikelihoodResult:
        """log p of ranks and codes at one draw of the ranks: log p(z) - log phi(z)."""
        x = spread(ranks, width, generator)
        method = Bound(draws, LogSNRTimes() if width.shape[1] else None)
        result = method(self.model.process, self.model.denoiser, Batch(x), generator=generator)
        z = x[:, : width.shape[1]].double()
        normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
        return replace(result, nats=result.nats.double() - normal)
