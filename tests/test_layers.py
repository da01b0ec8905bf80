"""The layers: who may import whom, and what an import costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY: dict[str, set[str]] = {
    "core": set(),
    "data": set(),
    "domains": {"core", "data"},
    "benchmarks": {"core", "data", "domains"},
}


def files(layer: str) -> list[Path]:
    found = sorted((ROOT / layer).rglob("*.py"))
    assert found, f"{layer} has no files: is the test in its place?"
    return found


def imported(file: Path) -> Iterator[str]:
    """Dotted names of what a file imports, anywhere in it; a relative import starts with a dot."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def ours(file: Path) -> Iterator[list[str]]:
    """Ours among them, without the leading `unnoise`."""
    yield from (name.split(".")[1:] for name in imported(file) if name.startswith("unnoise."))


@pytest.mark.parametrize("layer", MAY)
def test_a_layer_imports_only_those_below(layer: str) -> None:
    for file in files(layer):
        for name in ours(file):
            allowed = MAY[layer] | {layer, "__version__"}
            assert name[0] in allowed, f"{file}: {layer} imports unnoise.{'.'.join(name)}"


@pytest.mark.parametrize("layer", MAY)
def test_imports_are_absolute_and_through_the_package(layer: str) -> None:
    """`import core` would find the folder beside us, not the package's, and load everything twice."""
    for file in files(layer):
        for name in imported(file):
            assert not name.startswith("."), f"{file}: relative import {name}"
            assert name.split(".")[0] not in MAY, f"{file}: bare import {name}"


def test_domains_never_import_each_other() -> None:
    domains = {folder.name for folder in (ROOT / "domains").iterdir() if folder.is_dir()}
    for file in files("domains"):
        own = file.relative_to(ROOT / "domains").parts[0]
        for name in ours(file):
            if name[0] == "domains" and len(name) > 1 and own in domains:
                assert name[1] == own or name[1] not in domains, f"{file}: imports {name[1]}"


def test_the_cores_own_benchmarks_know_no_modality() -> None:
    """They are a domain that lies in another layer, and see of the domains what a plug-in sees."""
    for file in sorted((ROOT / "benchmarks" / "core").rglob("*.py")):
        for name in ours(file):
            if name[0] == "domains":
                assert name[1] == "task", f"{file}: imports {'.'.join(name)}"


@pytest.mark.parametrize(
    "module", ["unnoise", "unnoise.core", "unnoise.core.model", "unnoise.core.training"]
)
def test_the_core_is_light(module: str) -> None:
    """Who samples, or reads a likelihood, does not wait for what only training and reports need."""
    heavy = ["lightning", "pandas", "matplotlib", "sklearn"]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_one_name_each() -> None:
    """Nothing is loaded under a bare name beside its name in the package."""
    code = (
        f"import sys, unnoise.benchmarks.cli; print([m for m in {list(MAY)} if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
