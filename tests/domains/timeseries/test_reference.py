"""The reference against a dense Gaussian process: covariances over all entries, conditioned by
numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.timeseries.reference import Reference
from unnoise.domains.timeseries.reference.reference import DIFFUSE

DOUBLE = torch.float64


def reference(channels: int, *tau: float) -> Reference:
    rng = np.random.default_rng(channels)
    roots = rng.normal(size=(len(tau), channels, channels))
    S = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(channels)
    return Reference(
        torch.tensor(tau), torch.tensor(S), torch.tensor(rng.uniform(0.05, 0.4, channels))
    )


@dataclass(frozen=True)
class Data:
    """Windows at irregular times, half of their entries given."""

    values: Tensor
    given: Tensor
    times: Tensor

    @staticmethod
    def of(channels: int, share: float = 0.5, rows: int = 3, steps: int = 11) -> Data:
        g = seeded(0, channels)
        times = 10 * torch.rand(rows, steps, generator=g, dtype=DOUBLE).sort(1).values
        values = torch.randn(rows, steps, channels, generator=g, dtype=DOUBLE)
        return Data(values, torch.rand(values.shape, generator=g) < share, times)

    def all(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.values, self.given, self.times


@dataclass(frozen=True)
class Dense:
    """A row's law from the covariance of all its T C entries."""

    mean: np.ndarray  # (T, C)
    covariance: np.ndarray  # (T C, T C), of second measurements
    log_prob: float

    @staticmethod
    def of(model: Reference, values: Tensor, given: Tensor, times: Tensor) -> Dense:
        t, g, y = times.numpy(), given.flatten().numpy(), values.flatten().numpy()
        K = np.zeros((len(y), len(y)))
        for tau, S in zip(model.tau.tolist(), model.S.numpy(), strict=True):
            if math.isinf(tau):
                k = DIFFUSE + np.minimum(t[:, None], t) - t[0]
            else:
                k = np.exp(-np.abs(t[:, None] - t) / tau)
            K += np.kron(k, S)
        noise = np.diag(np.tile(model.R.numpy(), len(t)))
        data = (K + noise)[np.ix_(g, g)]
        weights = np.linalg.solve(data, K[g]).T
        log_prob = multivariate_normal(np.zeros(g.sum()), data).logpdf(y[g]) if g.any() else 0.0
        mean = (weights @ y[g]).reshape(values.shape)
        return Dense(mean, K - weights @ K[g] + noise, float(log_prob))

    def std(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance)).reshape(self.mean.shape)


MODELS = [
    pytest.param((1, 2.0), id="one channel"),
    pytest.param((3, 2.0), id="three channels"),
    pytest.param((1, 1.0, 8.0), id="one channel, two components"),
    pytest.param((3, 1.0, 8.0), id="three channels, two components"),
]


@pytest.mark.parametrize("which", MODELS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 1.0])
def test_the_law_is_that_of_the_dense_process(which: tuple[int, float], share: float) -> None:
    model, data = reference(*which), Data.of(which[0], share)
    mean, std = model(*data.all())
    log_prob = model.log_prob(*data.all())
    for row, (values, given, times) in enumerate(zip(*data.all(), strict=True)):
        dense = Dense.of(model, values, given, times)
        np.testing.assert_allclose(mean[row], dense.mean, atol=1e-12)
        np.testing.assert_allclose(std[row], dense.std(), atol=1e-12)
        assert log_prob[row].item() == pytest.approx(dense.log_prob, abs=1e-11)


@pytest.mark.parametrize("which", [(1, math.inf), (3, math.inf), (2, 3.0, math.inf)])
def test_an_infinite_time_is_a_brownian_motion_from_anywhere(which: tuple[int, float]) -> None:
    # the dense inverse loses seven digits to the diffuse start; against 50 digits, ours has 1e-9
    model, data = reference(*which), Data.of(which[0], 0.7)
    mean, std = model(*data.all())
    for row, (values, given, times) in enumerate(zip(*data.all(), strict=True)):
        dense = Dense.of(model, values, given, times)
        np.testing.assert_allclose(mean[row], dense.mean, atol=1e-7)
        np.testing.assert_allclose(std[row], dense.std(), atol=1e-7)
        assert model.log_prob(*data.all())[row].item() == pytest.approx(dense.log_prob, abs=1e-6)


