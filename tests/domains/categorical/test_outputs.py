"""Outputs and their scores: a perfect sampler, a classical model and an exact one rank as they must."""

import math

import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.likelihood import Kind, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.process import Jump
from unnoise.core.random import seeded
from unnoise.core.rates import Refresh
from unnoise.core.schedule import Rectified
from unnoise.core.transform import Codes
from unnoise.domains.categorical import scores
from unnoise.domains.categorical.outputs import (
    Rows,
    classical_rows,
    completed_rows,
    model_rows,
    real_rows,
)
from unnoise.domains.categorical.problem import Problem
from unnoise.domains.categorical.tasks.common import chow_liu
from unnoise.domains.categorical.tasks.toy import LAW, problem, toy
from unnoise.domains.task import Preset, Score

PRESET = Preset(
    None, {}, {"samples": 3_000, "nfe": 17, "draws": 32, "tests": 500, "ordered": 500, "fill": 500}
)


@pytest.fixture(scope="module")
def exact() -> Model:
    """The toy's law under the absorbing noise."""
    rates = Refresh.absorbing([3, 3])
    process = Jump(Rectified(math.inf, -math.inf), rates)
    return Model(process, ExactNetwork(Joint(LAW, rates)), (2,), Codes())


class ExactNetwork(Joint):
    """An exact denoiser with a parameter, so that it has a device."""

    def __init__(self, joint: Joint) -> None:
        super().__init__(LAW, joint.rates)
        self.register_parameter("nothing", torch.nn.Parameter(torch.zeros(())))


def first_given(x: Tensor) -> Tensor:
    return torch.tensor([True, False]).expand_as(x)


def value(metric: object, outputs: Rows) -> Score:
    score: Score | None = metric.score(outputs, problem().splits())  # type: ignore[attr-defined]
    assert score is not None
    return score


def test_an_exact_model_reaches_the_entropy_and_fills_by_the_conditionals(exact: Model) -> None:
    made = model_rows(exact, problem(), problem().splits(), PRESET, seeded(0), first_given)
    gap, kl = value(scores.GAP, made), value(scores.KL, made)
    assert abs(gap.value) < 4 * (gap.stderr or 0) + 1e-6
    assert abs(kl.value) < 1e-5
    assert value(scores.MARGINALS, made).value < 0.03
    assert made.filled is not None
    assert torch.equal(made.filled.drawn[:, 0], made.filled.originals[:, 0])
    for k in range(3):
        second = made.filled.drawn[made.filled.originals[:, 0] == k, 1]
        share = torch.bincount(second, minlength=3).double() / len(second)
        p = LAW[k] / LAW[k].sum()
        assert (share - p).abs().max() < 5 * (0.25 / len(second)) ** 0.5


def test_the_floor_is_the_law_and_the_baseline_is_above_it() -> None:
    splits = problem().splits()
    floor = real_rows(problem(), splits, PRESET)
    assert value(scores.GAP, floor).value == 0
    tree = classical_rows(chow_liu(problem()), problem(), splits, PRESET)
    # a tree holds the law of two columns; a product of columns lacks their mutual information
    assert abs(value(scores.GAP, tree).value) < 0.02
    assert abs(float(LAW.sum()) - 1) < 1e-12


def test_a_classical_model_completes_what_it_is_not_given() -> None:
    splits = problem().splits()
    law = Joint(LAW, Refresh.uniform([3, 3]))

    class Law:
        def nats(self, batch: Batch) -> Tensor:
            return law.log_prob(batch.x)

        def sample(self, n: int, generator: torch.Generator) -> Tensor:
            return law.sample(n, generator)

        def complete(self, x: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
            return torch.where(observed, x, law.sample(len(x), generator))

    rows = classical_rows(Law(), problem(), splits, PRESET)
    done = completed_rows(Law(), rows, splits, PRESET, first_given).filled
    assert done is not None
    assert torch.equal(done.drawn[:, 0], splits.test.x[:500, 0])
    assert (
        completed_rows(Law(), rows, splits, Preset(None, {}, {"samples": 1}), first_given) is rows
    )


def test_bits_are_pooled_over_entries_that_exist() -> None:
    """A row of one entry and one of three: (1 + 6) / 4 bits, not (1 + 2) / 2."""
    nats = -math.log(2) * torch.tensor([1.0, 6.0])
    result = LikelihoodResult(nats, torch.tensor([1.0, 3.0]), Kind.EXACT, torch.zeros(2), 0)
    made = Rows(torch.zeros(0, 2, dtype=torch.long), bound=result)
    assert value(scores.BITS, made).value == pytest.approx(7 / 4)


def test_what_wasnt_made_has_no_score() -> None:
    nothing = Rows(torch.zeros(4, 2, dtype=torch.long))
    for metric in (scores.BITS, scores.NATS, scores.GAP, scores.KL, scores.ORDERED):
        assert metric.score(nothing, problem().splits()) is None


def test_mmd_tells_columns_that_know_nothing_of_each_other() -> None:
    splits, law = problem().splits(), Joint(LAW, Refresh.uniform([3, 3]))
    test = splits.test.x
    splits = Problem(test, test, law.sample(16_000, seeded(5)), (3, 3)).splits()
    true = law.sample(16_000, seeded(6))
    product = torch.stack([true[:, 0], true[:, 1].roll(1)], 1)
    same, other = (scores.mmd(x, splits) for x in (true, product))
    assert abs(same.value) < 4 * (same.stderr or 0)
    assert other.value > 8 * (other.stderr or 1)


def test_the_toy_task_reaches_the_references_total_variation_in_one_step() -> None:
    """One analytic step from B = 3 has TV .35629, whatever the path: T1 of the reference."""
    task = toy()
    splits = task.data()
    preset = Preset(None, {}, {"samples": 3_000, "draws": 64})
    made = task.generate(task.model(splits, preset), splits, preset, seeded(0))
    one = made.tv["analytic"][1]
    assert abs(one.value - 0.35629) < 5 * (one.stderr or 0)
    late = [made.tv["analytic"][k].value for k in (1, 2, 4, 8)]
    assert late == sorted(late, reverse=True)
    gap = task.metrics["nelbo_minus_entropy"].score(made, splits)
    assert gap is not None
    assert abs(gap.value) < 5 * (gap.stderr or 0)
