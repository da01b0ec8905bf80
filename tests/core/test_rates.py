"""Rates: closed forms against expm of matrices written by hand, spectra, edge cases, and draws without bias."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from unnoise.core.random import seeded, uniform
from unnoise.core.rates import AnyRates, Rates, Refresh, Reversible

DOUBLE = torch.float64
TIMES = (0.0, 1e-9, 0.05, 0.7, 3.0, 30.0)
ALL = torch.tensor([[0, 0], [1, 1], [2, 2]])  # every level of two columns of three
Noise = tuple[Rates, list[Tensor]]


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=DOUBLE)


def expm(R: Tensor, B: float) -> Tensor:
    return torch.from_numpy(linalg.expm(B * R.numpy()))


def all_codes(states: int, columns: int) -> Tensor:
    return torch.arange(states)[:, None].expand(states, columns)


def frequencies(*rows: list[float]) -> list[Tensor]:
    return [torch.tensor(row, dtype=DOUBLE) for row in rows]


def mixed_sizes() -> list[Rates]:
    """Columns of four levels, one level and two."""
    free = [
        torch.tensor([[0, 1, 2, 0], [1, 0, 0, 1], [0.5, 0, 0, 1], [0, 3, 1, 0]]),
        torch.ones(1, 1),
    ]
    return [
        Refresh.uniform([4, 1, 2]),
        Refresh.absorbing([4, 1, 2]),
        Refresh.marginal(frequencies([4, 3, 2, 1], [7], [1, 3])),
        Reversible.birth_death([4, 1, 2]),
        Reversible.gaussian_target([4, 1, 2], 1.5, 1.0),
        AnyRates([*free, torch.tensor([[0, 2], [1, 0]])]),
    ]


# --- closed forms --------------------------------------------------------------------------------


@pytest.mark.parametrize("B", TIMES)
def test_rows_columns_and_pushes_are_those_of_expm(noise: Noise, B: float) -> None:
    """Rates are normalised to a gap of 1 but for AnyRates: the dense matrices are written so, by their formulas."""
    rates, dense = noise
    x, full = all_codes(rates.states, 2), torch.stack([expm(R, B) for R in dense])
    law = torch.softmax(torch.arange(2.0 * rates.states, dtype=DOUBLE).reshape(1, 2, -1).sin(), -1)
    close = {"rtol": 0, "atol": 1e-14 + 1e-15 * B}
    torch.testing.assert_close(rates.row(x, number(B)).transpose(0, 1), full, **close)
    torch.testing.assert_close(rates.column(x, number(B)).transpose(0, 1), full.mT, **close)
    moved = torch.einsum("bdn,dnm->bdm", law, full)
    torch.testing.assert_close(rates.push(law, number(B)), moved, **close)


def test_one_time_a_row_of_the_batch_is_that_time(noise: Noise) -> None:
    rates, _ = noise
    times = torch.tensor([[0.0], [0.3], [8.0]], dtype=DOUBLE)
    law = rates.row(ALL, number(0.2))
    for k, B in enumerate(times[:, 0]):
        here = slice(k, k + 1)
        assert torch.equal(rates.row(ALL, times)[here], rates.row(ALL[here], B))
        assert torch.equal(rates.column(ALL, times)[here], rates.column(ALL[here], B))
        one, all_ = rates.push(law[here], B), rates.push(law, times)[here]
        torch.testing.assert_close(one, all_, rtol=0, atol=1e-15)


def test_jumps_away_and_into_are_rows_and_columns_of_the_rates(noise: Noise) -> None:
    rates, dense = noise
    off = torch.stack([R - torch.diag(R.diagonal()) for R in dense])
    x = all_codes(rates.states, 2)
    torch.testing.assert_close(rates.away(x).transpose(0, 1), off)
    torch.testing.assert_close(rates.into(x).transpose(0, 1), off.mT)


def test_pushes_are_a_group(noise: Noise) -> None:
    """q_{t|0} = q_{s|0} q_{t|s}, and a negative time takes a law back."""
    rates, _ = noise
    law = rates.row(ALL, number(0.4))
    there = rates.push(rates.push(law, number(0.3)), number(0.5))
    torch.testing.assert_close(there, rates.push(law, number(0.8)), rtol=0, atol=1e-15)
    torch.testing.assert_close(rates.push(there, number(-0.8)), law, rtol=0, atol=1e-13)


def test_the_stationary_law_stays(noise: Noise) -> None:
    rates, dense = noise
    pi = rates.stationary()
    torch.testing.assert_close(pi.sum(1), torch.ones(2, dtype=DOUBLE))
    flow = torch.einsum("dn,dnm->dm", pi, torch.stack(dense))
    assert flow.abs().max() < 1e-15
    torch.testing.assert_close(rates.row(ALL, number(60))[1], pi, rtol=0, atol=1e-14)


@pytest.mark.parametrize("S", [2, 5, 129])
def test_birth_death_has_the_spectrum_of_the_cosine_transform(S: int) -> None:
    """mu_k = 4 sin^2(pi k / 2S), the gap divided out, and DCT-II vectors cos(pi k (i + 1/2) / S)."""
    rates, k, i = Reversible.birth_death([S]), np.arange(S), np.arange(S)
    mu = 4 * np.sin(np.pi * k / (2 * S)) ** 2
    np.testing.assert_allclose(rates.modes[0].numpy(), mu / mu[1], rtol=1e-10, atol=1e-10)
    waves = np.cos(np.pi * k * (i[:, None] + 0.5) / S)
    waves /= np.linalg.norm(waves, axis=0)
    overlap = np.abs((waves * rates.vectors[0].numpy()).sum(0))
    np.testing.assert_allclose(overlap, 1, atol=1e-9)


@pytest.mark.parametrize("S", [8, 9, 32, 33, 256])
def test_the_gaussian_target_is_exact_for_even_and_odd_alphabets(S: int) -> None:
    """pi_i ~ exp(-(i - (S - 1)/2)^2 / 2 tau^2): centred, where published code is half a level off for odd S."""
    rates, i = Reversible.gaussian_target([S], 3.0, 2.0 if S < 20 else S / 6), torch.arange(S)
    spread = 2.0 if S < 20 else S / 6
    pi = torch.softmax(-(i.double() - (S - 1) / 2).square() / (2 * spread**2), 0)
    torch.testing.assert_close(rates.stationary()[0], pi, rtol=1e-12, atol=0)
    assert (rates.stationary()[0] * i).sum().item() == pytest.approx((S - 1) / 2, rel=1e-14)
    flow = pi[:, None] * rates.rates[0]
    torch.testing.assert_close(flow, flow.T, rtol=1e-12, atol=1e-300)  # detailed balance
    assert (pi @ rates.rates[0]).abs().max() < 1e-13
    torch.testing.assert_close(
        rates.row(i[:, None], number(40.0))[:, 0], pi.expand(S, S), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize(
    ("tau", "flips"), [(0.01, 0.029506), (0.1, 0.255122), (0.5, 0.730012)], ids=str
)
def test_a_two_state_flip_has_its_closed_form(tau: float, flips: float) -> None:
    """a / (a + b) (1 - e^(-(a + b) tau)), a = 3, b = 1/3, whatever says it (T8)."""
    a, b = 3.0, 1 / 3
    two, zero = torch.tensor([[0, a], [b, 0]], dtype=DOUBLE), torch.zeros(1, 1, dtype=torch.long)
    pi = torch.tensor([b, a], dtype=DOUBLE) / (a + b)
    clock = number(tau)
    found = [AnyRates([two]).row(zero, clock)]
    found += [
        r.row(zero, (a + b) * clock) for r in (Refresh.marginal([pi]), Reversible([pi], [two]))
    ]
    exact = a / (a + b) * -math.expm1(-(a + b) * tau)
    assert exact == pytest.approx(flips, abs=5e-7)
    for row in found:
        assert row[0, 0, 1].item() == pytest.approx(exact, rel=1e-13)


def test_rates_without_eigenvectors_are_exponentiated() -> None:
    """0 -> 1 -> 2 at equal rates is a Jordan block: P(still at 0) = e^-B, P(at 1) = B e^-B."""
    R = torch.tensor([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=DOUBLE)
    rates, zero = AnyRates([R]), torch.zeros(2, 1, dtype=torch.long)
    assert not rates.diagonal
    B = torch.tensor([[0.3], [4.0]], dtype=DOUBLE)
    exact = torch.cat([torch.exp(-B), B * torch.exp(-B), 1 - (1 + B) * torch.exp(-B)], 1)
    torch.testing.assert_close(rates.row(zero, B)[:, 0], exact, rtol=1e-13, atol=0)
    torch.testing.assert_close(rates.row(zero[:1], B[1, 0])[:, 0], exact[1:], rtol=1e-13, atol=0)
    assert rates.stationary().tolist() == [[0, 0, 1]]


# --- columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rates", mixed_sizes(), ids=lambda r: type(r).__name__)
def test_columns_of_different_sizes_keep_to_their_own_levels(rates: Rates) -> None:
    """Each column moves as if it were alone; what pads it is never reached."""
    x = torch.tensor([[0, 0, 0], [1, 0, 1], [3, 0, 1]])
    exists = rates.exists()
    assert exists[:, : rates.levels].sum(1).tolist() == [4, 1, 2]
    pi = rates.stationary()
    torch.testing.assert_close(pi.sum(1), torch.ones(3, dtype=DOUBLE))
    for B in (0.0, 0.4, 50.0):
        row = rates.row(x, number(B))
        assert (row[~exists.expand_as(row)] == 0).all()
        torch.testing.assert_close(row.sum(-1), torch.ones(3, 3, dtype=DOUBLE))
        torch.testing.assert_close(rates.push(pi[None], number(B))[0], pi, rtol=0, atol=1e-13)
    torch.testing.assert_close(row, pi.expand_as(row), rtol=0, atol=1e-13)
    assert (rates.away(x)[~exists.expand_as(row)] == 0).all()
    top = rates.draw(x, number(2.0), torch.full((3, 3), 1 - 2.0**-40, dtype=DOUBLE))
    assert exists.gather(1, top.T).all()


@pytest.mark.parametrize("rates", mixed_sizes(), ids=lambda r: type(r).__name__)
def test_a_constant_column_stays(rates: Rates) -> None:
    zero = torch.zeros(1, 3, dtype=torch.long)
    if rates.mask is None:
        assert rates.row(zero, number(5.0))[0, 1].tolist() == [1, 0, 0, 0]
        assert not rates.away(zero)[0, 1].any()
    else:
        kept = math.exp(-5)
        expected = torch.tensor([kept, 0, 0, 0, 1 - kept], dtype=DOUBLE)
        torch.testing.assert_close(rates.row(zero, number(5.0))[0, 1], expected)


def test_the_stationary_law_of_any_rates_is_found_beside_padding() -> None:
    """A padded level doesn't move either: it must not be taken for what the chain tends to."""
    generator = seeded(0)
    for _ in range(50):
        sizes = (1 + 5 * uniform((3,), torch.empty(0), generator)).long().tolist()
        dense = [uniform((s, s), torch.empty(0, dtype=DOUBLE), generator) for s in sizes]
        rates = AnyRates(dense)
        pi = rates.stationary()
        torch.testing.assert_close(pi.sum(1), torch.ones(3, dtype=DOUBLE))
        assert torch.einsum("dn,dnm->dm", pi, rates.rates).abs().max() < 1e-13


