r"""A schedule that learns where to spend its time (VDM, Kingma et al. 2021, appendix I.2).

The bound is the same for every path between two log-SNRs; only the variance of its estimate isn't.
So the ends of a learned schedule follow the bound's gradient (`Variational`), and what lies between
them lowers the variance: with times uniform, f the rate at a log-SNR $\lambda$ and p the density of
$\lambda$, the second moment of the estimate f / p is

    M = int E f^2 / p d lambda,   least at   p ~ sqrt(E f^2)

On a piece of the line p is the piece's share of time over its share of log-SNR, so that the
gradient of 1/2 log M by the logits is half of (share of time - share of M): no derivative of the
network, no density but a softmax.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unnoise.core.line import BrokenLine
from unnoise.core.schedule.base import Schedule, preserving

__all__ = ["Learned"]


class Learned(Schedule):
    r"""$\lambda(t)$ falls in K straight pieces, equal in $\lambda$ and of learned widths in t;
    variance preserving.

    It starts as `LinearLogSNR`, is monotone by construction and inverted exactly. As the schedule
    of a process it learns in training with the weight `Elbo`, or with `Variational`, and uniform
    times; `Along(Learned())` learns the times of any other process and weight. Over another window
    (`between`) the line is stretched, and the ends are not learned.

    Args:
        log_snr_max: $\lambda$ at t = 0; if the ends are learned, where they start.
        log_snr_min: $\lambda$ at t = 1.
        pieces: K.
        learn_ends: let `Variational` move the ends: $m + h e^{s_0}$ and $m - h e^{s_1}$ with m the
            middle and h half of the width they start with, so that they never meet.

    Raises:
        ValueError: if there is no piece.
    """

    learned = True

    def __init__(
        self,
        log_snr_max: float = 13.3,
        log_snr_min: float = -5.0,
        pieces: int = 32,
        learn_ends: bool = False,
    ) -> None:
        super().__init__(log_snr_max, log_snr_min)
        if pieces < 1:
            raise ValueError(f"Learned: pieces must be at least 1, got {pieces}")
        self.logits = nn.Parameter(torch.zeros(pieces))
        if learn_ends:
            self.shift = nn.Parameter(torch.zeros(2))

    # Levels carry no gradient by the parameters: a loss must not fall because the schedule looks
    # away from what is hard. `speed` and `ends` do.

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        first, last = self.ends().detach().to(tau)
        return torch.lerp(first, last, _line(self.logits.detach(), tau)(tau))

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        first, last = self.ends().detach().to(log_snr)
        line = _line(self.logits.detach(), log_snr)
        return line.inverse((first - log_snr) / (first - last))

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return preserving(log_snr)

    def speed(self, t: Tensor) -> Tensor:
        r"""$-d\lambda/dt$, with its gradient by the widths at fixed t, or at fixed $\lambda$:
        within a piece they are the same."""
        first, last = self.ends().detach().to(t)
        speed: Tensor = (first - last) * _line(self.logits, t).slope(t)
        return speed


def _line(logits: Tensor, like: Tensor) -> BrokenLine:
    return BrokenLine(torch.softmax(logits.to(like), 0))
