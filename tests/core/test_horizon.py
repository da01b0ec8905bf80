"""The bound against the end of the path: closed forms for a Gaussian whose score is off by a constant."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, LevelDenoiser
from unnoise.core.horizon import Horizon, horizon
from unnoise.core.likelihood import Bound
from unnoise.core.model import Model
from unnoise.core.posterior import Mean
from unnoise.core.prior import FullGaussian
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded
from unnoise.core.schedule import Cosine, Level, LinearVP
from unnoise.core.transform import Affine, Quantised

DOUBLE = torch.float64
MEAN, VARIANCE = 0.7, 0.25
ENTROPY = 0.5 * math.log(2 * math.pi * math.e * VARIANCE)


class Off(Denoiser[Mean]):
    """The exact mean with `delta` added to its score: mean + sigma^2 delta / alpha."""

    def __init__(self, law: Mixture, delta: float) -> None:
        super().__init__()
        self.law = law
        self.delta = delta

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        return Mean(self.law(x_t, level, batch).mean + level.sigma**2 * self.delta / level.alpha)


def spent(t: float) -> float:
    """int_0^t beta, the paper's linear beta from .1 to 20."""
    return 0.1 * t + 19.9 * t * t / 2


def path(t: float, delta: float) -> float:
    """G(T) = delta^2 / 2 int_0^T beta dt."""
    return 0.5 * delta**2 * spent(t)


def mismatch(t: float) -> float:
    """KL(p_T || N(0, 1)), p_T = N(alpha m, alpha^2 v + sigma^2)."""
    snr = math.exp(-spent(t))
    variance = snr * VARIANCE + 1 - snr
    return 0.5 * (variance + snr * MEAN**2 - 1 - math.log(variance))


def test_the_closed_form_is_the_published_one() -> None:
    """T = .2, delta = .3: .7257914 + .2547966 + .01881; the best T falls with the error."""
    assert (path(0.2, 0.3), mismatch(0.2), ENTROPY) == pytest.approx(
        (0.01881, 0.2547966, 0.7257914), abs=5e-8
    )
    assert ENTROPY + path(0.2, 0.3) + mismatch(0.2) == pytest.approx(0.9993979975, abs=1e-10)
    assert ENTROPY + mismatch(1.0) == pytest.approx(0.7258019334, abs=1e-10)
    for delta, best in ((0.03, 0.79), (0.1, 0.62), (0.3, 0.43)):
        found = minimize_scalar(
            lambda t, d=delta: path(t, d) + mismatch(t), bounds=(0.01, 1), method="bounded"
        )
        assert found.x == pytest.approx(best, abs=0.005)


TIMES = (0.1, 0.2, 0.3, 0.38, 0.43, 0.48, 0.57, 0.62, 0.67, 0.74, 0.79, 0.84, 1.0)


@pytest.fixture
def measure(gaussian: Mixture) -> Callable[..., Horizon]:
    """The horizon of the Gaussian with a constant error of its score, in the paper's own times."""

    def run(delta: float, items: int = 4000, draws: int = 8, seed: int = 0) -> Horizon:
        # the paper's window is unbounded; what is cut off above costs delta^2 / 2 int beta < 1e-5
        schedule = LinearVP(log_snr_max=12.0)
        model = Model(Gaussian(schedule), Off(gaussian, delta), (1,))
        train, valid = (Batch(gaussian.sample(items, seeded(seed, k))) for k in range(2))
        paper = torch.tensor([-math.log(math.expm1(spent(t))) for t in TIMES], dtype=DOUBLE)
        times = schedule.time(paper).clamp(max=1).tolist()
        priors = {"standard": None, "gaussian": lambda: FullGaussian((1,))}
        return horizon(model, train, valid, priors, times, draws=draws, copies=8, seed=seed)

    return run


@pytest.mark.parametrize(("delta", "best"), [(0.03, 0.79), (0.1, 0.62), (0.3, 0.43)])
def test_the_best_time_is_the_closed_forms(
    measure: Callable[..., Horizon], delta: float, best: float
) -> None:
    found = measure(delta)
    assert TIMES[found.best("standard")] == pytest.approx(best, abs=0.06)
    # differences between times are what is known best
    exact = np.array([path(t, delta) + mismatch(t) for t in TIMES])
    k = found.best("standard")
    mean, stderr = found.excess("standard")
    gap = mean.numpy() - (exact - exact[k])
    assert (np.abs(gap) <= 5 * stderr.numpy() + 1e-12).all()
    assert found.shortest("standard") <= k


