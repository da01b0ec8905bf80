r"""Mixing along times by oscillators that are driven by what is measured: O(T), where attention is O(T^2).

    s_k = e^(-gap_k / tau) R(w gap_k) s_(k-1) + g_k v_k,   n_k = e^(-gap_k / tau) n_(k-1) + g_k,   y_k = s_k / (1 + n_k)

with gap_k = t_k - t_(k-1), a rotation R of every pair of features and gates g_k = e^(logit), 0 where nothing is
known. So y is an average of the past that forgets, and another one of the future. It is exact at
irregular times, as a linear state-space layer whose step is the true one (Gu et al. 2022; Orvieto et al. 2023),
normalised as RWKV's (Peng et al. 2023). With values turned back to a common phase before and forth after, the
recurrence is a number a head and a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.domains.timeseries.networks.layers import Rotary, turned

__all__ = ["Gaps", "Oscillators"]

_LOUD = 5.0  # the largest gate is this many e-folds above the neutral one


class Gaps(nn.Module):
    """Of times (B, T), what `Oscillators` needs: the cosines and sines of `Rotary`, and the gaps before, (B, T)."""

    def __init__(self, head: int, longest: float) -> None:
        super().__init__()
        self.rotary = Rotary(head // 2, longest)

    def forward(self, times: Tensor, like: Tensor) -> tuple[Tensor, ...]:
        gaps = times.diff(dim=-1, prepend=times[..., :1]).clamp(min=0).to(like.dtype)
        return (*self.rotary(times, like), gaps)


class Oscillators(nn.Module):
    """The mixing above, of C channels at the same times, (B, C, T, width).

    One half of a head looks back, the other half ahead. Each has one tau, from two units of time to `longest` to
    start with; they are learned.

    Raises:
        ValueError: if the width is no multiple of a head width that is one of 4.
    """

    def __init__(self, width: int, head: int, longest: float) -> None:
        super().__init__()
        if width % head or head % 4:
            raise ValueError(
                f"Oscillators: width {width} must be a multiple of a head width that is one of 4, got {head}"
            )
        self.heads = 2 * (width // head)
        tau = torch.logspace(math.log10(2), math.log10(max(longest, 4.0)), self.heads // 2)
        self.log_tau = nn.Parameter(tau.log().repeat(2))
        self.enter = nn.Linear(width, 2 * width + self.heads)
        self.out = nn.Linear(width, width)

    def forward(self, h: Tensor, exists: Tensor, along: Sequence[Tensor]) -> Tensor:
        """h (B, C, T, width), entries that exist (B, C, T), and what `Gaps` says of the times."""
        turn = [part[:, None, :, None] for part in along[:2]]
        v, open_, logits = self.enter(h).split([h.shape[-1], h.shape[-1], self.heads], -1)
        v = turned(v.unflatten(-1, (self.heads, -1)), turn, back=True)
        gates = (_LOUD * (logits / _LOUD).tanh()).exp() * exists[..., None]
        with torch.autocast(h.device.type, enabled=False):  # sums over all of time
            means = turned(self._means(v.float(), gates[..., None].float(), along[2]), turn)
        out: Tensor = self.out(F.silu(open_) * means.flatten(-2).to(h.dtype))
        return out

    def _means(self, v: Tensor, gates: Tensor, gaps: Tensor) -> Tensor:
        """What every head remembers at every time, (B, C, T, H, D)."""
        before = (-gaps[:, None, :, None, None] / self.log_tau.exp()[:, None]).exp()
        (v, ahead), (g, back), (decay, after) = (x.chunk(2, 3) for x in (v, gates, before))
        after = after.roll(-1, 2)  # the gap that follows a point is the one before the next
        past = leaky_mean(v, g, decay)
        future = leaky_mean(*(x.flip(2) for x in (ahead, back, after))).flip(2)
        return torch.cat([past, future], 3)


def leaky_mean(v: Tensor, gates: Tensor, decay: Tensor) -> Tensor:
    """Averages of values (B, C, T, H, D) weighted by gates (B, C, T, H, 1) that fade by a factor (B, 1, T, H, 1) from
    point to point, and of one zero that doesn't: so what is old or was never seen has none of its weight left."""
    sums = leaky_sum(torch.cat([v * gates, gates], -1), decay)
    value, weight = sums.split([v.shape[-1], 1], -1)
    mean: Tensor = value / (1 + weight)
    return mean


def leaky_sum(u: Tensor, decay: Tensor) -> Tensor:
    """s_k = decay_k s_(k-1) + u_k from s = 0 along the third dimension.

    In blocks of sqrt(T) that run side by side, whose ends then run through the blocks, as
    `unnoise.core.noise.recurrence` does for matrices; numbers need no products of these.
    """
    points = u.shape[2]
    length = math.isqrt(max(points - 1, 0)) + 1
    inputs, factors = (
        F.pad(x, [0, 0, 0, 0, 0, -points % length]).unflatten(2, (-1, length)).unbind(3)
        for x in (u, decay)
    )
    inside, products = [inputs[0]], [factors[0]]
    for x, factor in zip(inputs[1:], factors[1:], strict=True):
        inside.append(torch.addcmul(x, factor, inside[-1]))
        products.append(factor * products[-1])
    ends = [torch.zeros_like(inside[-1][:, :, 0])]
    for block in range(inside[-1].shape[2] - 1):
        ends.append(torch.addcmul(inside[-1][:, :, block], products[-1][:, :, block], ends[-1]))
    before = torch.stack(ends, 2)
    whole = [torch.addcmul(x, p, before) for x, p in zip(inside, products, strict=True)]
    return torch.stack(whole, 3).flatten(2, 3)[:, :, :points]
