"""Readings of codes: four ways to ask for one belief agree on it, and Bayes' rule is MDLM's SUBS rule."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.denoiser import X0, Eps, MeanDenoiser
from unnoise.core.objective import Denoising, Elbo
from unnoise.core.posterior import Categories, Mean, Ratios
from unnoise.core.process import Jump
from unnoise.core.random import normal, seeded
from unnoise.core.rates import Rates, Refresh, Reversible
from unnoise.core.reading import (
    Bayes,
    CodeDenoiser,
    Conditionals,
    Direct,
    Means,
    PartsDenoiser,
    Reading,
    Scores,
)
from unnoise.core.sampler.leap import reverse_rates
from unnoise.core.schedule import Cosine, Level, LinearLogSNR, Rectified

DOUBLE = torch.float64
Noise = tuple[Rates, list[Tensor]]
Chains = Callable[..., Any]
NAMES = ["bayes", "direct", "conditionals", "scores"]


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=DOUBLE)


def level_at(B: float) -> Level:
    return Level(B, math.exp(-B), -math.expm1(-B), -2 * math.log(math.expm1(B)))


def draws(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def reading_of(name: str, rates: Rates) -> Reading[Any]:
    return {
        "bayes": Bayes(rates),
        "direct": Direct(rates),
        "conditionals": Conditionals(),
        "scores": Scores(),
    }[name]


def exact_output(name: str, toy: Tensor, chain: Any, B: float) -> Tensor:
    """What a perfect network says of every state, by enumeration: (m, 2, K) or (m, 2, N)."""
    kernel = [factor.T for factor in _factors(chain, B)]  # q_d(k -> y), (y, k)
    x = chain.states.long()
    one = toy @ kernel[1].T  # sum_j P(k, j) q_2(j -> y), (k, y)
    two = toy.T @ kernel[0].T
    cavity = torch.stack([one.T[x[:, 1]], two.T[x[:, 0]]], 1)  # p(x_0,d = k, the other's x_t)
    if name == "bayes":
        return cavity.log()
    if name == "direct":
        return (cavity * torch.stack([kernel[0][x[:, 0]], kernel[1][x[:, 1]]], 1)).log()
    law = torch.stack([cavity[:, d] @ kernel[d].T for d in range(2)], 1).log()
    if name == "conditionals":
        return law
    return (law - law.gather(-1, x[..., None])) + 7.0 * nn.functional.one_hot(x, law.shape[-1])


def _factors(chain: Any, B: float) -> list[Tensor]:
    """q_d from levels to states of each column."""
    return [((V * torch.exp(B * mode)) @ inverse).real[:3] for mode, V, inverse in chain.modes]


# --- the four agree ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("B", [0.05, 0.7, 4.0])
def test_every_reading_of_a_perfect_network_is_the_exact_belief(
    toy: Tensor, chain: Chains, noise: Noise, name: str, B: float
) -> None:
    """Beliefs about x_0, reverse rates, long steps and costs: the same from all, up to a constant of each column."""
    rates, dense = noise
    exact, process, law, level = (
        chain(toy, dense),
        Jump(Rectified(), rates),
        Joint(toy, rates),
        level_at(B),
    )
    x, batch = exact.states, Batch(exact.states)
    shift = 3 * draws(len(x), 2, 1)
    out = exact_output(name, toy, exact, B) + (0.0 if name == "scores" else shift)
    belief = reading_of(name, rates).read(out, x, level)
    true = law(x, level, batch)
    if name in ("bayes", "direct"):
        found = torch.softmax(belief.logits, -1)
        torch.testing.assert_close(found, true.logits.exp(), rtol=0, atol=1e-13)
    pairs = (reverse_rates(process, x, number(B), b) for b in (belief, true))
    torch.testing.assert_close(*pairs, rtol=1e-10, atol=1e-12)
    steps = (
        torch.softmax(process.step_law(x, number(B), number(B / 3), b), -1) for b in (belief, true)
    )
    torch.testing.assert_close(*steps, rtol=0, atol=1e-9)
    known = torch.zeros_like(x)
    possible = exact.kernel(B)[0] > 0
    costs = (process.rate(known, x, level, b, batch)[possible] for b in (belief, true))
    torch.testing.assert_close(*costs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("B", [0.05, 0.7, 4.0])
def test_a_network_that_is_certain_is_the_forward_kernel(
    noise: Noise, chain: Chains, toy: Tensor, B: float
) -> None:
    """`Bayes` of a one-hot output: s_y = q(x_0 -> y) / q(x_0 -> x), the ratio if x_0 is known (T6)."""
    rates, dense = noise
    exact, process, level = chain(toy, dense), Jump(Rectified(), rates), level_at(B)
    for known in ([0, 1], [2, 2]):
        x_0 = torch.tensor(known)
        out = torch.full((len(exact.states), 2, 3), -torch.inf, dtype=DOUBLE)
        out.scatter_(2, x_0.expand(len(out), 2)[..., None], 0.0)
        row = exact.kernel(B)[3 * x_0[0] + x_0[1]]
        x = exact.states[row > 0]
        belief = Bayes(rates).read(out[row > 0], x, level)
        log_s = process.log_ratio(x, number(B), belief)
        kernel = torch.stack(
            [factor[k] for factor, k in zip(_factors(exact, B), x_0, strict=True)]
        )
        law = torch.softmax(log_s, -1)
        torch.testing.assert_close(law, kernel.expand_as(law), rtol=0, atol=1e-13)
        assert (
            process.rate(x_0.expand_as(x).double(), x, level, belief, Batch(x)).abs().max() < 1e-12
        )


@pytest.mark.parametrize("name", ["bayes", "conditionals"])
def test_ratios_there_and_back_are_inverse(noise: Noise, name: str) -> None:
    """p(y | the others) / p(x | the others) times its inverse is 1 for a network that doesn't see the column (T6)."""
    rates, _ = noise
    process, B = Jump(Rectified(), rates), 0.6
    out = draws(1, 1, 3 if name == "bayes" else rates.states).expand(rates.states, 2, -1)
    x = torch.arange(rates.states, dtype=DOUBLE)[:, None].expand(
        -1, 2
    )  # all states of a column, one output
    belief = reading_of(name, rates).read(out, x, level_at(B))
    log_s = process.log_ratio(x, number(B), belief)
    pairs = log_s[:, 0], log_s[:, 1]
    for table in pairs:
        torch.testing.assert_close(table, -table.T, rtol=0, atol=1e-12)


