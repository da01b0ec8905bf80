"""Dequantisation: what uniform noise costs, and how much of it a learned law saves."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import LevelDenoiser
from unnoise.core.likelihood import (
    Bound,
    Dequantised,
    Flow,
    Kind,
    Likelihood,
    LikelihoodResult,
    Query,
    UniformNoise,
    VariationalDequantiser,
)
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded
from unnoise.core.sampler import LogSNRGrid
from unnoise.core.schedule import Cosine

DOUBLE = torch.float64
ENTROPIES = [(0.5, 0.8603313), (1.0, 1.4589588), (3.0, 2.5221591)]  # of N(0, s) on the integers


class Known(Likelihood):
    """The log density itself."""

    def __init__(self, log_prob: Callable[[Tensor], Tensor]) -> None:
        self.log_prob = log_prob

    def estimate(self, query: Query) -> LikelihoodResult:
        nats = self.log_prob(query.batch.x)
        return LikelihoodResult(nats, query.dims, Kind.EXACT, torch.zeros_like(nats), 0)


class Cells(nn.Module):
    """m and log s of each of a few levels."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(levels, 2, dtype=DOUBLE))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        out: Tensor = self.table[(x + len(self.table) // 2).round().long()]
        return out


def quantised_normal(scale: float) -> tuple[Tensor, Tensor]:
    """Integers, and their probabilities under N(0, scale^2) rounded."""
    k = np.arange(-math.ceil(7 * scale), math.ceil(7 * scale) + 1)
    p = stats.norm.cdf((k + 0.5) / scale) - stats.norm.cdf((k - 0.5) / scale)
    return torch.from_numpy(k).to(DOUBLE), torch.from_numpy(p / p.sum())


def query(law: Mixture, x: Tensor, values: Tensor, seed: int = 0) -> Query:
    process, batch = Gaussian(Cosine()), Batch(x)
    return Query(process, law, batch, process.prior(batch), values, seeded(seed))


def cost_of(method: Likelihood, law: Mixture, scale: float, repeats: int) -> tuple[float, float]:
    """E -log P over the quantised law, by stratified repeats of every level, and its error."""
    k, p = quantised_normal(scale)
    x = k.repeat(repeats)[:, None]
    with torch.no_grad():
        nats = -method.estimate(query(law, x, k)).nats.reshape(repeats, -1)
    error = (p.square() @ (nats.var(0) / repeats)).sqrt().item()
    return (p @ nats.mean(0)).item(), error


@pytest.mark.parametrize(("scale", "entropy"), ENTROPIES)
def test_uniform_noise_costs_the_entropy_and_the_gap_of_flat_cells(
    scale: float, entropy: float
) -> None:
    """A model N(0, s^2) at y = k + u - 1/2: log 2 pi s^2 / 2 + (Var k + 1/12) / (2 s^2) > H (T4)."""
    k, p = quantised_normal(scale)
    assert (-p * p.log()).sum().item() == pytest.approx(entropy, abs=6e-8)
    law = Mixture.gaussian(torch.zeros(1, dtype=DOUBLE), torch.tensor([[scale**2]], dtype=DOUBLE))
    got, error = cost_of(Dequantised(Known(law.log_prob), UniformNoise()), law, scale, 40_000)
    second = (p @ k.square()).item() + 1 / 12
    exact = 0.5 * math.log(2 * math.pi * scale**2) + second / (2 * scale**2)
    assert exact > entropy
    assert error < 2e-3
    assert got == pytest.approx(exact, abs=5 * error)


@pytest.mark.parametrize(("scale", "entropy"), ENTROPIES[:2])
def test_a_learned_dequantiser_closes_most_of_the_gap(scale: float, entropy: float) -> None:
    """q(u|k) ~ N(k + u - 1/2; 0, s^2) would leave H; a logit-normal comes close, and never below."""
    k, p = quantised_normal(scale)
    law = Mixture.gaussian(torch.zeros(1, dtype=DOUBLE), torch.tensor([[scale**2]], dtype=DOUBLE))
    learned = VariationalDequantiser(Cells(len(k)))
    method = Dequantised(Known(law.log_prob), learned)
    optimizer = torch.optim.Adam(learned.parameters(), lr=0.05)
    x = k.repeat_interleave((400 * p).ceil().long())[:, None]
    for step in range(300):
        optimizer.zero_grad()
        torch.autograd.backward(method.loss(query(law, x, k, step)))
        optimizer.step()
    uniform, _ = cost_of(Dequantised(Known(law.log_prob), UniformNoise()), law, scale, 4000)
    got, error = cost_of(method, law, scale, 20_000)
    assert error < 1e-3
    assert entropy - 5 * error < got < entropy + (uniform - entropy) / 3


