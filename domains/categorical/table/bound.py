"""The bound of a table's rows: that of their states, and what states leave out.

A number that owns ranks is drawn anew among them in every round, as in training (`quantiles`); so
rounds differ, and their spread is the standard error.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.core.times import LogSNRTimes
from unnoise.domains.categorical.table.encoder import States
from unnoise.domains.categorical.table.law import spread

__all__ = ["ROUNDS", "rows_bound"]

ROUNDS = 8


def rows_bound(
    model: Model, states: States, columns: int, draws: int, generator: Generator
) -> LikelihoodResult:
    """A lower bound on log p of rows, in nats.

    Args:
        model: the law of the states.
        states: of the rows, as of `Encoder.encode`.
        columns: of the table: the dimensions of a row.
        draws: evaluations for each row, a multiple of 2 x `ROUNDS`.
        generator: of ranks, levels and noise.

    Raises:
        ValueError: for other numbers of draws.
    """
    if draws < 1 or draws % (2 * ROUNDS):
        raise ValueError(
            f"draws must be a multiple of {2 * ROUNDS}, {ROUNDS} rounds of pairs, got {draws}"
        )
    rounds = [_round(model, states, draws // ROUNDS, generator) for _ in range(ROUNDS)]
    nats = torch.stack([result.nats for result in rounds])
    return replace(
        rounds[0],
        nats=nats.mean(0) + states.log_scale,
        dims=torch.full((len(states.x),), float(columns)),
        stderr=nats.std(0) / math.sqrt(ROUNDS),
        nfe=ROUNDS * rounds[0].nfe,
    )


def _round(model: Model, states: States, draws: int, generator: Generator) -> LikelihoodResult:
    """log p of ranks and codes at one draw of the ranks: log p(z) - log phi(z)."""
    x = spread(states.x, states.width, generator)
    count = states.width.shape[1]
    method = Bound(draws, LogSNRTimes() if count else None)
    result = method(model.process, model.denoiser, Batch(x), generator=generator)
    z: Tensor = x[:, :count].double()
    normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
    return replace(result, nats=result.nats.double() - normal)
