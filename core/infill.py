r"""Infilling: states of which some entries are given.

`Known` tells a network what is given: an observed entry enters clean, not noisy, and the belief
about it is its value. `Infill` trains it so: of each state it reveals entries at random, none in some
states, and the loss counts the rest, for what is known costs nothing. A model trained like this draws
from p(unknown | known) for any pattern, as exactly as it draws anything: no noise has to be renewed.

Under the absorbing noise a network trained without it infills as exactly, since an entry that
isn't masked is known anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.objective.base import Objective
from unnoise.core.posterior import Categories, Mean, Parts
from unnoise.core.process import Process
from unnoise.core.random import Generator, uniform
from unnoise.core.schedule import Level

__all__ = ["Infill", "Known"]

Pattern = Callable[[Batch, Generator], Tensor]  # which entries are given, shaped as batch.x


class Known(Denoiser[Any]):
    """A denoiser that is told the observed entries: beliefs of means, categories or parts."""

    def __init__(self, denoiser: Denoiser[Any]) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        if batch.observed is None:
            return self.denoiser(x_t, level, batch)
        observed = batch.observed.expand_as(x_t)
        told = torch.where(observed, batch.x, x_t)
        return given(self.denoiser(told, level, batch), batch.x, observed)


class Infill(Objective):
    """Another objective on states of which a part is given.

    Args:
        objective: what is trained.
        share: of the states that have anything given; of those each entry is, with a probability
            that is uniform on [0, 1].

    Raises:
        ValueError: if the share isn't in [0, 1].
    """

    def __init__(self, objective: Objective, share: float = 0.5) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"Infill: share must be in [0, 1], got {share}")
        self.objective = objective
        self.share = share

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        ends = uniform((len(batch), 2), batch.x, generator)
        known = torch.where(ends[:, 0] < self.share, ends[:, 1], 0.0)
        each = uniform(tuple(batch.x.shape), batch.x, generator)
        observed = each < known.reshape(-1, *[1] * (batch.x.ndim - 1))
        return self.objective.terms(process, denoiser, batch.replace(observed=observed), generator)


def given(belief: Any, x: Tensor, observed: Tensor) -> Any:
    """The belief with what is observed (B, ...) put in the place of what was thought of it.

    Raises:
        TypeError: for beliefs that aren't about x_0.
    """
    if isinstance(belief, Mean):
        return Mean(torch.where(observed, x, belief.mean))
    if isinstance(belief, Categories):
        here = one_hot(torch.where(observed, x, 0.0).long(), belief.logits.shape[-1]).bool()
        logits = belief.logits.masked_fill(observed[..., None] & ~here, -torch.inf)
        return Categories(torch.where(observed[..., None] & here, 0.0, logits))
    if isinstance(belief, Parts):
        widths = [_width(part) for part in belief.parts.values()]
        some = zip(belief.parts, x.split(widths, -1), observed.split(widths, -1), strict=True)
        return Parts({name: given(belief.parts[name], v, o) for name, v, o in some})
    raise TypeError(
        f"Known: a {type(belief).__name__} isn't a belief about x_0; infill with means or categories"
    )


def _width(belief: Any) -> int:
    """Entries of a part in the last dimension of its state."""
    if isinstance(belief, Categories):
        return belief.logits.shape[-2]
    return int(belief.mean.shape[-1])
