"""Judges of enhanced speech: pure functions of samples, each of one file, and means over files."""

from unnoise.domains.audio.metrics.distortion import Ratios, energy_ratios, sdr, si_sdr, snr
from unnoise.domains.audio.metrics.files import OverFiles, judge, over_files
from unnoise.domains.audio.metrics.intelligibility import estoi, stoi
from unnoise.domains.audio.metrics.perceptual import pesq
from unnoise.domains.audio.metrics.spectral import log_spectral_distance

__all__ = [
    "OverFiles",
    "Ratios",
    "energy_ratios",
    "estoi",
    "judge",
    "log_spectral_distance",
    "over_files",
    "pesq",
    "sdr",
    "si_sdr",
    "snr",
    "stoi",
]
