"""Likelihood estimates: variational bounds, the probability flow, and I-MMSE."""

from unnoise.core.likelihood.auto import tightest
from unnoise.core.likelihood.base import Likelihood, Query
from unnoise.core.likelihood.bound import Bound, DiscreteBound
from unnoise.core.likelihood.coding import BitsBack, random_words
from unnoise.core.likelihood.dequantise import (
    Dequantised,
    Dequantiser,
    UniformNoise,
    VariationalDequantiser,
)
from unnoise.core.likelihood.flow import Flow
from unnoise.core.likelihood.immse import IMMSE
from unnoise.core.likelihood.importance import ImportanceWeighted
from unnoise.core.likelihood.ode import AdamsMultistep, Rule, RungeKutta
from unnoise.core.likelihood.ordered import MaskedBound, Ordered
from unnoise.core.likelihood.result import Kind, LikelihoodResult, Summary
from unnoise.core.likelihood.trace import ExactTrace, Hutchinson, HutchPlusPlus, Trace

__all__ = [
    "IMMSE",
    "AdamsMultistep",
    "BitsBack",
    "Bound",
    "Dequantised",
    "Dequantiser",
    "DiscreteBound",
    "ExactTrace",
    "Flow",
    "HutchPlusPlus",
    "Hutchinson",
    "ImportanceWeighted",
    "Kind",
    "Likelihood",
    "LikelihoodResult",
    "MaskedBound",
    "Ordered",
    "Query",
    "Rule",
    "RungeKutta",
    "Summary",
    "Trace",
    "UniformNoise",
    "VariationalDequantiser",
    "random_words",
    "tightest",
]
