"""The exact denoisers against quadrature, brute force, autograd, and tabulated closed forms."""

import math
from collections.abc import Callable
from itertools import pairwise, product

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.process import Gaussian
from unnoise.core.process.gaussian import reverse_coefficients
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import VE, Cosine, Level, LinearLogSNR, LinearVP, Schedule

DOUBLE = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


def level_at(log_snr: float) -> Level:
    """A variance-preserving level in floats."""
    (level,) = LinearLogSNR(60, -60).levels(torch.tensor([(60 - log_snr) / 120], dtype=DOUBLE))
    return level


def moment(law: Mixture, bell: tuple[Tensor, Tensor], f: Callable[[Tensor], Tensor]) -> float:
    """E f(x) of a scalar mixture, a component at a time."""
    z, weights = bell
    x = law.means + law.lam[..., 0].sqrt()[:, None] * z
    each = f(x.reshape(-1, 1)).reshape(len(x), -1) @ weights
    return float(each @ law.log_weights.exp())


# --- the mixture 0.3 N(-2, 0.25) + 0.7 N(1, 0.5) -------------------------------------------------


def test_mixture_moments_and_entropy(m1: Mixture, bell: tuple[Tensor, Tensor]) -> None:
    mean = moment(m1, bell, lambda x: x)
    assert mean == pytest.approx(0.1, abs=1e-12)
    assert moment(m1, bell, lambda x: (x - mean) ** 2) == pytest.approx(2.315, abs=1e-12)
    assert moment(m1, bell, lambda x: -m1.log_prob(x)) == pytest.approx(1.5617613, abs=6e-8)


def test_mixture_log_prob_and_score_of_the_data(m1: Mixture) -> None:
    log_p = m1.log_prob(column(-2, 0, 1, 2.5))
    exact = torch.tensor([-1.4295606, -1.9284874, -0.9290399, -3.1790399], dtype=DOUBLE)
    torch.testing.assert_close(log_p, exact, rtol=0, atol=6e-8)
    near_the_data = Level(0.0, 1.0, 1e-4, -2 * math.log(1e-4))
    x = column(0, 2.5).requires_grad_()
    (slope,) = torch.autograd.grad(m1.log_prob(x).sum(), x)
    for score in (slope, m1.score(column(0, 2.5), near_the_data)):
        torch.testing.assert_close(score, column(1.9944763, -3), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("t", "log_p", "score"),
    [
        (0.1, (-2.6037714, -1.7851712, -1.1590826), (-1.7004702, 1.6761494, 0.8086191)),
        (0.5, (-1.4580098, -0.9734886, -1.0622891), (0.9178442, 0.0468600, -0.4044663)),
    ],
)
def test_mixture_under_noise(
    m1: Mixture, paper: LinearVP, t: float, log_p: tuple[float, ...], score: tuple[float, ...]
) -> None:
    (level,) = paper.levels(torch.tensor([t], dtype=DOUBLE))
    x = column(-1, 0, 0.5)
    torch.testing.assert_close(m1.log_prob(x, level)[:, None], column(*log_p), rtol=0, atol=6e-8)
    torch.testing.assert_close(m1.score(x, level), column(*score), rtol=0, atol=6e-8)


@pytest.mark.parametrize(
    ("snr", "mmse"), [(0.1, 1.8696606), (1, 0.6029368), (10, 0.0839184), (100, 0.0097812)]
)
def test_mixture_mmse(m1: Mixture, bell: tuple[Tensor, Tensor], snr: float, mmse: float) -> None:
    """E x_0^2 - E mean^2, the mean taken over x_t, itself a mixture."""
    level = level_at(math.log(snr))
    noisy = Mixture(
        m1.log_weights.exp(),
        level.alpha * m1.means,
        level.alpha**2 * m1.lam[..., None] + level.sigma**2,
    )
    estimate = moment(noisy, bell, lambda x: m1(x, level, Batch(x)).mean ** 2)
    assert moment(m1, bell, torch.square) - estimate == pytest.approx(mmse, abs=6e-8)


