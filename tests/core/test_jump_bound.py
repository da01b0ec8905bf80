"""The bound of codes equals -log P at every state: T3, by enumeration of x_t and quadrature, and by `Bound` itself."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.likelihood import IMMSE, Bound, DiscreteBound, Flow
from unnoise.core.model import Model
from unnoise.core.objective import Variational
from unnoise.core.posterior import Ratios
from unnoise.core.process import Jump
from unnoise.core.random import normal, seeded
from unnoise.core.rates import Rates
from unnoise.core.sampler.leap import reverse_rates
from unnoise.core.schedule import Cosine, Level, LinearLogSNR, Rectified, Schedule
from unnoise.core.times import Along, LogisticTimes, LogSNRTimes, Times, Uniform
from unnoise.core.transform import Codes

DOUBLE = torch.float64
Noise = tuple[Rates, list[Tensor]]
Nodes = Callable[..., tuple[Tensor, Tensor]]
Chains = Callable[..., Any]
FIRST = 60.0  # the log-SNR where all is kept but 1e-13


def log_snr_of(B: float) -> float:
    return -2 * math.log(math.expm1(B))


class Quadratic(Schedule):
    r"""The share kept is $1 - \tau^2$, in the gauge of `Rectified`."""

    def __init__(self, log_snr_max: float = math.inf, log_snr_min: float = -math.inf) -> None:
        super().__init__(log_snr_max, log_snr_min)

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return 2 * torch.log((1 - tau) * (1 + tau) / tau.square())

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(-0.5 * log_snr).sqrt()

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(0.5 * log_snr), torch.sigmoid(-0.5 * log_snr)


class MaskedCosine(Quadratic):
    r"""The share kept is $1 - \cos(\pi (1 - \tau) / 2)$ (MD4, Shi et al. 2024)."""

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        gone = torch.sin(0.5 * torch.pi * tau)
        kept = 2 * torch.sin(0.25 * torch.pi * (1 - tau)).square()
        return 2 * torch.log(kept / gone)

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return torch.asin(torch.sigmoid(-0.5 * log_snr)) * (2 / torch.pi)


class Perturbed(Denoiser[Ratios]):
    """Ratios s e^(xi / 2), xi normal, of each state its own."""

    def __init__(self, chain: Any) -> None:
        super().__init__()
        self.chain, self.exact = chain, chain.ratios()
        table = normal(torch.empty(*chain.neighbours().shape, dtype=DOUBLE), seeded(4))
        here = torch.nn.functional.one_hot(chain.states.long(), table.shape[-1]).bool()
        self.table = 0.5 * table.masked_fill(here, 0.0)

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Ratios:
        log_s = self.exact(x_t, level, batch).log_ratio
        return Ratios(log_s + self.table[self.chain.index(x_t)])


def all_pairs(chain: Any, n: int) -> tuple[Tensor, Tensor]:
    """x_0 and x_t of every pair of a data state and a state, n times over."""
    x_0 = chain.data.repeat_interleave(len(chain.states), 0).repeat(n, 1)
    return x_0, chain.states.repeat(n * len(chain.data), 1)


def expected_rate(process: Jump, denoiser: Denoiser[Any], chain: Any, level: Level) -> Tensor:
    """E rate over x_t given every x_0, (n, data), at tensor levels (n, 1)."""
    assert isinstance(level.log_snr, Tensor)
    n, pairs = len(level.log_snr), len(chain.data) * len(chain.states)
    q = chain.kernel(torch.log1p(torch.exp(-0.5 * level.log_snr[:, 0])))
    rows = Level(
        *(
            v.repeat_interleave(pairs, 0)
            for v in (level.t, level.alpha, level.sigma, level.log_snr)
        )
    )  # type: ignore[union-attr]
    x_0, x_t = all_pairs(chain, n)
    batch = Batch(x_0)
    rate = process.rate(x_0, x_t, rows, denoiser(x_t, rows, batch), batch).reshape(q.shape)
    return torch.where(q > 0, q * rate, 0.0).sum(-1)


def nelbo(
    process: Jump,
    denoiser: Denoiser[Any],
    chain: Any,
    path: Tensor,
    log_prior: Tensor | None = None,
) -> Tensor:
    """Prior, path and decoder of every data state, the expectations by enumeration."""
    start, end = process.schedule.levels(torch.tensor([0.0, 1.0]))
    states, batch = chain.states, Batch(chain.states)
    log_p = process.prior(batch).log_prob(states) if log_prior is None else log_prior
    q_1 = chain.kernel(math.log1p(math.exp(-0.5 * float(end.log_snr))))
    prior = torch.where(q_1 > 0, q_1 * (q_1.log() - log_p), 0.0).sum(1)
    q_0 = chain.kernel(math.log1p(math.exp(-0.5 * float(start.log_snr))))
    x_0, x_t = all_pairs(chain, 1)
    decoder = process.decode(x_t, start, denoiser(x_t, start, Batch(x_t)), Batch(x_t))
    log_d = decoder.log_prob(x_0).reshape(q_0.shape)
    return prior + path - torch.where(q_0 > 0, q_0 * log_d, 0.0).sum(1)


@pytest.fixture
def along_log_snr(legendre: Nodes) -> Callable[..., Tensor]:
    """int E rate d(log-SNR) of every data state."""

    def integrate(process: Jump, denoiser: Denoiser[Any], chain: Any) -> Tensor:
        log_snr, w = legendre(process.schedule.log_snr_min, process.schedule.log_snr_max)
        level = process.schedule.level_of(log_snr, 2)
        return w @ expected_rate(process, denoiser, chain, level)

    return integrate


# --- the bound is -log P, T3 ---------------------------------------------------------------------


@pytest.mark.parametrize("belief", ["categories", "ratios"])
def test_the_bound_is_the_log_probability_at_every_state(
    toy: Tensor, chain: Chains, along_log_snr: Callable[..., Tensor], noise: Noise, belief: str
) -> None:
    """With exact beliefs or exact ratios, and q_T for a prior: for each x_0, not only on average."""
    rates, dense = noise
    exact, B = chain(toy, dense), 3.0
    process = Jump(LinearLogSNR(FIRST, log_snr_of(B)), rates)
    denoiser: Denoiser[Any] = Joint(toy, rates) if belief == "categories" else exact.ratios()
    path = along_log_snr(process, denoiser, exact)
    found = nelbo(process, denoiser, exact, path, exact.law(B).log())
    torch.testing.assert_close(found, -toy.flatten().log(), rtol=0, atol=1e-11)


def test_another_prior_costs_its_divergence(
    toy: Tensor, chain: Chains, along_log_snr: Callable[..., Tensor], noise: Noise
) -> None:
    """The mean exceeds H by KL(q_T || p_ref) exactly."""
    rates, dense = noise
    exact, B = chain(toy, dense), 3.0
    process, law = Jump(LinearLogSNR(FIRST, log_snr_of(B)), rates), Joint(toy, rates)
    found = nelbo(process, law, exact, along_log_snr(process, law, exact))
    q, log_p = exact.law(B), process.prior(Batch(exact.states)).log_prob(exact.states)
    mismatch = (q * (q.log() - log_p)).sum().item()
    entropy = -(toy * toy.log()).sum().item()
    assert (toy.flatten() @ found).item() == pytest.approx(entropy + mismatch, abs=1e-9)


def test_the_uniform_prior_of_the_toy_costs_what_the_reference_says(
    toy: Tensor,
    chain: Chains,
    along_log_snr: Callable[..., Tensor],
    noise_of: Callable[[str], Noise],
) -> None:
    """T1 and T3: H = 1.8553889767 nats and KL(q_T || uniform) = 9.5455e-5."""
    rates, dense = noise_of("uniform")
    exact = chain(toy, dense)
    process, law = Jump(LinearLogSNR(FIRST, log_snr_of(3.0)), rates), Joint(toy, rates)
    mean = toy.flatten() @ nelbo(process, law, exact, along_log_snr(process, law, exact))
    assert mean.item() - 1.8553889767 == pytest.approx(9.5455e-5, abs=5e-10)


@pytest.mark.parametrize("name", ["absorbing", "marginal", "uniform"])
@pytest.mark.parametrize(
    "schedule", [Rectified(math.inf, -math.inf), MaskedCosine(), Quadratic(), Cosine(math.inf, -60.0)],
    ids=lambda s: type(s).__name__,
)  # fmt: skip
def test_no_schedule_changes_the_bound(
    toy: Tensor,
    chain: Chains,
    legendre: Nodes,
    noise_of: Callable[[str], Noise],
    schedule: Schedule,
    name: str,
) -> None:
    """Linear, cosine and quadratic shares, from the data to nothing, integrated in the schedule's own time."""
    rates, dense = noise_of(name)
    exact, process, law = chain(toy, dense), Jump(schedule, rates), Joint(toy, rates)
    z, w = legendre(
        -35.0, 35.0
    )  # t = sigmoid(z): the ends are singular where columns jump to levels
    t = torch.sigmoid(z)
    level = schedule.level(t, 2)
    weight = w * t * torch.sigmoid(-z) * schedule.speed(t)
    reached = level.log_snr[:, 0] < 80  # beyond is 1e-17 of the data
    rate = expected_rate(
        process,
        law,
        exact,
        Level(*(v[reached] for v in (level.t, level.alpha, level.sigma, level.log_snr))),
    )  # type: ignore[index]
    found = weight[reached] @ rate
    torch.testing.assert_close(found, -toy.flatten().log(), rtol=0, atol=1e-9)


