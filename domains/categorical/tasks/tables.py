"""Tables of names: every column nominal or ordinal, a constant one and "?" among them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch

from unnoise.core.rates import Rates, Reversible
from unnoise.core.training import Fit
from unnoise.data import load_digits, load_table
from unnoise.domains.categorical.figures import frequencies_figure
from unnoise.domains.categorical.problem import Problem
from unnoise.domains.categorical.scores import BITS, MARGINALS, NATS, ORDERED, PAIRS
from unnoise.domains.categorical.tasks.common import code_task
from unnoise.domains.categorical.write import TABLE, write_table
from unnoise.domains.task import Preset, Task

__all__ = ["TASKS", "digits", "nominal"]

METRICS = {
    "bits_per_dim": BITS,
    "nats_per_row": NATS,
    "bits_in_order": ORDERED,
    "marginal_tv": MARGINALS,
    "pair_tv": PAIRS,
}
SUMMARY = {
    "mushroom": "mushrooms, 8,124 x 23 names",
    "car": "cars, 1,728 x 7: all combinations of six properties",
    "breast-cancer": "breast cancer, 286 x 10",
}
SMOKE = Preset(
    Fit(300, batch=64, lr=2e-3, warmup=30, ema=0.98),
    {"width": 128, "blocks": 2},
    {"samples": 300, "nfe": 17, "draws": 16, "ordered": 300},
)


@cache
def problem(name: str) -> Problem:
    """A table in the parts 70 / 10 / 20 of RandomState(0).permutation; levels in sorted order."""
    frame = load_table(name)
    levels = [sorted(frame[column].astype(str).unique()) for column in frame]
    codes = np.stack(
        [
            np.searchsorted(known, frame[column].astype(str).to_numpy())
            for column, known in zip(frame, levels, strict=True)
        ],
        1,
    )
    order = np.random.RandomState(0).permutation(len(codes))
    first, second = int(0.7 * len(codes)), int(0.8 * len(codes))
    train, valid, test = (
        torch.from_numpy(codes[rows])
        for rows in (order[:first], order[first:second], order[second:])
    )
    sizes = tuple(len(known) for known in levels)
    return Problem(train, valid, test, sizes, [str(c) for c in frame], levels)


def nominal(name: str, cpu: Preset) -> Task:
    """The task of a table."""
    load = partial(problem, name)
    return code_task(
        SUMMARY[name],
        load,
        {"smoke": SMOKE, "cpu": cpu},
        METRICS,
        figures={"Levels": lambda o, s: frequencies_figure(load().alphabets)(o, s)},
        write=write_table(load),
        formats=TABLE,
    )


@cache
def digits_problem() -> Problem:
    """scikit-learn's digits as 64 ordered columns, in the split of images/digits."""
    images = load_digits()["images"].reshape(-1, 64)
    x = torch.from_numpy(images[np.random.RandomState(0).permutation(len(images))])
    return Problem(x[:1337], x[1337:1437], x[1437:], (17,))


def digits() -> Task:
    """Ordinal diffusion of grey levels: a walk between neighbours."""

    def rates(problem: Problem) -> tuple[Rates, tuple[float, float]]:
        return Reversible.birth_death([17]), (14.0, -14.0)

    presets = {
        "smoke": Preset(
            Fit(200, batch=64, lr=2e-3, warmup=20, ema=0.98),
            {"width": 128, "blocks": 2},
            {"samples": 200, "nfe": 17, "draws": 8},
        ),
        "cpu": Preset(
            Fit(4_000, batch=128, lr=1e-3, ema=0.999, weight_decay=0.05),
            {"width": 512, "blocks": 3, "dropout": 0.3},
            {"samples": 360, "draws": 128},
        ),
    }
    return code_task(
        "8 x 8 digits of scikit-learn as 64 ordered columns of 17 levels, birth-death noise",
        digits_problem,
        presets,
        {k: METRICS[k] for k in ("bits_per_dim", "marginal_tv", "pair_tv")},
        rates=rates,
        write=write_table(digits_problem),
        formats=TABLE,
    )


TASKS: dict[str, Callable[[], Task]] = {
    "mushroom": partial(
        nominal,
        "mushroom",
        Preset(
            Fit(4_000, batch=128, lr=1e-3, ema=0.999, weight_decay=0.05),
            {"width": 384, "blocks": 3, "dropout": 0.2},
            {"samples": 1_625, "draws": 128, "ordered": 1_625},
        ),
    ),
    "car": partial(
        nominal,
        "car",
        Preset(
            Fit(3_000, batch=128, lr=1e-3, ema=0.998, weight_decay=0.05),
            {"width": 128, "blocks": 2, "dropout": 0.1},
            {"samples": 346, "draws": 256, "ordered": 346},
        ),
    ),
    "breast-cancer": partial(
        nominal,
        "breast-cancer",
        Preset(
            Fit(600, batch=64, lr=1e-3, ema=0.99, weight_decay=0.1),
            {"width": 96, "blocks": 1, "dropout": 0.4},
            {"samples": 200, "draws": 256, "ordered": 58},
        ),
    ),
    "digits-ordinal": digits,
}
