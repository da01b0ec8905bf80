"""What a network sees of one entry of a series, as a token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.domains.timeseries.question import GIVEN, KNOWN, MEAN, SPREAD, STATIC, VALUE, wanted

__all__ = ["Tokens", "seen"]

_SEEN = 6  # see `seen`


class Tokens(nn.Module):
    """Entries (B, T, C) as tokens (B, T, C, width): what `seen` says, which channel it is, and covariates of its
    time and of its series.

    Args:
        channels: C.
        known: covariates of a time, F.
        static: covariates of a series, S.
        width: of a token.
    """

    def __init__(self, channels: int, known: int, static: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(_SEEN, width)
        self.channel = nn.Parameter(torch.randn(channels, width) * 0.3)
        self.times = nn.Linear(known, channels * width) if known else None
        self.series = nn.Linear(static, width) if static else None

    def forward(self, batch: Batch) -> Tensor:
        h: Tensor = self.enter(seen(batch)) + self.channel
        if self.times is not None:
            h = h + self.times(batch.cond[KNOWN].to(batch.x)).unflatten(-1, self.channel.shape)
        if self.series is not None:
            h = h + self.series(batch.cond[STATIC].to(batch.x))[:, None, None]
        return h


def seen(batch: Batch) -> Tensor:
    """What is told of every entry of a question, (B, T, C, 6); zeros where it is neither given nor asked for.

    Whether it is asked for; the value, and whether it is given; the reference's mean and log spread; and the
    level. Value and mean are told as what they are above the level, the mean of what is given of the channel, and
    the level as its logarithm, so that a series may drift to where none has been.
    """
    x, cond = batch.x, batch.cond
    given, asked = cond[GIVEN].to(x.dtype), wanted(batch).to(x.dtype)
    either = (asked + given).clamp(max=1)
    level = (cond[VALUE].to(x.dtype) * given).sum(1, keepdim=True)
    level = level / given.sum(1, keepdim=True).clamp(min=1)
    value = (cond[VALUE].to(x.dtype) - level) * given
    mean = (cond[MEAN].to(x.dtype) - level) * either
    spread = cond[SPREAD].to(x.dtype) * either
    return torch.stack([asked, value, given, mean, spread, level.asinh() * either], -1)
