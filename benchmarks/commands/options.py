"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Device", "Out", "Preset", "Quiet", "Threads", "resumable", "use_threads"]

Preset = Annotated[
    str,
    typer.Option(
        "--preset", "-p", help="The budget: smoke (seconds), cpu (minutes), paper (a GPU)."
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder of runs.", file_okay=False)]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars, only results.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="CPU threads; 0: torch's choice.")]


@contextmanager
def resumable() -> Iterator[None]:
    """Say, after Ctrl-C, that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on where it was", err=True)
        raise typer.Exit(130) from None


def use_threads(threads: int) -> None:
    """Set torch's threads, if asked to."""
    if threads:
        import torch

        torch.set_num_threads(threads)
