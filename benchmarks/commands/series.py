"""`unnoise forecast | impute`: a table of series in a file, a table out.

What is wrong with a file or an option ends in one line and exit status 2, before anything is trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unnoise.benchmarks.commands.kept import forget_training, training_of, what_is_kept
from unnoise.benchmarks.commands.options import Quiet, Threads, use_threads
from unnoise.benchmarks.commands.series_files import (
    Kind,
    checked_files,
    require_same,
    table_layout,
    write_answer,
)

if TYPE_CHECKING:
    import pandas as pd

    from unnoise.core.training import Fit
    from unnoise.domains.timeseries import Forecaster, Imputer
    from unnoise.domains.timeseries.frames import Layout

__all__ = ["forecast", "impute"]


File = Annotated[Path, typer.Argument(help="The table: .csv, .csv.gz, .parquet or .pq.")]
Time = Annotated[str | None, typer.Option("--time", help="Column of stamps: dates in ISO 8601, or numbers. Default: the one that holds dates.")]  # fmt: skip
Target = Annotated[list[str] | None, typer.Option("--target", help="Columns of channels, with commas. Default: all columns without another role.")]  # fmt: skip
Item = Annotated[str | None, typer.Option("--item", help="Column of names of series. Default: there is one series.")]  # fmt: skip
Known = Annotated[list[str] | None, typer.Option("--known", help="Columns of covariates that are known at all times, with commas.")]  # fmt: skip
Static = Annotated[list[str] | None, typer.Option("--static", help="Columns of covariates that are constant within a series, with commas.")]  # fmt: skip
InRows = Annotated[tuple[str, str] | None, typer.Option("--long", metavar="CHANNEL VALUE", help="A row is one measurement: the column of channels' names, and that of values.")]  # fmt: skip
Samples = Annotated[int, typer.Option("--samples", min=1, help="Draws of each value.")]
OutputKind = Annotated[Kind | None, typer.Option("--output-kind", help="Default: quantiles if --quantiles is given, else median.")]  # fmt: skip
Quantiles = Annotated[str | None, typer.Option("--quantiles", help="Levels, with commas. Default: 0.05,0.25,0.5,0.75,0.95.")]  # fmt: skip
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Steps of training. Default: by the size of the table; a minute or two.")]  # fmt: skip
Width = Annotated[int, typer.Option("--width", min=16, help="Width of the network, a multiple of 16.")]  # fmt: skip
Nfe = Annotated[int, typer.Option("--nfe", min=2, help="Network evaluations a draw.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Source of all randomness.")
]
Checkpoint = Annotated[Path | None, typer.Option("--checkpoint", help="A .safetensors file: used if it is there, written after training if not. After Ctrl-C the same command goes on.")]  # fmt: skip
Plot = Annotated[Path | None, typer.Option("--plot", help="A figure to write as well: .png, .svg or .pdf.")]  # fmt: skip
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write; .csv or .parquet.")]  # fmt: skip

_ARGUMENTS = {
    "time": "--time", "item": "--item", "targets": "--target", "known": "--known",
    "static": "--static", "future_covariates": "--future",
}  # fmt: skip


def forecast(
    file: File,
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="How many steps ahead.")],
    step: Annotated[str | None, typer.Option("--step", help="The gap between two steps, as irregular series need: h, D, ME, 15min, a number. Default: the series' own.")] = None,
    future: Annotated[Path | None, typer.Option("--future", help="The table of --known covariates at the times to come.")] = None,
    context: Annotated[int | None, typer.Option("--context", min=1, help="Points of the past that are looked at. Default: three horizons, and the longest cycle.")] = None,
    time: Time = None, target: Target = None, item: Item = None, known: Known = None, static: Static = None, long: InRows = None,
    samples: Samples = 100, kind: OutputKind = None, quantiles: Quantiles = None, steps: Steps = None, width: Width = 48, nfe: Nfe = 12,
    checkpoint: Checkpoint = None, plot: Plot = None, output: Output = Path("forecast.csv"), seed: Seed = 0, threads: Threads = 0, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Forecast the series of a table, and write it as one. Holes and irregular stamps are fine.

    unnoise forecast rooms.csv --item room --target load --known opening --future opening.csv --horizon 7

    unnoise forecast buoy.csv --time seconds --step 60 --horizon 30 --quantiles 0.1,0.5,0.9
    """
    with _one_line_errors(checkpoint), _progress(quiet):
        _require_extra("forecast")
        levels, kind = _asked(kind, quantiles)
        found = checked_files(file, output, plot, checkpoint)
        use_threads(threads)
        from unnoise.domains.timeseries import Forecaster, Network
        from unnoise.domains.timeseries.frames import read_frame

        frame = read_frame(file)
        told = None if future is None else read_frame(future)
        layout = table_layout(frame, time, target, item, known, static, long)
        _require_future(frame, layout, horizon, _step(step), told)
        if found is not None:
            made = Forecaster.load(found)
            require_same(found, layout)
            if horizon > made.horizon:
                raise ValueError(
                    f"--horizon: {found} was trained for {made.horizon} steps, got {horizon}; train another under a new --checkpoint"
                )
            _say(f"{found}: used, nothing was trained", quiet)
        else:
            made = Forecaster(horizon, context, fit=_fit(steps), network=Network(width=width))
            _train(made, frame, layout, seed, checkpoint, quiet)
        answer = made.forecast(horizon, frame, told, _step(step), samples, seed, nfe)
        write_answer(answer, kind, levels, output, plot)


