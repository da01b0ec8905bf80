"""`unnoise`: the command line. Torch is imported by the commands that need it, so that help is
instant."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from unnoise import __version__
from unnoise.benchmarks.commands import bench, data, enhance, enhance_train, model, series

__all__ = ["app", "main"]

app = typer.Typer(
    name="unnoise",
    help="One diffusion core, many domains: train, sample, score and compare generative models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Start here: unnoise bench run images/digits --preset smoke && unnoise bench report",
)
app.add_typer(bench.app)
app.add_typer(data.app)
app.command("train", epilog="Example: unnoise train images/digits --preset cpu --seed 0")(
    model.train
)
app.command(
    "sample",
    epilog="Example: unnoise sample images/digits -n 60 --label 3 --guidance 2 -o threes.png",
)(model.sample)
app.command("likelihood", epilog="Example: unnoise likelihood images/digits --method flow -n 100")(
    model.likelihood
)
app.command(
    "forecast",
    epilog="Example: unnoise forecast rooms.csv --item room --horizon 48 -o ahead.csv --plot ahead.png",
)(series.forecast)
app.command("impute", epilog="Example: unnoise impute rooms.csv --item room -o filled.csv")(
    series.impute
)
app.command(
    "enhance", epilog="Example: unnoise enhance in.wav -o out.wav --checkpoint speech.safetensors"
)(enhance.enhance)
app.command(
    "enhance-train",
    epilog="Example: unnoise enhance-train --speech speech --noise noise --checkpoint mine.safetensors",
)(enhance_train.enhance_train)


def _version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """See the help of the commands."""


def main() -> None:
    """The entry point: what goes wrong for a reason we know ends in one line on stderr, not in a
    traceback."""
    try:
        app()
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(2 if type(error).__name__.startswith("Unknown") else 1)


if __name__ == "__main__":
    main()
