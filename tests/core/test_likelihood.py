"""Likelihoods: three routes to one number, what each promises, and what it costs."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.likelihood import (
    IMMSE,
    AdamsMultistep,
    Bound,
    DiscreteBound,
    Flow,
    Hutchinson,
    HutchPlusPlus,
    ImportanceWeighted,
    Kind,
    Likelihood,
    LikelihoodResult,
)
from unnoise.core.noise import OU, Kernel
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import Cosine, Level, LinearVP
from unnoise.core.times import LogisticTimes

DOUBLE = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


class Counting(Denoiser[Mean]):
    def __init__(self, law: Denoiser[Mean]) -> None:
        super().__init__()
        self.law, self.calls = law, 0

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        self.calls += 1
        return self.law(x_t, level, batch)


def test_three_routes_agree_on_a_gaussian(gaussian_of: Callable[[int], Mixture]) -> None:
    """Flow, I-MMSE and bound have the mean of the true log density within 1e-3 nats a dimension (T17)."""
    law, process, d = gaussian_of(3), Gaussian(LinearVP()), 3
    x = law.sample(20_000, seeded(2))
    exact = law.log_prob(x)
    for method, n in ((Flow(24), 2000), (IMMSE(400), 20_000), (Bound(400), 20_000)):
        result = method(process, law, Batch(x[:n]), generator=seeded(0))
        error = (result.nats - exact[:n]) / d
        spread = error.std().item() / math.sqrt(n)
        assert spread < 6e-4
        assert abs(error.mean().item()) < 1e-3


def test_every_route_says_what_it_promises(m1: Mixture) -> None:
    batch, process = Batch(column(-2, 0, 1, 2.5)), Gaussian(LinearVP())
    promises: list[tuple[Likelihood, Kind]] = [
        (Flow(4), Kind.EXACT),
        (Flow(4, Hutchinson()), Kind.ESTIMATE),
        (IMMSE(4), Kind.ESTIMATE),
        (Flow(4, HutchPlusPlus(3)), Kind.ESTIMATE),
        (Flow(16, rule=AdamsMultistep(3)), Kind.EXACT),
        (Bound(4), Kind.LOWER_BOUND),
        (DiscreteBound(4), Kind.LOWER_BOUND),
        (ImportanceWeighted(2, 4), Kind.LOWER_BOUND),
    ]
    for method, kind in promises:
        assert method(process, m1, batch, generator=seeded(0)).kind == kind
    values = torch.tensor([-1.0, 1.0], dtype=DOUBLE)
    bits, atoms = Batch(values[:, None]), Mixture.atoms(torch.ones(2), values[:, None])
    for method, _ in promises:
        result = method(process, atoms, bits, values=values, generator=seeded(0))
        assert result.kind == Kind.LOWER_BOUND


@pytest.mark.parametrize("method", [IMMSE(64), Bound(64), IMMSE(64, LogisticTimes())], ids=str)
def test_stderr_of_an_item_is_an_upper_bound(m1: Mixture, method: Likelihood) -> None:
    """Strata are better than the independent pairs that stderr supposes."""
    x = column(1.3).expand(4000, 1)
    result = method(Gaussian(LinearVP()), m1, Batch(x), generator=seeded(0))
    spread = result.nats.std().item()
    assert spread < 1.05 * result.stderr.square().mean().sqrt().item()
    # at one point, too, each is an estimate of log p there
    assert result.nats.mean().item() == pytest.approx(
        m1.log_prob(column(1.3)).item(), abs=5 * spread / 4000**0.5 + 2e-3
    )


@pytest.mark.parametrize(
    ("method", "nfe"),
    [
        (IMMSE(10), 11),
        (Bound(10), 11),
        (IMMSE(10, cut=0.0), 12),
        (DiscreteBound(7), 2 * 7 + 1),
        (DiscreteBound(7, draws=4), 4 + 1),
        (ImportanceWeighted(3, 5), 3 * (5 + 1)),
        (Flow(5), 5 * 4 * 2),
        (Flow(20, rule=AdamsMultistep(2)), 20 * 2),
        (Flow(5, Hutchinson(3)), 5 * 4 * (1 + 3)),
        (Flow(5, HutchPlusPlus(3)), 5 * 4 * (1 + 3)),
    ],
    ids=str,
)
def test_nfe_is_what_was_spent(
    gaussian_of: Callable[[int], Mixture], method: Likelihood, nfe: int
) -> None:
    denoiser = Counting(gaussian_of(2))
    batch = Batch(normal(torch.empty(3, 2, dtype=DOUBLE), seeded(0)))
    result = method(Gaussian(LinearVP()), denoiser, batch, generator=seeded(0))
    assert result.nfe == nfe
    assert denoiser.calls == (20 if isinstance(method, Flow) else nfe)
    assert result.dims.tolist() == [2, 2, 2]


def test_padding_costs_nothing() -> None:
    """Entrywise N(0, 1/4) on states with 4 and 2 entries: the short one costs what it would alone."""

    class Entrywise(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            gain = level.alpha * 0.25 / (level.alpha**2 * 0.25 + level.sigma**2)
            mean = gain * x_t
            return Mean(mean if batch.mask is None else mean * batch.mask)

    mask = torch.arange(4) < torch.tensor([4, 2])[:, None]
    x = 0.5 * normal(torch.empty(2, 4, dtype=DOUBLE), seeded(0)) * mask
    process = Gaussian(LinearVP())
    padded = Flow(24)(process, Entrywise(), Batch(x, mask=mask))
    alone = Flow(24)(process, Entrywise(), Batch(x[1:, :2]))
    torch.testing.assert_close(padded.nats[1:], alone.nats)
    assert padded.dims.tolist() == [4, 2]
    batch = Batch(x.repeat(2000, 1), mask=mask.repeat(2000, 1))
    for method in (IMMSE(60), Bound(60)):
        nats = method(process, Entrywise(), batch, generator=seeded(1)).nats.reshape(-1, 2)
        error = 5 * nats.std(0) / math.sqrt(len(nats)) + 1e-4
        assert ((nats.mean(0) - padded.nats).abs() < error).all()


def test_summaries() -> None:
    nats, dims = torch.tensor([-2.0, -4.0]), torch.tensor([2.0, 4.0])
    result = LikelihoodResult(nats, dims, Kind.EXACT, torch.tensor([0.1, 0.2]), nfe=7)
    bits = result.bits_per_dim()
    assert bits.value == pytest.approx(1 / math.log(2))
    assert (bits.stderr, bits.unit) == (0, "bits/dim")
    mean = result.mean_nats()
    assert (mean.value, mean.unit) == (-3, "nats")
    assert mean.stderr == pytest.approx(math.sqrt(2) / math.sqrt(2))
    assert result.shifted(0.5).nats.tolist() == [-1, -2]
    both = LikelihoodResult.cat([result, result.shifted(0.5)])
    assert both.nats.tolist() == [-2, -4, -1, -2]
    assert both.stderr.tolist() == pytest.approx([0.1, 0.2, 0.1, 0.2])
    assert (both.kind, both.nfe) == (Kind.EXACT, 7)
    there = result.to("meta")
    assert all(v.device.type == "meta" for v in (there.nats, there.dims, there.stderr))


def test_one_item_is_summarised_by_its_own_error() -> None:
    """With nothing to spread over, the Monte-Carlo error is all there is: nats for nats, bits for bits."""
    one = LikelihoodResult(
        torch.tensor([-2.0]), torch.tensor([4.0]), Kind.ESTIMATE, torch.tensor([0.2]), nfe=1
    )
    assert one.mean_nats().stderr == pytest.approx(0.2)
    assert one.bits_per_dim().stderr == pytest.approx(0.2 / 4 / math.log(2))


@pytest.mark.parametrize("method", [Bound, IMMSE])
@pytest.mark.parametrize("draws", [0, 3])
def test_draws_come_in_pairs(method: type[Bound] | type[IMMSE], draws: int) -> None:
    with pytest.raises(ValueError, match="even"):
        method(draws)


@pytest.mark.parametrize("padded", [False, True])
def test_every_route_knows_the_covariance_of_its_noise(
    gaussian_of: Callable[[int], Mixture], whitened: Callable[..., Any], padded: bool
) -> None:
    """OU noise in time: log p(x) = log p(C^-1/2 x) - log det C / 2 by flow, I-MMSE and bounds."""
    noise, times = Kernel(OU(0.5)), torch.tensor([0.0, 0.1, 0.7, 1.1], dtype=DOUBLE)
    mask = torch.tensor([[True, True, False, True]]) if padded else torch.ones(1, 4).bool()
    n = 3000
    batch = Batch(
        torch.zeros(n, 4, dtype=DOUBLE), mask=mask.expand(n, 4), coords=times.expand(n, 4)
    )
    exact = whitened(gaussian_of(int(mask.sum())), noise)
    batch = batch.replace(x=exact.sample(batch, 0))
    log_p, process = exact.log_prob(batch.x, batch), Gaussian(Cosine(14.0, -14.0), noise)
    few = batch.rows(slice(0, 50))
    long = Gaussian(Cosine(14.0, -24.0), noise)  # x_1 still knows e^-12 of the mean
    flow = Flow(40)(long, exact, few).nats
    torch.testing.assert_close(flow, log_p[:50], rtol=0, atol=1e-3)
    for method in (IMMSE(32), Bound(32), DiscreteBound(4000, draws=32), IMMSE(32, cut=12.0)):
        error = method(process, exact, batch, generator=seeded(1)).nats - log_p
        spread = error.std().item() / n**0.5
        assert spread < 0.03, "log det C / 2 is half a nat or more"
        assert abs(error.mean().item()) < 5 * spread + 5e-3
