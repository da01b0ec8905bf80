"""Outputs of tasks of time series: what they must rank like, and what they must be exactly."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Kind, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import seeded
from unnoise.domains.task import Preset, Task
from unnoise.domains.timeseries import DOMAIN, problem
from unnoise.domains.timeseries.frames import Wide
from unnoise.domains.timeseries.outputs import (
    Drawn,
    in_data_units,
    model_answers,
    reference_answers,
    rival_answers,
)
from unnoise.domains.timeseries.problem import Exam, SeriesSet
from unnoise.domains.timeseries.scores import forecast_metrics, rivals
from unnoise.domains.timeseries.standard import Standard
from unnoise.domains.timeseries.tasks.common import bound, exam_task, model_of
from unnoise.domains.timeseries.tasks.forecasting import Horizon, forecasts

TINY = {"width": 16, "layers": 1}
HOW = Preset(None, TINY, {"samples": 200, "nfe": 8, "rivals": ("last value",)})
CUT = Horizon(4, 12, 6, 2, season=6, recent=50, cycles=2)


def walk() -> pd.DataFrame:
    """Two channels that share most of their steps, and return slowly to their mean."""
    rng, x = np.random.default_rng(0), np.zeros((400, 2))
    for k in range(1, len(x)):
        x[k] = 0.95 * x[k - 1] + rng.standard_normal() + 0.3 * rng.standard_normal(2)
    return pd.DataFrame(x, pd.date_range("2020", periods=400, freq="W"), columns=["a", "b"])


@pytest.fixture(scope="module")
def data() -> SeriesSet:
    return forecasts(walk(), Wide(), CUT, "a walk")


@pytest.fixture(scope="module")
def task(data: SeriesSet) -> Task:
    metrics = forecast_metrics(lambda: data, "a walk", "", True)
    return exam_task("a walk", lambda: data, metrics, {"cpu": HOW}, "last value")


@pytest.fixture(scope="module")
def model(data: SeriesSet) -> Model:
    torch.manual_seed(0)
    return model_of(data, HOW).eval()


def perfect(data: SeriesSet, samples: int = 20) -> Drawn:
    truth = data.judged(np.where(data.test.asked, data.test.values, 0.0))
    return Drawn(np.repeat(truth[None], samples, 0))


def test_the_truth_has_no_error(data: SeriesSet, task: Task) -> None:
    splits = task.data()
    scores = {name: m.score(perfect(data), splits) for name, m in task.metrics.items()}
    for name in ("crps", "mae", "rmse", "sample_crps", "energy", "crps_sum", "nd"):
        assert scores[name].value == pytest.approx(0, abs=1e-6)


def test_figures_are_in_the_units_of_the_data(data: SeriesSet, task: Task) -> None:
    moved = perfect(data)
    moved = replace(moved, samples=moved.samples + np.float32(0.5))
    assert task.metrics["mae"].score(moved, task.data()).value == pytest.approx(0.5, abs=1e-6)
    root = math.sqrt(sum((0.5 / s) ** 2 for s in data.spread) * CUT.steps)
    assert task.metrics["energy"].score(moved, task.data()).value == pytest.approx(root, rel=1e-5)


def test_an_untrained_model_answers_as_its_reference(data: SeriesSet, model: Model) -> None:
    """Each entry has the reference's law N(m, s^2): means and deviations of 200 draws agree."""
    batch = data.test.batch
    assert batch.observed is not None and batch.coords is not None
    mean, std = data.reference(batch.x.double(), batch.observed, batch.coords)
    drawn = model_answers(model, data, data.test, HOW, seeded(0)).samples
    z = torch.from_numpy(data.units.encode(drawn.astype(np.float64)))
    z = ((z - mean) / std)[:, torch.from_numpy(data.test.asked)]
    assert float(z.mean(0).abs().max()) < 4.5 / math.sqrt(200)
    assert float(z.std()) == pytest.approx(1, abs=0.03)


def test_draws_of_the_reference_have_its_law(data: SeriesSet) -> None:
    batch = data.test.batch
    assert batch.observed is not None and batch.coords is not None
    mean, std = data.reference(batch.x.double(), batch.observed, batch.coords)
    z = torch.from_numpy(
        data.units.encode(reference_answers(data, data.test, HOW).samples.astype(float))
    )
    z = ((z - mean) / std)[:, torch.from_numpy(data.test.asked)]
    assert float(z.mean(0).abs().max()) < 4.5 / math.sqrt(200)
    assert float(z.std()) == pytest.approx(1, abs=0.03)


def test_the_truth_beats_the_reference_and_that_a_point(data: SeriesSet, task: Task) -> None:
    outputs = [
        perfect(data),
        reference_answers(data, data.test, HOW),
        rival_answers(data, data.test, HOW, "last value"),
    ]
    for name in ("sample_crps", "energy"):
        values = [task.metrics[name].score(o, task.data()).value for o in outputs]
        assert values == sorted(values)


