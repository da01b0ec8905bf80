"""Characters: masked diffusion of windows of a text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from unnoise.core.training import Fit
from unnoise.data import load_text
from unnoise.domains.categorical.baselines import WittenBell
from unnoise.domains.categorical.figures import text_page
from unnoise.domains.categorical.metrics import mean_score
from unnoise.domains.categorical.networks import Convolutions
from unnoise.domains.categorical.outputs import Rows, Whole
from unnoise.domains.categorical.problem import Problem
from unnoise.domains.categorical.scores import bits
from unnoise.domains.categorical.tasks.common import code_task
from unnoise.domains.categorical.write import TEXT, spelled, write_text
from unnoise.domains.task import Metric, Preset, Score, Splits, Task

__all__ = ["TASKS", "text"]

LENGTH, STRIDE = 256, 8  # characters of a row; between the starts of two training rows
GRAM = 3  # of the baseline
SUMMARY = {
    "shakespeare": "Shakespeare, 65 characters, rows of 256",
    "republic": "Plato's Republic in 27 characters, rows of 256",
}
PRESETS = {
    "smoke": Preset(
        Fit(60, batch=16, lr=2e-3, warmup=20, ema=0.9),
        {"width": 64, "layers": 4},
        {"samples": 4, "nfe": 17, "draws": 4, "tests": 20},
    ),
    "cpu": Preset(
        Fit(5_200, batch=32, lr=2e-3, warmup=200, ema=0.998, precision="auto"),
        {"width": 192, "layers": 8},
        {"samples": 100, "nfe": 129, "draws": 32, "batch": 100},
    ),
    "paper": Preset(
        Fit(60_000, batch=256, lr=1e-3, warmup=1_000, ema=0.9995, precision="auto"),
        {"width": 512, "layers": 16, "dropout": 0.1},
        {"samples": 500, "nfe": 257, "draws": 128, "batch": 500},
    ),
}


@cache
def problem(name: str) -> Problem:
    """Rows of a text: first 90 % train, next 5 % valid, last 5 % test, the last two cut into rows
    that don't overlap."""
    content = load_text(name)
    alphabet = sorted(set(content))
    number = {letter: k for k, letter in enumerate(alphabet)}
    codes = torch.tensor([number[letter] for letter in content], dtype=torch.uint8)
    first, second = int(0.9 * len(codes)), int(0.95 * len(codes))
    train, valid, test = codes[:first], codes[first:second], codes[second:]
    rows = train.unfold(0, LENGTH, STRIDE)
    checked, held = (part.unfold(0, LENGTH, LENGTH) for part in (valid, test))
    return Problem(rows, checked, held, (len(alphabet),), levels=[alphabet])


def text(name: str) -> Task:
    """The task of a text."""
    load = partial(problem, name)

    def network(problem: Problem, how: Mapping[str, Any]) -> Callable[[int, int, int], nn.Module]:
        return lambda columns, states, out: Convolutions(1, states, out, **how)

    def surprise(outputs: Rows, splits: Splits) -> Score:
        """What 5-grams of the training text make of samples: near what they make of the text."""
        nats = grams(load(), 5).log_prob(outputs.rows.long())
        return mean_score(-nats / (LENGTH * math.log(2)))

    metrics = {
        "bits_per_dim": Metric(
            bits(lambda o: o.bound), "lower", "bits/char (bound)", "bits/dim", "upper bound"
        ),
        "sample_bits": Metric(
            surprise, "lower", "bits/char of samples under a 5-gram model of the text", "bits/dim"
        ),
    }
    return code_task(
        f"{SUMMARY[name]}",
        load,
        PRESETS,
        metrics,
        network=network,
        classical=lambda problem: Whole(grams(problem, GRAM), LENGTH),
        figures={"Samples": text_page(lambda x: spelled(x, load().levels[0]))},
        write=write_text(load),
        formats=TEXT,
    )


def grams(problem: Problem, n: int) -> WittenBell:
    """n-grams of the training text."""
    return WittenBell.fit(problem.train[:: LENGTH // STRIDE].flatten().long(), problem.sizes[0], n)


TASKS: dict[str, Callable[[], Task]] = {f"text/{name}": partial(text, name) for name in SUMMARY}
