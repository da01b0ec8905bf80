"""What do time series cost? `python -m unnoise.benchmarks.series_cost --out runs/series-cost`.

Two tables, each row of a process of its own: CPU milliseconds of a training step against the length of a window, for
attention and for recurrences in time, and the peak of memory; and long frames through the front ends, from pandas to
pandas: CPU seconds of reading, fitting what answers first and ten steps, and of an answer of 20 draws. `series_cost.json`
has them, `series_cost.svg` shows the first.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
import typer
from matplotlib.figure import Figure

from unnoise.benchmarks.apart import apart, peak_gib
from unnoise.benchmarks.charts import svg
from unnoise.benchmarks.growth import growth
from unnoise.core.batch import Batch
from unnoise.core.checkpoint import atomic_write
from unnoise.core.random import seeded
from unnoise.core.training import Fit
from unnoise.domains.timeseries import Forecaster, Imputer, Network, Wide
from unnoise.domains.timeseries.forecaster import ahead
from unnoise.domains.timeseries.model import series_model
from unnoise.domains.timeseries.reference import fit_reference

__all__ = ["main"]

Kind = Literal["grid", "recurrent"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LENGTHS = (64, 128, 256, 512, 1_024, 2_048)
CHANNELS, WINDOWS, ASKED = 4, 8, 24
FRAMES = ((1, 10_000), (100, 1_000))  # series and points each
ENDS = ("forecast", "impute")
FEW = Fit(10, batch=16, ema=0.9, precision="auto")


def main(
    out: Annotated[Path, typer.Option(help="Where results go.")] = Path("runs/series-cost"),
    threads: Annotated[int, typer.Option(help="Of torch.")] = 1,
    one: Annotated[str, typer.Option(help="Measure KIND,LENGTH or forecast|impute,SERIES,POINTS.")] = "",
) -> None:  # fmt: skip
    """Cost of a training step against the length of a window, and of long frames."""
    if one:
        torch.set_num_threads(threads)
        name, *sizes = one.split(",")
        known = {str(kind): kind for kind in KINDS}
        sized = map(int, sizes)
        print(json.dumps(step(known[name], *sized) if name in known else whole(name, *sized)))
        return
    wanted = [f"{k},{n}" for k in KINDS for n in LENGTHS]
    wanted += [f"{end},{n},{points}" for end in ENDS for n, points in FRAMES]
    rows = []
    for each in wanted:
        rows.append(apart("unnoise.benchmarks.series_cost", each, threads))
        print(json.dumps(rows[-1]), flush=True)
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / "series_cost.json", json.dumps(rows, indent=1))
    atomic_write(out / "series_cost.svg", svg(figure([r for r in rows if "window" in r])))


def step(kind: Kind, length: int) -> dict[str, Any]:
    """One network at one length: the median of three steps after one."""
    times = torch.arange(float(length), dtype=torch.float64).expand(WINDOWS, -1)
    x = torch.randn(WINDOWS, length, CHANNELS, generator=seeded(0))
    data = Batch(x, torch.ones_like(x).bool(), coords=times)
    assert data.mask is not None
    reference = fit_reference(x.double(), data.mask, times, (3.0, 100.0), rounds=1, points=64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(kind).build(CHANNELS, 0, 0, float(length))
    model = series_model((length, CHANNELS), network, reference, ahead(ASKED), 1.0)
    optimizer, generator, spent = torch.optim.AdamW(model.parameters()), seeded(0), []
    for _ in range(4):
        start = time.process_time()
        model.loss(data, generator).backward()
        optimizer.step()
        optimizer.zero_grad()
        spent.append(time.process_time() - start)
    ms = round(1_000 * statistics.median(spent[1:]))
    return {"network": kind, "window": length, "CPU ms": ms, "peak GiB": round(peak_gib(), 2)}


def whole(end: str, series: int, points: int) -> dict[str, Any]:
    """A frame of random walks with holes, through one front end."""
    frame, rng = walks(series, points), np.random.default_rng(1)
    start = time.process_time()
    layout = Wide("time", item="item")
    if end == "forecast":
        caster = Forecaster(48, fit=FEW).fit(frame, layout, progress=False)
        fitted = time.process_time()
        answer = caster.forecast(n_samples=20).mean()
    else:
        frame = frame.mask(rng.random(frame.shape) < np.array([0, 0, 0.1, 0.1]))
        imputer = Imputer(fit=FEW).fit(frame, layout, progress=False)
        fitted = time.process_time()
        answer = imputer.impute(frame, n_samples=20).mean()
    assert answer[["a", "b"]].notna().all(None)
    return {
        "front end": end,
        "series": series,
        "points": points,
        "fit, CPU s": round(fitted - start, 1),
        "answer, CPU s": round(time.process_time() - fitted, 1),
        "peak GiB": round(peak_gib(), 2),
    }


def walks(series: int, points: int) -> pd.DataFrame:
    """Hourly random walks in two columns, of so many items."""
    rng = np.random.default_rng(0)
    stamps = pd.date_range("2026-01-01", periods=points, freq="h")
    values = rng.standard_normal((series, points, 2)).cumsum(1).reshape(-1, 2)
    frame = pd.DataFrame(
        {"item": np.repeat(np.arange(series), points), "time": np.tile(stamps, series)}
    )
    return frame.assign(a=values[:, 0], b=values[:, 1])


def figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Time of a step, and peak memory, against the length of a window."""
    curves = {
        str(kind): [
            (r["window"], r["CPU ms"], r["peak GiB"]) for r in rows if r["network"] == kind
        ]
        for kind in KINDS
    }
    size, time = (
        f"points of a window of {CHANNELS} channels",
        f"CPU ms of a step of {WINDOWS} windows",
    )
    return growth(curves, size, time)


if __name__ == "__main__":
    typer.run(main)