def test_the_reference_toy_costs_its_entropy(
    toy: Tensor,
    chain: Chains,
    along_log_snr: Callable[..., Tensor],
    noise_of: Callable[[str], Noise],
) -> None:
    """H = 1.8553889767 nats, 1.3383802378 bits a column."""
    rates, dense = noise_of("absorbing")
    exact = chain(toy, dense)
    process, law = Jump(Rectified(FIRST, -FIRST), rates), Joint(toy, rates)
    mean = (toy.flatten() @ nelbo(process, law, exact, along_log_snr(process, law, exact))).item()
    assert mean == pytest.approx(1.8553889767, abs=1e-9)
    assert mean / (2 * math.log(2)) == pytest.approx(1.3383802378, abs=1e-9)


@pytest.mark.parametrize("name", ["uniform", "birth-death", "cyclic"])
def test_a_wrong_score_is_a_bound_on_its_own_model(
    toy: Tensor,
    chain: Chains,
    along_log_snr: Callable[..., Tensor],
    noise_of: Callable[[str], Noise],
    name: str,
) -> None:
    """NELBO(x_0) >= -log p_theta(x_0) for all states, p_theta the law that the perturbed chain really draws."""
    rates, dense = noise_of(name)
    exact, B = chain(toy, dense), 3.0
    process, wrong = Jump(LinearLogSNR(FIRST, log_snr_of(B)), rates), Perturbed(exact)
    path = along_log_snr(process, wrong, exact)
    found = nelbo(process, wrong, exact, path, exact.law(B).log())
    laws = [law_of_chain(process, wrong, exact, B, n) for n in (200, 400)]
    gaps = [found + law.log() for law in laws]
    assert (gaps[0] - gaps[1]).abs().max() < 2e-3  # second order: what is left is a quarter of it
    assert gaps[1].min() > 0.1
    assert (toy.flatten() @ found) > -(toy * toy.log()).sum() + 0.1


