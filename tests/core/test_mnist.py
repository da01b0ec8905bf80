"""A Gaussian of MNIST's uniformly dequantised pixels: 5.285 bits a pixel, by three routes (T19)."""

import math
import os
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.likelihood import IMMSE, Flow, Hutchinson
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded, uniform
from unnoise.core.sampler import LogSNRGrid
from unnoise.core.schedule import Cosine, Level
from unnoise.data import load_mnist

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("UNNOISE_DATA"),
        reason="UNNOISE_DATA is not set, and tests do not download",
    ),
]
DOUBLE = torch.float64
D = 28 * 28


def bits(nats: Tensor) -> Tensor:
    """Of a density on [-1, 1]: a cell of 2/256 costs seven bits more."""
    return -nats / (D * math.log(2)) + 7


@dataclass(frozen=True)
class Fitted:
    """The Gaussian with the moments of the training images, and the test images twice dequantised."""

    law: Mixture
    test: Tensor
    again: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.cat([self.law.log_prob(rows) for rows in x.split(1000)])


class Independent(Denoiser[Mean]):
    """The law in its own axes, a rotation that no density notices: entries are independent there."""

    def __init__(self, law: Mixture) -> None:
        super().__init__()
        self.mean, self.lam = law.means[0] @ law.axes[0], law.lam[0]

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        gain = level.alpha * self.lam / (level.alpha**2 * self.lam + level.sigma**2)
        return Mean(self.mean + gain * (x_t - level.alpha * self.mean))


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """67 pixels are constant in all training images; what dequantises them makes the covariance full rank."""
    mnist, generator = load_mnist(quiet=True), seeded(0)

    def dequantised(levels: np.ndarray) -> Tensor:
        x = torch.from_numpy(levels).reshape(-1, D).double()
        return (x + uniform((len(x), D), x, generator)) / 128 - 1

    total = torch.zeros(D, dtype=DOUBLE)
    squares = torch.zeros(D, D, dtype=DOUBLE)
    images = mnist["train_images"]
    for some in np.split(images, 12):
        x = dequantised(some)
        total += x.sum(0)
        squares += x.T @ x
    mean = total / len(images)
    law = Mixture.gaussian(mean, squares / len(images) - mean.outer(mean))
    assert law.lam.min() > 0.9 * (2 / 256) ** 2 / 12
    return Fitted(law, dequantised(mnist["test_images"]), dequantised(mnist["test_images"]))


def test_direct_density(fitted: Fitted) -> None:
    """On all 10,000 test images. These are given, so all that is random is the noise that dequantised them."""
    first, again = (bits(fitted.log_prob(x)).mean().item() for x in (fitted.test, fitted.again))
    assert first == pytest.approx(5.285, abs=0.01)
    assert first == pytest.approx(again, abs=1e-3)


def test_flow_and_i_mmse_agree_with_the_direct_density(fitted: Fitted) -> None:
    law, independent = fitted.law, Independent(fitted.law)
    process = Gaussian(Cosine(log_snr_max=22, log_snr_min=-12))  # above 1 / the least variance
    x = fitted.test[:64]
    exact, rotated = bits(law.log_prob(x)), x @ law.axes[0]

    level = process.schedule.level(torch.linspace(0, 1, 64, dtype=DOUBLE), 2)
    mean = law(x, level, Batch(x)).mean @ law.axes[0]
    torch.testing.assert_close(independent(rotated, level, Batch(x)).mean, mean)

    # one probe is exact for the diagonal Jacobian
    flow = Flow(128, Hutchinson(1), grid=LogSNRGrid())
    result = flow(process, independent, Batch(rotated), generator=seeded(1))
    assert (bits(result.nats) - exact).abs().max() < 1e-3

    many = IMMSE(200)(process, independent, Batch(rotated.repeat(32, 1)), generator=seeded(1))
    error = bits(many.nats) - exact.repeat(32)
    stderr = error.std().item() / math.sqrt(len(error))
    assert stderr < 2e-3  # five of them are the hundredth in question
    assert abs(error.mean().item()) < 5 * stderr
