"""Mixed states: numbers labelled by a category, a law that is known exactly, through marginals, bound and sampler."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Joined, divergence, opposite
from unnoise.core.infill import Known
from unnoise.core.likelihood import Bound
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Elbo
from unnoise.core.posterior import Categories, Mean, Parts
from unnoise.core.process import Gaussian, Jump, Process, Product
from unnoise.core.random import normal, seeded, uniform
from unnoise.core.rates import Refresh, Reversible
from unnoise.core.sampler import (
    AdamsBashforth,
    AnyNoise,
    DPMSolver,
    Heun,
    PowerGrid,
    ProductSampler,
    Solver,
)
from unnoise.core.schedule import Cosine, Level, LinearLogSNR, Rectified, Schedule

DOUBLE = torch.float64
Nodes = Callable[..., tuple[Tensor, Tensor]]
WEIGHTS = torch.tensor([0.5, 0.2, 0.3], dtype=DOUBLE)
MEANS = torch.tensor([-1.2, 0.4, 1.5], dtype=DOUBLE)
VARIANCES = torch.tensor([0.3, 0.05, 0.6], dtype=DOUBLE)
POINTS = torch.tensor([[-1.0, 0], [0.3, 1], [2.2, 2], [0.5, 0]], dtype=DOUBLE)
WIDTHS = {"number": 1, "label": 1}
NOISES = {"uniform": Refresh.uniform([3]), "absorbing": Refresh.absorbing([3])}


def log_normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return -0.5 * ((x - mean).square() / variance + torch.log(2 * math.pi * variance))


def log_p(x: Tensor) -> Tensor:
    """log of p(label) N(number; m, v), (B,)."""
    label = x[:, 1].long()
    return WEIGHTS.log()[label] + log_normal(x[:, 0], MEANS[label], VARIANCES[label])


def draw(n: int, seed: int = 0) -> Tensor:
    u = uniform((n,), WEIGHTS, seeded(seed))
    label = torch.bucketize(u, WEIGHTS.cumsum(0)[:-1], right=True)
    z = normal(torch.empty(n, dtype=DOUBLE), seeded(seed, 1))
    return torch.stack([MEANS[label] + VARIANCES[label].sqrt() * z, label.double()], 1)


class Labelled(Denoiser[Parts]):
    """The exact belief by Bayes' rule; observed entries are evidence without noise."""

    def __init__(self, masked: bool) -> None:
        super().__init__()
        self.masked = masked

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Parts:
        alpha, sigma, log_snr = (
            torch.as_tensor(v, dtype=DOUBLE).reshape(-1).expand(len(x_t))
            for v in (level.alpha, level.sigma, level.log_snr)
        )
        kept = torch.sigmoid(0.5 * log_snr)
        if batch.observed is not None:
            number, label = batch.observed.unbind(1)
            alpha, sigma = torch.where(number, 1.0, alpha), torch.where(number, 0.0, sigma)
            kept = torch.where(label, 1.0, kept)
        alpha, sigma, kept = alpha[:, None], sigma[:, None], kept[:, None]
        x, y = x_t[:, :1], x_t[:, 1:]
        variance = alpha**2 * VARIANCES + sigma**2
        same = (y == torch.arange(3)).double()
        fresh = (y == 3).double() if self.masked else torch.full_like(same, 1 / 3)
        log_r = WEIGHTS.log() + (kept * same + (1 - kept) * fresh).log() + log_normal(x, alpha * MEANS, variance)  # fmt: skip
        r = torch.softmax(log_r, 1)
        pulled = MEANS + alpha * VARIANCES / variance * (x - alpha * MEANS)
        return Parts({"number": Mean((r * pulled).sum(1, keepdim=True)), "label": Categories(log_r[:, None])})  # fmt: skip


def product_of(schedule: Schedule, noise: str, data_std: float = 1.0) -> Product:
    parts = {
        "number": Gaussian(Cosine(), data_std=data_std),
        "label": Jump(Cosine(), NOISES[noise]),
    }
    return Product(schedule, parts, WIDTHS)


# --- parts ---------------------------------------------------------------------------------------


