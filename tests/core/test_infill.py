"""Infilling: draws from exact conditionals, what is known costs nothing, and which patterns are trained."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.analytic import Joint, Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.infill import Infill, Known
from unnoise.core.objective import CrossEntropy, Denoising, Elbo
from unnoise.core.objective.base import Objective
from unnoise.core.posterior import Categories, Mean, Parts, Ratios
from unnoise.core.process import Gaussian, Jump, Process
from unnoise.core.random import Generator, normal, seeded
from unnoise.core.rates import Rates, Refresh, Reversible
from unnoise.core.sampler import JumpSampler, PowerGrid, Sampler
from unnoise.core.schedule import Cosine, Level, LinearVP, Rectified

DOUBLE = torch.float64
Noise = tuple[Rates, list[Tensor]]


@pytest.fixture
def triple() -> Tensor:
    """A joint law of three columns of three levels, none of them independent."""
    P = torch.softmax(1.2 * normal(torch.empty(27, dtype=DOUBLE), seeded(7)), 0)
    return P.reshape(3, 3, 3)


def chi_square(x: Tensor, law: Tensor) -> float:
    index = np.ravel_multi_index(tuple(x.long().numpy().T), tuple(law.shape))
    counts = np.bincount(index, minlength=law.numel())
    return float(stats.chisquare(counts, len(x) * law.flatten().numpy()).pvalue)


def given(values: list[float], known: list[bool], n: int) -> Batch:
    x = torch.tensor(values, dtype=DOUBLE).expand(n, len(values))
    return Batch(x, observed=torch.tensor(known).expand(n, len(known)))


class Told(Denoiser[Categories]):
    """The exact posterior if observed entries are told clean: what a network trained by `Infill` tends to.

    Clean entries are evidence without noise, for any pattern.
    """

    def __init__(self, P: Tensor, rates: Rates) -> None:
        super().__init__()
        self.P, self.rates = P, rates
        self.states = torch.tensor(list(product(*map(range, P.shape))))

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
        B = torch.log1p(torch.exp(torch.tensor(-0.5 * float(level.log_snr), dtype=DOUBLE)))
        observed = (
            torch.zeros_like(x_t, dtype=torch.bool) if batch.observed is None else batch.observed
        )
        noisy, clean = (
            self.rates.column(x_t.long(), b) for b in (B, torch.zeros((), dtype=DOUBLE))
        )
        evidence = torch.where(observed[..., None], clean, noisy)
        w = self.P.flatten().expand(len(x_t), -1)
        for d in range(self.P.ndim):
            w = w * evidence[:, d, self.states[:, d]]
        w = w.reshape(-1, *self.P.shape)
        dims = range(1, w.ndim)
        tables = [w.sum([k for k in dims if k != d]) for d in dims]
        return Categories(torch.stack(tables, 1).log())


# --- conditionals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule", [Rectified(), Rectified(math.inf, -math.inf)], ids=["finite", "infinite"]
)
@pytest.mark.parametrize("seen", [0, 1, 2])
def test_a_single_unknown_entry_is_drawn_from_its_conditional(
    toy: Tensor, schedule: Rectified, seen: int
) -> None:
    """Under the absorbing noise, in one step, by the plain exact denoiser: what isn't masked is known anyway."""
    process = Jump(schedule, Refresh.absorbing([3, 3]))
    for wrapped in (Joint(toy, process.rates), Known(Joint(toy, process.rates))):
        batch = given([seen, 0], [True, False], 8000)
        x = JumpSampler(steps=1)(process, wrapped, batch, generator=seeded(seen))
        assert (x[:, 0] == seen).all()
        assert chi_square(x[:, 1:], toy[seen] / toy[seen].sum()) > 1e-6


