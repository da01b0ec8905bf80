"""Suites: every row is a run that exists."""

import pytest

from unnoise.benchmarks.suites import load_suite, suite_names
from unnoise.domains import make, task_names

ROWS = [(suite, *row) for suite in suite_names() for row in load_suite(suite)]


def test_the_documented_suites_are_there() -> None:
    assert suite_names() == ["cpu", "demo"]


@pytest.mark.parametrize(("suite", "task", "preset", "seed"), ROWS)
def test_every_row_names_a_task_and_a_preset(
    suite: str, task: str, preset: str, seed: int
) -> None:
    assert task in task_names()
    assert preset in make(task).presets
    assert seed >= 0


@pytest.mark.parametrize("suite", suite_names())
def test_no_row_is_named_twice(suite: str) -> None:
    rows = load_suite(suite)
    assert rows
    assert len(set(rows)) == len(rows)


def test_the_demo_takes_seconds_and_downloads_nothing() -> None:
    assert {preset for _, preset, _ in load_suite("demo")} == {"smoke"}
    assert "images/mnist" not in {task for task, _, _ in load_suite("demo")}


@pytest.mark.parametrize("name", ["", "grand", "demo.toml", "../suites/demo"])
def test_an_unknown_suite_is_told_the_known(name: str) -> None:
    with pytest.raises(ValueError, match=f"no suite '{name}'; known: cpu, demo"):
        load_suite(name)
