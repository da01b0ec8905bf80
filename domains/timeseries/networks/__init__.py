"""Networks of time series: an encoder of the question, and a decoder of its noisy targets."""

from unnoise.domains.timeseries.networks.encoders import GridEncoder, SetEncoder
from unnoise.domains.timeseries.networks.series import SeriesNetwork

__all__ = ["GridEncoder", "SeriesNetwork", "SetEncoder"]
