"""Centred Gaussian noise on a state space."""

from unnoise.core.noise.base import Noise, White
from unnoise.core.noise.correlation import OU, RBF, Correlation, Matern32, Matern52
from unnoise.core.noise.cosines import Cosines
from unnoise.core.noise.kernel import Kernel
from unnoise.core.noise.spectral import Spectral
from unnoise.core.noise.symmetric import Symmetric

__all__ = [
    "OU",
    "RBF",
    "Correlation",
    "Cosines",
    "Kernel",
    "Matern32",
    "Matern52",
    "Noise",
    "Spectral",
    "Symmetric",
    "White",
]
