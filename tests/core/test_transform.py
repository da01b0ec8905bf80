"""Transforms: inverses, grids, log-determinants."""

import math

import pytest
import torch

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.likelihood import Flow
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import auto
from unnoise.core.schedule import OUVE, SchroedingerBridge
from unnoise.core.transform import Affine, Anchored, Quantised, Transform

DOUBLE = torch.float64


@pytest.mark.parametrize("levels", [2, 3, 16, 17, 256])
def test_quantised_levels_are_the_centres_of_equal_cells(levels: int) -> None:
    transform, raw = Quantised(levels), torch.arange(levels)
    x = transform.encode(raw)
    centres = (2 * (raw.double() + 0.5) / levels - 1).float()
    torch.testing.assert_close(x, centres, rtol=0, atol=1e-7)
    torch.testing.assert_close(transform.values, centres, rtol=0, atol=1e-7)
    assert torch.equal(transform.decode(x), raw)
    assert transform.decode(x).dtype == torch.int64
    assert transform.log_det == 0


def test_quantised_decodes_to_the_nearest_level() -> None:
    transform = Quantised(4)
    x = torch.tensor([-9, -0.501, -0.499, 0.2, 0.51, 9])
    assert transform.decode(x).tolist() == [0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize("transform", [Affine(), Affine(3.0, 0.25), Affine(-1.0, 40.0)])
def test_affine(transform: Affine) -> None:
    raw = torch.linspace(-5, 5, 11, dtype=DOUBLE)
    x = transform.encode(raw)
    torch.testing.assert_close(transform.decode(x), raw)
    slope = (x[1:] - x[:-1]) / (raw[1:] - raw[:-1])
    torch.testing.assert_close(slope, torch.full_like(slope, math.exp(transform.log_det)))
    assert transform.values is None


def test_identity_does_not_copy() -> None:
    raw = torch.zeros(3)
    assert Affine().encode(raw) is raw


@pytest.mark.parametrize(
    "make", [lambda: Affine(scale=0), lambda: Affine(scale=-1), lambda: Quantised(1)]
)
def test_bad_arguments_are_refused(make: type[Transform]) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        make()


def test_an_anchor_is_a_change_of_origin() -> None:
    """The mean of the bridge, alpha x_0 + (1 - alpha) y, is that of plain diffusion of the residual."""
    x_0, y = (normal(torch.empty(4, 3, dtype=torch.float64), seeded(k)) for k in (0, 1))
    transform, cond = Anchored("noisy", scale=2.0), {"noisy": y}
    torch.testing.assert_close(transform.decode(transform.encode(x_0, cond), cond), x_0)
    assert transform.log_det == pytest.approx(-math.log(2.0))
    process = Gaussian(OUVE())
    level = process.schedule.level(torch.full((4,), 0.5, dtype=torch.float64), 2)
    residual = Anchored("noisy").encode(x_0, cond)
    mean = process.marginal(residual, level, Batch(residual)).mean + y
    torch.testing.assert_close(mean, level.alpha * x_0 + (1 - level.alpha) * y)


def test_an_anchor_is_missed_by_name() -> None:
    with pytest.raises(ValueError, match=r"cond\['noisy'\]; conditions given: label"):
        Anchored("noisy").encode(torch.zeros(2, 1), {"label": torch.zeros(2)})
    with pytest.raises(ValueError, match="scale must be positive"):
        Anchored("noisy", scale=0.0)


def test_a_model_of_a_bridge_ends_near_its_data() -> None:
    """A known residual law: samples are the anchor plus it, and log p is its density in the data's units."""
    law = Mixture.gaussian(torch.tensor([0.3]), torch.tensor([[0.04]]))
    process = Gaussian(SchroedingerBridge(), data_std=0.36)
    model = Model(process, law, (1,), Anchored("noisy"))
    y = torch.linspace(-3, 3, 2000)[:, None]
    x = model.sample(Batch(torch.zeros(2000, 1), cond={"noisy": y}), auto(20), generator=seeded(0))
    rest = x - y
    assert rest.mean().item() == pytest.approx(0.3, abs=0.02)
    assert rest.std().item() == pytest.approx(0.2, abs=0.02)
    points = Batch(y[:3] + 0.25, cond={"noisy": y[:3]})
    result = model.log_prob(points, Flow())
    exact = torch.distributions.Normal(0.3, 0.2).log_prob(torch.tensor(0.25))
    torch.testing.assert_close(result.nats, exact.expand(3), atol=0.02, rtol=0)
