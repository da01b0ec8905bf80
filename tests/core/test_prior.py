"""Learned priors: their densities against scipy's, what a short path with one loses (nothing, for
Gaussian data), files, and what is refused."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.checkpoint import CheckpointError
from unnoise.core.likelihood import IMMSE, Bound
from unnoise.core.model import Model
from unnoise.core.prior import FlowPrior, FullGaussian, MixturePrior, Prior
from unnoise.core.prior.gaussian import shrinkage
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator, normal, seeded, uniform
from unnoise.core.sampler import AdamsBashforth, Sampler
from unnoise.core.schedule import VE, Cosine, LinearVP, Rectified, Schedule

DOUBLE = torch.float64
ROOT = torch.tensor([[1.0, 0.0], [0.8, 0.5]], dtype=DOUBLE)


def bent(n: int, seed: int = 0) -> Tensor:
    """(a, a^2 / 2 + b / 2), a and b normal: a banana, log density -a^2/2 - 2 (y - a^2/2)^2 - log pi."""
    z = normal(torch.empty(n, 2, dtype=DOUBLE), seeded(seed))
    return torch.stack([z[:, 0], 0.5 * z[:, 0].square() + 0.5 * z[:, 1]], 1)


def normals(n: int, seed: int = 0) -> Tensor:
    return 3 + normal(torch.empty(n, 2, dtype=DOUBLE), seeded(seed)) @ ROOT.T


class Bootstrap(Prior):
    """Draws what it was fitted to; has no density."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.kept = torch.zeros(1, *shape)

    def fit(self, x_T: Tensor, generator: Generator = None) -> None:
        self.kept = x_T

    def draw(self, n: int, generator: Generator = None) -> Tensor:
        return self.kept[(uniform((n,), self.kept, generator) * len(self.kept)).long()]


# --- densities and draws -------------------------------------------------------------------------


def test_the_gaussian_has_the_moments_and_the_density_of_its_rows() -> None:
    x = normals(500)
    prior = FullGaussian((2,), gamma=0.0)
    prior.fit(x)
    law = stats.multivariate_normal(x.mean(0).numpy(), np.cov(x.T.numpy(), bias=True))
    torch.testing.assert_close(prior.log_prob(x), torch.from_numpy(law.logpdf(x.numpy())))


def test_shrinkage_is_that_of_ledoit_and_wolf() -> None:
    for n, d in ((20, 8), (200, 8), (5, 30)):
        x = normal(torch.empty(n, d, dtype=DOUBLE), seeded(n)) * torch.linspace(0.1, 2, d)
        covariance, gamma = ledoit_wolf(x.numpy())
        assert shrinkage(x) == pytest.approx(gamma, abs=1e-12)
        prior = FullGaussian((d,))
        prior.fit(x)
        torch.testing.assert_close(prior.root @ prior.root.T, torch.from_numpy(covariance))


def test_a_gaussian_of_fewer_rows_than_dimensions_needs_shrinkage() -> None:
    x = normal(torch.empty(5, 30, dtype=DOUBLE), seeded(0))
    FullGaussian((30,)).fit(x)
    with pytest.raises(ValueError, match="5 states span fewer than 30 dimensions"):
        FullGaussian((30,), gamma=0.0).fit(x)


@pytest.mark.parametrize("shared", [True, False])
def test_a_mixtures_density_is_scipys(shared: bool) -> None:
    x = torch.cat([normals(300), -normals(200, 1)])
    prior = MixturePrior((2,), 2, shared)
    prior.fit(x, seeded(0))
    parts = prior.mixture
    covariances = parts.axes @ torch.diag_embed(parts.lam) @ parts.axes.mT
    logs = [
        w + stats.multivariate_normal(m.numpy(), c.numpy()).logpdf(x.numpy())
        for w, m, c in zip(parts.log_weights.tolist(), parts.means, covariances, strict=True)
    ]
    torch.testing.assert_close(
        prior.log_prob(x), torch.from_numpy(np.logaddexp.reduce(np.stack(logs)))
    )
    # well separated: each component has the moments of its own cluster
    order = parts.means[:, 0].argsort(descending=True)
    torch.testing.assert_close(parts.means[order[0]], x[:300].mean(0), atol=1e-3, rtol=0)
    assert parts.log_weights.exp()[order].tolist() == pytest.approx([0.6, 0.4], abs=1e-3)


