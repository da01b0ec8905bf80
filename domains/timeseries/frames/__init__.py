"""Frames of pandas as panels of series, and back."""

from unnoise.domains.timeseries.frames.covariates import covariates
from unnoise.domains.timeseries.frames.files import read_frame, write_frame
from unnoise.domains.timeseries.frames.guess import layout_of
from unnoise.domains.timeseries.frames.layout import Layout
from unnoise.domains.timeseries.frames.long import Long
from unnoise.domains.timeseries.frames.wide import Wide

__all__ = ["Layout", "Long", "Wide", "covariates", "layout_of", "read_frame", "write_frame"]
