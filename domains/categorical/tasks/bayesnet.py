"""Bayesian networks whose joint law is written down: the divergence from it is exact."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from unnoise.core.training import Fit
from unnoise.data import load_bayesnet
from unnoise.domains.categorical.problem import Law, Problem
from unnoise.domains.categorical.scores import BITS, GAP, KL, MARGINALS, NATS, PAIRS
from unnoise.domains.categorical.tasks.common import code_task
from unnoise.domains.categorical.write import TABLE, write_table
from unnoise.domains.task import Preset, Task

__all__ = ["NETWORKS", "TASKS", "bayesnet"]

NETWORKS = ("alarm", "asia", "cancer", "child", "earthquake", "insurance", "sachs", "survey")
TRAIN, VALID, TEST = 200_000, 4_000, 20_000  # rows, drawn from the network
PRESETS = {
    "smoke": Preset(
        Fit(300, batch=256, lr=2e-3, warmup=30, ema=0.98),
        {"width": 128, "blocks": 2},
        {"samples": 2_000, "nfe": 17, "draws": 16, "tests": 2_000, "ordered": 2_000},
    ),
    "cpu": Preset(
        Fit(4_000, batch=512, lr=1e-3, ema=0.999, precision="auto"),
        {"width": 256, "blocks": 3},
        {"samples": 20_000, "draws": 128, "ordered": 20_000, "batch": 2_000},
    ),
}


@cache
def problem(name: str) -> Problem:
    """Rows drawn from a network."""
    net = load_bayesnet(name)
    rng = np.random.default_rng(0)
    train, valid, test = (torch.from_numpy(net.sample(n, rng)) for n in (TRAIN, VALID, TEST))

    def log_prob(x: Tensor) -> Tensor:
        return torch.from_numpy(net.log_prob(x.long().numpy()))

    levels = [[str(v) for v in each] for each in net.levels]
    law = Law(net.entropy(), log_prob)
    return Problem(train, valid, test, tuple(net.sizes), list(net.names), levels, law=law)


def bayesnet(name: str) -> Task:
    """The task of a network."""
    load = partial(problem, name)
    return code_task(
        f"rows of the Bayesian network {name}; its joint law is known",
        load,
        PRESETS,
        {
            "kl_to_truth": KL,
            "nelbo_minus_entropy": GAP,
            "nats_per_row": NATS,
            "bits_per_dim": BITS,
            "marginal_tv": MARGINALS,
            "pair_tv": PAIRS,
        },
        write=write_table(load),
        formats=TABLE,
    )


TASKS: dict[str, Callable[[], Task]] = {
    f"bayesnet/{name}": partial(bayesnet, name) for name in NETWORKS
}
