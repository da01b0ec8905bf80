"""The Gaussian process: its marginal, the reverse step at any noise level, the path's rate, the decoder."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.distribution import Lattice, Normal
from unnoise.core.posterior import Levels, Mean
from unnoise.core.process import Gaussian, effective_std
from unnoise.core.process.gaussian import reverse_coefficients
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import Cosine, Level, LinearVP, Schedule

DOUBLE = torch.float64
NOISE_LEVELS = (0.0, 0.5, 1.0, 2.0)


def states(*shape: int, seed: int = 0) -> Tensor:
    return normal(torch.empty(shape, dtype=DOUBLE), seeded(seed))


def levels_of(schedule: Schedule, *times: float) -> list[Level]:
    return schedule.levels(torch.tensor(times, dtype=DOUBLE))


def test_prior_is_the_law_of_unit_variance_data_at_the_end(schedule: Schedule) -> None:
    batch = Batch(states(4, 3))
    (end,) = levels_of(schedule, 1.0)
    variance = float(end.alpha) ** 2 + float(end.sigma) ** 2
    law = Gaussian(schedule).prior(batch)
    exact = stats.norm.logpdf(batch.x.numpy(), scale=math.sqrt(variance)).sum(1)
    torch.testing.assert_close(law.log_prob(batch.x), torch.from_numpy(exact))


def test_marginal_is_the_channel(schedule: Schedule) -> None:
    x_0 = torch.tensor([[2.0], [-1.0]], dtype=DOUBLE).expand(2, 20_000)
    t = torch.tensor([0.3, 0.9], dtype=DOUBLE)
    level = schedule.level(t, 2)
    law = Gaussian(schedule).marginal(x_0, level, Batch(x_0))
    alpha, sigma = schedule(t)
    for row, x_t in enumerate(law.sample(seeded(1))):
        channel = stats.norm((alpha[row] * x_0[row, 0]).item(), sigma[row].item())
        assert stats.kstest(x_t.numpy(), channel.cdf).pvalue > 1e-6
    exact = stats.norm.logpdf(x_0.numpy(), (alpha[:, None] * x_0).numpy(), sigma[:, None].numpy())
    torch.testing.assert_close(law.log_prob(x_0), torch.from_numpy(exact.sum(1)))


def test_ancestral_step_is_the_posterior_of_ddpm() -> None:
    """Ho et al. 2020, eq. 7: mean and variance of q(x_s | x_t, x_0) from betas and products of alphas."""
    process = Gaussian(LinearVP())
    x_0, x_t = states(5, 3), states(5, 3, seed=1)
    for t, s in ((1.0, 0.9), (0.5, 0.45), (0.1, 0.001), (1.0, 0.0)):
        level, to = levels_of(process.schedule, t, s)
        bar, bar_to = float(level.alpha) ** 2, float(to.alpha) ** 2
        beta = 1 - bar / bar_to
        mean = (math.sqrt(bar_to) * beta * x_0 + math.sqrt(1 - beta) * (1 - bar_to) * x_t) / (
            1 - bar
        )
        variance = beta * (1 - bar_to) / (1 - bar)
        law = process.reverse(x_t, level, to, Mean(x_0), Batch(x_0))
        torch.testing.assert_close(law.mean, mean, rtol=1e-12, atol=1e-13)
        assert float(law.scale) ** 2 == pytest.approx(variance, rel=1e-9)  # 1 - bar cancels


def test_noise_level_zero_is_ddim(schedule: Schedule) -> None:
    level, to = levels_of(schedule, 0.7, 0.6)
    x_0, x_t = states(5, 3), states(5, 3, seed=1)
    a, b, c = reverse_coefficients(level, to, 0.0)
    eps = (x_t - level.alpha * x_0) / level.sigma
    torch.testing.assert_close(a * x_t + b * x_0, to.alpha * x_0 + to.sigma * eps)
    assert c == 0


@pytest.mark.parametrize("noise_level", NOISE_LEVELS)
def test_every_noise_level_keeps_the_marginals(schedule: Schedule, noise_level: float) -> None:
    """x_t = alpha_t x_0 + sigma_t z goes to alpha_s x_0 + sigma_s z' in law, for any pair of levels."""
    for t, s in ((1.0, 0.0), (1.0, 0.99), (0.5, 0.1), (0.01, 0.0)):
        level, to = levels_of(schedule, t, s)
        a, b, c = (float(v) for v in reverse_coefficients(level, to, noise_level))
        assert a * float(level.alpha) + b == pytest.approx(float(to.alpha), rel=1e-13)
        variance = (a * float(level.sigma)) ** 2 + c**2
        assert variance == pytest.approx(float(to.sigma) ** 2, rel=1e-13)


@pytest.mark.parametrize("noise_level", [0.5, 1.0, 2.0])
def test_noise_level_scales_the_noise_of_a_small_step(
    schedule: Schedule, noise_level: float
) -> None:
    """As dt -> 0 the step is the reverse SDE's with diffusion l g: c^2 = l^2 sigma^2 |d log-SNR| to first order."""
    level, to = levels_of(schedule, 0.6, 0.6 - 1e-6)
    _, _, c = reverse_coefficients(level, to, noise_level)
    gained = float(to.log_snr) - float(level.log_snr)
    assert float(c) ** 2 == pytest.approx((noise_level * float(to.sigma)) ** 2 * gained, rel=1e-3)


def test_infinite_noise_forgets_the_state() -> None:
    level, to = levels_of(Cosine(), 0.8, 0.3)
    a, b, c = reverse_coefficients(level, to, 50.0)
    assert a == pytest.approx(0, abs=1e-12)
    assert (b, c) == pytest.approx((to.alpha, to.sigma))


