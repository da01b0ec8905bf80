"""Every network, reading and objective learns the toy's law: the bound comes down to the entropy."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound
from unnoise.core.model import Model
from unnoise.core.objective import (
    CrossEntropy,
    Denoising,
    Elbo,
    MaskedColumns,
    Objective,
    RatioMatching,
)
from unnoise.core.process import Jump
from unnoise.core.random import seeded
from unnoise.core.rates import Rates, Refresh, Reversible
from unnoise.core.reading import Bayes, CodeDenoiser, Conditionals, Direct, Reading, Scores
from unnoise.core.schedule import Rectified
from unnoise.core.training import Fit, fit
from unnoise.core.transform import Codes
from unnoise.domains.categorical.networks import Energy, Hollow, TableMLP, Transformer
from unnoise.domains.categorical.tasks.toy import problem

INFINITE, FINITE = (math.inf, -math.inf), (9.0, -7.0)
UNIFORM, MASK = Refresh.uniform([3, 3]), Refresh.absorbing([3, 3])
WALK = Reversible.birth_death([3, 3])
Case = tuple[Rates, tuple[float, float], Callable[[], nn.Module], Reading, Objective]
CASES: dict[str, Case] = {
    "masked columns": (MASK, INFINITE, lambda: TableMLP(2, 4, 3, 64, 2), Bayes(MASK), MaskedColumns()),
    "MDLM": (MASK, INFINITE, lambda: Transformer(2, 4, 3, 32, 2, own=True), Bayes(MASK), Denoising(Elbo())),
    "SDDM, reverse_prob": (UNIFORM, FINITE, lambda: Hollow(2, 3, 3, 32, 1, own=True), Bayes(UNIFORM), RatioMatching()),
    "SDDM, direct": (UNIFORM, FINITE, lambda: Hollow(2, 3, 3, 32, 1, own=True), Conditionals(), RatioMatching()),
    "SDDM, energy": (UNIFORM, FINITE, lambda: Energy(2, 3, 64, 2), Conditionals(), RatioMatching()),
    "SEDD": (UNIFORM, FINITE, lambda: TableMLP(2, 3, 3, 64, 2), Scores(), Denoising(Elbo())),
    "cross-entropy": (UNIFORM, FINITE, lambda: TableMLP(2, 3, 3, 64, 2), Bayes(UNIFORM), CrossEntropy()),
    "D3PM": (UNIFORM, FINITE, lambda: TableMLP(2, 3, 3, 64, 2), Direct(UNIFORM), Denoising(Elbo())),
    "ordinal": (WALK, FINITE, lambda: TableMLP(2, 3, 3, 64, 2), Bayes(WALK), Denoising(Elbo())),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_bound_comes_down_to_the_entropy(name: str) -> None:
    """Independent columns are .303 nats above it."""
    rates, window, make, reading, objective = CASES[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = CodeDenoiser(make(), reading)
    model = Model(Jump(Rectified(*window), rates), denoiser, (2,), Codes(), objective)
    how = Fit(300, batch=128, lr=5e-3, warmup=20, ema=0.97, log_every=100)
    fit(model, Batch(problem().train), how, progress=False)
    test = problem().test[:1000]
    result = model.log_prob(Batch(test), Bound(64), seeded(0))
    law = problem().law
    assert law is not None
    gap = law.log_prob(test) - result.nats.double()
    error = float(gap.std()) / len(gap) ** 0.5
    assert float(gap.mean()) < 0.03 + 3 * error
    assert error < 0.05