def law_of_chain(process: Jump, denoiser: Denoiser[Any], chain: Any, B: float, n: int) -> Tensor:
    """q_T prod expm(h R_hat) at the middles of n steps that grow towards noise, (m,)."""
    q, x = chain.law(B), chain.states
    times = B * torch.linspace(1, 0, n + 1, dtype=DOUBLE).square()
    for one, to in pairwise(times):
        middle = 0.5 * (one + to)
        level = Level(0.0, 0.0, 0.0, log_snr_of(middle.item()))
        rates = reverse_rates(process, x, middle, denoiser(x, level, Batch(x)))
        full = torch.zeros(len(x), len(x), dtype=DOUBLE)
        for d in range(2):
            full.scatter_add_(1, chain.neighbours()[:, d], rates[:, d])
        q = q @ torch.matrix_exp((one - to) * (full - torch.diag(full.sum(1))))
    return q


# --- the Monte Carlo bound -----------------------------------------------------------------------


def exact_bound(toy: Tensor, chain: Any, process: Jump) -> Tensor:
    """log P(x_0) - E_{q(x_1 | x_0)} log q_1 / p_1 of every data state: what `Bound` estimates."""
    (end,) = process.schedule.levels(torch.ones(1))
    kernel = chain.kernel(math.log1p(math.exp(-0.5 * float(end.log_snr))))
    log_q = (toy.flatten() @ kernel).log()
    log_p = process.prior(Batch(chain.states)).log_prob(chain.states)
    return toy.flatten().log() - kernel @ (log_q - log_p)


def test_bound_finds_every_log_probability_within_its_error(
    toy: Tensor, chain: Chains, noise: Noise
) -> None:
    """Through a model on integer codes. Errors are those of independent pairs: an upper bound, and not a loose one."""
    rates, dense = noise
    exact, copies = chain(toy, dense), 300
    process = Jump(Rectified(25.0, -4.0), rates)
    model = Model(process, Joint(toy, rates), (2,), Codes())
    x = exact.data.repeat(copies, 1).long()
    result = model.log_prob(Batch(x), Bound(32), generator=seeded(0))
    error = (result.nats - exact_bound(toy, exact, process).repeat(copies)).reshape(copies, 9)
    assert result.dims.tolist() == [2] * len(x)
    assert result.kind == "lower bound"
    assert result.nfe == 33
    mean, spread = error.mean(0), error.std(0)
    assert (mean.abs() < 5 * spread / math.sqrt(copies)).all()
    claimed = result.stderr.reshape(copies, 9).square().mean(0).sqrt()
    assert (spread < 1.15 * claimed).all()
    assert (spread > 0.7 * claimed).all()
    whole = result.mean_nats()
    assert whole.stderr == pytest.approx(result.nats.std().item() / math.sqrt(len(x)))


