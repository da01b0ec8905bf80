"""The narrow waist: what a noising process must say, and nothing more.

In the view of denoising Markov models (Benton et al. 2024) a diffusion and a jump process are the
same thing: a marginal q(x_t | x_0), and a reverse step that would be exact if x_0 were known. A
denoiser replaces x_0 by a belief about it. Loss and bound are written once against the first five
methods, with three that keep the books; an algorithm that needs more of its process, as samplers do,
says so in its type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Self, TypeVar

from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.distribution import Distribution
from unnoise.core.schedule import Level, Schedule

__all__ = ["Process"]

P_contra = TypeVar("P_contra", contravariant=True)


class Process(nn.Module, ABC, Generic[P_contra]):
    """A noising process on [0, 1], data at t = 0, noise at t = 1; the parameter is the belief that its
    denoiser returns.

    Every time enters as a `Level`, the point of the schedule that belongs to it, so that a loop
    computes its levels once.
    """

    schedule: Schedule

    @abstractmethod
    def prior(self, batch: Batch) -> Distribution:
        """p(x_1)."""

    @abstractmethod
    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Distribution:
        """q(x_t | x_0)."""

    @abstractmethod
    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: P_contra, batch: Batch
    ) -> Distribution:
        """p(x_s | x_t), s < t."""

    @abstractmethod
    def rate(
        self, x_0: Tensor, x_t: Tensor, level: Level, posterior: P_contra, batch: Batch
    ) -> Tensor:
        """The integrand of the path KL, (B,), in nats per unit of log-SNR.

        Per unit of log-SNR, not of time: the bound's integral is then the same for every schedule,
        and needs no derivative of one.
        """

    @abstractmethod
    def decode(self, x_t: Tensor, level: Level, posterior: P_contra, batch: Batch) -> Distribution:
        """p(x_0 | x_t) at the smallest t."""

    @abstractmethod
    def on(self, schedule: Schedule) -> Self:
        """The same process under another schedule."""

    @abstractmethod
    def dims(self, batch: Batch) -> Tensor:
        """Free dimensions of each state, (B,)."""

    @abstractmethod
    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        """What of a density's path cost is that of the noise drawn, (B,): mean zero, a control
        variate; 0 where the data have probabilities."""
