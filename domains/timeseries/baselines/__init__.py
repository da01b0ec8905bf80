"""Trivial and classical answers, without which no figure of a model means anything."""

from unnoise.domains.timeseries.baselines.climatology import Climatology
from unnoise.domains.timeseries.baselines.contract import Forecasts, Imputes
from unnoise.domains.timeseries.baselines.deepar import DeepAR
from unnoise.domains.timeseries.baselines.fill import (
    LastObservation,
    Linear,
    Mean,
    OtherChannels,
)
from unnoise.domains.timeseries.baselines.last import LastValue
from unnoise.domains.timeseries.baselines.seasonal import SeasonalBootstrap, SeasonalNaive
from unnoise.domains.timeseries.baselines.walk import BootstrapWalk, GaussianWalk

__all__ = [
    "BootstrapWalk",
    "Climatology",
    "DeepAR",
    "Forecasts",
    "GaussianWalk",
    "Imputes",
    "LastObservation",
    "LastValue",
    "Linear",
    "Mean",
    "OtherChannels",
    "SeasonalBootstrap",
    "SeasonalNaive",
]
