"""Noising processes."""

from unnoise.core.process.base import Process
from unnoise.core.process.blurring import Blurring
from unnoise.core.process.gaussian import Gaussian, effective_std
from unnoise.core.process.langevin import Langevin, Sufficient
from unnoise.core.process.linear import LinearGaussian

__all__ = [
    "Blurring",
    "Gaussian",
    "Langevin",
    "LinearGaussian",
    "Process",
    "Sufficient",
    "effective_std",
]
