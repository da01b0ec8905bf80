r"""The absorbing noise, with the time integrated out.

Under it a state is a set of masked columns, and the bound is an integral over the time at which a
number k of D columns is masked. That integral is known: each k has the same weight,

    int 1/(1 - alpha) E sum_masked -log p dalpha = sum_{k=1}^D  E[ 1/k sum_masked -log p(x_d | the rest) ]

(Hoogeboom et al. 2022; Ou et al. 2024), whatever the schedule. Drawing k instead of a time leaves out
what is noise only: that a level masks now more columns and now fewer, and at small t mostly none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.posterior import Categories
from unnoise.core.process import Jump, Process
from unnoise.core.process.jump import codes
from unnoise.core.random import Generator, uniform
from unnoise.core.rates import Refresh
from unnoise.core.schedule import Level

__all__ = ["Masking", "masked", "require_absorbing"]


@dataclass(frozen=True, eq=False)
class Masking:
    """States with k columns masked.

    Attributes:
        x_t: the states.
        level: one at which as many may be masked.
        hidden: which columns are, (B, D).
        weight: free columns over masked ones, (B,).
    """

    x_t: Tensor
    level: Level
    hidden: Tensor
    weight: Tensor

    def nats(self, denoiser: Denoiser[Any], batch: Batch) -> Tensor:
        """D/k sum_masked -log p(x_d | the rest), (B,): its mean over k is the bound.

        Raises:
            TypeError: if the denoiser doesn't speak of x_0.
        """
        belief = denoiser(self.x_t, self.level, batch)
        if not isinstance(belief, Categories):
            raise TypeError(f"masked columns need a belief about x_0, got {type(belief).__name__}")
        log_p = torch.log_softmax(belief.logits.flatten(1, -2), -1)
        each = log_p.gather(-1, codes(batch.x)[..., None])[..., 0]
        return -self.weight * torch.where(self.hidden, each, 0.0).sum(1)


def masked(process: Jump, batch: Batch, share: Tensor, generator: Generator) -> Masking:
    """States with k = 1 + floor(share x D) of their D free columns masked, at random.

    The time lies between those at which the last of these columns and the next one was masked, so
    that a network sees the levels that a sampler will show it.

    Args:
        process: of absorbing jumps, see `require_absorbing`.
        batch: the states; entries that don't exist or are given are never masked.
        share: in [0, 1), (B,).
        generator: source of all randomness.
    """
    x = batch.x.reshape(len(batch.x), -1)
    free = torch.ones_like(x, dtype=torch.bool)
    for pattern, wanted in ((batch.mask, True), (batch.observed, False)):
        if pattern is not None:
            free = free & (pattern.expand_as(batch.x).reshape(x.shape) == wanted)
    count = free.sum(1)
    k = torch.minimum(1 + (share * count).long(), count)
    u = uniform(tuple(x.shape), x, generator).masked_fill(~free, torch.inf)
    sorted_u = torch.cat([u, u.new_full((len(u), 1), torch.inf)], 1).sort(1).values
    last = sorted_u.gather(1, (k - 1).clamp(min=0)[:, None])
    then = sorted_u.gather(1, k[:, None]).clamp(max=1.0)
    hidden = (u <= last) & (k > 0)[:, None]
    t = torch.lerp(last.clamp(max=1.0), then, uniform((len(x), 1), x, generator))
    log_snr = 2 * torch.log((1 - t) / t).clamp(-40, 40)
    level = process.schedule.level_of(log_snr.reshape(-1), batch.x.ndim)
    x_t = torch.where(hidden, float(process.rates.states - 1), x).reshape(batch.x.shape)
    return Masking(x_t, level, hidden, count / k.clamp(min=1))


def require_absorbing(process: Process[Any]) -> Jump:
    """The process, if it is one of absorbing jumps.

    Raises:
        TypeError: if it is another one.
    """
    if isinstance(process, Jump) and isinstance(process.rates, Refresh) and process.rates.absorbs:
        return process
    raise TypeError(
        "columns are masked by a Jump process with Refresh.absorbing rates; take Bound or Denoising"
    )
