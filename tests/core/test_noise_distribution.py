"""White noise, normal laws and laws on a grid, against scipy and closed forms; padding counts for nothing."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import Normal as Reference
from torch.distributions import kl_divergence

from unnoise.core.batch import Batch
from unnoise.core.distribution import Lattice, Normal, divergence
from unnoise.core.noise import White
from unnoise.core.random import normal, seeded

DOUBLE = torch.float64
NOISE = White()


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


@pytest.fixture
def padded() -> Batch:
    """Rows with 4, 2 and 1 entries."""
    mask = torch.arange(4) < torch.tensor([4, 2, 1])[:, None]
    return Batch(states(3, 4) * mask, mask=mask)


def test_white_noise_is_standard_normal() -> None:
    z = NOISE.sample(Batch(states(20_000, 2)), seeded(1))
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 1e-6
    assert abs(torch.corrcoef(z.T)[0, 1]) < 5 / 20_000**0.5


def test_white_noise_respects_the_mask(padded: Batch) -> None:
    assert padded.mask is not None
    z = NOISE.sample(padded, seeded(1))
    assert ((z != 0) == padded.mask).all()
    anything = torch.where(padded.mask, padded.x, 7.0)
    for row, entries in enumerate((4, 2, 1)):
        exact = stats.norm.logpdf(padded.x[row, :entries].numpy()).sum()
        assert NOISE.log_prob(anything, padded)[row].item() == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("scale", [0.3, torch.tensor([0.3, 2.0, 1e-4], dtype=DOUBLE)[:, None]])
def test_normal_log_prob(scale: float | Tensor) -> None:
    mean, x = states(3, 5), states(3, 5, seed=1)
    law = Normal(mean, scale, NOISE, Batch(x))
    torch.testing.assert_close(law.log_prob(x), Reference(mean, scale).log_prob(x).sum(1))


def test_normal_log_prob_ignores_padding(padded: Batch) -> None:
    assert padded.mask is not None
    mean = torch.where(padded.mask, states(3, 4, seed=1), 9.0)
    exact = Reference(mean, 0.3).log_prob(padded.x) * padded.mask
    got = Normal(mean, 0.3, NOISE, padded).log_prob(padded.x)
    torch.testing.assert_close(got, exact.sum(1))


def test_normal_samples() -> None:
    scale = torch.tensor([0.5, 2.0], dtype=DOUBLE)[:, None]
    law = Normal(
        torch.full((2, 20_000), 3.0, dtype=DOUBLE), scale, NOISE, Batch(states(2, 20_000))
    )
    for x, s in zip(law.sample(seeded(2)), (0.5, 2.0), strict=True):
        assert stats.kstest(x.numpy(), "norm", (3, s)).pvalue > 1e-6


@pytest.mark.parametrize("scale", [(0.3, 1.7), (1.0, 1.0), (1e-5, 1.0)])
def test_divergence_of_normals(scale: tuple[float, float]) -> None:
    batch = Batch(states(3, 5))
    q = Normal(states(3, 5, seed=1), scale[0], NOISE, batch)
    p = Normal(states(3, 5, seed=2), scale[1], NOISE, batch)
    exact = kl_divergence(Reference(q.mean, q.scale), Reference(p.mean, p.scale)).sum(1)
    torch.testing.assert_close(divergence(q, p), exact)
    shaped = Normal(q.mean, torch.full((3, 1), scale[0], dtype=DOUBLE), NOISE, batch)
    torch.testing.assert_close(divergence(shaped, p), exact)
    assert divergence(q, q).abs().max() == 0


def test_divergence_ignores_padding(padded: Batch) -> None:
    assert padded.mask is not None
    q = Normal(padded.x, 0.3, NOISE, padded)
    p = Normal(torch.zeros_like(padded.x), 1.0, NOISE, padded)
    each = kl_divergence(Reference(q.mean, 0.3), Reference(p.mean, 1.0)) * padded.mask
    torch.testing.assert_close(divergence(q, p), each.sum(1))


def test_divergence_without_a_closed_form_is_unbiased() -> None:
    """Against a Normal of another noise object only the one-draw estimate is left."""
    batch = Batch(states(20_000, 2))
    zero = torch.zeros_like(batch.x)
    q, p = Normal(zero + 0.5, 0.6, NOISE, batch), Normal(zero, 1.0, White(), batch)
    estimates = divergence(q, p, seeded(3))
    exact = 2 * kl_divergence(Reference(0.5, 0.6), Reference(0.0, 1.0)).item()
    error = estimates.std().item() / math.sqrt(len(estimates))
    assert 0 < error < 0.01
    assert abs(estimates.mean().item() - exact) < 5 * error


# --- the grid ------------------------------------------------------------------------------------


def test_normal_on_a_grid_is_bayes_rule_with_equal_odds() -> None:
    values, mean = torch.linspace(-1, 1, 5, dtype=DOUBLE), states(3, 2)
    for scale in (0.4, torch.tensor([0.4, 0.1, 2.0], dtype=DOUBLE)[:, None]):
        law = Normal(mean, scale, NOISE, Batch(mean)).on(values)
        wide = scale[..., None] if isinstance(scale, Tensor) else scale
        density = Reference(mean[..., None], wide).log_prob(values).exp()
        probabilities = density / density.sum(-1, keepdim=True)
        for k, value in enumerate(values):
            x = value.expand(3, 2)
            torch.testing.assert_close(law.log_prob(x), probabilities[..., k].log().sum(1))
    assert law.on(values) is law


def test_grid_samples_have_their_frequencies_down_to_the_rarest() -> None:
    """One state in 100,000 is a level that float32 noise would never, or too often, draw."""
    values = torch.tensor([-1.0, 0.0, 1.0, 2.0], dtype=DOUBLE)
    p = torch.tensor([0.3, 1e-5, 0.2, 0.5 - 1e-5], dtype=DOUBLE)
    n = 1_000_000
    law = Lattice(p.log().expand(n, 4), values, Batch(torch.zeros(n, dtype=DOUBLE)))
    x = law.sample(seeded(4))
    counts = torch.stack([(x == v).sum() for v in values])
    assert counts.sum() == n
    assert stats.chisquare(counts.numpy(), (n * p).numpy()).pvalue > 1e-6


def test_grid_log_prob_survives_rounding_of_the_state() -> None:
    values = (2 * (torch.arange(256) + 0.5) / 256 - 1).double()
    logits = states(4, 3, 256)
    law = Lattice(logits, values, Batch(states(4, 3)))
    index = torch.tensor([[0, 1, 255], [7, 8, 9], [128, 127, 3], [254, 200, 100]])
    exact = torch.log_softmax(logits, -1).gather(-1, index[..., None])[..., 0].sum(1)
    noise = 1e-4 * states(4, 3, seed=1).clamp(-3, 3)
    torch.testing.assert_close(law.log_prob(values[index] + noise), exact)


def test_grid_log_prob_ignores_padding(padded: Batch) -> None:
    assert padded.mask is not None
    law = Lattice(states(3, 4, 6), torch.arange(6.0, dtype=DOUBLE), padded)
    each = torch.log_softmax(law.logits, -1)[..., 0] * padded.mask
    torch.testing.assert_close(law.log_prob(torch.zeros_like(padded.x)), each.sum(1))
