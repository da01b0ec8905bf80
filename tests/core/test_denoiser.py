"""Denoisers: what a network is asked for, schedules swapped after training, guidance, quantised data."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import (
    X0,
    Denoiser,
    Eps,
    Given,
    Guided,
    Karras,
    LevelDenoiser,
    MeanDenoiser,
    Parameterisation,
    Score,
    Velocity,
)
from unnoise.core.posterior import Categories, Mean, Parts, Posterior, Ratios
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import VE, Cosine, Level, LinearVP, Rectified, Schedule

DOUBLE = torch.float64
PARAMETERISATIONS = [X0(), Eps(), Velocity(), Score(), Karras(), Karras(data_std=2.0)]
LOG_SNR = torch.tensor([9.0, 4.0, 0.5, -3.0, -7.0], dtype=DOUBLE)


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def norm(level: Level) -> Tensor:
    return torch.as_tensor(level.alpha**2 + level.sigma**2) ** 0.5


@pytest.fixture(params=PARAMETERISATIONS, ids=lambda p: type(p).__name__)
def parameterisation(request: pytest.FixtureRequest) -> Parameterisation:
    made: Parameterisation = request.param
    return made


@pytest.mark.parametrize(
    "other", [VE(), Rectified(), Cosine(data_std=0.3)], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_schedule_may_be_swapped_after_training(
    parameterisation: Parameterisation,
    network: Callable[..., nn.Module],
    other: Schedule,
    dtype: torch.dtype,
) -> None:
    """At one log-SNR, the state in the other gauge gives the same mean."""
    denoiser = MeanDenoiser(network(3, dtype=dtype), parameterisation)
    _assert_gauge_free(denoiser, states(5, 3).to(dtype), other)


@pytest.mark.parametrize(
    "other", [VE(), Rectified(), Cosine(data_std=0.3)], ids=lambda s: type(s).__name__
)
def test_a_schedule_may_be_swapped_under_levels(
    level_denoiser: Callable[..., LevelDenoiser], other: Schedule
) -> None:
    _assert_gauge_free(level_denoiser(5), states(5, 3), other)


def _assert_gauge_free(denoiser: Denoiser[Posterior], z: Tensor, other: Schedule) -> None:
    def mean(schedule: Schedule) -> Tensor:
        level = schedule.level_of(LOG_SNR.to(z.dtype), 2)
        x_t = z * norm(level)
        return denoiser(x_t, level, Batch(x_t)).mean / (1 + norm(level) / level.alpha)

    # an estimate of x_0 from noise is of size norm / alpha, and so is its rounding error
    tolerance = 1e-6 if z.dtype == torch.float32 else 1e-13
    torch.testing.assert_close(mean(other), mean(LinearVP()), rtol=tolerance, atol=tolerance)


def test_the_network_is_asked_for_what_it_says(
    parameterisation: Parameterisation, schedule: Schedule
) -> None:
    """A network that returns the true target gives back x_0."""
    x_0, eps = states(5, 3), states(5, 3, seed=1)
    level = schedule.level(torch.linspace(0.1, 1, 5, dtype=DOUBLE), 2)
    alpha, sigma = torch.as_tensor(level.alpha), torch.as_tensor(level.sigma)
    x_t, root = alpha * x_0 + sigma * eps, norm(level)
    match parameterisation:
        case X0():
            target = x_0
        case Eps():
            target = eps
        case Velocity():
            target = (alpha * eps - sigma * x_0) / root
        case Score():  # of z = x_t / root ~ N(alpha x_0 / root, (sigma / root)^2)
            target = -(x_t / root - alpha * x_0 / root) / (sigma / root) ** 2
        case Karras(data_std=s):  # EDM, table 1, on x_t / alpha with noise sigma / alpha
            rho = sigma / alpha
            skip, out = s**2 / (s**2 + rho**2), rho * s / torch.sqrt(s**2 + rho**2)
            target = (x_0 - skip * x_t / alpha) / out
        case _:
            raise AssertionError
    mean = MeanDenoiser(lambda x, log_snr, batch: target, parameterisation)(x_t, level, Batch(x_0))
    # rounding of x_t, magnified by 1 / alpha
    torch.testing.assert_close(
        alpha * mean.mean, alpha * x_0, rtol=1e-10, atol=1e-12 * x_t.abs().max().item()
    )


@pytest.mark.parametrize("parameterisation", PARAMETERISATIONS[:4], ids=lambda p: type(p).__name__)
def test_the_network_sees_the_gauge_free_state_and_the_log_snr(
    parameterisation: Parameterisation, schedule: Schedule
) -> None:
    seen: list[Tensor] = []

    def spy(x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        seen.extend((x, log_snr))
        return x

    x_t, t = states(5, 3), torch.linspace(0, 1, 5, dtype=DOUBLE)
    level = schedule.level(t, 2)
    MeanDenoiser(spy, parameterisation)(x_t, level, Batch(x_t))
    torch.testing.assert_close(seen[0], x_t / norm(level))
    torch.testing.assert_close(seen[1], schedule.log_snr(t))


@pytest.mark.parametrize("data_std", [0.5, 2.0])
def test_karras_input_and_target_have_unit_variance(schedule: Schedule, data_std: float) -> None:
    """Data of the stated spread: c_in^2 Var x_t = 1 and Var (x_0 - c_skip x_t) / c_out^2 = 1, at every level."""
    level = schedule.level(torch.linspace(0, 1, 11, dtype=DOUBLE), 1)
    c_in, c_skip, c_out = map(torch.as_tensor, Karras(data_std).coefficients(level))
    alpha, sigma = torch.as_tensor(level.alpha), torch.as_tensor(level.sigma)
    variance = alpha**2 * data_std**2 + sigma**2
    target = (1 - c_skip * alpha) ** 2 * data_std**2 + (c_skip * sigma) ** 2
    ones = torch.ones(11, dtype=DOUBLE)
    torch.testing.assert_close(c_in**2 * variance, ones)
    torch.testing.assert_close(target / c_out**2, ones, rtol=1e-8, atol=0)


def test_floats_and_tensors_are_one_level(
    parameterisation: Parameterisation, network: Callable[..., nn.Module]
) -> None:
    denoiser, x_t = MeanDenoiser(network(3), parameterisation), states(5, 3)
    t = torch.linspace(0, 1, 5, dtype=DOUBLE)
    whole = denoiser(x_t, Cosine().level(t, 2), Batch(x_t)).mean
    for k, level in enumerate(Cosine().levels(t)):
        torch.testing.assert_close(denoiser(x_t, level, Batch(x_t)).mean[k], whole[k])


# --- quantised data ------------------------------------------------------------------------------

ODDS = torch.tensor([0.1, 0.2, 0.05, 0.4, 0.25], dtype=DOUBLE).log()
VALUES = torch.linspace(-0.8, 0.8, 5, dtype=DOUBLE)


@pytest.fixture
def level_denoiser(network: Callable[..., nn.Module]) -> Callable[..., LevelDenoiser]:
    """Five levels; `features` of a network with random weights, none for independent entries."""

    def make(features: int = 0, values: Tensor = VALUES, odds: Tensor = ODDS) -> LevelDenoiser:
        if features == 0:
            return LevelDenoiser(lambda x, *_: x.new_zeros(*x.shape, 0), 0, values, odds)
        net = network(3, 3 * features)

        def unfold(x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            out: Tensor = net(x, log_snr, batch)
            return out.reshape(*x.shape, features)

        denoiser = LevelDenoiser(unfold, features, values, odds)
        with torch.no_grad():
            denoiser.weight.copy_(normal(denoiser.weight, seeded(9)))
        return denoiser.to(DOUBLE)

    return make


def test_without_features_levels_are_the_posterior_of_independent_entries(
    level_denoiser: Callable[..., LevelDenoiser], schedule: Schedule
) -> None:
    oracle = Mixture.atoms(ODDS.exp(), VALUES[:, None])
    t = torch.linspace(0, 1, 6, dtype=DOUBLE)
    x_0 = VALUES[torch.tensor([0, 1, 2, 3, 4, 3])][:, None].expand(6, 4)
    alpha, sigma = (v[:, None] for v in schedule(t))
    x_t = alpha * x_0 + sigma * states(6, 4)
    mean = level_denoiser()(x_t, schedule.level(t, 2), Batch(x_t)).mean
    for entry in range(4):
        exact = oracle(x_t[:, entry : entry + 1], schedule.level(t, 2), Batch(x_t)).mean
        torch.testing.assert_close(mean[:, entry : entry + 1], exact, rtol=1e-9, atol=1e-9)


def test_levels_mean_is_the_mean_of_their_probabilities(
    level_denoiser: Callable[..., LevelDenoiser],
) -> None:
    x_t, level = states(5, 3), Cosine().level_of(LOG_SNR, 2)
    belief = level_denoiser(7)(x_t, level, Batch(x_t))
    assert belief.logits.shape == (5, 3, 5)
    torch.testing.assert_close(belief.mean, belief.logits.softmax(-1) @ VALUES)


def test_levels_gradients_are_those_of_the_probabilities(
    level_denoiser: Callable[..., LevelDenoiser],
) -> None:
    denoiser, x_t = level_denoiser(7), states(5, 3)
    level, parameters = Cosine().level_of(LOG_SNR, 2), list(denoiser.parameters())
    belief = denoiser(x_t, level, Batch(x_t))
    fused = torch.autograd.grad(belief.mean.square().sum(), parameters, retain_graph=True)
    plain = torch.autograd.grad((belief.logits.softmax(-1) @ VALUES).square().sum(), parameters)
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("log_snr", [-8.0, 0.0, 6.0, 13.3])
def test_autocast_leaves_the_evidence_alone(
    level_denoiser: Callable[..., LevelDenoiser], log_snr: float
) -> None:
    """256 levels, 0.0078 apart: in bfloat16 their own readings could not be told from one another."""
    values = (2 * (torch.arange(256) + 0.5) / 256 - 1).float()
    denoiser = level_denoiser(values=values, odds=torch.zeros(256)).float()
    level = Cosine().level_of(torch.tensor([log_snr]), 2)
    x_0 = values[torch.arange(0, 256, 5)][:, None]
    x_t = level.alpha * x_0 + level.sigma * states(*x_0.shape).float()
    exact = denoiser(x_t, level, Batch(x_0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        belief = denoiser(x_t, level, Batch(x_0))
        mean, logits = belief.mean, belief.logits
    assert (mean - exact.mean).abs().max() < 1e-3
    assert torch.equal(logits, exact.query @ exact.key.T)


# --- guidance ------------------------------------------------------------------------------------


class ByLabel(Denoiser[Mean]):
    """The mean is label + x, whether told (>= 0) or not (-1)."""

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        return Mean(x_t + batch.cond["label"][:, None])


@pytest.mark.parametrize("scale", [0.0, 1.0, 0.5, 3.0])
@pytest.mark.parametrize("shared", [True, False])
def test_guidance_goes_from_unconditional_to_conditional_and_beyond(
    scale: float, shared: bool
) -> None:
    x_t, label = states(3, 2), torch.tensor([4, 0, 2])
    t = torch.tensor([0.5] if shared else [0.1, 0.5, 0.9], dtype=DOUBLE)
    batch = Batch(x_t, observed=torch.ones(3, 2).bool(), cond={"label": label})
    mean = Guided(ByLabel(), scale)(x_t, Cosine().level(t, 2), batch).mean
    unconditional, conditional = x_t - 1, x_t + label[:, None]
    exact = unconditional + scale * (conditional - unconditional)
    torch.testing.assert_close(mean, exact, rtol=1e-14, atol=1e-14)


def test_guidance_of_a_network_is_two_calls_in_one(network: Callable[..., nn.Module]) -> None:
    denoiser, x_t = MeanDenoiser(network(2), Velocity()), states(3, 2)
    batch = Batch(x_t, cond={"label": torch.tensor([4, 0, 2]), "weight": states(3, seed=1)})
    for level in (
        Cosine().level(torch.full((3,), 0.4, dtype=DOUBLE), 2),
        *Cosine().levels(torch.tensor([0.4])),
    ):
        told = denoiser(x_t, level, batch).mean
        untold = denoiser(x_t, level, batch.without_condition()).mean
        guided = Guided(denoiser, 2.5)(x_t, level, batch).mean
        torch.testing.assert_close(guided, untold + 2.5 * (told - untold), rtol=1e-12, atol=1e-12)


class Told(Denoiser[Any]):
    """Beliefs about codes, ratios and parts by label; the odds of -1 are those of "not told"."""

    odds = torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 2.0]], dtype=DOUBLE)  # not told, label 0

    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.make = make

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        return self.make(self.odds[batch.cond["label"] + 1][:, None].expand(-1, 2, -1))


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_guided_codes_are_tilted_by_the_power_of_what_the_condition_says(scale: float) -> None:
    batch = Batch(torch.zeros(1, 2, dtype=DOUBLE), cond={"label": torch.tensor([0])})
    (level,) = Cosine().levels(torch.tensor([0.4]))
    p = torch.softmax(Told.odds, -1)
    law = p[0] ** (1 - scale) * p[1] ** scale
    expected = (law / law.sum()).expand(1, 2, 3)

    def guided(make: Callable[[Tensor], Any]) -> Any:
        return Guided(Told(make), scale)(batch.x, level, batch)

    torch.testing.assert_close(torch.softmax(guided(Categories).logits, -1), expected)
    ratios = guided(lambda odds: Ratios(odds - odds[..., :1])).log_ratio
    torch.testing.assert_close(torch.softmax(ratios, -1), expected)
    parts = guided(lambda odds: Parts({"codes": Categories(odds), "numbers": Mean(odds[..., 0])}))
    torch.testing.assert_close(torch.softmax(parts.parts["codes"].logits, -1), expected)
    torch.testing.assert_close(
        parts.parts["numbers"].mean, scale * Told.odds[1, :1].expand(1, 2), rtol=0, atol=1e-15
    )


def test_guidance_makes_nothing_possible_that_was_not() -> None:
    batch = Batch(torch.zeros(1, 2, dtype=DOUBLE), cond={"label": torch.tensor([0])})
    (level,) = Cosine().levels(torch.tensor([0.4]))

    def absent(odds: Tensor) -> Categories:
        return Categories(odds.masked_fill(torch.tensor([False, True, False]), -torch.inf))

    logits = Guided(Told(absent), 3.0)(batch.x, level, batch).logits
    assert logits[..., 1].isneginf().all()
    assert logits[..., [0, 2]].isfinite().all()


# --- what is given -------------------------------------------------------------------------------


def test_a_given_entry_is_believed(gaussian_of: Callable[[int], Mixture]) -> None:
    law, x = gaussian_of(3), states(4, 3)
    observed = torch.tensor([True, False, False]).expand(4, 3)
    (level,) = Cosine().levels(torch.tensor([0.5]))
    mean = Given(law)(x, level, Batch(torch.full_like(x, 9), observed=observed)).mean
    plain = law(x, level, Batch(x)).mean
    assert (mean[:, 0] == 9).all()
    assert torch.equal(mean[:, 1:], plain[:, 1:])
    assert torch.equal(Given(law)(x, level, Batch(x)).mean, plain)


def test_the_first_belief_is_the_mean_of_the_data_at_no_signal(m1: Mixture) -> None:
    """At log-SNR -30 a state says nothing: E[x_0] = 0.1."""
    x = states(4, 1)
    (level,) = Cosine(log_snr_min=-30).levels(torch.ones(1))
    mean = m1(x, level, Batch(x)).mean
    torch.testing.assert_close(mean, torch.full_like(x, 0.1), rtol=0, atol=20 * math.exp(-15))
