"""Randomness: streams, shards of a distributed batch, stratified draws."""

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from unnoise.core.random import Generator, Rows, Shard, low_discrepancy, normal, seeded, uniform

DOUBLE = torch.float64


def rows(n: int) -> Tensor:
    return torch.empty(n, 2, 3, dtype=DOUBLE)


DRAWS: list[Callable[[int, Generator], Tensor]] = [
    lambda n, g: normal(rows(n), g),
    lambda n, g: uniform((n, 5), rows(n), g),
    lambda n, g: low_discrepancy(rows(n), g),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_seed_and_its_stream_fix_the_draw(draw: Callable[[int, Generator], Tensor]) -> None:
    assert torch.equal(draw(8, seeded(3, 1, 4)), draw(8, seeded(3, 1, 4)))
    for other in (
        seeded(3, 1, 5),
        seeded(3, 2, 4),
        seeded(4, 1, 4),
        seeded(3, 4, 1),
        seeded(3, 1),
    ):
        assert not torch.equal(draw(8, seeded(3, 1, 4)), draw(8, other))


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("world", [2, 4])
def test_shards_are_slices_of_the_whole_draw(
    draw: Callable[[int, Generator], Tensor], world: int
) -> None:
    whole = draw(8, seeded(0))
    parts = [draw(8 // world, Shard(seeded(0), rank, world)) for rank in range(world)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("draw", DRAWS)
def test_draws_keep_the_dtype(draw: Callable[[int, Generator], Tensor]) -> None:
    assert draw(8, seeded(0)).dtype == DOUBLE


def test_consecutive_draws_differ() -> None:
    generator = seeded(0)
    assert not torch.equal(normal(rows(4), generator), normal(rows(4), generator))


def test_neighbouring_streams_are_unrelated() -> None:
    """Sums over 2000 consecutive streams have the variance of independent draws."""
    first = torch.cat([normal(torch.empty(1, 2, dtype=DOUBLE), seeded(0, k)) for k in range(2000)])
    assert stats.kstest(first[:, 0].numpy(), "norm").pvalue > 1e-6
    assert abs(torch.corrcoef(first.T)[0, 1]) < 5 / 2000**0.5
    assert abs((first[1:, 0] * first[:-1, 0]).mean()) < 5 / 2000**0.5


def test_low_discrepancy_puts_one_point_in_each_stratum() -> None:
    u = low_discrepancy(torch.empty(1000, dtype=DOUBLE), seeded(0))
    assert ((u >= 0) & (u < 1)).all()
    assert torch.equal((u.sort().values * 1000).floor(), torch.arange(1000, dtype=DOUBLE))


def test_laws_of_the_draws() -> None:
    z = normal(torch.empty(20_000, dtype=DOUBLE), seeded(1))
    u = uniform((20_000,), z, seeded(2))
    assert stats.kstest(z.numpy(), "norm").pvalue > 1e-6
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-6


def test_a_row_of_its_own_generator_is_the_same_whoever_is_beside_it() -> None:
    many, few = Rows.seeded(3, 5), Rows([seeded(3, 4), seeded(3, 1)])
    z = normal(torch.empty(5, 7, dtype=DOUBLE), many)
    assert torch.equal(normal(torch.empty(2, 7, dtype=DOUBLE), few), z[[4, 1]])
    again = uniform((5, 2), z, many)  # the streams go on
    assert torch.equal(uniform((2, 2), z, few), again[[4, 1]])
    assert (
        stats.kstest(
            normal(torch.empty(4_000, 1), Rows.seeded(0, 4_000))[:, 0].numpy(), "norm"
        ).pvalue
        > 1e-6
    )


def test_a_row_without_a_generator_is_refused() -> None:
    with pytest.raises(ValueError, match="2 generators for 3 rows"):
        normal(rows(3), Rows.seeded(0, 2))
