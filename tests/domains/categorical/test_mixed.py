"""Tasks of mixed tables: what is scored, on a table whose law is known, and from the command line."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from unnoise.benchmarks.cli import app
from unnoise.benchmarks.runner import build
from unnoise.core.random import seeded
from unnoise.core.training import Fit, fit
from unnoise.domains.categorical.synthetic import MixedTable
from unnoise.domains.categorical.table import Numeric
from unnoise.domains.categorical.tasks.mixed import adult, anes96, mixed
from unnoise.domains.task import Preset, Task

N = 3_000
SCALE = 0.5
GENERATE = {"samples": 2_000, "draws": 16, "tests": 500, "fill": 300, "fills": 16}
HOW = Preset(
    Fit(400, batch=256, lr=4e-3, warmup=20, ema=0.98), {"width": 64, "blocks": 1}, GENERATE
)


def rows(n: int, seed: int) -> pd.DataFrame:
    """A fair label that a letter names, and a number about it."""
    rng = np.random.default_rng(seed)
    label = rng.integers(2, size=n)
    number = 2.0 * label + SCALE * rng.normal(size=n)
    return pd.DataFrame(
        {"number": number, "letter": np.array(["a", "b"])[label], "label": label.astype(str)}
    )


TABLE = MixedTable(rows(N, 0), rows(100, 1), rows(1_000, 2), "label", {"number": Numeric()})
ENTROPY = math.log(2) + 0.5 * math.log(2 * math.pi * math.e * SCALE**2)


@pytest.fixture(scope="module")
def task() -> Task:
    return mixed("a label, its letter and a number", lambda: TABLE, {"smoke": HOW})


def test_a_trained_model_knows_the_label_and_the_entropy(task: Task) -> None:
    splits = task.data()
    model = build(task, splits, HOW, 0)
    fit(model, splits.train, HOW.fit or Fit(1), progress=False)
    outputs = task.generate(model.eval(), splits, HOW, seeded(0))
    score = {name: metric.score(outputs, splits) for name, metric in task.metrics.items()}
    assert score["nats_per_row"].value == pytest.approx(ENTROPY, abs=0.2)
    assert score["imputed_auc"].value > 0.99
    assert score["classifier_auc"].value > 0.99
    real = task.metrics["column_tv"].score(task.floor(splits, HOW), splits)
    assert score["column_tv"].value < real.value + 0.05
    assert list(outputs.frame.columns) == list(TABLE.train.columns)


def test_independent_columns_cost_the_sum_of_their_entropies(task: Task) -> None:
    splits = task.data()
    trivial = task.baseline(splits, HOW)
    score = {name: metric.score(trivial, splits) for name, metric in task.metrics.items()}
    x = np.linspace(-4, 6, 20_001)
    density = sum(np.exp(-0.5 * ((x - m) / SCALE) ** 2) for m in (0, 2)) / (
        2 * SCALE * math.sqrt(2 * math.pi)
    )
    number = -float(np.trapezoid(density * np.log(density), x))
    assert score["nats_per_row"].value == pytest.approx(2 * math.log(2) + number, abs=0.06)
    assert score["classifier_auc"].value < 0.9  # half, but for what the trees make of chance
    assert score["column_tv"].value < 0.06
    # a pair of columns that name each other: two cells of four, half a distance
    real = task.floor(splits, HOW)
    assert task.metrics["pair_tv"].score(real, splits).value < 0.1
    assert score["pair_tv"].value > 0.3
    assert task.metrics["nats_per_row"].score(real, splits) is None


def test_the_tables_of_every_column_and_files(task: Task, tmp_path: Path) -> None:
    splits = task.data()
    real = task.floor(splits, HOW)
    (table,) = (fill(real, splits) for fill in task.tables.values())
    assert list(table) == ["number", "letter", "label"]
    assert all(row["samples"] < 0.1 for row in table.values())
    states = splits.test.x[:5].clone()
    states[:, 0] = torch.special.ndtri(states[:, 0])
    task.write(states, tmp_path / "deep" / "rows.csv")
    read = pd.read_csv(tmp_path / "deep" / "rows.csv", dtype={"label": str})
    pd.testing.assert_frame_equal(read, TABLE.test[:5], rtol=1e-6)


def test_the_survey_is_split_whole() -> None:
    table = anes96()
    assert [len(part) for part in (table.train, table.valid, table.test)] == [660, 95, 189]
    assert set(table.test["vote"]) == {"0", "1"}
    splits = table.splits()
    assert splits.test.x.shape == (189, 12)  # two numbers have a code beside them


def test_adult_is_split_as_published(raw: Path) -> None:
    table = adult()
    assert [len(part) for part in (table.train, table.valid, table.test)] == [
        30_000,
        2_561,
        16_281,
    ]
    assert (table.test["income"] == table.positive).mean() == pytest.approx(0.2362, abs=5e-5)
    table.splits()  # no level or number of the test rows is strange


def test_a_mixed_table_from_the_command_line(tmp_path: Path) -> None:
    run = CliRunner().invoke
    where, name = ["--out", str(tmp_path), "--quiet"], "categorical/anes96"
    assert run(app, ["train", name, *where]).exit_code == 0
    path = tmp_path / "rows.csv"
    assert (
        run(app, ["sample", name, "-n", "60", "--nfe", "8", "-o", str(path), *where]).exit_code
        == 0
    )
    made = pd.read_csv(path, dtype=str)
    assert made.shape == (60, 10)
    assert set(made["PID"]) <= set(anes96().train["PID"])
    told = run(app, ["likelihood", name, "-n", "20", "--draws", "16", *where])
    assert "20 test items, 10 dims, 24 evaluations each" in told.output
    assert 15 < float(told.output.split("bits/dim")[1].split("±")[0]) * -1 < 30
    refused = run(app, ["likelihood", name, "--method", "ordered", *where])
    assert refused.exit_code != 0
    assert "there is the bound only" in refused.output + str(refused.exception)
