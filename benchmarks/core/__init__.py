"""The core's own benchmarks: how good samplers and likelihoods are at a budget of evaluations when
the denoiser is exact, and what they cost beside a network. Nothing is trained."""

from collections.abc import Callable

from unnoise.benchmarks.core.cost import overhead
from unnoise.benchmarks.core.tasks import TASKS
from unnoise.domains.task import Task

__all__ = ["DOMAIN"]

DOMAIN: dict[str, Callable[[], Task]] = {**TASKS, "overhead": overhead}
