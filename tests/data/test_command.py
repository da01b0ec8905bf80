"""`unnoise data`: what it prints, where, and its exit codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from unnoise.benchmarks.commands.data import app
from unnoise.data import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.data.conftest import Places, Server
    from typer.testing import Result

    from unnoise.data import Source


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "300", "NO_COLOR": "1"})


@pytest.fixture
def source(
    server: Server,
    content: bytes,
    toy: Callable[..., Source],
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
) -> Source:
    """The toy data set: known, downloadable, not here."""
    server.files["toy.bin"] = content
    source = toy(server.url + "toy.bin")
    monkeypatch.setitem(SOURCES, "toy", source)
    return source


def rows(output: str) -> dict[str, list[str]]:
    """The cells of a table by the first of them."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines()]
    return {row[0]: row[1:] for row in cells if row}


def test_list(source: Source, places: Places) -> None:
    result = run("list")
    assert result.exit_code == 0
    table = rows(result.stdout)
    assert table["toy"] == ["256.0 kB", "CC0", "not here"]
    assert table["digits"] == ["-", "CC BY 4.0 (UCI)", "inside scikit-learn"]
    assert table["mnist"][0] == "11.6 MB"
    run("fetch", "toy", "--quiet")
    assert rows(run("list").stdout)["toy"][-1] == str(places.cache / "tests/toy")


def test_list_survives_a_damaged_copy(source: Source, places: Places) -> None:
    path = places.own / "tests/toy/raw/toy.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"?")
    result = run("list")
    assert result.exit_code == 0
    assert rows(result.stdout)["toy"][-1] == "damaged: see `unnoise data where toy`"
    result = run("where", "toy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{path} has 1 bytes, not 256000" in result.stderr


def test_fetch_then_where(source: Source, places: Places, server: Server) -> None:
    folder = places.cache / "tests/toy"
    result = run("where", "toy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: toy is not here; get it with: unnoise data fetch toy\n"
    result = run("fetch", "toy")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith(f"toy: {folder}\n")
    result = run("where", "toy")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{folder}\n", "")
    result = run("fetch", "toy", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert len(server.requests) == 1


def test_fetch_failure_is_one_line(source: Source, server: Server) -> None:
    server.files.clear()
    result = run("fetch", "toy", "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: toy: cannot download raw/toy.bin: tried http://")
    assert result.stderr.count("\n") == 1


def test_digits_need_no_fetch(places: Places) -> None:
    result = run("fetch", "digits")
    assert (result.exit_code, result.stderr) == (0, "digits: inside scikit-learn\n")


def test_what_no_address_is_known_for_is_placed_by_hand(places: Places) -> None:
    assert rows(run("list").stdout)["bayesnets"] == [
        "51.1 kB",
        "MIT (pgmpy, where they were taken from)",
        "not here, to be placed by hand",
    ]
    result = run("where", "bayesnets")
    assert (result.exit_code, result.stdout) == (1, "")
    how = r"no address is known for alarm.bif \(13.4 kB\), asia.bif .*; place by hand in "
    how += r"\$UNNOISE_DATA/categorical/bayesnets, from pgmpy/.*, unpacked\n"
    assert re.fullmatch("error: bayesnets is not here; " + how, result.stderr)
    result = run("fetch", "bayesnets")
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch("error: bayesnets: " + how, result.stderr)


def test_a_damaged_neighbour_in_a_shared_folder_does_no_harm(places: Places) -> None:
    path = places.own / SOURCES["car"].folder / SOURCES["car"].files[0].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"?")
    table = rows(run("list").stdout)
    assert table["car"][-1] == "damaged: see `unnoise data where car`"
    assert table["mushroom"][-1] == "not here"


@pytest.mark.parametrize("command", ["fetch", "where"])
def test_unknown_name(command: str) -> None:
    result = run(command, "mnits")
    assert (result.exit_code, result.stdout) == (2, "")
    known = ", ".join(sorted(SOURCES))
    assert result.stderr == (
        f"error: no data set is named 'mnits'; did you mean 'mnist'? known: {known}\n"
    )


def test_wrong_own_folder_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNNOISE_DATA", "nowhere")
    result = run("list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: UNNOISE_DATA is 'nowhere', which is not a folder")


def test_help_has_examples() -> None:
    assert {"list", "fetch", "where"} <= set(run("--help").stdout.split())
    assert "Example: unnoise data fetch mnist --quiet" in run("fetch", "--help").stdout
