"""Graphs: permutation-equivariant diffusion, discrete and continuous, with metrics that say what they
are read between."""

from collections.abc import Callable

import torch_geometric  # noqa: F401  (without it the domain names its extra)

from unnoise.domains.graphs.generator import GraphGenerator, Network
from unnoise.domains.graphs.model import Noising
from unnoise.domains.graphs.tasks import TASKS
from unnoise.domains.task import Task

__all__ = ["DOMAIN", "GraphGenerator", "Network", "Noising"]

DOMAIN: dict[str, Callable[[], Task]] = TASKS
