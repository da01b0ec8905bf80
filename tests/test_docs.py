"""The book is true: its Python runs, its commands parse, and the page of the command line knows every
command and every option."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer

from unnoise.benchmarks.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / n for n in ("README.md", "CONTRIBUTING.md")),
]
INCLUDE = re.compile(r"^```\{literalinclude\} (\S+)\n((?::.*\n)*)```$", re.MULTILINE)
FENCE = re.compile(r"^```(\w+)(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
CLI = typer.main.get_command(app)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The line and the text of every block in a language, except those marked `no-run`."""
    text = page.read_text("utf-8") if page.exists() else ""
    return [
        (text.count("\n", 0, block.start(3)), block[3])
        for block in FENCE.finditer(text)
        if block[1] == language and "no-run" not in block[2]
    ]


def commands(page: Path) -> list[list[str]]:
    """The words of every `unnoise` command of a page."""
    lines = (line for _, text in blocks(page, "sh") for line in text.splitlines())
    words = (shlex.split(line, comments=True) for line in lines)
    return [w[1:] for w in words if w and w[0] == "unnoise"]


def leaves(command: typer.core.TyperCommand, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """The name and the options of every command."""
    if isinstance(command, typer.core.TyperGroup):
        for name, child in command.commands.items():
            yield from leaves(child, f"{path} {name}".strip())
    else:
        yield path, [o for p in command.params for o in p.opts if o.startswith("-")]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page in turn, as one program."""
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "page"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for line, text in blocks(page, "python"):
            exec(compile("\n" * line + text, str(page), "exec"), scope)  # noqa: S102


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda p: p.name)
def test_commands_parse(page: Path) -> None:
    for words in commands(page):
        command, rest = CLI, list(words)
        while isinstance(command, typer.core.TyperGroup):
            command = command.commands[rest.pop(0)]
        command.make_context(command.name, rest)


def test_every_command_and_option_has_its_place() -> None:
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    shown = [" ".join(words) for words in commands(ROOT / "docs" / "cli.md")]
    for name, options in leaves(CLI):
        assert f"\n## {name}\n" in text
        assert any(each == name or each.startswith(f"{name} ") for each in shown)
        assert [o for o in options if f"`{o}`" not in text] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_what_a_page_includes_is_there(page: Path) -> None:
    """Sphinx would say so too, but only in `make docs`."""
    for include in INCLUDE.finditer(page.read_text("utf-8")):
        text = (page.parent / include[1]).read_text("utf-8")
        for option, value in re.findall(r":([\w-]+): (.*)\n", include[2]):
            match option:
                case "pyobject":
                    assert re.search(rf"^(def|class) {value}\b", text, re.MULTILINE), value
                case "start-at" | "end-before":
                    assert value in text
