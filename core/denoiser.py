r"""Denoisers: a network's output read as a belief about x_0.

A network F sees a scaled state and the log-SNR, never t and never the schedule, and is read
through three coefficients (Karras et al. 2022, eq. 7):

    E[x_0 | x_t] = c_skip x_t + c_out F(c_in x_t, log-SNR)

What a network is asked for (data, noise, velocity, score) is a choice of these three numbers and
nothing else. All of them are written in the state's own units, so a change of gauge rescales input
and output together: with the gauge-free coordinate z = x_t / sqrt(alpha^2 + sigma^2), a network
sees the same z at the same log-SNR whatever the schedule, and a schedule can be swapped after
training. Guidance is a Denoiser that wraps a Denoiser.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.posterior import Categories, Levels, Mean, Parts, Posterior, Ratios
from unnoise.core.schedule import Level, Scalar

__all__ = [
    "X0",
    "Denoiser",
    "Eps",
    "Given",
    "Guided",
    "Karras",
    "LevelDenoiser",
    "MeanDenoiser",
    "Parameterisation",
    "Score",
    "Velocity",
]

Q_co = TypeVar("Q_co", covariant=True)
Network = Callable[[Tensor, Tensor, Batch], Tensor]  # F(c_in x_t, log_snr (B,), batch)


class Denoiser(nn.Module, ABC, Generic[Q_co]):
    """A map from a noisy state at a level to a belief about x_0."""

    @abstractmethod
    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Q_co:
        """The belief about x_0 given x_t, and given what the batch says besides."""

    if TYPE_CHECKING:

        def __call__(self, x_t: Tensor, level: Level, batch: Batch) -> Q_co: ...


class Parameterisation(ABC):
    """What the network is asked for."""

    @abstractmethod
    def coefficients(self, level: Level) -> tuple[Scalar, Scalar, Scalar]:
        """(c_in, c_skip, c_out), each broadcasting against the state."""


@dataclass(frozen=True)
class X0(Parameterisation):
    """F = x_0."""

    def coefficients(self, level: Level) -> tuple[Scalar, Scalar, Scalar]:
        return 1 / _norm(level), 0.0, 1.0


@dataclass(frozen=True)
class Eps(Parameterisation):
    """F = eps: x_0 = (x_t - sigma F) / alpha (Ho et al. 2020)."""

    def coefficients(self, level: Level) -> tuple[Scalar, Scalar, Scalar]:
        return 1 / _norm(level), 1 / level.alpha, -level.sigma / level.alpha


@dataclass(frozen=True)
class Velocity(Parameterisation):
    """F = (alpha eps - sigma x_0) / sqrt(alpha^2 + sigma^2), "v" (Salimans & Ho 2022) in any
    gauge."""

    def coefficients(self, level: Level) -> tuple[Scalar, Scalar, Scalar]:
        norm = _norm(level)
        return 1 / norm, level.alpha / norm**2, -level.sigma / norm


@dataclass(frozen=True)
class Score(Parameterisation):
    """F = gradient of log p(z) of the gauge-free state z = x_t / sqrt(alpha^2 + sigma^2) (Song et
    al. 2021)."""

    def coefficients(self, level: Level) -> tuple[Scalar, Scalar, Scalar]:
        norm = _norm(level)
        return 1 / norm, 1 / level.alpha, level.sigma**2 / (level.alpha * norm)


@dataclass(frozen=True)
class Karras(Parameterisation):
    """EDM's preconditioning for data of standard deviation `data_std` (Karras et al. 2022, table
    1): unit-variance input and target."""

    data_std: float = 0.5

    def coefficients(self, level: Level) -> tuple[Scalar, Scalar, Scalar]:
        variance = level.alpha**2 * self.data_std**2 + level.sigma**2
        root = variance**0.5
        return (
            1 / root,
            level.alpha * self.data_std**2 / variance,
            level.sigma * self.data_std / root,
        )


class MeanDenoiser(Denoiser[Mean]):
    """E[x_0 | x_t] = c_skip x_t + c_out F(c_in x_t, log-SNR)."""

    def __init__(self, network: Network, parameterisation: Parameterisation) -> None:
        super().__init__()
        self.network = network
        self.parameterisation = parameterisation

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        c_in, c_skip, c_out = self.parameterisation.coefficients(level)
        out = self.network(c_in * x_t, level.condition(x_t), batch)
        return Mean(_combine(c_skip, x_t, c_out, out))


class LevelDenoiser(Denoiser[Levels]):
    r"""Bayes' rule for quantised data: $p(x_i = v_k | x_t) \propto e^{F_{ik}} N(x_{t,i}; \alpha
    v_k, \sigma^2)$.

    The network gives the odds of each level from the rest of the state; the entry's own reading
    enters exactly. So the network never has to resolve the grid, at any noise level. It returns
    features (B, ..., E) of a state (B, ...); the odds are linear in them. For white noise.

    Args:
        network: F(x / sqrt(alpha^2 + sigma^2), log_snr (B,), batch) -> features (B, ..., E).
        features: how many, E.
        values: the levels (K,).
        odds: log frequencies of the levels (K,), where training starts; None: all equal.
    """

    def __init__(
        self, network: Network, features: int, values: Tensor, odds: Tensor | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.values: Tensor
        self.register_buffer("values", values.clone())
        self.weight = nn.Parameter(torch.zeros(len(values), features))
        self.bias = nn.Parameter(
            torch.zeros(len(values)) if odds is None else odds.to(values.dtype).clone()
        )

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Levels:
        h = self.network(x_t / _norm(level), level.condition(x_t), batch).to(x_t.dtype)
        # log N(x_t; alpha v, sigma^2) = snr (y v - v^2 / 2) + terms without v, with y = x_t /
        # alpha: two more features
        snr = torch.as_tensor(
            (level.alpha / level.sigma) ** 2, dtype=x_t.dtype, device=x_t.device
        ).expand_as(x_t)
        query = torch.cat(
            [
                h,
                torch.ones_like(x_t)[..., None],
                (snr * x_t / level.alpha)[..., None],
                snr[..., None],
            ],
            -1,
        )
        key = torch.cat(
            [
                self.weight,
                self.bias[:, None],
                self.values[:, None],
                -0.5 * self.values[:, None].square(),
            ],
            1,
        )
        return Levels(query, key, self.values)


class Guided(Denoiser[Any]):
    r"""Classifier-free guidance (Ho & Salimans 2022): $\hat x = \hat x_\emptyset + w (\hat x_c - \hat
    x_\emptyset)$; of codes, and of ratios, $\log \hat p = \log p_\emptyset + w (\log p_c - \log
    p_\emptyset)$ up to a constant, an entry each (Nisonoff et al. 2025); of parts, each in its way.

    w = 0 ignores the condition, 1 is the plain conditional model, above 1 sharpens it. Both
    beliefs come from one call on a doubled batch. The noise estimate is affine in the mean, so
    guiding one guides the other.
    """

    def __init__(self, denoiser: Denoiser[Any], scale: float) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.scale = scale

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        double = _cat(batch, batch.without_condition())
        belief = self.denoiser(torch.cat([x_t, x_t]), _doubled(level), double)
        return _guided(belief, len(x_t), self.scale)


class Given(Denoiser[Mean]):
    """Inpainting by replacement: the belief about an observed entry is its value, whatever the
    network thinks, so a sampler that ends with a plain denoise ends on it exactly.

    An approximation: unobserved entries see the observed ones through their noise only, and the
    fewer times noise is renewed, the less they heed them. For two Gaussian entries of correlation
    .8 with one seen at 1.5 (true mean of the other 1.2) `AnyNoise` gives .51, .75, .98 and 1.13 at
    noise levels 0, 1, 2 and 4 (400 steps; test_denoiser.py). Use a noise level of 2 or more.
    """

    def __init__(self, denoiser: Denoiser[Posterior]) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        mean = self.denoiser(x_t, level, batch).mean
        return Mean(mean if batch.observed is None else torch.where(batch.observed, batch.x, mean))


def _guided(belief: Any, n: int, scale: float) -> Any:
    """The belief of n states with a condition, followed by theirs without, as one."""
    if isinstance(belief, Parts):
        return Parts({name: _guided(part, n, scale) for name, part in belief.parts.items()})
    if isinstance(belief, Categories):
        told, untold = torch.log_softmax(belief.logits, -1).split(n)
        mixed = torch.lerp(untold, told, scale)
        # what neither holds possible stays so; lerp of two infinities is no number
        return Categories(mixed.masked_fill(told.isneginf() | untold.isneginf(), -torch.inf))
    if isinstance(belief, Ratios):
        return Ratios(torch.lerp(belief.log_ratio[n:], belief.log_ratio[:n], scale))
    mean = belief.mean
    return Mean(torch.lerp(mean[n:], mean[:n], scale))


def _norm(level: Level) -> Scalar:
    if isinstance(level.alpha, Tensor) and isinstance(level.sigma, Tensor):
        return torch.hypot(level.alpha, level.sigma)
    return math.hypot(level.alpha, level.sigma)


def _combine(a: Scalar, x: Tensor, b: Scalar, y: Tensor) -> Tensor:
    """a x + b y in the fewest passes."""
    if isinstance(b, Tensor):
        return torch.addcmul(a * x, b, y)
    return b * y if isinstance(a, float) and a == 0 else torch.add(a * x, y, alpha=b)


def _cat(a: Batch, b: Batch) -> Batch:
    fields = {
        "x": torch.cat([a.x, b.x]),
        "mask": None if a.mask is None else torch.cat([a.mask, a.mask]),
        "observed": None if a.observed is None else torch.cat([a.observed, a.observed]),
        "coords": None if a.coords is None else torch.cat([a.coords, a.coords]),
    }
    return Batch(**fields, cond={k: torch.cat([v, b.cond[k]]) for k, v in a.cond.items()})  # type: ignore[arg-type]


def _doubled(level: Level) -> Level:
    if not isinstance(level.t, Tensor) or len(level.t) == 1:
        return level
    return Level(
        *(
            torch.cat([v, v]) if isinstance(v, Tensor) else v
            for v in (level.t, level.alpha, level.sigma, level.log_snr)
        )
    )