def test_a_point_has_an_interval_without_width(data: SeriesSet, task: Task) -> None:
    assert task.baseline is not None
    outputs, splits = task.baseline(task.data(), HOW), task.data()
    asked = outputs.samples[:, data.test.asked]
    assert (asked == asked[:1]).all()
    value = {name: m.score(outputs, splits).value for name, m in task.metrics.items()}
    assert value["coverage_90"] == 0
    assert value["crps"] == pytest.approx(value["nd"])
    assert value["sample_crps"] == pytest.approx(value["mae"])
    few = Drawn(outputs.samples[:18])
    assert task.metrics["coverage_90"].score(few, splits) is None


def test_tables_and_figures_are_of_the_windows_that_were_answered(
    data: SeriesSet, task: Task, model: Model
) -> None:
    generate = {**HOW.generate, "samples": 20, "windows": 2, "nfe": 4, "costs": (2, 4)}
    preset, splits = Preset(None, TINY, generate), task.data()
    outputs = task.generate(model, splits, preset, seeded(0))
    again = task.generate(model, splits, preset, seeded(0))
    assert (outputs.samples == again.samples).all()
    assert outputs.samples.shape == (20, 2, 16, 2)
    table = task.tables["Rivals"](outputs, splits)
    assert list(table) == ["this model", "reference law (multitask OU-GP)", "last value"]
    crps = task.metrics["crps"].score(outputs, splits).value
    assert table["this model"]["CRPS"] == crps
    cost = task.tables["Quality against cost"](outputs, splits)
    assert cost["4 evaluations"]["CRPS"] == crps
    assert cost["2 evaluations"]["CRPS"] != crps
    shown = {title: draw(outputs, splits) for title, draw in task.figures.items()}
    assert len(shown["Answers"].axes) == 4
    line = shown["Quality against cost"].axes[0].lines[0]
    assert line.get_ydata().tolist() == [row["CRPS"] for row in cost.values()]
    assert task.figures["Quality against cost"](perfect(data), splits) is None


def test_a_sum_over_channels_is_shown_where_the_windows_that_were_answered_have_one(
    data: SeriesSet,
) -> None:
    """Of two windows in six, the first and the last, one channel is asked for."""
    batch = data.test.batch
    assert batch.mask is not None and batch.observed is not None
    mask = batch.mask.clone()
    mask[[0, -1], :, 0] = batch.observed[[0, -1], :, 0]
    few = replace(data, test=Exam(batch.replace(mask=mask), data.test.values))
    for windows, shown in ((None, True), (2, False)):
        generate = {**HOW.generate, "samples": 20, "windows": windows}
        answers = reference_answers(few, few.test, Preset(None, generate=generate))
        answers = replace(answers, rivals=("last value",))
        table = rivals(lambda: few, answers, few.splits())
        assert [("CRPS-sum" in row) for row in table.values()] == [shown] * 3


def test_a_model_of_a_checkpoint_has_its_law_and_fits_none(
    data: SeriesSet, task: Task, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the scale of its noise, which no weight holds, is chosen by that law again."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("the law is fitted again")

    file = tmp_path / "model.safetensors"
    model.save(file)
    monkeypatch.setattr(problem, "fitted_reference", refuse)
    assert task.saved is not None
    again = task.saved(task.data(), HOW, file)
    again.load(file)
    own, read = model.state_dict(), again.state_dict()
    assert read.keys() == own.keys()
    assert all(torch.equal(read[k], own[k]) for k in own)
    assert again.process.noise.correlation == model.process.noise.correlation
    assert again.objective.pattern == model.objective.pattern


def test_a_stretched_unit_costs_its_log_an_entry(data: SeriesSet) -> None:
    units = data.units
    wide = replace(data, units=Standard(units.mean, 2 * units.std, units.amount))
    zero = torch.zeros(len(data.test))
    found = LikelihoodResult(zero, zero + 1, Kind.EXACT, zero, 0)
    gap = in_data_units(found, data, data.test).nats - in_data_units(found, wide, data.test).nats
    asked = torch.from_numpy(data.test.asked.sum((1, 2))).double()
    torch.testing.assert_close(gap, asked * math.log(2))


def test_the_bound_of_the_command_line_is_that_of_windows(data: SeriesSet, model: Model) -> None:
    batch = data.test.batch
    found = bound(model, batch, 4, seeded(0))
    assert found.dims.tolist() == data.test.asked.sum((1, 2)).tolist()
    free: Batch = batch.replace(observed=None)
    assert bound(model, free, 4, seeded(0)).dims.tolist() == [32.0] * 6


def test_the_command_line_has_no_question(task: Task) -> None:
    assert task.empty is not None
    with pytest.raises(ValueError, match="sample: series are answers to questions; ask with"):
        task.empty(1, seeded(0))


@pytest.mark.parametrize("name", DOMAIN)
def test_every_task_has_three_budgets_and_its_figure_first(name: str) -> None:
    made = DOMAIN[name]()
    assert list(made.presets) == ["smoke", "cpu", "paper"]
    law = name.removesuffix("/irregular")
    first = "log_prob_per_step" if law in ("ou", "cir") else "mmd"
    laws = ("ou", "cir", "lorenz", "predator-prey", "sine", "sink")
    assert next(iter(made.metrics)) == (first if law in laws else "crps")
    assert (made.floor is not None) == (law in laws)