def test_the_bound_teaches_what_the_density_does() -> None:
    """Gradients of the loss through `Bound` are those through the density, up to its noise."""
    k, _ = quantised_normal(1.0)
    law = Mixture.gaussian(torch.zeros(1, dtype=DOUBLE), torch.ones(1, 1, dtype=DOUBLE))
    x = k.repeat(4000)[:, None]
    gradients = []
    for likelihood in (Known(law.log_prob), Bound(8)):
        learned = VariationalDequantiser(Cells(len(k)))
        torch.autograd.backward(Dequantised(likelihood, learned).loss(query(law, x, k)))
        gradients.append(next(learned.parameters()).grad)
    assert gradients[0] is not None
    scale = gradients[0].abs().max().item()
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=0.1 * scale)


def test_the_law_of_a_place_is_logit_normal() -> None:
    """log q at the drawn u is that of the change of variables, by scipy, and padding counts for nothing."""

    def network(x: Tensor, batch: Batch) -> Tensor:
        return torch.stack([x, 0.3 * x], -1)

    x = torch.tensor([[0.5, -1.0], [0.2, 0.7]], dtype=DOUBLE)
    mask = torch.tensor([[True, True], [True, False]])
    u, log_q = VariationalDequantiser(network)(Batch(x, mask=mask), seeded(0))
    v, scale = torch.logit(u).numpy(), 1.75 * torch.exp(0.3 * x).numpy()
    entries = torch.from_numpy(stats.norm.logpdf(v, x.numpy(), scale)) - (u * (1 - u)).log()
    torch.testing.assert_close(log_q, (entries * mask).sum(1))


def test_a_dequantiser_starts_close_to_uniform() -> None:
    """KL(q || U) of sigmoid(s z) has its minimum .00951 at s = 1.75 (by quadrature)."""
    x = Batch(torch.zeros(40_000, 4, dtype=DOUBLE))
    learned = VariationalDequantiser(lambda x, _: x.new_zeros(*x.shape, 2))
    _, log_q = learned(x, seeded(0))
    error = log_q.std().item() / 200
    assert error < 0.01
    assert log_q.mean().item() / 4 == pytest.approx(0.00951, abs=5 * error / 4)
    scales = torch.tensor([1.65, 1.75, 1.85], dtype=DOUBLE)
    z, w = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(80))
    v = scales[:, None] * z
    cost = (w / w.sum() * (torch.log1p(torch.exp(-v.abs())) * 2 + v.abs())).sum(1)
    kl = cost - scales.log() - 0.5 * math.log(2 * math.pi * math.e)
    assert kl.argmin() == 1
    assert kl[1].item() == pytest.approx(0.00951, abs=1e-4)


def test_uniform_bytes_cost_exactly_eight_bits() -> None:
    """The density 1/2 on [-1, 1] in cells of 2 / 256: 1 + 7 bits, whatever the noise."""
    values = 2 * (torch.arange(256, dtype=DOUBLE) + 0.5) / 256 - 1

    def density(y: Tensor) -> Tensor:
        assert (y.abs() <= 1).all()
        return torch.full((len(y),), -y[0].numel() * math.log(2), dtype=y.dtype)

    law = Mixture.atoms(torch.ones(1), torch.zeros(1, 4))
    method = Dequantised(Known(density), UniformNoise())
    result = method(
        Gaussian(Cosine()), law, Batch(values.reshape(64, 4)), values=values, generator=seeded(0)
    )
    bits = result.bits_per_dim()
    assert (bits.value, bits.stderr) == (pytest.approx(8, abs=1e-12), pytest.approx(0, abs=1e-12))
    assert result.kind == Kind.LOWER_BOUND


def test_lossless_beats_dequantised_on_one_model() -> None:
    """A model that knows the grid: its own decoder costs the entropy, uniform noise much more."""
    values = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    denoiser = LevelDenoiser(lambda x, *_: x.new_zeros(*x.shape, 0), 0, values).to(DOUBLE)
    x, process = Batch(values.repeat(200)[:, None]), Gaussian(Cosine(log_snr_max=6.0))
    flow = Flow(64, grid=LogSNRGrid())
    lossless = flow(process, denoiser, x, values=values, generator=seeded(0))
    noisy = Dequantised(flow, UniformNoise())(
        process, denoiser, x, values=values, generator=seeded(0)
    )
    assert -lossless.nats.mean().item() == pytest.approx(math.log(2), abs=0.02)
    assert -noisy.nats.mean() > 5
    assert lossless.kind == noisy.kind == Kind.LOWER_BOUND


def test_what_has_no_grid_or_no_gradient_is_refused() -> None:
    law = Mixture.gaussian(torch.zeros(1, dtype=DOUBLE), torch.ones(1, 1, dtype=DOUBLE))
    x, process = Batch(torch.zeros(2, 1, dtype=DOUBLE)), Gaussian(Cosine())
    with pytest.raises(ValueError, match="aren't on a grid"):
        Dequantised(Bound(2), UniformNoise())(process, law, x)
    values = torch.tensor([-1.0, 0.0, 1.0], dtype=DOUBLE)
    with pytest.raises(ValueError, match="Bound with UniformNoise has no gradient"):
        Dequantised(Bound(2), UniformNoise()).loss(query(law, x.x, values))
