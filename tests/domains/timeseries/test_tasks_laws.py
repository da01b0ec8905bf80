"""Tasks of known laws: exact ceilings, and what lies below them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.task import Preset, Task
from unnoise.domains.timeseries import DOMAIN
from unnoise.domains.timeseries.laws import LAWS
from unnoise.domains.timeseries.outputs import Drawn, model_log_prob
from unnoise.domains.timeseries.tasks.common import model_of
from unnoise.domains.timeseries.tasks.synthetic import CHANNELS, exact, independent, simulated

FEW = Preset(None, {"width": 16, "layers": 1}, {"samples": 1, "windows": 100, "scored": 2_000})


@pytest.fixture(scope="module")
def ou() -> Task:
    return DOMAIN["ou"]()


@pytest.mark.parametrize(("name", "ceiling"), [("ou", -0.4686), ("cir", 0.5069)])
def test_the_floor_is_the_law_s_own_likelihood(name: str, ceiling: float) -> None:
    """The mean over all laws' series, measured apart (see `laws`): 2,000 series differ by their error."""
    task = DOMAIN[name]()
    assert task.floor is not None
    outputs = task.floor(task.data(), FEW)
    score = task.metrics["log_prob_per_step"].score(outputs, task.data())
    assert score.stderr < 0.005
    assert score.value == pytest.approx(ceiling, abs=4 * score.stderr)


@pytest.mark.parametrize("name", ["sine", "sink"])
def test_a_law_on_a_surface_has_no_likelihood(name: str) -> None:
    assert exact(name, simulated(name, False).test) is None
    assert list(DOMAIN[name]().metrics) == ["mmd", "accuracy"]


def test_independent_values_are_far_below_the_ceiling(ou: Task) -> None:
    made = independent(simulated("ou", False), FEW)
    assert made is not None
    score = ou.metrics["log_prob_per_step"].score(made, ou.data())
    assert score.value == pytest.approx(-1.3175, abs=4 * score.stderr)


def test_the_reference_comes_near_the_ceiling_of_a_gaussian_law(ou: Task) -> None:
    """It has the law's mean and decay, but not the start from N(0, 1)."""
    assert ou.floor is not None and ou.baseline is not None
    outputs = ou.floor(ou.data(), FEW), ou.baseline(ou.data(), FEW)
    score = ou.metrics["log_prob_per_step"].score
    floor, reference = (score(o, ou.data()).value for o in outputs)
    assert floor - 0.03 < reference < floor
    mmd = ou.metrics["mmd"].score
    far = independent(simulated("ou", False), FEW)
    assert mmd(outputs[0], ou.data()).value < mmd(far, ou.data()).value


def test_a_bound_is_below_the_likelihood_of_the_law() -> None:
    data = simulated("ou", False)
    torch.manual_seed(0)
    model = model_of(data, FEW).eval()
    how = Preset(None, {}, {"scored": 100, "draws": 64})
    found = model_log_prob(model, data, how, seeded(0))
    law = exact("ou", data.test.first(100))
    assert law is not None
    gap = float((law.nats - found.nats).mean())
    error = float(found.stderr.square().mean().sqrt()) / math.sqrt(100)
    assert gap > -4 * error


def test_series_at_random_times_are_compared_with_their_times() -> None:
    """The order of series doesn't matter where all have the same times; where each has its own, it does."""
    for name, irregular in (("ou", False), ("ou/irregular", True)):
        task = DOMAIN[name]()
        assert task.floor is not None
        floor = task.floor(task.data(), FEW)
        mixed = Drawn(floor.samples[:, ::-1], floor.windows)
        values = [task.metrics["mmd"].score(o, task.data()).value for o in (floor, mixed)]
        assert (values[0] == pytest.approx(values[1], abs=1e-12)) is not irregular


def test_no_series_is_in_two_parts() -> None:
    data = simulated("ou", True)
    assert data.train.coords is not None
    parts = (np.asarray(data.train.coords), data.valid.times, data.test.times)
    firsts = np.concatenate([t[:, 1] for t in parts])
    assert len(np.unique(firsts)) == len(firsts) == 10_000
    assert independent(data, FEW) is None


@pytest.mark.parametrize("name", LAWS)
def test_budgets_know_how_many_channels_a_law_has(name: str) -> None:
    drawn = LAWS[name].law.draw(1, [0.0, 0.1], np.random.default_rng(0))
    assert drawn.shape[2] == CHANNELS.get(name, 1)
