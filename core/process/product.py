"""Mixed data: parts of a state that are noised by processes of their own, along one log-SNR.

A state is one tensor, the parts side by side in its last dimension, so that batches, masks,
samplers and training see nothing new; a belief is one a part, by name (`Parts`). The parts are
independent given x_0, so marginals and reverse steps multiply and rates add: a table of numbers and
categories is Gaussian times jumps, and its bound is one sum. What couples the parts is the denoiser,
which sees all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.distribution import Joined
from unnoise.core.posterior import Parts
from unnoise.core.process.base import Process
from unnoise.core.schedule import Level, Schedule

__all__ = ["Product"]


class Product(Process[Parts]):
    """Independent parts, each with `widths[name]` entries of the last dimension.

    Args:
        schedule: of all parts; what a part's own schedule is plays no role.
        parts: the process of each part, in the order of the state.
        widths: entries of each part.

    Raises:
        ValueError: if the names differ, or a part has no entry.
    """

    def __init__(
        self, schedule: Schedule, parts: Mapping[str, Process[Any]], widths: Mapping[str, int]
    ) -> None:
        super().__init__()
        if list(parts) != list(widths) or not parts or min(widths.values()) < 1:
            raise ValueError(
                f"Product: parts {list(parts)} need a width of at least 1 each, in their order, got {dict(widths)}"
            )
        self.schedule = schedule
        self.widths = dict(widths)
        self.parts = nn.ModuleDict({name: part.on(schedule) for name, part in parts.items()})

    def split(self, x: Tensor) -> dict[str, Tensor]:
        """The parts of a state, or of anything shaped like it."""
        return dict(zip(self.widths, x.split(list(self.widths.values()), -1), strict=True))

    def batches(self, batch: Batch) -> dict[str, Batch]:
        """The batch of each part."""
        x = self.split(batch.x)
        mask, observed = (
            {} if v is None else self.split(v.expand_as(batch.x))
            for v in (batch.mask, batch.observed)
        )
        return {k: Batch(x[k], mask.get(k), observed.get(k), cond=batch.cond) for k in x}

    def prior(self, batch: Batch) -> Joined:
        some = self.batches(batch)
        return self._joined({k: self.process(k).prior(some[k]) for k in some})

    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Joined:
        x, some = self.split(x_0), self.batches(batch)
        return self._joined({k: self.process(k).marginal(x[k], level, some[k]) for k in x})

    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: Parts, batch: Batch
    ) -> Joined:
        x, some, belief = self.split(x_t), self.batches(batch), posterior.parts
        return self._joined(
            {k: self.process(k).reverse(x[k], level, to, belief[k], some[k]) for k in x}
        )

    def rate(
        self, x_0: Tensor, x_t: Tensor, level: Level, posterior: Parts, batch: Batch
    ) -> Tensor:
        known, x, some, belief = (
            self.split(x_0),
            self.split(x_t),
            self.batches(batch),
            posterior.parts,
        )
        rates = [self.process(k).rate(known[k], x[k], level, belief[k], some[k]) for k in x]
        return torch.stack(rates).sum(0)

    def decode(self, x_t: Tensor, level: Level, posterior: Parts, batch: Batch) -> Joined:
        x, some, belief = self.split(x_t), self.batches(batch), posterior.parts
        return self._joined(
            {k: self.process(k).decode(x[k], level, belief[k], some[k]) for k in x}
        )

    def on(self, schedule: Schedule) -> Product:
        return Product(schedule, {k: self.process(k) for k in self.widths}, self.widths)

    def dims(self, batch: Batch) -> Tensor:
        some = self.batches(batch)
        return torch.stack([self.process(k).dims(some[k]) for k in some]).sum(0)

    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        known, x, some = self.split(x_0), self.split(x_t), self.batches(batch)
        each = [self.process(k).excess(known[k], x[k], level, some[k]) for k in x]
        return torch.stack(each).sum(0)

    def process(self, name: str) -> Process[Any]:
        """The process of a part."""
        part: Process[Any] = self.parts[name]  # type: ignore[assignment]
        return part

    def _joined(self, laws: Mapping[str, Any]) -> Joined:
        return Joined(list(laws.values()), list(self.widths.values()))
