"""The draws of x_1: who is paired with whom, what reflow keeps, and what is refused."""

from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.coupling import (
    Blind,
    Coupling,
    Empirical,
    Paired,
    independent,
    optimal,
    reflow,
    transport,
)
from unnoise.core.denoiser import MeanDenoiser, Velocity
from unnoise.core.likelihood import IMMSE, Bound, Flow, Likelihood
from unnoise.core.model import Model
from unnoise.core.noise import Noise
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AdamsBashforth, AnyNoise, LogSNRGrid, Sampler
from unnoise.core.schedule import Rectified
from unnoise.core.transform import Affine

DOUBLE = torch.float64
WIDE = Rectified(30.0, -30.0)  # e^-15 from both ends
FINE = Sampler(AdamsBashforth(4, heun_start=True), 400, path=Rectified())


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)[:, None]


# --- couplings -------------------------------------------------------------------------------------


def test_optimal_is_the_best_of_all_permutations() -> None:
    x_0, x_1 = normal(torch.empty(2, 6, 2, 3, dtype=DOUBLE), seeded(3))
    costs = {p: (x_0 - x_1[list(p)]).square().sum().item() for p in permutations(range(6))}
    assert tuple(optimal(x_0, x_1).tolist()) == min(costs, key=costs.__getitem__)


def test_optimal_sorts_a_line() -> None:
    x_0, x_1 = normal(torch.empty(2, 500), seeded(0))
    assert torch.equal(x_1[optimal(x_0, x_1)][x_0.argsort()], x_1.sort().values)


@pytest.mark.parametrize("coupling", [independent, optimal])
def test_empirical_draws_every_row_alike_and_couples_them(coupling: Coupling) -> None:
    data = torch.arange(5.0)[:, None]
    noise = Empirical(data, coupling)
    batch = Batch(normal(torch.empty(1000, 1), seeded(0)))
    some = noise.sample(batch, seeded(1))
    counts = torch.bincount(some[:, 0].long(), minlength=5)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4
    rank = stats.spearmanr(batch.x[:, 0], some[:, 0]).statistic
    assert rank > 0.97 if coupling is optimal else abs(rank) < 0.1
    assert torch.equal(some, noise.sample(batch, seeded(1)))
    assert not noise.state_dict()


def test_partners_respect_the_mask_and_the_dtype() -> None:
    mask = torch.tensor([[True, True, False]])
    batch = Batch(torch.zeros(1, 3), mask, cond={"y": torch.ones(1, 3, dtype=DOUBLE)})
    z = Paired("y").sample(batch)
    assert z.dtype == torch.float32 and z.tolist() == [[1, 1, 0]]
    assert Paired("y").square_norm(torch.full((1, 3), 2.0), batch).tolist() == [8]


def test_blind_hides_the_partner_alone() -> None:
    seen: list[set[str]] = []

    def network(x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        seen.append(set(batch.cond))
        return x

    batch = Batch(torch.zeros(2, 3), cond={"x_1": torch.ones(2, 3), "label": torch.zeros(2)})
    level = Rectified().level(torch.full((2,), 0.5), 2)
    Blind(MeanDenoiser(network, Velocity()))(batch.x, level, batch)
    assert seen == [{"label"}]


# --- pairs, chunks, units --------------------------------------------------------------------------


def test_reflow_keeps_units_and_conditions_and_does_not_depend_on_its_chunks() -> None:
    """Ends in the data's units, starts in the model's; training on them is training on the model's own pairs."""
    law = Mixture.gaussian(column(0.3)[0], column(0.25))
    model = Model(Gaussian(WIDE, Paired()), law, (1,), Affine(shift=5.0, scale=2.0))
    starts = Batch(column(-1, 0, 2), cond={"label": torch.arange(3)})
    pairs, chunked = (reflow(model, starts, FINE, rows=rows) for rows in (100, 2))
    torch.testing.assert_close(pairs.x, 5 + 2 * (0.3 + 0.5 * starts.x), rtol=0, atol=1e-5)
    torch.testing.assert_close(chunked.x, pairs.x)
    assert pairs.cond.keys() == {"label", "x_1"}
    torch.testing.assert_close(
        model.encode(pairs).x, 0.3 + 0.5 * pairs.cond["x_1"], rtol=0, atol=1e-5
    )


def test_sampling_from_an_empirical_start_is_transport_of_its_rows() -> None:
    """model.sample draws rows of pi_1 as its prior, up to alpha_1."""
    law = Mixture.gaussian(column(1.5)[0], column(0.25))
    model = Model(Gaussian(WIDE, Empirical(column(-1, 0, 2))), law.float(), (1,))
    ends = model.sample(60, Sampler(AdamsBashforth(2), 50, LogSNRGrid()), generator=seeded(0))
    assert sorted({round(v, 1) for v in ends[:, 0].tolist()}) == [1.0, 1.5, 2.5]


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise", [Paired(), Empirical(torch.zeros(4, 1))], ids=["paired", "empirical"]
)
@pytest.mark.parametrize("method", [Bound(4), IMMSE(4), Flow(2)], ids=lambda m: type(m).__name__)
def test_there_are_no_likelihoods_without_a_density(noise: Noise, method: Likelihood) -> None:
    law = Mixture.gaussian(torch.zeros(1), torch.ones(1, 1))
    batch = Batch(torch.zeros(2, 1), cond={"x_1": torch.zeros(2, 1)})
    with pytest.raises(ValueError, match="unknown density"):
        Model(Gaussian(WIDE, noise), law, (1,)).log_prob(batch, method, seeded(0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: transport(m, Batch(column(0.0)), Sampler(AnyNoise(1.0))), "noise-free one"),
        (lambda m: transport(m, Batch(column(0.0), observed=column(1) > 0)), "without it"),
        (lambda m: m.loss(Batch(column(0.0)), seeded(0)), "give each state its partner"),
        (lambda m: m.sample(3), "sample with `transport`"),
        (
            lambda m: m.loss(Batch(column(0.0), cond={"x_1": torch.zeros(1)}), seeded(0)),
            "of their shape",
        ),
        (lambda m: Empirical(torch.zeros(4, 2)).sample(Batch(column(0.0))), "give both one shape"),
        (lambda m: optimal(column(0, 1), column(0, 1, 2)), "as many states of the same shape"),
    ],
)
def test_bad_input_is_refused(call: Callable[[Model], object], message: str) -> None:
    law = Mixture.gaussian(column(1.5)[0], column(0.25))
    with pytest.raises(ValueError, match=message):
        call(Model(Gaussian(WIDE, Paired()), law, (1,)))
