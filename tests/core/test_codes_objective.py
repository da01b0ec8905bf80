"""Objectives of codes: their least values by enumeration, the losses of other papers at the same draws, their edges."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.objective import CrossEntropy, Denoising, Elbo, RatioMatching
from unnoise.core.objective.codes import Columns
from unnoise.core.posterior import Categories, Levels, Mean, Parts, Ratios
from unnoise.core.process import Gaussian, Jump, Process, Product
from unnoise.core.process.jump import flat
from unnoise.core.random import normal, seeded
from unnoise.core.rates import Rates, Refresh, Reversible
from unnoise.core.rates.base import elapsed
from unnoise.core.reading import Bayes, CodeDenoiser
from unnoise.core.schedule import Cosine, Level, LinearLogSNR, Rectified

DOUBLE = torch.float64
Noise = tuple[Rates, list[Tensor]]
Chains = Callable[..., Any]


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=DOUBLE)


def log_snr_of(B: float) -> float:
    return -2 * math.log(math.expm1(B))


def level_at(B: float) -> Level:
    return Level(B, math.exp(-B), -math.expm1(-B), log_snr_of(B))


class Blurred(Denoiser[Any]):
    """Another denoiser's logits, wrong by normal errors that the other column's state picks."""

    def __init__(self, denoiser: Denoiser[Any]) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.table = 0.3 * normal(torch.empty(2, 4, 4, dtype=DOUBLE), seeded(6))

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        belief, x = self.denoiser(x_t, level, batch), x_t.long()
        error = torch.stack([self.table[d, x[:, 1 - d]] for d in range(2)], 1)
        if isinstance(belief, Ratios):
            error = error[..., : belief.log_ratio.shape[-1]]
            return Ratios(belief.log_ratio + error - error.gather(-1, x[..., None]))
        return Categories(belief.logits + error[..., :3])


def mean_value(
    objective: Columns, process: Jump, denoiser: Denoiser[Any], chain: Any, B: float
) -> float:
    """E over x_0 and x_t of the sum over columns, by enumeration."""
    weights = chain.P.flatten()[:, None] * chain.kernel(B)
    x_0 = chain.data.repeat_interleave(len(chain.states), 0)
    x_t = chain.states.repeat(len(chain.data), 1)
    level, batch = level_at(B), Batch(x_0)
    nats = objective.column(process, x_0, x_t, level, denoiser(x_t, level, batch)).sum(1)
    some = weights.flatten() > 0
    return (weights.flatten()[some] @ nats[some]).item()


def entropy(p: Tensor) -> float:
    return -torch.xlogy(p, p).sum().item()


# --- least values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "least"), [(0.1, 1.9983337043), (0.5, 2.1937928996)], ids=["t=.1", "t=.5"]
)
@pytest.mark.parametrize("belief", ["categories", "ratios"])
def test_ratio_matching_has_the_least_value_of_the_reference(
    toy: Tensor,
    chain: Chains,
    noise_of: Callable[[str], Noise],
    belief: str,
    t: float,
    least: float,
) -> None:
    """sum_d H(X_t,d | X_t,-d) of T1; its time t is B = 3 t."""
    rates, dense = noise_of("uniform")
    exact = chain(toy, dense)
    denoiser: Denoiser[Any] = Joint(toy, rates) if belief == "categories" else exact.ratios()
    found = mean_value(RatioMatching(), Jump(Rectified(), rates), denoiser, exact, 3 * t)
    assert found == pytest.approx(least, abs=5e-11)


def test_ratio_matching_is_least_at_the_true_conditionals(
    toy: Tensor, chain: Chains, noise: Noise
) -> None:
    """2 H(X_t) - H(X_t,1) - H(X_t,2), of all networks that don't see the column they speak of."""
    rates, dense = noise
    exact, process, B = chain(toy, dense), Jump(Rectified(), rates), 0.6
    q = exact.law(B).reshape(*exact.sizes)
    least = 2 * entropy(q) - entropy(q.sum(0)) - entropy(q.sum(1))
    denoisers: list[Denoiser[Any]] = [exact.ratios()]
    if (
        rates.mask is None
    ):  # there a belief about x_0 has lost the odds; a hollow network's hasn't, below
        denoisers.append(Joint(toy, rates))
    for denoiser in denoisers:
        found = mean_value(RatioMatching(), process, denoiser, exact, B)
        assert found == pytest.approx(least, abs=1e-12)
        wrong = mean_value(RatioMatching(), process, Blurred(denoiser), exact, B)
        assert wrong > least + 1e-3


