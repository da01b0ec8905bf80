"""Noise with a spectrum, against its dense covariance."""

import math

import numpy as np
import pytest
import torch
from scipy import fft, stats
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise import Spectral
from unnoise.core.random import normal, seeded

DOUBLE = torch.float64
SHAPES = [(6,), (3, 4)]


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def variances(shape: tuple[int, ...]) -> Tensor:
    return states(*shape, seed=5).exp()


def dense(s: Tensor) -> np.ndarray:
    """C = D' diag(s) D, with scipy's own transform."""
    size, axes = s.numel(), tuple(range(1, s.ndim + 1))
    basis = fft.dctn(np.eye(size).reshape(size, *s.shape), axes=axes, norm="ortho")
    basis = basis.reshape(size, size)  # row n: the coefficients of the n-th entry
    return basis @ np.diag(s.flatten().numpy()) @ basis.T


@pytest.mark.parametrize("shape", SHAPES)
def test_log_prob_is_that_of_the_dense_covariance(shape: tuple[int, ...]) -> None:
    s = variances(shape)
    noise, x = Spectral(s), states(4, 2, *shape)
    law = stats.multivariate_normal(np.zeros(s.numel()), dense(s))
    exact = law.logpdf(x.reshape(4, 2, -1).numpy()).sum(1)
    batch = Batch(x)
    torch.testing.assert_close(noise.log_prob(x, batch), torch.from_numpy(exact))
    log_det = 2 * np.linalg.slogdet(dense(s))[1]
    torch.testing.assert_close(noise.log_det(batch), torch.full((4,), log_det, dtype=DOUBLE))
    assert noise.dims(batch).tolist() == [2 * s.numel()] * 4


@pytest.mark.parametrize("shape", SHAPES)
def test_colour_is_a_root_and_whiten_its_inverse(shape: tuple[int, ...]) -> None:
    noise, size = Spectral(variances(shape)), math.prod(shape)
    eye = torch.eye(size, dtype=DOUBLE).reshape(size, *shape)
    root = noise.colour(eye, Batch(eye)).reshape(size, size).T
    exact = torch.from_numpy(dense(noise.variances))
    torch.testing.assert_close(root @ root.T, exact, rtol=0, atol=1e-12)
    x = states(5, *shape)
    there = noise.whiten(noise.colour(x, Batch(x)), Batch(x))
    torch.testing.assert_close(there, x, rtol=0, atol=1e-12)


def test_samples_have_the_covariance() -> None:
    noise = Spectral(variances((3, 4)))
    z = noise.sample(Batch(states(20_000, 3, 4)), seeded(1)).flatten(1)
    exact = torch.from_numpy(dense(noise.variances))
    error = (torch.cov(z.T) - exact) / exact.diagonal().outer(exact.diagonal()).sqrt()
    assert error.abs().max() < 5 * math.sqrt(2 / 20_000)


def test_a_power_law_falls_by_its_exponent() -> None:
    """s ~ omega^-2 with mean 1; the constant cosine has the slowest other one's; exponent 0 is white."""
    s = Spectral.power_law((16,), 2.0).variances
    k = torch.arange(1, 16, dtype=DOUBLE)
    torch.testing.assert_close(s[1:] / s[1], k.pow(-2))
    assert s[0] == s[1]
    assert s.mean().item() == pytest.approx(1, rel=1e-14)
    square = Spectral.power_law((4, 8), 2.0).variances
    assert (square[3, 4] / square[0, 1]).item() == pytest.approx(
        (1 / 8) ** 2 / ((3 / 4) ** 2 + (4 / 8) ** 2)
    )
    torch.testing.assert_close(
        Spectral.power_law((4, 4), 0.0).variances, torch.ones(4, 4, dtype=DOUBLE)
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_the_spectrum_of_data_makes_them_white(shape: tuple[int, ...]) -> None:
    """Every cosine of the whitened data has variance one over data and channels, their mean aside."""
    x = Spectral(variances(shape)).sample(Batch(states(50, 3, *shape)), seeded(2)) + 4.0
    noise = Spectral.of(x, len(shape))
    y = noise.whiten(x - x.mean(0), Batch(x)).square().sum(0).mean(0) / 49
    torch.testing.assert_close(y, torch.ones_like(y), rtol=1e-12, atol=0)
    total = (x - x.mean(0)).square().sum() / (49 * 3 * math.prod(shape))
    torch.testing.assert_close(noise.variances.mean(), total)


def test_frequencies_that_the_data_lack_get_the_floor() -> None:
    ramp = torch.linspace(-1, 1, 10, dtype=DOUBLE)[:, None].expand(10, 6)  # constants only
    s = Spectral.of(ramp, 1, floor=1e-3).variances
    assert s[0] > 1
    torch.testing.assert_close(s[1:] / (s[0] / 6), torch.full((5,), 1e-3, dtype=DOUBLE))


def test_the_spectrum_is_saved_and_used_in_the_precision_of_the_state() -> None:
    noise = Spectral(variances((8,)))
    assert list(noise.state_dict()) == ["variances"]
    x = states(3, 8)
    single = noise.log_prob(x.float(), Batch(x.float()))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), noise.log_prob(x, Batch(x)), rtol=1e-5, atol=1e-5)


def test_bad_arguments_are_refused() -> None:
    for s in (torch.tensor([1.0, 0.0]), torch.tensor([1.0, math.nan])):
        with pytest.raises(ValueError, match="positive and finite"):
            Spectral(s)
    with pytest.raises(ValueError, match=r"\(N,\) or \(H, W\)"):
        Spectral(torch.ones(2, 2, 2))
    with pytest.raises(ValueError, match="don't vary"):
        Spectral.of(torch.ones(5, 4, 4))
    with pytest.raises(ValueError, match="at least two states"):
        Spectral.of(torch.ones(5, 4))
    x = states(2, 6)
    with pytest.raises(ValueError, match="masked state has no cosine transform"):
        Spectral(torch.ones(6)).sample(Batch(x, mask=x > 0), seeded(0))