def mixed() -> tuple[Product, dict[str, Process[Any]], Batch]:
    """Three parts, five entries, some of them absent and some given."""
    schedule = LinearLogSNR()
    parts: dict[str, Process[Any]] = {
        "names": Jump(
            schedule, Refresh.marginal([torch.tensor([3.0, 1]), torch.tensor([1.0, 2, 5])])
        ),
        "numbers": Gaussian(schedule, data_std=2.0),
        "grades": Jump(schedule, Reversible.birth_death([4])),
    }
    x = torch.tensor([[0, 2, 0.5, -1, 3], [1, 1, 2.5, 0, 0], [1, 0, -0.5, 1, 2]], dtype=DOUBLE)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0]]).bool()
    observed = torch.tensor([[True, False, False, True, False]])
    batch = Batch(x, mask, observed.expand(3, 5), cond={"year": torch.tensor([1, 2, 3])})
    return Product(schedule, parts, {"names": 2, "numbers": 2, "grades": 1}), parts, batch


def test_a_state_and_all_that_is_known_of_it_is_split_alike() -> None:
    product, _, batch = mixed()
    some = product.batches(batch)
    assert {k: v.x.shape[1] for k, v in some.items()} == {"names": 2, "numbers": 2, "grades": 1}
    for field in ("x", "mask", "observed"):
        whole = torch.cat([getattr(part, field) for part in some.values()], 1)
        assert torch.equal(whole, getattr(batch, field))
    assert all(torch.equal(part.cond["year"], batch.cond["year"]) for part in some.values())
    row = Batch(batch.x, mask=batch.mask[:, :1], observed=None)  # type: ignore[index]
    assert torch.equal(product.batches(row)["numbers"].mask, batch.mask[:, :1].expand(3, 2))  # type: ignore[index]
    assert product.batches(row)["grades"].observed is None
    assert product.dims(batch).tolist() == [5, 3, 0]


def test_laws_multiply_and_rates_add() -> None:
    """Every quantity is that of the parts by themselves."""
    product, parts, batch = mixed()
    level, to = product.schedule.level(torch.tensor([0.3, 0.5, 0.8]).double(), 2), product.schedule.level(torch.tensor([0.1, 0.2, 0.3]).double(), 2)  # fmt: skip
    some, x = product.batches(batch), product.split(batch.x)
    logits = {k: normal(torch.empty(3, w, n, dtype=DOUBLE), seeded(w, n)) for k, w, n in (("names", 2, 3), ("grades", 1, 4))}  # fmt: skip
    belief = {
        "names": Categories(logits["names"].index_fill(2, torch.tensor([2]), -20.0)),
        "numbers": Mean(x["numbers"] + 0.3),
        "grades": Categories(logits["grades"]),
    }
    x_t = product.marginal(batch.x, level, batch).sample(seeded(0))
    y = product.split(x_t)

    def added(f: Callable[[str, Process[Any]], Tensor]) -> Tensor:
        return torch.stack([f(k, part) for k, part in parts.items()]).sum(0)

    whole = [
        product.rate(batch.x, x_t, level, Parts(belief), batch),
        product.excess(batch.x, x_t, level, batch),
        product.marginal(batch.x, level, batch).log_prob(x_t),
        product.prior(batch).log_prob(x_t),
        product.reverse(x_t, level, to, Parts(belief), batch).log_prob(batch.x),
        product.decode(x_t, to, Parts(belief), batch).log_prob(batch.x),
        divergence(product.marginal(batch.x, level, batch), product.prior(batch)),
    ]
    apart = [
        added(lambda k, p: p.rate(x[k], y[k], level, belief[k], some[k])),
        added(lambda k, p: p.excess(x[k], y[k], level, some[k])),
        added(lambda k, p: p.marginal(x[k], level, some[k]).log_prob(y[k])),
        added(lambda k, p: p.prior(some[k]).log_prob(y[k])),
        added(lambda k, p: p.reverse(y[k], level, to, belief[k], some[k]).log_prob(x[k])),
        added(lambda k, p: p.decode(y[k], to, belief[k], some[k]).log_prob(x[k])),
        added(lambda k, p: divergence(p.marginal(x[k], level, some[k]), p.prior(some[k]))),
    ]
    for one, other in zip(whole, apart, strict=True):
        torch.testing.assert_close(one, other)
    assert whole[0][2] == whole[1][2] == whole[2][2] == 0  # a row of padding
    numbers = parts["numbers"].excess(x["numbers"], y["numbers"], level, some["numbers"])
    assert torch.equal(whole[1], numbers)


