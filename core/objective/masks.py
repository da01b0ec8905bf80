"""The bound of the absorbing noise as a loss, with the time integrated out (`core.masking`): the mean
of `Denoising(Elbo())` at a fraction of its variance."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.masking import masked, require_absorbing
from unnoise.core.objective.base import Objective
from unnoise.core.process import Process
from unnoise.core.random import Generator, low_discrepancy, uniform

__all__ = ["MaskedColumns"]


class MaskedColumns(Objective):
    """D/k sum over k masked columns of -log p(x_d | the rest), k uniform on 1 ... D, in nats an
    entry.

    Args:
        condition_dropout: the share of rows whose condition is hidden in training.

    Raises:
        ValueError: if the share isn't in [0, 1).
    """

    def __init__(self, condition_dropout: float = 0.0) -> None:
        super().__init__()
        if not 0 <= condition_dropout < 1:
            raise ValueError(
                f"MaskedColumns: condition_dropout must be in [0, 1), got {condition_dropout}"
            )
        self.condition_dropout = condition_dropout

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """The loss of each state, (B,).

        Raises:
            TypeError: if the noise doesn't absorb.
        """
        jump, told = require_absorbing(process), batch
        if self.condition_dropout > 0 and batch.cond:
            drop = uniform((len(batch),), batch.x, generator) < self.condition_dropout
            told = batch.without_condition(drop)
        draw = masked(jump, batch, low_discrepancy(batch.x, generator), generator)
        return draw.nats(denoiser, told) / batch.dims()
