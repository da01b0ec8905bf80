"""Samplers of codes by their exact kernels: the reference's tables T1 and T2, invariances, and draws at fixed seeds."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.analytic import Joint, Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Model
from unnoise.core.posterior import Categories
from unnoise.core.process import Gaussian, Jump, Product
from unnoise.core.random import normal, seeded
from unnoise.core.rates import Rates, Refresh
from unnoise.core.sampler import (
    Analytic,
    Confident,
    Corrector,
    CosineGrid,
    Euler,
    ExponentialEuler,
    JumpSampler,
    JumpSolver,
    Last,
    NominalLeap,
    Ordered,
    OrdinalLeap,
    PowerGrid,
    ProductSampler,
    Sampler,
    Unmasking,
    auto,
    jump,
    leap,
)
from unnoise.core.sampler.leap import Span, poisson, reverse_rates
from unnoise.core.schedule import Level, Rectified
from unnoise.core.transform import Codes

DOUBLE = torch.float64
Noise = tuple[Rates, list[Tensor]]
Chains = Callable[..., Any]
Kernel = Callable[..., Tensor]
STEPS = (1, 2, 4, 8, 16, 32, 64, 128)
# TV(p_N, P) of N uniform steps from the uniform prior (T1)
TABLE: list[tuple[JumpSolver, list[float]]] = [
    (Euler(), [0.36732, 0.39826, 0.30568, 0.17609, 0.09073, 0.04478, 0.02198, 0.01085]),
    (ExponentialEuler(), [0.36730, 0.36344, 0.29914, 0.19467, 0.10953, 0.05718, 0.02896, 0.01453]),
    (NominalLeap(), [0.36709, 0.36196, 0.31251, 0.21815, 0.12958, 0.06995, 0.03605, 0.01824]),
    (OrdinalLeap(), [0.34552, 0.35558, 0.30215, 0.20368, 0.11796, 0.06266, 0.03201, 0.01612]),
    (Analytic(), [0.35629, 0.32452, 0.23387, 0.13851, 0.07310, 0.03666, 0.01816, 0.00901]),
]
INDEPENDENT = [Analytic(), Euler(), ExponentialEuler(), NominalLeap()]


def level_at(B: float) -> Level:
    return Level(B, math.exp(-B), -math.expm1(-B), -2 * math.log(math.expm1(B)))


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=DOUBLE)


def tv(p: Tensor, q: Tensor) -> float:
    return 0.5 * (p - q).abs().sum().item()


def chi_square(x: Tensor, law: Tensor) -> float:
    """The p-value of draws (n, D) of states under a law (S_1, ..., S_D); impossible states must not occur."""
    index = np.ravel_multi_index(tuple(x.long().numpy().T), tuple(law.shape))
    counts, p = np.bincount(index, minlength=law.numel()), law.flatten().numpy()
    assert counts[p == 0].sum() == 0
    return float(stats.chisquare(counts[p > 0], len(x) * p[p > 0] / p.sum()).pvalue)


def blank(n: int, columns: int = 2) -> Batch:
    return Batch(torch.zeros(n, columns, dtype=DOUBLE))


def span(B: float, to: float) -> Span:
    """A step in the chain's own time."""
    return Span(number(B), number(to), number(B), number(B - to))


