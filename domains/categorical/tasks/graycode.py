"""Seven planar densities in 32 bits (`domains.categorical.graycode`), whose entropy is known."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.core.training import Fit
from unnoise.domains.categorical.figures import by_cost, plane
from unnoise.domains.categorical.graycode import BITS as COLUMNS
from unnoise.domains.categorical.graycode import CODES
from unnoise.domains.categorical.metrics import energy_distance
from unnoise.domains.categorical.outputs import Rows
from unnoise.domains.categorical.problem import Law, Problem
from unnoise.domains.categorical.scores import BITS, GAP, MMD, NATS, mmd
from unnoise.domains.categorical.tasks.common import code_task
from unnoise.domains.categorical.write import TABLE, write_table
from unnoise.domains.task import Metric, Preset, Score, Splits, Task

__all__ = ["TASKS", "graycode"]

TRAIN, VALID, TEST = 1_000_000, 4_000, 40_960  # rows, each part drawn from a seed of its own

PRESETS = {
    "smoke": Preset(
        Fit(300, batch=256, lr=2e-3, warmup=30, ema=0.98),
        {"width": 128, "blocks": 2},
        {"samples": 2_000, "nfe": 17, "draws": 8, "tests": 1_000},
    ),
    "cpu": Preset(
        Fit(6_000, batch=512, lr=1e-3, ema=0.999, precision="auto"),
        {"width": 512, "blocks": 3},
        {"samples": 40_960, "draws": 128, "tests": 4_000, "sweep": 4_000},
    ),
    "paper": Preset(
        Fit(100_000, batch=1024, lr=1e-3, ema=0.9999, precision="auto", compile=True),
        {"width": 1024, "blocks": 6},
        {"samples": 40_960, "nfe": 129, "draws": 256, "tests": 40_960, "sweep": 8_000},
    ),
}


@cache
def problem(name: str) -> Problem:
    """Rows of a density."""
    law = CODES[name]
    train, valid, test = (
        law.sample(n, seeded(0, part)).to(torch.uint8)
        for part, n in enumerate((TRAIN, VALID, TEST))
    )
    known = Law(law.discrete_entropy(), lambda x: law.log_prob_bits(x.long()))
    return Problem(train, valid, test, (2,) * COLUMNS, law=known)


def graycode(name: str) -> Task:
    """The task of a density."""

    def points(rows: Tensor) -> Tensor:
        return CODES[name].decode(rows.long())

    def energy(outputs: Rows, splits: Splits) -> Score:
        n = 4_000
        return energy_distance(points(outputs.rows[:n]), points(splits.test.x[:n]))

    metrics = {
        "nelbo_minus_entropy": GAP,
        "nats_per_row": NATS,
        "bits_per_dim": BITS,
        "mmd_hamming": MMD,
        "energy_distance": Metric(energy, "lower", "energy distance of decoded points, unbiased"),
    }
    load = partial(problem, name)
    return code_task(
        f"{name} in the plane as 32 Gray-coded bits; entropy known",
        load,
        PRESETS,
        metrics,
        figures={
            "Decoded points": plane(points),
            "Quality against cost": by_cost(lambda x, s: mmd(x, s).value, "MMD, exp(-.1 Hamming)"),
        },
        write=write_table(load),
        formats=TABLE,
    )


TASKS: dict[str, Callable[[], Task]] = {
    f"graycode/{name}": partial(graycode, name) for name in CODES
}
