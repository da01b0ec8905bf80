"""Other ways of walking: predictor–corrector, churn, adaptive steps, torchsde, and the choice by budget."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian, Langevin, Sufficient
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import (
    AdamsBashforth,
    Adaptive,
    Annealed,
    AnyNoise,
    Churn,
    DPMSolver,
    Heun,
    LogSNRGrid,
    NormMatched,
    PowerGrid,
    PredictorCorrector,
    Sampler,
    Solver,
    TorchSDE,
    Walk,
    auto,
)
from unnoise.core.schedule import EDM, Level, LinearLogSNR

DOUBLE = torch.float64
PROCESS = Gaussian(LinearLogSNR(13.3, -9.0))


@dataclass
class Counted:
    """A denoiser's calls."""

    calls: int = 0

    def around(self, law: Mixture) -> Denoiser[Mean]:
        counter = self

        class Around(Denoiser[Mean]):
            def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
                counter.calls += 1
                return law(x_t, level, batch)

        return Around()


def blank(n: int, d: int = 1) -> Batch:
    return Batch(torch.zeros(n, d, dtype=DOUBLE))


def carried(
    solver: Solver[object], levels: list[Level], law: Mixture, mean: float, variance: float
) -> tuple[float, float]:
    """Mean and variance of a scalar state after a solver's walk, exactly, for a linear denoiser: row 0 starts
    at 0 without noise, row 1 at 1, and every other row has one draw of 1."""
    plan = solver.plan(PROCESS, levels)
    rows = 2 + 5 * len(plan)
    state, drawn, memory = torch.zeros(rows, 1, dtype=DOUBLE), [0], list[Tensor]()
    state[1] = 1.0

    def draw() -> Tensor:
        z = torch.zeros(rows, 1, dtype=DOUBLE)
        z[2 + drawn[0]] = 1.0
        drawn[0] += 1
        return z

    for step in plan:
        state = solver.step(state, lambda x, lev: law(x, lev, Batch(x)).mean, step, memory, draw)
    base, gains = state[0].item(), (state[1:, 0] - state[0, 0]).tolist()
    return base + gains[0] * mean, gains[0] ** 2 * variance + sum(g * g for g in gains[1:])


@pytest.mark.parametrize("corrections", [1, 3])
def test_a_corrector_leaves_the_law_of_its_level_but_for_the_step(
    gaussian: Mixture, corrections: int
) -> None:
    """u <- u - delta (u - alpha x0_hat) + sqrt(2 delta) sigma z has the fixed point V / (1 - delta sigma^2 / 2V)."""
    level, next_to_it = PROCESS.schedule.levels(torch.tensor([0.5, 0.5 - 1e-9], dtype=DOUBLE))
    alpha, sigma = float(level.alpha), float(level.sigma)
    variance = alpha**2 * 0.25 + sigma**2
    size = Annealed(0.3)
    delta = 2 * 0.3**2
    kept = 1 - delta * sigma**2 / variance
    solver = PredictorCorrector(AnyNoise(0), size, corrections)
    mean, moved = carried(solver, [level, next_to_it], gaussian, alpha * 0.7, variance)
    expected = variance
    for _ in range(corrections):
        expected = kept**2 * expected + 2 * delta * sigma**2
    assert mean == pytest.approx(alpha * 0.7, rel=1e-6)
    assert moved == pytest.approx(expected, rel=1e-6)


def test_correction_mends_a_wrong_start(gaussian: Mixture) -> None:
    """From a law of half the variance, corrections come nearer to the data's than the predictor alone."""
    levels = PROCESS.schedule.levels(torch.linspace(1, 0, 41, dtype=DOUBLE))
    first = levels[20:]
    alpha, sigma = float(first[0].alpha), float(first[0].sigma)
    start = 0.5 * (alpha**2 * 0.25 + sigma**2)
    errors = []
    for n in (0, 1, 3):
        solver = PredictorCorrector(AnyNoise(0), Annealed(0.3), n)
        variance = carried(solver, first, gaussian, alpha * 0.7, start)[1]
        errors.append(abs(variance - 0.25))
    assert errors[2] < errors[1] < 0.8 * errors[0]


