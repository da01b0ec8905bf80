"""What holds for every test: one thread, and no trace left in torch's global state."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Fails a test that leaves torch's random state or default dtype other than it found them."""
    torch.set_num_threads(1)
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    yield
    drew, changed = not torch.equal(torch.get_rng_state(), state), torch.get_default_dtype()
    torch.set_rng_state(state)
    torch.set_default_dtype(dtype)
    assert not drew, "the test drew from torch's global generator, or seeded it"
    assert changed == dtype, f"the test left {changed} as the default dtype"
