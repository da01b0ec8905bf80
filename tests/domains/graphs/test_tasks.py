"""Tasks of graphs: what is scored, shown and written."""

import json
import math
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.graphs import laws
from unnoise.domains.graphs.metrics import graph_mmd
from unnoise.domains.graphs.molecules import smiles, write_molecules
from unnoise.domains.graphs.outputs import model_graphs, random_graphs, real_graphs, written
from unnoise.domains.graphs.problem import GraphSet
from unnoise.domains.graphs.tasks import TASKS, graphs
from unnoise.domains.graphs.write import read_graphs
from unnoise.domains.task import Preset, Task

HOW = {"samples": 40, "nfe": 4, "draws": 4, "tests": 10, "sweep": 20, "costs": (2, 4)}
PRESETS = {"cpu": Preset(None, {"layers": 1, "width": 32}, HOW)}
SET = GraphSet(*(laws.community(n, np.random.default_rng(n)) for n in (60, 10, 50)), "own law")


@pytest.fixture(scope="module")
def task() -> Task:
    return graphs("communities", lambda: SET, "own law", "connected", PRESETS)


def test_an_untrained_model_makes_random_graphs(task: Task) -> None:
    """Its edges are independent: it lies where Erdős–Rényi graphs do, in MMD and in nats."""
    splits, preset = task.data(), PRESETS["cpu"]
    torch.manual_seed(0)
    outputs = task.generate(task.model(splits, preset).eval(), splits, preset, seeded(0))
    trivial = random_graphs(SET, preset)
    assert outputs.bound is not None and trivial.bound is not None
    gap = (outputs.bound.nats - trivial.bound.nats).mean()
    assert abs(float(gap)) < 4 * float(outputs.bound.stderr.square().mean().sqrt()) / math.sqrt(10)
    orbit = task.metrics["orbit_emd"]
    values = [orbit.score(o, splits).value for o in (outputs, trivial, real_graphs(SET, preset))]
    assert values[0] == pytest.approx(values[1], abs=0.3)
    assert values[2] < 0.2 * min(values[:2])


def test_random_graphs_have_the_density_and_the_sizes(task: Task) -> None:
    made = random_graphs(SET, Preset(None, {}, {"samples": 2_000})).graphs
    pairs = sum(len(g) * (len(g) - 1) / 2 for g in made)
    density = sum(g.number_of_edges() for g in made) / pairs
    of_train = sum(g.number_of_edges() for g in SET.train) / sum(
        len(g) * (len(g) - 1) / 2 for g in SET.train
    )
    assert density == pytest.approx(of_train, abs=5 * math.sqrt(0.25 / pairs) + 1e-3)
    assert {len(g) for g in made} == set(SET.sizes)


def test_a_name_says_what_was_compared(task: Task) -> None:
    assert task.metrics["orbit_emd"].title == "orbit, MMD² (emd), 40 graphs, test of own law"
    assert next(iter(task.metrics)) == "orbit_emd"
    assert {"connected", "valid", "unique", "novel", "vun", "degree_tv"} <= set(task.metrics)


def test_figures_and_tables_of_a_perfect_sampler(task: Task) -> None:
    splits, preset = task.data(), PRESETS["cpu"]
    real = real_graphs(SET, preset)
    between, cost, _ = task.tables.values()
    table = between(real, splits)
    row = table["orbit, emd"]
    assert row["samples"] == row["floor: training graphs"] == graph_mmd(SET.test, SET.train).value
    assert row["ratio to the floor"] == 1
    swept = replace(real, sweep={4: real.statistics, 8: real.statistics})
    shown = {title: draw(swept, splits) for title, draw in task.figures.items()}
    assert len(shown["Quality against cost"].axes) == 4
    line = shown["Quality against cost"].axes[2].lines[0]
    assert line.get_ydata().tolist() == [row["samples"]] * 2
    assert task.figures["Quality against cost"](real, splits) is None
    assert cost(real, splits) is None
    assert cost(swept, splits)["8 evaluations"]["orbit"] == row["samples"]
    assert len(shown["Graphs"].axes) == 16


def test_random_networks_tell_a_perfect_sampler_from_random_graphs(task: Task) -> None:
    judge = task.tables["Random graph networks"]
    perfect, trivial = (
        judge(o, task.data())
        for o in (real_graphs(SET, PRESETS["cpu"]), random_graphs(SET, PRESETS["cpu"]))
    )
    assert perfect is not None and trivial is not None
    assert all(row["samples"] == row["floor: training graphs"] for row in perfect.values())
    lower = {"mmd": True, "precision": False, "density": False, "coverage": False}
    for name, less in lower.items():
        one, other = perfect[name]["samples"], trivial[name]["samples"]
        assert one is not None and other is not None
        assert (one < other) == less, name
    few = replace(real_graphs(SET, PRESETS["cpu"]), graphs=SET.train[:3])
    assert judge(few, task.data()) is None


def test_states_that_are_cut_are_written_as_graphs(task: Task, tmp_path: Path) -> None:
    splits = task.data()
    assert splits.test.mask is not None and task.write is not None
    states = splits.test.x.masked_fill(~splits.test.mask, -1)
    assert all(
        nx.utils.graphs_equal(a, b) for a, b in zip(written(SET, states), SET.test, strict=True)
    )
    task.write(states[:3], tmp_path / "some.json")
    assert [len(g) for g in read_graphs(tmp_path / "some.json")] == [len(g) for g in SET.test[:3]]
    assert isinstance(json.loads((tmp_path / "some.json").read_text()), list)


def test_empty_states_are_of_the_training_sizes(task: Task) -> None:
    assert task.empty is not None
    batch = task.empty(4_000, seeded(0))
    assert batch.mask is not None
    pairs = batch.mask.sum(1)
    for n, many in SET.sizes.items():
        share = float((pairs == n * (n - 1) // 2).double().mean())
        assert share == pytest.approx(many / 60, abs=5 * math.sqrt(0.25 / 4_000))


def test_a_sample_of_a_task_is_one_of_the_model(task: Task) -> None:
    splits, preset = task.data(), PRESETS["cpu"]
    model = task.model(splits, preset).eval()
    a, b = (model_graphs(model, SET, splits, preset, seeded(k)) for k in (1, 1))
    assert all(nx.utils.graphs_equal(x, y) for x, y in zip(a.graphs, b.graphs, strict=True))
    assert set(a.sweep) == {2, 4}


def test_every_own_law_is_of_its_family() -> None:
    for name in ("community-small", "trees"):
        assert "own law" in TASKS[name]().metrics["orbit_emd"].title


def test_molecules_are_written_as_smiles(tmp_path: Path) -> None:
    pytest.importorskip("rdkit", reason="rdkit is not installed: pip install 'unnoise[molecules]'")
    ethanal = nx.Graph()
    ethanal.add_nodes_from([(0, {"kind": "C"}), (1, {"kind": "C"}), (2, {"kind": "O"})])
    ethanal.add_edges_from([(0, 1, {"kind": 1}), (1, 2, {"kind": 2})])
    impossible = ethanal.copy()
    impossible.edges[1, 2]["kind"] = 3
    assert smiles(ethanal) == "CC=O"
    assert smiles(impossible) is None
    write_molecules([ethanal, impossible], tmp_path / "some.smi")
    assert (tmp_path / "some.smi").read_text() == "CC=O\n\n"