# --- Bayes' rule under the absorbing noise -------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE], ids=str)
@pytest.mark.parametrize("log_snr", [-math.inf, -3.0, 3.0, 30.0, math.inf])
def test_bayes_copies_what_isnt_masked_and_never_names_the_mask(
    log_snr: float, dtype: torch.dtype
) -> None:
    """MDLM's SUBS rule: zero masking probability and carry-over unmasking."""
    rates = Refresh.absorbing([4, 4, 4])
    out = 5 * draws(64, 3, 4).to(dtype)
    x = torch.cartesian_prod(*[torch.arange(5)] * 3)[:64].to(dtype)
    if log_snr == math.inf:
        x = x.clamp(max=3)  # nothing is masked there
    level = Level(0.5, 0.5, 0.5, log_snr)
    p = torch.softmax(Bayes(rates).read(out, x, level).logits, -1)
    assert p.shape == (64, 3, 4)
    masked = x == 4
    torch.testing.assert_close(p[masked], torch.softmax(out, -1)[masked])
    if math.isfinite(log_snr) or log_snr > 0:
        copies = nn.functional.one_hot(x.long(), 5)[..., :4].to(dtype)[~masked]
        torch.testing.assert_close(p[~masked], copies, rtol=0, atol=1e-25)


def test_direct_beliefs_dont_contradict_the_state() -> None:
    """A network's own posterior is heeded but where the noise rules it out: at entries that aren't masked."""
    rates, x = Refresh.absorbing([3, 3]), torch.tensor([[1, 3]], dtype=DOUBLE)
    out = 50 * draws(1, 2, 3)
    p = torch.softmax(Direct(rates).read(out, x, level_at(0.4)).logits, -1)
    assert p[0, 0].tolist() == [0, 1, 0]
    assert torch.equal(p[0, 1], torch.softmax(out[0, 1], -1))
    uniform = Direct(Refresh.uniform([3, 3])).read(out, x.clamp(max=2), level_at(0.4))
    assert torch.equal(uniform.logits, out)


def test_levels_that_a_column_lacks_have_no_belief() -> None:
    rates = Reversible.birth_death([4, 1, 2])
    out, x = draws(5, 3, 4), torch.zeros(5, 3, dtype=DOUBLE)
    for reading in (Bayes(rates), Direct(rates)):
        for shape in ((5, 3), (5, 1, 3)):
            belief = reading.read(out.reshape(*shape, 4), x.reshape(shape), level_at(0.5))
            p = torch.softmax(belief.logits, -1).reshape(5, 3, 4)
            assert (p[:, 1] == torch.tensor([1, 0, 0, 0])).all()
            assert (p[:, 2, 2:] == 0).all()
            assert (p[:, 0] > 0).all()


def test_scores_say_nothing_of_the_state_itself() -> None:
    out, x = draws(6, 2, 3), torch.tensor([[0, 1], [2, 0]] * 3, dtype=DOUBLE)
    belief = Scores().read(out, x, level_at(0.5))
    here = nn.functional.one_hot(x.long(), 3).bool()
    assert (belief.log_ratio[here] == 0).all()
    assert torch.equal(belief.log_ratio[~here], out[~here])
    ratio = Conditionals().read(out, x, level_at(0.5)).log_ratio
    assert (ratio[here] == 0).all()


# --- denoisers -----------------------------------------------------------------------------------


