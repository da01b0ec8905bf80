"""Bounds of the ancestral chain: on a grid of steps, with many trajectories, for every linear
process."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import cast

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Normal
from unnoise.core.likelihood import Bound, DiscreteBound, ImportanceWeighted, Query
from unnoise.core.posterior import Mean, Posterior
from unnoise.core.process import Gaussian
from unnoise.core.process.blurring import Blurring
from unnoise.core.process.langevin import Langevin, Sufficient
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import LogSNRGrid
from unnoise.core.schedule import Cosine, Level, LinearLogSNR, LinearVP

DOUBLE = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


# --- on a grid -----------------------------------------------------------------------------------


VARIANCES = torch.tensor([0.25, 1.0, 2.0], dtype=DOUBLE)


def discrete_nelbo(steps: int, law: Tensor) -> tuple[float, float]:
    """The path and the whole of the T-step bound for N(0, law), log-SNR from 13.3 to -5, uniform
    steps in log-SNR: every expected error is mmse(snr) = lam / (1 + snr lam)."""
    log_snr = torch.linspace(13.3, -5.0, steps + 1, dtype=DOUBLE)
    snr = log_snr.exp()[:, None]
    mmse = law / (1 + snr * law)
    path = 0.5 * ((snr[:-1] - snr[1:]) * mmse[1:]).sum().item()
    end = 1 + (law - 1) * torch.sigmoid(log_snr[-1])
    sigma2 = torch.sigmoid(-log_snr[-1])
    prior = 0.5 * (end - 1 - sigma2.log()).sum().item()
    decoder = 0.5 * (math.log(2 * math.pi) - log_snr[0] + snr[0] * mmse[0]).sum().item()
    return path, prior + path + decoder


@pytest.mark.parametrize(
    ("steps", "expected"), [(16, 35.04), (64, 22.43), (256, 20.25), (1024, 19.755)]
)
@pytest.mark.parametrize("draws", [None, 64], ids=["every step", "strata"])
def test_the_discrete_bound_is_the_sum_over_the_grid(
    steps: int, expected: float, draws: int | None
) -> None:
    """sum_k (snr_s - snr_t) / 2 mmse(snr_t) for the optimal denoiser, d = 3 (T8)."""
    path, nelbo = discrete_nelbo(steps, VARIANCES)
    assert path == pytest.approx(expected, abs=6e-3)
    if draws is None and steps > 64:
        return  # the strata have shown it, and cost less
    law = Mixture.gaussian(torch.zeros(3, dtype=DOUBLE), VARIANCES.diag())
    method = DiscreteBound(steps, draws=draws)
    process, x = Gaussian(LinearLogSNR(13.3, -5.0)), law.sample(4000, seeded(3))
    result = method(process, law, Batch(x), generator=seeded(1))
    pairs = steps if draws is None else draws // 2
    assert result.nfe == 2 * pairs + 1
    # compared with log p, whose spread over x is no error of the bound
    gap = law.log_prob(x) - result.nats
    entropy = 0.5 * (2 * math.pi * math.e * VARIANCES).log().sum().item()
    spread = gap.std().item() / len(x) ** 0.5
    assert spread < 0.06
    assert gap.mean().item() == pytest.approx(nelbo - entropy, abs=5 * spread)


def test_the_discrete_bound_sinks_to_the_continuous_one() -> None:
    """L_T falls with T to 19.5925388547 = 1/2 sum log (1 + snr_max lam) / (1 + snr_min lam), by O(1/T) (T8)."""
    high, low = math.exp(13.3), math.exp(-5)
    limit = 0.5 * ((1 + high * VARIANCES) / (1 + low * VARIANCES)).log().sum().item()
    assert limit == pytest.approx(19.5925388547, abs=1e-9)
    above = [discrete_nelbo(steps, VARIANCES)[0] - limit for steps in (1024, 2048, 4096)]
    assert above[0] > above[1] > above[2] > 0
    assert above[0] / above[1] == pytest.approx(2, rel=1e-2)
    assert above[1] / above[2] == pytest.approx(2, rel=1e-2)


@pytest.mark.parametrize("shape", [(), (3,), (1, 3)], ids=str)
def test_the_discrete_bound_costs_what_its_steps_do_whatever_the_shape(
    shape: tuple[int, ...],
) -> None:
    """All strata at once, or every step in turn: one mean, for states of any shape."""
    d = math.prod(shape)

    class Shrunk(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            return Mean(x_t * level.alpha / (level.alpha**2 + level.sigma**2))

    x = torch.ones(6000, *shape, dtype=DOUBLE)
    process, one = Gaussian(LinearVP()), DiscreteBound(8)
    every, strata = (
        method(process, Shrunk(), Batch(x), generator=seeded(k)).nats
        for k, method in enumerate((one, DiscreteBound(8, draws=4)))
    )
    error = math.hypot(every.std().item(), strata.std().item()) / len(x) ** 0.5
    assert error < 0.01 * max(d, 1) * 8
    assert abs(every.mean() - strata.mean()) < 5 * error


# --- many trajectories ---------------------------------------------------------------------------


def chain_log_prob(x: Tensor, process: Gaussian, law: Mixture, steps: int) -> Tensor:
    """log p of the ancestral chain for a Gaussian law, one dimension, by recursion: every step is
    x_s = a x_t + b E[x_0 | x_t] + c z with a linear E, so mean and variance go through."""
    levels = process.schedule.levels(LogSNRGrid()(process.schedule, steps))
    probe = torch.tensor([[0.0], [1.0]], dtype=DOUBLE)
    mean, variance = 0.0, process.prior(Batch(probe)).scale ** 2
    for k, level in enumerate(levels):
        belief = law(probe, level, Batch(probe))
        if k < steps:
            step = process.reverse(probe, level, levels[k + 1], belief, Batch(probe))
        else:
            step = process.decode(probe, level, belief, Batch(probe))
        offset, slope = step.mean[0].item(), (step.mean[1] - step.mean[0]).item()
        mean, variance = offset + slope * mean, slope**2 * variance + step.scale**2
    return torch.distributions.Normal(mean, variance**0.5).log_prob(x[:, 0])


def test_one_trajectory_is_the_discrete_bound_and_more_approach_the_chain(
    gaussian: Mixture,
) -> None:
    """k = 1: E log w is the T-step bound; E log mean w rises with k to log p of the chain."""
    process, point, steps = Gaussian(Cosine(4.0, -5.0)), column(1.3), 4
    x = Batch(point.expand(20_000, 1))
    exact = chain_log_prob(point, process, gaussian, steps).item()
    bound = DiscreteBound(steps, LogSNRGrid())(process, gaussian, x, generator=seeded(0)).nats
    found = []
    for k in (1, 4, 16, 64):
        some = x.rows(slice(0, 20_000 if k < 64 else 4000))
        result = ImportanceWeighted(k, steps)(process, gaussian, some, generator=seeded(k))
        assert result.nfe == k * (steps + 1)
        error = result.nats.std().item() / len(result.nats) ** 0.5
        found.append((result.nats.mean().item(), error))
    error = math.hypot(found[0][1], bound.std().item() / len(bound) ** 0.5)
    assert found[0][0] == pytest.approx(bound.mean().item(), abs=5 * error)
    for (a, da), (b, db) in pairwise(found):
        assert b > a + 2 * math.hypot(da, db)
    last, error = found[-1]
    assert exact - 0.02 < last < exact + 5 * error
    assert found[0][0] < exact - 0.3, "the test has something to show"


def test_stderr_of_trajectories_is_that_of_their_weights(gaussian: Mixture) -> None:
    """The delta method: std w / (mean w sqrt k), checked by the spread over independent repeats."""
    process, x = Gaussian(Cosine(8.0, -5.0)), Batch(column(0.4).expand(3000, 1))
    result = ImportanceWeighted(128, 6)(process, gaussian, x, generator=seeded(0))
    said = result.stderr.square().mean().sqrt().item()
    assert said == pytest.approx(result.nats.std().item(), rel=0.15)
    assert ImportanceWeighted(1, 2)(process, gaussian, x, generator=seeded(0)).stderr.isnan().all()


@pytest.mark.parametrize(
    "make",
    [
        partial(DiscreteBound, 0),
        partial(DiscreteBound, 4, draws=3),
        partial(ImportanceWeighted, 0),
        partial(ImportanceWeighted, 2, 0),
    ],
    ids=["no steps", "odd draws", "no trajectory", "no chain"],
)
def test_what_cannot_be_estimated_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="at least"):
        make()


# --- other processes -----------------------------------------------------------------------------


class Wiener(Denoiser[Mean]):
    """E[x_0 | u] of blurred Gaussian data whose frequencies have the variances lam."""

    def __init__(self, process: Blurring, lam: Tensor) -> None:
        super().__init__()
        self.process, self.lam = process, lam

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        basis = self.process.basis
        impulses = basis.inverse(torch.ones_like(x_t))
        alpha = basis.forward(cast(Normal, self.process.marginal(impulses, level, batch)).mean)
        gain = alpha * self.lam / (alpha**2 * self.lam + level.sigma**2)
        return Mean(basis.inverse(gain * basis.forward(x_t)))


def other_process(
    name: str, m1: Mixture
) -> tuple[LinearGaussian, Denoiser[Posterior], Tensor, Tensor]:
    """A process, its exact denoiser, data and their log density."""
    schedule = LinearLogSNR(12.0, -12.0)
    if name == "langevin":
        cld = Langevin(schedule)
        x = m1.sample(4000, seeded(0))
        return cld, Sufficient(cld, m1), x, m1.log_prob(x)
    blurring = Blurring(schedule, (4,), blur=2.0, floor=0.1)
    lam = torch.tensor([2.0, 1.0, 0.5, 0.25], dtype=DOUBLE)
    z = normal(torch.empty(4000, 4, dtype=DOUBLE), seeded(0))
    exact = -0.5 * (z.square() + (2 * math.pi * lam).log()).sum(1)
    return blurring, Wiener(blurring, lam), blurring.basis.inverse(lam.sqrt() * z), exact


@pytest.mark.parametrize("name", ["langevin", "blurring"])
def test_bounds_hold_for_every_linear_process(m1: Mixture, name: str) -> None:
    """Bound and fine DiscreteBound are log p; one trajectory is the coarse DiscreteBound."""
    process, denoiser, x, exact = other_process(name, m1)
    losses = {}
    for method in (
        Bound(32),
        DiscreteBound(2000, draws=32),
        DiscreteBound(16),
        ImportanceWeighted(1, 16),
        ImportanceWeighted(8, 16),
    ):
        gap = exact - method(process, denoiser, Batch(x), generator=seeded(1)).nats
        losses[repr(method)] = gap.mean().item(), gap.std().item() / len(x) ** 0.5
    (a, da), (b, db), (c, dc), (d, dd), (e, _) = losses.values()
    assert max(da, db) < 0.02
    assert abs(a) < 5 * da
    assert abs(b - a) < 5 * math.hypot(da, db) + 0.02  # O(1/T)
    assert c > 10 * dc, "the coarse chain is worse"
    assert c == pytest.approx(d, abs=5 * math.hypot(dc, dd))
    assert 0 < e < 0.8 * d


def test_single_precision_costs_no_digits_of_a_large_state() -> None:
    """3,000 entries, 4 steps: log densities of 1e4 nats, whose differences are right to 1e-5 of the bound."""

    class Shrunk(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            gain = level.alpha / (level.alpha**2 + level.sigma**2)
            return Mean(x_t * gain)

    process = Gaussian(LinearLogSNR())
    x = normal(torch.empty(2, 3000, dtype=DOUBLE), seeded(0)).float()
    levels = process.schedule.levels(torch.tensor([0.5, 0.4]))
    got = []
    for dtype in (torch.float32, DOUBLE):
        batch = Batch(x.to(dtype))
        query = Query(process, Shrunk(), batch, process.prior(batch), torch.zeros(2), None)
        true, believed = query.step(2 * batch.x, *levels)
        at = true.mean
        got.append(true.log_prob(at) - believed.log_prob(at))
    torch.testing.assert_close(got[0], got[1], rtol=1e-6, atol=1e-6)