def test_a_random_walk_is_forecast_by_its_last_value() -> None:
    """With next to no noise: the last value, and variances that grow by S dt."""
    S = torch.tensor([[[2.0, 0.6], [0.6, 0.5]]], dtype=DOUBLE)
    model = Reference(torch.tensor([math.inf]), S, torch.full((2,), 1e-7))
    times = torch.tensor([[0.0, 1.0, 2.0, 3.0, 5.5]], dtype=DOUBLE)
    values = torch.randn(1, 5, 2, generator=seeded(1), dtype=DOUBLE)
    given = (times < 2.5)[..., None].expand(1, 5, 2)
    mean, std = model(values, given, times)
    ahead = times[0, 3:, None] - 2
    torch.testing.assert_close(mean[0, 3:], values[0, 2].expand(2, 2), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(std[0, 3:], (S[0].diagonal() * ahead).sqrt(), atol=1e-6, rtol=0.0)


def test_an_ou_process_is_forecast_by_its_decay() -> None:
    """One value at 0 with the noise r: a share exp(-t / tau) / (1 + r) of it on both sides."""
    r = 0.1
    model = Reference(torch.tensor([2.0]), torch.ones(1, 1, 1), torch.tensor([r], dtype=DOUBLE))
    times = torch.tensor([[-3.0, -1.0, 0.0, 0.5, 4.0]], dtype=DOUBLE)
    values = torch.full((1, 5, 1), 1.5, dtype=DOUBLE)
    mean, std = model(values, (times == 0)[..., None], times)
    decay = torch.exp(-times[0].abs() / 2)
    torch.testing.assert_close(mean[0, :, 0], 1.5 * decay / (1 + r), atol=1e-14, rtol=0.0)
    variance = 1 - decay.square() / (1 + r) + r
    torch.testing.assert_close(std[0, :, 0].square(), variance, atol=1e-14, rtol=0.0)


@pytest.mark.parametrize("which", [(1, 2.0), (3, 2.0), (3, 1.0, 8.0)])
def test_joint_draws_have_the_dense_conditional_law(which: tuple[int, float]) -> None:
    """All draws are whitened by the dense law: mean 0 and covariance 1, to sampling error."""
    n = 20_000
    model, data = reference(*which), Data.of(which[0], 0.5, rows=2, steps=5)
    draws = model.joint(*data.all(), n, seeded(3)).flatten(2).numpy()
    for row, (values, given, times) in enumerate(zip(*data.all(), strict=True)):
        dense, g = Dense.of(model, values, given, times), given.flatten().numpy()
        assert (draws[:, row, g] == values.flatten().numpy()[g]).all()
        root = np.linalg.cholesky(dense.covariance[np.ix_(~g, ~g)])
        white = np.linalg.solve(root, (draws[:, row, ~g] - dense.mean.flatten()[~g]).T)
        assert np.abs(white.mean(1)).max() < 5 / math.sqrt(n)
        assert np.abs(np.cov(white) - np.eye(len(white))).max() < 5 * math.sqrt(2 / n)


def test_one_pattern_for_all_rows_is_a_shortcut_to_the_same() -> None:
    model, data = reference(3, 1.0, 8.0), Data.of(3)
    values, given, times = (
        data.values,
        data.given[:1].expand(3, -1, -1),
        data.times[:1].expand(3, -1),
    )
    for f in (model, lambda *x: model.log_prob(*x)[None]):
        together = f(values, given, times)
        for row in range(3):
            part = slice(row, row + 1)
            for a, b in zip(together, f(values[part], given[part], times[part]), strict=True):
                torch.testing.assert_close(a[part], b, atol=1e-13, rtol=0.0)
    draws = model.joint(values, given, times, 10_000, seeded(4))
    mean, std = model(values, given, times)
    error = torch.where(given, 0.0, (draws.mean(0) - mean) / std)
    assert error.abs().max() < 5 / math.sqrt(10_000)


def test_a_shift_of_the_times_changes_nothing() -> None:
    model, (values, given, times) = reference(3, 1.0, 8.0), Data.of(3).all()
    times = (times * 64).round() / 64  # a shift by a power of two is then exact
    for a, b in zip(model(values, given, times), model(values, given, times + 1024), strict=True):
        assert (a == b).all()


def test_the_order_of_channels_changes_nothing() -> None:
    model, (values, given, times), order = reference(3, 1.0, 8.0), Data.of(3).all(), [2, 0, 1]
    other = Reference(model.tau, model.S[:, order][:, :, order], model.R[order])
    permuted = other(values[..., order], given[..., order], times)
    for a, b in zip(model(values, given, times), permuted, strict=True):
        torch.testing.assert_close(a[..., order], b, atol=1e-13, rtol=0.0)


def test_time_reversed_gives_the_law_reversed() -> None:
    model, (values, given, times) = reference(3, 1.0, 8.0), Data.of(3).all()
    back = model(values.flip(1), given.flip(1), -times.flip(1))
    for a, b in zip(model(values, given, times), back, strict=True):
        torch.testing.assert_close(a, b.flip(1), atol=1e-13, rtol=0.0)


@pytest.mark.parametrize(("tau", "rounding"), [(2.0, 1e-13), (math.inf, 1e-15 * DIFFUSE)])
def test_padding_is_not_there(tau: float, rounding: float) -> None:
    """Points that don't exist, in front, between and behind, with any values and times."""
    model, (values, given, times) = reference(2, tau), Data.of(2).all()
    exists = torch.ones(3, 11 + 5, dtype=torch.bool)
    exists[:, [0, 1, 6, 14, 15]] = False
    wide = torch.full((3, 16, 2), math.nan, dtype=DOUBLE)
    known = torch.ones(3, 16, 2, dtype=torch.bool)
    stamps = torch.full((3, 16), -7.0, dtype=DOUBLE)
    wide[exists], known[exists], stamps[exists] = (x.flatten(0, 1) for x in (values, given, times))
    padded = model(wide, known, stamps, exists)
    for a, b in zip(model(values, given, times), padded, strict=True):
        torch.testing.assert_close(a.flatten(0, 1), b[exists], atol=rounding, rtol=0.0)
    scores = model.log_prob(values, given, times), model.log_prob(wide, known, stamps, exists)
    torch.testing.assert_close(*scores, atol=rounding, rtol=0.0)
    adjacent = model.adjacent(times), model.adjacent(stamps, exists)
    torch.testing.assert_close(*adjacent, atol=1e-14, rtol=0.0)


def test_what_is_not_given_is_not_read() -> None:
    model, (values, given, times) = reference(3, 2.0), Data.of(3).all()
    hidden = torch.where(given, values, math.nan)
    for a, b in zip(model(values, given, times), model(hidden, given, times), strict=True):
        assert (a == b).all()


def test_parts_of_a_batch_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = reference(3, 1.0, 8.0), Data.of(3)
    whole = [*model(*data.all()), *model.joint(*data.all(), 2, seeded(1))]
    monkeypatch.setattr("unnoise.domains.timeseries.reference.reference.WORKSPACE", 1)
    parts = [*model(*data.all()), *model.joint(*data.all(), 2, seeded(1))]
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=1e-13, rtol=0.0)