def test_mixture_samples(m1: Mixture) -> None:
    x = m1.sample(20_000, seeded(0))[:, 0].numpy()
    left, right = stats.norm(-2, 0.5), stats.norm(1, math.sqrt(0.5))
    assert stats.kstest(x, lambda v: 0.3 * left.cdf(v) + 0.7 * right.cdf(v)).pvalue > 1e-6
    below = 0.3 * left.cdf(-0.5) + 0.7 * right.cdf(-0.5)
    assert below == pytest.approx(0.3114582, abs=6e-8)
    assert (x < -0.5).mean() == pytest.approx(below, abs=5 * math.sqrt(below / len(x)))


def test_i_mmse_is_the_log_density_at_every_point(
    m1: Mixture, rate_at: Callable[..., Tensor], legendre: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    """-log p(x) = log(2 pi e)/2 + int (rate - sigmoid/2) d(log-SNR): to 3e-7 over [-16, 22]."""
    x, (log_snr, weights) = column(-2, 0, 1, 2.5), legendre(-16, 22)
    excess = rate_at(Gaussian(Cosine()), m1, x, log_snr) - 0.5 * log_snr.sigmoid()[:, None]
    nats = 0.5 * math.log(2 * math.pi * math.e) + weights @ excess
    torch.testing.assert_close(-nats, m1.log_prob(x), rtol=0, atol=3e-7)


@pytest.mark.parametrize(
    ("cut", "decoder", "path"),
    [
        (0.01, -0.8831554, 2.8116427),
        (0.5, 1.2596694, 0.6688179),
        (3.0, 1.8496477, 0.0788397),
    ],
)
def test_i_mmse_may_be_cut_anywhere(
    m1: Mixture,
    rate_at: Callable[..., Tensor],
    legendre: Callable[..., tuple[Tensor, Tensor]],
    bell: tuple[Tensor, Tensor],
    cut: float,
    decoder: float,
    path: float,
) -> None:
    """-log p(y) = E[-log p(y | z_cut)] + int rate below the cut's log-SNR, z = y + sqrt(cut) eps (y = 0)."""
    y, process = column(0), Gaussian(VE())
    log_snr, weights = legendre(-30, -math.log(cut))
    assert (weights @ rate_at(process, m1, y, log_snr)).item() == pytest.approx(path, abs=6e-8)
    z, weights = bell
    noisy = math.sqrt(cut) * z[:, None]
    level = Level(0.0, 1.0, math.sqrt(cut), -math.log(cut))
    channel = process.marginal(torch.zeros_like(noisy), level, Batch(noisy)).log_prob(noisy)
    bayes = m1.log_prob(y) + channel - m1.log_prob(noisy, level)
    assert -(weights @ bayes).item() == pytest.approx(decoder, abs=6e-8)
    # the paths first tabulated for the last two cuts are 1e-6 larger, and miss this sum by as much
    assert decoder + path == pytest.approx(-m1.log_prob(y).item(), abs=1e-7)


# --- Gaussians -----------------------------------------------------------------------------------


def test_gaussian_posterior_is_linear(gaussian_of: Callable[[int], Mixture]) -> None:
    law, x = gaussian_of(3), normal(torch.empty(5, 3, dtype=DOUBLE), seeded(0))
    covariance = law.axes[0] @ law.lam[0].diag() @ law.axes[0].T
    for schedule in (Cosine(), VE()):
        level = schedule.level(torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0], dtype=DOUBLE), 2)
        mean = law(x, level, Batch(x)).mean
        for k in range(5):
            alpha, sigma = (torch.as_tensor(v)[k] for v in (level.alpha, level.sigma))
            gain = (
                alpha
                * covariance
                @ torch.inverse(alpha**2 * covariance + sigma**2 * torch.eye(3, dtype=DOUBLE))
            )
            exact = law.means[0] + gain @ (x[k] - alpha * law.means[0])
            torch.testing.assert_close(mean[k], exact)


