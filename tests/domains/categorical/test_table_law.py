"""The diffusion of a table with exact beliefs: then bounds are equalities, samples are of the law, and
what is imputed is of the conditional law."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.infill import Known
from unnoise.core.model import Model
from unnoise.core.posterior import Categories, Mean, Parts
from unnoise.core.process import Gaussian, Jump, Product
from unnoise.core.random import seeded
from unnoise.core.rates import Refresh
from unnoise.core.sampler import ProductSampler
from unnoise.core.schedule import Cosine, Level
from unnoise.core.training import History
from unnoise.domains.categorical.table.encoder import NUMBERS, Encoder
from unnoise.domains.categorical.table.fitted import FittedTable
from unnoise.domains.categorical.table.law import Network, build, law, spread
from unnoise.domains.categorical.table.sampler import OneByOne, unmasked

# of "a" and "b", and of whether b is missing in the last column
JOINT = torch.tensor(
    [[0.30, 0.05, 0.05], [0.02, 0.25, 0.03], [0.10, 0.05, 0.15]], dtype=torch.float64
)


class Enumerated(Denoiser[Parts]):
    """The exact belief about two columns of codes of a joint law, under the absorbing noise."""

    def __init__(self, joint: Tensor) -> None:
        super().__init__()
        self.joint = joint

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Parts:
        a, b = x_t.long().unbind(1)
        sizes = self.joint.shape
        some = max(sizes)
        seen = [
            torch.where((v == some)[:, None], 1.0, torch.nn.functional.one_hot(v, some + 1)[:, :n])
            for v, n in zip((a, b), sizes, strict=True)
        ]
        weights = self.joint * seen[0][:, :, None] * seen[1][:, None, :]
        beliefs = torch.full((len(x_t), 2, some), -torch.inf, dtype=x_t.dtype)
        beliefs[:, 0, : sizes[0]] = weights.sum(2).log()
        beliefs[:, 1, : sizes[1]] = weights.sum(1).log()
        return Parts({"codes0": Categories(beliefs)})


class Correlated(Denoiser[Parts]):
    """The exact belief about normal numbers of some correlations."""

    def __init__(self, correlation: Tensor) -> None:
        super().__init__()
        self.correlation = correlation

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Parts:
        C = self.correlation.to(x_t.dtype)
        log_snr = level.condition(x_t)
        a, v = torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr)
        noisy = a.square()[:, None, None] * C + v[:, None, None] * torch.eye(len(C))
        mean = a[:, None] * torch.linalg.solve(noisy, x_t) @ C
        return Parts({NUMBERS: Mean(mean)})


def exact(frame: pd.DataFrame, belief: Denoiser[Parts]) -> FittedTable:
    """A table whose model is exact."""
    encoder = Encoder.fit(frame, {})
    process = law(encoder, encoder.frequencies(frame))
    model = Model(process, Known(belief), (sum(encoder.widths.values()),))
    return FittedTable(encoder, model, History())


def frame_of(joint: Tensor, n: int, last: object = "r") -> pd.DataFrame:
    """n rows in the very frequencies of a joint law, as names."""
    counts = (n * joint).round().long()
    a, b = counts.nonzero(as_tuple=True)
    times = counts[a, b]
    names = np.array(["p", "q", last], dtype=object)
    return pd.DataFrame(
        {
            "a": np.array(list("xyz"))[a.repeat_interleave(times)],
            "b": names[b.repeat_interleave(times)],
        }
    )


@pytest.fixture(scope="module")
def names() -> FittedTable:
    return exact(frame_of(JOINT, 10_000), Enumerated(JOINT))


def frequencies(frame: pd.DataFrame) -> Tensor:
    table = pd.crosstab(frame["a"], frame["b"])
    return torch.from_numpy(table.to_numpy()).double()


def test_names_have_their_log_probability(names: FittedTable) -> None:
    rows = frame_of(torch.ones(3, 3).double() / 9, 9 * 200)
    result = names.log_prob(rows, 64, seeded(0))
    mean = result.nats.reshape(9, 200).mean(1).reshape(3, 3)
    error = result.nats.reshape(9, 200).std(1).reshape(3, 3) / math.sqrt(200)
    assert bool(((mean - JOINT.log()).abs() < 4 * error + 0.01).all())
    assert result.dims.tolist()[0] == 2


def test_the_standard_error_of_a_row_is_that_of_its_seeds(names: FittedTable) -> None:
    row = frame_of(JOINT, 10_000)[:1]
    rows = pd.concat([row] * 1_000, ignore_index=True)
    result = names.log_prob(rows, 16, seeded(0))
    assert result.stderr.square().mean().sqrt() == pytest.approx(
        result.nats.std().item(), rel=0.15
    )


def test_names_are_drawn_from_their_law_however_few_the_steps(names: FittedTable) -> None:
    made = names.sample(20_000, OneByOne(steps=2), seeded(0))
    assert stats.chisquare(frequencies(made).flatten(), 20_000 * JOINT.flatten()).pvalue > 1e-3


def test_all_at_once_is_the_sampler_of_products(names: FittedTable) -> None:
    """One step that draws both at once knows nothing of their dependence."""
    apart = JOINT.sum(1, keepdim=True) * JOINT.sum(0)
    for sampler in (OneByOne(steps=1, rounds=1), ProductSampler(steps=1, path=None)):
        made = names.sample(20_000, sampler, seeded(0))
        mixed = frequencies(made) / 20_000
        # the last level draws one in 1,100, and the first keeps as many
        assert (mixed - apart).abs().sum() / 2 < 0.01


def test_two_columns_that_say_the_same_never_contradict_each_other() -> None:
    same = torch.eye(3).double() / 3
    table = exact(frame_of(same, 300), Enumerated(same))
    for sampler, share in ((OneByOne(steps=4), 0.0), (OneByOne(steps=4, rounds=1), 0.17)):
        made = table.sample(4_000, sampler, seeded(0))
        wrong = (made["a"].map({"x": "p", "y": "q", "z": "r"}) != made["b"]).mean()
        assert wrong == pytest.approx(share, abs=0.03 if share else 0.002)


def test_what_is_imputed_is_of_the_conditional_law(names: FittedTable) -> None:
    asked = frame_of(JOINT, 20_000).assign(b=None)
    made = frequencies(names.impute(asked, OneByOne(steps=3), seeded(0)))
    expected = 20_000 * JOINT
    assert made.sum(1).tolist() == pytest.approx(expected.sum(1).tolist())  # a is as given
    assert stats.chisquare(made.flatten(), expected.flatten()).pvalue > 1e-3


def test_what_is_missing_is_imputed_by_what_is_not() -> None:
    """b = "missing" has its probability, and is what no imputed row is told to be."""
    table = exact(frame_of(JOINT, 10_000, None), Enumerated(JOINT))
    made = table.sample(10_000, OneByOne(), seeded(0))
    assert made["b"].isna().mean() == pytest.approx(0.23, abs=0.02)
    asked = frame_of(JOINT, 20_000, None)
    filled = table.impute(asked, OneByOne(), seeded(0))
    assert not filled["b"].isna().any()
    given = JOINT[:, :2] / JOINT[:, :2].sum(1, keepdim=True)
    for k, a in enumerate("xyz"):
        drawn = filled.loc[asked["b"].isna() & (asked["a"] == a), "b"]
        assert (drawn == "p").mean() == pytest.approx(given[k, 0].item(), abs=0.05)


def test_without_the_option_nothing_is_missing_and_the_other_columns_do_not_notice() -> None:
    """a is as frequent as in all rows, not as in those that are complete."""
    rows = frame_of(JOINT, 10_000, None)
    encoder = Encoder.fit(rows, {})
    columns = tuple(
        type(c)(c.spelling, c.levels, c.gaps, True)  # type: ignore[attr-defined, call-arg]
        for c in encoder.columns
    )
    table = exact(rows, Enumerated(JOINT))
    table = FittedTable(Encoder(columns, encoder.missing_values), table.model, History())
    made = table.sample(20_000, OneByOne(), seeded(0))
    assert not made.isna().any(axis=None)
    b_given_a = JOINT[:, :2] / JOINT[:, :2].sum(1, keepdim=True)
    expected = 20_000 * JOINT.sum(1, keepdim=True) * b_given_a
    assert stats.chisquare(frequencies(made).flatten(), expected.flatten()).pvalue > 1e-3


def test_two_numbers_have_the_density_of_their_law() -> None:
    """A bivariate normal law in the data's units: density of ranks, slopes and bound in one."""
    rho, n = 0.8, 20_000
    middles = (np.arange(n) + 0.5) / n
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "v": stats.norm.ppf(middles, 3, 2),
            "w": stats.norm.ppf(rng.permutation(middles), -1, 0.1),
        }
    )
    C = torch.tensor([[1, rho], [rho, 1]]).double()
    table = exact(rows, Correlated(C))
    z = rng.multivariate_normal([0, 0], C.numpy(), size=500)
    points = pd.DataFrame({"v": 3 + 2 * z[:, 0], "w": -1 + 0.1 * z[:, 1]})
    result = table.log_prob(points, 64, seeded(0))
    truth = stats.multivariate_normal.logpdf(z, cov=C.numpy()) - math.log(0.2)
    error = result.nats.numpy() - truth
    assert error.mean() == pytest.approx(0, abs=4 * error.std() / math.sqrt(500) + 0.02)
    assert error.std() < 1.2 * float(result.stderr.square().mean().sqrt())


