"""Gaussian-process noise on irregular times, against dense covariances of scikit-learn and scipy."""

import copy
import gc
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from sklearn.gaussian_process import kernels
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.noise import OU, RBF, Correlation, Kernel, Matern32, Matern52
from unnoise.core.noise.correlation import Smooth
from unnoise.core.noise.root import Root
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded, uniform
from unnoise.core.sampler import AnyNoise, Sampler
from unnoise.core.schedule import Cosine

DOUBLE = torch.float64
SMOOTH = [RBF(0.3), Matern32(0.3), Matern52(0.3)]
ALL = [OU(0.3), *SMOOTH]
SKLEARN: dict[type[Correlation], Callable[[float], kernels.Kernel]] = {
    OU: lambda scale: kernels.Matern(scale, nu=0.5),
    Matern32: lambda scale: kernels.Matern(scale, nu=1.5),
    Matern52: lambda scale: kernels.Matern(scale, nu=2.5),
    RBF: kernels.RBF,
}


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def times(rows: int, n: int, seed: int = 7) -> Tensor:
    """Irregular, increasing, 0.1 apart in the mean."""
    u = uniform((rows, n), torch.empty(0, dtype=DOUBLE), seeded(seed))
    return (0.01 + 0.18 * u).cumsum(1)


def dense(correlation: Correlation, t: Tensor) -> np.ndarray:
    """(1 - jitter) K + jitter I of one row of times."""
    k = SKLEARN[type(correlation)](correlation.scale)(t[:, None].numpy())
    jitter = correlation.jitter if isinstance(correlation, Smooth) else 0.0
    return (1 - jitter) * k + jitter * np.eye(len(t))


@pytest.fixture
def padded() -> Batch:
    """Rows of 5 times of which 5, 3 (a gap and an end), 3 (a start) and none exist; the rest is NaN."""
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 1, 1, 1], [0] * 5]).bool()
    t = torch.where(mask, times(4, 5), torch.nan)
    return Batch(torch.where(mask, states(4, 5), torch.nan), mask=mask, coords=t)


# --- against dense covariances -------------------------------------------------------------------


@pytest.mark.parametrize("correlation", ALL)
@pytest.mark.parametrize("channels", [(), (2,), (2, 3)])
def test_log_prob_is_that_of_the_dense_covariance(
    correlation: Correlation, channels: tuple[int, ...]
) -> None:
    """log N(x; 0, K), a sum over channels; the root is Cholesky's, whitened = L^-1 x and log det K from L."""
    x = states(3, 6, *channels)
    batch = Batch(x, coords=times(3, 6))
    noise = Kernel(correlation)
    white, log_det, log_prob = (
        noise.whiten(x, batch),
        noise.log_det(batch),
        noise.log_prob(x, batch),
    )
    for row, t in enumerate(times(3, 6)):
        k, each = dense(correlation, t), x[row].reshape(6, -1).numpy()
        lower = np.linalg.cholesky(k)
        exact = linalg.solve_triangular(lower, each, lower=True)
        np.testing.assert_allclose(white[row].reshape(6, -1).numpy(), exact, rtol=0, atol=1e-9)
        law = stats.multivariate_normal(np.zeros(6), k)
        wanted = law.logpdf(each.T).sum()
        assert log_prob[row].item() == pytest.approx(wanted, rel=1e-10)
        wanted = each.shape[1] * np.linalg.slogdet(k)[1]
        assert log_det[row].item() == pytest.approx(wanted, rel=1e-10)
    torch.testing.assert_close(noise.colour(white, batch), x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 64, 100, 257])
def test_the_chain_of_ou_is_its_cholesky_factor(n: int) -> None:
    """x_k = rho_k x_{k-1} + sqrt(1 - rho_k^2) z_k is L z, to 1e-10, over gaps from 1e-3 to 1e3 scales."""
    u = uniform((n,), torch.empty(0, dtype=DOUBLE), seeded(3))
    t = (10 ** (-3 + 6 * u)).cumsum(0)
    z, batch = states(1, n, 2), Batch(states(1, n, 2), coords=t[None])
    noise = Kernel(OU(1.0))
    lower = np.linalg.cholesky(dense(OU(1.0), t))
    exact = torch.from_numpy(lower @ z[0].numpy())
    torch.testing.assert_close(noise.colour(z, batch)[0], exact, rtol=0, atol=1e-10)
    exact = torch.from_numpy(linalg.solve_triangular(lower, z[0].numpy(), lower=True))
    torch.testing.assert_close(noise.whiten(z, batch)[0], exact, rtol=1e-10, atol=1e-10)
    assert noise.log_det(batch).item() == pytest.approx(
        4 * np.log(lower.diagonal()).sum(), rel=1e-10, abs=1e-10
    )


