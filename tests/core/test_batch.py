"""Batches: shapes that fit, dims that exist, conditions that can be hidden."""

import pytest
import torch
from torch import Tensor

from unnoise.core.batch import Batch


@pytest.fixture
def batch() -> Batch:
    """Two padded series of four steps with a label and a real-valued history."""
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]).bool()
    return Batch(
        x=torch.arange(8.0).reshape(2, 4),
        mask=mask,
        observed=mask & (torch.arange(4) == 0),
        coords=torch.linspace(0, 1, 4).expand(2, 4),
        cond={"label": torch.tensor([3, 0]), "history": torch.tensor([[0.5, 1.0], [2.0, 3.0]])},
    )


def test_dims_count_what_exists(batch: Batch) -> None:
    assert batch.dims().tolist() == [3, 2]
    assert batch.replace(mask=None).dims().tolist() == [4, 4]
    channels = Batch(torch.zeros(2, 5, 4), mask=batch.mask[:, None])  # type: ignore[index]
    assert channels.dims().tolist() == [15, 10]
    assert Batch(torch.zeros(3)).dims().tolist() == [1, 1, 1]


def test_rows_keep_everything_known_about_them(batch: Batch) -> None:
    one = batch.rows(torch.tensor([1]))
    assert len(one) == 1
    assert one.dims().tolist() == [2]
    assert one.cond["label"].tolist() == [0]
    assert torch.equal(one.x, batch.rows(slice(1, 2)).x)


def test_map_reaches_every_tensor(batch: Batch) -> None:
    seen: list[Tensor] = []
    batch.map(lambda v: seen.append(v) or v)  # type: ignore[func-returns-value]
    assert len(seen) == 6


def test_null_conditions(batch: Batch) -> None:
    blind = batch.without_condition()
    assert blind.cond["label"].tolist() == [-1, -1]
    assert not blind.cond["history"].any()
    half = batch.without_condition(torch.tensor([False, True]))
    assert half.cond["label"].tolist() == [3, -1]
    assert half.cond["history"].tolist() == [[0.5, 1.0], [0.0, 0.0]]
    assert batch.cond["label"].tolist() == [3, 0]


def test_empty_is_zeros_with_conditions() -> None:
    batch = Batch.empty(3, (2, 2), {"label": torch.tensor([0, 1, 2])})
    assert batch.x.shape == (3, 2, 2)
    assert not batch.x.any()
    assert batch.cond["label"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("field", "shape"),
    [
        ("mask", (3, 4)),
        ("observed", (3, 4)),
        ("coords", (3, 4)),
        ("mask", (2, 3)),
        ("observed", (2, 3)),
        ("mask", (2,)),
        ("mask", (2, 4, 1)),
    ],
)
def test_fields_that_do_not_fit_are_refused(field: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=field):
        Batch(torch.zeros(2, 4)).replace(**{field: torch.ones(shape, dtype=torch.bool)})


def test_a_mask_of_rows_is_no_mask_of_entries() -> None:
    """(4,) would broadcast along the wrong dimension of (4, 4), silently."""
    with pytest.raises(ValueError, match="mask"):
        Batch(torch.zeros(4, 4), mask=torch.ones(4, dtype=torch.bool))
    assert Batch(torch.zeros(4, 4), mask=torch.ones(4, 1).bool()).dims().tolist() == [4] * 4


def test_conditions_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        Batch(torch.zeros(2, 4), cond={"label": torch.zeros(3)})


def test_dims_of_integer_states_do_not_overflow() -> None:
    """784 entries don't fit the uint8 that the states themselves are kept in."""
    assert Batch(torch.zeros(2, 28, 28, dtype=torch.uint8)).dims().tolist() == [784.0, 784.0]