def test_one_column_serves_many(noise_of: Callable[[str], Noise]) -> None:
    """Shared rates are those of columns that have the same, to the bit."""
    x, B = torch.tensor([[0, 1, 2], [2, 2, 0]]), torch.tensor([[0.4], [2.0]], dtype=DOUBLE)
    u = uniform((2, 3), torch.empty(0, dtype=DOUBLE), seeded(0))
    turn = noise_of("cyclic")[1][0]
    law = torch.tensor([0.2, 0.5, 0.3], dtype=DOUBLE)
    pairs: list[tuple[Rates, Rates]] = [
        (Refresh.uniform([3]), Refresh.uniform([3] * 3)),
        (Refresh.absorbing([3]), Refresh.absorbing([3] * 3)),
        (Refresh.marginal([law]), Refresh.marginal([law] * 3)),
        (Reversible.birth_death([3]), Reversible.birth_death([3] * 3)),
        (AnyRates([turn]), AnyRates([turn] * 3)),
    ]
    for shared, own in pairs:
        for method in ("row", "column"):
            torch.testing.assert_close(getattr(shared, method)(x, B), getattr(own, method)(x, B))
        for method in ("away", "into"):
            assert torch.equal(getattr(shared, method)(x), getattr(own, method)(x))
        row = own.row(x, B)
        torch.testing.assert_close(shared.push(row, B), own.push(row, B))
        assert torch.equal(shared.draw(x, B, u), own.draw(x, B, u))


