"""The overhead script: it measures what it says; the times themselves are no test's business."""

import math
import re
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from unnoise.benchmarks import overhead
from unnoise.core.batch import Batch
from unnoise.core.likelihood import ExactTrace
from unnoise.core.sampler import AdamsBashforth, AnyNoise, DPMSolver, Heun, Sampler, Solver


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "STEPS", 4)
    monkeypatch.setattr(overhead, "REPEATS", 3)
    monkeypatch.setattr(overhead, "SHAPE", (2, 1, 4, 4))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that ticks once a call: every measurement takes one second."""

    def ticks() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 1

    tick = ticks()
    monkeypatch.setattr("time.process_time", lambda: next(tick))


@pytest.mark.parametrize(
    "solver", [DPMSolver(2), AdamsBashforth(3), Heun(), AnyNoise(0.0), AnyNoise(1.0)], ids=repr
)
def test_sampling_gives_a_median_within_its_range(solver: Solver) -> None:  # type: ignore[type-arg]
    median, least, most = overhead.sampling(Sampler(solver, 4))
    assert all(map(math.isfinite, (median, least, most)))
    assert least <= median <= most


def test_training_gives_a_median_within_its_range() -> None:
    median, least, most = overhead.training()
    assert all(map(math.isfinite, (median, least, most)))
    assert least <= median <= most


def test_ours_and_the_bare_loop_are_paired(clock: None) -> None:
    """Equal times leave nothing."""
    assert overhead.sampling(Sampler(DPMSolver(2), 4)) == (0, 0, 0)
    assert overhead.training() == (0, 0, 0)


def test_the_bare_loop_evaluates_as_often_as_the_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Counting(overhead.Null):
        def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            calls.append(1)
            return x

    monkeypatch.setattr(overhead, "Null", Counting)
    sampler = Sampler(Heun(), 3)
    overhead.sampling(sampler)
    assert len(calls) == 2 * (1 + overhead.REPEATS) * sampler.nfe, "both, with one to warm up"


def test_a_divergence_is_counted_in_forward_passes(clock: None) -> None:
    """Equal times: as many passes as entries. And what is timed is the trace."""
    for field, x in overhead.fields(n=2).values():
        assert overhead.divergence(field, x) == (1, 1, 1)
    law, x = overhead.fields(n=2, d=8)["mixture"]
    _, trace = ExactTrace()(law, x, None)
    jacobian = torch.autograd.functional.jacobian(law, x)
    torch.testing.assert_close(trace[0], torch.einsum("bibi->b", jacobian))


def test_the_table_has_a_row_for_every_sampler_field_and_one_for_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    overhead.main()
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["median", "least", "most"]
    assert len(rows) == 7 + 3 + 1
    number = r"\s+-?\d+\.\d+"
    for row in rows:
        assert re.fullmatch(
            rf".{{22}}{number}{number}{number}   (us per evaluation|forward passes an entry|ms)",
            row,
        ), row
    assert rows[-1].startswith("training step")
