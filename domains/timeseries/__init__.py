"""Irregular time series: forecasting and imputation, pandas in, pandas out."""

from collections.abc import Callable

from unnoise.domains.task import Task
from unnoise.domains.timeseries.forecaster import Forecaster
from unnoise.domains.timeseries.frames import Long, Wide
from unnoise.domains.timeseries.imputer import Imputer
from unnoise.domains.timeseries.model import Network
from unnoise.domains.timeseries.tasks import TASKS

__all__ = ["DOMAIN", "Forecaster", "Imputer", "Long", "Network", "Wide"]

DOMAIN: dict[str, Callable[[], Task]] = TASKS
