"""Traces of Jacobians: exact, Hutchinson's, and Hutch++."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from unnoise.core.likelihood import ExactTrace, Hutchinson, HutchPlusPlus, Trace
from unnoise.core.random import normal, seeded

DOUBLE = torch.float64


def test_exact_trace_is_the_trace_whatever_the_chunk() -> None:
    a = normal(torch.empty(5, 5, dtype=DOUBLE), seeded(0))
    x = normal(torch.empty(3, 5, dtype=DOUBLE), seeded(1))
    for chunk in (1, 2, 16):
        y, trace = ExactTrace(chunk)(lambda v: torch.sin(v) @ a.T, x, None)
        torch.testing.assert_close(y, torch.sin(x) @ a.T)
        torch.testing.assert_close(trace, (x.cos() * a.diagonal()).sum(1)[None])


def test_hutchinson_is_unbiased_with_the_variance_of_rademacher() -> None:
    """Var u'Ju = 2 (|S|^2 - sum S_ii^2), S the symmetric part (T6); Gaussian probes would add 2 sum S_ii^2."""
    a = normal(torch.empty(4, 4, dtype=DOUBLE), seeded(0))
    s = (a + a.T) / 2
    variance = 2 * (s.square().sum() - s.diagonal().square().sum()).item()
    n, x = 20_000, torch.zeros(1, 4, dtype=DOUBLE)
    method = Hutchinson(n)
    _, traces = method(lambda v: v @ a.T, x, method.probes(x, seeded(1)))
    assert traces.shape == (n, 1)
    spread = traces.std().item()
    assert traces.mean().item() == pytest.approx(a.trace().item(), abs=5 * spread / n**0.5)
    assert spread**2 == pytest.approx(variance, rel=0.05)


def test_hutchinson_is_exact_for_diagonal_jacobians() -> None:
    """diag(1, 2, 3): 6 with one probe, where Gaussian probes have a variance of 28 (T6)."""
    x = torch.zeros(50, 3, dtype=DOUBLE)
    method = Hutchinson(1)
    scale = torch.tensor([1.0, 2.0, 3.0], dtype=DOUBLE)
    _, trace = method(lambda v: v * scale, x, method.probes(x, seeded(0)))
    torch.testing.assert_close(trace, torch.full((1, 50), 6.0, dtype=DOUBLE))


def test_memory_is_linear_in_the_chunk() -> None:
    """7 directions of 3 rows: one call each up to 5 rows, two directions a call with 6, all with 21."""
    x = normal(torch.empty(3, 7, dtype=DOUBLE), seeded(0))
    for chunk, expected in ((1, 7), (5, 7), (6, 4), (21, 1), (10_000, 1)):
        calls: list[int] = []

        def f(v: Tensor, calls: list[int] = calls) -> Tensor:
            y = v.square()
            y.register_hook(lambda g: calls.append(1))
            return y

        _, trace = ExactTrace(chunk)(f, x, None)
        torch.testing.assert_close(trace, 2 * x.sum(1)[None])
        assert len(calls) == expected


@pytest.mark.parametrize("chunk", [1, 64])
def test_attention_has_a_trace(chunk: int) -> None:
    """Fused attention, one direction at a time and in batches: the diagonal of the full Jacobian."""
    x = normal(torch.empty(2, 4, 3, dtype=DOUBLE), seeded(0))
    weight = normal(torch.empty(9, 3, dtype=DOUBLE), seeded(1)).requires_grad_()

    def f(v: Tensor) -> Tensor:
        q, k, w = nn.functional.linear(v, weight).chunk(3, -1)
        return scaled_dot_product_attention(q, k, w)

    jacobian = torch.autograd.functional.jacobian(f, x)
    assert isinstance(jacobian, Tensor)
    exact = torch.einsum("bijbij->b", jacobian)
    with torch.no_grad():
        y, trace = ExactTrace(chunk)(f, x, None)
    torch.testing.assert_close(trace, exact[None])
    torch.testing.assert_close(y, f(x).detach())
    assert not y.requires_grad
    hutchinson = Hutchinson(4000, chunk=chunk * 100)
    _, found = hutchinson(f, x, hutchinson.probes(x, seeded(2)))
    assert ((found.mean(0) - exact).abs() < 5 * found.std(0) / 4000**0.5).all()


# --- Hutch++ -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_hutch_plus_plus_is_exact_up_to_a_third_of_its_rank(rank: int) -> None:
    """Six products, two of them for the range: exact for ranks up to 2, unsymmetric as well."""
    u, v = (normal(torch.empty(8, rank, dtype=DOUBLE), seeded(k)) for k in (0, 1))
    a = u @ v.T
    x, method = torch.zeros(50, 8, dtype=DOUBLE), HutchPlusPlus(6)
    _, trace = method(lambda y: y @ a.T, x, method.probes(x, seeded(2)))
    torch.testing.assert_close(trace.mean(0), a.trace().expand(50))
    assert (
        rank == 0
        or Hutchinson(6)(lambda y: y @ a.T, x, Hutchinson(6).probes(x, seeded(2)))[1].mean(0).std()
        > 0.1
    )


def test_hutch_plus_plus_is_exact_when_it_sees_all_directions() -> None:
    a = normal(torch.empty(3, 3, dtype=DOUBLE), seeded(0))
    x, method = torch.zeros(5, 3, dtype=DOUBLE), HutchPlusPlus(12)
    _, trace = method(lambda y: y @ a.T, x, method.probes(x, seeded(1)))
    torch.testing.assert_close(trace, a.trace().expand(4, 5))


def test_hutch_plus_plus_is_unbiased_and_sharper_where_the_spectrum_falls() -> None:
    """Eigenvalues 2^-i in 16 dimensions, 12 products each: the same mean, less than 1/10 of the
    variance, which for Hutchinson is 2 (|S|^2 - sum S_ii^2) / 12; and its stderr is right."""
    axes = torch.linalg.qr(normal(torch.empty(16, 16, dtype=DOUBLE), seeded(0))).Q
    s = axes @ (0.5 ** torch.arange(16, dtype=DOUBLE)).diag() @ axes.T
    n, x = 12, torch.zeros(4000, 16, dtype=DOUBLE)
    plain = 2 * (s.square().sum() - s.diagonal().square().sum()).item() / n
    method = HutchPlusPlus(n)
    _, traces = method(lambda y: y @ s, x, method.probes(x, seeded(1)))
    assert traces.shape == (n // 3, 4000)
    found = traces.mean(0)
    spread = found.std().item()
    assert found.mean().item() == pytest.approx(s.trace().item(), abs=5 * spread / 4000**0.5)
    assert spread**2 < plain / 10
    said = (traces.var(0) / len(traces)).mean().sqrt().item()
    assert said == pytest.approx(spread, rel=0.1)


def test_hutch_plus_plus_costs_what_it_says() -> None:
    x, method = torch.zeros(2, 8), HutchPlusPlus(9, chunk=1)
    products: list[int] = []

    def f(v: Tensor) -> Tensor:
        y = 2 * v
        y.register_hook(lambda g: products.append(1))
        return y

    method(f, x, method.probes(x, seeded(0)))
    assert len(products) + 1 == method.evaluations(8) == 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HutchPlusPlus(4), "multiple of 3"),
        (lambda: HutchPlusPlus(0), "n must be at least 1"),
        (lambda: Hutchinson(0), "n must be at least 1"),
        (lambda: ExactTrace(0), "chunk must be at least 1"),
    ],
    ids=["four", "none", "no probe", "no chunk"],
)
def test_bad_numbers_are_refused(make: type[Trace], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