@pytest.mark.parametrize("seen", [0, 2])
def test_unmasking_what_is_unknown_has_its_closed_form(triple: Tensor, seen: int) -> None:
    """K steps, one of three entries given: (1 - 1/K) P(1, 3 | 2) + (1/K) P(1 | 2) P(3 | 2), T2 of the conditional."""
    process, steps, n = Jump(Rectified(math.inf, -math.inf), Refresh.absorbing([3] * 3)), 4, 20_000
    batch = given([0, seen, 0], [False, True, False], n)
    x = JumpSampler(steps=steps)(process, Joint(triple, process.rates), batch, generator=seeded(0))
    rest = triple[:, seen] / triple[:, seen].sum()
    exact = (1 - 1 / steps) * rest + torch.outer(rest.sum(1), rest.sum(0)) / steps
    assert (x[:, 1] == seen).all()
    assert chi_square(x[:, [0, 2]], exact) > 1e-6
    assert chi_square(x[:, [0, 2]], torch.outer(rest.sum(1), rest.sum(0))) < 1e-6


@pytest.mark.parametrize(
    "rates",
    [Refresh.uniform([3] * 3), Reversible.birth_death([3] * 3)],
    ids=["uniform", "birth-death"],
)
def test_a_network_that_is_told_infills_under_any_noise(triple: Tensor, rates: Rates) -> None:
    """One that takes clean entries for noisy ones doesn't."""
    process = Jump(Rectified(18.0, -12.0), rates)
    batch = given([0, 2, 0], [False, True, False], 6000)
    sampler = JumpSampler(steps=60, grid=PowerGrid(1.5))
    exact = triple[:, 2] / triple[:, 2].sum()
    right, wrong = (
        sampler(process, denoiser, batch, generator=seeded(0))[:, [0, 2]]
        for denoiser in (Known(Told(triple, rates)), Joint(triple, rates))
    )
    assert chi_square(right, exact) > 1e-6
    assert chi_square(wrong, exact) < 1e-12


