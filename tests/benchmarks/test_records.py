"""Records: what is written is read, and what a crash leaves behind costs one run at most."""

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unnoise.benchmarks.records import Measurement, Record, append, latest, read

BITS = Measurement(1.9, 0.01, "bits/dim", "lower", "upper bound", "Bits per dimension", 1.5, 2.4)
RECORD = Record(
    task="images/digits",
    preset="cpu",
    seed=0,
    metrics={"bits_per_dim": BITS},
    nfe=128,
    train_seconds=61.5,
    parameters=1000,
    steps=200,
    versions={"torch": "2.8"},
    commit="abc",
    settings={"widths": [1, 2], "ünïcode": None},
    figures={"Samples": "figures/samples.svg"},
    tables={"Every sampler": {"Heun": {"5 NFE": 0.25, "10 NFE": 0.125}}},
    sounds={"0 dB": {"noisy": "sounds/0-db-noisy.wav"}},
    history="history.jsonl",
    when="2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "records.jsonl"


def test_written_is_read(path: Path) -> None:
    other = replace(RECORD, seed=1, nfe=None, commit=None, history=None, figures={}, settings={})
    append(path, RECORD)
    append(path, other)
    assert read(path) == [RECORD, other]
    assert len(path.read_bytes().splitlines()) == 2


def test_keys_of_the_file(path: Path) -> None:
    """Others read this file: its keys are an interface."""
    append(path, RECORD)
    content = json.loads(path.read_text())
    assert ", ".join(content) == (
        "task, preset, seed, metrics, nfe, train_seconds, parameters, steps, versions, commit, "
        "settings, figures, tables, sounds, history, when"
    )
    assert content["metrics"]["bits_per_dim"] == {
        "value": 1.9,
        "stderr": 0.01,
        "unit": "bits/dim",
        "direction": "lower",
        "kind": "upper bound",
        "title": "Bits per dimension",
        "floor": 1.5,
        "baseline": 2.4,
    }


@pytest.mark.parametrize("number", [math.nan, math.inf, None])
def test_a_table_may_have_gaps(path: Path, number: float | None) -> None:
    append(path, replace(RECORD, tables={"All": {"Heun": {"5 NFE": number, "10 NFE": 0.125}}}))
    (record,) = read(path)
    assert record.tables == {"All": {"Heun": {"5 NFE": None, "10 NFE": 0.125}}}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_null(path: Path, number: float) -> None:
    odd = replace(BITS, value=number, stderr=number, floor=number, baseline=number)
    append(path, replace(RECORD, metrics={"odd": odd}, settings={"rate": [number]}))
    assert path.read_text().count("null") == 5
    (record,) = read(path)
    measurement = record.metrics["odd"]
    assert math.isnan(measurement.value)
    assert (measurement.stderr, measurement.floor, measurement.baseline) == (None, None, None)
    assert record.settings == {"rate": [None]}


def test_a_torn_last_line_is_skipped(path: Path) -> None:
    append(path, RECORD)
    append(path, RECORD)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match=r"records\.jsonl:2: skipped a line cut short"):
        assert read(path) == [RECORD]


@pytest.mark.parametrize("kept", [1, 20, 300])
def test_a_run_after_a_crash_is_not_lost(path: Path, kept: int) -> None:
    append(path, RECORD)
    path.write_bytes(path.read_bytes() * 2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + kept])
    after = replace(RECORD, seed=7)
    append(path, after)
    append(path, after)
    with pytest.warns(UserWarning, match=":2: skipped"):
        assert read(path) == [RECORD, after, after]


def test_a_whole_last_line_without_its_end_is_kept(path: Path) -> None:
    append(path, RECORD)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert read(path) == [RECORD]
    append(path, RECORD)
    assert read(path) == [RECORD, RECORD]


def test_writers_at_once_do_not_mix_lines(path: Path) -> None:
    records = [replace(RECORD, seed=seed, settings={"long": "x" * 9000}) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda record: append(path, record), records))
    assert sorted(record.seed for record in read(path)) == list(range(40))


def changed(**changes: Any) -> str:
    """The line of a record with other values, or more."""
    metrics = {"bits_per_dim": vars(BITS) | changes.pop("bits", {})}
    content = vars(RECORD) | {"metrics": metrics} | changes
    return json.dumps(content)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected a table"),
        ("{}", "no task, preset, seed"),
        (changed(colour="red"), "unknown colour"),
        (changed(seed="0"), "seed can't be '0'"),
        (changed(seed=True), "seed can't be True"),
        (changed(versions={"torch": 2}), "versions can't be"),
        (changed(metrics=[]), r"metrics can't be \[\]"),
        (changed(when="yesterday"), "yesterday"),
        (changed(bits={"direction": "sideways"}), "metrics.bits_per_dim: direction can't be"),
        (changed(bits={"value": "low"}), "metrics.bits_per_dim: value can't be 'low'"),
    ],
)
def test_malformed_lines_are_named(path: Path, line: str, message: str) -> None:
    append(path, RECORD)
    whole = path.read_text()
    path.write_text(f"{whole}\n{line}\n{whole}")
    with pytest.raises(ValueError, match=rf"records\.jsonl:3: {message}|:3: .*{message}"):
        read(path)


def test_a_missing_file_is_not_an_empty_one(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(path)


def test_what_json_cannot_hold_leaves_the_file_alone(path: Path) -> None:
    append(path, RECORD)
    with pytest.raises(TypeError):
        append(path, replace(RECORD, settings={"path": Path()}))
    assert read(path) == [RECORD]


def test_the_newest_of_a_task_preset_and_seed() -> None:
    old = replace(RECORD, when="2026-01-02T04:00:00+02:00")  # 02:00 in UTC
    new = replace(RECORD, when="2026-01-02T03:00:00", steps=1)  # UTC by default
    tie = replace(new, steps=2)
    other = replace(old, seed=1)
    assert latest([other, new, old]) == [new, other]
    assert latest([new, tie]) == [tie]
    assert latest([]) == []


def test_reading_needs_no_torch() -> None:
    """`unnoise bench report` is quick, and works where torch doesn't."""
    code = "import sys, unnoise.benchmarks.records, unnoise.benchmarks.report as r; "
    code += "sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
