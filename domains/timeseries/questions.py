r"""Training on questions: of each window a pattern of entries is given, and the loss is that of the rest.

A question may have very many targets. Since the noise is that of a process of functions, what is diffused at some
of them is what would be diffused there at all of them; so a question is cut to some of its targets, and training
is on the rest another time. One look at a question, which is most of the work, serves several noise levels.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, MeanDenoiser
from unnoise.core.objective import Objective
from unnoise.core.process import Process
from unnoise.core.random import Generator, uniform
from unnoise.domains.timeseries.patterns import Pattern
from unnoise.domains.timeseries.question import asked, wanted

__all__ = ["Questions", "encoded"]


class Encodes(Protocol):
    """A network that can look at a question before it sees noise."""

    def encode(self, batch: Batch) -> Batch: ...


class Questions(Objective):
    """Another objective, on questions about the batch's series; every target counts alike.

    Args:
        objective: of the residuals.
        pattern: what is given.
        reference: what answers first, see `question.asked`.
        most: targets of a question; more are cut to as many, at random.
        levels: noise levels of a question.

    Raises:
        ValueError: if `most` or `levels` is less than 1.
    """

    def __init__(
        self,
        objective: Objective,
        pattern: Pattern,
        reference: nn.Module,
        most: int = 256,
        levels: int = 4,
    ) -> None:
        super().__init__()
        if most < 1 or levels < 1:
            raise ValueError(
                f"Questions: most and levels must be at least 1, got {most}, {levels}"
            )
        self.objective = objective
        self.pattern = pattern
        self.reference = reference
        self.most = most
        self.levels = levels

    def extra_repr(self) -> str:
        return f"pattern={self.pattern}, most={self.most}, levels={self.levels}"

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        with torch.no_grad():
            question = asked(batch, self.pattern(batch, generator), self.reference)
            question = self._cut(question, generator)
        question = encoded(denoiser, question)
        rows = torch.arange(len(batch), device=batch.x.device).repeat_interleave(self.levels)
        each = self.objective.terms(process, denoiser, question.rows(rows), generator)
        targets = question.dims()
        mean: Tensor = each.unflatten(0, (-1, self.levels)).mean(1)
        return mean * targets / targets.mean().clamp(min=1)

    def _cut(self, question: Batch, generator: Generator) -> Batch:
        targets = wanted(question)
        lot = uniform(tuple(targets.shape), question.x, generator)
        lot = torch.where(targets, lot, torch.inf).flatten(1)
        if lot.shape[1] <= self.most:
            return question
        last = lot.kthvalue(self.most, 1, keepdim=True).values
        kept = targets & (lot <= last).reshape(targets.shape)
        return question.replace(mask=kept, x=torch.where(kept, question.x, 0.0))


def encoded(denoiser: Denoiser[Any], question: Batch) -> Batch:
    """The question with the network's look at it.

    Raises:
        TypeError: if the denoiser isn't a `MeanDenoiser`.
    """
    if not isinstance(denoiser, MeanDenoiser):
        raise TypeError(
            f"a model of series has a MeanDenoiser, this one a {type(denoiser).__name__}"
        )
    return cast(Encodes, denoiser.network).encode(question)
