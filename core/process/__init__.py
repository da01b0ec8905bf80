"""Noising processes."""

from unnoise.core.process.base import Process
from unnoise.core.process.blurring import Blurring
from unnoise.core.process.gaussian import Gaussian, effective_std
from unnoise.core.process.jump import Jump, JumpBelief
from unnoise.core.process.langevin import Langevin, Sufficient
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.process.product import Product

__all__ = [
    "Blurring",
    "Gaussian",
    "Jump",
    "JumpBelief",
    "Langevin",
    "LinearGaussian",
    "Process",
    "Product",
    "Sufficient",
    "effective_std",
]
