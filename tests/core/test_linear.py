"""What every linear Gaussian process owes: with an exact denoiser the bound is log p(x) at every point, samples
have the law at every noise level, steps and slopes agree in the limit, forward steps compose."""

import math
from dataclasses import dataclass

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.likelihood import Bound
from unnoise.core.noise.cosines import Cosines
from unnoise.core.operator import Blocks, Frequencies, combine
from unnoise.core.posterior import Mean
from unnoise.core.process import Blurring, Gaussian, Langevin, LinearGaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AnyNoise, LogSNRGrid, Sampler
from unnoise.core.schedule import (
    BBED,
    OUVE,
    Cosine,
    Level,
    LinearLogSNR,
    SchroedingerBridge,
    SubVP,
)

DOUBLE = torch.float64
MEAN = torch.tensor([0.7, -0.4, 0.1], dtype=DOUBLE)
ROOT = torch.tensor([[0.9, 0.0, 0.0], [0.5, 0.6, 0.0], [-0.3, 0.2, 0.4]], dtype=DOUBLE)
COVARIANCE = ROOT @ ROOT.T
LAW = stats.multivariate_normal(MEAN.numpy(), COVARIANCE.numpy())


@dataclass(frozen=True)
class Case:
    """A process by name, so that test ids are the same in every worker."""

    name: str
    make: object

    def __repr__(self) -> str:
        return self.name

    def __call__(self) -> LinearGaussian:
        return self.make()  # type: ignore[operator, no-any-return]


CASES = [
    Case("plain", lambda: Gaussian(Cosine(13.3, -11.0))),
    Case("subVP", lambda: Gaussian(SubVP(log_snr_max=13.3, log_snr_min=-11.0))),
    Case("OUVE", lambda: Gaussian(OUVE())),
    Case("BBED", lambda: Gaussian(BBED())),
    Case("bridge", lambda: Gaussian(SchroedingerBridge())),
    Case("Langevin", lambda: Langevin(LinearLogSNR(13.3, -11.0))),
    Case("blurring", lambda: Blurring(Cosine(13.3, -11.0), (3,), blur=2.0, floor=0.1)),
]


class Exact(Denoiser[Mean]):
    """E[x_0 | u] of the Gaussian law, by dense linear algebra on the process's own marginal."""

    def __init__(self, process: LinearGaussian) -> None:
        super().__init__()
        self.process = process

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        a, spread = self._moments(level, len(x_t))
        u = x_t.reshape(len(x_t), -1).double()
        gain = COVARIANCE @ a.mT @ torch.linalg.inv(a @ COVARIANCE @ a.mT + spread)
        rest = u - (a @ MEAN[:, None])[..., 0]
        return Mean((MEAN + (gain @ rest[..., None])[..., 0]).to(x_t.dtype))

    def _moments(self, level: Level, n: int) -> tuple[Tensor, Tensor]:
        """A (.., m, 3) and R R' (.., m, m) of one level, or of one a row."""
        rows = n if isinstance(level.alpha, Tensor) else 1
        columns = []
        for e in torch.eye(3, dtype=DOUBLE):
            x = e.expand(rows, 3)
            columns.append(self.process.marginal(x, level, Batch(x)).mean.reshape(rows, -1))
        a = torch.stack(columns, -1)
        if isinstance(self.process, Langevin):
            s = self.process.channel(level).covariance.reshape(-1, 2, 2)
            eye = torch.eye(3, dtype=DOUBLE)
            return a, torch.einsum("rij,kl->rikjl", s, eye).reshape(-1, 6, 6)
        sigma = torch.as_tensor(level.sigma, dtype=DOUBLE).reshape(-1, 1, 1)
        return a, sigma**2 * torch.eye(3, dtype=DOUBLE)