@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        (Rectified(math.inf, -math.inf), None),
        (Cosine(math.inf, -60.0), None),
        (Rectified(math.inf, -math.inf), Uniform()),
        (Quadratic(), LogisticTimes(0.0, 1.0)),
        (Rectified(25.0, -10.0), LogSNRTimes()),
        (Quadratic(25.0, -10.0), Along(Rectified())),
    ],
)
def test_bound_is_unbiased_whatever_it_looks_along(
    toy: Tensor,
    chain: Chains,
    noise_of: Callable[[str], Noise],
    schedule: Schedule,
    times: Times | None,
) -> None:
    rates, dense = noise_of("absorbing")
    exact, process = chain(toy, dense), Jump(schedule, rates)
    x = Joint(toy, rates).sample(4000, seeded(1)).double()
    result = Bound(8, times)(process, Joint(toy, rates), Batch(x), generator=seeded(0))
    log_p = toy.flatten().log()
    error = (
        result.nats
        - (log_p if math.isinf(schedule.log_snr_min) else exact_bound(toy, exact, process))[
            exact_index(x)
        ]
    )
    assert result.nats.isfinite().all()
    assert abs(error.mean()) < 5 * error.std() / math.sqrt(len(x))


def exact_index(x: Tensor) -> Tensor:
    return (3 * x[:, 0] + x[:, 1]).long()


@pytest.mark.parametrize("seed", range(3))
def test_float32_times_dont_reach_where_nothing_is_kept(
    toy: Tensor, noise_of: Callable[[str], Noise], seed: int
) -> None:
    """The last quantile that float32 has is 1 - 6e-8: there dt/d(log-SNR) is 0 and infinite at once."""
    times, schedule = LogisticTimes(), Rectified(math.inf, -math.inf)
    u = torch.tensor([2.0**-26, 0.5, 1 - 2.0**-24, 1.0])
    t, inverse_density = times.draw(u, schedule)
    weight = torch.as_tensor(inverse_density) * schedule.speed(t)
    assert weight.isfinite().all()
    torch.testing.assert_close(torch.as_tensor(inverse_density), torch.ones(4), rtol=0, atol=0.2)
    rates = noise_of("absorbing")[0]
    x = Joint(toy, rates).sample(5000, seeded(seed, 1)).float()
    result = Bound(8)(Jump(schedule, rates), Joint(toy, rates), Batch(x), generator=seeded(seed))
    assert result.nats.isfinite().all()
    error = result.nats - toy.float().log()[tuple(x.long().T)]
    assert abs(error.mean()) < 5 * error.std() / math.sqrt(len(x))


def test_entries_that_dont_exist_leave_the_bound(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    """A second column of padding: the bound is that of the first column's own law."""
    rates = noise_of("uniform")[0]
    column, mask = toy.sum(1), torch.tensor([[True, False]])
    law = Joint(torch.outer(column, torch.full((3,), 1 / 3, dtype=DOUBLE)), rates)
    x = torch.tensor([[0, 2], [1, 0], [2, 1]], dtype=DOUBLE).repeat(2000, 1)
    batch = Batch(x, mask=mask.expand(len(x), 2))
    result = Bound(16)(Jump(Rectified(25.0, -25.0), rates), law, batch, generator=seeded(0))
    error = (result.nats - column.log()[x[:, 0].long()]).reshape(2000, 3)
    assert result.dims.tolist() == [1] * len(x)
    assert (error.mean(0).abs() < 5 * error.std(0) / math.sqrt(2000)).all()


def test_the_training_form_of_the_bound_is_the_bound(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    """`Variational` has prior and decoder too: its mean over the data is the entropy."""
    rates = noise_of("uniform")[0]
    process, law = Jump(Rectified(25.0, -25.0), rates), Joint(toy, rates)
    x = law.sample(20_000, seeded(0)).double()
    nats = Variational(times=LogisticTimes()).terms(process, law, Batch(x), seeded(1))
    assert abs(nats.mean() - 1.8553889767) < 5 * nats.std() / math.sqrt(len(x))


@pytest.mark.parametrize(
    "method", [Flow(), IMMSE(), DiscreteBound()], ids=lambda m: type(m).__name__
)
def test_what_needs_numbers_says_so(
    toy: Tensor, noise_of: Callable[[str], Noise], method: Any
) -> None:
    rates = noise_of("uniform")[0]
    process, x = Jump(Rectified(), rates), torch.zeros(2, 2, dtype=DOUBLE)
    with pytest.raises(ValueError, match="got Jump; take Bound, which needs none"):
        method(process, Joint(toy, rates), Batch(x), generator=seeded(0))


def test_an_infinite_window_isnt_uniform_in_log_snr() -> None:
    with pytest.raises(ValueError, match=r"infinite; take Uniform\(\) or LogisticTimes\(\)"):
        LogSNRTimes().draw(torch.tensor([0.5]), Rectified(math.inf, -math.inf))