def test_numbers_are_drawn_from_their_law_and_given_each_other() -> None:
    rho = 0.8
    rows = pd.DataFrame({"v": stats.norm.ppf((np.arange(4_000) + 0.5) / 4_000)})
    rows["w"] = rows["v"].sample(frac=1, random_state=0).to_numpy()
    C = torch.tensor([[1, rho], [rho, 1]]).double()
    table = exact(rows, Correlated(C))
    made = table.sample(4_000, OneByOne(), seeded(0))
    assert stats.kstest(made["v"], "norm").pvalue > 1e-3
    assert stats.kstest((made["w"] - rho * made["v"]) / 0.6, "norm").pvalue > 1e-3


@pytest.mark.parametrize("steps", [1, 2, 31])
def test_steps_unmask_what_their_levels_say(steps: int) -> None:
    """What is kept at the end of a step is what was, and the share that it unmasks of the rest."""
    levels = Cosine(14, -14).levels(torch.linspace(1, 0, steps + 1))
    kept = [1 / (1 + math.exp(-float(v.log_snr) / 2)) for v in levels]
    for k in range(steps):
        assert kept[k] + (1 - kept[k]) * unmasked(levels, k) == pytest.approx(kept[k + 1])
    assert unmasked(levels, steps) == 1


def test_one_by_one_says_what_it_is_for(names: FittedTable) -> None:
    schedule = Cosine(14, -14)
    uniform = Jump(schedule, Refresh.uniform([3]))
    with pytest.raises(TypeError, match="is for Product, got Gaussian"):
        OneByOne()(Gaussian(schedule), names.model.denoiser, Batch(torch.zeros(1, 1)))
    with pytest.raises(TypeError, match="part 'c' is neither numbers nor codes with a mask"):
        OneByOne()(
            Product(schedule, {"c": uniform}, {"c": 1}),
            names.model.denoiser,
            Batch(torch.zeros(1, 1)),
        )
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        OneByOne(rounds=0)


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that was made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


