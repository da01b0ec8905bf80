"""Laws whose every marginal is known, and quadratures that integrate against them exactly."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.noise import Noise
from unnoise.core.posterior import Mean, Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import (
    BBED,
    EDM,
    OUVE,
    VE,
    Cosine,
    GeometricVP,
    Level,
    LinearLogSNR,
    LinearVP,
    Rectified,
    Schedule,
    SchroedingerBridge,
    SubVP,
)

DOUBLE = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


@pytest.fixture
def gaussian() -> Mixture:
    """N(0.7, 0.25), the one-dimensional case of the closed forms."""
    return Mixture.gaussian(column(0.7)[0], column(0.25))


@pytest.fixture
def m1() -> Mixture:
    """0.3 N(-2, 0.25) + 0.7 N(1, 0.5): its flow is neither linear nor autonomous."""
    weights = torch.tensor([0.3, 0.7], dtype=DOUBLE)
    return Mixture(weights, column(-2, 1), column(0.25, 0.5)[:, None])


@pytest.fixture
def gaussian_of() -> Callable[[int], Mixture]:
    """A correlated Gaussian in d dimensions."""

    def make(d: int) -> Mixture:
        root = normal(torch.empty(d, d, dtype=DOUBLE), seeded(d))
        mean = normal(torch.empty(d, dtype=DOUBLE), seeded(d, 1))
        return Mixture.gaussian(mean, root @ root.T / d + 0.1 * torch.eye(d, dtype=DOUBLE))

    return make


@pytest.fixture
def paper() -> LinearVP:
    """The linear-beta schedule in the paper's own time: t = 0 is the data themselves."""
    return LinearVP(log_snr_max=math.inf)


@pytest.fixture(
    params=[
        LinearVP(),
        LinearVP(0.5, 5.0),
        SubVP(),
        GeometricVP(),
        Cosine(),
        Cosine(data_std=0.3),
        Rectified(),
        LinearLogSNR(),
        VE(),
        EDM(),
        OUVE(),
        BBED(),
        SchroedingerBridge(),
    ],
    ids=lambda s: type(s).__name__,
)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    """Every schedule there is."""
    made: Schedule = request.param
    return made


@pytest.fixture
def legendre() -> Callable[..., tuple[Tensor, Tensor]]:
    """Nodes and weights of int_a^b: eight Gauss–Legendre points a panel."""

    def nodes(a: float, b: float, panels: int = 40) -> tuple[Tensor, Tensor]:
        u, w = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(8))
        h = (b - a) / panels
        left = a + h * torch.arange(panels, dtype=DOUBLE)
        return (left[:, None] + h * (u + 1) / 2).flatten(), (w * h / 2).repeat(panels)

    return nodes


@pytest.fixture
def bell() -> tuple[Tensor, Tensor]:
    """Nodes and weights of E f(z), z ~ N(0, 1): for analytic f the trapezoidal rule errs by e^(-2 pi distance / h) only."""
    z = torch.linspace(-9, 9, 181, dtype=DOUBLE)
    weights = torch.exp(-0.5 * z.square())
    return z, weights / weights.sum()


@pytest.fixture
def rate_at(bell: tuple[Tensor, Tensor]) -> Callable[..., Tensor]:
    """E rate over the noise, (n, B), at log-SNRs (n,) and scalar states (B, 1): no random numbers anywhere."""
    z, weights = bell

    def expect(
        process: Gaussian, denoiser: Denoiser[Posterior], x_0: Tensor, log_snr: Tensor
    ) -> Tensor:
        rates = []
        for some in log_snr.split(64):  # rows: (log-SNR, state, noise)
            batch = Batch(x_0.repeat_interleave(len(z), 0).repeat(len(some), 1))
            level = process.schedule.level_of(some.repeat_interleave(len(x_0) * len(z)), 2)
            x_t = level.alpha * batch.x + level.sigma * z.repeat(len(some) * len(x_0))[:, None]
            rate = process.rate(batch.x, x_t, level, denoiser(x_t, level, batch), batch)
            rates.append(rate.reshape(len(some), len(x_0), -1) @ weights)
        return torch.cat(rates)

    return expect


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    """A small network of a flat state and the log-SNR, made without a draw from the global generator."""

    class Net(nn.Module):
        def __init__(self, inputs: int, outputs: int, width: int, dropout: float) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(inputs + 1, width),
                nn.SiLU(),
                nn.Dropout(dropout),
                nn.Linear(width, outputs),
            )

        def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            told = sum(c.reshape(-1, 1).to(x.dtype) for c in batch.cond.values())
            out: Tensor = self.layers(torch.cat([x, log_snr[:, None] / 4], 1)) + told
            return out

    def make(
        inputs: int,
        outputs: int | None = None,
        *,
        width: int = 16,
        dropout: float = 0.0,
        dtype: torch.dtype = DOUBLE,
    ) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Net(inputs, inputs if outputs is None else outputs, width, dropout).to(dtype)

    return make


class Whitened(Denoiser[Mean]):
    """The law of x = C^(1/2) y, the free entries of y drawn from a mixture: under noise C, its exact denoiser.

    The channel x_t = alpha x_0 + sigma C^(1/2) z is white in y, so the posterior mean is that of y, coloured.
    """

    def __init__(self, law: Mixture, noise: Noise) -> None:
        super().__init__()
        self.law = law
        self.noise = noise

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        y = self.free(x_t, batch)
        mean = self.law(y, level, Batch(y)).mean
        entries = torch.zeros_like(x_t).masked_scatter(self._exists(batch), mean)
        return Mean(self.noise.colour(entries, batch))

    def free(self, x: Tensor, batch: Batch) -> Tensor:
        """The whitened free entries of a state, (B, d); every row has as many."""
        return self.noise.whiten(x, batch)[self._exists(batch)].reshape(len(x), -1)

    def log_prob(self, x: Tensor, batch: Batch) -> Tensor:
        """log p(y) - log det C / 2, (B,)."""
        return self.law.log_prob(self.free(x, batch)) - 0.5 * self.noise.log_det(batch)

    def sample(self, batch: Batch, seed: int) -> Tensor:
        y = self.law.sample(len(batch), seeded(seed)).to(batch.x.dtype)
        entries = torch.zeros_like(batch.x).masked_scatter(self._exists(batch), y)
        return self.noise.colour(entries, batch)

    def _exists(self, batch: Batch) -> Tensor:
        ones = torch.ones_like(batch.x)
        return self.noise.whiten(self.noise.colour(ones, batch), batch) > 0.5


@pytest.fixture
def whitened() -> type[Whitened]:
    """whitened(law, noise): the exact denoiser of a law in the whitened coordinates of a noise."""
    return Whitened