def test_a_told_network_infills_numbers_exactly() -> None:
    """Correlation .8, one entry at 1.5: N(1.2, .36), where replacement gives .51 (test_sampler.py)."""
    conditional = Mixture.gaussian(torch.tensor([1.2]).double(), torch.tensor([[0.36]]).double())

    class Network(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            rest = conditional(x_t[:, 1:], level, Batch(x_t[:, 1:])).mean
            assert (x_t[:, 0] == 1.5).all()  # clean
            return Mean(torch.cat([torch.full_like(rest, 99.0), rest], 1))

    batch = given([1.5, 0.0], [True, False], 10_000)
    x = Sampler(steps=40)(Gaussian(LinearVP()), Known(Network()), batch, generator=seeded(0))
    assert (x[:, 0] == 1.5).all()
    assert stats.kstest(x[:, 1].numpy(), stats.norm(1.2, 0.6).cdf).pvalue > 1e-6


# --- Known ---------------------------------------------------------------------------------------


class Recorded(Denoiser[Any]):
    """Gives one belief, and remembers what it saw."""

    def __init__(self, belief: Any) -> None:
        super().__init__()
        self.belief = belief
        self.seen: list[Tensor] = []

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        self.seen.append(x_t)
        return self.belief


LEVEL = Level(0.5, 0.5, 0.5, 0.0)


def test_what_is_given_enters_clean_and_is_believed() -> None:
    x = torch.tensor([[2.0, 0, 1], [1, 1, 0]])
    observed = torch.tensor([[True, False, True], [False, False, True]])
    noisy = torch.tensor([[0.0, 3, 3], [3, 0, 3]])
    logits = normal(torch.empty(2, 3, 3), seeded(0))
    network = Recorded(Categories(logits))
    belief = Known(network)(noisy, LEVEL, Batch(x, observed=observed))
    assert torch.equal(network.seen[0], torch.where(observed, x, noisy))
    p = torch.softmax(belief.logits, -1)
    assert torch.equal(p[observed], torch.nn.functional.one_hot(x[observed].long(), 3).float())
    assert torch.equal(belief.logits[~observed], logits[~observed])

    numbers = Recorded(Mean(logits[..., 0]))
    mean = Known(numbers)(noisy, LEVEL, Batch(x, observed=observed)).mean
    assert torch.equal(mean, torch.where(observed, x, logits[..., 0]))

    plain = Known(network)(noisy, LEVEL, Batch(x))
    assert plain is network.belief
    assert torch.equal(network.seen[-1], noisy)


def test_what_is_given_is_believed_even_if_it_was_ruled_out() -> None:
    logits = torch.tensor([0.0, -torch.inf, 1.0]).expand(1, 2, 3)
    batch = Batch(torch.ones(1, 2), observed=torch.tensor([[True, False]]))
    belief = Known(Recorded(Categories(logits)))(torch.zeros(1, 2), LEVEL, batch)
    assert torch.softmax(belief.logits, -1)[0, 0].tolist() == [0, 1, 0]
    assert torch.equal(belief.logits[0, 1], logits[0, 1])


def test_parts_are_believed_part_by_part() -> None:
    """Widths are those of the beliefs: two numbers, then three codes; a pattern may be one row for all."""
    logits = normal(torch.empty(2, 3, 4), seeded(0))
    parts = Parts({"numbers": Mean(torch.full((2, 2), 7.0)), "codes": Categories(logits)})
    x = torch.tensor([[0.5, -1.5, 3, 0, 1], [2.5, 0.0, 2, 2, 0]])
    observed = torch.tensor([[True, False, True, False, False]] * 2)
    belief = Known(Recorded(parts))(torch.zeros(2, 5), LEVEL, Batch(x, observed=observed))
    numbers, codes = belief.parts["numbers"], belief.parts["codes"]
    assert numbers.mean.tolist() == [[0.5, 7], [2.5, 7]]
    assert torch.softmax(codes.logits, -1)[:, 0].argmax(-1).tolist() == [3, 2]
    assert torch.softmax(codes.logits, -1)[:, 0].amax(-1).tolist() == [1, 1]
    assert torch.equal(codes.logits[:, 1:], logits[:, 1:])


def test_ratios_cant_be_told() -> None:
    batch = given([0, 0], [True, False], 2)
    with pytest.raises(
        TypeError, match="a Ratios isn't a belief about x_0; infill with means or categories"
    ):
        Known(Recorded(Ratios(torch.zeros(2, 2, 3))))(batch.x, LEVEL, batch)


def test_what_is_known_costs_nothing(toy: Tensor, noise: Noise) -> None:
    """The rate of a told belief is that of the unknown entries alone, to rounding."""
    rates, _ = noise
    process, level = Jump(Rectified(), rates), Rectified().levels(torch.tensor([0.4]))[0]
    x = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)).double()
    x_t = process.marginal(x, level, Batch(x)).sample(seeded(0))
    law = Joint(toy, rates)
    for known in ([True, False], [False, True], [True, True]):
        batch = Batch(x, observed=torch.tensor(known).expand(9, 2))
        belief = Known(law)(x_t, level, batch)
        cost = process.rate(x, x_t, level, belief, batch)
        unknown = Batch(x, mask=~torch.tensor(known).expand(9, 2))
        alone = process.rate(x, x_t, level, Known(law)(x_t, level, batch), unknown)
        torch.testing.assert_close(cost, alone, rtol=0, atol=1e-13)
    assert cost.abs().max() < 1e-13  # all known


# --- Infill --------------------------------------------------------------------------------------


