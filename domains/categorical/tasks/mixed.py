"""Tables of numbers and names: what a classifier learns from synthetic rows, and how well a label is
imputed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
from matplotlib.figure import Figure

from unnoise.core.training import Fit
from unnoise.data import load_adult, load_table
from unnoise.domains.categorical.figures import columns_figure
from unnoise.domains.categorical.metrics import (
    auc,
    classifier_auc,
    column_tv,
    frame_codes,
    marginal_tv,
    mean_score,
    pair_tv,
)
from unnoise.domains.categorical.synthetic import MixedTable, Synthetic
from unnoise.domains.categorical.table import Kind, Nominal, Numeric
from unnoise.domains.categorical.table.spelling import Label
from unnoise.domains.task import Metric, Preset, Score, Splits, Table, Task

__all__ = ["TASKS", "adult", "anes96", "mixed"]

MEASURED = ("age", "fnlwgt", "capital-gain", "capital-loss", "hours-per-week")  # of adult

SMOKE = Preset(
    Fit(200, batch=128, lr=2e-3, warmup=20, ema=0.98),
    {"width": 128, "blocks": 1},
    {"samples": 400, "nfe": 8, "draws": 16, "tests": 200, "fill": 200, "fills": 8},
)


@cache
def adult() -> MixedTable:
    """The published parts; of the first 2,561 rows are for validation. "?" is a level."""
    rows, test = load_adult()
    names = [name for name in rows if rows[name].dtype == object]
    kinds = {name: Nominal(levels=sorted({*rows[name], *test[name]})) for name in names}
    measured: dict[Label, Kind] = {name: Numeric() for name in MEASURED}
    return MixedTable(rows[:30_000], rows[30_000:], test, "income", measured | kinds)


@cache
def anes96() -> MixedTable:
    """The parts 70 / 10 / 20 of RandomState(0).permutation; `logpopul`, which is log(popul + .1), is
    left out."""
    rows = load_table("anes96").drop(columns="logpopul")
    names = [name for name in rows if rows[name].dtype == object]
    kinds = {name: Nominal(levels=sorted(set(rows[name]))) for name in names}
    order = np.random.RandomState(0).permutation(len(rows))
    first, second = int(0.7 * len(rows)), int(0.8 * len(rows))
    train, valid, test = (
        rows.iloc[part].reset_index(drop=True)
        for part in (order[:first], order[first:second], order[second:])
    )
    measured: dict[Label, Kind] = {"popul": Numeric(), "age": Numeric()}
    return MixedTable(train, valid, test, "vote", measured | kinds)


def mixed(summary: str, load: Callable[[], MixedTable], presets: Mapping[str, Preset]) -> Task:
    """The task of a mixed table."""

    def imputed(outputs: Synthetic, splits: Splits) -> Score | None:
        if outputs.odds is None:
            return None
        truth = load().test[load().label].iloc[: len(outputs.odds)]
        return auc(outputs.odds, truth == load().positive)

    return Task(
        summary,
        data=lambda: load().splits(),
        model=lambda splits, preset: load().model(splits, preset),
        generate=lambda *how: load().generated(*how),
        metrics={
            "nats_per_row": Metric(
                _nats, "lower", "-log p of test rows (bound; numbers: densities)", "nats/row", "upper bound"
            ),
            "column_tv": Metric(
                lambda o, s: marginal_tv(*frame_codes(load().test, o.frame)),
                "lower", "total variation of columns, mean",
            ),
            "pair_tv": Metric(
                lambda o, s: pair_tv(*frame_codes(load().test, o.frame)),
                "lower", "total variation of pairs of columns, mean",
            ),
            "classifier_auc": Metric(
                lambda o, s: classifier_auc(o.frame, load().test, load().label),
                "higher", "AUC on test rows of boosted trees trained on these rows",
            ),
            "imputed_auc": Metric(imputed, "higher", "AUC of the label, drawn given the rest of test rows"),
        },
        presets=presets,
        floor=lambda *how: load().real(*how),
        baseline=lambda *how: load().independent(*how),
        figures={"Columns": lambda o, s: _columns(load(), o)},
        tables={"Total variation of every column": lambda o, s: _column_table(load(), o)},
        sampler=lambda nfe: load().sampler(nfe),
        bound=lambda *how: load().bound(*how),
        write=lambda states, path: load().write(states, path),
        formats=(".csv",),
    )  # fmt: skip


def _nats(outputs: Synthetic, splits: Splits) -> Score | None:
    return None if outputs.bound is None else mean_score(-outputs.bound.nats.double())


def _columns(table: MixedTable, outputs: Synthetic) -> Figure:
    return columns_figure(table.test, outputs.frame)


def _column_table(table: MixedTable, outputs: Synthetic) -> Table:
    made, real = (
        column_tv(*frame_codes(table.test, frame)).tolist()
        for frame in (outputs.frame, table.train)
    )
    return {
        str(name): {"samples": a, "floor: training rows": b}
        for name, a, b in zip(table.test, made, real, strict=True)
    }


TASKS: dict[str, Callable[[], Task]] = {
    "adult": partial(
        mixed,
        "the census table adult: 5 columns of numbers, 10 of levels",
        adult,
        {
            "smoke": SMOKE,
            "cpu": Preset(
                Fit(4_000, batch=512, lr=2e-3, warmup=200, weight_decay=0.3, ema=0.999),
                {"width": 512, "blocks": 3, "dropout": 0.1},
                {"samples": 30_000},
            ),
        },
    ),
    "anes96": partial(
        mixed,
        "a survey of voters, the American National Election Study of 1996: 944 rows, 10 columns",
        anes96,
        {
            "smoke": SMOKE,
            "cpu": Preset(
                Fit(600, batch=128, lr=1e-3, warmup=30, weight_decay=1.0, ema=0.993),
                {"width": 128, "blocks": 1, "dropout": 0.4},
                {"samples": 20_000, "tests": 189, "fill": 189, "fills": 256},
            ),
        },
    ),
}