def test_ou_needs_no_jitter_between_close_points() -> None:
    """Points 1e-12 apart differ by sqrt(1 - e^-2e-12) = 1.4142e-6 z: a dense factor has lost all but four digits of it."""
    batch = Batch(states(1, 2), coords=torch.tensor([[0.0, 1e-12]], dtype=DOUBLE))
    x = Kernel(OU(1.0)).colour(torch.tensor([[0.0, 1.0]], dtype=DOUBLE), batch)
    assert x[0, 1].item() == pytest.approx(math.sqrt(2e-12), rel=1e-11)


@pytest.mark.parametrize("correlation", ALL)
def test_samples_have_the_covariance(correlation: Correlation) -> None:
    n, t = 20_000, times(1, 5)
    z = Kernel(correlation).sample(Batch(states(n, 5), coords=t.expand(n, 5)), seeded(1))
    exact = torch.from_numpy(dense(correlation, t[0]))
    assert (torch.cov(z.T) - exact).abs().max() < 5 * math.sqrt(2 / n)
    assert stats.kstest(z[:, 0].numpy(), "norm").pvalue > 1e-6


# --- what doesn't exist --------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", ALL)
def test_padding_counts_for_nothing(correlation: Correlation, padded: Batch) -> None:
    """A padded row is the row of its existing points alone; the rest is exactly zero."""
    noise, mask = Kernel(correlation), padded.mask
    assert mask is not None
    assert padded.coords is not None
    z = noise.sample(padded, seeded(2))
    assert ((z != 0) == mask).all()
    white, log_prob = noise.whiten(padded.x, padded), noise.log_prob(padded.x, padded)
    assert (white[~mask] == 0).all()
    assert noise.dims(padded).tolist() == [5, 3, 3, 0]
    for row in range(4):
        x, t = padded.x[row, mask[row]][None], padded.coords[row, mask[row]][None]
        short = Batch(x, coords=t)
        exact = Kernel(correlation).log_prob(x, short) if x.numel() else torch.zeros(1)
        assert log_prob[row].item() == pytest.approx(exact.item(), rel=1e-12)
        if x.numel():
            exact = Kernel(correlation).whiten(x, short)[0]
            torch.testing.assert_close(white[row, mask[row]], exact, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("correlation", ALL)
def test_what_padding_holds_changes_nothing(correlation: Correlation, padded: Batch) -> None:
    """To the last bit, in samples, whitened states, densities and gradients."""
    assert padded.mask is not None
    assert padded.coords is not None
    other = padded.replace(
        x=torch.where(padded.mask, padded.x, 1e9),
        coords=torch.where(padded.mask, padded.coords, -3.0),
    )
    found = []
    for batch in (padded, other):
        noise, x = Kernel(correlation), batch.x.clone().requires_grad_()
        log_prob = noise.log_prob(x, batch)
        (slope,) = torch.autograd.grad(log_prob.sum(), x)
        found.append((noise.sample(batch, seeded(3)), noise.whiten(x, batch), log_prob, slope))
    for a, b in zip(*found, strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("correlation", ALL)
def test_a_mask_over_time_serves_all_channels(correlation: Correlation, padded: Batch) -> None:
    assert padded.mask is not None
    x = states(4, 5, 3)
    narrow = padded.replace(x=x, mask=padded.mask[..., None])
    wide = narrow.replace(mask=narrow.mask.expand(4, 5, 3) if narrow.mask is not None else None)
    noise = Kernel(correlation)
    assert (noise.whiten(x, narrow) == noise.whiten(x, wide)).all()
    assert noise.dims(narrow).tolist() == [15, 9, 9, 0]
    alone = noise.log_prob(x[..., 1], padded)
    torch.testing.assert_close(
        noise.log_prob(x, narrow),
        alone + noise.log_prob(x[..., 0], padded) + noise.log_prob(x[..., 2], padded),
    )


@pytest.mark.parametrize("correlation", ALL)
def test_the_gradient_of_the_density_is_its_score(correlation: Correlation, padded: Batch) -> None:
    """grad log N(x; 0, K) = -K^-1 x: what a network is trained through."""
    assert padded.mask is not None
    assert padded.coords is not None
    x = padded.x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(Kernel(correlation).log_prob(x, padded).sum(), x)
    assert (slope[~padded.mask] == 0).all()
    for row in range(3):
        exists = padded.mask[row]
        k = dense(correlation, padded.coords[row, exists])
        exact = -np.linalg.solve(k, padded.x[row, exists].numpy())
        np.testing.assert_allclose(slope[row, exists].numpy(), exact, rtol=1e-9, atol=1e-9)


# --- jitter --------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", SMOOTH)
@pytest.mark.parametrize("jitter", [1e-2, 1e-4, 1e-6])
def test_jitter_is_a_white_share_of_the_variance(correlation: Smooth, jitter: float) -> None:
    """C = (1 - j) K + j I: variance one, no entry moved by more than j, no eigenvalue below j, even where
    40 times lie 1e-6 apart."""
    t = 1e-6 * torch.arange(40, dtype=DOUBLE)
    batch = Batch(torch.eye(40, dtype=DOUBLE), coords=t.expand(40, 40))
    root = Kernel(replace(correlation, jitter=jitter)).colour(batch.x, batch).T
    c = root @ root.T
    exact = torch.from_numpy(SKLEARN[type(correlation)](correlation.scale)(t[:, None].numpy()))
    torch.testing.assert_close(c.diagonal(), torch.ones(40, dtype=DOUBLE))
    assert (c - exact).abs().max().item() == pytest.approx(jitter, rel=1e-3)
    assert torch.linalg.eigvalsh(c).min().item() == pytest.approx(jitter, rel=1e-3)


def test_whitening_close_points_magnifies_by_no_more_than_the_jitter_allows() -> None:
    """Two readings of one time: the second's news has variance 1 - (1 - j)^2 = 2j - j^2."""
    for jitter in (1e-2, 1e-4):
        batch = Batch(states(1, 2), coords=torch.zeros(1, 2, dtype=DOUBLE))
        news = torch.tensor([[0.0, 1.0]], dtype=DOUBLE)
        white = Kernel(RBF(0.3, jitter)).whiten(news, batch)
        gain = 1 / math.sqrt(2 * jitter - jitter**2)
        assert white[0, 1].item() == pytest.approx(gain, rel=1e-10)


@pytest.mark.parametrize("correlation", SMOOTH)
def test_a_singular_covariance_asks_for_jitter(correlation: Smooth) -> None:
    batch = Batch(states(1, 8), coords=torch.zeros(1, 8, dtype=DOUBLE))
    with pytest.raises(ValueError, match="raise the jitter"):
        Kernel(replace(correlation, jitter=0.0)).log_det(batch)


# --- one factorisation a batch -------------------------------------------------------------------


@dataclass(frozen=True)
class Counted(Smooth):
    """An RBF that counts its factorisations."""

    calls: tuple[list[int], ...] = ([],)

    def __call__(self, distance: Tensor) -> Tensor:
        return RBF(self.scale)(distance)

    def root(self, times: Tensor, exists: Tensor) -> Root:
        self.calls[0].append(len(times))
        return super().root(times, exists)


def test_a_sampler_factorises_its_times_once() -> None:
    counted = Counted(0.3, calls=([],))
    process = Gaussian(Cosine(), Kernel(counted))
    law = Mixture.gaussian(torch.zeros(4), torch.eye(4))
    batch = Batch(states(3, 4), coords=times(3, 4))
    Sampler(AnyNoise(1.0), steps=10)(process, law, batch, generator=seeded(0))
    assert counted.calls == ([3],)
    noise = Kernel(counted)
    noise.log_prob(batch.x, batch)
    noise.log_prob(batch.x, batch.replace(coords=times(3, 4, seed=8)))
    assert counted.calls == ([3, 3, 3],)


@pytest.mark.parametrize("correlation", ALL)
@pytest.mark.parametrize("channels", [(), (2,)])
def test_rows_of_one_grid_share_their_factor(
    correlation: Correlation, channels: tuple[int, ...]
) -> None:
    """The same numbers as from a factor each, for a common mask, too."""
    x, t = states(3, 6, *channels), times(1, 6).expand(3, 6)
    mask = torch.tensor([1, 0, 1, 1, 1, 0]).bool().expand(3, 6).reshape(3, 6, *[1] * len(channels))
    strange = torch.cat([torch.zeros_like(x[:1]), x]), torch.cat([0.5 + t[:1], 2 * t])
    for exists in (torch.ones_like(mask), mask):
        noise, shared = Kernel(correlation), Batch(x, coords=2 * t, mask=exists)
        apart = Batch(strange[0], coords=strange[1], mask=torch.cat([exists[:1], exists]))
        for f in (noise.colour, noise.whiten):
            each = f(apart.x, apart)[1:]
            torch.testing.assert_close(f(x, shared), each, rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(noise.log_det(shared), noise.log_det(apart)[1:])
    counted = Counted(0.3, calls=([],))
    Kernel(counted).log_det(shared)
    assert counted.calls == ([1],)


def test_a_factorisation_lives_as_long_as_its_batch() -> None:
    noise = Kernel(RBF(0.3))
    batch = Batch(states(3, 4), coords=times(3, 4))
    noise.log_det(batch)
    assert len(noise.roots.values) == 1
    copied = copy.deepcopy(noise)
    assert len(copied.roots.values) == 0
    assert (copied.log_det(batch) == noise.log_det(batch)).all()
    del batch
    gc.collect()
    assert len(noise.roots.values) == 0


@pytest.mark.parametrize("correlation", ALL)
def test_a_root_made_in_inference_mode_serves_training(correlation: Correlation) -> None:
    noise, batch = Kernel(correlation), Batch(states(3, 4), coords=times(3, 4))
    with torch.inference_mode():
        noise.sample(batch, seeded(0))
    x = batch.x.clone().requires_grad_()
    noise.square_norm(x, batch).sum().backward()
    assert x.grad is not None


# --- units ---------------------------------------------------------------------------------------


def test_adjacent_correlation_tells_a_scale_in_the_wrong_units(padded: Batch) -> None:
    """On t = 0, 1, 2, ...: a kernel of scale 0.05 is white noise, OU of theta = 0.5 has e^-0.5 = .607."""
    grid = Batch(states(2, 10), coords=torch.arange(10.0).expand(2, 10))
    assert Kernel(RBF(0.05)).adjacent(grid).max() < 1e-80
    assert Kernel(OU(2.0)).adjacent(grid)[0].item() == pytest.approx(0.607, abs=5e-4)
    got = Kernel(OU(0.3)).adjacent(padded)
    assert padded.coords is not None
    t = padded.coords[1, [0, 2, 3]]
    assert got[1].item() == pytest.approx(torch.exp(-t.diff() / 0.3).mean().item(), rel=1e-12)
    assert got[3].item() == 0


@pytest.mark.parametrize("correlation", ALL)
def test_single_precision_states_keep_a_factor_made_in_double(correlation: Correlation) -> None:
    x, t = states(3, 64, 2), times(3, 64)
    double = Kernel(correlation).colour(x, Batch(x, coords=t))
    single = Kernel(correlation).colour(x.float(), Batch(x.float(), coords=t))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-5)
    mixed = Kernel(correlation).colour(x, Batch(x.float(), coords=t))
    assert mixed.dtype == DOUBLE  # a solver's state may be finer than the network's
    torch.testing.assert_close(mixed, double, rtol=0, atol=1e-5)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("kind", [OU, RBF, Matern32, Matern52])
def test_scales_must_be_positive(kind: type[Correlation], scale: float) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}: scale must be positive"):
        kind(scale)


def test_bad_arguments_are_refused() -> None:
    x, t = states(2, 3), torch.tensor([[0.0, 1.0, 2.0], [0.0, 2.0, 1.0]])
    with pytest.raises(ValueError, match="jitter is a share"):
        RBF(0.3, jitter=1.0)
    with pytest.raises(ValueError, match="coords: none"):
        Kernel(OU(1.0)).log_det(Batch(x))
    with pytest.raises(ValueError, match=r"the coords: shape \(2, 2\)"):
        Kernel(RBF(1.0)).log_det(Batch(x, coords=t[:, :2]))
    with pytest.raises(ValueError, match="in row 1 point 2 is at 1, the one before it at 2"):
        Kernel(OU(1.0)).log_det(Batch(x, coords=t))
    with pytest.raises(ValueError, match="in row 0 point 1 is at 0, the one before it at 0"):
        Kernel(OU(1.0)).log_det(Batch(x, coords=torch.zeros(2, 3)))
    unknown = torch.where(t == 1, torch.nan, t)
    for correlation in ALL:
        with pytest.raises(ValueError, match="must be finite"):
            Kernel(correlation).log_det(Batch(x, coords=unknown))
