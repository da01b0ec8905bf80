"""Exchange rates with the five forecasts that figures on "exchange_rate_nips" belong to.

Salinas et al. (2019) forecast 30 business days, five times, from origins 30 days apart. Each time
all that came before is known. GluonTS's file repeats the series for each forecast, cut at its end.
Here they come once, with the origins. Training knows nothing from the first origin on.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unnoise.data.errors import DataError
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["CURRENCIES", "ExchangeNips", "load_exchange_nips"]

CURRENCIES = ("AUD", "GBP", "CAD", "CHF", "CNY", "JPY", "NZD", "SGD")
"""Of the columns, as the README of the repository has them that the rates were first in."""

_HORIZON = 30


@dataclass(frozen=True, eq=False)
class ExchangeNips:
    """The rates, and where forecasts begin.

    Attributes:
        rates: US dollars a unit of eight currencies on business days, (6221, 8).
        origins: The first days of the five forecasts.
        horizon: Days of each.
    """

    rates: pd.DataFrame
    origins: pd.DatetimeIndex
    horizon: int = _HORIZON

    @property
    def train(self) -> pd.DataFrame:
        """What comes before the first forecast, (6071, 8)."""
        return self.rates[self.rates.index < self.origins[0]]

    @property
    def forecasts(self) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """For each origin, what came before, and the truth (30, 8)."""
        places = self.rates.index.get_indexer(self.origins)
        return [(self.rates[:i], self.rates[i : i + self.horizon]) for i in places]


def load_exchange_nips(*, quiet: bool = False) -> ExchangeNips:
    """Loads the exchange rates of GluonTS; needs pandas.

    The stamps are GluonTS's: business days from 1990 on without holidays, so they run ahead of
    the days that the rates are of.

    Args:
        quiet: Whether a download does without its progress bar.

    Raises:
        DataError: If the file is neither here nor to be had, or damaged.
    """
    import pandas as pd

    source = SOURCES["exchange-nips"]
    path = find(source, quiet=quiet) / source.files[0].path
    with tarfile.open(path) as tar:
        train, test = (_lines(path, tar, part) for part in ("train", "test"))
    width = len(CURRENCIES)
    longest = test[-width:]
    for line in (*train, *test):
        if line["target"] != longest[line["channel"]]["target"][: len(line["target"])]:
            raise DataError(
                f"{path}: its series are not the starts of one; put the right copy there"
            )
    days = pd.date_range(longest[0]["start"], periods=len(longest[0]["target"]), freq="B")
    rates = pd.DataFrame([line["target"] for line in longest], index=CURRENCIES, columns=days).T
    ends = [len(line["target"]) - _HORIZON for line in test[::width]]
    return ExchangeNips(rates.rename_axis("date"), days[ends])


def _lines(path: Path, tar: tarfile.TarFile, part: str) -> list[dict[str, Any]]:
    """Series of a part, each with the number of its channel: they take turns."""
    name = f"exchange_rate_nips/{part}/{part}.json"
    member = tar.extractfile(name) if name in tar.getnames() else None
    if member is None:
        raise DataError(f"{path}: has no file {name}; put the right copy there")
    lines = [json.loads(line) for line in member]
    return [line | {"channel": i % len(CURRENCIES)} for i, line in enumerate(lines)]