def test_opposite_draws_are_opposite_part_by_part() -> None:
    """Numbers mirrored at their mean, codes at their quantile; each of the pair has the law."""
    n = 20_000
    process = product_of(Rectified(2.0, -2.0), "uniform")
    x = torch.tensor([[0.7, 1]], dtype=DOUBLE).expand(n, 2)
    (level,) = process.schedule.levels(torch.tensor([0.5]))
    law = process.marginal(x, level, Batch(x))
    assert isinstance(law, Joined)
    for drawn in opposite(law, seeded(0)):
        spread = stats.norm(0.7 * float(level.alpha), float(level.sigma))
        assert stats.kstest(drawn[:, 0].numpy(), spread.cdf).pvalue > 1e-6
        kept = 1 / (1 + math.exp(-0.5 * float(level.log_snr)))
        p = torch.tensor([0, kept, 0], dtype=DOUBLE) + (1 - kept) / 3
        assert stats.chisquare(torch.bincount(drawn[:, 1].long()), n * p).pvalue > 1e-6
    one, two = opposite(law, seeded(0))
    torch.testing.assert_close(
        one[:, 0] + two[:, 0], torch.full((n,), 1.4 * float(level.alpha)).double()
    )


def test_parts_walk_on_the_schedule_of_the_product() -> None:
    process = product_of(Rectified(8.0, -6.0), "uniform")
    assert process.process("number").schedule is process.schedule
    moved = process.on(LinearLogSNR())
    assert isinstance(moved.process("label").schedule, LinearLogSNR)
    assert moved.widths == WIDTHS


