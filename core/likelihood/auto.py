"""The bound of a process, with the least variance that is to be had."""

from __future__ import annotations

from typing import Any

from unnoise.core.likelihood.base import Likelihood
from unnoise.core.likelihood.bound import Bound
from unnoise.core.likelihood.ordered import MaskedBound
from unnoise.core.process import Jump, Process
from unnoise.core.rates import Refresh

__all__ = ["tightest"]


def tightest(process: Process[Any], draws: int) -> Likelihood:
    """The variational bound with so many evaluations an item; of codes that are masked, with the time
    integrated out."""
    rates = process.rates if isinstance(process, Jump) else None
    masks = isinstance(rates, Refresh) and rates.absorbs
    return MaskedBound(draws) if masks else Bound(draws)
