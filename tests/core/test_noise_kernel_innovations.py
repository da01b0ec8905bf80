"""Matern noise by a Kalman filter, against dense Cholesky factors and 50 digits of mpmath."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.noise import Kernel, Matern32, Matern52
from unnoise.core.noise.correlation import Matern
from unnoise.core.noise.innovations import Innovations, StateSpace
from unnoise.core.noise.recurrence import Recurrence
from unnoise.core.noise.root import Cholesky
from unnoise.core.random import normal, seeded, uniform

DOUBLE = torch.float64
ALL = [Matern32(0.3, dense=0), Matern52(0.3, dense=0)]
KINDS = [Matern32, Matern52]


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def times(rows: int, n: int, step: float = 0.1, seed: int = 7) -> Tensor:
    """Irregular, increasing, `step` apart in the mean."""
    u = uniform((rows, n), torch.empty(0, dtype=DOUBLE), seeded(seed))
    return step * (0.1 + 1.8 * u).cumsum(1)


def dense(filtered: Matern) -> Kernel:
    return Kernel(replace(filtered, dense=10**9))


# --- the chain -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_transitions_form_a_semigroup_that_keeps_the_stationary_law(order: int) -> None:
    """A(u + v) = A(u) A(v), A(0) = 1, P = A P A' + Q, and P[0, 0] = 1."""
    space = StateSpace(order)
    u, v = torch.tensor([0.0, 1e-3, 0.5, 3.0], dtype=DOUBLE), torch.tensor(0.7, dtype=DOUBLE)
    A = space.transition(u)
    torch.testing.assert_close(space.transition(u + v), A @ space.transition(v))
    torch.testing.assert_close(A[0], torch.eye(order, dtype=DOUBLE))
    P = space.news(torch.tensor(torch.inf, dtype=DOUBLE))
    assert P[0, 0].item() == pytest.approx(1, rel=1e-14)
    torch.testing.assert_close(A @ P @ A.mT + space.news(u), P.expand_as(A), rtol=0, atol=1e-14)


@pytest.mark.parametrize("correlation", ALL)
def test_the_chain_has_the_correlation(correlation: Matern) -> None:
    """(A(u) P)[0, 0] is the correlation at distance u scale / sqrt(2p - 1)."""
    space, d = StateSpace(correlation.order), torch.linspace(0, 3, 50, dtype=DOUBLE)
    P = space.news(torch.tensor(torch.inf, dtype=DOUBLE))
    got = (space.transition(space.rate / correlation.scale * d) @ P)[:, 0, 0]
    torch.testing.assert_close(got, correlation(d), rtol=0, atol=1e-15)


@pytest.mark.parametrize("order", [2, 3])
def test_news_between_close_points_is_exact(order: int) -> None:
    """Q[0, 0](u) = q int_0^u v^(2p-2) e^-2v dv / (p-1)!^2 to 13 digits, at 1e-17, too, where 1 - A P A' is nothing."""
    q, scale = {2: (4.0, 1.0), 3: (16 / 3, 2.0)}[order]
    for u in (1e-6, 1e-3, 0.1, 2.0):

        def density(v: float) -> float:
            return (v ** (order - 1) / scale) ** 2 * float(np.exp(-2 * v))

        area, _ = integrate.quad(density, 0, u, epsabs=0, epsrel=1e-13)
        got = StateSpace(order).news(torch.tensor(u, dtype=DOUBLE))[0, 0].item()
        assert got == pytest.approx(q * area, rel=1e-13, abs=0)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9, 10, 17, 100])
def test_blocks_run_the_recurrence(n: int) -> None:
    """f_k = M_k f_{k-1} + u_k in a loop, at sizes around squares."""
    M, u = 0.6 * states(2, n, 3, 3), states(2, n, 3, 4, seed=1)
    f, wanted = torch.zeros_like(u[:, 0]), []
    for k in range(n):
        f = M[:, k] @ f + u[:, k]
        wanted.append(f)
    got = Recurrence.of(M)(u)
    torch.testing.assert_close(got, torch.stack(wanted, 1), rtol=1e-11, atol=1e-11)


# --- against Cholesky factors --------------------------------------------------------------------


