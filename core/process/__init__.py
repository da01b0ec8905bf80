"""Noising processes."""

from unnoise.core.process.base import Process
from unnoise.core.process.gaussian import Gaussian

__all__ = ["Gaussian", "Process"]
