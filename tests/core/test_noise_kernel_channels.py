"""Kernel noise whose channels exist apart or are correlated, against marginals of dense covariances."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg, stats
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound
from unnoise.core.noise import OU, RBF, Correlation, Kernel, Matern32, Matern52
from unnoise.core.noise.correlation import Smooth
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded, uniform
from unnoise.core.schedule import Cosine

DOUBLE = torch.float64
ROWS, T, C = 3, 6, 3
ALL = [
    OU(0.3),
    RBF(0.3),
    Matern32(0.3),
    Matern52(0.3),
    Matern32(0.3, dense=0),
    Matern52(0.3, dense=0),
]
S = torch.tensor([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]], dtype=DOUBLE)
NOISES = [Kernel(c) for c in ALL] + [Kernel(c, S) for c in ALL]


@pytest.fixture(params=NOISES, ids=Kernel.extra_repr)
def noise(request: pytest.FixtureRequest) -> Kernel:
    """A copy that has seen no batch."""
    return copy.deepcopy(request.param)


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def times(rows: int = ROWS, n: int = T, seed: int = 7) -> Tensor:
    """Irregular, increasing, 0.1 apart in the mean."""
    u = uniform((rows, n), torch.empty(0, dtype=DOUBLE), seeded(seed))
    return (0.01 + 0.18 * u).cumsum(1)


def entries(rows: int = ROWS, n: int = T, channels: int = C, seed: int = 3) -> Tensor:
    """Masks (B, T, C) of which about two thirds exist, others in every channel; row 0 ends early."""
    mask = uniform((rows, n, channels), torch.empty(0), seeded(seed)) < 0.67
    mask[0, -1] = False
    return mask


def some(rows: int = ROWS) -> Batch:
    """States whose mask differs between channels; NaN where nothing exists, and times of such points."""
    mask = entries(rows)
    x = torch.where(mask, states(rows, T, C), torch.nan)
    return Batch(x, mask=mask, coords=torch.where(mask.any(2), times(rows), torch.nan))


def dense(noise: Kernel, t: Tensor) -> Tensor:
    """C of all entries of a row, time by time: ((1 - j) K + j I) (x) S."""
    t = t.double()
    k = noise.correlation((t[:, None] - t).abs())
    j = noise.correlation.jitter if isinstance(noise.correlation, Smooth) else 0.0
    channels = torch.eye(C, dtype=DOUBLE) if noise.channels is None else noise.channels
    return torch.kron((1 - j) * k + j * torch.eye(len(t), dtype=DOUBLE), channels)


def exists(batch: Batch) -> Tensor:
    assert batch.mask is not None
    return batch.mask.expand_as(batch.x)


def repeated(batch: Batch, n: int) -> Batch:
    """n rows of a batch's last one."""
    return batch.rows(torch.full((n,), len(batch) - 1))


# --- marginals -----------------------------------------------------------------------------------


def test_a_root_of_the_marginal(noise: Kernel) -> None:
    """Colouring the identity gives R with R R' the sub-matrix of C that exists; it is Cholesky's L."""
    n = T * C
    for batch in (some(), some().replace(mask=some().mask[..., :1])):  # type: ignore[index]
        row = repeated(batch, n)
        keep = exists(row)[0].flatten()
        R = noise.colour(torch.eye(n, dtype=DOUBLE).reshape(n, T, C), row).reshape(n, n).T
        assert (R[~keep] == 0).all()
        assert (R[:, ~keep] == 0).all()
        assert row.coords is not None
        wanted = dense(noise, torch.nan_to_num(row.coords[0]))[keep][:, keep]
        R = R[keep][:, keep]
        torch.testing.assert_close(R @ R.T, wanted, rtol=0, atol=1e-10)
        torch.testing.assert_close(R, torch.linalg.cholesky(wanted), rtol=0, atol=1e-10)


def test_the_covariance_of_what_exists_is_a_sub_matrix(noise: Kernel) -> None:
    """The same from the noise itself, masked and not."""
    n = T * C
    eye = torch.eye(n, dtype=DOUBLE).reshape(n, T, C)
    masked = repeated(some(), n).replace(coords=times()[-1:].expand(n, T))
    R = noise.colour(eye, masked).reshape(n, n).T
    whole = masked.replace(mask=None)
    L = noise.colour(eye, whole).reshape(n, n).T
    keep = exists(masked)[0].flatten()
    both = keep[:, None] & keep
    torch.testing.assert_close(R @ R.T, torch.where(both, L @ L.T, 0.0), rtol=0, atol=1e-12)


