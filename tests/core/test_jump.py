"""Jump processes against enumeration: marginals, ratios, the reverse chain, and states of every shape."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import linalg, stats
from torch import Tensor

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.distribution import Lattice, divergence, opposite
from unnoise.core.posterior import Categories, Ratios
from unnoise.core.process import Jump
from unnoise.core.random import seeded, uniform
from unnoise.core.rates import AnyRates, Rates, Refresh, Reversible
from unnoise.core.sampler import Euler
from unnoise.core.sampler.leap import Span, reverse_rates
from unnoise.core.schedule import Level, Rectified

DOUBLE = torch.float64
Noise = tuple[Rates, list[Tensor]]
Chains = Callable[..., Any]


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=DOUBLE)


def level_at(B: float) -> Level:
    """The level of a share e^-B, in floats."""
    if B == 0:
        return Level(0.0, 1.0, 0.0, math.inf)
    return Level(B, math.exp(-B), -math.expm1(-B), -2 * math.log(math.expm1(B)))


def bits(*shape: int, levels: int = 3, seed: int = 0) -> Tensor:
    u = uniform(shape, torch.empty(0, dtype=DOUBLE), seeded(seed))
    return (u * levels).floor()


# --- the toy of the reference, T1 ----------------------------------------------------------------


def test_the_toy_has_its_entropy_and_information(toy: Tensor) -> None:
    law = Joint(toy, Refresh.uniform([3, 3]))
    x = bits(20, 2)
    log_p = law.log_prob(x)
    assert torch.equal(log_p, toy[tuple(x.long().T)].log())
    assert -(toy * toy.log()).sum().item() == pytest.approx(1.8553889767, abs=5e-11)
    apart = torch.outer(toy.sum(1), toy.sum(0))
    assert (toy * (toy / apart).log()).sum().item() == pytest.approx(0.3033244538, abs=5e-11)
    assert 0.5 * (toy - apart).abs().sum().item() == pytest.approx(0.358, abs=1e-12)


def test_the_toy_is_nearly_uniform_at_the_end(toy: Tensor, chain: Chains) -> None:
    """Time 1 of R = 11' - 3 I is B = 3 of ours."""
    law, states = Joint(toy, Refresh.uniform([3, 3])), chain(toy, [torch.zeros(3, 3)] * 2).states
    q = law.log_prob(states, level_at(3.0)).exp()
    published = [0.113997, 0.112274, 0.110381, 0.111726, 0.111193, 0.108755, 0.111925, 0.110697, 0.109052]  # fmt: skip
    assert q.tolist() == pytest.approx(published, abs=5e-7)
    assert 0.5 * (q - 1 / 9).abs().sum().item() == pytest.approx(0.0055590, abs=5e-8)
    assert (q * (9 * q).log()).sum().item() == pytest.approx(9.5455e-5, abs=5e-10)


# --- marginals, beliefs, ratios ------------------------------------------------------------------


@pytest.mark.parametrize("B", [0.0, 1e-6, 0.3, 2.0])
def test_marginals_are_rows_of_the_kernel(
    toy: Tensor, chain: Chains, noise: Noise, B: float
) -> None:
    rates, dense = noise
    exact, process = chain(toy, dense), Jump(Rectified(), rates)
    law = process.marginal(exact.data, level_at(B), Batch(exact.data))
    kernel = exact.joint(law.log_table().exp())
    torch.testing.assert_close(kernel, exact.kernel(B), rtol=0, atol=1e-13)
    for k in (0, 4):  # the density of where it went is that of the table
        to = exact.states[k].expand_as(exact.data)
        torch.testing.assert_close(law.log_prob(to).exp(), kernel[:, k], rtol=0, atol=1e-13)


@pytest.mark.parametrize("B", [1e-4, 0.3, 2.0, 20.0])
def test_the_exact_belief_is_bayes_rule(
    toy: Tensor, chain: Chains, noise: Noise, B: float
) -> None:
    rates, dense = noise
    exact, law = chain(toy, dense), Joint(toy, rates)
    kernel = exact.kernel(B)
    posterior = toy.flatten()[:, None] * kernel
    posterior = posterior / posterior.sum(0)
    logits = law(exact.states, level_at(B), Batch(exact.states)).logits
    table = posterior.reshape(3, 3, -1)
    marginals = torch.stack([table.sum(1).T, table.sum(0).T], 1)
    torch.testing.assert_close(logits.exp(), marginals, rtol=0, atol=1e-12)
    log_q = law.log_prob(exact.states, level_at(B))
    torch.testing.assert_close(log_q.exp(), exact.law(B), rtol=0, atol=1e-13)