# --- the bound -----------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["uniform", "absorbing"])
def test_the_bound_is_the_log_density_at_every_point(
    legendre: Nodes, bell: tuple[Tensor, Tensor], noise: str
) -> None:
    """-log p(number, label), by enumeration of labels and quadrature over noise and log-SNR: no random number."""
    process, law = product_of(LinearLogSNR(30.0, -42.0), noise), Labelled(noise == "absorbing")
    z, w_z = bell
    z, w_z = z[::3], w_z[::3] * 3  # the spacing .3 is as exact: the integrands are wide
    states = NOISES[noise].states
    n, per = len(POINTS), len(z) * states

    def expect(level: Level, f: Callable[[Tensor, Tensor, Batch], Tensor], k: int) -> Tensor:
        """E f(x_0, x_t) of every point, (k, n), at tensor levels of its k n `per` rows."""
        x_0 = POINTS.repeat_interleave(per, 0).repeat(k, 1)
        number = level.alpha * x_0[:, :1] + level.sigma * z.repeat_interleave(states).repeat(k * n)[:, None]  # fmt: skip
        label = torch.arange(states, dtype=DOUBLE).repeat(len(x_0) // states)[:, None]
        x_t, batch = torch.cat([number, label], 1), Batch(x_0)
        q = process.split(x_0)["label"]
        table = Jump(process.schedule, NOISES[noise]).marginal(q, level, Batch(q)).log_table()
        p = table.gather(-1, label.long()[..., None])[:, 0, 0].exp()
        value = torch.where(p > 0, p * f(x_0, x_t, batch), 0.0)
        return value.reshape(k, n, len(z), states).sum(-1) @ w_z

    log_snr, w = legendre(-42.0, 30.0, 36)
    path = torch.zeros(n, dtype=DOUBLE)
    for some, weight in zip(log_snr.split(36), w.split(36), strict=True):
        level = process.schedule.level_of(some.repeat_interleave(n * per), 2)
        path += weight @ expect(level, lambda a, b, c, at=level: process.rate(a, b, at, law(b, at, c), c), len(some))  # type: ignore[misc]  # fmt: skip
    start, end = (process.schedule.level_of(torch.full((n * per,), v, dtype=DOUBLE), 2) for v in (30.0, -42.0))  # fmt: skip
    decoder = expect(start, lambda a, b, c: process.decode(b, start, law(b, start, c), c).log_prob(a), 1)[0]  # fmt: skip
    (last,) = process.schedule.levels(torch.ones(1))
    batch = Batch(POINTS)
    prior = divergence(process.marginal(POINTS, last, batch), process.prior(batch))
    assert end.log_snr[0] == last.log_snr  # type: ignore[index]
    torch.testing.assert_close(path + prior - decoder, -log_p(POINTS), rtol=0, atol=1e-8)


@pytest.mark.parametrize("noise", ["uniform", "absorbing"])
def test_bound_finds_the_density_within_its_error(noise: str) -> None:
    process = product_of(Cosine(13.3, -16.0), noise)
    model = Model(process, Labelled(noise == "absorbing"), (2,))
    copies = 400
    result = model.log_prob(Batch(POINTS.repeat(copies, 1)), Bound(64), generator=seeded(0))
    error = (result.nats - log_p(POINTS).repeat(copies)).reshape(copies, 4)
    spread = error.std(0)
    assert (error.mean(0).abs() < 5 * spread / math.sqrt(copies) + 1e-3).all()
    claimed = result.stderr.reshape(copies, 4).square().mean(0).sqrt()
    assert ((spread > 0.6 * claimed) & (spread < 1.15 * claimed)).all()
    assert result.dims.tolist() == [2] * len(error) * 4


def test_the_elbo_weighted_loss_is_the_path_of_the_bound() -> None:
    """One draw of times and noise serves both parts: the mean is the sum of their costs, per entry."""
    process, law = product_of(LinearLogSNR(10.0, -14.0), "absorbing"), Labelled(True)
    x = draw(20_000)
    terms = Denoising(Elbo()).terms(process, law, Batch(x), seeded(1))
    bound = Bound(8)(process, law, Batch(x), generator=seeded(2))
    (start, end) = process.schedule.levels(torch.tensor([0.0, 1.0]))
    batch = Batch(x)
    prior = divergence(process.marginal(x, end, batch), process.prior(batch))
    x_0 = process.marginal(x, start, batch).sample(seeded(3))
    decoder = process.decode(x_0, start, law(x_0, start, batch), batch).log_prob(x)
    gap = 2 * terms + prior - decoder + bound.nats
    assert abs(gap.mean()) < 5 * gap.std() / math.sqrt(len(x))


# --- the sampler ---------------------------------------------------------------------------------


def right_law(x: Tensor) -> bool:
    """Labels by chi-square, numbers of each label by Kolmogorov-Smirnov."""
    label = x[:, 1].long()
    ps = [stats.chisquare(torch.bincount(label, minlength=3), len(x) * WEIGHTS).pvalue]
    for k in range(3):
        law = stats.norm(MEANS[k].item(), VARIANCES[k].sqrt().item())
        ps.append(stats.kstest(x[label == k, 0].numpy(), law.cdf).pvalue)
    return min(ps) > 1e-6


@pytest.mark.parametrize(
    "solver", [AnyNoise(1.0), AnyNoise(0.0), DPMSolver(2, 1.0), AdamsBashforth(2)], ids=str
)
@pytest.mark.parametrize("noise", ["uniform", "absorbing"])
def test_the_sampler_draws_the_joint_law(noise: str, solver: Solver[Any]) -> None:
    process, law = product_of(Cosine(13.3, -10.0), noise, 1.2), Labelled(noise == "absorbing")
    sampler = ProductSampler(numbers=solver, steps=100, grid=PowerGrid(1.5))
    x = sampler(process, law, Batch(torch.zeros(4000, 2, dtype=DOUBLE)), generator=seeded(0))
    assert right_law(x)
    assert sampler.nfe == 101


def test_a_prior_is_in_the_units_of_the_process() -> None:
    """On a path of another gauge too: handed over, the process's own prior changes nothing."""
    process, law = product_of(Cosine(13.3, -2.0), "uniform"), Labelled(False)
    batch = Batch(torch.zeros(500, 2, dtype=DOUBLE))
    for path in (Rectified(), None):
        sampler = ProductSampler(steps=5, path=path)
        own = sampler(process, law, batch, generator=seeded(0))
        handed = sampler(process, law, batch, prior=process.prior(batch), generator=seeded(0))
        assert torch.equal(own, handed)
    starts = process.prior(batch).sample(seeded(0))[:, 0]
    assert starts.std().item() == pytest.approx(1.0, abs=0.15)
    seen: list[Tensor] = []

    class Spy(Denoiser[Parts]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Parts:
            norm = math.hypot(float(level.alpha), float(level.sigma))
            seen.append(x_t[:, 0] / norm)
            return law(x_t, level, batch)

    for path in (Rectified(), None):
        ProductSampler(steps=1, path=path)(process, Spy(), batch, generator=seeded(0))
    torch.testing.assert_close(seen[0], seen[2])  # the first state, gauge apart


def test_a_walk_ends_with_the_mean_and_with_a_draw() -> None:
    """Where the schedule stops far from the data: numbers are the belief's mean, labels its draws."""

    class Constant(Denoiser[Parts]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Parts:
            logits = WEIGHTS.log().expand(len(x_t), 1, 3)
            return Parts({"number": Mean(torch.full_like(x_t[:, :1], 7.0)), "label": Categories(logits)})  # fmt: skip

    process = product_of(Cosine(-8.0, -10.0), "absorbing")
    x = ProductSampler(steps=2)(
        process, Constant(), Batch(torch.zeros(4000, 2, dtype=DOUBLE)), generator=seeded(0)
    )
    assert (x[:, 0] == 7).all()
    assert stats.chisquare(torch.bincount(x[:, 1].long()), 4000 * WEIGHTS).pvalue > 1e-6


@pytest.mark.parametrize("noise", ["uniform", "absorbing"])
def test_given_labels_draw_their_numbers_and_numbers_their_labels(noise: str) -> None:
    """With a network that is told: N(m, v) of the label, and p(label | number)."""
    process, law, n = (
        product_of(Cosine(13.3, -10.0), noise),
        Known(Labelled(noise == "absorbing")),
        4000,
    )
    sampler = ProductSampler(steps=60, grid=PowerGrid(1.5))
    batch = Batch(
        torch.tensor([[0.0, 2]]).double().expand(n, 2),
        observed=torch.tensor([[False, True]]).expand(n, 2),
    )
    x = sampler(process, law, batch, generator=seeded(0))
    assert (x[:, 1] == 2).all()
    spread = stats.norm(MEANS[2].item(), VARIANCES[2].sqrt().item())
    assert stats.kstest(x[:, 0].numpy(), spread.cdf).pvalue > 1e-6

    batch = Batch(
        torch.tensor([[0.5, 0.0]]).double().expand(n, 2),
        observed=torch.tensor([[True, False]]).expand(n, 2),
    )
    states: list[Tensor] = []
    x = sampler(
        process, law, batch, generator=seeded(1), callback=lambda k, to, v: states.append(v)
    )
    assert all((v[:, 0] == 0.5).all() for v in [*states, x])
    assert len(states) == 60
    p = torch.softmax(WEIGHTS.log() + log_normal(torch.tensor(0.5), MEANS, VARIANCES), 0)
    assert stats.chisquare(torch.bincount(x[:, 1].long(), minlength=3), n * p).pvalue > 1e-6


def test_draws_are_those_of_the_generator() -> None:
    process, law = product_of(Cosine(), "uniform"), Labelled(False)
    batch = Batch(torch.zeros(50, 2, dtype=DOUBLE))
    one, two, other = (
        ProductSampler(steps=4)(process, law, batch, generator=seeded(s)) for s in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


# --- errors --------------------------------------------------------------------------------------


def test_products_and_their_samplers_say_what_is_wrong() -> None:
    part = Gaussian(Rectified())
    for parts, widths in (({"a": part}, {"b": 1}), ({}, {}), ({"a": part}, {"a": 0}), ({"a": part, "b": part}, {"b": 1, "a": 1})):  # fmt: skip
        with pytest.raises(ValueError, match="need a width of at least 1 each, in their order"):
            Product(Rectified(), parts, widths)
    with pytest.raises(ValueError, match="more than one evaluation a step; take AnyNoise"):
        ProductSampler(numbers=Heun())
    batch = Batch(torch.zeros(1, 2))
    with pytest.raises(TypeError, match="ProductSampler is for Product, got Gaussian"):
        ProductSampler()(part, Labelled(False), batch)
    nested = Product(Rectified(), {"in": product_of(Rectified(), "uniform")}, {"in": 2})
    with pytest.raises(TypeError, match="no solver for a part of type Product"):
        ProductSampler()(nested, Labelled(False), batch)
    with pytest.raises(ValueError, match="no grid in common"):
        product_of(Rectified(), "uniform").prior(batch).on(torch.arange(2.0))