def test_a_column_of_very_many_levels_costs_what_it_has() -> None:
    """Nothing is rows x columns x levels large, nor levels squared."""
    levels, rows, columns, width = 10_000, 64, 12, 8
    frame = pd.DataFrame({f"small{k}": ["a", "b"] * (levels // 2) for k in range(columns)})
    frame["large"] = [f"id{k}" for k in range(levels)]
    encoder = Encoder.fit(frame, {})
    states = encoder.encode(frame[:rows])
    torch.manual_seed(0)
    model = build(encoder, encoder.frequencies(frame), Network(width, 1, 0.0))
    with Largest() as largest:
        model.loss(Batch(states.x, cond={"width": states.width}), seeded(0)).backward()
        model.sample(rows, OneByOne(steps=2), generator=seeded(0))
    assert largest.numbers <= rows * (levels + 1)
    table = FittedTable(encoder, model, History())
    assert max(s.stop - s.start for s in table.chunks(100_000)) * encoder.cells <= 2**22


def test_a_new_network_believes_that_columns_are_independent() -> None:
    """Numbers normal, names as frequent as they are: where training starts."""
    frame = frame_of(JOINT, 1_000).assign(v=stats.norm.ppf((np.arange(1_000) + 0.5) / 1_000))
    encoder = Encoder.fit(frame, {})
    base = encoder.frequencies(frame)
    torch.manual_seed(0)
    model = build(encoder, base, Network(16, 1, 0.0)).eval()
    (level,) = model.process.schedule.levels(torch.tensor([0.7]))
    x_t = torch.tensor([[0.3, 3.0, 3.0], [-1.0, 3.0, 3.0]])
    with torch.no_grad():
        belief = model.denoiser(x_t, level, Batch(x_t)).parts
    torch.testing.assert_close(belief[NUMBERS].mean, float(level.alpha) * x_t[:, :1])
    laws = torch.softmax(belief["codes0"].logits, -1)
    torch.testing.assert_close(laws, base["codes0"].float().expand(2, -1, -1))


def test_ranks_are_spread_over_what_their_number_owns() -> None:
    x = torch.tensor([[0.2, 5.0], [0.0, 6.0]]).double().repeat(4_000, 1)
    width = torch.tensor([[0.3], [1.0]]).double().repeat(4_000, 1)
    made = spread(x, width, seeded(0))
    u = torch.special.ndtr(made[:, 0].double()).reshape(-1, 2).numpy()
    assert stats.kstest(u[:, 0], "uniform", (0.2, 0.3)).pvalue > 1e-3
    assert stats.kstest(u[:, 1], "uniform").pvalue > 1e-3
    assert made[:2, 1].tolist() == [5, 6]
