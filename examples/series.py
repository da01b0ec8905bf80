"""A messy table of series made whole, carried on, and drawn, in three steps.

    python examples/series.py [steps of training] [folder]

Two greenhouses report heat and moisture by the hour, one for longer than the other. Rows are in no order, hours are
missing, sensors are out for most of a day. The truth is known here, so that the end can say how far off all of it was,
beside what is done without a model.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from unnoise.core.training import Fit
from unnoise.domains.timeseries import Forecaster, Imputer, Network, Wide
from unnoise.domains.timeseries.answer import Ahead, Filled
from unnoise.domains.timeseries.frames import read_frame, write_frame
from unnoise.domains.timeseries.metrics import coverage, sample_crps
from unnoise.domains.timeseries.plot import fan, gaps

LAYOUT = Wide(time="time", item="house", targets=["heat", "moisture"])
KEYS, CHANNELS = ["house", "time"], ["heat", "moisture"]
HORIZON, DAYS = 24, 5  # hours ahead, and how often that is tried
Figures = dict[str, tuple[float, float]]


def greenhouse(name: str, hours: int, rng: np.random.Generator) -> pd.DataFrame:
    """Heat that follows the day and wanders about it; moisture that falls when it rises."""
    t = np.arange(hours)
    wander = np.zeros(hours)
    for k in range(1, hours):
        wander[k] = 0.92 * wander[k - 1] + 0.8 * rng.standard_normal()
    heat = 20 + 4 * np.sin(2 * np.pi * (t - 9) / 24) + wander
    moisture = 70 - 1.5 * (heat - 20) + rng.standard_normal(hours)
    stamps = pd.date_range("2026-05-01", periods=hours, freq="h")
    return pd.DataFrame({"house": name, "time": stamps, "heat": heat, "moisture": moisture})


def messy(past: pd.DataFrame, path: Path, rng: np.random.Generator) -> None:
    """Write what is left of the truth when rows are lost, cells are empty, and a sensor is out."""
    table = past.copy()
    for channel in CHANNELS:
        table.loc[rng.random(len(table)) < 0.1, channel] = np.nan
    for start in rng.integers(0, len(table) - 30, 6):
        table.loc[start : start + 20, CHANNELS[start % 2]] = np.nan
    table = table[rng.random(len(table)) > 0.03]
    table.sample(frac=1, random_state=0).to_csv(path, index=False, float_format="%.2f")


def imputed(made: Filled, table: pd.DataFrame, truth: pd.DataFrame) -> Figures:
    """Mean absolute error of the empty cells, of the model and of straight lines."""
    ordered = table.sort_values(KEYS).set_index(KEYS)[CHANNELS]
    holes = ordered.isna().to_numpy()
    real = truth.set_index(KEYS)[CHANNELS].loc[ordered.index].to_numpy()
    ours = made.median().sort_values(KEYS)[CHANNELS].to_numpy()
    lines = ordered.groupby("house").transform(lambda x: x.interpolate(limit_direction="both"))
    model, without = (np.abs(x - real)[holes].mean() for x in (ours, lines.to_numpy()))
    return {"imputing, mean absolute error": (float(model), float(without))}


def forecast(made: Sequence[Ahead], truth: pd.DataFrame) -> Figures:
    """CRPS of the model, and of the seven days before hour by hour, which have no holes; how often 90 % held."""
    samples, real, week = [], [], []
    for day in made:
        for series, times, draws in zip(day.panel.series, day.times, day.arrays, strict=True):
            known = truth[truth["house"] == series.name].set_index("time")[CHANNELS]
            stamps = day.panel.clock.stamps(times)
            samples.append(draws)
            real.append(known.loc[stamps].to_numpy())
            before = [known.loc[stamps - pd.Timedelta(k, "D")].to_numpy() for k in range(1, 8)]
            week.append(np.stack(before))
    x, y, naive = np.stack(samples, 1), np.stack(real), np.stack(week, 1)
    return {
        "forecasting, CRPS": (sample_crps(x, y).value, sample_crps(naive, y).value),
        "share of the truth in the 90 % band": (coverage(x, y, 0.9).value, float("nan")),
    }


def main(steps: int = 100, folder: Path | None = None) -> Figures:
    """Each figure of the model, and of what is done without one."""
    rng = np.random.default_rng(0)
    out = Path(tempfile.mkdtemp()) if folder is None else folder
    out.mkdir(parents=True, exist_ok=True)
    houses = (greenhouse("north", 720, rng), greenhouse("south", 480, rng))
    truth = pd.concat(houses, ignore_index=True)
    messy(truth, out / "greenhouses.csv", rng)
    table = read_frame(out / "greenhouses.csv")
    table["time"] = pd.to_datetime(table["time"])
    empty = int(table[CHANNELS].isna().sum().sum())
    print(f"{out}/greenhouses.csv: {len(table)} rows, {empty} empty cells")
    how, small = Fit(steps, batch=8, lr=2e-3, warmup=10, ema=0.96), Network(width=32, layers=1)

    filler = Imputer(window=32, fit=how, network=small).fit(table, LAYOUT, progress=False)
    full = filler.impute(table, n_samples=40)
    write_frame(full.median(), out / "filled.csv")
    gaps(full).savefig(out / "filled.png", dpi=100)
    print(f"{out}/filled.csv, filled.png: the same rows without empty cells")

    ends = table.groupby("house")["time"].transform("max").dt.normalize()
    age = (ends - table["time"]) / pd.Timedelta(1, "D")  # of a row, before a house's last midnight
    caster = Forecaster(HORIZON, context=48, fit=how, network=small)
    caster.fit(table[age > DAYS - 1], LAYOUT, progress=False)  # holes and all
    made = [caster.forecast(frame=table[age > day]) for day in range(DAYS)]
    write_frame(made[0].quantiles((0.05, 0.5, 0.95)), out / "ahead.parquet")
    fan(made[0]).savefig(out / "ahead.png", dpi=100)
    print(f"{out}/ahead.parquet, ahead.png: the last day, seen from the day before")
    return imputed(full, table, truth) | forecast(made, truth)


if __name__ == "__main__":
    options = sys.argv[1:]
    figures = main(int(options[0]) if options else 100, Path(options[1]) if options[1:] else None)
    print(f"\n{'':38}{'model':>8}{'without':>10}")
    for title, (ours, without) in figures.items():
        print(f"{title:38}{ours:8.3f}{without:10.3f}".replace("nan", "  -"))
