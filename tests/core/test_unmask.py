"""Rules that unmask in an order of their own: what is planned is unmasked, and the law of what is drawn at once."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.posterior import Categories, Ratios
from unnoise.core.process import Jump
from unnoise.core.random import seeded
from unnoise.core.rates import Refresh
from unnoise.core.sampler import Confident, CosineGrid, JumpSampler, Ordered, PowerGrid, Unmasking
from unnoise.core.sampler.leap import Span
from unnoise.core.schedule import Level, Rectified

DOUBLE = torch.float64
RULES: list[Unmasking] = [Confident(0.0), Confident(1.0), Ordered(torch.arange(12).flip(0))]


def blank(n: int, columns: int) -> Batch:
    return Batch(torch.zeros(n, columns, dtype=DOUBLE))


def masked(columns: int, levels: int = 2) -> Jump:
    return Jump(Rectified(math.inf, -math.inf), Refresh.absorbing([levels] * columns))


class Counted(Denoiser[Categories]):
    """Independent of the state; surer of a column the further right it stands."""

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
        sure = torch.linspace(0.1, 4, x_t.shape[1], dtype=x_t.dtype)
        logits = torch.stack([sure, torch.zeros_like(sure)], -1)
        return Categories(logits.expand(len(x_t), -1, -1))


@pytest.mark.parametrize("rule", RULES, ids=["surest", "sure", "ordered"])
@pytest.mark.parametrize("grid", [PowerGrid(), CosineGrid()], ids=str)
def test_steps_unmask_what_the_schedule_plans(rule: Unmasking, grid: Any) -> None:
    process = masked(12)
    observed, mask = (
        (torch.arange(12) == 3)[None].expand(50, 12),
        (torch.arange(12) != 5)[None].expand(50, 12),
    )
    batch = Batch(torch.zeros(50, 12, dtype=DOUBLE), mask=mask, observed=observed)
    planned, found = [], []

    def count(k: int, to: Level, x: Tensor) -> None:
        planned.append(round(10 * (1 - float(to.alpha))))
        found.append(set(((x == 2) & mask).sum(1).tolist()))

    sampler = JumpSampler(rule, 7, grid)
    x = sampler(process, Counted(), batch, generator=seeded(0), callback=count)
    assert found == [{n} for n in planned]
    assert planned[-1] == 0
    assert (x[:, 3] == 0).all()
    assert (x < 2).all()


def test_confident_steps_take_the_surest_first() -> None:
    """Without Gumbel noise and one entry a step: from the surest of what was drawn to the least sure."""
    process = masked(6)

    class Sure(Counted):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Categories:
            return Categories(10 * super().forward(x_t, level, batch).logits + 40)

    unmasked: list[list[int]] = []
    JumpSampler(Confident(0.0), 6)(
        process, Sure(), blank(1, 6), generator=seeded(0),
        callback=lambda k, to, x: unmasked.append((x[0] != 2).nonzero().flatten().tolist()),
    )  # fmt: skip
    assert unmasked == [list(range(6 - k, 6)) for k in range(1, 7)]


def test_an_order_is_kept_row_by_row() -> None:
    rank = torch.tensor([[5, 0, 4, 1, 3, 2], [0, 1, 2, 3, 4, 5]])
    first: list[list[int]] = []

    def note(k: int, to: Level, x: Tensor) -> None:
        first.append((x != 2).sum(1).tolist())
        for row, order in zip(x, rank, strict=True):
            assert set((row != 2).nonzero().flatten().tolist()) == set(
                order.argsort()[: 2 * k + 2].tolist()
            )

    JumpSampler(Ordered(rank), 3)(
        masked(6), Counted(), blank(2, 6), generator=seeded(0), callback=note
    )
    assert first == [[2, 2], [4, 4], [6, 6]]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_law_of_an_order_is_known(order: list[int], steps: int) -> None:
    """With the exact denoiser a step an entry draws the law itself, whatever the order; entries of one step are drawn as
    if they were independent given those before, so 2 steps draw P(a) P(b, c | a) with b and c apart."""
    law = torch.rand(2, 2, 2, generator=seeded(3), dtype=DOUBLE).square()
    law /= law.sum()
    turned = law.permute(*order)  # its columns as they are drawn
    a, b, c = turned.sum((1, 2)), turned.sum((0, 2)), turned.sum((0, 1))
    expected = {
        1: a[:, None, None] * b[:, None] * c,
        2: turned.sum(2)[:, :, None] * turned.sum(1)[:, None] / a[:, None, None],
        3: turned,
    }[steps]
    process = masked(3)
    x = JumpSampler(Ordered(torch.tensor(order).argsort()), steps)(
        process, Joint(law, process.rates), blank(20_000, 3), generator=seeded(0)
    )
    counts = torch.bincount(x[:, order].long() @ torch.tensor([4, 2, 1]), minlength=8).numpy()
    assert stats.chisquare(counts, 20_000 * expected.flatten().numpy()).pvalue > 1e-4


def test_an_order_of_other_entries_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Ordered: ranks of shape \(5,\) for entries of shape \(1, 6\)"
    ):
        JumpSampler(Ordered(torch.arange(5)), 2)(
            masked(6), Counted(), blank(1, 6), generator=seeded(0)
        )


@pytest.mark.parametrize(
    "rule", [Confident(), Ordered(torch.arange(2))], ids=lambda r: type(r).__name__
)
def test_unmasking_needs_a_mask_and_a_belief(rule: Unmasking) -> None:
    batch, step = blank(2, 2), Span(*(torch.tensor(v, dtype=DOUBLE) for v in (1.0, 0.5, 1.0, 0.5)))
    beliefs = Categories(torch.zeros(2, 2, 3)), Ratios(torch.zeros(2, 2, 4))
    for rates, belief in (
        (Refresh.uniform([3, 3]), beliefs[0]),
        (Refresh.absorbing([3, 3]), beliefs[1]),
    ):
        name = type(rule).__name__
        with pytest.raises(ValueError, match=f"{name}: needs the absorbing noise and a belief"):
            rule.step(Jump(Rectified(), rates), batch.x, step, belief, batch, seeded(0))
