"""Enhancers that learn nothing, without which no figure of a model means anything."""

from unnoise.domains.audio.baselines.contract import Enhances
from unnoise.domains.audio.baselines.decision import DecisionDirected
from unnoise.domains.audio.baselines.log_mmse import log_mmse, log_mmse_gain
from unnoise.domains.audio.baselines.noise import noise_power
from unnoise.domains.audio.baselines.oracle import OracleMask
from unnoise.domains.audio.baselines.subtraction import SpectralSubtraction
from unnoise.domains.audio.baselines.unprocessed import unprocessed
from unnoise.domains.audio.baselines.wiener import wiener, wiener_gain

__all__ = [
    "DecisionDirected",
    "Enhances",
    "OracleMask",
    "SpectralSubtraction",
    "log_mmse",
    "log_mmse_gain",
    "noise_power",
    "unprocessed",
    "wiener",
    "wiener_gain",
]