def impute(
    file: File,
    window: Annotated[int | None, typer.Option("--window", min=2, help="Points that are looked at together. Default: 64.")] = None,
    time: Time = None, target: Target = None, item: Item = None, known: Known = None, static: Static = None, long: InRows = None,
    samples: Samples = 50, kind: OutputKind = None, quantiles: Quantiles = None, steps: Steps = None, width: Width = 48, nfe: Nfe = 12,
    checkpoint: Checkpoint = None, plot: Plot = None, output: Output = Path("imputed.csv"), seed: Seed = 0, threads: Threads = 0, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Fill the empty cells of a table of series; all else stays as it is.

    unnoise impute rooms.csv --item room --window 96 --checkpoint rooms.safetensors --plot rooms.png

    unnoise impute visits.csv --item patient --time hour --long quantity value --output-kind samples
    """
    with _one_line_errors(checkpoint), _progress(quiet):
        _require_extra("impute")
        levels, kind = _asked(kind, quantiles)
        found = checked_files(file, output, plot, checkpoint)
        use_threads(threads)
        from unnoise.domains.timeseries import Imputer, Network
        from unnoise.domains.timeseries.frames import read_frame

        frame = read_frame(file)
        layout = table_layout(frame, time, target, item, known, static, long)
        if found is not None:
            made = Imputer.load(found)
            require_same(found, layout)
            _say(f"{found}: used, nothing was trained", quiet)
        else:
            made = Imputer(window, fit=_fit(steps), network=Network(width=width))
            _train(made, frame, layout, seed, checkpoint, quiet)
        answer = made.impute(frame, samples, seed, nfe)
        write_answer(answer, kind, levels, output, plot)


@contextmanager
def _one_line_errors(checkpoint: Path | None) -> Iterator[None]:
    """Ends the command with one line: 2 for what is wrong with a file or an option, 130 for Ctrl-C."""
    try:
        yield
    except (ValueError, OSError) as error:
        line = " ".join(str(error).split())
        names = "|".join(_ARGUMENTS)
        line = re.sub(rf"\b({names})=", lambda m: f"{_ARGUMENTS[m[1]]} ", line)
        typer.echo(f"error: {line.strip()}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo(f"stopped; {what_is_kept(checkpoint)}", err=True)
        raise typer.Exit(130) from None


def _require_extra(command: str) -> None:
    """Refuse to go on without pandas.

    Raises:
        ImportError: if it isn't installed; it says how to.
    """
    try:
        import pandas  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{command}: {error.name} is not installed; pip install 'unnoise[timeseries]'"
        ) from error


def _asked(kind: Kind | None, quantiles: str | None) -> tuple[Sequence[float], Kind]:
    """Levels of quantiles, and what to write.

    Raises:
        ValueError: if a level is none, or levels are given for something else.
    """
    from unnoise.domains.timeseries.answer import LEVELS

    if quantiles is None:
        return LEVELS, kind or Kind.median
    if kind not in (None, Kind.quantiles):
        raise ValueError(f"--quantiles: can't go with --output-kind {kind}; leave one out")
    try:
        levels = [float(part) for part in quantiles.split(",")]
    except ValueError:
        levels = [-1.0]
    if not all(0 <= q <= 1 for q in levels) or len(set(levels)) < len(levels):
        raise ValueError(
            f"--quantiles: {quantiles!r} is no list of different levels from 0 to 1, such as 0.05,0.5,0.95"
        )
    return levels, Kind.quantiles


def _require_future(
    frame: pd.DataFrame, layout: Layout, horizon: int, step: str | float | None,
    told: pd.DataFrame | None,
) -> None:  # fmt: skip
    """Refuse a forecast of which the times, or the covariates there, can't be told.

    Raises:
        ValueError: if it is one; what is missing is said.
    """
    from unnoise.domains.timeseries.frames import covariates
    from unnoise.domains.timeseries.future import future

    panel = layout.read(frame)
    times = future(panel, horizon, step)
    if panel.known and told is None:
        raise ValueError(
            f"--future: covariates {', '.join(map(repr, panel.known))} must be known ahead; name a table that has them at the times to come"
        )
    if told is not None:
        covariates(layout, told, panel, times)


def _step(text: str | None) -> str | float | None:
    """A step of numbers or of the calendar."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _fit(steps: int | None) -> Fit | None:
    """Training of so many steps, else as `default_fit` does; few steps are averaged over fewer."""
    from unnoise.core.training import Fit

    if steps is None:
        return None
    return Fit(
        steps, batch=16, lr=1e-3, warmup=min(50, steps // 4), ema=min(0.997, steps / (steps + 4))
    )


def _train(
    made: Forecaster | Imputer, frame: pd.DataFrame, layout: Layout, seed: int, checkpoint: Path | None, quiet: bool
) -> None:  # fmt: skip
    """Learn a table, or go on with it, and save what was learned."""
    folder = None if checkpoint is None else training_of(checkpoint)
    made.fit(frame, layout, seed, progress=not quiet, folder=folder)
    if checkpoint is None:
        _say("trained; --checkpoint FILE would keep it", quiet)
    else:
        made.save(checkpoint)
        forget_training(checkpoint)
        _say(f"{checkpoint}: trained and written", quiet)


def _say(what: str, quiet: bool) -> None:
    if not quiet:
        typer.echo(what, err=True)


@contextmanager
def _progress(quiet: bool) -> Iterator[None]:
    """Bars, unless they aren't wanted."""
    from unnoise.core.progress import quiet as quietly

    with quietly(quiet):
        yield
