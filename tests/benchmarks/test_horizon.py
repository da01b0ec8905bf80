"""The horizon's command on a task whose model is exact: what it finds, draws and writes."""

import json
import math
import re
import statistics
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
import typer
from torch import Tensor, nn
from typer.testing import CliRunner

from unnoise.benchmarks import horizon, quality
from unnoise.benchmarks.quality import METRICS, Quality, floors, measure
from unnoise.benchmarks.records import Record, append, latest, read
from unnoise.benchmarks.runner import Run
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Karras, MeanDenoiser
from unnoise.core.horizon import horizon as find
from unnoise.core.model import Model
from unnoise.core.prior import FullGaussian
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import Cosine
from unnoise.core.transform import Affine
from unnoise.domains.task import Metric, Preset, Score, Splits, Task

STD = 0.3


class Nothing(nn.Module):
    """Karras' preconditioning alone is exact for N(0, STD^2): the network has nothing to add."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return self.weight * x


def load() -> Splits:
    points = STD * normal(torch.empty(3000, 2), seeded(0))
    labels = {"label": torch.zeros(1000, dtype=torch.long)}
    return Splits(*(Batch(part, cond=labels) for part in points.split(1000)), Affine())


def exact(splits: Splits, preset: Preset) -> Model:
    return Model(Gaussian(Cosine(12.0, -9.0)), MeanDenoiser(Nothing(), Karras(STD)), (2,))


def error(outputs: Any, splits: Splits) -> Score:
    return Score(abs(outputs.images.std().item() / STD - 1))


TASK = Task(
    "a Gaussian",
    data=load,
    model=exact,
    generate=lambda *_: None,
    metrics={name: Metric(error, "lower", f"error of the spread ({name})") for name in METRICS},
    presets={"smoke": Preset(None)},  # type: ignore[arg-type]
)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs it on the task above, with two priors and three ends."""
    kinds = {"standard": None, "Gaussian": lambda: FullGaussian((2,))}
    monkeypatch.setattr(horizon, "make", lambda name: TASK)
    monkeypatch.setattr(
        horizon, "train", lambda run, task, splits, **_: exact(splits, TASK.presets["smoke"])
    )
    monkeypatch.setattr(horizon, "priors", lambda shape: kinds)
    monkeypatch.setattr(horizon, "TIMES", (0.2, 0.5, 1.0))
    monkeypatch.setattr(horizon, "NFE", (4, 8))
    app = typer.Typer()
    app.command()(horizon.main)

    def run(*words: str) -> tuple[str, Path]:
        told = CliRunner().invoke(app, ["toy", "--out", str(tmp_path), *words])
        if told.exception is not None:
            raise told.exception
        return told.output, tmp_path / "toy" / "smoke" / "seed-0"

    return run


def test_the_command_finds_that_a_gaussian_needs_no_long_path(command: Any) -> None:
    """-E log p = log(2 pi e STD^2) at every T with the Gaussian prior, and more at T < 1 with N(0, I)."""
    said, folder = command()
    told = json.loads((folder / "horizon.json").read_text())
    entropy = math.log(2 * math.pi * math.e * STD**2)
    fitted, standard = (told["priors"][name] for name in ("Gaussian", "standard"))
    for value, stderr in zip(fitted["nats"], fitted["stderr"], strict=True):
        assert value == pytest.approx(entropy, abs=4 * stderr)
    assert told["times"] == pytest.approx([0.2, 0.5, 1.0])
    assert standard["best"] == standard["shortest"] == 1.0
    (own,) = exact(load(), TASK.presets["smoke"]).until(0.2).process.schedule.levels(torch.ones(1))
    variance = (own.alpha * STD) ** 2 + own.sigma**2
    mismatch = variance - 1 - math.log(variance)  # two entries, half of this each
    assert standard["excess"][0] == pytest.approx(
        mismatch, abs=4 * standard["excess_stderr"][0] + 2e-3
    )
    fit = 2 * (2 + 3) / (4 * 1000)  # KL of a Gaussian of d = 2 from 1000 items: d (d + 3) / 4n
    for gap, stderr in zip(fitted["excess"], fitted["excess_stderr"], strict=True):
        assert gap <= 4 * (stderr + fit) < mismatch
    assert ElementTree.parse(folder / "horizon.svg").getroot().tag.endswith("svg")
    assert re.search(r"0\.50 .*± ", said)
    assert not (folder / "quality.json").exists()