def test_log_prob_and_whitening_are_those_of_the_marginal(noise: Kernel) -> None:
    """log N(x_e; 0, C[e, e]), whitened = L^-1 x_e, log det and dims of what exists, row by row."""
    batch = some()
    keep = exists(batch)
    white, log_det = noise.whiten(batch.x, batch), noise.log_det(batch)
    log_prob = noise.log_prob(batch.x, batch)
    assert (white[~keep] == 0).all()
    assert noise.dims(batch).tolist() == keep.sum((1, 2)).tolist()
    assert batch.coords is not None
    for row in range(ROWS):
        e, x = keep[row].flatten(), batch.x[row][keep[row]].numpy()
        c = dense(noise, torch.nan_to_num(batch.coords[row]))[e][:, e].numpy()
        exact = linalg.solve_triangular(np.linalg.cholesky(c), x, lower=True)
        np.testing.assert_allclose(white[row][keep[row]].numpy(), exact, rtol=0, atol=1e-9)
        assert log_det[row].item() == pytest.approx(np.linalg.slogdet(c)[1], rel=1e-10)
        wanted = stats.multivariate_normal(np.zeros(len(x)), c).logpdf(x)
        assert log_prob[row].item() == pytest.approx(wanted, rel=1e-10)


def test_whitening_takes_colour_back(noise: Kernel) -> None:
    batch = some()
    z = torch.where(exists(batch), states(ROWS, T, C, seed=1), 0.0)
    back = noise.whiten(noise.colour(z, batch), batch)
    torch.testing.assert_close(back, z, rtol=0, atol=1e-11)


def test_samples_have_the_covariance(noise: Kernel) -> None:
    n = 20_000
    batch = repeated(some(), n)
    keep = exists(batch)[0]
    z = noise.sample(batch, seeded(1))[:, keep]
    assert batch.coords is not None
    e = keep.flatten()
    exact = dense(noise, torch.nan_to_num(batch.coords[0]))[e][:, e]
    scale = exact.diagonal().sqrt()
    error = (torch.cov(z.T) - exact) / scale.outer(scale)
    assert error.abs().max() < 5.5 * np.sqrt(2 / n)
    assert stats.kstest((z[:, 0] / scale[0]).numpy(), "norm").pvalue > 1e-6


def test_the_bound_is_log_p_of_the_marginal(noise: Kernel, whitened: Callable[..., Any]) -> None:
    """x_e = L y, y ~ N(m, A): -log p(x_e) with an exact denoiser, at single points; masks differ between
    rows and channels. scipy has N(L m, L A L'), L the Cholesky factor of C[e, e]."""
    points, repeats, d = 2, 300, 7
    mask = torch.zeros(points, T * C, dtype=torch.bool)
    mask[0, [0, 1, 5, 6, 8, 10, 17]] = True
    mask[1, [2, 3, 4, 9, 11, 13, 14]] = True
    one = Batch(states(points, T, C), mask=mask.reshape(points, T, C), coords=times(points))
    root = states(d, d, seed=4)
    mean, covariance = states(d, seed=5), root @ root.T / d + 0.3 * torch.eye(d, dtype=DOUBLE)
    exact = whitened(Mixture.gaussian(mean, covariance), noise)
    one = one.replace(x=exact.sample(one, 6))
    batch = one.rows(torch.arange(points).repeat(repeats))
    nats = Bound(128)(Gaussian(Cosine(), noise), exact, batch, generator=seeded(5)).nats
    nats = nats.reshape(repeats, points)
    error = nats.std(0) / np.sqrt(repeats)
    assert error.max() < 0.05
    assert one.coords is not None
    for row in range(points):
        e = mask[row]
        L = torch.linalg.cholesky(dense(noise, one.coords[row])[e][:, e])
        law = stats.multivariate_normal((L @ mean).numpy(), (L @ covariance @ L.T).numpy())
        wanted = law.logpdf(one.x[row].flatten()[e].numpy())
        assert abs(nats.mean(0)[row].item() - wanted) < 5 * error[row].item() + 1e-3


