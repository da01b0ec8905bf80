"""Oscillators along times: their sums against all pairs of times, and exactness at irregular ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.timeseries.networks.recurrence import Gaps, Oscillators, leaky_sum

B, C, T, WIDTH, HEAD, LONGEST = 2, 3, 11, 16, 8, 30.0


def times(points: int = T) -> Tensor:
    return torch.rand(B, points, generator=seeded(0)).double().mul(3).cumsum(1)


def mixing() -> Oscillators:
    torch.manual_seed(0)
    return Oscillators(WIDTH, HEAD, LONGEST).double()


def inputs() -> tuple[Tensor, Tensor]:
    h = torch.randn(B, C, T, WIDTH, generator=seeded(1)).double()
    return h, torch.rand(B, C, T, generator=seeded(2)) < 0.7


@pytest.mark.parametrize("points", [1, 2, 9, 10, 17])
def test_a_leaky_sum_is_the_sum_over_all_of_the_past(points: int) -> None:
    u = torch.randn(B, C, points, 4, 5, generator=seeded(0)).double()
    rate = torch.rand(B, 1, points, 4, 1, generator=seeded(1)).double()
    age = rate.cumsum(2)
    kept = (age[:, :, None] - age[:, :, :, None]).transpose(2, 3)  # (B, 1, k, j, H, 1)
    kept = torch.where(torch.ones(points, points).tril().bool()[..., None, None], -kept, -1e9)
    expected = (kept.exp() * u[:, :, None]).sum(3)
    torch.testing.assert_close(leaky_sum(u, (-rate).exp()), expected)


def test_its_gradient_is_that_of_finite_differences() -> None:
    u = torch.randn(1, 2, 5, 2, 2, generator=seeded(0)).double().requires_grad_()
    decay = torch.rand(1, 1, 5, 2, 1, generator=seeded(1)).double().requires_grad_()
    assert torch.autograd.gradcheck(leaky_sum, (u, decay))


def test_oscillators_are_attention_by_age() -> None:
    """y_k = sum_j e^(-|t_k - t_j| / tau) R(w (t_k - t_j)) g_j v_j / (1 + the same sum of g), j <= k or j >= k."""
    mix, t, (h, exists) = mixing(), times(), inputs()
    v, opened, logits = mix.enter(h).split([WIDTH, WIDTH, mix.heads], -1)
    gates = (5 * (logits / 5).tanh()).exp() * exists[..., None]
    pairs = torch.complex(*v.unflatten(-1, (mix.heads, 2, HEAD // 4)).unbind(-2))
    apart = t[:, :, None] - t[:, None]  # (B, k, j)
    turns = torch.polar(
        torch.ones(()).double(), apart[..., None] * Gaps(HEAD, LONGEST).rotary.frequencies
    )
    fading = (-apart.abs()[..., None] / mix.log_tau.exp()).exp()
    back = (torch.arange(mix.heads) < mix.heads // 2)[None, None, None]
    seen = torch.where(back, apart[..., None] >= 0, apart[..., None] <= 0)
    weights = torch.einsum("bkjh,bcjh->bckjh", fading * seen, gates)
    sums = torch.einsum("bckjh,bkjf,bcjhf->bckhf", weights.to(turns.dtype), turns, pairs)
    means = sums / (1 + weights.sum(3))[..., None]
    means = torch.cat([means.real, means.imag], -1).flatten(-2)
    expected = mix.out(torch.nn.functional.silu(opened) * means)
    found = mix(h, exists, Gaps(HEAD, LONGEST)(t, h))
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)  # its sums are in float32


def test_a_time_at_which_nothing_is_known_changes_nothing() -> None:
    mix, t, (h, exists) = mixing(), times(), inputs()
    exists[:, :, 4] = False
    rest = torch.arange(T) != 4
    whole = mix(h, exists, Gaps(HEAD, LONGEST)(t, h))
    without = mix(h[:, :, rest], exists[:, :, rest], Gaps(HEAD, LONGEST)(t[:, rest], h))
    torch.testing.assert_close(whole[:, :, rest], without, atol=2e-6, rtol=1e-5)


def test_what_is_asked_long_after_has_forgotten() -> None:
    """A million units after all else, nothing is left but the zero that doesn't fade."""
    mix, t, (h, exists) = mixing(), times(), inputs()
    t[:, -1] += 1e6
    exists[:, :, -1] = False
    found = mix(h, exists, Gaps(HEAD, LONGEST)(t, h))[:, :, -1]
    torch.testing.assert_close(found, mix.out.bias.expand_as(found))


@pytest.mark.parametrize(("width", "head"), [(12, 8), (12, 6)])
def test_a_width_that_has_no_halves_is_refused(width: int, head: int) -> None:
    with pytest.raises(ValueError, match="multiple of a head width that is one of 4"):
        Oscillators(width, head, LONGEST)
