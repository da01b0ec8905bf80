"""Tasks whose states aren't all of one form, from the command line."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from unnoise.benchmarks.cli import app
from unnoise.core.training import Fit
from unnoise.domains import graphs
from unnoise.domains.graphs import laws
from unnoise.domains.graphs.problem import GraphSet
from unnoise.domains.graphs.tasks import graphs as make_task
from unnoise.domains.graphs.write import read_graphs
from unnoise.domains.task import Preset

SET = GraphSet(*(laws.community(n, np.random.default_rng(n)) for n in (40, 8, 8)), "own law")
SMALL = Preset(
    Fit(2, batch=8, warmup=1, ema=0.5, log_every=1),
    {"layers": 1, "width": 32},
    {"samples": 8, "nfe": 2, "draws": 2, "tests": 4},
)


def test_graphs_of_the_training_sizes_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task("few", lambda: SET, "own law", "connected", {"smoke": SMALL, "cpu": SMALL})
    monkeypatch.setitem(graphs.DOMAIN, "community-small", lambda: task)
    run, out = CliRunner().invoke, ["--out", str(tmp_path), "--quiet"]
    assert run(app, ["train", "graphs/community-small", *out]).exit_code == 0
    path = tmp_path / "some.json"
    told = run(app, ["sample", "graphs/community-small", "-n", "30", "-o", str(path), *out])
    assert told.exit_code == 0, told.output
    sizes = [len(g) for g in read_graphs(path)]
    assert len(sizes) == 30
    assert set(sizes) <= set(SET.sizes)
    assert len(set(sizes)) > 2