def test_norms_are_those_of_each_sample() -> None:
    """A row's step doesn't heed its batch-mates: exactly the same alone and beside a far-off one."""
    eps, z = (normal(torch.empty(3, 8, dtype=DOUBLE), seeded(k)) for k in (0, 1))
    together = NormMatched(0.2)(eps * torch.tensor([[1.0], [1.5], [100.0]]), z)
    for k, scale in enumerate((1.0, 1.5, 100.0)):
        alone = NormMatched(0.2)(eps[k : k + 1] * scale, z[k : k + 1])
        assert (alone == together[k : k + 1]).all()
        ratio = z[k].norm() / (eps[k] * scale).norm()
        assert alone.item() == pytest.approx(min(2 * (0.2 * ratio.item()) ** 2, 0.5), rel=1e-12)


def test_churn_without_noise_is_its_solver(m1: Mixture) -> None:
    x = normal(torch.empty(5, 1, dtype=DOUBLE), seeded(0))
    for inner in (Heun(), AnyNoise(0)):
        ends = [
            Sampler(s, 12, path=None)(PROCESS, m1, blank(5), x=x)
            for s in (inner, Churn(inner, 0.0))
        ]
        torch.testing.assert_close(*ends, rtol=0, atol=0)


def test_churn_raises_by_the_forward_process(gaussian: Mixture) -> None:
    """Karras' step: sigma (1 + gamma), x + sqrt(sigma_hat^2 - sigma^2) n; the law stays that of its level."""
    process = Gaussian(EDM())
    levels = process.schedule.levels(torch.tensor([0.6, 0.5], dtype=DOUBLE))
    (raised,) = Churn(AnyNoise(0), amount=0.3).plan(process, levels)
    sigma = float(levels[0].sigma)
    assert raised.a == pytest.approx(1.0)
    assert raised.c == pytest.approx(sigma * math.sqrt(1.3**2 - 1), rel=1e-9)
    assert float(raised.inner.level.sigma) == pytest.approx(1.3 * sigma, rel=1e-9)
    outside = Churn(AnyNoise(0), amount=0.3, high=sigma / 2).plan(process, levels)[0]
    assert outside.a is None


@pytest.mark.parametrize(
    "solver", [Churn(Heun(), 8.0), Churn(AnyNoise(0), 8.0)], ids=["Heun", "DDIM"]
)
def test_churn_ends_on_the_data(solver: Churn, gaussian: Mixture) -> None:
    levels = PROCESS.schedule.levels(torch.linspace(1, 0, 161, dtype=DOUBLE))
    alpha, sigma = float(levels[0].alpha), float(levels[0].sigma)
    mean, variance = carried(solver, levels, gaussian, alpha * 0.7, alpha**2 * 0.25 + sigma**2)
    assert mean == pytest.approx(0.7, abs=0.02)
    assert variance == pytest.approx(0.25, abs=0.02)


def test_adaptive_errors_follow_the_tolerance(m1: Mixture) -> None:
    x = normal(torch.empty(20, 1, dtype=DOUBLE), seeded(0))
    fine = Sampler(AdamsBashforth(4, heun_start=True), 4000, PowerGrid(1.5), path=None)
    exact = fine(PROCESS, m1, blank(20), x=x)
    errors, calls = [], []
    for tolerance in (1e-3, 1e-5, 1e-7):
        counter = Counted()
        walked = Adaptive(tolerance, path=None)(PROCESS, counter.around(m1), blank(20), x=x)
        errors.append((walked - exact).abs().max().item())
        calls.append(counter.calls)
    assert errors[0] < 3e-2
    assert errors[1] < 5e-4
    assert errors[2] < 1e-5
    assert calls == sorted(calls)
    assert calls[2] < 1000