def test_ratio_matching_is_no_loss_of_networks_that_see_their_column(
    toy: Tensor, chain: Chains, noise_of: Callable[[str], Noise]
) -> None:
    """They may name what they see, for less than the truth costs: 0 in the end."""
    rates, dense = noise_of("uniform")
    exact, process, B = chain(toy, dense), Jump(Rectified(), rates), 0.6

    class Parrot(Denoiser[Ratios]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Ratios:
            here = torch.nn.functional.one_hot(x_t.long(), 3)
            return Ratios(-50.0 * (1 - here).double())

    assert mean_value(RatioMatching(), process, Parrot(), exact, B) < 1e-20


def test_ratio_matching_of_a_hollow_network_works_under_the_absorbing_noise(
    toy: Tensor, chain: Chains, noise_of: Callable[[str], Noise]
) -> None:
    """Bayes' rule copies an entry that isn't masked, and still hands its odds from the others on."""
    rates, dense = noise_of("absorbing")
    exact, B = chain(toy, dense), 0.6
    kernel = torch.cat(
        [math.exp(-B) * torch.eye(3), -math.expm1(-B) * torch.ones(3, 1)], 1
    ).double()

    def hollow(x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        one, two = toy @ kernel, toy.T @ kernel
        return torch.stack([one.T[x[:, 1].long()], two.T[x[:, 0].long()]], 1).log()

    q = exact.law(B).reshape(4, 4)
    least = 2 * entropy(q) - entropy(q.sum(0)) - entropy(q.sum(1))
    denoiser = CodeDenoiser(hollow, Bayes(rates))
    found = mean_value(RatioMatching(), Jump(Rectified(), rates), denoiser, exact, B)
    assert found == pytest.approx(least, abs=1e-7)  # the kernel above is float32


def test_cross_entropy_is_least_at_the_true_posterior(
    toy: Tensor, chain: Chains, noise: Noise
) -> None:
    """sum_d H(X_0,d | X_t)."""
    rates, dense = noise
    exact, process, B = chain(toy, dense), Jump(Rectified(), rates), 0.6
    joint = toy.flatten()[:, None] * exact.kernel(B)
    table = joint.reshape(3, 3, -1)
    least = entropy(table.sum(0)) + entropy(table.sum(1)) - 2 * entropy(joint.sum(0))
    law = Joint(toy, rates)
    assert mean_value(CrossEntropy(), process, law, exact, B) == pytest.approx(least, abs=1e-12)
    assert mean_value(CrossEntropy(), process, Blurred(law), exact, B) > least + 1e-3


@pytest.mark.parametrize(
    "objective", [CrossEntropy(), RatioMatching()], ids=lambda o: type(o).__name__
)
def test_terms_are_means_over_columns_at_drawn_times(
    toy: Tensor, chain: Chains, noise_of: Callable[[str], Noise], objective: Columns
) -> None:
    """On a window of no width the mean of `terms` is the enumerated value, a column."""
    rates, dense = noise_of("birth-death")
    exact, law, B = chain(toy, dense), Joint(toy, rates), 0.6
    process = Jump(LinearLogSNR(log_snr_of(B) + 1e-7, log_snr_of(B) - 1e-7), rates)
    x = law.sample(20_000, seeded(0)).double()
    terms = objective.terms(process, law, Batch(x), seeded(1))
    expected = mean_value(objective, process, law, exact, B) / 2
    assert abs(terms.mean().item() - expected) < 5 * terms.std().item() / math.sqrt(len(x))


# --- the losses of others ------------------------------------------------------------------------


def test_the_bound_of_the_absorbing_noise_is_mdlm(noise_of: Callable[[str], Noise]) -> None:
    """(1/t) sum over masked entries of -log p(x_0 | x_t), at the same draws (Sahoo et al. 2024)."""
    rates = Refresh.absorbing([5] * 7)
    process, objective = Jump(Rectified(math.inf, -math.inf), rates), Denoising(Elbo())
    table = normal(torch.empty(6, 7, 5, dtype=DOUBLE), seeded(2))

    def network(x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return table[x.long(), torch.arange(7)] + torch.sin(log_snr).reshape(-1, 1, 1) * table[0]

    x = (normal(torch.empty(400, 7, dtype=DOUBLE), seeded(3)).abs() * 2).floor().clamp(max=4)
    batch = Batch(x)
    found = objective.terms(process, CodeDenoiser(network, Bayes(rates)), batch, seeded(4))

    generator = seeded(4)
    _, level, _ = objective.draw(process, batch, generator)
    x_t = process.marginal(x, level, batch).sample(generator)
    masked = x_t == 5
    log_p = torch.log_softmax(network(x_t, level.condition(x_t), batch), -1)
    nats = -log_p.gather(-1, x.long()[..., None])[..., 0]
    t = torch.as_tensor(level.t).reshape(-1)
    mdlm = torch.where(masked, nats, 0.0).sum(1) / t
    torch.testing.assert_close(found, mdlm / 7, rtol=1e-10, atol=1e-12)
    share = (masked.double().mean(1) - t).mean().item()  # and as many are masked as must be
    assert abs(share) < 5 * math.sqrt(1 / 6 / 7 / 400)


def test_the_bound_of_ratios_is_score_entropy(noise_of: Callable[[str], Noise]) -> None:
    """beta sum_y R[y, x] (s - r log s + r (log r - 1)), loop by loop (Lou et al. 2024, DWDSE)."""
    rates, dense = noise_of("cyclic")
    process, objective = Jump(Cosine(8.0, -4.0), rates), Denoising(Elbo())
    table = normal(torch.empty(3, 3, 2, 3, dtype=DOUBLE), seeded(2))

    class Network(Denoiser[Ratios]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Ratios:
            at = table[x_t[:, 0].long(), x_t[:, 1].long()]
            return Ratios(at - at.gather(-1, x_t.long()[..., None]))

    x = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)).double()
    batch, generator = Batch(x), seeded(4)
    found = objective.terms(process, Network(), batch, seeded(4))
    _, level, _ = objective.draw(process, batch, generator)
    x_t = process.marginal(x, level, batch).sample(generator)
    t = torch.as_tensor(level.t).reshape(-1)
    h = 1e-6
    B = [torch.log1p(torch.exp(-0.5 * process.schedule.log_snr(t + e))) for e in (-h, 0, h)]
    beta = (B[2] - B[0]) / (2 * h)
    log_s = Network()(x_t, level, batch).log_ratio.exp()
    for row in range(9):
        total = 0.0
        for d in range(2):
            q = torch.matrix_exp(B[1][row] * dense[d])
            a, here = int(x[row, d]), int(x_t[row, d])
            for y in range(3):
                if y != here:
                    s, r = log_s[row, d, y].item(), (q[a, y] / q[a, here]).item()
                    total += dense[d][y, here].item() * (
                        s - r * math.log(s) + r * (math.log(r) - 1)
                    )
        assert found[row].item() == pytest.approx(beta[row].item() * total / 2, rel=1e-6)


@pytest.mark.parametrize("name", ["absorbing", "uniform"])
def test_the_mean_of_the_elbo_weighted_loss_is_the_entropy(
    toy: Tensor, noise_of: Callable[[str], Noise], name: str
) -> None:
    """Per entry: H / 2, from the data to nothing; with its constant, so it's nats."""
    rates = noise_of(name)[0]
    law, process = Joint(toy, rates), Jump(Rectified(math.inf, -math.inf), rates)
    x = law.sample(40_000, seeded(0)).double()
    terms = Denoising(Elbo()).terms(process, law, Batch(x), seeded(1))
    assert abs(terms.mean().item() - 1.8553889767 / 2) < 5 * terms.std().item() / math.sqrt(len(x))


# --- edges ---------------------------------------------------------------------------------------

ALL: list[Any] = [CrossEntropy(), RatioMatching(), Denoising(Elbo())]


@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("noisy", ["uniform", "absorbing"])
def test_padding_counts_for_nothing(
    toy: Tensor, noise_of: Callable[[str], Noise], objective: Any, noisy: str
) -> None:
    """A mean over the entries that exist; a row without any costs 0, and nothing is nan."""
    rates = noise_of(noisy)[0]
    process, law = Jump(Rectified(), rates), Joint(toy, rates)
    x = torch.tensor([[0, 2], [1, 1], [2, 0], [0, 0]], dtype=DOUBLE)
    mask = torch.tensor([[True, True], [True, False], [False, False], [False, True]])

    class Fixed(Denoiser[Categories]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
            return law(x_t, level, Batch(x_t))

    terms = objective.terms(process, Fixed(), Batch(x, mask=mask), seeded(0))
    full = objective.terms(process, Fixed(), Batch(x), seeded(0))
    assert terms.isfinite().all()
    assert terms[0] == full[0]
    assert terms[2] == 0
    junk = torch.where(mask, x, 2 - x)  # codes in the padding
    other = objective.terms(process, Fixed(), Batch(junk, mask=mask), seeded(0))
    assert other[2] == 0
    assert other[0] == terms[0]


@pytest.mark.parametrize("shape", [(), (4,), (1, 8, 8)], ids=str)
@pytest.mark.parametrize("objective", ALL, ids=lambda o: type(o).__name__)
def test_states_of_any_shape_have_one_loss(shape: tuple[int, ...], objective: Any) -> None:
    """Entries in rows and columns of pictures cost what they cost in a row."""
    process, n = Jump(Rectified(), Refresh.uniform([3])), 6
    flat = torch.arange(n * math.prod(shape), dtype=DOUBLE).reshape(n, -1) % 3

    class Sure(Denoiser[Categories]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
            return Categories(torch.sin(x_t[..., None] + torch.arange(3.0)))

    x = flat.reshape(n, *shape)
    shaped = objective.terms(process, Sure(), Batch(x), seeded(0))
    straight = objective.terms(process, Sure(), Batch(flat), seeded(0))
    torch.testing.assert_close(shaped, straight)


def test_levels_that_a_column_lacks_arent_matched() -> None:
    """A network's ratios of padding don't enter log sum_y s_y."""
    rates = Reversible.birth_death([3, 2])
    process, x = Jump(Rectified(), rates), torch.tensor([[0, 1], [2, 0]], dtype=DOUBLE)
    log_ratio = normal(torch.empty(2, 2, 3, dtype=DOUBLE), seeded(0))
    log_ratio = log_ratio - log_ratio.gather(-1, x.long()[..., None])
    wild = log_ratio.clone()
    wild[:, 1, 2] = 30.0
    nats = [
        RatioMatching().column(process, x, x, level_at(0.5), Ratios(v)) for v in (log_ratio, wild)
    ]
    assert torch.equal(*nats)
    two = torch.logsumexp(log_ratio[:, 1, :2], -1)
    torch.testing.assert_close(nats[0][:, 1], two)


@pytest.mark.parametrize(
    "objective", [CrossEntropy(), RatioMatching()], ids=lambda o: type(o).__name__
)
def test_conditions_are_dropped_for_the_denoiser_alone(
    toy: Tensor, noise_of: Callable[[str], Noise], objective: Columns
) -> None:
    rates = noise_of("uniform")[0]
    told: list[Tensor] = []

    class Told(Denoiser[Categories]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
            told.append(batch.cond["label"])
            return Joint(toy, rates)(x_t, level, batch)

    batch = Batch(
        torch.zeros(4000, 2, dtype=DOUBLE), cond={"label": torch.ones(4000, dtype=torch.long)}
    )
    type(objective)(condition_dropout=0.25).terms(
        Jump(Rectified(), rates), Told(), batch, seeded(0)
    )
    hidden = (told[0] == -1).double().mean().item()
    assert hidden == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 4000))


def test_objectives_of_codes_refuse_what_they_cant_read(noise_of: Callable[[str], Noise]) -> None:
    x = Batch(torch.zeros(2, 2, dtype=DOUBLE))

    class Numbers(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            return Mean(x_t)

    class Score(Denoiser[Ratios]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Ratios:
            return Ratios(torch.zeros(*x_t.shape, 3))

    with pytest.raises(TypeError, match="RatioMatching is for Jump, got Gaussian"):
        RatioMatching().terms(Gaussian(Rectified()), Numbers(), x, seeded(0))
    for process, denoiser in (
        (Gaussian(Rectified()), Numbers()),
        (Jump(Rectified(), noise_of("uniform")[0]), Score()),
    ):
        with pytest.raises(TypeError, match="needs a belief about the levels of x_0"):
            CrossEntropy().terms(process, denoiser, x, seeded(0))


class Coin(Denoiser[Any]):
    """The exact belief about independent coins: -1/2 or 1/2 under Gaussian noise, 0 or 1 of codes."""

    def __init__(self, process: Process[Any]) -> None:
        super().__init__()
        self.process = process

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        if isinstance(self.process, Product):
            x = self.process.split(x_t)
            return Parts({k: Coin(self.process.process(k))(x[k], level, batch) for k in x})
        if isinstance(self.process, Jump):
            law = self.process.rates.column(x_t.long(), elapsed(flat(level), x_t))
            return Categories(law[..., :2].log())
        v = torch.tensor([-0.5, 0.5], dtype=x_t.dtype)
        alpha, sigma = (torch.as_tensor(a) for a in (level.alpha, level.sigma))
        odds = -0.5 * ((x_t[..., None] - alpha[..., None] * v) / sigma[..., None]).square()
        return Levels(odds, torch.eye(2, dtype=x_t.dtype), v)


def test_cross_entropy_of_levels_and_parts_is_the_entropy_of_the_posterior() -> None:
    """Of a coin: int_0^1 H(x_0 | x_t) dt by quadrature, in numbers; (1 - alpha) log 2 of a masked one."""
    schedule, n = Rectified(), 60_000
    numbers, codes = Gaussian(schedule), Jump(schedule, Refresh.absorbing([2]))
    coins = torch.randint(2, (n, 2), generator=seeded(0)).double()
    t = torch.linspace(0, 1, 401, dtype=DOUBLE)[1:-1]
    level = schedule.level(t, 2)
    x = torch.linspace(-7, 7, 4001, dtype=DOUBLE)
    laws = [
        torch.exp(-0.5 * ((x - v * level.alpha) / level.sigma) ** 2)
        / (level.sigma * math.sqrt(2 * math.pi))
        for v in (-0.5, 0.5)
    ]
    p = torch.sigmoid(-level.alpha * x / level.sigma**2)
    entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p))
    exact = torch.trapezoid(entropy * 0.5 * (laws[0] + laws[1]), x, dim=1).mean().item()
    loss = CrossEntropy()
    of_numbers = loss.terms(numbers, Coin(numbers), Batch(coins - 0.5), seeded(1))
    of_codes = loss.terms(codes, Coin(codes), Batch(coins), seeded(2))
    assert of_numbers.mean().item() == pytest.approx(exact, abs=5e-3)
    assert of_codes.mean().item() == pytest.approx(0.5 * math.log(2), abs=5e-3)
    both = Product(schedule, {"a": numbers, "b": codes}, {"a": 1, "b": 1})
    mixed = torch.stack([coins[:, 0] - 0.5, coins[:, 1]], 1)
    joint = loss.terms(both, Coin(both), Batch(mixed), seeded(3)).mean().item()
    assert joint == pytest.approx((exact + 0.5 * math.log(2)) / 2, abs=5e-3)
