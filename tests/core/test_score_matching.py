"""Score matching that doesn't see the data: in the mean it is the loss of denoising, for any belief."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, Karras, MeanDenoiser, Velocity
from unnoise.core.objective import (
    Denoising,
    Elbo,
    ImplicitScoreMatching,
    SlicedScoreMatching,
    Weighted,
)
from unnoise.core.posterior import Mean
from unnoise.core.process import Gaussian, Langevin, LinearGaussian
from unnoise.core.random import Shard, normal, seeded
from unnoise.core.schedule import Cosine, Level, Rectified, Schedule
from unnoise.core.times import LogSNRTimes

DOUBLE = torch.float64
Network = Callable[..., nn.Module]


class Linear(Denoiser[Mean]):
    """mean = x_t G + 0.3: a belief that is wrong, with the Jacobian G'."""

    def __init__(self, gain: Tensor) -> None:
        super().__init__()
        self.gain = nn.Parameter(gain.clone())

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
        return Mean(x_t @ self.gain + 0.3)


def rows(objective: Weighted, process: LinearGaussian, f: Denoiser[Mean], x: Tensor) -> Tensor:
    """rate at one level for every row, from the same noise."""
    batch = Batch(x)
    level = process.schedule.level(torch.full((len(x),), 0.4, dtype=DOUBLE), x.ndim)
    x_t = process.marginal(x, level, batch).sample(seeded(1))
    return objective.rate(process, f, x_t, level, batch, seeded(2))


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_it_is_the_loss_of_denoising_for_a_wrong_belief(
    t: float, schedule: Schedule, m1: Mixture, network: Network, legendre: Callable[..., tuple[Tensor, Tensor]],
    bell: tuple[Tensor, Tensor],
) -> None:  # fmt: skip
    """E rate of one = E rate of the other to 1e-8, by quadrature over the data (a mixture) and the noise."""
    process, wrong = Gaussian(schedule), MeanDenoiser(network(1), Velocity())
    z, p_z = bell
    x, w = legendre(-7, 6, panels=12)
    x_0 = x.repeat_interleave(len(z))[:, None]
    p = torch.outer(w * m1.log_prob(x[:, None]).exp(), p_z).flatten()
    level = schedule.level(torch.full((len(x_0),), t, dtype=DOUBLE), 2)
    x_t, batch = level.alpha * x_0 + level.sigma * z.repeat(len(x))[:, None], Batch(x_0)
    mine, exact = (
        p @ o.rate(process, wrong, x_t, level, batch, seeded(0)).detach()
        for o in (ImplicitScoreMatching(), Denoising())
    )
    assert p.sum().item() == pytest.approx(1, abs=1e-10)
    torch.testing.assert_close(mine, exact, rtol=1e-8, atol=1e-8)


def test_the_gradient_is_that_of_denoising_in_closed_form() -> None:
    """Data N(0, v), mean g x_t: E rate = snr/2 E(x_0 - g x_t)^2, least at g = alpha v / (alpha^2 v + sigma^2)."""
    v, process, n = 0.25, Gaussian(Cosine()), 400_000
    level = process.schedule.level(torch.tensor([0.4], dtype=DOUBLE), 2)
    alpha, sigma = (torch.as_tensor(s).item() for s in (level.alpha, level.sigma))
    belief = Linear(torch.tensor([[0.5]], dtype=DOUBLE))
    z, noise = (normal(torch.empty(n, 1, dtype=DOUBLE), seeded(k)) for k in (0, 1))
    x = math.sqrt(v) * z
    x_t = alpha * x + sigma * noise
    rate = ImplicitScoreMatching().rate(process, belief, x_t, level, Batch(x), None)
    (grad,) = torch.autograd.grad(rate.mean(), belief.gain)
    each = alpha - alpha / sigma**2 * (x_t - alpha * (0.5 * x_t + 0.3)) * x_t
    exact = (alpha / sigma) ** 2 * (0.5 * (alpha**2 * v + sigma**2) - alpha * v)
    assert grad.item() == pytest.approx(each.mean().item(), rel=1e-9)
    assert grad.item() == pytest.approx(exact, abs=5 * each.std().item() / math.sqrt(n))


