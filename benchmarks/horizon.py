"""How much noise does a trained model need? `python -m unnoise.benchmarks.horizon images/digits
--preset cpu`.

Trains the run, or loads it; measures the bound on validation data against the end T of the path for
each prior; prints the table, and writes `horizon.json` and `horizon.svg` into the run's folder. With
`--quality` it then draws samples from the whole path and from the best shorter ones, at equal cost:
`quality.json` and `quality.svg`. If the run has a record, its report shows the figures from then on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unnoise.benchmarks.charts import svg
from unnoise.benchmarks.commands.options import Device, Out, Preset, Quiet, Threads, use_threads
from unnoise.benchmarks.quality import (
    NFE,
    Quality,
    floors,
    measure,
    quality_figure,
    require_metrics,
)
from unnoise.benchmarks.records import append, latest, read
from unnoise.benchmarks.runner import Run, train
from unnoise.core.checkpoint import atomic_write
from unnoise.core.horizon import Horizon, horizon
from unnoise.core.model import Model
from unnoise.core.prior import FlowPrior, FullGaussian, MixturePrior, Prior
from unnoise.core.progress import quiet as quietly
from unnoise.core.random import seeded
from unnoise.domains import make
from unnoise.domains.task import Splits

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

__all__ = ["TIMES", "horizon_figure", "horizon_table", "main", "priors", "quality_table", "starts"]

TIMES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
COPIES = 32  # noisy states an item, for the fit of a prior
_FIT = 22  # the stream of a seed


def priors(shape: tuple[int, ...]) -> dict[str, Callable[[], Prior] | None]:
    """The kinds that are compared; the flow only where zuko is installed."""
    kinds: dict[str, Callable[[], Prior] | None] = {
        "standard": None,
        "Gaussian": lambda: FullGaussian(shape),
        "mixture": lambda: MixturePrior(shape),
    }
    return kinds | ({"flow": lambda: FlowPrior(shape)} if find_spec("zuko") else {})


def starts(model: Model, splits: Splits, found: Horizon, seed: int) -> dict[str, Model]:
    """The whole path from N(0, I); and with each learned prior the best path, and the shortest that
    is worse by no more than a standard error."""
    made = {"standard, T = 1": model.until(1.0)}
    for name, prior in priors(model.shape).items():
        if prior is None:
            continue
        ends = (found.best(name), found.shortest(name))
        for time in dict.fromkeys(float(found.times[k]) for k in ends):
            shorter = model.until(time, prior())
            shorter.fit_prior(splits.train, COPIES, seeded(seed, _FIT))
            made[f"{name}, T = {time:.2g}"] = shorter
    return made


def horizon_figure(found: Horizon) -> Figure:
    """The bound's excess over the best of all, against T, a line a prior; bars are standard errors
    of the difference to each prior's own best."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.subplots()
    least = min(float(found.nelbo(name)[0].min()) for name in found.nats)
    for k, name in enumerate(found.nats):
        best, (mean, _), (_, stderr) = found.best(name), found.nelbo(name), found.excess(name)
        axes.errorbar(
            found.times.tolist(), (mean - least).tolist(), stderr.tolist(),
            marker="o", ms=4, lw=1.3, capsize=2, color=f"C{k}", label=name,
        )  # fmt: skip
        axes.plot(float(found.times[best]), float(mean[best]) - least, "*", ms=13, color=f"C{k}")
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_xlabel("T, the end of the path (★: the best)")
    axes.set_ylabel("bound over the least, nats an item")
    axes.grid(color="#d5d5d0", lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="prior", fontsize=8)
    return figure


def horizon_table(found: Horizon, title: str) -> Table:
    """The excess over each prior's best T with its standard error, and the best value."""
    from rich.table import Table

    table = Table("T", "log-SNR", *(f"{name}: nats" for name in found.nats), title=title)
    for k, (t, log_snr) in enumerate(zip(found.times, found.log_snr, strict=True)):
        cells = []
        for name in found.nats:
            (mean, error), (gap, stderr) = found.nelbo(name), found.excess(name)
            best = k == found.best(name)
            cells.append(
                f"[bold]{mean[k]:.3f} ± {error[k]:.2f}[/]"
                if best
                else f"+{gap[k]:.3f} ± {stderr[k]:.3f}"
            )
        table.add_row(f"{t:.2f}", f"{log_snr:.2f}", *cells)
    return table