class Patterns(Objective):
    """Remembers which entries were given."""

    def __init__(self) -> None:
        super().__init__()
        self.observed: list[Tensor] = []

    def terms(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        batch: Batch,
        generator: Generator = None,
    ) -> Tensor:
        assert batch.observed is not None
        self.observed.append(batch.observed)
        return batch.x.flatten(1).sum(1)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_as_many_entries_are_given_as_a_uniform_share_gives(share: float) -> None:
    """k of D with k uniform on 0 ... D, in `share` of the states; none in the others; each entry alike."""
    objective, n, D = Patterns(), 30_000, 4
    batch = Batch(torch.zeros(n, 2, 2))
    terms = Infill(objective, share).terms(
        Jump(Rectified(), Refresh.uniform([2])), Recorded(None), batch, seeded(0)
    )
    assert terms.shape == (n,)
    (observed,) = objective.observed
    counts = torch.bincount(observed.flatten(1).sum(1), minlength=D + 1)
    p = torch.full((D + 1,), share / (D + 1), dtype=DOUBLE)
    p[0] += 1 - share
    assert counts[p == 0].sum() == 0
    if share > 0:
        assert stats.chisquare(counts, n * p).pvalue > 1e-6
        each = observed.flatten(1).double().mean(0)
        assert (each - share / 2).abs().max() < 5 * math.sqrt(0.25 / n)


def test_the_infilling_bound_is_the_mean_conditional_entropy(toy: Tensor) -> None:
    """E over patterns of H(unknown | known): of two columns H/3 + (H(1|2) + H(2|1)) / 6, exactly what is unknown."""
    rates = Refresh.absorbing([3, 3])
    process, law = Jump(Rectified(math.inf, -math.inf), rates), Joint(toy, rates)

    def entropy(p: Tensor) -> float:
        return -(p * p.log()).sum().item()

    H, H1, H2 = entropy(toy), entropy(toy.sum(1)), entropy(toy.sum(0))
    expected = (H / 3 + (H - H2 + H - H1) / 6) / 2  # per entry
    x = law.sample(40_000, seeded(0)).double()
    objective = Infill(Denoising(Elbo()), share=1.0)
    terms = objective.terms(process, Known(law), Batch(x), seeded(1))
    assert abs(terms.mean().item() - expected) < 5 * terms.std().item() / math.sqrt(len(x))
    half = Infill(Denoising(Elbo())).terms(process, Known(law), Batch(x), seeded(2))
    assert abs(half.mean().item() - (expected + H / 2) / 2) < 5 * half.std().item() / math.sqrt(
        len(x)
    )


def test_infilling_is_learned_under_uniform_noise(toy: Tensor) -> None:
    """The told posterior costs less than one that takes clean entries for noisy ones: the loss can tell."""
    rates = Refresh.uniform([3, 3])
    process = Jump(Rectified(), rates)
    x = Joint(toy, rates).sample(4000, seeded(0)).double()
    told, untold = 0.0, 0.0
    for k in range(5):
        schedule = Rectified(-1.0 + 1e-6 + k, -1.0 + k)  # a level for all
        at = Jump(schedule, rates)
        (level,) = schedule.levels(torch.tensor([0.5]))

        class Fixed(Denoiser[Categories]):
            def __init__(self, denoiser: Denoiser[Categories], level: Level) -> None:
                super().__init__()
                self.denoiser, self.level = denoiser, level

            def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
                return self.denoiser(x_t, self.level, batch)

        objective = Infill(CrossEntropy(), share=1.0)
        right, wrong = (Known(Fixed(d, level)) for d in (Told(toy, rates), Joint(toy, rates)))
        told += objective(at, right, Batch(x), seeded(k)).item()
        untold += objective(at, wrong, Batch(x), seeded(k)).item()
    assert process.dims(Batch(x))[0] == 2
    assert told < untold - 0.02


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\]"):
        Infill(Denoising(), share)


def test_all_given_is_the_data() -> None:
    """Numbers or codes: nothing is drawn that is known."""
    x = torch.tensor([[0.0, 2], [1, 1]], dtype=DOUBLE)
    batch = Batch(x, observed=torch.ones(2, 2, dtype=torch.bool))
    process = Jump(Cosine(), Refresh.uniform([3, 3]))
    network = Recorded(Categories(torch.zeros(2, 2, 3, dtype=DOUBLE)))
    assert torch.equal(
        JumpSampler(steps=3)(process, Known(network), batch, generator=seeded(0)), x
    )
    assert all(torch.equal(seen, x) for seen in network.seen)
