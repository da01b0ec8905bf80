"""The digits, and the smallest model of them that the task can make."""

from collections.abc import Callable

import pytest

from unnoise.core.model import Model
from unnoise.core.training import Fit
from unnoise.domains.images import data
from unnoise.domains.images.tasks import image_model
from unnoise.domains.task import Preset, Splits


@pytest.fixture(scope="session")
def digits() -> Splits:
    return data.digits()


@pytest.fixture(scope="session")
def preset() -> Callable[..., Preset]:
    """The least of everything, with some of it changed."""

    def make(**generate: object) -> Preset:
        least = {"samples": 10, "bound_draws": 2, "flow_images": 0, "sweep_samples": 0}
        return Preset(Fit(1), {"widths": (8, 8), "blocks": 1}, least | generate)

    return make


@pytest.fixture
def untrained(digits: Splits, preset: Callable[..., Preset]) -> Model:
    """A model whose network says nothing yet: its pixels are independent, all of one law."""
    return image_model(digits, preset()).eval()