def points(n: int) -> Tensor:
    return MEAN + normal(torch.empty(n, 3, dtype=DOUBLE), seeded(7)) @ ROOT.T


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_the_bound_is_the_log_density_at_every_point(case: Case) -> None:
    """-log p(x) = KL at the end + int rate + decoder, pointwise, whatever the process. The bridges' windows
    end where the data still show, so they are given the exact law of their end."""
    process = case()
    x = points(4)
    batch = Batch(
        x.repeat(1000, 1)
    )  # interleaved: an item's levels are stratified against its neighbours'
    prior = None
    if case.name in ("OUVE", "BBED", "bridge"):
        (end,) = process.schedule.levels(torch.ones(1))
        prior = _Exact(MEAN * end.alpha, COVARIANCE * end.alpha**2 + torch.eye(3, dtype=DOUBLE) * end.sigma**2)  # fmt: skip
    result = Bound(64)(process, Exact(process), batch, prior=prior, generator=seeded(0))
    found = result.nats.reshape(-1, 4).T
    exact = torch.from_numpy(LAW.logpdf(x.numpy()))
    error = found.std(1) / math.sqrt(found.shape[1])
    top = process.schedule.levels(torch.zeros(1))[0]
    window = 3 * math.exp(-float(top.log_snr))  # what a decoder of first order leaves open
    assert error.max() < 0.05
    assert ((found.mean(1) - exact).abs() < 5 * error + window / COVARIANCE.diagonal().min()).all()