def test_step_of_tensors_is_the_step_of_floats(schedule: Schedule) -> None:
    process, x_0, x_t = Gaussian(schedule), states(2, 3), states(2, 3, seed=1)
    t, s = torch.tensor([0.9, 0.4], dtype=DOUBLE), torch.tensor([0.8, 0.1], dtype=DOUBLE)
    whole = process.reverse(x_t, schedule.level(t, 2), schedule.level(s, 2), Mean(x_0), Batch(x_0))
    for row in (0, 1):
        level, to = levels_of(schedule, t[row].item(), s[row].item())
        one = process.reverse(x_t, level, to, Mean(x_0), Batch(x_0))
        torch.testing.assert_close(whole.mean[row], one.mean[row])
        assert float(torch.as_tensor(whole.scale)[row]) == pytest.approx(float(one.scale))


def test_rate_is_half_the_error_of_the_noise(schedule: Schedule) -> None:
    process, x_0, guess = Gaussian(schedule), states(4, 3), states(4, 3, seed=1)
    level = schedule.level(torch.tensor([0.1, 0.4, 0.7, 1.0], dtype=DOUBLE), 2)
    x_t = process.marginal(x_0, level, Batch(x_0)).sample(seeded(2))
    eps = (x_t - level.alpha * x_0) / level.sigma
    error = (eps - process.eps(x_t, level, Mean(guess))).square().sum(1)
    rate = process.rate(x_0, x_t, level, Mean(guess), Batch(x_0))
    torch.testing.assert_close(rate, 0.5 * error, rtol=1e-7, atol=0)  # eps - eps_hat cancels
    assert not process.rate(x_0, x_t, level, Mean(x_0), Batch(x_0)).any()


def test_rate_ignores_padding(schedule: Schedule) -> None:
    mask = torch.tensor([[True, True, False], [True, False, False]])
    process, x_0, guess = Gaussian(schedule), states(2, 3), states(2, 3, seed=1)
    level = schedule.level(torch.tensor([0.2, 0.8], dtype=DOUBLE), 2)
    rate = process.rate(x_0, x_0, level, Mean(guess), Batch(x_0, mask=mask))
    for row, entries in ((0, 2), (1, 1)):
        short = Batch(x_0[:, :entries])
        alone = process.rate(short.x, short.x, level, Mean(guess[:, :entries]), short)
        torch.testing.assert_close(rate[row], alone[row])


def test_decoder_is_right_to_first_order(gaussian: Mixture) -> None:
    """The exact p(x_0 | x_t) of N(0.7, 0.25) has variance 1 / (snr + 4): relative error 4 / snr."""
    process = Gaussian(Cosine())
    (level,) = levels_of(process.schedule, 0.0)
    x_t = states(4, 1)
    law = process.decode(x_t, level, gaussian(x_t, level, Batch(x_t)), Batch(x_t))
    assert isinstance(law, Normal)
    snr = math.exp(13.3)
    assert float(law.scale) ** 2 * (snr + 4) == pytest.approx(1 + 4 / snr, rel=1e-9)


def test_a_belief_over_levels_decodes_as_itself() -> None:
    process, values = Gaussian(Cosine()), torch.tensor([-1.0, 0.0, 1.0], dtype=DOUBLE)
    belief = Levels(states(2, 4, 5), states(3, 5, seed=1), values)
    (level,) = levels_of(process.schedule, 0.0)
    law = process.decode(states(2, 4), level, belief, Batch(states(2, 4)))
    assert isinstance(law, Lattice)
    probabilities = torch.softmax(torch.einsum("bie,ke->bik", belief.query, belief.key), -1)
    torch.testing.assert_close(law.logits.softmax(-1), probabilities)
    torch.testing.assert_close(belief.mean, probabilities @ values)


@pytest.mark.parametrize("snr", [0.1, 1.0, 10.0])
def test_mean_rate_of_gaussian_data_is_the_mmse(
    gaussian: Mixture, rate_at: Callable[..., Tensor], bell: tuple[Tensor, Tensor], snr: float
) -> None:
    """E rate = snr mmse / 2 with mmse = lam / (1 + snr lam); pointwise, with (x - mu)^2 and lam^2 snr in its place."""
    z, weights = bell
    x_0 = 0.7 + 0.5 * z[:, None]
    rates = rate_at(Gaussian(Cosine()), gaussian, x_0, torch.tensor([math.log(snr)], dtype=DOUBLE))
    pointwise = 0.5 * snr * ((x_0[:, 0] - 0.7) ** 2 + 0.25**2 * snr) / (1 + snr * 0.25) ** 2
    torch.testing.assert_close(rates[0], pointwise, rtol=1e-10, atol=1e-12)
    assert (rates[0] @ weights).item() == pytest.approx(0.5 * snr * 0.25 / (1 + snr * 0.25))


def test_effective_std_is_that_of_the_directions_that_vary() -> None:
    """sqrt(tr S^2 / tr S): 1 for white data, s for one direction of standard deviation s, whatever the rest."""
    z = states(20_000, 3)
    assert effective_std(z) == pytest.approx(1, rel=0.01)
    narrow = z * torch.tensor([2.0, 0.01, 0.0], dtype=DOUBLE)
    assert effective_std(narrow + 5) == pytest.approx(2, rel=0.02)
    wide = z[:50].repeat(1, 400)  # more entries than states: by the other Gram matrix
    covariance = torch.cov(wide.T, correction=0)
    exact = (covariance.square().sum() / covariance.trace()).sqrt().item()
    assert effective_std(wide) == pytest.approx(exact, rel=1e-9)
    with pytest.raises(ValueError, match="two states or more that vary"):
        effective_std(torch.ones(4, 2))