@pytest.fixture(scope="module")
def flow() -> FlowPrior:
    pytest.importorskip("zuko")
    prior = FlowPrior((2,), transforms=3, width=32, steps=400, lr=5e-3)
    prior.fit(bent(4000), seeded(1))
    return prior


def test_a_flow_bends_where_a_gaussian_cannot(flow: FlowPrior) -> None:
    """KL(p || nu) of the banana: the Gaussian's is log sqrt(1 + 2) = .549 (its variances 1 and 1/2 + 1/4)."""
    x = bent(4000, 2)
    exact = (
        -0.5 * x[:, 0].square()
        - 2 * (x[:, 1] - 0.5 * x[:, 0].square()).square()
        - math.log(math.pi)
    )
    gaussian = FullGaussian((2,))
    gaussian.fit(bent(4000))
    assert (exact - gaussian.log_prob(x)).mean().item() == pytest.approx(
        0.5 * math.log(3), abs=0.05
    )
    assert 0 < (exact - flow.log_prob(x)).mean().item() < 0.05


def test_a_flows_density_integrates_to_one(flow: FlowPrior) -> None:
    a, b = torch.linspace(-7, 7, 500, dtype=DOUBLE), torch.linspace(-6, 20, 900, dtype=DOUBLE)
    grid = torch.cartesian_prod(a, b)
    with torch.no_grad():
        mass = flow.log_prob(grid).exp().sum() * (a[1] - a[0]) * (b[1] - b[0])
    assert mass.item() == pytest.approx(1, abs=2e-3)