@pytest.fixture
def kernel_of(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """The exact kernel (m, m) of one step of a solver: the laws that it would have drawn its columns from."""
    caught: list[Tensor] = []

    def catch(law: Tensor, x: Tensor, generator: object) -> Tensor:
        caught.append(torch.softmax(law, -1))
        return x

    def kernel(
        solver: JumpSolver, process: Jump, denoiser: Denoiser[Any], chain: Any, B: float, to: float
    ) -> Tensor:
        x, batch = chain.states, Batch(chain.states)
        if isinstance(solver, OrdinalLeap):
            return chain.joint(clamped_leap(process, denoiser, chain, B, to))
        with monkeypatch.context() as patch:
            patch.setattr(leap, "drawn", catch)
            patch.setattr(jump, "drawn", catch)
            solver.step(
                process,
                x,
                span(B, to),
                denoiser(x, level_at(B), batch),
                batch,
                seeded(0),
            )
        return chain.joint(caught.pop())

    return kernel


def clamped_leap(
    process: Jump, denoiser: Denoiser[Any], chain: Any, B: float, to: float, most: int = 40
) -> Tensor:
    """Laws of columns (m, 2, 3) of x + sum_v n_v (v - x), clamped, by enumeration of Poisson numbers n_v."""
    x = chain.states
    means = (B - to) * reverse_rates(process, x, number(B), denoiser(x, level_at(B), Batch(x)))
    n = np.arange(most)
    pmf = torch.from_numpy(stats.poisson(means.numpy()[..., None]).pmf(n))
    out = torch.zeros_like(means)
    for here in range(3):
        one, two = (v for v in range(3) if v != here)
        far = here + n[:, None] * (one - here) + n * (two - here)
        ends = torch.from_numpy(far.clip(0, 2)).flatten()
        both = (pmf[..., one, :, None] * pmf[..., two, None, :]).flatten(-2)
        law = torch.zeros_like(means).index_add_(-1, ends, both)
        out = torch.where((x == here)[..., None], law, out)
    assert (out.sum(-1) - 1).abs().max() < 1e-12  # enough numbers
    return out


# --- convergence, T1 -----------------------------------------------------------------------------


@pytest.mark.parametrize(("solver", "published"), TABLE, ids=lambda v: type(v).__name__)
def test_every_solver_has_its_error_and_first_order(
    toy: Tensor,
    chain: Chains,
    noise_of: Callable[[str], Noise],
    kernel_of: Kernel,
    solver: JumpSolver,
    published: list[float],
) -> None:
    """TV from the law with exact scores, without a draw. Time 1 of R = 11' - 3 I is B = 3."""
    rates, dense = noise_of("uniform")
    exact, process, law = chain(toy, dense), Jump(Rectified(), rates), Joint(toy, rates)
    found = []
    for n in STEPS:
        q = torch.full((9,), 1 / 9, dtype=DOUBLE)
        for k in range(n, 0, -1):
            q = q @ kernel_of(solver, process, law, exact, 3 * k / n, 3 * (k - 1) / n)
        found.append(tv(q, toy.flatten()))
    assert found == pytest.approx(published, abs=5.1e-6)
    slopes = [math.log2(a / b) for a, b in pairwise(found[-3:])]
    assert all(0.95 < slope < 1.06 for slope in slopes)


def test_ordinal_leaps_are_drawn_from_their_kernel(
    toy: Tensor, chain: Chains, noise_of: Callable[[str], Noise]
) -> None:
    rates, dense = noise_of("gaussian")
    exact, process, law = chain(toy, dense), Jump(Rectified(), rates), Joint(toy, rates)
    B, to, n = 1.2, 0.4, 30_000
    laws = clamped_leap(process, law, exact, B, to)
    for k in (0, 5, 7):
        x = exact.states[k].expand(n, 2)
        batch = Batch(x)
        belief = law(x, level_at(B), batch)
        drawn = OrdinalLeap().step(process, x, span(B, to), belief, batch, seeded(k))
        assert chi_square(drawn, torch.outer(*laws[k])) > 1e-6


def test_poisson_draws_are_poisson() -> None:
    assert not poisson(torch.zeros(100), seeded(0)).any()
    for mean in (0.3, 4.0, 25.0):
        drawn = poisson(torch.full((20_000,), mean), seeded(0))
        top = int(drawn.max())
        p = stats.poisson(mean).pmf(np.arange(top + 1))
        common = p * 20_000 > 5
        counts = torch.bincount(drawn).numpy()[common]
        assert stats.chisquare(counts, p[common] / p[common].sum() * counts.sum()).pvalue > 1e-6


@pytest.mark.parametrize("B_s", [0.0, 0.9])
@pytest.mark.parametrize("belief", ["categories", "ratios"])
def test_analytic_steps_draw_a_single_column_exactly_in_one(
    toy: Tensor, chain: Chains, belief: str, B_s: float, kernel_of: Kernel
) -> None:
    rates = Refresh.uniform([3])
    exact = chain(
        toy.sum(1), [torch.full((3, 3), 1 / 3, dtype=DOUBLE) - torch.eye(3, dtype=DOUBLE)]
    )
    denoiser: Denoiser[Any] = (
        Joint(toy.sum(1), rates) if belief == "categories" else exact.ratios()
    )
    kernel = kernel_of(Analytic(), Jump(Rectified(), rates), denoiser, exact, 3.0, B_s)
    torch.testing.assert_close(exact.law(3.0) @ kernel, exact.law(B_s), rtol=0, atol=1e-13)


# --- the absorbing noise, T2 ---------------------------------------------------------------------


def parallel(toy: Tensor, steps: int) -> Tensor:
    """(1 - 1/K) P + (1/K) P_1 P_2: what K steps of equal shares can't tell apart they draw at once."""
    return (1 - 1 / steps) * toy + torch.outer(toy.sum(1), toy.sum(0)) / steps


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
def test_parallel_unmasking_has_its_closed_form(
    toy: Tensor, chain: Chains, noise_of: Callable[[str], Noise], kernel_of: Kernel, steps: int
) -> None:
    """p_K exactly, so TV = .358 / K."""
    rates, dense = noise_of("absorbing")
    exact, process, law = (
        chain(toy, dense),
        Jump(Rectified(math.inf, -math.inf), rates),
        Joint(toy, rates),
    )
    q = torch.zeros(16, dtype=DOUBLE)
    q[-1] = 1.0
    shares = [k / steps for k in range(steps + 1)]
    for kept, to in pairwise(shares):
        B, B_s = (-math.log(max(v, 1e-300)) for v in (kept, to))
        q = q @ kernel_of(Analytic(), process, law, exact, B, abs(B_s))
    p = q.reshape(4, 4)
    assert p[3].abs().max() == p[:, 3].abs().max() == 0
    torch.testing.assert_close(p[:3, :3], parallel(toy, steps), rtol=0, atol=1e-14)
    assert tv(p[:3, :3], toy) == pytest.approx(0.358 / steps, abs=1e-13)


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
@pytest.mark.parametrize(
    "process_of",
    [
        lambda rates: Jump(Rectified(math.inf, -math.inf), rates),
        lambda rates: Jump(Rectified(30.0, -30.0), rates),
    ],
    ids=["infinite", "finite"],
)
def test_the_sampler_draws_that_form(
    toy: Tensor, noise_of: Callable[[str], Noise], process_of: Callable[[Rates], Jump], steps: int
) -> None:
    rates = noise_of("absorbing")[0]
    sampler = JumpSampler(steps=steps)
    x = sampler(process_of(rates), Joint(toy, rates), blank(30_000), generator=seeded(steps))
    assert chi_square(x, parallel(toy, steps)) > 1e-6


@pytest.mark.parametrize(
    "name", ["uniform", "absorbing", "marginal", "birth-death", "gaussian", "cyclic"]
)
def test_many_steps_draw_the_law(toy: Tensor, noise_of: Callable[[str], Noise], name: str) -> None:
    """All noises, from their own priors: the error of 100 steps is less than 4,000 draws can see."""
    rates = noise_of(name)[0]
    process = Jump(Rectified(20.0, -14.0), rates)
    x = JumpSampler(steps=100, grid=PowerGrid(1.5))(
        process, Joint(toy, rates), blank(4000), generator=seeded(1)
    )
    assert chi_square(x, toy) > 1e-6


# --- invariances, T5 -----------------------------------------------------------------------------


class Wrong(Denoiser[Categories]):
    """A belief that is none of any law: a table of logits of every state, and the same with the alphabet renamed."""

    def __init__(self, renamed: list[int]) -> None:
        super().__init__()
        self.table = 1.5 * normal(torch.empty(3, 3, 2, 3, dtype=DOUBLE), seeded(3))
        self.old = torch.tensor(renamed).argsort()  # old[new name]
        self.new = torch.tensor(renamed)

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
        x = self.old[x_t.long()]
        return Categories(self.table[x[:, 0], x[:, 1]][..., self.old])


RENAMED = [
    ("uniform", [1, 2, 0], True),
    ("uniform", [1, 0, 2], True),
    ("birth-death", [1, 0, 2], False),
    ("birth-death", [2, 1, 0], True),  # the walk has a mirror
]


@pytest.mark.parametrize(
    ("solver", "name", "renamed", "same"),
    [(solver, *case) for solver in INDEPENDENT for case in RENAMED]
    + [(OrdinalLeap(), *RENAMED[3]), (OrdinalLeap(), "uniform", [1, 0, 2], False)],
)
def test_only_uniform_noise_knows_no_order_of_the_levels(
    toy: Tensor, chain: Chains, noise_of: Callable[[str], Noise], kernel_of: Kernel,
    solver: JumpSolver, name: str, renamed: list[int], same: bool,
) -> None:  # fmt: skip
    """Rename the levels in a (wrong) denoiser: the law of its samples is renamed, or is another one."""
    rates, dense = noise_of(name)
    exact, process = chain(toy, dense), Jump(Rectified(), rates)
    laws = []
    for names in ([0, 1, 2], renamed):
        q = torch.full((9,), 1 / 9, dtype=DOUBLE)
        for k in range(6, 0, -1):
            q = q @ kernel_of(solver, process, Wrong(names), exact, k / 2, (k - 1) / 2)
        laws.append(q.reshape(3, 3))
    old = torch.tensor(renamed).argsort()
    gap = tv(laws[0][old][:, old], laws[1])
    assert gap < 1e-14 if same else gap > 0.02
    assert tv(laws[0], laws[1]) > 0.02  # there is something to rename


# --- correctors ----------------------------------------------------------------------------------


def test_a_corrector_leaves_the_law_where_it_is(
    toy: Tensor, chain: Chains, noise: Noise, kernel_of: Kernel
) -> None:
    """q (R + R_hat) = 0: a step of length tau moves q by O(tau^2), and many steps lead to q from anywhere."""
    rates, dense = noise
    exact, process, law, B = chain(toy, dense), Jump(Rectified(), rates), Joint(toy, rates), 0.6
    q = exact.law(B)

    class Stepped(JumpSolver):
        def step(
            self, process: Jump, x_t: Tensor, span: Any, belief: Any, batch: Batch, generator: Any
        ) -> Tensor:
            return Corrector().step(process, x_t, span.B, span.tau, belief, generator)

    taus = [0.02, 0.01, 0.005]
    moved = [tv(q @ kernel_of(Stepped(), process, law, exact, B, B - tau), q) for tau in taus]
    slopes = [math.log2(a / b) for a, b in pairwise(moved)]
    assert moved[0] < 2e-3
    assert all(1.9 < slope < 2.1 for slope in slopes)
    short = kernel_of(Stepped(), process, law, exact, B, B - 0.02)
    start = torch.zeros(len(q), dtype=DOUBLE)
    start[0] = 1
    settled = start @ torch.linalg.matrix_power(short, 5000)
    assert tv(settled, q) < 0.03


class Counting(Denoiser[Categories]):
    """Counts its evaluations."""

    def __init__(self, denoiser: Denoiser[Categories]) -> None:
        super().__init__()
        self.denoiser, self.times = denoiser, 0

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
        self.times += 1
        return self.denoiser(x_t, level, batch)


@pytest.mark.parametrize(
    ("corrector", "evaluations"),
    [
        (None, 5),
        (Corrector(8, 0.25), 37),
        (Corrector(8, 0.25, below=0.3), 21),
    ],  # after four steps, or two
)
def test_correctors_mend_a_coarse_walk(
    toy: Tensor, noise_of: Callable[[str], Noise], corrector: Corrector | None, evaluations: int
) -> None:
    rates = noise_of("uniform")[0]
    process, law = Jump(Rectified(13.3, -6.0), rates), Counting(Joint(toy, rates))
    sampler, times = JumpSampler(steps=4, corrector=corrector), list[float]()
    x = sampler(
        process, law, blank(20_000), generator=seeded(0),
        callback=lambda k, to, x: times.append(float(to.t)),
    )  # fmt: skip
    assert law.times == evaluations <= sampler.nfe
    assert times == pytest.approx([0.75, 0.5, 0.25, 0.0])
    counts = torch.bincount((3 * x[:, 0] + x[:, 1]).long(), minlength=9) / len(x)
    error = tv(counts.double(), toy.flatten())
    assert error > 0.11 if corrector is None else error < 0.06  # a draw of the law has .006


# --- ends, what is given, whose draws ------------------------------------------------------------


def test_the_last_draw_is_a_draw_a_mode_or_nothing(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    """A schedule that never leaves the noise: all that is known is the columns' own laws."""
    rates = noise_of("absorbing")[0]
    process = Jump(Rectified(-40.0, -50.0), rates)
    x = {
        last: JumpSampler(steps=2, last=last)(
            process, Joint(toy, rates), blank(20_000), generator=seeded(0)
        )
        for last in Last
    }
    assert (x[Last.NOTHING] == 3).all()
    assert (x[Last.MODE] == torch.tensor([0, 0])).all()  # the modes of P_1 and P_2
    assert chi_square(x[Last.SAMPLE], torch.outer(toy.sum(1), toy.sum(0))) > 1e-6
    assert JumpSampler(steps=3, last=Last.NOTHING).nfe == 3
    assert JumpSampler(steps=3).nfe == 4


@pytest.mark.parametrize(
    "solver",
    [*INDEPENDENT, OrdinalLeap(), Confident(), Ordered(torch.tensor([1, 0]))],
    ids=lambda s: type(s).__name__,
)
def test_observed_entries_never_move(
    toy: Tensor, noise_of: Callable[[str], Noise], solver: JumpSolver
) -> None:
    name = "absorbing" if isinstance(solver, Unmasking) else "birth-death"
    rates = noise_of(name)[0]
    x = torch.tensor([[2, 0], [1, 0]], dtype=DOUBLE).repeat(100, 1)
    batch = Batch(x, observed=torch.tensor([[True, False]]).expand(200, 2))
    process, corrector = Jump(Rectified(), rates), Corrector(2)
    states: list[Tensor] = []
    sampler = JumpSampler(solver, 6, corrector=corrector)
    drawn = sampler(
        process,
        Joint(toy, rates),
        batch,
        generator=seeded(0),
        callback=lambda k, to, v: states.append(v),
    )
    assert all(torch.equal(v[:, 0], x[:, 0]) for v in [*states, drawn])
    assert drawn[:, 1].unique().tolist() == [0, 1, 2]
    full = Batch(x, observed=torch.ones(200, 2, dtype=torch.bool))
    assert torch.equal(sampler(process, Joint(toy, rates), full, generator=seeded(1)), x)


@pytest.mark.parametrize("solver", [*INDEPENDENT, OrdinalLeap()], ids=lambda s: type(s).__name__)
def test_draws_are_those_of_the_generator(
    toy: Tensor, noise_of: Callable[[str], Noise], solver: JumpSolver
) -> None:
    """One seed, one sample; the global generator isn't touched (a fixture watches it)."""
    rates = noise_of("gaussian")[0]
    process, law, sampler = (
        Jump(Rectified(), rates),
        Joint(toy, rates),
        JumpSampler(solver, 5, corrector=Corrector()),
    )
    one, two, other = (sampler(process, law, blank(300), generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_the_first_state_may_have_another_law(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    """A walk of no length to speak of keeps what it was given to start from."""
    rates = noise_of("uniform")[0]
    process = Jump(Rectified(40.0, 39.9), rates)
    start = process.marginal(torch.ones(50, 2, dtype=DOUBLE), level_at(1e-12), blank(50))
    x = JumpSampler(steps=1)(
        process, Joint(toy, rates), blank(50), prior=start, generator=seeded(0)
    )
    assert (x == 1).all()


def test_the_path_that_is_walked_neednt_be_that_of_training(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    """Steps end on the path's levels within the process's window; by default equal in the share kept."""
    rates = noise_of("absorbing")[0]
    process, law = Jump(Rectified(12.0, -9.0), rates), Joint(toy, rates)
    own = Rectified(12.0, -9.0)
    kept: dict[str, list[float]] = {}
    for name, path in {"default": Rectified(), "own": None}.items():
        kept[name] = []
        JumpSampler(steps=4, path=path)(process, law, blank(2), generator=seeded(0), callback=lambda k, to, x, to_=kept[name]: to_.append(float(to.alpha)))  # fmt: skip
    expected = [level.alpha for level in own.levels(torch.tensor([0.75, 0.5, 0.25, 0.0]))]
    assert kept["default"] == pytest.approx(expected)
    assert kept["own"] == pytest.approx(expected)
    steps = np.diff([own.levels(torch.ones(1))[0].alpha, *kept["default"]])
    assert steps == pytest.approx([steps[0]] * 4)
    assert CosineGrid()(own, 4).tolist() == pytest.approx(
        [math.sin(math.pi * k / 8) for k in (4, 3, 2, 1, 0)]
    )


@pytest.mark.parametrize("shape", [(), (4,), (1, 8, 8)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, DOUBLE], ids=str)
def test_samples_have_the_shape_and_precision_of_the_batch(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """One column's rates serve an image; each pixel is drawn from the column's law."""
    p = torch.tensor([0.7, 0.1, 0.2], dtype=DOUBLE)

    class Independent(Denoiser[Categories]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
            return Categories(p.log().to(x_t.dtype).expand(*x_t.shape, 3))

    n = 6400 // max(math.prod(shape), 1) + 1
    process = Jump(Rectified(), Refresh.absorbing([3]))
    batch = Batch(torch.zeros(n, *shape, dtype=dtype))
    x = JumpSampler(steps=3)(process, Independent(), batch, generator=seeded(1))
    assert x.shape == batch.x.shape
    assert x.dtype == dtype
    tolerance = 1e-6 if dtype != torch.bfloat16 else 1e-9  # logits of three digits
    assert chi_square(x.double().reshape(-1, 1), p) > tolerance


def test_a_model_takes_and_gives_integer_codes(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    """int64 outside, floats inside; by default 31 steps and a last draw."""
    rates = noise_of("absorbing")[0]
    model = Model(Jump(Rectified(), rates), Joint(toy, rates), (2,), Codes())
    x = model.sample(3000, generator=seeded(0))
    assert x.dtype == torch.int64
    assert chi_square(x, parallel(toy, 31)) > 1e-6
    batch = Batch(torch.tensor([[1, 0]]).expand(3000, 2), observed=torch.tensor([[True, False]]).expand(3000, 2))  # fmt: skip
    filled = model.sample(batch, generator=seeded(1))
    assert (filled[:, 0] == 1).all()
    assert chi_square(filled[:, 1:], toy[1] / toy[1].sum()) > 1e-6


# --- dispatch, errors ----------------------------------------------------------------------------


def test_auto_takes_what_the_process_needs(toy: Tensor, noise_of: Callable[[str], Noise]) -> None:
    codes = Jump(Rectified(), noise_of("uniform")[0])
    mixed = Product(Rectified(), {"x": Gaussian(Rectified()), "k": codes}, {"x": 1, "k": 2})
    one, two = auto(32, codes), auto(16, mixed)
    assert isinstance(one, JumpSampler)
    assert isinstance(two, ProductSampler)
    assert (one.nfe, two.nfe) == (32, 16)
    assert isinstance(one.solver, Analytic)
    clean = auto(32, Jump(Rectified(math.inf, -math.inf), noise_of("absorbing")[0]))
    assert isinstance(clean, JumpSampler)  # its walk ends at the data: no last draw is left
    assert (clean.steps, clean.last, clean.nfe) == (32, Last.NOTHING, 32)
    assert isinstance(auto(32, Gaussian(Rectified())), Sampler)
    assert isinstance(auto(32), Sampler)
    with pytest.raises(ValueError, match="at least 2 evaluations"):
        auto(1, codes)


def test_samplers_refuse_processes_of_another_kind(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    rates = noise_of("uniform")[0]
    codes, law = Jump(Rectified(), rates), Joint(toy, rates)
    with pytest.raises(TypeError, match="JumpSampler is for Jump, got Gaussian"):
        JumpSampler()(
            Gaussian(Rectified()), Mixture.gaussian(torch.zeros(2), torch.eye(2)), blank(1)
        )
    with pytest.raises(TypeError, match=r"got Jump; for codes take JumpSampler"):
        Sampler()(codes, law, blank(1))


@pytest.mark.parametrize("start", [-math.inf, -14.0])
def test_rates_stand_still_in_the_time_of_the_path(start: float) -> None:
    """dB/dt = 1 / alpha where alpha = 1 - t: the lost share over the one kept, from nothing on."""
    path = Rectified(math.inf, start)
    levels = path.levels(torch.linspace(1, 0, 5))
    spans = Span.plan(path, levels, torch.zeros(0, dtype=DOUBLE))
    for one, level, to in zip(spans, levels[:-1], levels[1:], strict=True):
        alpha = max(float(level.alpha), torch.sigmoid(torch.tensor(-20.0, dtype=DOUBLE)).item())
        gained = (float(to.alpha) - float(level.alpha)) / alpha
        assert float(one.tau) == pytest.approx(gained, rel=1e-6)
        assert float(one.start) == pytest.approx(-math.log(alpha), rel=1e-9)
        assert float(one.B_s) == pytest.approx(-math.log(float(to.alpha)))
    assert math.isinf(float(spans[0].B)) == math.isinf(start)


def test_eulers_step_on_the_linear_path_unmasks_as_the_analytic_one_does(
    toy: Tensor, noise_of: Callable[[str], Noise]
) -> None:
    """tau R_hat = (alpha_s - alpha_t) / (1 - alpha_t) p(x_0 | x_t): no step is too long for it."""
    rates = noise_of("absorbing")[0]
    process, law = Jump(Rectified(math.inf, -math.inf), rates), Joint(toy, rates)
    one, other = (
        JumpSampler(solver, 3)(process, law, blank(400), generator=seeded(0))
        for solver in (Euler(), Analytic())
    )
    assert (one == other).double().mean() > 0.99  # but for quantiles at rounding's edge
    assert int(one.max()) <= 2


def test_the_mask_is_no_level_to_leap_from(toy: Tensor, noise_of: Callable[[str], Noise]) -> None:
    rates = noise_of("absorbing")[0]
    with pytest.raises(
        ValueError, match="the mask has no place among the levels; take NominalLeap"
    ):
        JumpSampler(OrdinalLeap(), 4)(
            Jump(Rectified(), rates), Joint(toy, rates), blank(2), generator=seeded(0)
        )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: JumpSampler(steps=0), "at least 1 step, got 0"),
        (lambda: ProductSampler(steps=0), "at least 1 step, got 0"),
        (lambda: Corrector(rounds=0), "rounds, scale and below must be positive"),
        (lambda: Corrector(scale=0.0), "rounds, scale and below must be positive"),
        (lambda: Corrector(below=0.0), "rounds, scale and below must be positive"),
    ],
)
def test_bad_samplers_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