def quality_table(points: Sequence[Quality], floor: Sequence[Quality], title: str) -> Table:
    """A section a solver and metric, a row a start, a column a cost; values ± the spread over
    seeds."""
    from rich.table import Column, Table

    costs = sorted({p.nfe for p in points})
    cells = {(p.solver, p.metric, p.start, p.nfe): _cell(p) for p in points}
    names = (Column(name, no_wrap=True) for name in ("solver", "metric", "start"))
    table = Table(*names, *(f"{cost} NFE" for cost in costs), title=title)
    section = ("", "")
    for solver, metric, start in sorted(
        dict.fromkeys(key[:3] for key in cells), key=lambda row: row[:2]
    ):
        if (solver, metric) != section:
            table.add_section()
        section = (solver, metric)
        table.add_row(solver, metric, start, *(cells[solver, metric, start, c] for c in costs))
    table.add_section()
    for low in floor:
        table.add_row("", low.metric, "floor", _cell(low))
    return table


def _cell(point: Quality) -> str:
    return f"{point.mean:.3g} ± {point.spread:.2g}"


def main(
    task: Annotated[str, typer.Argument(help="A task, as in `unnoise bench list`.")],
    preset: Preset = "smoke",
    seed: Annotated[int, typer.Option("--seed", help="Of the run and the measurement.")] = 0,
    out: Out = Path("runs"),
    draws: Annotated[int, typer.Option("--draws", min=2, help="Evaluations for each item and each interval of T.")] = 32,
    quality: Annotated[bool, typer.Option("--quality", help="Also draw samples, from the whole path and from the best.")] = False,
    samples: Annotated[int, typer.Option("--samples", min=20, help="How many, with --quality.")] = 720,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Repetitions of the sampling.")] = 3,
    device: Device = "auto",
    threads: Threads = 0,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Find the end of the path at which the bound is best, for each prior."""
    from rich.console import Console

    use_threads(threads)
    run, made = Run(task, preset, seed, out), make(task)
    if quality:
        require_metrics(made)
    console = Console(width=180)
    with quietly(quiet):
        splits = made.data()
        model = train(run, made, splits, device=device, show_progress=not quiet)
        blind = _without_labels(splits, model)
        found = horizon(
            model, blind.train, blind.valid, priors(model.shape), TIMES,
            draws=draws, copies=COPIES, seed=seed,
        )  # fmt: skip
        console.print(horizon_table(found, f"{task} {preset} seed {seed}: validation bound"))
        _write(run, "horizon", _plain(found), horizon_figure(found))
        _show(run, {"How much noise is enough: the bound against the path's end": "horizon"})
        if not quality:
            return
        low = floors(made, splits, samples, range(seeds))
        ends = starts(model, blind, found, seed)
        points = list(measure(made, splits, ends, samples, range(seeds), NFE))
    console.print(quality_table(points, low, f"{samples} samples, {seeds} seeds, against test"))
    titles = {name: metric.title for name, metric in made.metrics.items()}
    rows = [asdict(p) for p in [*points, *low]]
    _write(run, "quality", rows, quality_figure(points, low, titles))
    _show(run, {"Shorter paths with learned priors: quality against evaluations": "quality"})


def _without_labels(splits: Splits, model: Model) -> Splits:
    """The data without their conditions, on the model's device."""
    place = next(model.denoiser.parameters()).device
    train, valid, test = (
        part.without_condition().to(place) for part in (splits.train, splits.valid, splits.test)
    )
    return Splits(train, valid, test, splits.transform)


def _plain(found: Horizon) -> Mapping[str, object]:
    """What the figure shows, as JSON."""
    return {
        "times": found.times.tolist(),
        "log_snr": found.log_snr.tolist(),
        "path": found.path.mean(1).tolist(),
        "priors": {
            name: {
                "nats": found.nelbo(name)[0].tolist(),
                "stderr": found.nelbo(name)[1].tolist(),
                "excess": found.excess(name)[0].tolist(),
                "excess_stderr": found.excess(name)[1].tolist(),
                "best": float(found.times[found.best(name)]),
                "shortest": float(found.times[found.shortest(name)]),
            }
            for name in found.nats
        },
    }


def _write(run: Run, name: str, data: object, figure: Figure) -> None:
    path = run.folder / name
    atomic_write(path.with_suffix(".json"), json.dumps(data, indent=1) + "\n")
    atomic_write(path.with_suffix(".svg"), svg(figure))
    typer.echo(path.with_suffix(".svg"))


def _show(run: Run, files: Mapping[str, str]) -> None:
    """Add figures to the run's record, so that the report has them."""
    if not run.records.exists():
        return
    key = (run.task, run.preset, run.seed)
    for record in latest(read(run.records)):
        if (record.task, record.preset, record.seed) == key:
            folder = run.folder.relative_to(run.out)
            added = {title: str(folder / f"{name}.svg") for title, name in files.items()}
            append(run.records, replace(record, figures={**record.figures, **added}))


if __name__ == "__main__":
    typer.run(main)
