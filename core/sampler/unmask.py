r"""Rules that unmask as many entries as the schedule does, in an order of their own; for the absorbing noise.

    value_d ~ p(x_0 | x_t)_d;   unmask the round(D alpha_s) - (unmasked already) entries that are most urgent

A mask hides its entry whatever the others are. So an order that doesn't look at values leaves the law as it is, and
decides which entries are drawn at once, as if they were independent: far from each other, if they should err little.
Numbers that are planned, not drawn, err less too.

    Ordered      in an order that is given
    Confident    those whose drawn value is likeliest (MaskGIT)
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.posterior import Categories
from unnoise.core.process.jump import Jump, JumpBelief, codes, columns
from unnoise.core.random import Generator, uniform
from unnoise.core.sampler.leap import JumpSolver, Span, drawn

__all__ = ["Confident", "Ordered", "Unmasking"]


class Unmasking(JumpSolver):
    """The rule above.

    Raises:
        ValueError: in a step, if the noise has no mask, or the belief is one of ratios.
    """

    def step(
        self, process: Jump, x_t: Tensor, span: Span, belief: JumpBelief,
        batch: Batch, generator: Generator,
    ) -> Tensor:  # fmt: skip
        if process.rates.mask is None or not isinstance(belief, Categories):
            raise ValueError(
                f"{type(self).__name__}: needs the absorbing noise and a belief about x_0"
            )
        x = codes(x_t)
        masked = x == process.rates.mask
        free = torch.ones_like(masked)
        if batch.mask is not None:
            free = batch.mask.expand_as(batch.x).reshape(x.shape)
            masked = masked & free
        if batch.observed is not None:
            free = free & ~batch.observed.expand_as(batch.x).reshape(x.shape)
        gone = -torch.expm1(-span.B_s)
        left = (free.sum(1) * gone).round().long()  # masked entries after the step
        log_p = torch.log_softmax(columns(belief.logits), -1)
        value = codes(drawn(log_p, x_t, generator))
        sure = log_p.gather(-1, value[..., None])[..., 0]
        urgent = self.urgency(sure, gone, generator)
        rank = urgent.masked_fill(~masked, torch.inf).argsort(1, descending=True).argsort(1)
        reveal = (x == process.rates.mask) & (rank < (x.shape[1] - left)[:, None])
        return torch.where(reveal, value, x).reshape(x_t.shape).to(x_t.dtype)

    @abstractmethod
    def urgency(self, log_p: Tensor, gone: Tensor, generator: Generator) -> Tensor:
        """How urgent every entry is, (B, D), of the log-probabilities of the drawn values, (B, D), and the share
        that stays masked."""


@dataclass(frozen=True, eq=False)
class Ordered(Unmasking):
    """In an order that is given: exact in the limit of a step an entry, and whatever the order.

    Attributes:
        rank: of every entry, whole numbers, the least first, (D,) or (B, D).

    Raises:
        ValueError: in a step, if the ranks aren't those of its entries.
    """

    rank: Tensor

    def urgency(self, log_p: Tensor, gone: Tensor, generator: Generator) -> Tensor:
        if self.rank.shape not in (log_p.shape, log_p.shape[1:]):
            raise ValueError(
                f"Ordered: ranks of shape {tuple(self.rank.shape)} for entries of shape {tuple(log_p.shape)}"
            )
        return -self.rank.to(log_p.device, torch.float32).expand_as(log_p)


@dataclass(frozen=True)
class Confident(Unmasking):
    """Those that are surest of what they drew. Not the law of the model: it trades spread for likely samples.

    Attributes:
        temperature: of Gumbel noise on the log-probabilities, in nats, times the share that is
            still masked.
    """

    temperature: float = 1.0

    def urgency(self, log_p: Tensor, gone: Tensor, generator: Generator) -> Tensor:
        log_p = log_p.double()
        u = uniform(tuple(log_p.shape), log_p, generator).clamp(1e-300, 1 - 1e-16)
        return log_p - self.temperature * gone * torch.log(-torch.log(u))