@pytest.mark.parametrize("correlation", ALL)
@pytest.mark.parametrize("n", [1, 2, 50, 257])
@pytest.mark.parametrize("jitter", [1e-4, 1e-2])
def test_innovations_are_the_cholesky_factor(correlation: Matern, n: int, jitter: float) -> None:
    """Colour, whiten and log det of irregular times, to 1e-9 of the dense factor's."""
    correlation = replace(correlation, jitter=jitter)
    x, batch = states(3, n, 2), Batch(states(3, n, 2), coords=times(3, n))
    noise, exact = Kernel(correlation), dense(correlation)
    assert isinstance(noise.root(batch), Innovations)
    assert isinstance(exact.root(batch), Cholesky)
    torch.testing.assert_close(noise.colour(x, batch), exact.colour(x, batch), rtol=0, atol=1e-9)
    torch.testing.assert_close(noise.whiten(x, batch), exact.whiten(x, batch), rtol=0, atol=1e-9)
    torch.testing.assert_close(noise.log_det(batch), exact.log_det(batch), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("correlation", ALL)
def test_without_jitter_too(correlation: Matern) -> None:
    """Of points about a scale apart, where the dense factor has digits left."""
    correlation = replace(correlation, jitter=0.0)
    x, batch = states(3, 60), Batch(states(3, 60), coords=times(3, 60, step=0.3))
    noise, exact = Kernel(correlation), dense(correlation)
    torch.testing.assert_close(noise.colour(x, batch), exact.colour(x, batch), rtol=0, atol=1e-9)
    torch.testing.assert_close(noise.whiten(x, batch), exact.whiten(x, batch), rtol=1e-8, atol=0)
    torch.testing.assert_close(noise.log_det(batch), exact.log_det(batch), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("kind", "digits"), [(Matern32, 1e-12), (Matern52, 1e-7)])
def test_close_points_without_jitter_keep_their_digits(kind: type[Matern], digits: float) -> None:
    """30 points 1/1000 of a scale apart, against a Cholesky factor of 50 digits: that of float64 is wrong
    in the sixth for Matern32, and doesn't exist for Matern52."""
    correlation, n = kind(1.0, jitter=0.0, dense=0), 30
    t = times(1, n, step=1e-3)
    with mpmath.workdps(50):
        at = [mpmath.mpf(v) for v in t[0].tolist()]
        rate = mpmath.sqrt(2 * correlation.order - 1)

        def k(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
            u = rate * abs(a - b)
            return (1 + u + (u * u / 3 if kind is Matern52 else 0)) * mpmath.exp(-u)

        lower = mpmath.cholesky(mpmath.matrix([[k(a, b) for b in at] for a in at]))
        exact = torch.tensor(np.array(lower.tolist(), dtype=float))
    eye = torch.eye(n, dtype=DOUBLE)
    got = Kernel(correlation).colour(eye, Batch(eye, coords=t.expand(n, n))).T
    torch.testing.assert_close(got, exact, rtol=0, atol=1e-12)
    torch.testing.assert_close(got.diagonal(), exact.diagonal(), rtol=digits, atol=0)


@pytest.mark.parametrize("correlation", ALL)
def test_masks_over_time_pass_on_the_state(correlation: Matern) -> None:
    """Gaps, a late start, an early end and nothing at all; times of what doesn't exist are NaN."""
    mask = uniform((4, 40), torch.empty(0), seeded(1)) < 0.6
    mask[1, :9], mask[2, 30:], mask[3] = False, False, False
    t = torch.where(mask, times(4, 40), torch.nan)
    batch = Batch(torch.where(mask, states(4, 40), torch.nan), mask=mask, coords=t)
    noise, exact, z = Kernel(correlation), dense(correlation), states(4, 40, seed=2)
    torch.testing.assert_close(noise.colour(z, batch), exact.colour(z, batch), rtol=0, atol=1e-10)
    torch.testing.assert_close(noise.whiten(z, batch), exact.whiten(z, batch), rtol=0, atol=1e-9)
    torch.testing.assert_close(noise.log_det(batch), exact.log_det(batch), rtol=1e-11, atol=0)
    assert noise.log_det(batch)[3] == 0


@pytest.mark.parametrize("correlation", ALL)
def test_points_may_coincide_under_jitter(correlation: Matern) -> None:
    """Each time three times over."""
    t = times(2, 10).repeat_interleave(3, 1)
    batch, z = Batch(states(2, 30), coords=t), states(2, 30, seed=2)
    noise, exact = Kernel(correlation), dense(correlation)
    torch.testing.assert_close(noise.colour(z, batch), exact.colour(z, batch), rtol=0, atol=1e-10)
    torch.testing.assert_close(noise.whiten(z, batch), exact.whiten(z, batch), rtol=0, atol=1e-9)
    torch.testing.assert_close(noise.log_det(batch), exact.log_det(batch), rtol=1e-11, atol=0)


@pytest.mark.parametrize("correlation", ALL)
def test_one_grid_has_one_filter(correlation: Matern) -> None:
    """The same numbers as from a filter each."""
    t, x = times(1, 20).expand(5, 20), states(5, 20, 2)
    shared, other = Batch(x, coords=t), times(5, 20)
    apart = Batch(torch.cat([x, x]), coords=torch.cat([t, other]))
    noise = Kernel(correlation)
    assert len(noise.root(shared).spread) == 1  # type: ignore[attr-defined]
    for f in (noise.colour, noise.whiten):
        torch.testing.assert_close(f(x, shared), f(apart.x, apart)[:5], rtol=0, atol=1e-12)
    torch.testing.assert_close(noise.log_det(shared), noise.log_det(apart)[:5])


@pytest.mark.parametrize("correlation", ALL)
def test_the_gradient_of_the_density_is_its_score(correlation: Matern) -> None:
    """grad log N(x; 0, C) = -C^-1 x."""
    batch = Batch(states(2, 30), coords=times(2, 30))
    slopes = []
    for noise in (Kernel(correlation), dense(correlation)):
        x = batch.x.clone().requires_grad_()
        slopes.append(torch.autograd.grad(noise.log_prob(x, batch).sum(), x)[0])
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-8)


# --- long paths ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_is_filtered_beyond_its_dense_size(kind: type[Matern]) -> None:
    correlation = kind(0.3)
    assert correlation.dense == 1_000
    noise, kept = Kernel(correlation), {}
    for n in (1_000, 1_001):
        kept[n] = noise.root(Batch(states(1, n), coords=times(1, n)))
    assert isinstance(kept[1_000], Cholesky)
    assert isinstance(kept[1_001], Innovations)


@pytest.mark.parametrize("kind", KINDS)
def test_long_paths_whiten_to_white_noise(kind: type[Matern]) -> None:
    """5,000 points, in both precisions: whiten(colour(z)) is z, and the first 200 are the dense ones."""
    t, z = times(1, 5_000), states(1, 5_000)
    noise, batch = Kernel(kind(0.3)), Batch(z, coords=t)
    x = noise.colour(z, batch)
    torch.testing.assert_close(noise.whiten(x, batch), z, rtol=0, atol=1e-11)
    head = Batch(z[:, :200], coords=t[:, :200])
    torch.testing.assert_close(x[:, :200], noise.colour(z[:, :200], head), rtol=0, atol=1e-10)
    single = noise.colour(z.float(), Batch(z.float(), coords=t))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), x, rtol=0, atol=1e-5)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", ALL)
def test_times_that_decrease_are_refused(correlation: Matern) -> None:
    t = torch.tensor([[0.0, 1.0, 2.0], [0.0, 2.0, 1.0]])
    with pytest.raises(ValueError, match="must be finite and not decrease; in row 1 point 2 is"):
        Kernel(correlation).log_det(Batch(states(2, 3), coords=t))
    with pytest.raises(ValueError, match="must be finite and not decrease; in row 0 point 1 is"):
        Kernel(correlation).log_det(Batch(states(2, 3), coords=torch.where(t == 1, torch.nan, t)))


@pytest.mark.parametrize("correlation", ALL)
def test_points_that_coincide_ask_for_jitter(correlation: Matern) -> None:
    t = torch.tensor([[0.0, 1.0, 1.0]])
    with pytest.raises(ValueError, match="row 0 is singular at point 2, .* raise the jitter"):
        Kernel(replace(correlation, jitter=0.0)).log_det(Batch(states(1, 3), coords=t))
