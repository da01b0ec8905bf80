"""Judges of forecasts, imputations and generated windows: pure functions of arrays that return a
`Score`."""

from unnoise.domains.timeseries.metrics.calibration import (
    calibration_error,
    coverage,
    pit,
    width,
)
from unnoise.domains.timeseries.metrics.crps import (
    LEVELS,
    Quantile,
    crps,
    crps_sum,
    sample_crps,
)
from unnoise.domains.timeseries.metrics.discriminator import (
    Discrimination,
    discriminate,
    window_features,
)
from unnoise.domains.timeseries.metrics.energy import energy_score
from unnoise.domains.timeseries.metrics.floor import real_against_real
from unnoise.domains.timeseries.metrics.jackknife import jackknife, ratio
from unnoise.domains.timeseries.metrics.mmd import median_distance, mmd, mmd_null
from unnoise.domains.timeseries.metrics.point import mae, nd, nrmse, rmse

__all__ = [
    "LEVELS",
    "Discrimination",
    "Quantile",
    "calibration_error",
    "coverage",
    "crps",
    "crps_sum",
    "discriminate",
    "energy_score",
    "jackknife",
    "mae",
    "median_distance",
    "mmd",
    "mmd_null",
    "nd",
    "nrmse",
    "pit",
    "ratio",
    "real_against_real",
    "rmse",
    "sample_crps",
    "width",
    "window_features",
]
