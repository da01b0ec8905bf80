"""`unnoise bench`: run benchmarks, report and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unnoise.benchmarks.commands.options import (
    Device,
    Out,
    Preset,
    Quiet,
    Threads,
    resumable,
    use_threads,
)

if TYPE_CHECKING:
    from unnoise.benchmarks.records import Record

__all__ = ["app"]

app = typer.Typer(name="bench", help="Run, report and compare benchmarks.", no_args_is_help=True)


@app.command("list", epilog="Example: unnoise bench list")
def list_tasks() -> None:
    """Show every task of every installed domain with its presets."""
    from rich.console import Console
    from rich.table import Table

    from unnoise.domains import make, task_names, unavailable

    table = Table("task", "presets", "what")
    for name in task_names():
        task = make(name)
        table.add_row(name, ", ".join(task.presets), task.summary)
    Console().print(table)
    for problem in unavailable().values():
        typer.echo(problem, err=True)


@app.command(
    "run", epilog="Example: unnoise bench run images/digits images/mnist --preset cpu --seed 0,1,2"
)
def run(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="Tasks, as in `unnoise bench list`.")
    ] = None,
    preset: Preset = "smoke",
    seed: Annotated[str, typer.Option("--seed", help="One seed, or several with commas.")] = "0",
    suite: Annotated[
        str, typer.Option("--suite", help="A named list of runs instead of tasks: demo, ...")
    ] = "",
    out: Out = Path("runs"),
    device: Device = "auto",
    threads: Threads = 0,
    again: Annotated[
        bool, typer.Option("--again", help="Score again, even if the run is recorded already.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train (or resume), generate, score and record. A run that is recorded already is not
    repeated."""
    from unnoise.benchmarks.runner import Run, execute, finished, preset_of
    from unnoise.benchmarks.suites import load_suite
    from unnoise.domains import make

    if bool(tasks) == bool(suite):
        raise ValueError("bench run: name tasks, or a --suite (one of them, not both)")
    use_threads(threads)
    rows = (
        load_suite(suite)
        if suite
        else [(task, preset, s) for task in tasks or [] for s in _seeds(seed)]
    )
    runs = [Run(task, budget, s, out) for task, budget, s in rows]
    known = [
        finished(r, preset_of(make(r.task), r)) for r in runs
    ]  # every name is checked before anything is trained
    for one, done in zip(runs, known, strict=True):
        if not quiet:
            state = "done already, --again scores it again" if done and not again else "running"
            typer.echo(f"{one.task} {one.preset} seed {one.seed}: {state}", err=True)
        with resumable():
            record = execute(one, device=device, show_progress=not quiet, again=again)
        _print(record)


@app.command("report", epilog="Example: unnoise bench report --out runs && open runs/report.html")
def report(
    out: Out = Path("runs"),
    path: Annotated[Path | None, typer.Option("--to", help="The HTML file.")] = None,
) -> None:
    """Write the runs of a folder as one self-contained HTML page, and name it."""
    from unnoise.benchmarks.records import read
    from unnoise.benchmarks.report import write

    target = path or out / "report.html"
    write(read(_records(out)), out, target)
    typer.echo(target)


@app.command("compare", epilog="Example: unnoise bench compare runs runs-new")
def compare(
    before: Annotated[Path, typer.Argument(help="Folder of runs.")],
    after: Annotated[Path, typer.Argument(help="Another folder of runs.")],
) -> None:
    """Show the runs that two folders share, metric by metric; the better value is marked."""
    from rich.console import Console
    from rich.table import Table

    from unnoise.benchmarks.records import latest, read

    old, new = (
        {(r.task, r.preset, r.seed): r for r in latest(read(_records(folder)))}
        for folder in (before, after)
    )
    shared = sorted(old.keys() & new.keys())
    if not shared:
        raise ValueError(f"{before} and {after} share no run (task, preset and seed must agree)")
    table = Table("task", "preset", "seed", "metric", str(before), str(after), "better")
    for key in shared:
        a, b = old[key].metrics, new[key].metrics
        for name in (n for n in a if n in b):
            gain = (b[name].value - a[name].value) * (1 if a[name].direction == "higher" else -1)
            better = after if gain > 0 else before if gain < 0 else "=" if gain == 0 else "—"
            table.add_row(
                key[0],
                key[1],
                str(key[2]),
                name,
                _cell(a[name].value),
                _cell(b[name].value),
                str(better),
            )
    Console().print(table)


def _records(out: Path) -> Path:
    path = out / "records.jsonl"
    if not path.exists():
        raise ValueError(
            f"{out}: no runs recorded here; make one with: unnoise bench run images/digits --out {out}"
        )
    return path


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--seed: {text!r} is not a list of integers such as 0,1,2") from None


def _print(record: Record) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "metric",
        "ours",
        "floor",
        "baseline",
        title=f"{record.task} {record.preset} seed {record.seed}",
    )
    for m in record.metrics.values():
        error = "" if m.stderr is None else f" ± {m.stderr:.2g}"
        arrow = "↓" if m.direction == "lower" else "↑"
        table.add_row(
            f"{m.title} {arrow}", _cell(m.value) + error, _cell(m.floor), _cell(m.baseline)
        )
    Console().print(table)


def _cell(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"