# --- invariances ---------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", ALL)
def test_the_order_of_channels_does_not_matter(correlation: Correlation) -> None:
    """To the last bit for independent channels (torch's incomplete gamma function, of which the filter is
    made, rounds by the place in memory); under a permuted S the density is the same."""
    batch, turn = some(), torch.tensor([2, 0, 1])
    turned = batch.replace(x=batch.x[..., turn], mask=exists(batch)[..., turn])
    noise, z = Kernel(correlation), states(ROWS, T, C, seed=1)
    rounding = 1e-13 if correlation in ALL[4:] else 0.0
    for f in (noise.colour, noise.whiten):
        torch.testing.assert_close(
            f(z, batch)[..., turn], f(z[..., turn], turned), rtol=0, atol=rounding
        )
    torch.testing.assert_close(noise.log_det(batch), noise.log_det(turned), rtol=1e-14, atol=0)
    mixed, other = Kernel(correlation, S), Kernel(correlation, S[turn][:, turn])
    torch.testing.assert_close(
        mixed.log_prob(batch.x, batch), other.log_prob(turned.x, turned), rtol=1e-11, atol=0
    )


def test_a_batch_cut_in_two_gives_the_same(noise: Kernel) -> None:
    batch, z = some(), states(ROWS, T, C, seed=1)
    for half in (slice(0, 1), slice(1, ROWS)):
        part = batch.rows(half)
        for f in (noise.colour, noise.whiten):
            torch.testing.assert_close(f(z, batch)[half], f(z[half], part), rtol=0, atol=1e-11)
        torch.testing.assert_close(
            noise.log_det(batch)[half], noise.log_det(part), rtol=1e-13, atol=0
        )


def test_rows_of_one_grid_share_their_factors(noise: Kernel) -> None:
    """The same numbers as from factors of their own."""
    one = repeated(some(), 4)
    z = states(4, T, C, seed=1)
    strange = torch.cat([some().mask[:1], exists(one)])  # type: ignore[index]
    assert one.coords is not None
    apart = Batch(
        torch.cat([z[:1], z]), mask=strange, coords=torch.cat([one.coords[:1] + 1, one.coords])
    )
    apart = apart.replace(coords=torch.nan_to_num(apart.coords, 5.0))  # type: ignore[arg-type]
    for f in (noise.colour, noise.whiten):
        torch.testing.assert_close(f(z, one), f(apart.x, apart)[1:], rtol=0, atol=1e-11)
    torch.testing.assert_close(noise.log_det(one), noise.log_det(apart)[1:], rtol=1e-13, atol=0)


def test_what_does_not_exist_changes_nothing(noise: Kernel) -> None:
    """To the last bit, in samples, whitened states, densities and gradients."""
    batch = some()
    assert batch.coords is not None
    strange = torch.nan_to_num(batch.x, 1e9)
    other = batch.replace(x=strange, coords=torch.nan_to_num(batch.coords, -3.0))
    found = []
    for each in (batch, other):
        x = each.x.clone().requires_grad_()
        log_prob = noise.log_prob(x, each)
        (slope,) = torch.autograd.grad(log_prob.sum(), x)
        found.append((noise.sample(each, seeded(3)), noise.whiten(x, each), log_prob, slope))
    for a, b in zip(*found, strict=True):
        assert (a == b).all()


def test_a_mask_that_hides_nothing_is_no_mask(noise: Kernel) -> None:
    x, t = states(ROWS, T, C), times()
    bare, masked = Batch(x, coords=t), Batch(x, mask=torch.ones_like(x).bool(), coords=t)
    assert (noise.colour(x, bare) == noise.colour(x, masked)).all()
    assert (noise.log_det(bare) == noise.log_det(masked)).all()


def test_single_precision_states_keep_factors_made_in_double(noise: Kernel) -> None:
    batch, z = some(), states(ROWS, T, C, seed=1)
    single = noise.colour(z.float(), batch.replace(x=batch.x.float()))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), noise.colour(z, batch), rtol=0, atol=2e-6)
    mixed = noise.colour(z, batch.replace(x=batch.x.float()))
    assert mixed.dtype == DOUBLE  # a solver's state may be finer than the network's
    torch.testing.assert_close(mixed, noise.colour(z, batch), rtol=0, atol=2e-6)


