"""Samplers: grids of times, solvers of one step, and the walks that join them."""

from unnoise.core.sampler.adaptive import Adaptive
from unnoise.core.sampler.auto import auto
from unnoise.core.sampler.corrector import (
    Annealed,
    Churn,
    NormMatched,
    PredictorCorrector,
    StepSize,
)
from unnoise.core.sampler.external import TorchSDE
from unnoise.core.sampler.grid import Grid, LogSNRGrid, PowerGrid, SigmaGrid
from unnoise.core.sampler.sampler import Sampler
from unnoise.core.sampler.solver import AdamsBashforth, AnyNoise, DPMSolver, Heun, Solver
from unnoise.core.sampler.walk import Angle, Callback, Path, Walk

__all__ = [
    "AdamsBashforth",
    "Adaptive",
    "Angle",
    "Annealed",
    "AnyNoise",
    "Callback",
    "Churn",
    "DPMSolver",
    "Grid",
    "Heun",
    "LogSNRGrid",
    "NormMatched",
    "Path",
    "PowerGrid",
    "PredictorCorrector",
    "Sampler",
    "SigmaGrid",
    "Solver",
    "StepSize",
    "TorchSDE",
    "Walk",
    "auto",
]
