"""Rates of jump processes on the columns of a table, a text, a piece of music."""

from unnoise.core.rates.base import Rates
from unnoise.core.rates.dense import AnyRates
from unnoise.core.rates.refresh import Refresh
from unnoise.core.rates.reversible import Reversible

__all__ = ["AnyRates", "Rates", "Refresh", "Reversible"]