@pytest.mark.parametrize("B", [0.01, 0.3, 2.0])
def test_ratios_of_the_exact_belief_are_those_of_the_law(
    toy: Tensor, chain: Chains, noise: Noise, B: float
) -> None:
    rates, dense = noise
    exact, process = chain(toy, dense), Jump(Rectified(), rates)
    batch, level = Batch(exact.states), level_at(B)
    log_s = process.log_ratio(
        exact.states, number(B), Joint(toy, rates)(exact.states, level, batch)
    )
    score = exact.ratios()(exact.states, level, batch).log_ratio
    off = (
        process.rates.into(exact.states.long()) > 0
    )  # a ratio that no rate asks for may be anything
    torch.testing.assert_close(log_s[off], score[off], rtol=0, atol=1e-9)


# --- the reverse chain, T4 -----------------------------------------------------------------------


def generator_of(chain: Any, rates: Tensor) -> Tensor:
    """The matrix (m, m) of rates (m, D, N) to states that differ in one column."""
    out = torch.zeros(len(chain.states), len(chain.states), dtype=DOUBLE)
    neighbours = chain.neighbours()
    for d in range(neighbours.shape[1]):
        out.scatter_add_(1, neighbours[:, d], rates[:, d])
    return out - torch.diag(out.sum(1))


@pytest.mark.parametrize("belief", ["categories", "ratios"])
@pytest.mark.parametrize("B", [0.05, 0.7])
def test_the_reverse_rates_undo_the_forward_ones(
    toy: Tensor, chain: Chains, noise: Noise, belief: str, B: float
) -> None:
    """q R = dq/dB, q R_hat = -dq/dB, so q (R + R_hat) = 0."""
    rates, dense = noise
    exact, process, level = chain(toy, dense), Jump(Rectified(), rates), level_at(B)
    denoiser = Joint(toy, rates) if belief == "categories" else exact.ratios()
    x, q, h = exact.states, exact.law(B), 1e-4
    slope = (exact.law(B - 2 * h) - 8 * exact.law(B - h) + 8 * exact.law(B + h) - exact.law(B + 2 * h)) / (12 * h)  # fmt: skip
    forward = generator_of(exact, process.rates.away(x.long()))
    back = generator_of(exact, reverse_rates(process, x, number(B), denoiser(x, level, Batch(x))))
    torch.testing.assert_close(forward, exact.generator, rtol=0, atol=1e-14)
    assert (q @ forward - slope).abs().max() < 1e-11
    assert (q @ (forward + back)).abs().max() < 2e-15


def test_reverse_rates_go_into_the_state(
    toy: Tensor, chain: Chains, noise_of: Callable[[str], Noise]
) -> None:
    """R[y, x] q(y) / q(x); with R[x, y], which published samplers take, the chain is another one."""
    rates, dense = noise_of("cyclic")
    exact, process, B = chain(toy, dense), Jump(Rectified(), rates), 0.4
    x, q = exact.states, exact.law(B)
    belief = Joint(toy, rates)(x, level_at(B), Batch(x))
    found = generator_of(exact, reverse_rates(process, x, number(B), belief))
    right, wrong = (R * q / q[:, None] for R in (exact.generator.T, exact.generator))
    off = ~torch.eye(9, dtype=torch.bool)
    torch.testing.assert_close(found[off], right[off], rtol=0, atol=1e-13)
    assert (found - wrong)[off].abs().max() > 1
    assert (q @ (wrong - torch.diag(wrong.sum(1)) + exact.generator)).abs().max() > 0.1