def test_a_network_sees_codes_and_log_snr_alone() -> None:
    """Two schedules at one log-SNR are one belief; beliefs have the precision of the state."""
    seen: list[tuple[Tensor, Tensor]] = []

    def network(x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        seen.append((x, log_snr))
        told = torch.sin(x[..., None] + log_snr.reshape(-1, 1, 1, 1) * torch.arange(3))
        return told.bfloat16()

    rates = Refresh.uniform([3])
    denoiser = CodeDenoiser(network, Bayes(rates))
    x = torch.tensor([[[0, 1]], [[2, 2]]], dtype=torch.float32)
    log_snr = torch.tensor([1.5, -2.0])
    found = [denoiser(x, s.level_of(log_snr, 3), Batch(x)) for s in (Rectified(), Cosine())]
    assert torch.equal(found[0].logits, found[1].logits)
    assert found[0].logits.shape == (2, 1, 2, 3)
    assert found[0].logits.dtype == torch.float32
    assert torch.equal(seen[0][0], x)
    assert torch.equal(seen[0][1], log_snr)
    level = Level(0.5, 0.5, 0.5, 1.5)
    assert torch.equal(denoiser(x[:1], level, Batch(x[:1])).logits, found[0].logits[:1])


def test_a_network_of_parts_is_read_part_by_part() -> None:
    """Each part as by itself: numbers through their parameterisation, codes through Bayes' rule."""
    rates = Refresh.absorbing([3, 3])
    scale = {"numbers": 2.0, "codes": 1.0}

    def network(parts: Any, log_snr: Tensor, batch: Batch) -> dict[str, Tensor]:
        total = sum(v.sum(1, keepdim=True) for v in parts.values()) + log_snr[:, None]
        return {
            "numbers": scale["numbers"] * parts["numbers"] + total,
            "codes": torch.sin(total[..., None] + torch.arange(6.0).reshape(2, 3)),
        }

    widths = {"numbers": 3, "codes": 2}
    denoiser = PartsDenoiser(network, {"numbers": Means(Eps()), "codes": Bayes(rates)}, widths)
    codes = torch.tensor([[0, 3], [3, 1]], dtype=DOUBLE)
    x = torch.cat([draws(2, 3), codes], 1)
    level = LinearLogSNR().level_of(torch.tensor([1.0, -1.0], dtype=DOUBLE), 2)
    belief = denoiser(x, level, Batch(x))
    assert list(belief.parts) == ["numbers", "codes"]

    def numbers_alone(seen: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return network({"numbers": seen, "codes": codes}, log_snr, batch)["numbers"]

    mean = MeanDenoiser(numbers_alone, Eps())(x[:, :3], level, Batch(x[:, :3])).mean
    part = belief.parts["numbers"]
    assert isinstance(part, Mean)
    torch.testing.assert_close(part.mean, mean)

    def codes_alone(seen: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        c_in = Eps().coefficients(level)[0]
        return network({"numbers": c_in * x[:, :3], "codes": seen}, log_snr, batch)["codes"]

    other = CodeDenoiser(codes_alone, Bayes(rates))(codes, level, Batch(codes))
    part = belief.parts["codes"]
    assert isinstance(part, Categories)
    torch.testing.assert_close(part.logits, other.logits)
    assert Means(X0()).read(x[:, :3], x[:, :3], level).mean.equal(x[:, :3])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noise_name", ["uniform", "absorbing", "birth-death"])
def test_gradients_are_those_of_finite_differences(
    noise_of: Callable[[str], Noise], name: str, noise_name: str
) -> None:
    """Through the bound's integrand, at all levels, and where nothing is kept or all is."""
    rates = noise_of(noise_name)[0]
    process = Jump(Rectified(math.inf, -math.inf), rates)
    width = 3 if name in ("bayes", "direct") else rates.states
    start = 0.3 * draws(2, width)
    x = torch.tensor([[0, 1], [2, 0], [1, 1]] * 10, dtype=DOUBLE)
    objective = Denoising(Elbo())

    def loss(table: Tensor) -> Tensor:
        def network(x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            return table.expand(len(x), -1, -1)

        denoiser = CodeDenoiser(network, reading_of(name, rates))
        return objective(process, denoiser, Batch(x), seeded(0))

    table = start.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(table), table)
    step = draws(2, width, seed=5)
    h = 1e-4  # of the loss the last digits are rounding near the data, 1e-10; of its slope h^2 / 6
    slope = (loss(start + h * step) - loss(start - h * step)) / (2 * h)
    assert (gradient * step).sum().item() == pytest.approx(slope.item(), rel=1e-6)


def test_ratios_know_their_own_kind(toy: Tensor) -> None:
    """A belief about x_0 is one whatever made it; ratios are another."""
    x = torch.zeros(2, 2, dtype=DOUBLE)
    assert isinstance(Conditionals().read(draws(2, 2, 3), x, level_at(1.0)), Ratios)
    assert isinstance(
        Bayes(Refresh.uniform([3])).read(draws(2, 2, 3), x, level_at(1.0)), Categories
    )
