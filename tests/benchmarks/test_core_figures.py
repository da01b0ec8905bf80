"""What the training-free benchmarks show, what other libraries are measured by, and what is refused."""

import re
import tomllib
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from unnoise.benchmarks import cli
from unnoise.benchmarks.charts import svg
from unnoise.benchmarks.core import DOMAIN
from unnoise.benchmarks.core.accuracy import SAMPLER_NFE, Curves
from unnoise.benchmarks.core.cost import NAME, Cost, overhead
from unnoise.benchmarks.core.figures import bars, by_cost, peers, table
from unnoise.benchmarks.core.methods import SIGMA
from unnoise.benchmarks.peers import common, diffusers, flow_matching
from unnoise.benchmarks.peers.common import Mean
from unnoise.benchmarks.published import load
from unnoise.domains.task import Score

OURS: Curves = {
    "ours": {5: Score(0.05), 10: Score(0.02)},
    "another": {5: Score(40.0), 10: Score(0.1)},
}
PEERS = {"a peer": {5: 0.3, 10: 0.1}}


def lines(figure: Figure) -> dict[str, tuple[list[float], list[float], str]]:
    """What a figure's curves are, by name: x, y and style."""
    (axes,) = figure.axes
    return {
        str(line.get_label()): (
            list(line.get_xdata()), list(line.get_ydata()), str(line.get_linestyle())
        )
        for line in axes.lines
    }  # fmt: skip


def test_ours_are_solid_peers_dashed_and_exact_samples_dotted() -> None:
    figure = by_cost(OURS, PEERS, {"exact": 0.01}, "sliced W2", worst=1.0)
    drawn = lines(figure)
    assert drawn["ours"] == ([5, 10], [0.05, 0.02], "-")
    assert drawn["a peer"] == ([5, 10], [0.3, 0.1], "--")
    assert drawn["exact"][1:] == ([0.01, 0.01], ":")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5", "10"]
    bottom, top = axes.get_ylim()
    assert bottom < 0.01, "the floor is on the page"
    assert top == 1.0, "what is useless is not"
    assert "another" in svg(figure)


def test_no_two_methods_look_alike() -> None:
    curves = {f"method {k}": {5: Score(0.1 + k)} for k in range(20)}
    (axes,) = by_cost(curves, {f"peer {k}": {5: 1.0} for k in range(20)}, {}, "error").axes
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in axes.lines]
    assert len(set(looks)) == 40


def test_a_figure_without_peers_has_none() -> None:
    assert list(lines(by_cost(OURS, {}, {}, "error"))) == ["ours", "another"]


def test_peers_are_read_by_method_and_budget() -> None:
    found = peers("core/mixture-2", "sliced_w2")
    assert found["flow_matching / torchcfm, midpoint"] == {
        5: 0.1308, 10: 0.0424, 20: 0.0176, 50: 0.009,
    }  # fmt: skip
    assert all(set(points) == set(SAMPLER_NFE) for points in found.values())
    assert peers("core/mixture-64", "log_prob_error")[
        "flow_matching midpoint, exact divergence"
    ] == {100: 0.478}
    assert peers("core/digits-pca", "sliced_w2") == {}


def test_every_published_figure_is_of_a_metric_that_we_measure() -> None:
    for name, make in DOMAIN.items():
        assert {figure.metric for figure in load(f"core/{name}")} <= set(make().metrics)


def test_a_table_has_a_row_a_method_and_a_column_a_budget() -> None:
    rows = table({"W2": OURS, "RMSE": {"ours": {5: Score(0.5)}}})
    assert rows == {
        "ours": {"W2, 5 NFE": 0.05, "W2, 10 NFE": 0.02, "RMSE, 5 NFE": 0.5},
        "another": {"W2, 5 NFE": 40.0, "W2, 10 NFE": 0.1},
    }


def test_bars_stand_in_order_with_ours_first() -> None:
    (axes,) = bars({"ours": 2.0}, {"theirs": 3.0}, "µs").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ours", "theirs"]
    assert [patch.get_width() for patch in axes.patches] == [2.0, 3.0]  # type: ignore[attr-defined]


def test_the_cost_of_the_default_is_the_headline() -> None:
    task, cost = overhead(), Cost({"auto": 30.0, "Heun": 40.0}, 0.2)
    splits = task.data()
    scores = [metric.score(cost, splits) for metric in task.metrics.values()]
    assert scores == [Score(30.0), Score(0.2)]
    assert task.floor is not None
    free = task.floor(splits, task.presets["smoke"])
    assert [m.score(free, splits) for m in task.metrics.values()] == [Score(0.0), Score(0.0)]
    for draw in task.figures.values():
        figure = draw(cost, splits)
        assert figure is not None
        names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert set(names) & {figure.name for figure in load(NAME)}, "peers are beside ours"


@pytest.mark.parametrize("command", ["train", "sample", "likelihood"])
def test_commands_that_need_a_trained_model_say_that_there_is_none(
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    words = ["unnoise", command, "core/mixture-2", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "has no checkpoint; score it with: unnoise bench run core/mixture-2" in (
        capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


# --- other libraries --------------------------------------------------------------------------


def one_step(mean: Mean, noise: Tensor, budget: int) -> Tensor:
    """The coarsest sampler: the mean of all data, once."""
    return mean(SIGMA[1] * noise, 1.0, SIGMA[1])


def test_a_script_prints_what_the_reference_file_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    common.report({"one step": one_step}, "numpy")
    told = tomllib.loads(capsys.readouterr().out)
    assert told["name"] == "one step"
    assert list(told["value"]) == [str(nfe) for nfe in SAMPLER_NFE]
    assert len(set(told["value"].values())) == 1, "it is the same at every budget"
    assert told["value"]["5"] == pytest.approx(0.52, abs=0.05), "the data's standard deviation"


def test_a_sampler_that_overspends_is_refused() -> None:
    def greedy(mean: Mean, noise: Tensor, budget: int) -> Tensor:
        return torch.stack([mean(noise, 1.0, 1.0) for _ in range(budget + 1)])[0]

    with pytest.raises(RuntimeError, match="6 calls of the network, 5 were allowed"):
        common.report({"greedy": greedy}, "numpy")


def test_a_library_that_is_missing_is_named_with_its_remedy() -> None:
    with pytest.raises(SystemExit, match=re.escape("skipped: no_such is not installed; in an")):
        common.library("no_such.part", "no-such")


@pytest.mark.parametrize("script", [diffusers, flow_matching], ids=lambda m: m.__name__)
def test_scripts_skip_what_is_not_installed(
    script: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr(common.importlib, "import_module", missing)
    with pytest.raises(SystemExit, match="skipped: .* is not installed"):
        script.main()  # type: ignore[attr-defined]
