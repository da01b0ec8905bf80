"""Learned laws of x_T: where sampling starts and what a likelihood ends with, if T is too short for
noise alone."""

from unnoise.core.prior.base import Prior, PriorLaw
from unnoise.core.prior.flow import FlowPrior
from unnoise.core.prior.gaussian import FullGaussian
from unnoise.core.prior.mixture import MixturePrior

__all__ = ["FlowPrior", "FullGaussian", "MixturePrior", "Prior", "PriorLaw"]