def test_a_level_that_was_never_seen_is_never_reached() -> None:
    rates = Refresh.marginal(frequencies([3, 0, 1]))
    x = torch.tensor([[0], [1], [2]])
    row = rates.row(x, number(1.0))[:, 0]
    assert row[0, 1] == row[2, 1] == 0
    assert row[1, 1].item() == pytest.approx(math.exp(-1))  # one that is there may leave
    u = torch.linspace(0, 1, 10_001, dtype=DOUBLE)[:-1, None]
    assert set(rates.draw(torch.zeros_like(u).long(), number(1.0), u).flatten().tolist()) == {0, 2}


# --- numbers -------------------------------------------------------------------------------------


def test_float32_rows_of_129_levels_are_laws() -> None:
    """eigh in float32 has entries of -3.5e-7 here; rows are made in float64 and cleaned."""
    rates, x = Reversible.birth_death([129]), torch.arange(129)[:, None]
    dense = rates.rates[0].clone()
    for B in (0.0, 1e-12, 1e-4, 0.02, 1.0, 30.0, math.inf):
        row = rates.row(x, torch.tensor(B))[:, 0]
        assert row.dtype == torch.float32
        assert (row >= 0).all()
        torch.testing.assert_close(row.sum(1), torch.ones(129), rtol=0, atol=1e-6)
        column = rates.column(x, torch.tensor(B))[:, 0]
        assert ((column >= 0) & (column <= 1)).all()
        if math.isfinite(B):
            exact = expm(dense, B)
            assert (row.double() - exact).abs().max() < 1e-7
            assert (column.double() - exact.T).abs().max() < 1e-7


