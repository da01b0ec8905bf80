"""Patterns: what is given is known, and has the form that it is named after."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from unnoise.core.batch import Batch
from unnoise.core.random import seeded
from unnoise.domains.timeseries.patterns import (
    Blocks,
    Borrowed,
    Channels,
    Cut,
    Mixture,
    Pattern,
    Points,
)

ALL = [
    Points(),
    Blocks(),
    Borrowed(),
    Channels(),
    Cut(3),
    Mixture([Points(), Cut(2)], [0.5, 0.5]),
]


def batch(rows: int = 400, full: bool = False) -> Batch:
    mask = torch.rand(rows, 12, 5, generator=seeded(0)) < 0.7
    return Batch(torch.zeros(rows, 12, 5), torch.ones_like(mask) if full else mask)


@pytest.mark.parametrize("pattern", ALL)
def test_what_is_given_is_known_and_the_same_for_the_same_seed(pattern: Pattern) -> None:
    states = batch()
    given = pattern(states, seeded(1))
    assert states.mask is not None
    assert not (given & ~states.mask).any()
    assert (given == pattern(states, seeded(1))).all()


def test_points_are_given_with_a_share_of_each_state() -> None:
    share = Points(0.2, 0.6)(batch(20_000, full=True), seeded(2)).double().mean((1, 2))
    # 60 coins of a uniform share p: mean .4, variance E p(1 - p) / 60 + .4^2 / 12
    variance = (0.4 - (0.16 + 0.16 / 12)) / 60 + 0.16 / 12
    assert abs(share.mean().item() - 0.4) < 5 * (variance / 20_000) ** 0.5
    assert abs(share.var().item() / variance - 1) < 0.05


def test_a_block_is_one_stretch_of_a_channel() -> None:
    asked = ~Blocks(points=0.0)(batch(full=True), seeded(3))
    starts = asked[:, :1].long().sum(1) + (asked[:, 1:] & ~asked[:, :-1]).sum(1)
    assert starts.max() == 1
    assert 0 < asked.double().mean() < 0.5


def test_channels_are_given_whole() -> None:
    given = Channels()(batch(full=True), seeded(4))
    assert (given == given[:, :1]).all()
    assert abs(given.double().mean().item() - 0.5) < 0.05


def test_what_another_window_lacks_is_asked_for() -> None:
    states = batch(3)
    assert states.mask is not None
    given = Borrowed()(states, None)
    assert (given == (states.mask & states.mask[[2, 0, 1]])).all()


def test_a_cut_counts_from_the_last_point_of_each_series() -> None:
    mask = torch.ones(2, 6, 1, dtype=torch.bool)
    mask[1, 4:] = False  # padding
    given = Cut(2)(Batch(torch.zeros(2, 6, 1), mask), None)[..., 0]
    assert given.tolist() == [[True] * 4 + [False] * 2, [True] * 2 + [False] * 4]


def test_a_mixture_takes_one_pattern_a_state_as_often_as_told() -> None:
    given = Mixture([Cut(12), Cut(1)], [1, 3])(batch(4_000, full=True), seeded(5))
    count = given[..., 0].sum(1)
    assert set(count.tolist()) == {0, 11}
    assert abs((count == 11).double().mean().item() - 0.75) < 5 * (0.75 * 0.25 / 4_000) ** 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Points(0.5, 0.2), "least <= most"),
        (lambda: Cut(0), "at least 1 point"),
        (lambda: Mixture([Cut(1)], [1, 2]), "a positive weight a pattern"),
    ],
)
def test_numbers_that_make_no_pattern(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