@pytest.mark.parametrize("belief", ["categories", "ratios"])
@pytest.mark.parametrize(("B", "B_s"), [(3.0, 0.0), (1.0, 0.2), (0.5, 0.49)])
def test_a_step_of_a_single_column_is_exact_however_long(
    toy: Tensor, chain: Chains, noise: Noise, belief: str, B: float, B_s: float
) -> None:
    """p(x_s | x_t) = q_s(x_s) q(x_s -> x_t) / q_t(x_t): Bayes' rule, from a belief or from ratios alike."""
    rates, dense = noise
    column = _first(rates)
    exact, process = chain(toy.sum(1), dense[:1]), Jump(Rectified(), column)
    x = exact.states
    denoiser: Denoiser[Any] = (
        Joint(toy.sum(1), column) if belief == "categories" else exact.ratios()
    )
    law = process.reverse(
        x, level_at(B), level_at(B_s), denoiser(x, level_at(B), Batch(x)), Batch(x)
    )
    between = torch.from_numpy(linalg.expm((B - B_s) * exact.generator.numpy()))
    bayes = (exact.law(B_s)[:, None] * between / exact.law(B)).T
    exact_to = (
        1e-12 if belief == "categories" else 1e-10
    )  # ratios are taken back: rounding grows by e^(mu B)
    torch.testing.assert_close(law.log_table()[:, 0].exp(), bayes, rtol=0, atol=exact_to)


def _first(rates: Rates) -> Rates:
    """The rates of the first column alone."""
    if isinstance(rates, Refresh):
        return Refresh(rates.sizes[:1], rates.target[:1])
    if isinstance(rates, AnyRates):
        return AnyRates(list(rates.rates[:1]))
    assert isinstance(rates, Reversible)
    return Reversible([rates.stationary()[0]], [rates.rates[0]])


@pytest.mark.parametrize("B_s", [0.0, 0.1, 0.4])
def test_a_step_by_ratios_is_that_by_the_belief(
    toy: Tensor, chain: Chains, noise: Noise, B_s: float
) -> None:
    """SDDM's step, D3PM's posterior and SEDD's Tweedie step are one."""
    rates, dense = noise
    exact, process, B = chain(toy, dense), Jump(Rectified(), rates), 0.5
    x, level, batch = exact.states, level_at(B), Batch(exact.states)
    laws = [
        torch.softmax(process.step_law(x, number(B), number(B_s), denoiser(x, level, batch)), -1)
        for denoiser in (Joint(toy, rates), exact.ratios())
    ]
    torch.testing.assert_close(laws[0], laws[1], rtol=0, atol=1e-12)
    if B_s == 0 and rates.mask is None:  # the last step of ratios is the belief itself
        belief = Joint(toy, rates)(x, level, batch)
        decoded = process.decode(x, level, exact.ratios()(x, level, batch), batch)
        torch.testing.assert_close(
            decoded.log_table().exp(), belief.logits.exp(), rtol=0, atol=1e-12
        )
        assert torch.equal(process.decode(x, level, belief, batch).logits, belief.logits)


def test_a_belief_cant_contradict_the_state() -> None:
    """Under the absorbing noise an entry that isn't masked stays, however sure a network is of another level."""
    process = Jump(Rectified(), Refresh.absorbing([3, 3]))
    for dtype in (DOUBLE, torch.float32):
        x = torch.tensor([[1, 2], [3, 1]], dtype=dtype)
        belief = Categories(torch.tensor([60.0, 0, 0], dtype=dtype).expand(2, 2, 3))
        law = process.reverse(x, level_at(1.0), level_at(0.5), belief, Batch(x))
        table = law.log_table().exp()
        assert table[0, 0].tolist() == [0, 1, 0, 0]
        assert table[0, 1].tolist() == [0, 0, 1, 0]
        assert table[1, 1].tolist() == [0, 1, 0, 0]
        stays = -math.expm1(-0.5) / -math.expm1(-1.0)
        assert table[1, 0, 3].item() == pytest.approx(stays, rel=1e-6)


# --- ends ----------------------------------------------------------------------------------------


def test_the_prior_is_what_noise_makes_of_independent_columns(chain: Chains, noise: Noise) -> None:
    rates, dense = noise
    schedule, x = Rectified(13.3, -3.0), torch.zeros(4, 2, dtype=DOUBLE)
    B = math.log1p(math.exp(1.5))
    base = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], dtype=DOUBLE)
    own = (
        rates.stationary()[:, :3]
        if rates.mask is None
        else torch.full((2, 3), 1 / 3, dtype=DOUBLE)
    )
    for given, law in ((None, own), (base, base)):
        exact = chain(torch.outer(*law), dense).law(B)
        prior = Jump(schedule, rates, given).prior(Batch(x))
        table = chain(torch.outer(*law), dense).joint(prior.log_table().exp())
        torch.testing.assert_close(table, exact.expand_as(table), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["uniform", "absorbing", "marginal", "birth-death", "gaussian"])