@pytest.mark.parametrize("name", ["uniform", "absorbing", "marginal", "birth-death", "gaussian"])
def test_infinite_time_is_the_stationary_law(noise_of: Callable[[str], Noise], name: str) -> None:
    rates, end = noise_of(name)[0], number(math.inf)
    pi = rates.stationary().expand(3, 2, -1)
    torch.testing.assert_close(rates.row(ALL, end), pi, rtol=0, atol=1e-15)
    torch.testing.assert_close(
        rates.push(rates.row(ALL, number(0.1)), end), pi, rtol=0, atol=1e-15
    )
    evidence = pi[0].gather(1, ALL.T).T
    torch.testing.assert_close(
        rates.column(ALL, end)[..., : rates.levels],
        evidence[..., None].expand(3, 2, 3),
        rtol=0,
        atol=1e-15,
    )
    u = uniform((3, 2), torch.empty(0, dtype=DOUBLE), seeded(0))
    assert (pi.gather(-1, rates.draw(ALL, end, u)[..., None]) > 0).all()


def test_any_rates_know_no_end(noise_of: Callable[[str], Noise]) -> None:
    with pytest.raises(
        ValueError, match="B must be finite; end the schedule at a finite log_snr_min"
    ):
        noise_of("cyclic")[0].row(ALL, number(math.inf))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, DOUBLE], ids=str)
def test_laws_have_the_precision_of_the_time(noise: Noise, dtype: torch.dtype) -> None:
    rates, _ = noise
    B = torch.tensor([[0.25], [0.5], [1.0]], dtype=dtype)
    exact = rates.row(ALL, B.double())
    for law in (
        rates.row(ALL, B),
        rates.push(torch.eye(3, rates.states)[:, None].expand(3, 2, -1).to(dtype), B),
    ):
        assert law.dtype == dtype
        assert (law.double() - exact).abs().max() < 3 * torch.finfo(dtype).eps
    assert rates.column(ALL, B).dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_cast_model_keeps_its_rates(
    noise_of: Callable[[str], Noise], dtype: torch.dtype
) -> None:
    """model.to(bfloat16) casts weights, not eigenvectors; no complex mode loses its imaginary part."""
    for name in ("marginal", "birth-death", "cyclic"):
        rates = noise_of(name)[0]
        before = rates.row(ALL, number(0.7)), rates.column(ALL, number(0.7))
        torch.nn.ModuleList([rates]).to(dtype)
        assert torch.equal(rates.row(ALL, number(0.7)), before[0])
        assert torch.equal(rates.column(ALL, number(0.7)), before[1])
        assert {b.dtype for b in rates.buffers()} == {DOUBLE}


