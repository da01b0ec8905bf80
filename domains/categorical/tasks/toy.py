"""Two columns of three levels, whose joint law is nine numbers: nothing is trained, and what is left
of an error is the sampler's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound
from unnoise.core.model import Model
from unnoise.core.process import Jump
from unnoise.core.random import Generator, seeded
from unnoise.core.rates import Refresh
from unnoise.core.sampler import (
    Analytic,
    Euler,
    ExponentialEuler,
    JumpSampler,
    JumpSolver,
    Last,
    NominalLeap,
    OrdinalLeap,
)
from unnoise.core.schedule import Rectified
from unnoise.core.transform import Codes
from unnoise.domains.categorical.baselines import Independent
from unnoise.domains.categorical.metrics import mean_score
from unnoise.domains.categorical.problem import Law, Problem
from unnoise.domains.categorical.scores import GAP
from unnoise.domains.task import Metric, Preset, Score, Splits, Table, Task

__all__ = ["LAW", "TASKS", "toy"]

LAW = torch.tensor(
    [[0.30, 0.05, 0.05], [0.02, 0.25, 0.03], [0.10, 0.05, 0.15]], dtype=torch.float64
)
STEPS = (1, 2, 4, 8, 16, 32, 64)
SOLVERS: Mapping[str, JumpSolver] = {
    "analytic": Analytic(),
    "Euler": Euler(),
    "exponential Euler": ExponentialEuler(),
    "tau-leaping, one jump": NominalLeap(),
    "tau-leaping, clamped": OrdinalLeap(),
}


@dataclass(frozen=True)
class Distances:
    """Total variation of samplers, and the bound of the test rows.

    Attributes:
        tv: by solver, by steps.
        nats: log p of the test rows or less, (N,).
    """

    tv: Mapping[str, Mapping[int, Score]]
    nats: Tensor
    nfe: None = None


@cache
def problem() -> Problem:
    """Draws of the law."""
    law = Law(
        float(-(LAW * LAW.log()).sum()), lambda x: LAW.log()[x[:, 0].long(), x[:, 1].long()], LAW
    )
    joint = Joint(LAW, Refresh.uniform([3, 3]))
    train, valid, test = (joint.sample(n, seeded(0, n)) for n in (10_000, 1_000, 2_000))
    return Problem(train, valid, test, (3, 3), law=law)


def toy() -> Task:
    """The task: uniform noise until B = 3, as in the reference's table."""

    def model(splits: Splits, preset: Preset) -> Model:
        rates = Refresh.uniform([3, 3])
        end = -2 * math.log(math.expm1(3.0))
        process = Jump(Rectified(math.inf, end), rates)
        return Model(process, Joint(LAW, rates), (2,), Codes())

    def generate(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Distances:
        n = int(preset.generate["samples"])
        tv = {
            name: {k: distance(_draws(model, solver, k, n, generator)) for k in STEPS}
            for name, solver in SOLVERS.items()
        }
        bound = Bound(int(preset.generate["draws"]))
        return Distances(tv, model.log_prob(splits.test, bound, generator).nats)

    def same(law: Joint | Independent, splits: Splits, preset: Preset) -> Distances:
        rows = law.sample(int(preset.generate["samples"]), seeded(1))
        return Distances({"": dict.fromkeys(STEPS, distance(rows))}, law.log_prob(splits.test.x))

    def floor(splits: Splits, preset: Preset) -> Distances:
        return same(Joint(LAW, Refresh.uniform([3, 3])), splits, preset)

    def baseline(splits: Splits, preset: Preset) -> Distances:
        return same(Independent.fit(splits.train.x, (3, 3)), splits, preset)

    return Task(
        "two columns of three levels, exact denoiser: samplers and bound, no training",
        data=lambda: problem().splits(),
        model=model,
        generate=generate,
        metrics={f"tv@{k}": Metric(_at(k), "lower", f"total variation, {k} steps") for k in STEPS}
        | {"nelbo_minus_entropy": Metric(_gap, "lower", GAP.title, "nats", "upper bound")},
        presets={
            "smoke": Preset(None, {}, {"samples": 5_000, "draws": 64}),
            "cpu": Preset(None, {}, {"samples": 100_000, "draws": 1024}),
        },
        floor=floor,
        baseline=baseline,
        tables={"Total variation by sampler and steps": _table},
    )


def distance(rows: Tensor) -> Score:
    """Total variation between draws (N, 2) and the law, with the noise of as many draws."""
    index = 3 * rows[:, 0].long() + rows[:, 1].long()
    share = torch.bincount(index, minlength=9).double() / len(rows)
    p = LAW.flatten()
    noise = (p * (1 - p) / len(rows)).sum().sqrt() / 2
    return Score(float(0.5 * (share - p).abs().sum()), float(noise))


def _draws(model: Model, solver: JumpSolver, k: int, n: int, generator: Generator) -> Tensor:
    sampler = JumpSampler(solver, k, path=None, last=Last.NOTHING)
    return model.sample(Batch(torch.zeros(n, 2)), sampler, generator=generator)


def _at(k: int) -> Callable[[Any, Splits], Score]:
    return lambda outputs, splits: next(iter(outputs.tv.values()))[k]


def _gap(outputs: Distances, splits: Splits) -> Score:
    x = splits.test.x.long()
    return mean_score(LAW.log()[x[:, 0], x[:, 1]] - outputs.nats.double())


def _table(outputs: Distances, splits: Splits) -> Table:
    return {
        name: {f"{k} steps": s.value for k, s in row.items()} for name, row in outputs.tv.items()
    }


TASKS: dict[str, Callable[[], Task]] = {"toy-joint": toy}