@pytest.mark.parametrize("noise_level", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_samples_have_the_law_at_every_noise_level(case: Case, noise_level: float) -> None:
    """Steps are linear for Gaussian data, so their moments are carried exactly; what a first-order solver
    leaves halves with the step, and is gone in the extrapolation 2 f(2n) - f(n)."""
    process = case()
    denoiser = Exact(process)

    def moments(steps: int) -> tuple[Tensor, Tensor]:
        levels = Sampler(AnyNoise(noise_level), steps, LogSNRGrid(), path=None).levels(process)
        batch = Batch(MEAN[None])
        law = process.marginal(batch.x, levels[0], batch)
        a, spread = denoiser._moments(levels[0], 1)
        mean, covariance = law.mean.reshape(-1), (a @ COVARIANCE @ a.mT + spread)[0]
        basis = torch.cat([torch.eye(len(mean), dtype=DOUBLE), mean.new_zeros(1, len(mean))])
        states = basis.reshape(len(basis), *law.mean.shape[1:])
        for step in process.steps(levels, noise_level, 1):
            belief = denoiser(states, step.level, Batch(torch.zeros(len(states), 3))).mean
            out = combine(step.a, states, step.b[0], belief).reshape(len(states), -1)
            noise = (step.c * states - step.c * states[-1:]).reshape(len(states), -1)[:-1].T
            linear = (out[:-1] - out[-1]).T
            mean = linear @ mean + out[-1]
            covariance = linear @ covariance @ linear.T + noise @ noise.T
        a, spread = denoiser._moments(levels[-1], 1)
        exact = (a @ COVARIANCE @ a.mT + spread)[0]
        return mean - (a @ MEAN)[0], covariance - exact

    coarse = round(90 * (1 + noise_level**2))
    (m1, c1), (m2, c2) = moments(coarse), moments(2 * coarse)
    torch.testing.assert_close(2 * m2 - m1, torch.zeros_like(m1), rtol=0, atol=2e-3)
    torch.testing.assert_close(2 * c2 - c1, torch.zeros_like(c1), rtol=0, atol=1e-2)
    assert c2.abs().max() < 0.65 * c1.abs().max() + 1e-6


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_a_small_step_is_the_slope(case: Case) -> None:
    """(u_s - u_t) / (s - t) -> p u + q x0_hat as s -> t: two routes to one flow."""
    process = case()
    level, to = process.schedule.levels(torch.tensor([0.5, 0.5 - 1e-6], dtype=DOUBLE))
    (step,) = process.steps([level, to], 0.0, 1)
    ((p, q),) = process.slopes([level])
    x_0 = points(5)
    u = process.marginal(x_0, level, Batch(x_0)).sample(seeded(5))
    mean = 0.5 * x_0
    h = float(to.t) - float(level.t)
    moved = (combine(step.a, u, step.b[0], mean) - u) / h
    torch.testing.assert_close(moved, combine(p, u, q, mean), rtol=1e-4, atol=1e-4)
    frame = process.frames([level, to])[0]
    increment = h * combine(frame.p, u, frame.q, mean)
    framed = (combine(frame.carry, u, frame.out, increment) - u) / h
    torch.testing.assert_close(framed, combine(p, u, q, mean), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_forward_steps_lead_from_marginal_to_marginal(case: Case) -> None:
    """A_t = a A_s, and the noise that is kept and gained is that of t."""
    process = case()
    low, high = process.schedule.levels(torch.tensor([0.3, 0.6], dtype=DOUBLE))
    a, c = process.forward_step(low, high)
    x_0 = points(5)
    batch = Batch(x_0)
    here, there = (process.marginal(x_0, level, batch) for level in (low, high))
    torch.testing.assert_close(a * here.mean, there.mean)
    n = 100_000
    many = Batch(torch.zeros(n, 3, dtype=DOUBLE))
    kept = a * process.marginal(many.x, low, many).sample(seeded(1))
    moved = kept + c * process.draw(many, seeded(2))
    fresh = process.marginal(many.x, high, many).sample(seeded(3))
    one, two = (v.reshape(n, -1).T.cov() for v in (moved, fresh))
    torch.testing.assert_close(one, two, rtol=0.03, atol=0.02 * two.diagonal().max().item())


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_whitening_recovers_the_noise(case: Case) -> None:
    """p u + q x_0 is white for u ~ q(u | x_0), and r undoes it."""
    process, n = case(), 50_000
    (level,) = process.schedule.levels(torch.tensor([0.4], dtype=DOUBLE))
    x_0 = points(1).expand(n, 3)
    u = process.marginal(x_0, level, Batch(x_0)).sample(seeded(1))
    p, q, r = process.whitening(level)
    eps = combine(p, u, q, x_0)
    flat = eps.reshape(n, -1)
    torch.testing.assert_close(flat.T.cov(), torch.eye(flat.shape[1], dtype=DOUBLE), rtol=0, atol=0.03)  # fmt: skip
    mean = process.marginal(x_0, level, Batch(x_0)).mean
    torch.testing.assert_close(combine(1.0, mean, r, eps), u)


def test_blurring_without_blur_is_plain() -> None:
    blurred, plain = Blurring(Cosine(), (3,), blur=0.0), Gaussian(Cosine())
    levels = plain.schedule.levels(torch.linspace(1, 0, 5))
    x, mean = points(2), points(2).flip(0)
    for one, two in zip(blurred.steps(levels, 0.5, 1), plain.steps(levels, 0.5, 1), strict=True):
        torch.testing.assert_close(combine(one.a, x, one.b[0], mean), combine(two.a, x, two.b[0], mean))  # fmt: skip
    level = plain.schedule.level(torch.tensor([0.3, 0.8], dtype=DOUBLE), 2)
    rates = (p.rate(x, x, level, Mean(mean), Batch(x)) for p in (blurred, plain))
    torch.testing.assert_close(*rates)


def test_blur_is_the_heat_equation() -> None:
    """exp(-omega^2 b^2 / 2) is a Gaussian of width b with reflecting walls: a point in the middle of a long line."""
    n, level = 201, Level(0.5, 1.0, 1.0, 0.0)
    process = Blurring(Cosine(), (n,), blur=8.0, floor=1e-12)
    x = torch.zeros(1, n, dtype=DOUBLE)
    x[0, 100] = 1
    place = torch.arange(n, dtype=DOUBLE) - 100
    width = 8.0 * 0.5  # sigmoid(0)
    heat = torch.exp(-0.5 * (place / width) ** 2) / (width * math.sqrt(2 * math.pi))
    torch.testing.assert_close(process.marginal(x, level, Batch(x)).mean[0], heat, atol=1e-9, rtol=0)  # fmt: skip


def test_operators_are_matrices() -> None:
    x = points(2).reshape(2, 3)
    m = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=DOUBLE)
    pair = torch.stack([x, 2 * x], 1)
    torch.testing.assert_close(Blocks(m) * pair, torch.einsum("ij,bjd->bid", m, pair))
    torch.testing.assert_close(Blocks(m[:, :1]) * x, m[:, 0][None, :, None] * x[:, None])
    basis = Cosines((3,))
    values = torch.tensor([1.0, 2.0, 3.0], dtype=DOUBLE)
    torch.testing.assert_close(
        Frequencies(values, basis) * x, basis.inverse(values * basis.forward(x))
    )


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="take AdamsBashforth"):
        Blurring(Cosine(), (3,)).steps(Cosine().levels(torch.linspace(1, 0, 4)), 0.0, 2)
    with pytest.raises(ValueError, match="data_std must be positive"):
        Gaussian(Cosine(), data_std=0.0)
    with pytest.raises(ValueError, match="floor"):
        Blurring(Cosine(), (3,), floor=0.0)


class _Exact:
    """A dense normal, as a prior."""

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.law = torch.distributions.MultivariateNormal(mean, covariance)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.law.log_prob(x)