# --- draws ---------------------------------------------------------------------------------------


def test_draws_are_the_inverse_of_a_distribution_function(noise: Noise) -> None:
    """At n equally spaced quantiles each level is drawn n p times, but for the ends of its stretches."""
    rates, _ = noise
    n, B = 4000, number(0.4)
    u = ((torch.arange(n, dtype=DOUBLE) + 0.5) / n)[:, None].expand(n, 2)
    for code in range(rates.states):
        x = torch.full((n, 2), code)
        row, drawn = rates.row(x[:1], B)[0], rates.draw(x, B, u)
        for d in range(2):
            counts = torch.bincount(drawn[:, d], minlength=rates.states)
            assert (counts - n * row[d]).abs().max() <= 2


def test_a_level_of_one_in_a_million_is_drawn_where_it_lies() -> None:
    """Its edge is exact to 1e-9 of the probability; float32 quantiles would move it by 6%."""
    rare = 1e-6
    x, end = torch.zeros(1, 1, dtype=torch.long), torch.tensor(math.inf)  # a float32 time
    rates = Refresh.marginal(frequencies([1 - rare, rare]))
    share = Reversible(
        [torch.tensor([1 - rare, rare])], [torch.tensor([[0, rare], [1 - rare, 0]], dtype=DOUBLE)]
    )
    for law, tolerance in ((rates, 1e-9), (share, 1e-7)):
        for side, level in ((1 + tolerance, 0), (1 - tolerance, 1)):
            u = torch.tensor([[1 - rare * side]], dtype=DOUBLE)
            assert law.draw(x, end, u).item() == level


def test_a_jump_of_one_in_a_million_is_drawn_where_it_lies() -> None:
    """Soon after the start: 1 - e^-B has all its digits, in whatever precision B comes."""
    for rates in (Refresh.uniform([2]), Reversible.birth_death([2])):
        for dtype in (torch.float32, DOUBLE):
            B = torch.tensor(2e-6, dtype=dtype)
            jumps = -math.expm1(-B.item()) / 2
            for side, code in ((1 + 1e-9, 0), (1 - 1e-9, 1)):
                u = torch.tensor([[1 - jumps * side]], dtype=DOUBLE)
                assert rates.draw(torch.zeros(1, 1, dtype=torch.long), B, u).item() == code


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Refresh.uniform([]), "at least one level"),
        (lambda: Reversible.birth_death([]), "at least one level"),
        (lambda: AnyRates([]), "at least one level"),
        (lambda: Refresh.uniform([3, 0]), "at least one level"),
        (
            lambda: Refresh([3], torch.ones(2, 3) / 3),
            "a row of probabilities for each of 1 columns",
        ),
        (lambda: Refresh([2], torch.tensor([[1.5, -0.5]])), "a row of probabilities"),
        (lambda: Refresh([2], torch.tensor([[0.5, 0.4]])), "each row must sum to 1"),
        (lambda: Refresh([2, 1], torch.tensor([[0.5, 0.5]] * 2)), "levels of its own column"),
        (lambda: Reversible.gaussian_target([3], 0.0, 1.0), "reach and spread must be positive"),
        (lambda: Reversible.gaussian_target([3], 1.0, -1.0), "reach and spread must be positive"),
        (
            lambda: Reversible([torch.ones(2)], [torch.tensor([[0.0, 1], [2, 0]])]),
            "column 0: rates must be positive and in detailed balance",
        ),
        (lambda: Reversible([torch.ones(2)], [torch.zeros(2, 2)]), "column 0 falls apart"),
        (lambda: AnyRates([torch.ones(2, 3)]), r"column 0 has rates of shape \(2, 3\)"),
        (lambda: AnyRates([-torch.ones(2, 2)]), "negative or not finite"),
        (lambda: AnyRates([torch.full((2, 2), math.nan)]), "negative or not finite"),
        (lambda: AnyRates([torch.ones(2, 2), torch.ones(3, 3)], absorbing=True), "of one size"),
    ],
)
def test_bad_rates_are_refused(make: Callable[[], Rates], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
