"""The absorbing noise with its time integrated out: subsets, weights, and the bound they make."""

import math
from itertools import combinations

import pytest
import torch

from unnoise.core.analytic import Joint
from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound, MaskedBound, Ordered
from unnoise.core.masking import masked
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Elbo, MaskedColumns
from unnoise.core.process import Gaussian, Jump
from unnoise.core.random import seeded, uniform
from unnoise.core.rates import Refresh
from unnoise.core.schedule import Cosine, Rectified
from unnoise.core.transform import Codes

DOUBLE = torch.float64
SIZES = (3, 2, 4)
MASK = Refresh.absorbing(SIZES)
PROCESS = Jump(Rectified(math.inf, -math.inf), MASK)


@pytest.fixture
def law() -> Joint:
    """A joint of 24 states, all of them possible."""
    p = uniform(SIZES, torch.empty(0, dtype=DOUBLE), seeded(0)) + 0.05
    return Joint(p, MASK)


@pytest.fixture
def model(law: Joint) -> Model:
    return Model(PROCESS, law, (3,), Codes(), MaskedColumns())


def everything(law: Joint) -> Batch:
    return Batch(law.states.double())


@pytest.mark.parametrize("k", [1, 2, 3])
def test_every_subset_of_k_columns_is_as_likely(k: int) -> None:
    n = 12_000
    batch = Batch(torch.zeros(n, 3, dtype=DOUBLE))
    share = torch.full((n,), (k - 0.5) / 3, dtype=DOUBLE)
    draw = masked(PROCESS, batch, share, seeded(1))
    assert (draw.hidden.sum(1) == k).all()
    assert torch.equal(draw.x_t, torch.where(draw.hidden, 4.0, batch.x))
    assert torch.allclose(draw.weight, torch.tensor(3 / k, dtype=draw.weight.dtype))
    subsets = list(combinations(range(3), k))
    for some in subsets:
        share_of = draw.hidden[:, list(some)].all(1).double().mean()
        assert abs(share_of - 1 / len(subsets)) < 5 * (0.25 / n) ** 0.5


def test_a_level_is_one_at_which_so_many_are_masked() -> None:
    """Given t, the number masked is binomial if all k are alike: the mean of t at k of D lies
    between those of its neighbours, and all levels of the sampler are met."""
    n = 6_000
    batch = Batch(torch.zeros(n, 3, dtype=DOUBLE))
    share = torch.arange(n, dtype=DOUBLE) / n
    draw = masked(PROCESS, batch, share, seeded(2))
    t, k = torch.as_tensor(draw.level.t).reshape(-1), draw.hidden.sum(1)
    means = [t[k == j].mean() for j in (1, 2, 3)]
    for j, mean in enumerate(means, 1):  # halfway between the order statistics j/4 and (j + 1)/4
        assert abs(mean - (j + 0.5) / 4) < 0.02
    assert t.min() < 0.02
    assert t.max() > 0.98


def test_given_and_absent_entries_are_never_masked() -> None:
    x = torch.zeros(500, 3, dtype=DOUBLE)
    exists = torch.tensor([True, True, False]).expand(500, 3)
    observed = torch.tensor([True, False, False]).expand(500, 3)
    draw = masked(
        PROCESS, Batch(x, exists, observed), torch.rand(500, generator=seeded(3)), seeded(4)
    )
    assert torch.equal(draw.hidden, torch.tensor([False, True, False]).expand(500, 3))
    assert (draw.weight == 1).all()
    nothing = masked(
        PROCESS,
        Batch(x, observed=torch.ones_like(x, dtype=torch.bool)),
        torch.zeros(500),
        seeded(5),
    )
    assert not nothing.hidden.any()
    assert torch.equal(nothing.x_t, x)


def test_the_bound_is_minus_log_p_at_every_state_with_an_exact_denoiser(
    law: Joint, model: Model
) -> None:
    """Each state's own average; conditionals of different orders cancel exactly."""
    batch = everything(law)
    many = batch.map(lambda v: v.repeat_interleave(400, 0))
    nats = model.log_prob(many, MaskedBound(60), seeded(0)).nats.reshape(-1, 400)
    error = nats.std(1) / 20
    assert ((nats.mean(1) - law.log_prob(batch.x)).abs() < 4.5 * error + 1e-9).all()


def test_it_is_the_bound_at_a_fraction_of_its_variance(law: Joint, model: Model) -> None:
    many = everything(law).map(lambda v: v.repeat(200, 1))
    one, other = (model.log_prob(many, m, seeded(1)) for m in (MaskedBound(16), Bound(16)))
    gap = one.nats.mean() - other.nats.mean()
    assert abs(gap) < 4 * (one.nats.std() ** 2 + other.nats.std() ** 2) ** 0.5 / len(many) ** 0.5
    assert one.stderr.square().mean() < 0.5 * other.stderr.square().mean()


def test_every_order_of_an_exact_model_has_the_same_law(law: Joint, model: Model) -> None:
    batch = everything(law)
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        result = model.log_prob(batch, Ordered(order))
        torch.testing.assert_close(result.nats, law.log_prob(batch.x), rtol=0, atol=1e-10)
        assert result.kind == "exact"
        assert float(result.nats.exp().sum()) == pytest.approx(1, abs=1e-10)


def test_the_loss_is_the_bound_an_entry(law: Joint) -> None:
    batch = everything(law).map(lambda v: v.repeat(2_000, 1))
    one = MaskedColumns().terms(PROCESS, law, batch, seeded(2))
    two = Denoising(Elbo()).terms(PROCESS, law, batch, seeded(3))
    assert abs(one.mean() - two.mean()) < 4 * (one.var() + two.var()).sqrt() / len(batch) ** 0.5
    truth = -law.log_prob(batch.x) / 3
    assert abs(one.mean() - truth.mean()) < 4 * (one - truth).std() / len(batch) ** 0.5


def test_other_noises_are_refused(law: Joint) -> None:
    batch = everything(law)
    for process in (Gaussian(Cosine()), Jump(Rectified(), Refresh.uniform(SIZES))):
        for method in (MaskedBound(), Ordered()):
            with pytest.raises(TypeError, match="Refresh.absorbing"):
                method(process, law, batch)


def test_bad_settings_are_refused(model: Model, law: Joint) -> None:
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        MaskedBound(0)
    with pytest.raises(ValueError, match=r"condition_dropout must be in \[0, 1\)"):
        MaskedColumns(1.0)
    with pytest.raises(ValueError, match="the order must name each of 3 columns once"):
        model.log_prob(everything(law), Ordered((0, 1, 1)))