def test_a_flow_starts_as_the_gaussian() -> None:
    pytest.importorskip("zuko")
    flow, gaussian = FlowPrior((2,), steps=0), FullGaussian((2,))
    for prior in (flow, gaussian):
        prior.fit(bent(100))
    torch.testing.assert_close(
        flow.log_prob(bent(9)), gaussian.log_prob(bent(9)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("kind", ["gaussian", "mixture", "flow"])
def test_draws_follow_the_density(kind: str, flow: FlowPrior) -> None:
    """E[-log nu(x)] over draws is the entropy that a grid integrates, and both marginals are x's."""
    prior: Prior = flow
    if kind != "flow":
        prior = FullGaussian((2,)) if kind == "gaussian" else MixturePrior((2,), 3)
        prior.fit(bent(2000), seeded(0))
    n = 20_000
    a, b = torch.linspace(-7, 7, 300, dtype=DOUBLE), torch.linspace(-8, 20, 600, dtype=DOUBLE)
    with torch.no_grad():
        log_p = prior.log_prob(torch.cartesian_prod(a, b)).reshape(300, 600).double()
        x = prior.draw(n, seeded(3)).double()
        sampled = -prior.log_prob(x).double()
    mass = log_p.exp() * (a[1] - a[0]) * (b[1] - b[0])
    entropy = -(mass * log_p).sum().item()
    assert sampled.mean().item() == pytest.approx(entropy, abs=5 * sampled.std().item() / n**0.5)
    for values, grid, marginal in ((x[:, 0], a, mass.sum(1)), (x[:, 1], b, mass.sum(0))):
        cdf = (marginal.cumsum(0) - marginal / 2).numpy()
        test = stats.kstest(values.numpy(), lambda v, g=grid, c=cdf: np.interp(v, g.numpy(), c))
        assert test.pvalue > 1e-5


def test_draws_and_fits_are_their_generators() -> None:
    pytest.importorskip("zuko")
    for make in (FullGaussian, MixturePrior, lambda s: FlowPrior(s, width=8, steps=5)):
        one, two = make((2,)), make((2,))
        for prior in (one, two):
            prior.fit(bent(200), seeded(4))
        assert torch.equal(one.draw(7, seeded(5)), two.draw(7, seeded(5)))
        assert not torch.equal(one.draw(7, seeded(5)), one.draw(7, seeded(6)))


# --- in a model ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule", [LinearVP(), Rectified(), VE()], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("time", [0.3, 0.6, 1.0])
def test_a_short_path_of_gaussian_data_loses_nothing(
    gaussian_of: Callable[[int], Mixture], schedule: Schedule, time: float
) -> None:
    """With nu = p_T exactly the bound is log p at every T, in every gauge, and samples have the data's moments."""
    law = gaussian_of(2)
    prior = FullGaussian((2,))
    model = Model(Gaussian(schedule), law, (2,)).until(time, prior)
    (end,) = model.process.schedule.levels(torch.ones(1))
    covariance = law.axes[0] @ law.lam[0].diag() @ law.axes[0].T
    eye = torch.eye(2, dtype=DOUBLE)
    prior.mean.copy_(end.alpha * law.means[0])
    prior.root.copy_(torch.linalg.cholesky(end.alpha**2 * covariance + end.sigma**2 * eye))
    x = law.sample(4000, seeded(0))
    result = model.log_prob(Batch(x), Bound(64), seeded(1))
    error = result.nats - law.log_prob(x)
    assert error.mean().abs() < 5 * error.std() / len(x) ** 0.5 + 1e-5
    template = Batch(torch.zeros(20_000, 2, dtype=DOUBLE))
    y = model.sample(template, Sampler(AdamsBashforth(3), 40), generator=seeded(2))
    for values, mean, variance in zip(y.T, law.means[0], covariance.diagonal(), strict=True):
        scale = variance.sqrt().item()
        assert stats.kstest(values.numpy(), "norm", (mean.item(), scale)).pvalue > 1e-5


def test_a_fitted_gaussian_leaves_a_divergence_of_its_sampling_error(
    gaussian_of: Callable[[int], Mixture],
) -> None:
    """KL(p_T || nu) is about d (d + 3) / (4 n) nats at every T, while N(0, I)'s grows as T falls."""
    law, n = gaussian_of(3), 20_000
    x, plain = law.sample(n, seeded(0)), Model(Gaussian(Cosine(20.0, -10.0)), law, (3,))
    for time in (0.2, 0.5, 0.8):
        model = plain.until(time, FullGaussian((3,)))
        model.fit_prior(Batch(x), 1, seeded(1))
        (end,) = model.process.schedule.levels(torch.ones(1))
        covariance = law.axes[0] @ law.lam[0].diag() @ law.axes[0].T
        true = end.alpha**2 * covariance + end.sigma**2 * torch.eye(3, dtype=DOUBLE)
        prior = model.prior
        assert isinstance(prior, FullGaussian)
        inverse = torch.linalg.inv(prior.root @ prior.root.T)
        gap = prior.mean - end.alpha * law.means[0]
        kl = 0.5 * ((inverse @ true).trace() - 3 - (inverse @ true).logdet() + gap @ inverse @ gap)
        assert 0 < kl < 4 * 3 * 6 / (4 * n)


def test_what_was_fitted_comes_back_with_the_model(gaussian: Mixture, tmp_path: Path) -> None:
    pytest.importorskip("zuko")
    x, file = Batch(bent(300)), tmp_path / "model.safetensors"
    law = Mixture.gaussian(torch.zeros(2), torch.eye(2))
    for make in (FullGaussian, MixturePrior, lambda s: FlowPrior(s, width=8, steps=5)):
        full = Model(Gaussian(Cosine()), law, (2,))
        model, other = (full.until(0.5, make((2,))) for _ in range(2))
        model.fit_prior(x, 2, seeded(0))
        model.save(file)
        other.load(file)
        assert torch.equal(
            model.log_prob(x, generator=seeded(1)).nats,
            other.log_prob(x, generator=seeded(1)).nats,
        )
        assert torch.equal(
            model.sample(4, generator=seeded(2)), other.sample(4, generator=seeded(2))
        )
        with pytest.raises(CheckpointError, match="made for another model"):
            full.load(file)


def test_a_prior_keeps_the_dtype_of_the_batch(flow: FlowPrior) -> None:
    model = Model(
        Gaussian(Cosine()), Mixture.gaussian(torch.zeros(2), torch.eye(2)), (2,), prior=flow
    )
    for dtype in (torch.float32, DOUBLE):
        law = flow.law(Batch(torch.zeros(3, 2, dtype=dtype)))
        assert law.sample(seeded(0)).dtype == dtype
        assert law.log_prob(torch.zeros(3, 2, dtype=dtype)).dtype == dtype
        assert (
            model.sample(Batch(torch.zeros(3, 2, dtype=dtype)), generator=seeded(0)).dtype == dtype
        )


def test_training_a_model_leaves_its_prior_alone(flow: FlowPrior) -> None:
    assert not any(p.requires_grad for p in flow.parameters())


# --- what is refused -----------------------------------------------------------------------------


@pytest.fixture
def model(gaussian: Mixture) -> Model:
    return Model(Gaussian(Cosine()), gaussian, (1,))


@pytest.mark.parametrize("time", [0.0, -0.1, 1.01, math.nan])
def test_a_path_ends_between_data_and_noise(model: Model, time: float) -> None:
    with pytest.raises(ValueError, match=r"a path ends at a time in \(0, 1\], got"):
        model.until(time)


def test_the_whole_path_is_the_path(model: Model) -> None:
    assert model.until(1.0).process.schedule.log_snr_min == model.process.schedule.log_snr_min
    end = model.until(0.25).process.schedule.log_snr_min
    exact = model.process.schedule.log_snr(torch.tensor([0.25], dtype=DOUBLE)).item()
    assert end == pytest.approx(exact, abs=1e-12)


def test_a_prior_without_a_density_says_what_to_pass(model: Model) -> None:
    """It can start a sampler; the bound is refused; I-MMSE needs no prior."""
    prior = Bootstrap((1,))
    short, x = (
        model.until(0.5, prior),
        Batch(torch.randn(50, 1, generator=seeded(0), dtype=DOUBLE)),
    )
    short.fit_prior(x, 2, seeded(0))
    assert short.sample(5, generator=seeded(1)).shape == (5, 1)
    assert short.log_prob(x, IMMSE(4), seeded(1)).nats.isfinite().all()
    with pytest.raises(ValueError, match=r"Bootstrap can be drawn from .* FullGaussian\(\(1,\)\)"):
        short.log_prob(x, Bound(4), seeded(1))


def test_a_prior_of_another_place_is_refused(model: Model) -> None:
    """A learned prior is a law of x_T at one alpha and sigma: no other window or gauge can have it."""
    short = model.until(0.5, FullGaussian((1,)))
    schedule = short.process.schedule
    assert short.with_schedule(schedule.between(5.0, schedule.log_snr_min)).prior is short.prior
    for other in (Cosine(), VE().between(10.0, schedule.log_snr_min)):
        with pytest.raises(ValueError, match="the learned prior was fitted at alpha"):
            short.with_schedule(other)
        assert short.until(1.0).with_schedule(other).prior is None


def test_states_that_a_prior_does_not_know_are_refused(model: Model) -> None:
    prior = FullGaussian((2,))
    mask = torch.tensor([[True, True], [True, False]])
    with pytest.raises(ValueError, match=r"shape \(2,\), the batch holds \(3,\)"):
        prior.law(Batch(torch.zeros(2, 3)))
    with pytest.raises(ValueError, match="mask hides entries"):
        prior.law(Batch(torch.zeros(2, 2), mask))
    with pytest.raises(ValueError, match=r"at least two states \(N, 2\), got \(1, 2\)"):
        prior.fit(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="NaN or infinite"):
        prior.fit(torch.full((4, 2), math.nan))
    with pytest.raises(ValueError, match="decodes no grid"):
        prior.law(Batch(torch.zeros(2, 2))).on(torch.arange(3.0))
    with pytest.raises(ValueError, match="no learned prior to fit"):
        model.fit_prior(Batch(torch.zeros(4, 1)))


def test_settings_that_make_no_prior_are_refused() -> None:
    with pytest.raises(ValueError, match="gamma must be in"):
        FullGaussian((2,), gamma=1.5)
    with pytest.raises(ValueError, match="at least one component"):
        MixturePrior((2,), 0)
    with pytest.raises(ValueError, match="3 states can't have 10 components"):
        MixturePrior((2,), 10).fit(bent(3))
    with pytest.raises(ValueError, match="fewer than two; take MixturePrior"):
        FlowPrior((1,))


def test_a_flow_without_zuko_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    with pytest.raises(ImportError, match=r"pip install 'unnoise\[prior\]'"):
        FlowPrior((2,))
