r"""What every objective is: a loss of a denoiser under a process.

Most are integrals over noise levels, estimated at one level a state, which may be drawn from any
density that says 1 / density. A density with parameters $\phi$ learns where to look: it leaves the
loss as it is, and descends on the logarithm of the estimate's root mean square,

    1/2 log M,   M(phi) = E_p[(f / p)^2] = int E f^2 / p dt,   grad M = E_p[f^2 / p  grad(1 / p)]

with f the integrand. Its gradient needs no derivative of the network, and its least value is at p
~ sqrt(E f^2): the variance of the loss, of which M is the part that p can change, is least there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.process import Process
from unnoise.core.random import Generator, low_discrepancy, uniform
from unnoise.core.schedule import Level
from unnoise.core.times import Times

__all__ = ["Integral", "Objective", "weighed"]


class Objective(nn.Module, ABC):
    """A scalar to minimise; a module, since what it draws its levels from may be learned."""

    @abstractmethod
    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """The loss of each state, (B,)."""

    def forward(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        """The loss, a mean over the batch."""
        return self.terms(process, denoiser, batch, generator).mean()

    if TYPE_CHECKING:

        def __call__(
            self,
            process: Process[Any],
            denoiser: Denoiser[Any],
            batch: Batch,
            generator: Generator = None,
        ) -> Tensor: ...


class Integral(Objective):
    """An integral over noise levels.

    Args:
        times: where to look.
        stratified: low-discrepancy times, one random number a batch (VDM, appendix I.1), instead
            of independent ones.
        condition_dropout: the share of rows whose condition is hidden in training, for
            classifier-free guidance.

    Raises:
        ValueError: if the share isn't in [0, 1).
    """

    def __init__(self, times: Times, stratified: bool, condition_dropout: float) -> None:
        super().__init__()
        if not 0 <= condition_dropout < 1:
            raise ValueError(
                f"{type(self).__name__}: condition_dropout must be in [0, 1), got {condition_dropout}"
            )
        self.times = times
        self.stratified = stratified
        self.condition_dropout = condition_dropout

    def draw(
        self, process: Process[Any], batch: Batch, generator: Generator
    ) -> tuple[Batch, Level, Tensor | float]:
        """The batch as the denoiser is told of it, with some conditions hidden; a level for each of
        its states, and 1 / density of its time. Noise is drawn by the whole batch: a partner is
        no condition."""
        if self.condition_dropout > 0 and batch.cond:
            drop = uniform((len(batch),), batch.x, generator) < self.condition_dropout
            batch = batch.without_condition(drop)
        u = (
            low_discrepancy(batch.x, generator)
            if self.stratified
            else uniform((len(batch),), batch.x, generator)
        )
        t, inverse_density = self.times.draw(u, process.schedule)
        return batch, process.schedule.level(t, batch.x.ndim), inverse_density

    def extra_repr(self) -> str:
        return f"times={self.times}, stratified={self.stratified}, condition_dropout={self.condition_dropout}"


def weighed(rate: Tensor, factor: Tensor | float) -> Tensor:
    """rate x factor, (B,), with factor = weight / density; the gradient by parameters of the
    density is that of 1/2 log M instead."""
    if not isinstance(factor, Tensor) or not factor.requires_grad:
        return rate * factor
    fixed = factor.detach()
    terms = rate * fixed
    square = terms.detach().square()
    share = square / (2 * square.mean()).clamp(min=torch.finfo(square.dtype).tiny)
    return terms + share * (factor / fixed - 1)
