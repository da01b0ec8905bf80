r"""Linear Gaussian processes: $u_t = A_t x_0 + R_t C^{1/2} z$.

A is a number for plain diffusion, a column for diffusion with a velocity, a factor a frequency for
blurring; R likewise. Given x_0 everything is linear and Gaussian, so one algebra serves them all.
The reverse process with any noise level $\ell \ge 0$ is $u_s = a u_t + b \hat x_0 + c z$ with

    a   the transition of  du = [f u - (1 + l^2)/2 g^2 score(u | x_0)] dt      (l = 0: R_s R_t^-1)
    b   A_s - a A_t
    c   a square root of R_s R_s' - a R_t R_t' a'

so marginals are those of the forward process whatever $\ell$: 0 is DDIM (gDDIM where R is a
matrix), 1 the ancestral step. And along the noise-free flow, du/dt = A' x0_hat + R' eps_hat.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.distribution import Centred, Distribution, Lattice, Normal
from unnoise.core.noise import Noise
from unnoise.core.operator import Coefficient
from unnoise.core.posterior import Levels, Posterior
from unnoise.core.process.base import Process
from unnoise.core.random import Generator
from unnoise.core.schedule import Level, Schedule

__all__ = ["Frame", "LinearGaussian", "Step", "decode"]


@dataclass(frozen=True, eq=False)
class Step:
    """u_s = a u_t + sum_j b_j x0_hat_j + c z, over the latest beliefs x0_hat_j, newest first."""

    level: Level
    a: Coefficient
    b: tuple[Coefficient, ...]
    c: Coefficient


@dataclass(frozen=True, eq=False)
class Frame:
    """The flow in coordinates of its own: there the slope at a level is p u + q x0_hat, and an
    increment dy over a step leads to u_s = carry u_t + out dy."""

    level: Level
    p: Coefficient
    q: Coefficient
    carry: Coefficient = 1.0
    out: Coefficient = 1.0


class LinearGaussian(Process[Posterior]):
    """What samplers and bounds need of a linear Gaussian process, beyond the five methods.

    `noise` is the law of z on the space of the data, `data_std` the standard deviation of the
    data in the model's units: it decides along which path samplers turn fastest.
    """

    schedule: Schedule
    noise: Noise
    data_std: float

    @abstractmethod
    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Centred:
        """q(u_t | x_0)."""

    @abstractmethod
    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: Posterior, batch: Batch
    ) -> Centred:
        """p(u_s | u_t), s < t: the ancestral step."""

    def dims(self, batch: Batch) -> Tensor:
        return self.noise.dims(batch)

    @abstractmethod
    def gauge(self, level: Level) -> float:
        """The unit of the state at a level: states of two schedules at one log-SNR differ by its
        ratio."""

    @abstractmethod
    def steps(self, levels: Sequence[Level], noise_level: float, order: int) -> list[Step]:
        """The exact-in-noise steps levels[k] -> levels[k + 1], with x0_hat a polynomial of
        degree `order` - 1 in the log-SNR through the latest beliefs."""

    @abstractmethod
    def slopes(self, levels: Sequence[Level]) -> Sequence[tuple[Coefficient, Coefficient]]:
        """(p, q) of the flow du/dt = p u + q x0_hat at every level, t the schedule's time."""

    @abstractmethod
    def frames(self, levels: Sequence[Level]) -> list[Frame]:
        """The slopes at every level, in coordinates where the flow is slow: the state's own, or,
        where friction makes those stiff, such as stand still for Gaussian data of `data_std`."""

    @abstractmethod
    def forward_step(self, level: Level, to: Level) -> tuple[Coefficient, Coefficient]:
        """(a, c) of the Markov step to a noisier level, u_t = a u_s + c z."""

    @abstractmethod
    def whitening(self, level: Level) -> tuple[Coefficient, Coefficient, Coefficient]:
        """(p, q, r): eps_hat = p u + q x0_hat is the noise that a belief sees in u, and r = R;
        the score is -R'^-1 eps_hat."""

    @abstractmethod
    def draw(self, batch: Batch, generator: Generator = None) -> Tensor:
        """z, shaped as a state of the process."""

    @abstractmethod
    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        """(|eps|^2 - d) / 2 of what x_t's noise adds to the data, (B,): mean zero, a control
        variate.

        The noise of a density can't be guessed at high log-SNR, so what a denoiser gets wrong
        there is the noise itself.
        """


def decode(level: Level, posterior: Posterior, noise: Noise, batch: Batch) -> Distribution:
    """N(mean, C / snr), right to first order in 1 / snr; a belief over levels decodes as
    itself."""
    if isinstance(posterior, Levels):
        return Lattice(posterior.logits, posterior.values, batch)
    return Normal(posterior.mean, level.sigma / level.alpha, noise, batch)