def test_adaptive_gives_up_with_advice(m1: Mixture) -> None:
    with pytest.raises(RuntimeError, match="raise the tolerance or max_steps"):
        Adaptive(1e-6, max_steps=3)(PROCESS, m1, blank(2), generator=seeded(0))


@pytest.mark.parametrize("noise_level", [0.0, 1.0])
def test_torchsde_agrees_on_the_law(m1: Mixture, noise_level: float) -> None:
    """An outside solver of the reverse SDE ends on the mixture as well: mean .1, variance 2.315, P(x < -.5) .3115."""
    pytest.importorskip("torchsde")
    n = 4000
    x = TorchSDE(noise_level, "srk", 80)(PROCESS, m1, blank(n), generator=seeded(0))
    assert x.mean().item() == pytest.approx(0.1, abs=5 * math.sqrt(2.315 / n))
    assert x.var().item() == pytest.approx(2.315, abs=0.25)
    assert (x < -0.5).double().mean().item() == pytest.approx(0.3115, abs=0.035)


def test_torchsde_and_ours_walk_one_flow(m1: Mixture) -> None:
    pytest.importorskip("torchsde")
    x = normal(torch.empty(6, 1, dtype=DOUBLE), seeded(1))
    ours = Sampler(AdamsBashforth(3), 400)(PROCESS, m1, blank(6), x=x)
    theirs = TorchSDE(0.0, "euler", 600)(PROCESS, m1, blank(6), x=x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-2)


def test_torchsde_says_what_it_can_not() -> None:
    cld = Langevin(LinearLogSNR())
    law = Mixture.gaussian(torch.zeros(1), torch.eye(1))
    with pytest.raises(TypeError, match="use our own solvers"):
        TorchSDE()(cld, Sufficient(cld, law), blank(2), generator=seeded(0))


@pytest.mark.parametrize("noise_level", [0.5, 1.0])
@pytest.mark.parametrize("order", [2, 3])
def test_stochastic_multistep_converges_faster_than_its_first_order(
    gaussian: Mixture, order: int, noise_level: float
) -> None:
    """The law's error is second order or better where the ancestral step's is first: it falls 4 times or more
    as the step halves."""

    def error(solver: Solver[object], steps: int) -> float:
        levels = PROCESS.schedule.levels(LogSNRGrid()(PROCESS.schedule, steps))
        alpha, sigma = float(levels[0].alpha), float(levels[0].sigma)
        end = (float(levels[-1].alpha), float(levels[-1].sigma))
        _, variance = carried(solver, levels, gaussian, alpha * 0.7, alpha**2 * 0.25 + sigma**2)
        return abs(variance - (end[0] ** 2 * 0.25 + end[1] ** 2))

    multi = [error(DPMSolver(order, noise_level), n) for n in (40, 80)]
    first = [error(DPMSolver(1, noise_level), n) for n in (40, 80)]
    assert multi[0] / multi[1] > 3.5
    assert first[0] / first[1] == pytest.approx(2, abs=0.3)
    assert multi[1] < 0.3 * first[1]


@pytest.mark.parametrize("nfe", [2, 3, 5, 8, 13, 20, 50])
def test_auto_spends_its_budget_exactly(m1: Mixture, nfe: int) -> None:
    counter = Counted()
    sampler = auto(nfe)
    sampler(PROCESS, counter.around(m1), blank(3), generator=seeded(0))
    assert counter.calls == sampler.nfe == nfe


def test_bad_input_is_refused() -> None:
    for make in (
        lambda: auto(1),
        lambda: Annealed(0.0),
        lambda: Churn(amount=-1.0),
        lambda: Adaptive(0.0),
        lambda: TorchSDE(-1.0),
        lambda: PredictorCorrector(corrections=-1),
    ):
        with pytest.raises(ValueError, match="got"):
            make()


def test_every_walk_is_one() -> None:
    assert all(isinstance(walk, Walk) for walk in (Sampler(), Adaptive(), TorchSDE(), auto(10)))
