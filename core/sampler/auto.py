"""The best sampler for a budget of network evaluations."""

from __future__ import annotations

import math
from typing import Any, overload

from unnoise.core.process import Jump, LinearGaussian, Process, Product
from unnoise.core.sampler.grid import PowerGrid
from unnoise.core.sampler.jump import JumpSampler, Last
from unnoise.core.sampler.product import ProductSampler
from unnoise.core.sampler.sampler import Sampler
from unnoise.core.sampler.solver import AdamsBashforth
from unnoise.core.sampler.walk import Sampling

__all__ = ["auto"]


@overload
def auto(nfe: int, process: None = None) -> Sampler: ...


@overload
def auto(nfe: int, process: Process[Any]) -> Sampling: ...


def auto(nfe: int, process: Process[Any] | None = None) -> Sampling:
    """The sampler of a process that came nearest to the law with so many evaluations; by default
    that of linear Gaussian ones.

    For codes analytic steps that are equal in the share kept, and a last draw where the schedule stops short of the data; for mixed data these, with ancestral
    steps of the numbers. For a linear Gaussian process the deterministic sampler that came nearest
    to the exact flow:

    Adams–Bashforth in the angle, times denser near the data, a higher order and a Heun start as
    soon as the budget bears them: chosen by the error of trajectories and by sliced W2 on four to
    six mixtures. The tasks `core/mixture-*`, `core/digits-pca` and `core/mnist-pca` show it beside
    the others.

    Raises:
        ValueError: if nfe is less than 2.
        TypeError: for a process of another kind.
    """
    if nfe < 2:
        raise ValueError(
            f"auto: needs at least 2 evaluations, a step and the last denoise, got {nfe}"
        )
    if isinstance(process, Jump):
        reached = math.isinf(
            process.schedule.log_snr_max
        )  # then the last step leaves nothing to draw
        return JumpSampler(steps=nfe, last=Last.NOTHING) if reached else JumpSampler(steps=nfe - 1)
    if isinstance(process, Product):
        return ProductSampler(steps=nfe - 1)
    if process is not None and not isinstance(process, LinearGaussian):
        raise TypeError(f"auto: no sampler for {type(process).__name__}; pass one of your own")
    if nfe < 10:
        return Sampler(AdamsBashforth(3), nfe - 1, PowerGrid(1.25))
    return Sampler(AdamsBashforth(4, heun_start=True), nfe - 2, PowerGrid(1.5))
