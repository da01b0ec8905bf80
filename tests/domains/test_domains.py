"""Domains are found, named and complete, our own and a stranger's alike."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

import pytest

from unnoise import domains
from unnoise.core.random import seeded
from unnoise.domains import MissingExtra, UnknownTask, make, task_names, unavailable
from unnoise.domains.task import Splits
from unnoise.domains.timeseries import learned, problem
from unnoise.domains.timeseries.reference import fit_reference

PLUG_IN = Path(__file__).parents[2] / "examples" / "rings" / "unnoise_rings.py"
TASKS = task_names()
PLACED = (
    "mnist",
    "debd/",
    "bayesnet/",
    "mushroom",
    "car",
    "breast-cancer",
    "text/",
    "jsb",
    "adult",
    "community-small/",
    "ego-small",
    "enzymes",
    "planar",
    "sbm",
    "graphs/grid",
    "qm9",
    "aqi36",
    "physionet2012",
    "air-quality",
    "pbcseq",
    "timeseries/exchange",
    "etth1",
    "vic-elec",
    "speech16k",
    "vbdmd",
    "audio/reverb",
)  # in $UNNOISE_DATA

installed = pytest.mark.skipif(
    "rings/two-moons" not in TASKS,
    reason="the plug-in isn't installed: pip install --no-deps ./examples/rings",
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """References of time series from a few windows and one round: the fit itself has tests of its own."""
    quick = partial(fit_reference, points=64, rounds=1)
    monkeypatch.setattr(
        learned, "fit_reference", lambda x, mask, t, tau, **_: quick(x, mask, t, tau)
    )
    problem.fitted_reference.cache_clear()
    yield
    problem.fitted_reference.cache_clear()


@pytest.fixture
def few() -> Callable[[str], Splits]:
    """The first rows of a task's data, if they can be had without a download."""

    def load(name: str) -> Splits:
        if any(each in name for each in PLACED) and not os.environ.get("UNNOISE_DATA"):
            pytest.skip(f"the data of {name} lie in $UNNOISE_DATA, which is not set")
        if name == "audio/voicebank-demand":
            pytest.skip(f"the data of {name} are not ours to pass on; it has tests of its own")
        splits = make(name).data()
        return replace(
            splits,
            **{p: getattr(splits, p).rows(slice(500)) for p in ("train", "valid", "test")},
        )

    return load


@pytest.mark.parametrize(
    "name", ["core/mixture-2", "images/digits", "images/mnist", "categorical/graycode/2spirals"]
)
def test_our_tasks_are_found(name: str) -> None:
    assert name in TASKS
    assert sorted(TASKS) == TASKS


@installed
def test_a_strangers_task_is_found_with_ours() -> None:
    assert "rings/two-moons" in TASKS


def test_a_strangers_modality_takes_less_than_sixty_lines() -> None:
    assert len(PLUG_IN.read_text().splitlines()) < 60


@installed
def test_a_strangers_untrained_model_can_be_scored(few: Callable[[str], Splits]) -> None:
    task, splits = make("rings/two-moons"), few("rings/two-moons")
    preset = task.presets["smoke"]
    assert task.floor is not None
    assert task.baseline is not None
    made = task.generate(task.model(splits, preset), splits, preset, seeded(0))
    floor, untrained, baseline = (
        task.metrics["sliced_w2"].score(outputs, splits)
        for outputs in (task.floor(splits, preset), made, task.baseline(splits, preset))
    )
    assert floor is not None
    assert untrained is not None
    assert baseline is not None
    assert floor.value < 0.5 * min(untrained.value, baseline.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("images/digitz", "images/digits"),
        ("image/mnist", "images/mnist"),
        ("digits", "images/digits"),
    ],
)
def test_an_unknown_task_is_told_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownTask, match=f"no task '{name}'; did you mean {near}\\? Known: "):
        make(name)


@pytest.mark.parametrize("name", ["", "/", "images", "images/", "qqqqqqqqqqqq"])
def test_a_name_like_no_other_is_told_all(name: str) -> None:
    with pytest.raises(UnknownTask) as caught:
        make(name)
    assert str(caught.value).endswith(f" Known: {', '.join(TASKS)}")


def test_a_domain_that_lacks_a_package_says_so_and_harms_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = [
        EntryPoint("lame", "no_such_module:DOMAIN [extra]", domains.GROUP),
        EntryPoint("images", "unnoise.domains.images:DOMAIN", domains.GROUP),
    ]
    monkeypatch.setattr(domains, "entry_points", lambda group: points)
    line = "lame: no_such_module is not installed; pip install 'unnoise[extra]'"
    assert task_names() == ["images/digits", "images/mnist"]
    assert unavailable() == {"lame": line}
    assert make("images/digits").summary
    with pytest.raises(MissingExtra) as caught:
        make("lame/task")
    assert str(caught.value) == line


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_complete(name: str) -> None:
    task = make(name)
    assert task.summary
    assert "smoke" in task.presets
    assert task.metrics
    for metric in task.metrics.values():
        assert metric.title
        assert metric.direction in ("lower", "higher")
        assert metric.kind in ("exact", "upper bound", "lower bound", "estimate")
    assert task.floor is not None or task.baseline is not None, "a figure needs a reference"
    assert (task.write is None) == (not task.formats)


@pytest.mark.parametrize("name", TASKS)
def test_every_preset_fits_its_task(name: str, few: Callable[[str], Splits]) -> None:
    task, splits = make(name), few(name)
    for preset in task.presets.values():
        assert task.model(splits, preset).shape == splits.train.x.shape[1:]


@pytest.mark.parametrize("name", TASKS)
def test_a_baseline_has_every_row_of_its_task(name: str, few: Callable[[str], Splits]) -> None:
    """The classifier's rows are left out: they would train it; and so is PESQ, where it isn't installed."""
    no_pesq = find_spec("pesq") is None
    task, splits = make(name), few(name)
    if task.baseline is not None:
        made = task.baseline(splits, task.presets["smoke"])
        for key, metric in task.metrics.items():
            if "classifi" not in metric.title and not (key == "pesq" and no_pesq):
                score = metric.score(made, splits)
                assert score is not None
                assert math.isfinite(score.value)
