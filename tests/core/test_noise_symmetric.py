"""Noise on symmetric matrices: every pair of nodes is one number."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.distribution import Normal, divergence
from unnoise.core.noise import Symmetric
from unnoise.core.random import normal, seeded

DOUBLE = torch.float64
NOISE = Symmetric()
NODES = (4, 3, 1)


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def symmetric(*shape: int, seed: int = 0) -> Tensor:
    lower = states(*shape, seed=seed)
    lower = lower * torch.ones(shape[1:3], dtype=DOUBLE).tril(-1).reshape(
        shape[1], shape[2], *[1] * (len(shape) - 3)
    )
    return lower + lower.transpose(1, 2)


def pairs_of(x: Tensor, row: int) -> Tensor:
    """The pairs of the nodes that a row of the padded batch has."""
    n = NODES[row]
    i, j = torch.tril_indices(n, n, -1)
    return x[row, i, j]


@pytest.fixture(params=["nodes", "entries", "channels"])
def padded(request: pytest.FixtureRequest) -> Batch:
    """Graphs of 4, 3 and 1 nodes; the mask is one of nodes, of entries, or of entries with two numbers each."""
    exists = torch.arange(4) < torch.tensor(NODES)[:, None]
    entries = exists[:, :, None] & exists[:, None, :]
    if request.param == "channels":
        return Batch(symmetric(3, 4, 4, 2), mask=entries[..., None])
    mask = exists[:, :, None] if request.param == "nodes" else entries
    return Batch(symmetric(3, 4, 4), mask=mask)


def test_samples_are_symmetric_with_a_zero_diagonal() -> None:
    z = NOISE.sample(Batch(states(5000, 4, 4)), seeded(1))
    assert (z == z.transpose(1, 2)).all()
    assert (z.diagonal(dim1=1, dim2=2) == 0).all()
    i, j = torch.tril_indices(4, 4, -1)
    free = z[:, i, j]
    assert stats.kstest(free.flatten().numpy(), "norm").pvalue > 1e-6
    assert (torch.corrcoef(free.T) - torch.eye(6)).abs().max() < 5 / 5000**0.5


def test_only_pairs_of_nodes_that_exist_count(padded: Batch) -> None:
    """Samples are exactly zero elsewhere; log p = sum over the free pairs of log N(x_ij; 0, 1), whatever stands elsewhere."""
    z = NOISE.sample(padded, seeded(1))
    assert padded.mask is not None
    exists = torch.where(padded.mask, 1, 0) * torch.where(padded.mask, 1, 0).transpose(1, 2)
    wanted = exists.expand_as(z).clone()
    for k in range(4):
        wanted[:, k, k] = 0
    assert ((z != 0) == wanted.bool()).all()
    assert (z == z.transpose(1, 2)).all()
    dirty = torch.where(NOISE.pairs(padded), padded.x, torch.nan)
    channels = padded.x[0, 0, 0].numel()
    assert NOISE.dims(padded).tolist() == [6 * channels, 3 * channels, 0]
    for row in range(3):
        exact = stats.norm.logpdf(pairs_of(padded.x, row).numpy()).sum()
        assert NOISE.log_prob(dirty, padded)[row].item() == pytest.approx(exact, rel=1e-12)


def test_colour_mirrors_and_whiten_undoes_it(padded: Batch) -> None:
    z = states(*padded.x.shape, seed=3)
    x = NOISE.colour(z, padded)
    assert (NOISE.colour(NOISE.whiten(x, padded), padded) == x).all()
    assert (NOISE.whiten(x, padded) == torch.where(NOISE.pairs(padded), z, 0.0)).all()


@pytest.mark.parametrize("scale", [0.3, torch.tensor([0.3, 2.0, 1e-3], dtype=DOUBLE)])
def test_a_normal_law_counts_pairs_once(padded: Batch, scale: float | Tensor) -> None:
    """log N(x; m, s^2) and KL of two of them are sums over pairs, with n(n - 1)/2 logarithms of s."""
    wide = scale.reshape(-1, *[1] * (padded.x.ndim - 1)) if isinstance(scale, Tensor) else scale
    q = Normal(symmetric(*padded.x.shape, seed=1), wide, NOISE, padded)
    p = Normal(torch.zeros_like(padded.x), 1.5, NOISE, padded)
    for row in range(3):
        s = scale[row].item() if isinstance(scale, Tensor) else scale
        m = pairs_of(q.mean, row)
        exact = stats.norm.logpdf(pairs_of(padded.x, row).numpy(), m.numpy(), s).sum()
        assert q.log_prob(padded.x)[row].item() == pytest.approx(exact, rel=1e-12)
        kl = torch.distributions.kl_divergence(
            torch.distributions.Normal(m, s),
            torch.distributions.Normal(torch.zeros_like(m), 1.5),
        )
        assert divergence(q, p)[row].item() == pytest.approx(kl.sum().item(), rel=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4)])
def test_states_that_are_not_square_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be a square matrix"):
        NOISE.sample(Batch(states(*shape)), seeded(0))
