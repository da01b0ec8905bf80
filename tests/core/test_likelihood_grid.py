"""Log probabilities of data on a grid: what independent levels cost by every route."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import LevelDenoiser
from unnoise.core.likelihood import IMMSE, Bound, Flow, Hutchinson, Likelihood
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded
from unnoise.core.sampler import LogSNRGrid
from unnoise.core.schedule import Cosine

DOUBLE = torch.float64
Nodes = Callable[..., tuple[Tensor, Tensor]]
ROUTES: list[Likelihood] = [IMMSE(200), Bound(200), Flow(120, grid=LogSNRGrid())]


@pytest.fixture
def independent() -> Callable[..., LevelDenoiser]:
    """The exact denoiser of independent entries on a grid."""

    def make(values: Tensor, probabilities: Tensor) -> LevelDenoiser:
        return LevelDenoiser(
            lambda x, *_: x.new_zeros(*x.shape, 0), 0, values, probabilities.log()
        ).to(values.dtype)

    return make


def quantised_normal(scale: float) -> tuple[list[float], list[float]]:
    reach = math.ceil(7 * scale)
    grid = np.arange(-reach, reach + 1)
    p = stats.norm.cdf((grid + 0.5) / scale) - stats.norm.cdf((grid - 0.5) / scale)
    return [float(k) for k in grid], [float(v) for v in p / p.sum()]


@pytest.mark.parametrize(
    ("values", "probabilities", "entropy"),
    [
        ([-1, 1], [0.5, 0.5], math.log(2)),
        ([0, 1], [0.9, 0.1], -0.9 * math.log(0.9) - 0.1 * math.log(0.1)),
        ([0, 1, 2, 3], [0.1, 0.2, 0.3, 0.4], 1.2798542),
        (list(range(8)), [0.125] * 8, math.log(8)),
        (*quantised_normal(0.5), 0.8603313),
        (*quantised_normal(1.0), 1.4589588),
        (*quantised_normal(3.0), 2.5221591),
    ],
    ids=["bit", "rare bit", "4 levels", "8 levels", "N(0, .5)", "N(0, 1)", "N(0, 3)"],
)
@pytest.mark.parametrize("method", ROUTES, ids=lambda m: type(m).__name__)
def test_independent_levels_cost_their_entropy(
    independent: Callable[..., LevelDenoiser],
    method: Likelihood,
    values: list[float],
    probabilities: list[float],
    entropy: float,
) -> None:
    """T4: a level k costs -log p_k; on average the entropy."""
    grid, p = (torch.tensor(v, dtype=DOUBLE) for v in (values, probabilities))
    assert (-p * p.log()).sum().item() == pytest.approx(entropy, abs=6e-8)
    grid = grid - p @ grid  # the prior at the end of the window is centred
    likely = (p > 0.01).nonzero().flatten()
    k = likely.repeat(-(-4000 // len(likely)))
    process = Gaussian(Cosine(log_snr_max=5.5, log_snr_min=-13))  # 8 sigma to a level's neighbour
    result = method(
        process, independent(grid, p), Batch(grid[k][:, None]), values=grid, generator=seeded(0)
    )
    cost = -result.nats.reshape(-1, len(likely))
    mean, error = cost.mean(0), cost.std(0) / math.sqrt(len(cost))
    assert (error < 0.05).all()
    assert ((mean + p[likely].log()).abs() < 5 * error + 5e-4).all()
    share = p[likely] / p[likely].sum()
    average = (share @ mean).item(), (share**2 @ error**2).sqrt().item()
    assert average[1] < 0.015
    exact = -(share @ p[likely].log()).item()
    assert average[0] == pytest.approx(exact, abs=5 * average[1] + 5e-4)


@pytest.mark.parametrize("method", ROUTES, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("cut", [-2.0, 1.0, 3.0])
def test_a_window_that_does_not_resolve_the_grid_loses_nothing(
    independent: Callable[..., LevelDenoiser], method: Likelihood, cut: float
) -> None:
    """-log P = E[-log P(x | x_cut)] + the path below the cut: with an exact decoder the cut may be anywhere (T14)."""
    grid = torch.arange(8, dtype=DOUBLE) - 3.5
    p = torch.tensor([1, 2, 3, 4, 4, 3, 2, 1], dtype=DOUBLE) / 20
    k = torch.arange(8).repeat_interleave((20 * p).long()).repeat(200)  # as often as it is likely
    process, x = Gaussian(Cosine(log_snr_max=cut, log_snr_min=-13)), Batch(grid[k][:, None])
    result = method(process, independent(grid, p), x, values=grid, generator=seeded(0))
    error = result.nats - p.log()[k]
    stderr = error.std().item() / math.sqrt(len(k))
    assert stderr < 0.02
    assert abs(error.mean().item()) < 5 * stderr + 1e-4


def test_uniform_bytes_cost_eight_bits_by_quadrature(
    independent: Callable[..., LevelDenoiser], rate_at: Callable[..., Tensor], legendre: Nodes
) -> None:
    values = 2 * (torch.arange(256, dtype=DOUBLE) + 0.5) / 256 - 1
    denoiser = independent(values, torch.full((256,), 1 / 256, dtype=DOUBLE))
    log_snr, weights = legendre(-18, 15, panels=30)
    with torch.no_grad():
        rates = rate_at(Gaussian(Cosine()), denoiser, values[[0, 77, 255], None], log_snr)
    bits = weights @ rates / math.log(2)
    torch.testing.assert_close(bits, torch.full_like(bits, 8), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ROUTES, ids=lambda m: type(m).__name__)
def test_uniform_bytes_cost_eight_bits(
    independent: Callable[..., LevelDenoiser], method: Likelihood
) -> None:
    values = 2 * (torch.arange(256, dtype=DOUBLE) + 0.5) / 256 - 1
    denoiser = independent(values, torch.full((256,), 1 / 256, dtype=DOUBLE))
    x = values[torch.randperm(256, generator=seeded(0))].reshape(64, 4)
    x = x if isinstance(method, Flow) else x.repeat(16, 1)
    process = Gaussian(Cosine(log_snr_max=15.0))
    result = method(process, denoiser, Batch(x), values=values, generator=seeded(1))
    bits = result.bits_per_dim()
    assert bits.stderr < 0.05
    assert bits.value == pytest.approx(8, abs=5 * bits.stderr + 1e-3)


def test_nfe_of_probabilities(independent: Callable[..., LevelDenoiser]) -> None:
    """I-MMSE asks a decoder only where the window doesn't resolve the grid."""
    grid = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    half = torch.full((2,), 0.5, dtype=DOUBLE)
    cases: list[tuple[float, Likelihood, int]] = [
        (13.3, IMMSE(10), 11),
        (0.0, IMMSE(10), 12),
        (0.0, Bound(10), 11),
        (0.0, Flow(5, Hutchinson(1)), 1 + 5 * 4 * 2),
    ]
    for top, method, nfe in cases:
        calls: list[int] = []
        denoiser = independent(grid, half)
        denoiser.register_forward_hook(lambda *_, seen=calls: seen.append(1))
        process = Gaussian(Cosine(log_snr_max=top))
        result = method(process, denoiser, Batch(grid[:, None]), values=grid, generator=seeded(0))
        assert result.nfe == nfe
        assert len(calls) == (21 if isinstance(method, Flow) else nfe)  # the others are gradients