def test_the_answer_has_the_precision_of_the_values() -> None:
    model, (values, given, times) = reference(3, 2.0), Data.of(3).all()
    exact, (mean, std) = model(values, given, times), model(values.float(), given, times)
    assert mean.dtype == std.dtype == torch.float32
    torch.testing.assert_close(mean.double(), exact[0], atol=1e-6, rtol=0.0)
    torch.testing.assert_close(std.double(), exact[1], atol=1e-6, rtol=1e-6)


def test_adjacent_is_the_correlation_of_neighbouring_measurements() -> None:
    S = torch.tensor([[[0.5]], [[0.3]]])
    model = Reference(torch.tensor([1.0, 4.0]), S, torch.tensor([0.2]))
    at_two = 0.5 * math.exp(-2) + 0.3 * math.exp(-0.5)
    at_one = 0.5 * math.exp(-1) + 0.3 * math.exp(-0.25)
    found = model.adjacent(torch.tensor([[0.0, 2.0, 3.0], [1.0, 2.0, 3.0]]))
    assert found.tolist() == pytest.approx([(at_two + at_one) / 2, at_one], abs=1e-7)


def test_a_reference_may_be_cast_with_the_model_that_holds_it() -> None:
    model, (values, given, times) = reference(3, 2.0), Data.of(3).all()
    exact, cast = model(values, given, times), reference(3, 2.0).float()(values, given, times)
    for a, b in zip(exact, cast, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0.0)


def test_log_prob_has_the_derivative_of_its_differences() -> None:
    model, (values, given, times) = reference(2, 2.0), Data.of(2, rows=1, steps=4).all()
    values = values.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: model.log_prob(v, given, times), values)


def test_the_state_of_a_reference_travels() -> None:
    model, data = reference(3, 2.0), Data.of(3)
    other = Reference(torch.ones(1), torch.eye(3)[None], torch.ones(3))
    other.load_state_dict(model.state_dict())
    assert all((a == b).all() for a, b in zip(model(*data.all()), other(*data.all()), strict=True))


ONE = torch.ones(1)


@pytest.mark.parametrize(
    ("tau", "S", "R", "says"),
    [
        (ONE, torch.eye(2)[None], ONE, r"S must be \(K, C, C\)"),
        (-ONE, torch.eye(1)[None], ONE, "every tau must be positive"),
        (ONE, torch.eye(2)[None], torch.tensor([1.0, 0.0]), "channel 1 has 0"),
        (ONE, -torch.eye(1)[None], ONE, "symmetric and positive definite"),
    ],
)
def test_parameters_of_the_wrong_kind(tau: Tensor, S: Tensor, R: Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Reference(tau, S, R)


def test_times_that_decrease() -> None:
    model, (values, given, times) = reference(3, 2.0), Data.of(3).all()
    with pytest.raises(ValueError, match="in row 0 point 1 .* Sort the points"):
        model(values, given, times.flip(1))


def test_values_of_another_number_of_channels() -> None:
    values, given, times = Data.of(3).all()
    with pytest.raises(ValueError, match=r"values must be \(B, T, 2\)"):
        reference(2, 2.0)(values, given, times)


def test_times_of_another_shape() -> None:
    values, given, times = Data.of(3).all()
    with pytest.raises(ValueError, match=r"times must be \(3, 11\)"):
        reference(3, 2.0)(values, given, times[:, 1:])