def test_the_optimum_is_the_exact_posterior(gaussian: Mixture) -> None:
    """At the exact belief E rate = sigmoid(log-SNR + log v) / 2, and no other gain is better (Gaussian data)."""
    n, process = 200_000, Gaussian(Rectified())
    x = gaussian.sample(n, seeded(0))
    level = process.schedule.level(torch.full((n,), 0.6, dtype=DOUBLE), 2)
    x_t = process.marginal(x, level, Batch(x)).sample(seeded(1))
    rate = ImplicitScoreMatching().rate(process, gaussian, x_t, level, Batch(x), None)
    log_snr = torch.as_tensor(level.log_snr).flatten()[0]
    exact = 0.5 * torch.sigmoid(log_snr + math.log(0.25)).item()
    assert rate.mean().item() == pytest.approx(exact, abs=5 * rate.std().item() / math.sqrt(n))


def test_slices_scatter_about_the_exact_divergence_with_the_stated_variance() -> None:
    """Mean: the exact one. Variance: 2 (|S|^2 - sum S_ii^2) / slices, S the symmetric part of alpha G."""
    gain = normal(torch.empty(4, 4, dtype=DOUBLE), seeded(5))
    process, belief = Gaussian(Cosine()), Linear(gain)
    x = normal(torch.empty(1, 4, dtype=DOUBLE), seeded(0)).expand(40_000, 4)
    exact = rows(ImplicitScoreMatching(), process, belief, x)
    alpha = process.schedule(torch.tensor(0.4, dtype=DOUBLE))[0]
    s = alpha * (gain + gain.T) / 2
    variance = 2 * (s.square().sum() - s.diagonal().square().sum()).item()
    for slices in (1, 3):
        excess = rows(SlicedScoreMatching(slices=slices), process, belief, x) - exact
        spread = math.sqrt(variance / slices)
        assert excess.mean().item() == pytest.approx(0, abs=5 * spread / 200)
        assert excess.var().item() == pytest.approx(variance / slices, rel=0.05)


def test_slices_are_exact_for_a_diagonal_jacobian() -> None:
    belief = Linear(torch.diag(torch.tensor([0.1, 0.5, 2.0], dtype=DOUBLE)))
    x = normal(torch.empty(50, 3, dtype=DOUBLE), seeded(0))
    one, other = (
        rows(o, Gaussian(Cosine()), belief, x)
        for o in (SlicedScoreMatching(), ImplicitScoreMatching())
    )
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("objective", [ImplicitScoreMatching, SlicedScoreMatching])
def test_weights_and_times_mean_the_same(objective: type[Weighted], m1: Mixture) -> None:
    """Over all levels the losses agree, each up to its own Monte Carlo error."""
    process, n = Gaussian(Cosine(4.0, -6.0)), 100_000
    batch = Batch(m1.sample(n, seeded(0)))
    one, other = (
        o(Elbo(), LogSNRTimes()).terms(process, m1, batch, seeded(1)).detach()
        for o in (objective, Denoising)
    )
    error = math.sqrt((one.var().item() + other.var().item()) / n)
    assert one.mean().item() == pytest.approx(other.mean().item(), abs=5 * error)


def test_a_process_with_a_velocity(gaussian_of: Callable[[int], Mixture]) -> None:
    """The identity holds for states (x, v) too: the divergence of psi m(x, v) over both."""
    process = Langevin(Cosine(5.0, -6.0))

    class Both(Denoiser[Mean]):
        """A wrong belief that reads position and velocity."""

        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            return Mean(0.6 * x_t[:, 0] + 0.3 * torch.tanh(x_t[:, 1]))

    n = 100_000
    x = gaussian_of(2).sample(n, seeded(0))
    one, other = (
        rows(o, process, Both(), x).detach() for o in (ImplicitScoreMatching(), Denoising())
    )
    error = math.sqrt((one.var().item() + other.var().item()) / n)
    assert one.mean().item() == pytest.approx(other.mean().item(), abs=5 * error)


