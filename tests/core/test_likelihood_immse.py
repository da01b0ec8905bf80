"""I-MMSE: its tail, its cut, and the point likelihood."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.distribution import Distribution
from unnoise.core.likelihood import IMMSE, Kind
from unnoise.core.likelihood.immse import rounding_tail
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator, seeded
from unnoise.core.schedule import VE, Cosine, Level

Nodes = Callable[..., tuple[Tensor, Tensor]]
DOUBLE = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


@pytest.mark.parametrize("levels", [2, 4, 8])
@pytest.mark.parametrize("snr", [2.0, 10.0, 40.0])
def test_rounding_bounds_the_tail(
    rate_at: Callable[..., Tensor], legendre: Nodes, levels: int, snr: float
) -> None:
    """int rate above a log-SNR, equal odds, is at most 4 sum_j exp(-(j - 1/2)^2 D^2 snr / 2) nats."""
    values = torch.linspace(-1, 2 * levels - 3, levels, dtype=DOUBLE)  # steps of 2, as +-1
    law = Mixture.atoms(torch.ones(levels), values[:, None])
    log_snr, weights = legendre(math.log(snr), 9.0)
    tail = (weights @ rate_at(Gaussian(Cosine()), law, values[:, None], log_snr)).mean().item()
    assert 0 < tail < rounding_tail(values, math.log(snr))


def test_without_its_half_the_tail_is_no_bound(
    rate_at: Callable[..., Tensor], legendre: Nodes
) -> None:
    """+-1 at snr 10: the tail is 2.2e-3 nats; exp(-(j - 1/2)^2 D^2 snr), as first published in code, says 1.8e-4."""
    values = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    law = Mixture.atoms(torch.ones(2), values[:, None])
    log_snr, weights = legendre(math.log(10), 9.0)
    tail = (weights @ rate_at(Gaussian(Cosine()), law, values[:, None], log_snr)).mean().item()
    assert tail == pytest.approx(2.2e-3, abs=5e-5)
    assert rounding_tail(values, math.log(10)) == pytest.approx(4 * math.exp(-5))
    assert 4 * math.exp(-10) < tail


# --- a finite cut --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Posteriors(Distribution):
    """p(x | x_t) = p(x) q(x_t | x) / p(x_t) of a mixture, one dimension: the exact decoder."""

    law: Mixture
    x_t: Tensor
    level: Level

    def log_prob(self, x: Tensor) -> Tensor:
        z = ((self.x_t - self.level.alpha * x) / self.level.sigma)[:, 0]
        channel = -0.5 * z.square() - math.log(float(self.level.sigma) * math.sqrt(2 * math.pi))
        return self.law.log_prob(x) + channel - self.law.log_prob(self.x_t, self.level)

    def sample(self, generator: Generator = None) -> Tensor:
        raise NotImplementedError

    def on(self, values: Tensor) -> Distribution:
        raise NotImplementedError


class WithDecoder(Gaussian):
    """The Gaussian process with the exact decoder of a mixture."""

    def __init__(self, schedule: VE, law: Mixture) -> None:
        super().__init__(schedule)
        self.law = law

    def on(self, schedule: VE) -> "WithDecoder":  # type: ignore[override]
        return WithDecoder(schedule, self.law)

    def decode(
        self, x_t: Tensor, level: Level, posterior: Posterior, batch: Batch
    ) -> Distribution:
        return Posteriors(self.law, x_t, level)


CUTS = [(0.01, 2.8116427), (0.5, 0.6688179), (3.0, 0.0788397)]  # t_0, and the path beyond it (T14)


@pytest.mark.parametrize(("t0", "path"), CUTS)
def test_the_path_beyond_a_cut_is_the_published_one(
    m1: Mixture, rate_at: Callable[..., Tensor], legendre: Nodes, t0: float, path: float
) -> None:
    """int_t0^inf |y - E[y|z]|^2 / (2 t^2) dt at y = 0, t = 1 / snr (T14)."""
    process, y = Gaussian(VE(0.05, 1e4)), column(0.0)
    log_snr, weights = legendre(-18.0, -math.log(t0))
    total = weights @ rate_at(process, m1, y, log_snr)
    total = total + rate_at(process, m1, y, torch.tensor([-18.0], dtype=DOUBLE))[0]  # below
    assert total.item() == pytest.approx(path, abs=1.1e-7)


@pytest.mark.parametrize("t0", [0.01, 0.5, 3.0])
def test_the_cut_may_be_anywhere(m1: Mixture, t0: float) -> None:
    """-log p(0) = E[-log p(0 | z_t0)] + path = 1.9284874, whatever t_0, with the exact decoder (T14)."""
    process, x = WithDecoder(VE(0.05, 1e3), m1), Batch(column(0.0).expand(20_000, 1))
    method = IMMSE(24, cut=-math.log(t0))
    result = method(process, m1, x, generator=seeded(0))
    error = result.nats.std().item() / len(result.nats) ** 0.5
    assert error < 8e-3
    assert -result.nats.mean().item() == pytest.approx(1.9284874, abs=5 * error)
    assert (result.nfe, result.kind) == (24 + 2, Kind.LOWER_BOUND)


def test_an_approximate_decoder_costs_no_less_than_the_exact_one(m1: Mixture) -> None:
    """The Gaussian decoder is an upper bound on the mean of -log p, loose at a late cut, tight at an early one."""
    x = m1.sample(20_000, seeded(1))
    process = Gaussian(VE(0.01, 1e3))
    losses = []
    for cut in (1.0, 7.0):
        result = IMMSE(24, cut=cut)(process, m1, Batch(x), generator=seeded(0))
        gap = m1.log_prob(x) - result.nats
        losses.append((gap.mean().item(), gap.std().item() / len(x) ** 0.5))
    (late, late_error), (early, early_error) = losses
    assert late > 0.05 + 5 * late_error
    assert abs(early) < 5 * early_error + 1e-3


@pytest.mark.parametrize("cut", [-10.0, 14.0])
def test_a_cut_outside_the_window_is_refused(m1: Mixture, cut: float) -> None:
    with pytest.raises(ValueError, match="in the window of the process, above -10 and up to 13.3"):
        IMMSE(4, cut=cut)(Gaussian(Cosine()), m1, Batch(column(0.0)))
