"""The tasks of time series."""

from __future__ import annotations

from collections.abc import Callable

from unnoise.domains.task import Task
from unnoise.domains.timeseries.tasks.forecasting import FORECASTING
from unnoise.domains.timeseries.tasks.imputation import IMPUTATION
from unnoise.domains.timeseries.tasks.synthetic import SYNTHETIC

__all__ = ["TASKS"]

TASKS: dict[str, Callable[[], Task]] = {**SYNTHETIC, **IMPUTATION, **FORECASTING}
