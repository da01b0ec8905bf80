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
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import (
    EDM,
    VE,
    Cosine,
    LinearLogSNR,
    LinearVP,
    Rectified,
    Schedule,
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
        Cosine(),
        Cosine(data_std=0.3),
        Rectified(),
        LinearLogSNR(),
        VE(),
        EDM(),
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
