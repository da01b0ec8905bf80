"""Baselines of rows and of songs have the digits that the reference printed."""

import math
from collections.abc import Callable

import pytest
from torch import Tensor

from unnoise.domains.categorical.baselines import (
    ChowLiu,
    ColumnMarkov,
    Independent,
    StepMarkov,
    StepUnigram,
)

Debd = Callable[[str], tuple[Tensor, Tensor]]
Table = Callable[[str], tuple[Tensor, Tensor, list[int]]]


@pytest.mark.parametrize(
    ("name", "independent", "tree"),
    [
        ("nltcs", -9.234, -6.759),
        ("plants", -31.266, -16.524),
        ("accidents", -45.560, -33.187),
        ("mushrooms", -34.232, -20.986),
    ],
)
def test_binary_rows_have_the_published_nats(
    name: str, independent: float, tree: float, debd: Debd
) -> None:
    train, test = debd(name)
    sizes = [2] * train.shape[1]
    for law, nats in ((Independent, independent), (ChowLiu, tree)):
        found = float(law.fit(train, sizes).log_prob(test).mean())
        assert found == pytest.approx(nats, abs=5.01e-4), law


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("mushroom_agaricus-lepiota", (1.4283, 1.2080, 0.9520)),
        ("car_evaluation", (1.6989, 1.6652, 1.6143)),
        ("breast-cancer", (1.4989, 1.4025, 1.4195)),
    ],
)
def test_tables_have_the_published_bits_per_dim(
    name: str, bits: tuple[float, ...], table: Table
) -> None:
    train, test, sizes = table(name)
    fitted = (law.fit(train, sizes) for law in (Independent, ColumnMarkov, ChowLiu))
    dims = test.numel()
    found = [-float(law.log_prob(test).sum()) / dims / math.log(2) for law in fitted]
    assert found == pytest.approx(bits, abs=5.01e-5)


@pytest.mark.parametrize(("model", "bits"), [(StepUnigram, 3.8066), (StepMarkov, 1.4225)])
def test_chorales_have_the_published_bits_per_dim(
    model: type[StepMarkov], bits: float, chorales: dict[str, list[Tensor]]
) -> None:
    fitted, test = model.fit(chorales["train"], [129] * 4), chorales["test"]
    nats = sum(float(fitted.rows(len(s)).log_prob(s.reshape(1, -1))) for s in test)
    dims = sum(song.numel() for song in test)
    assert dims == 18_900 * 4
    assert -nats / dims / math.log(2) == pytest.approx(bits, abs=5.01e-5)