def test_quality_is_measured_from_every_start(command: Any) -> None:
    said, folder = command("--quality", "--samples", "40", "--seeds", "2")
    rows = [Quality(**row) for row in json.loads((folder / "quality.json").read_text())]
    made = [row for row in rows if row.start != "floor"]
    starts = {row.start for row in made}
    assert "standard, T = 1" in starts
    assert any(start.startswith("Gaussian, T = ") for start in starts)
    assert {row.solver for row in made} == set(quality.SOLVERS)
    assert len(made) == len(starts) * len(quality.SOLVERS) * len(METRICS) * 2
    assert all(len(row.values) == 2 for row in rows)
    assert len(rows) - len(made) == len(METRICS)
    assert ElementTree.parse(folder / "quality.svg").getroot().tag.endswith("svg")
    assert "40 samples, 2 seeds" in said


def test_a_short_path_with_its_prior_draws_the_data() -> None:
    """From T = .2 the spread is right with the fitted Gaussian, and far too large from N(0, I)."""
    splits = load()
    model = exact(splits, TASK.presets["smoke"])
    fitted = model.until(0.2, FullGaussian((2,)))
    fitted.fit_prior(splits.train, 8, seeded(0))
    ends = {"fitted": fitted, "standard": model.until(0.2)}
    points = list(measure(TASK, splits, ends, 2000, [0, 1], [16]))
    for point in points:
        assert point.mean < 0.06 if point.start == "fitted" else point.mean > 0.3


def test_the_starts_are_the_ends_that_the_bound_prefers(command: Any) -> None:
    splits = load()
    model = exact(splits, TASK.presets["smoke"])
    found = find(model, splits.train, splits.valid, horizon.priors((2,)), (0.2, 0.5, 1.0))
    made = horizon.starts(model, splits, found, 0)
    for name, start in made.items():
        time = float(name.split("= ")[1])
        end = model.until(time).process.schedule.log_snr_min
        assert start.process.schedule.log_snr_min == pytest.approx(end, abs=1e-5)
        assert (start.prior is None) == name.startswith("standard")


def test_floors_are_other_training_items_for_every_seed() -> None:
    low = floors(TASK, load(), 500, [0, 1, 2])
    assert [p.metric for p in low] == list(METRICS)
    assert all(len(set(p.values)) == 3 and p.mean < 0.1 for p in low)


def test_the_spread_is_that_over_seeds() -> None:
    values = (1.0, 2.0, 4.0)
    point = Quality("a", "b", 4, "c", values)
    assert (point.mean, point.spread) == (statistics.fmean(values), statistics.stdev(values))
    assert math.isnan(Quality("a", "b", 4, "c", (1.0,)).spread)


def test_quality_is_refused_where_there_are_no_images(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is trained or measured."""
    other = Task("none", load, exact, lambda *_: None, {}, TASK.presets)
    monkeypatch.setattr(horizon, "make", lambda name: other)
    with pytest.raises(ValueError, match="lacks fid_own, kid_random, sliced_w2"):
        command("--quality")


def test_figures_join_the_record_of_the_run(tmp_path: Path) -> None:
    run = Run("images/digits", "smoke", 3, tmp_path)
    horizon._show(run, {"a figure": "horizon"})  # no record, nothing to do
    assert not run.records.exists()
    record = Record(run.task, run.preset, run.seed, {}, None, 1.0, 2, 3, {}, None, figures={"old": "old.svg"})  # fmt: skip
    append(run.records, record)
    horizon._show(run, {"a figure": "horizon"})
    (told,) = latest(read(run.records))
    assert told.figures == {"old": "old.svg", "a figure": "images/digits/smoke/seed-3/horizon.svg"}
