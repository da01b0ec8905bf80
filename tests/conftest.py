"""What holds for every test: one thread, and no trace left in torch's global state."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def untouched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves torch's random state or default dtype other than it found them.

    Tests of domains may draw: they build networks, and torch's initialisers know no other generator.
    """
    torch.set_num_threads(1)
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    yield
    drew, left = not torch.equal(torch.get_rng_state(), state), torch.get_default_dtype()
    torch.set_rng_state(state)
    torch.set_default_dtype(dtype)
    assert left == dtype, f"the test left {left} as the default dtype"
    assert not drew or "domains" in request.path.parts, (
        "the test drew from torch's global generator"
    )
