"""Likelihood estimates: the variational bound, the probability flow, and I-MMSE."""

from unnoise.core.likelihood.base import Likelihood
from unnoise.core.likelihood.bound import Bound
from unnoise.core.likelihood.flow import ExactTrace, Flow, Hutchinson
from unnoise.core.likelihood.immse import IMMSE
from unnoise.core.likelihood.result import Kind, LikelihoodResult, Summary

__all__ = [
    "IMMSE",
    "Bound",
    "ExactTrace",
    "Flow",
    "Hutchinson",
    "Kind",
    "Likelihood",
    "LikelihoodResult",
    "Summary",
]