def test_a_schedule_may_reach_both_ends(
    toy: Tensor, noise_of: Callable[[str], Noise], name: str
) -> None:
    """B = infinity: the stationary law, and a first step that knows the data's marginals and nothing else."""
    rates = noise_of(name)[0]
    process = Jump(Rectified(math.inf, -math.inf), rates)
    start, middle, end = process.schedule.levels(torch.tensor([0.0, 0.4, 1.0], dtype=DOUBLE))
    x = bits(50, 2)
    batch = Batch(x)
    pi = rates.stationary().expand(50, 2, -1)
    torch.testing.assert_close(process.prior(batch).log_table().exp(), pi, rtol=0, atol=1e-15)
    nats = divergence(process.marginal(x, end, batch), process.prior(batch))
    assert nats.abs().max() < 1e-12
    assert torch.equal(process.marginal(x, start, batch).sample(seeded(0)), x)
    x_1 = process.prior(batch).sample(seeded(0))
    law = process.reverse(x_1, end, middle, Joint(toy, rates)(x_1, end, batch), batch).log_table()
    for d in range(2):
        column = torch.zeros(1, 2, rates.states, dtype=DOUBLE)
        column[0, d, :3] = toy.sum(1 - d)
        exact = rates.push(column, number(-math.log(0.6)))[0, d]
        torch.testing.assert_close(law[:, d].exp(), exact.expand(50, -1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("t", [0.0, 1e-300, 1e-12])
def test_nothing_is_paid_at_the_data(toy: Tensor, noise: Noise, t: float) -> None:
    rates, _ = noise
    process, x = Jump(Rectified(math.inf, -10.0), rates), bits(20, 2)
    batch, (level,) = Batch(x), process.schedule.levels(number(t)[None])
    belief = Joint(toy, rates)(x, level, batch)
    assert process.rate(x, x, level, belief, batch).abs().max() <= 100 * t
    assert torch.equal(process.reverse(x, level, level_at(0), belief, batch).sample(seeded(0)), x)
    assert torch.equal(process.decode(x, level, belief, batch).sample(seeded(0)), x)


def test_ratios_cant_be_taken_back_from_everywhere() -> None:
    process = Jump(Rectified(), Reversible.birth_death([129]))
    x = torch.zeros(2, 1, dtype=DOUBLE)
    belief = Ratios(torch.zeros(2, 1, 129, dtype=DOUBLE))
    with pytest.raises(ValueError, match="forget too fast .* or Euler or ExponentialEuler"):
        process.reverse(x, level_at(3.0), level_at(1.0), belief, Batch(x))
    with pytest.raises(ValueError, match="give the schedule a finite log_snr_min"):
        process.reverse(x, Level(1, 0, 1, -math.inf), level_at(1.0), belief, Batch(x))


# --- columns, shapes, masks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [Refresh.uniform, Refresh.absorbing, Reversible.birth_death], ids=lambda m: m.__name__
)
def test_ratios_of_levels_that_a_column_lacks_count_nothing(make: Callable[..., Rates]) -> None:
    """A network has one width for all columns: what it says of padding is no belief."""
    process, B = Jump(Rectified(), make([4, 2])), number(0.7)
    x = bits(30, 2, levels=2)
    out = uniform((30, 2, process.rates.states), x, seeded(1))
    wild = out.clone()
    wild[:, 1, 2:4] = 50.0
    results = []
    for log_ratio in (out, wild):
        belief = Ratios(log_ratio - log_ratio.gather(-1, x.long()[..., None]))
        step = process.step_law(x, B, number(0.2), belief)
        assert torch.softmax(step, -1)[:, 1, 2:4].max() < 1e-300
        rates = reverse_rates(process, x, B, belief)
        assert rates[:, 1, 2:4].max() < 1e-300
        cost = process.rate(x, x, level_at(0.7), belief, Batch(x))
        drawn = Euler().step(
            process, x, Span(B, number(0.2), B, B - 0.2), belief, Batch(x), seeded(2)
        )
        results.append((step[:, 0], rates, cost, drawn))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shape", [(), (6,), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("kind", ["categories", "ratios"])
def test_states_of_any_shape_are_rows_of_columns(
    noise_of: Callable[[str], Noise], shape: tuple[int, ...], kind: str
) -> None:
    rates = Refresh.uniform([3])
    process, n = Jump(Rectified(), rates), 7
    flat = bits(n, math.prod(shape))
    width = (*flat.shape, 3)
    logits = uniform(width, flat, seeded(1))
    made: Any = Categories if kind == "categories" else Ratios
    x_0, x_t = flat.reshape(n, *shape), bits(n, math.prod(shape), seed=2).reshape(n, *shape)
    batch, level = (
        Batch(x_0),
        process.schedule.level(torch.linspace(0.2, 0.9, n).double(), x_0.ndim),
    )
    plain = process.schedule.level(torch.linspace(0.2, 0.9, n).double(), 2)
    belief, bare = made(logits.reshape(n, *shape, 3)), made(logits)
    rows, other = x_t.reshape(flat.shape), Batch(flat)
    rate = process.rate(x_0, x_t, level, belief, batch)
    torch.testing.assert_close(rate, process.rate(flat, rows, plain, bare, other))
    to, to_plain = level_at(0.1), level_at(0.1)
    pairs = [
        (process.marginal(x_0, level, batch), process.marginal(flat, plain, other)),
        (process.prior(batch), process.prior(other)),
        (
            process.reverse(x_t, level, to, belief, batch),
            process.reverse(rows, plain, to_plain, bare, other),
        ),
        (process.decode(x_t, level, belief, batch), process.decode(rows, plain, bare, other)),
    ]
    for shaped, straight in pairs:
        assert shaped.log_table().shape == (n, *shape, 3)
        torch.testing.assert_close(shaped.log_table().reshape(width), straight.log_table())
        assert torch.equal(
            shaped.sample(seeded(3)).flatten(), straight.sample(seeded(3)).flatten()
        )
        torch.testing.assert_close(shaped.log_prob(x_0), straight.log_prob(flat))
    assert process.dims(batch).tolist() == [math.prod(shape)] * n


def test_an_empty_batch_passes(noise: Noise, toy: Tensor) -> None:
    rates, _ = noise
    process, batch = Jump(Rectified(), rates), Batch(torch.zeros(0, 2, dtype=DOUBLE))
    x = process.prior(batch).sample(seeded(0))
    level = level_at(1.0)
    belief = Joint(toy, rates)(x, level, batch)
    assert process.reverse(x, level, level_at(0.5), belief, batch).sample(seeded(0)).shape == (
        0,
        2,
    )
    assert process.rate(x, x, level, belief, batch).shape == (0,)


def test_entries_that_dont_exist_cost_nothing(toy: Tensor, noise: Noise) -> None:
    """Codes and beliefs in the padding change neither rates nor probabilities; a row of padding has nothing to pay."""
    rates, _ = noise
    process, level = Jump(Rectified(), rates), level_at(0.6)
    mask = torch.tensor([[True, False], [True, True], [False, False]])
    x = torch.tensor([[0, 1], [1, 2], [2, 0]], dtype=DOUBLE)
    belief = Joint(toy, rates)(x, level, Batch(x))
    alone = [
        process.rate(
            x[:, d : d + 1],
            x[:, d : d + 1],
            level,
            Categories(belief.logits[:, d : d + 1]),
            Batch(x[:, :1]),
        )
        for d, process in ((d, Jump(Rectified(), part)) for d, part in enumerate(_split(rates)))
    ]
    batch = Batch(x, mask=mask)
    cost = process.rate(x, x, level, belief, batch)
    torch.testing.assert_close(cost, (torch.stack(alone, 1) * mask).sum(1))
    assert cost[2] == 0
    law = process.marginal(x, level, batch)
    table = law.log_table().gather(-1, x.long()[..., None])[..., 0]
    torch.testing.assert_close(law.log_prob(x), torch.where(mask, table, 0.0).sum(1))
    assert divergence(law, process.prior(batch))[2] == 0
    assert process.dims(batch).tolist() == [1, 2, 0]


def _split(rates: Rates) -> list[Rates]:
    if isinstance(rates, Refresh):
        return [Refresh(rates.sizes[d : d + 1], rates.target[d : d + 1]) for d in range(2)]
    if isinstance(rates, AnyRates):
        return [AnyRates([R]) for R in rates.rates]
    assert isinstance(rates, Reversible)
    return [Reversible([pi], [R]) for pi, R in zip(rates.stationary(), rates.rates, strict=True)]


# --- draws ---------------------------------------------------------------------------------------


def test_opposite_draws_have_the_law_each(noise: Noise) -> None:
    """Both of a pair are marginals, and together they spread better than two that are independent."""
    rates, _ = noise
    n = 40_000
    x = torch.tensor([[0, 2]], dtype=DOUBLE).expand(n, 2)
    law = Jump(Rectified(), rates).marginal(x, level_at(0.8), Batch(x))
    table, pair = law.log_table()[0].exp(), opposite(law, seeded(0))
    for drawn in pair:
        for d in range(2):
            some = table[d] > 0
            counts = torch.bincount(drawn[:, d].long(), minlength=rates.states)
            assert counts[~some].sum() == 0
            assert stats.chisquare(counts[some], n * table[d][some]).pvalue > 1e-6
    stayed = [(drawn[:, 0] == 0).double() for drawn in pair]
    shared = torch.cov(torch.stack(stayed))
    assert shared[0, 1] / shared[0, 0] < -0.2


def test_rare_levels_are_drawn_as_often_as_they_are() -> None:
    """A level of probability 1e-6: its edge is where it is, and quantiles have the 53 bits to find it."""
    rare = 1e-6
    logits = torch.log(torch.tensor([[1 - rare, rare]], dtype=DOUBLE)).float()[None]
    law = Lattice(logits, torch.arange(2.0), Batch(torch.zeros(1, 1)))
    for side, level in ((1 + 1e-5, 0), (1 - 1e-5, 1)):  # float32 logits know it to 1e-6 of itself
        assert law.at(torch.tensor([[1 - rare * side]], dtype=DOUBLE)).item() == level
    u = Lattice(logits.expand(1000, 1, 2), law.values, Batch(torch.zeros(1000, 1))).quantiles(
        seeded(0)
    )
    assert u.dtype == DOUBLE
    assert ((u * 2**30) % 1 != 0).all()  # float32 draws are multiples of 2^-24
    assert law.sample(seeded(0)).dtype == torch.float32


def test_the_divergence_of_codes_is_a_sum_over_levels(noise: Noise) -> None:
    rates, _ = noise
    x = torch.tensor([[0, 2], [1, 1]], dtype=DOUBLE)
    process, batch = Jump(Rectified(13.3, -2.0), rates), Batch(x)
    q, p = process.marginal(x, level_at(0.5), batch), process.prior(batch)
    exact = [
        sum(
            stats.entropy(a[a > 0].numpy(), b[a > 0].numpy()) + _lost(a, b)
            for a, b in zip(one, two, strict=True)
        )
        for one, two in zip(q.log_table().exp(), p.log_table().exp(), strict=True)
    ]
    assert divergence(q, p).tolist() == pytest.approx(exact, abs=1e-13)
    assert divergence(q, q).tolist() == [0, 0]


def _lost(a: Tensor, b: Tensor) -> float:
    """scipy normalises both of what it is given: undo that where p has mass beyond q's."""
    return -math.log(b[a > 0].sum().item())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, DOUBLE], ids=str)
def test_states_keep_their_precision(toy: Tensor, noise: Noise, dtype: torch.dtype) -> None:
    """Codes are codes in any precision; beliefs and costs are as exact as it allows."""
    rates, _ = noise
    process, x = Jump(Rectified(), rates), bits(40, 2)
    level = process.schedule.level(torch.linspace(0.3, 0.9, 40).double(), 2)
    x_t = process.marginal(x, level, Batch(x)).sample(seeded(0))
    exact = process.rate(x, x_t, level, Joint(toy, rates)(x_t, level, Batch(x)), Batch(x))
    low, low_t = x.to(dtype), x_t.to(dtype)
    batch, belief = Batch(low), Joint(toy, rates)(low_t, level, Batch(low))
    assert belief.logits.dtype == dtype
    cost = process.rate(low, low_t, level, belief, batch)
    assert cost.dtype == dtype
    assert (cost.double() - exact).abs().max() < 20 * torch.finfo(dtype).eps
    for law in (
        process.prior(batch),
        process.marginal(low, level, batch),
        process.reverse(low_t, level, level_at(0.1), belief, batch),
    ):
        drawn = law.sample(seeded(1))
        assert drawn.dtype == dtype
        assert torch.equal(drawn, drawn.round())
