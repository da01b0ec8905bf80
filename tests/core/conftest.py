"""Laws whose every marginal is known, and quadratures that integrate against them exactly."""

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.noise import Noise
from unnoise.core.posterior import Mean, Posterior, Ratios
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.rates import AnyRates, Rates, Refresh, Reversible
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


# --- codes ---------------------------------------------------------------------------------------


class Chain:
    """A joint law P of columns under dense rates R_d, by enumeration: all states, all transitions, nothing of the core.

    `data` are the states of P, (n, D), `states` those of the noise, (m, D): more if it has a mask.
    """

    def __init__(self, P: Tensor, rates: Sequence[Tensor]) -> None:
        sizes = [len(R) for R in rates]
        self.P, self.sizes = P, sizes
        self.data, self.states = (
            torch.tensor(list(product(*map(range, s))), dtype=DOUBLE) for s in (P.shape, sizes)
        )
        self.rows = self.index(self.data)
        eye = [torch.eye(n, dtype=DOUBLE) for n in sizes]
        self.generator = torch.zeros(len(self.states), len(self.states), dtype=DOUBLE)
        for d, R in enumerate(rates):
            self.generator += outer([*eye[:d], R, *eye[d + 1 :]])
        pairs = [torch.linalg.eig(R) for R in rates]
        self.modes = [(values, V, torch.linalg.inv(V)) for values, V in pairs]

    def index(self, x: Tensor) -> Tensor:
        """Where a state x (..., D) stands among `states`."""
        at = torch.zeros(x.shape[:-1], dtype=torch.long)
        for d, size in enumerate(self.sizes):
            at = at * size + x[..., d].long()
        return at

    def kernel(self, B: Tensor | float) -> Tensor:
        """q(x_0 -> x_t) from `data` to `states`, ([B,] n, m)."""
        B = torch.as_tensor(B, dtype=DOUBLE)[..., None, None]
        columns = [((V * torch.exp(B * mode)) @ inverse).real for mode, V, inverse in self.modes]
        return outer(columns)[..., self.rows, :]

    def law(self, B: Tensor | float) -> Tensor:
        """q_t of `states`, ([B,] m)."""
        return self.P.flatten() @ self.kernel(B)

    def neighbours(self) -> Tensor:
        """The index of every state with x_d := y, (m, D, N)."""
        moved = self.states[:, None, None].repeat(1, len(self.sizes), max(self.sizes), 1)
        for d in range(len(self.sizes)):
            moved[:, d, :, d] = torch.arange(max(self.sizes))
        return self.index(moved)

    def joint(self, laws: Tensor) -> Tensor:
        """The kernel (m, m) of columns (m, D, N) that move independently."""
        out = torch.ones(len(laws), 1, dtype=DOUBLE)
        for d in range(len(self.sizes)):
            out = (out[:, :, None] * laws[:, d, None, :]).flatten(1)
        return out

    def ratios(self) -> Denoiser[Ratios]:
        """The exact score: q_t(x with x_d := y) / q_t(x)."""
        return ExactRatios(self)


def outer(factors: Sequence[Tensor]) -> Tensor:
    """The Kronecker product of matrices (..., n_d, m_d)."""
    out = factors[0]
    for factor in factors[1:]:
        pair = out[..., :, None, :, None] * factor[..., None, :, None, :]
        out = pair.flatten(-2).flatten(-3, -2)
    return out


class ExactRatios(Denoiser[Ratios]):
    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self.chain = chain

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Ratios:
        log_snr, which = level.condition(x_t).unique(return_inverse=True)
        log_q = self.chain.law(torch.log1p(torch.exp(-0.5 * log_snr))).clamp(min=1e-300).log()
        here = self.chain.index(x_t)
        log_s = log_q[which[:, None, None], self.chain.neighbours()[here]]
        return Ratios(log_s - log_q[which, here][:, None, None])


@pytest.fixture
def chain() -> type[Chain]:
    """chain(P, rates): a joint law of codes under dense rates, by enumeration."""
    return Chain


@pytest.fixture
def toy() -> Tensor:
    """T1's joint law of two columns of three levels; H = 1.8553889767 nats."""
    return torch.tensor([[30, 5, 5], [2, 25, 3], [10, 5, 15]], dtype=DOUBLE) / 100


NOISES = ["uniform", "absorbing", "marginal", "birth-death", "gaussian", "cyclic"]


def noise_by_name(name: str) -> tuple[Rates, list[Tensor]]:
    """Rates of two columns of three levels, and the matrices that they must be, by their formulas."""
    one, law = torch.ones(3, dtype=DOUBLE), torch.tensor([[3, 5, 2], [6, 1, 3]], dtype=DOUBLE) / 10
    walk = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=DOUBLE)
    down = math.exp(-1 / (2 * 0.8**2))  # pi_0 / pi_1 of the Gaussian target
    far = math.exp(-1 / 1.5**2)
    target = torch.tensor([[0, 1, far], [down, 0, down], [far, 1, 0]], dtype=DOUBLE)
    turn = torch.tensor([[0, 2, 0.1], [0.3, 0, 1], [1, 0.2, 0]], dtype=DOUBLE)
    masked = torch.zeros(4, 4, dtype=DOUBLE)
    masked[:3, 3] = 1
    rates, off = {
        "uniform": (Refresh.uniform([3, 3]), [torch.outer(one, one) / 3] * 2),
        "absorbing": (Refresh.absorbing([3, 3]), [masked] * 2),
        "marginal": (Refresh.marginal(list(law)), [torch.outer(one, pi) for pi in law]),
        "birth-death": (Reversible.birth_death([3, 3]), [walk] * 2),  # its gap is 4 sin^2(pi/6)
        "gaussian": (
            Reversible.gaussian_target([3, 3], 1.5, 0.8),
            [target / (1 + 2 * down)] * 2,
        ),
        "cyclic": (AnyRates([turn, 2 * turn.T]), [turn, 2 * turn.T]),
    }[name]
    bare = [R - torch.diag(R.diagonal()) for R in off]
    return rates, [R - torch.diag(R.sum(1)) for R in bare]


@pytest.fixture
def noise_of() -> Callable[[str], tuple[Rates, list[Tensor]]]:
    return noise_by_name


@pytest.fixture(params=NOISES)
def noise(request: pytest.FixtureRequest) -> tuple[Rates, list[Tensor]]:
    """Every kind of rates there is, of two columns of three levels, with its dense matrices."""
    return noise_by_name(request.param)