def test_channels_of_several_dimensions_are_flattened(noise: Kernel) -> None:
    """A state (B, T, 3, 1) is a state (B, T, 3); a mask (B, 1, 3, 1) says which channels exist at all."""
    batch, z = some(), states(ROWS, T, C, seed=1)
    deep = batch.replace(x=batch.x[..., None], mask=exists(batch)[..., None])
    assert (noise.colour(z[..., None], deep)[..., 0] == noise.colour(z, batch)).all()
    channels = torch.tensor([True, False, True]).expand(ROWS, 1, C)
    narrow = batch.replace(mask=channels, coords=times())
    wide = narrow.replace(mask=channels.expand(ROWS, T, C))
    assert (noise.colour(z, narrow) == noise.colour(z, wide)).all()
    assert (noise.log_det(narrow) == noise.log_det(wide)).all()


# --- correlated channels -------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", ALL)
def test_a_kronecker_product_by_its_two_roots(correlation: Correlation) -> None:
    """log det = C log|K| + T log|S|, and a diagonal S scales each channel by its standard deviation."""
    x, t = states(ROWS, T, C), times()
    batch, K = Batch(x, coords=t), Kernel(correlation)
    wanted = K.log_det(batch) + T * torch.logdet(S)
    torch.testing.assert_close(Kernel(correlation, S).log_det(batch), wanted, rtol=1e-12, atol=0)
    std = torch.tensor([2.0, 0.5, 1.0], dtype=DOUBLE)
    scaled = Kernel(correlation, torch.diag(std**2))
    for each in (batch, some()):
        torch.testing.assert_close(
            scaled.colour(x, each), std * K.colour(x, each), rtol=0, atol=1e-12
        )


def test_the_covariance_of_channels_is_part_of_the_state() -> None:
    noise = Kernel(OU(1.0), S.float())
    assert set(noise.state_dict()) == {"channels"}
    assert noise.channels is not None
    assert noise.channels.dtype == DOUBLE
    assert not Kernel(OU(1.0)).state_dict()


def test_adjacent_is_a_mean_over_the_paths_of_all_channels() -> None:
    """Row 0: channel 0 has points 0, 1, 2, channel 1 has 0 and 2: gaps 1, 2 and 3."""
    mask = torch.tensor([[[1, 1], [1, 0], [1, 1]]]).bool()
    t = torch.tensor([[0.0, 1.0, 3.0]], dtype=DOUBLE)
    got = Kernel(OU(2.0)).adjacent(Batch(states(1, 3, 2), mask=mask, coords=t))
    wanted = torch.exp(-torch.tensor([1.0, 2.0, 3.0], dtype=DOUBLE) / 2).mean()
    assert got.item() == pytest.approx(wanted.item(), rel=1e-14)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (torch.ones(3), r"must be a matrix \(C, C\), got shape \(3,\)"),
        (torch.ones(2, 3), r"must be a matrix \(C, C\), got shape \(2, 3\)"),
        (torch.tensor([[1.0, 0.5], [0.2, 1.0]]), "finite and symmetric"),
        (torch.tensor([[1.0, 0.0], [0.0, torch.nan]]), "finite and symmetric"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "its least eigenvalue is -1"),
    ],
)
def test_a_covariance_of_channels_must_be_one(channels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Kernel(OU(1.0), channels)


def test_channels_must_be_those_of_the_states() -> None:
    batch = Batch(states(2, 4, 2), coords=times(2, 4))
    with pytest.raises(ValueError, match="is 3 x 3, but the states have 2 channels"):
        Kernel(OU(1.0), S).log_det(batch)


def test_too_many_correlated_entries_are_refused() -> None:
    n = 1_500
    x = torch.zeros(1, n, 3)
    mask = torch.ones_like(x).bool()
    mask[0, 0, 0] = False
    batch = Batch(x, mask=mask, coords=torch.arange(n)[None].double())
    with pytest.raises(ValueError, match=r"its 4,500 entries, of 4,096 at most; cut the series"):
        Kernel(OU(1.0), S).log_det(batch)
    assert Kernel(OU(1.0)).log_det(batch).isfinite().all()


def test_an_error_of_a_path_tells_its_channel() -> None:
    """Of two points at one time, channel 1 of row 1 has both."""
    t = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 2.0]], dtype=DOUBLE)
    mask = torch.ones(2, 3, 2).bool()
    mask[1, 0, 0] = False
    batch = Batch(states(2, 3, 2), mask=mask, coords=t)
    with pytest.raises(ValueError, match=r"in row 3 point 1 .* row r is channel r % 2 of state"):
        Kernel(OU(1.0)).log_det(batch)
    apart = mask.clone()
    apart[1, 1, 1] = False  # now no channel has both
    assert Kernel(OU(1.0)).log_det(batch.replace(mask=apart)).isfinite().all()