def test_padding_counts_for_nothing() -> None:
    """Each state as if it were alone: entries that don't exist have no divergence."""

    class Squares(Denoiser[Mean]):
        def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Mean:
            return Mean(0.3 * x_t + 0.1 * x_t.square() + 1)

    x = normal(torch.empty(8, 3, dtype=DOUBLE), seeded(0))
    mask = torch.tensor([True, True, False]).expand(8, 3)
    process = Gaussian(Cosine())
    level = process.schedule.level(torch.full((8,), 0.3, dtype=DOUBLE), 2)
    x_t = process.marginal(x * mask, level, Batch(x * mask, mask=mask)).sample(seeded(1))
    for objective in (ImplicitScoreMatching(), SlicedScoreMatching()):  # exact: it is diagonal
        padded = objective.rate(
            process, Squares(), x_t, level, Batch(x * mask, mask=mask), seeded(2)
        )
        alone = objective.rate(process, Squares(), x_t[:, :2], level, Batch(x[:, :2]), seeded(3))
        torch.testing.assert_close(padded, alone, rtol=1e-12, atol=1e-12)


def test_gradients_reach_every_weight(network: Network) -> None:
    batch = Batch(normal(torch.empty(16, 3, dtype=DOUBLE), seeded(0)))
    for objective in (ImplicitScoreMatching(), SlicedScoreMatching(slices=2)):
        denoiser = MeanDenoiser(network(3), Karras())
        objective(Gaussian(Cosine()), denoiser, batch, seeded(0)).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in denoiser.parameters())
        with torch.no_grad():  # a validation loss costs no graph
            assert not objective(Gaussian(Cosine()), denoiser, batch, seeded(0)).requires_grad


def test_shards_draw_the_slices_of_the_whole_batch(gaussian_of: Callable[[int], Mixture]) -> None:
    batch, law, process = Batch(torch.ones(8, 3, dtype=DOUBLE)), gaussian_of(3), Gaussian(Cosine())
    objective = SlicedScoreMatching(slices=2)
    whole = objective.terms(process, law, batch, seeded(0))
    shards = [
        objective.terms(process, law, batch.rows(slice(4 * r, 4 * r + 4)), Shard(seeded(0), r, 2))
        for r in (0, 1)
    ]
    torch.testing.assert_close(torch.cat(shards), whole, rtol=1e-12, atol=1e-12)


def test_other_processes_and_no_slices_are_refused(gaussian: Mixture) -> None:
    with pytest.raises(ValueError, match="slices"):
        SlicedScoreMatching(slices=0)
    x, level = torch.ones(2, 1, dtype=DOUBLE), Cosine().level(torch.ones(2, dtype=DOUBLE), 2)
    with pytest.raises(TypeError, match="linear Gaussian"):
        ImplicitScoreMatching().rate(nn.Identity(), gaussian, x, level, Batch(x), None)  # type: ignore[arg-type]


def test_the_gradient_passes_normalisation_and_attention() -> None:
    """d loss / d weight is its finite difference, for a network whose layers have no batched second derivative."""

    class Grid(nn.Module):
        """Group norm and attention over eight entries."""

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.mix = nn.GroupNorm(2, 4), nn.Linear(2, 2, bias=False)
            nn.init.constant_(self.mix.weight, 0.3)

        def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            h = self.mix(self.norm(x.reshape(-1, 4, 2)))
            y = nn.functional.scaled_dot_product_attention(h, h, h)
            out: Tensor = (y + h).reshape(x.shape)
            return out

    with torch.random.fork_rng():
        network = Grid().double()
    denoiser = MeanDenoiser(network, Velocity())
    batch = Batch(normal(torch.empty(6, 8, dtype=DOUBLE), seeded(0)))
    weight = network.mix.weight
    for objective in (ImplicitScoreMatching(), SlicedScoreMatching(slices=2)):
        losses = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[0, 1] += step
                losses.append(objective(Gaussian(Cosine()), denoiser, batch, seeded(1)).item())
                weight[0, 1] -= step
        loss = objective(Gaussian(Cosine()), denoiser, batch, seeded(1))
        (grad,) = torch.autograd.grad(loss, weight)
        assert grad[0, 1].item() == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-5)
