r"""Laws of random series to learn from and to compare with: the six of Biloš et al. (2023).

    OU       dx = (a t - theta x) dt + sigma dW                x_0 ~ N(0, 1)
    CIR      dx = a (b - x) dt + sigma sqrt(x) dW              x_0 = |N(0, 1)|
    sine     x = sum of five c sin(a t + b)                    a, b, c uniform
    flow     dx = f(x) dt: Lorenz, predator and prey, sink     x_0 random

OU and CIR have exact transitions, so series are drawn without any step size at whatever times, and
have an exact density: with d = s - t,

    OU   x_s - m(s) | x_t ~ N(e^{-theta d} (x_t - m(t)), sigma^2 (1 - e^{-2 theta d}) / (2 theta)),
         m(t) = (a / theta) (t - 1 / theta)
    CIR  x_s | x_t ~ c chi'^2(4 a b / sigma^2, e^{-a d} x_t / c),
         c = sigma^2 (1 - e^{-a d}) / (4 a)

Its mean over series is the best that any model can reach: on t = 0, 1, ..., 63, in nats a step,
-0.4686 for OU and +0.507 for CIR. A flow is its start and nothing else, a sine 15 numbers: their
series lie on a surface of low dimension in R^(T x C), which has no density, and a likelihood on
them measures the noise that a model adds. Compare samples instead.

A law starts at its first time. Irregular times are 0 and uniform ones, sorted: after 0, those of a
Poisson process, given how many there are.

References:
    Biloš et al. (2023), Modeling temporal data as continuous functions with stochastic process
    diffusion (its code integrates OU and CIR by a stochastic Runge-Kutta rule with step 0.1);
    Cox, Ingersoll and Ross (1985), A theory of the term structure of interest rates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, hyp0f1, ive, xlogy

__all__ = ["CIR", "LAWS", "OU", "Flow", "Law", "Setting", "Sine"]

Array = NDArray[np.float64]
_LOG_2PI = float(np.log(2 * np.pi))


class Law(ABC):
    """A law of series."""

    @abstractmethod
    def draw(self, n: int, times: ArrayLike, rng: np.random.Generator) -> Array:
        """Draws n independent series.

        Args:
            n: How many.
            times: Where, strictly increasing: (T,) for all series, or (n, T).
            rng: What draws.

        Returns:
            (n, T, C).

        Raises:
            ValueError: If the times do not strictly increase, or have another shape.
        """


@final
@dataclass(frozen=True)
class OU(Law):
    """dx = (a t - theta x) dt + sigma dW from N(0, 1): a Gaussian law with a trend."""

    a: float = 0.02
    theta: float = 0.1
    sigma: float = 0.4

    def __post_init__(self) -> None:
        _require_positive("OU", theta=self.theta, sigma=self.sigma)

    def draw(self, n: int, times: ArrayLike, rng: np.random.Generator) -> Array:
        t = _times(times, n)
        z = rng.standard_normal((n, t.shape[1]))
        decay, deviation = self._steps(t)
        y = np.empty_like(z)  # x - m
        y[:, 0] = z[:, 0] - self._mean(t[:, 0])
        for i in range(1, t.shape[1]):
            y[:, i] = decay[:, i - 1] * y[:, i - 1] + deviation[:, i - 1] * z[:, i]
        return (y + self._mean(t))[..., None]

    def log_prob(self, x: Array, times: ArrayLike) -> Array:
        """The log density of series (n, T, 1), in nats, (n,)."""
        t = _times(times, len(x))
        y = _scalars(x, t) - self._mean(t)
        decay, deviation = self._steps(t)
        whitened = (y[:, 1:] - decay * y[:, :-1]) / deviation
        first = y[:, 0] + self._mean(t[:, 0])  # x, whose variance is 1
        squares = first**2 + (whitened**2).sum(1) + t.shape[1] * _LOG_2PI
        log_prob: Array = -squares / 2 - np.log(deviation).sum(1)
        return log_prob

    def _mean(self, t: Array) -> Array:
        """m, the solution without noise that all others tend to."""
        return self.a / self.theta * (t - 1 / self.theta)

    def _steps(self, t: Array) -> tuple[Array, Array]:
        """Decay and standard deviation of the transitions, (n or 1, T - 1)."""
        d = np.diff(t)
        variance = -(self.sigma**2) * np.expm1(-2 * self.theta * d) / (2 * self.theta)
        return np.exp(-self.theta * d), np.sqrt(variance)


@final
@dataclass(frozen=True)
class CIR(Law):
    """dx = a (b - x) dt + sigma sqrt(x) dW from |N(0, 1)|: positive, with skewed transitions."""

    a: float = 1.0
    b: float = 1.2
    sigma: float = 0.2

    def __post_init__(self) -> None:
        _require_positive("CIR", a=self.a, b=self.b, sigma=self.sigma)

    def draw(self, n: int, times: ArrayLike, rng: np.random.Generator) -> Array:
        t = _times(times, n)
        c, decay = self._steps(t)
        x = np.empty((n, t.shape[1]))
        x[:, 0] = np.abs(rng.standard_normal(n))
        for i in range(1, t.shape[1]):
            scale, noncentral = c[:, i - 1], decay[:, i - 1] * x[:, i - 1] / c[:, i - 1]
            x[:, i] = scale * rng.noncentral_chisquare(2 * (self._order + 1), noncentral)
        return x[..., None]

    def log_prob(self, x: Array, times: ArrayLike) -> Array:
        """The log density of series (n, T, 1), in nats, (n,); -inf if a value is negative."""
        t = _times(times, len(x))
        y = _scalars(x, t)
        negative = np.any(y < 0, axis=1, keepdims=True)
        y = np.where(negative, 1.0, y)
        c, decay = self._steps(t)
        moves = _log_noncentral(y[:, 1:] / c, decay * y[:, :-1] / c, self._order) - np.log(c)
        first = np.log(2) - (y[:, 0] ** 2 + _LOG_2PI) / 2
        return np.where(negative[:, 0], -np.inf, first + moves.sum(1))

    @property
    def _order(self) -> float:
        """Of the Bessel function in the transitions: half their degrees of freedom, less one."""
        return 2 * self.a * self.b / self.sigma**2 - 1

    def _steps(self, t: Array) -> tuple[Array, Array]:
        """Scale c and decay of the transitions, (n or 1, T - 1)."""
        d = np.diff(t)
        return -(self.sigma**2) * np.expm1(-self.a * d) / (4 * self.a), np.exp(-self.a * d)


def _log_noncentral(x: Array, noncentral: Array, order: float) -> Array:
    r"""Log density of chi'^2(2 nu + 2, lambda) at x.

    It is e^{-(x + lambda) / 2} (x / 2)^nu / (2 Gamma(nu + 1)) 0F1(nu + 1; z^2 / 4) with
    z = sqrt(lambda x), and 0F1 = Gamma(nu + 1) (z / 2)^{-nu} I_nu(z). The first is finite as z
    vanishes, the second, scaled by e^{-z}, as z grows. (scipy's own is -inf for tiny lambda.)
    """
    z, edge = np.sqrt(noncentral * x), max(order, 1.0)
    large = z > edge
    far, near = np.maximum(z, edge), np.minimum(z, edge)
    bessel = np.log(ive(order, far)) + far + gammaln(order + 1) - order * np.log(far / 2)
    series = np.where(large, bessel, np.log(hyp0f1(order + 1, near**2 / 4)))
    power = xlogy(order, x / 2) - gammaln(order + 1) - np.log(2)
    log_prob: Array = power - (x + noncentral) / 2 + series
    return log_prob


@final
@dataclass(frozen=True)
class Sine(Law):
    """x = sum of c sin(a t + b), a ~ U(3, 4), b ~ U(0, 1/2), c ~ U(0, 1); no density."""

    waves: int = 5

    def draw(self, n: int, times: ArrayLike, rng: np.random.Generator) -> Array:
        t = _times(times, n)[..., None]
        a, b, c = rng.random((3, n, 1, self.waves))
        x: Array = (c * np.sin((3 + a) * t + b / 2)).sum(-1, keepdims=True)
        return x


@final
@dataclass(frozen=True)
class Flow(Law):
    """dx = f(x) dt from a random start; no density. By the Runge-Kutta rule of order 4.

    Attributes:
        field: f, from (n, C) to (n, C).
        start: Draws x_0: from a number n and a generator to (n, C).
        step: The longest that the rule takes.
    """

    field: Callable[[Array], Array]
    start: Callable[[int, np.random.Generator], Array]
    step: float

    def draw(self, n: int, times: ArrayLike, rng: np.random.Generator) -> Array:
        return self.solve(self.start(n, rng), times)

    def solve(self, start: Array, times: ArrayLike) -> Array:
        """The solutions (n, T, C) that have the values `start` (n, C) at their first times."""
        d = np.diff(_times(times, len(start)))
        states = [start]
        for i in range(d.shape[1]):
            parts, x = int(np.ceil(d[:, i].max() / self.step)), states[-1]
            for _ in range(parts):
                x = _runge_kutta(self.field, x, d[:, i, None] / parts)
            states.append(x)
        return np.stack(states, axis=1)


def _runge_kutta(f: Callable[[Array], Array], x: Array, h: Array) -> Array:
    k1 = f(x)
    k2 = f(x + h / 2 * k1)
    k3 = f(x + h / 2 * k2)
    k4 = f(x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _lorenz(x: Array) -> Array:
    u, v, w = x[:, 0], x[:, 1], x[:, 2]
    return np.stack((10 * (v - u), u * (28 - w) - v, u * v - 2.667 * w), axis=1)


def _predator_prey(x: Array) -> Array:
    u, v = x[:, 0], x[:, 1]
    return np.stack((2 / 3 * u * (1 - v), v * (u - 1)), axis=1)


def _sink(x: Array) -> Array:
    u, v = x[:, 0], x[:, 1]
    return np.stack((-4 * u - 3 * v, 10 * u + 2 * v), axis=1)


def _wide(n: int, rng: np.random.Generator) -> Array:
    return 10 * rng.standard_normal((n, 3))


def _square(n: int, rng: np.random.Generator) -> Array:
    return rng.random((n, 2))


@final
@dataclass(frozen=True)
class Setting:
    """A law, and where it is looked at: so many times, `steps`, from 0 to `span`."""

    law: Law
    span: float
    steps: int

    def regular(self) -> Array:
        """Evenly spaced times, both ends among them, (T,)."""
        return np.linspace(0, self.span, self.steps)

    def irregular(self, n: int, rng: np.random.Generator) -> Array:
        """Times of n series, (n, T): 0, and uniform ones, sorted."""
        later = np.sort(self.span * rng.random((n, self.steps - 1)), axis=1)
        return np.concatenate((np.zeros((n, 1)), later), axis=1)


def _require_positive(law: str, **values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{law}: {name} is {value}, and has to be positive")


def _times(times: ArrayLike, n: int) -> Array:
    """The times as (n or 1, T)."""
    t = np.atleast_2d(np.asarray(times, dtype=np.float64))
    if t.ndim != 2 or t.shape[0] not in (1, n) or not t.shape[1]:
        raise ValueError(f"times have shape {np.shape(times)}, neither (T,) nor ({n}, T)")
    rising = np.isfinite(t[:, :1]).all(1) & (np.diff(t) > 0).all(1)
    if not rising.all():
        raise ValueError(
            f"times of series {int(rising.argmin())} do not strictly increase; sort, drop doubles"
        )
    return t


def _scalars(x: Array, t: Array) -> Array:
    """Series (n, T, 1) as (n, T)."""
    if x.ndim != 3 or x.shape[1:] != (t.shape[1], 1):
        raise ValueError(f"series have shape {x.shape}, not (n, {t.shape[1]}, 1) as their times")
    return x[..., 0]


LAWS = {
    "ou": Setting(OU(), 63, 64),
    "cir": Setting(CIR(), 63, 64),
    "sine": Setting(Sine(), 10, 100),
    "lorenz": Setting(Flow(_lorenz, _wide, 0.001), 2, 100),
    "predator-prey": Setting(Flow(_predator_prey, _square, 0.01), 10, 64),
    "sink": Setting(Flow(_sink, _square, 0.01), 3, 64),
}
"""The six by name, as published. A flow errs by two millionths of the largest value at worst."""
