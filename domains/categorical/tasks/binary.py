"""Binary density estimation in the standard splits: what is reported is nats a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch

from unnoise.core.training import Fit
from unnoise.data import load_debd
from unnoise.domains.categorical.problem import Problem
from unnoise.domains.categorical.scores import BITS, MARGINALS, MMD, NATS, PAIRS
from unnoise.domains.categorical.tasks.common import code_task
from unnoise.domains.categorical.write import TABLE, write_table
from unnoise.domains.task import Preset, Task

__all__ = ["TASKS", "debd"]

SUMMARY = {
    "nltcs": "16 disabilities of 21,574 elderly people",
    "plants": "69 places where 23,215 plants grow",
    "accidents": "111 circumstances of 17,009 accidents",
    "debd-mushrooms": "112 properties of 8,124 mushrooms",
}
GENERATE: Mapping[str, Any] = {"samples": 4_000, "draws": 128}


def presets(steps: int, width: int, blocks: int, dropout: float) -> dict[str, Preset]:
    """Budgets of a data set; the network of `cpu` was chosen on its validation rows."""
    return {
        "smoke": Preset(
            Fit(300, batch=256, lr=2e-3, warmup=30, ema=0.98),
            {"width": 128, "blocks": 2},
            {"samples": 1_000, "nfe": 17, "draws": 8, "tests": 1_000},
        ),
        "cpu": Preset(
            Fit(steps, batch=256, lr=1e-3, ema=0.999, weight_decay=0.05, precision="auto"),
            {"width": width, "blocks": blocks, "dropout": dropout},
            GENERATE,
        ),
    }


@cache
def problem(name: str) -> Problem:
    """The rows of a set."""
    parts = {k: torch.from_numpy(v) for k, v in load_debd(name).items()}
    columns = parts["train"].shape[1]
    return Problem(parts["train"], parts["valid"], parts["test"], (2,) * columns)


def debd(name: str, steps: int, width: int, blocks: int, dropout: float) -> Task:
    """The task of a set."""
    load = partial(problem, name)
    return code_task(
        f"{SUMMARY[name]}, binary",
        load,
        presets(steps, width, blocks, dropout),
        {
            "nats_per_row": NATS,
            "bits_per_dim": BITS,
            "marginal_tv": MARGINALS,
            "pair_tv": PAIRS,
            "mmd_hamming": MMD,
        },
        write=write_table(load),
        formats=TABLE,
    )


TASKS: dict[str, Callable[[], Task]] = {
    "debd/nltcs": partial(debd, "nltcs", 3_000, 256, 2, 0.2),
    "debd/plants": partial(debd, "plants", 5_000, 512, 3, 0.2),
    "debd/accidents": partial(debd, "accidents", 5_000, 512, 3, 0.2),
    "debd/mushrooms": partial(debd, "debd-mushrooms", 3_000, 512, 3, 0.3),
}