def test_entropy_of_a_strongly_correlated_gaussian() -> None:
    """h = log(2 pi e) + log(1 - rho^2) / 2 = 1.2184888 nats, rho = -0.495 / 0.505; mean of -log p over the law itself."""
    rho = -0.4950 / 0.5050
    law = Mixture.gaussian(
        torch.zeros(2, dtype=DOUBLE), torch.tensor([[1, rho], [rho, 1]], dtype=DOUBLE)
    )
    # any four points with the law's covariance have the mean of a quadratic form
    root = torch.linalg.cholesky(torch.tensor([[1, rho], [rho, 1]], dtype=DOUBLE))
    points = math.sqrt(2) * torch.cat([root.T, -root.T])
    assert -law.log_prob(points).mean().item() == pytest.approx(1.2184888, abs=6e-8)


def test_gaussian_samples(gaussian_of: Callable[[int], Mixture]) -> None:
    law = gaussian_of(3)
    x = (law.sample(20_000, seeded(1)) - law.means[0]) @ law.axes[0] / law.lam[0].sqrt()
    assert stats.kstest(x.flatten().numpy(), "norm").pvalue > 1e-6
    assert (torch.cov(x.T) - torch.eye(3)).abs().max() < 5 * math.sqrt(2 / 20_000)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_score_is_the_gradient_of_the_log_density(schedule: Schedule, t: float) -> None:
    law = Mixture(
        torch.tensor([1.0, 2.0, 0.5]),
        normal(torch.empty(3, 2, dtype=DOUBLE), seeded(0)),
        torch.diag_embed(normal(torch.empty(3, 2, dtype=DOUBLE), seeded(1)).square()),
    )
    x = 2 * normal(torch.empty(6, 2, dtype=DOUBLE), seeded(2)).requires_grad_()
    (level,) = schedule.levels(torch.tensor([t]))
    (slope,) = torch.autograd.grad(law.log_prob(x, level).sum(), x)
    torch.testing.assert_close(law.score(x, level), slope, rtol=1e-7, atol=1e-9)


def test_floats_and_tensors_are_one_level(m1: Mixture) -> None:
    x, t = column(-1, 0.3, 2), torch.tensor([0.1, 0.5, 0.9], dtype=DOUBLE)
    whole = Cosine().level(t, 2)
    mean, log_prob = m1(x, whole, Batch(x)).mean, m1.log_prob(x, whole)
    for k, level in enumerate(Cosine().levels(t)):
        torch.testing.assert_close(mean[k], m1(x, level, Batch(x)).mean[k])
        torch.testing.assert_close(log_prob[k], m1.log_prob(x, level)[k])


# --- atoms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snr", "mmse"), [(0.1, 0.9086594), (1, 0.4495995), (4, 0.0685974), (10, 0.0024113)]
)
def test_mmse_of_a_binary_signal(rate_at: Callable[..., Tensor], snr: float, mmse: float) -> None:
    """1 - E tanh(snr + sqrt(snr) z)."""
    law = Mixture.atoms(torch.ones(2), column(-1, 1))
    log_snr = torch.tensor([math.log(snr)], dtype=DOUBLE)
    rates = rate_at(Gaussian(LinearVP()), law, column(-1, 1), log_snr)
    assert (2 * rates.mean() / snr).item() == pytest.approx(mmse, abs=6e-8)


def test_atoms_are_bayes_rule() -> None:
    """A joint law of three bits, against a sum over its eight points."""
    points = torch.tensor(list(product((-1.0, 1.0), repeat=3)), dtype=DOUBLE)
    weights = normal(torch.empty(8, dtype=DOUBLE), seeded(0)).exp()
    x = normal(torch.empty(10, 3, dtype=DOUBLE), seeded(1))
    for log_snr in (-5.0, 0.0, 3.0):
        level = level_at(log_snr)
        distance = (x[:, None] - level.alpha * points).square().sum(-1)
        joint = weights * torch.exp(-distance / (2 * level.sigma**2))
        exact = (joint / joint.sum(1, keepdim=True)) @ points
        mean = Mixture.atoms(weights, points)(x, level, Batch(x)).mean
        torch.testing.assert_close(mean, exact)


