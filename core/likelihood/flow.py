r"""The probability-flow likelihood: the density carried along the noise-free path (Song et al.
2021, eq. 39).

    dx/dt = v(x, t),   log p(x_0) = log p(x_1) + int_0^1 div v dt,   v = p x + q x0_hat(x)

div v = p d + q tr(d x0_hat / dx): the trace is exact by one product with the Jacobian an entry, or
Hutchinson's estimate u' J u with Rademacher u, which is exact for diagonal Jacobians and whose
variance, 2(|S|^2 - sum S_ii^2) a probe, no number of steps removes. RK4 walks the angle schedule
by default, the solver's state in float64. Quantised data are dequantised by the process's own
noise at t = 0 and decoded as in the bound,

    log P(x) >= E_q(x_0|x) [ log P(x | x_0) + log p_flow(x_0) - log q(x_0 | x) ],

which, unlike uniform noise, stays where a model that knows the grid has its mass.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Distribution
from unnoise.core.likelihood.base import Likelihood
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator, uniform
from unnoise.core.sampler import Grid, PowerGrid
from unnoise.core.schedule import Cosine, Schedule

__all__ = ["ExactTrace", "Flow", "Hutchinson", "Trace"]

Field = Callable[[Tensor], Tensor]


class Trace(ABC):
    """The trace of a field's Jacobian."""

    @abstractmethod
    def probes(self, x: Tensor, generator: Generator) -> Tensor | None:
        """Random directions (n, B, ...), drawn once a trajectory; None: none are needed."""

    @abstractmethod
    def __call__(self, f: Field, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        """f(x), and the trace of df/dx for every probe, (n, B) (n = 1 if exact)."""

    @abstractmethod
    def evaluations(self, dims: int) -> int:
        """What one call costs, in network evaluations."""


@dataclass(frozen=True)
class ExactTrace(Trace):
    """sum_i e_i' J e_i, by reverse mode, `chunk` entries at a time: memory grows with the chunk,
    cost with the number of entries."""

    chunk: int = 16

    def probes(self, x: Tensor, generator: Generator) -> None:
        return None

    def __call__(self, f: Field, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        flat = x.reshape(len(x), -1)
        basis = torch.eye(flat.shape[1], dtype=x.dtype, device=x.device)
        trace = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        y, pull = _pullback(f, x)
        for rows in basis.split(self.chunk):
            directions = rows[:, None, :].expand(-1, *flat.shape).reshape(len(rows), *x.shape)
            trace += (pull(directions) * directions).reshape(len(rows), len(x), -1).sum((0, 2))
        return y.detach(), trace[None]

    def evaluations(self, dims: int) -> int:
        return dims


@dataclass(frozen=True)
class Hutchinson(Trace):
    """mean of u' J u over Rademacher probes u."""

    n: int = 1

    def probes(self, x: Tensor, generator: Generator) -> Tensor:
        u = uniform((len(x), self.n, *x.shape[1:]), x, generator).transpose(0, 1)
        return (u < 0.5).to(x.dtype) * 2 - 1

    def __call__(self, f: Field, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        assert probes is not None
        y, pull = _pullback(f, x)
        return y.detach(), (pull(probes) * probes).reshape(len(probes), len(x), -1).sum(2)

    def evaluations(self, dims: int) -> int:
        return 1 + self.n


@dataclass(frozen=True)
class Flow(Likelihood):
    """log p(x) of the probability flow.

    Attributes:
        steps: RK4 steps; four evaluations each. Quantised data make the flow stiff where the
            noise is finer than the grid: take `LogSNRGrid` and at least 64 steps there, else the
            step error can exceed the bound's slack.
        trace: exact, or Hutchinson's estimate.
        grid: where the steps end.
        path: the schedule that is walked.
    """

    steps: int = 16
    trace: Trace = field(default_factory=ExactTrace)
    grid: Grid = field(default_factory=lambda: PowerGrid(2.0))
    path: Schedule = field(default_factory=Cosine)

    def __call__(
        self,
        process: Gaussian,
        denoiser: Denoiser[Posterior],
        batch: Batch,
        *,
        prior: Distribution | None = None,
        values: Tensor | None = None,
        generator: Generator = None,
    ) -> LikelihoodResult:
        path = self.path.between(process.schedule.log_snr_max, process.schedule.log_snr_min)
        start, end = path.levels(torch.tensor([0.0, 1.0]))
        (own,) = process.schedule.levels(torch.ones(1))
        dims = batch.dims()
        if values is None:
            x, nats = float(start.alpha) * batch.x, dims * math.log(float(start.alpha))
        else:
            noisy = process.marginal(batch.x, start, batch)
            x = noisy.sample(generator)
            with torch.no_grad():
                decoder = process.decode(x, start, denoiser(x, start, batch), batch).on(values)
            nats = decoder.log_prob(batch.x) - noisy.log_prob(x)
        x, change = self._integrate(
            path, denoiser, x.double(), batch, self.trace.probes(x, generator)
        )
        gauge = float(own.alpha) / float(end.alpha)
        law = prior or process.prior(batch)
        nats = (
            nats
            + law.log_prob((gauge * x).to(batch.x.dtype))
            + dims * math.log(gauge)
            + change.mean(0)
        )
        stderr = (
            change.std(0) / math.sqrt(len(change)) if len(change) > 1 else torch.zeros_like(nats)
        )
        kind = (
            Kind.LOWER_BOUND
            if values is not None
            else Kind.EXACT
            if isinstance(self.trace, ExactTrace)
            else Kind.ESTIMATE
        )
        cost = 4 * self.steps * self.trace.evaluations(x[0].numel()) + int(values is not None)
        return LikelihoodResult(nats.to(batch.x.dtype), dims, kind, stderr.to(batch.x.dtype), cost)

    def _integrate(
        self,
        path: Schedule,
        denoiser: Denoiser[Posterior],
        x: Tensor,
        batch: Batch,
        probes: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """x_1 and int div v dt, (probes, B), by RK4 from data to noise."""
        times = self.grid(path, self.steps).flip(0)
        halves = torch.stack([times[:-1], (times[:-1] + times[1:]) / 2], 1).reshape(-1)
        grid = torch.cat([halves, times[-1:]])
        levels = path.levels(grid)
        d_alpha, d_sigma, _ = (d.tolist() for d in path.slope(grid))
        dims = batch.dims().double()

        def velocity(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
            level = levels[k]
            p = d_sigma[k] / float(level.sigma)
            q = d_alpha[k] - p * float(level.alpha)
            mean, trace = self.trace(
                lambda y: denoiser(y, level, batch).mean, x.to(batch.x.dtype), probes
            )
            return p * x + q * mean, p * dims + q * trace

        change = torch.zeros(1, len(x), dtype=x.dtype, device=x.device)
        for k in range(self.steps):
            h = (grid[2 * k + 2] - grid[2 * k]).item()
            v1, c1 = velocity(x, 2 * k)
            v2, c2 = velocity(x + 0.5 * h * v1, 2 * k + 1)
            v3, c3 = velocity(x + 0.5 * h * v2, 2 * k + 1)
            v4, c4 = velocity(x + h * v3, 2 * k + 2)
            x = x + h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
            change = change + h / 6 * (c1 + 2 * c2 + 2 * c3 + c4)
        return x, change


def _pullback(f: Field, x: Tensor) -> tuple[Tensor, Field]:
    """f(x), and the map from directions u (n, B, ...) to u' df/dx (n, B, ...); f acts on each row
    of x alone."""
    with (
        torch.enable_grad(),
        sdpa_kernel(SDPBackend.MATH),
    ):  # fused attention has no batched gradient
        x = x.detach().requires_grad_()
        y = f(x)

    def pull(u: Tensor) -> Tensor:
        (out,) = torch.autograd.grad(y, x, u.to(y.dtype), retain_graph=True, is_grads_batched=True)
        return out

    return y, pull