@pytest.mark.parametrize("delta", [0.0, 0.3])
def test_the_bound_is_entropy_and_path_and_mismatch(
    measure: Callable[..., Horizon], delta: float
) -> None:
    """At every T; a fitted Gaussian's mismatch is 0, up to 2 / (2 n) nats of its fit."""
    found, n = measure(delta, 6000, 16), 6000
    for name in ("standard", "gaussian"):
        mean, stderr = found.nelbo(name)
        for k, t in enumerate(TIMES):
            exact = ENTROPY + path(t, delta) + (mismatch(t) if name == "standard" else 0.0)
            assert mean[k].item() == pytest.approx(exact, abs=5 * stderr[k].item() + 5 / n)
    # without a mismatch every bit of path costs: the shortest is best, and exact scores cost nothing
    assert found.best("gaussian") == 0 or delta == 0
    learned, plain = (found.nats[name] - found.path for name in ("gaussian", "standard"))
    for k in range(len(TIMES)):
        gap = plain[k] - learned[k]
        error = gap.std().item() / n**0.5
        assert gap.mean().item() == pytest.approx(mismatch(TIMES[k]), abs=5 * error + 5 / n)


def test_it_is_the_bound_of_the_shorter_model(gaussian_of: Callable[[int], Mixture]) -> None:
    """And in the data's units."""
    law = gaussian_of(2)
    model = Model(Gaussian(Cosine(10.0, -8.0)), Off(law, 0.2), (2,), Affine(1.0, 3.0))
    x = Batch(1 + 3 * law.sample(3000, seeded(0)))
    found = horizon(model, x, x, {"g": lambda: FullGaussian((2,))}, [0.3, 0.7], copies=4)
    for k, time in enumerate((0.3, 0.7)):
        short = model.until(time, FullGaussian((2,)))
        short.fit_prior(x, 4, seeded(5))
        gap = found.nats["g"][k] + short.log_prob(x, Bound(32), seeded(6)).nats
        assert gap.mean().abs() < 5 * gap.std() / len(x.x) ** 0.5
        assert found.log_snr[k].item() == pytest.approx(short.process.schedule.log_snr_min)


def test_quantised_data_have_probabilities_at_every_end() -> None:
    """Independent entries of known odds: with the true law of x_T the bound would be the entropy, and is above it."""
    odds = torch.tensor([0.1, 0.3, 0.05, 0.25, 0.1, 0.2], dtype=DOUBLE)
    transform = Quantised(6)
    denoiser = LevelDenoiser(
        lambda x, *_: x.new_zeros(*x.shape, 0), 0, transform.values.double(), odds.log()
    ).double()
    model = Model(Gaussian(Cosine(6.0, -10.0)), denoiser, (3,), transform.double())
    raw = torch.multinomial(odds, 6000, replacement=True, generator=seeded(0)).reshape(2000, 3)
    found = horizon(
        model,
        Batch(raw),
        Batch(raw),
        {"standard": None, "g": lambda: FullGaussian((3,))},
        [0.4, 1.0],
    )
    exact = -odds.log()[raw].sum(1)
    for name in found.nats:
        gap = found.nats[name] - exact
        error = gap.std(1) / len(raw) ** 0.5
        assert abs(gap[1].mean().item()) < 5 * error[1].item() + 2e-3  # at T = 1 nothing is lost
        assert gap[0].mean().item() > -5 * error[0].item()


def test_the_same_seed_measures_the_same(measure: Callable[..., Horizon]) -> None:
    one, two, other = measure(0.1, 50, 2), measure(0.1, 50, 2), measure(0.1, 50, 2, seed=1)
    for name in one.nats:
        assert torch.equal(one.nats[name], two.nats[name])
        assert not torch.equal(one.nats[name], other.nats[name])


def test_what_cannot_be_measured_is_refused(gaussian: Mixture) -> None:
    model, x = Model(Gaussian(Cosine()), gaussian, (1,)), Batch(torch.zeros(4, 1, dtype=DOUBLE))
    for times in ([], [0.5, 0.5], [0.6, 0.5]):
        with pytest.raises(ValueError, match="times must increase"):
            horizon(model, x, x, {"standard": None}, times)
    with pytest.raises(ValueError, match=r"in \(0, 1\], got 1.2"):
        horizon(model, x, x, {"standard": None}, [0.5, 1.2])
    with pytest.raises(ValueError, match="at least one prior"):
        horizon(model, x, x, {}, [0.5])
    with pytest.raises(ValueError, match="at least two items"):
        horizon(model, x, x.rows(slice(1)), {"standard": None}, [0.5])