def test_atoms_are_drawn_with_their_weights() -> None:
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=DOUBLE)
    x = Mixture.atoms(weights, column(0, 1, 2, 3)).sample(20_000, seeded(2))
    counts = torch.bincount(x.long().flatten())
    assert stats.chisquare(counts.numpy(), (20_000 * weights).numpy()).pvalue > 1e-6


@pytest.mark.parametrize(
    ("weights", "values", "points"),
    [
        ([0.5, 0.5], [-1, 1], {-1: math.log(2), 1: math.log(2)}),
        ([0.9, 0.1], [0, 1], {0: 0.105361, 1: 2.302585}),
        ([0.1, 0.2, 0.3, 0.4], [0, 1, 2, 3], {k: -math.log(0.1 * (k + 1)) for k in range(4)}),
        ([1.0] * 8, list(range(8)), {0: math.log(8), 3: math.log(8), 7: math.log(8)}),
    ],
)
def test_i_mmse_is_the_log_probability_at_every_atom(
    rate_at: Callable[..., Tensor],
    legendre: Callable[..., tuple[Tensor, Tensor]],
    weights: list[float],
    values: list[int],
    points: dict[int, float],
) -> None:
    """-log P(x) = int rate d(log-SNR): no constant, no density."""
    law = Mixture.atoms(torch.tensor(weights, dtype=DOUBLE), column(*values))
    log_snr, w = legendre(-18, 8)  # at log-SNR 8 the levels are 54 standard deviations apart
    nats = w @ rate_at(Gaussian(Cosine()), law, column(*points), log_snr)
    exact = torch.tensor(list(points.values()), dtype=DOUBLE)
    torch.testing.assert_close(nats, exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "says"),
    [
        (torch.ones(3), torch.zeros(2, 1), torch.ones(2, 1, 1), "don't fit"),
        (torch.ones(2), torch.zeros(2, 1), torch.ones(2, 1), "don't fit"),
        (torch.ones(1), torch.zeros(1, 2), -torch.eye(2)[None], "negative eigenvalue"),
    ],
)
def test_bad_arguments_are_refused(
    weights: Tensor, means: Tensor, covariances: Tensor, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Mixture(weights, means, covariances)


@pytest.mark.parametrize(("belief", "variance"), [("drawn", 0.25), ("mean", 0.0439224)])
def test_a_long_step_needs_a_belief_that_is_drawn(
    paper: LinearVP, gaussian: Mixture, belief: str, variance: float
) -> None:
    """Denoising diffusion GANs in one sum (Xiao et al. 2022): four ancestral steps of N(.7, .25) end on its
    variance if x_0 is drawn from q(x_0 | x_t), and on a sixth of it if x_0 is the mean."""
    times = torch.linspace(1, 1e-3, 5, dtype=DOUBLE)
    levels = paper.levels(times)
    betas = [1 - (float(a.alpha) / float(b.alpha)) ** 2 for a, b in pairwise(levels)]
    assert betas[::-1] == pytest.approx([0.47826, 0.84921, 0.95642, 0.98740], abs=5e-6)
    # the published chain starts at its first level as if it were the data
    scale = float(levels[-1].alpha)
    bars = [(float(level.alpha) / scale) ** 2 for level in levels]
    found = bars[0] * 0.25 + 1 - bars[0]
    for bar, to in pairwise(bars):
        one, two = (Level(0.0, math.sqrt(b), math.sqrt(1 - b), 0.0) for b in (bar, to))
        a, b, c = (float(v) for v in reverse_coefficients(one, two, 1.0))
        x = torch.tensor([[0.0], [1.0]], dtype=DOUBLE)
        low, high = gaussian(x, one, Batch(x)).mean[:, 0].tolist()
        spread = 0.25 * (1 - bar) / (bar * 0.25 + 1 - bar) if belief == "drawn" else 0.0
        found = (a + b * (high - low)) ** 2 * found + b * b * spread + c * c
    assert found == pytest.approx(variance, abs=1e-6)
