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
from unnoise.core.sampler.grid import CosineGrid, Grid, LogSNRGrid, PowerGrid, SigmaGrid
from unnoise.core.sampler.jump import Corrector, JumpSampler, Last
from unnoise.core.sampler.leap import (
    Analytic,
    Euler,
    ExponentialEuler,
    JumpSolver,
    NominalLeap,
    OrdinalLeap,
)
from unnoise.core.sampler.product import ProductSampler
from unnoise.core.sampler.sampler import Sampler
from unnoise.core.sampler.solver import AdamsBashforth, AnyNoise, DPMSolver, Heun, Solver
from unnoise.core.sampler.unmask import Confident, Ordered, Unmasking
from unnoise.core.sampler.walk import Angle, Callback, Path, Sampling, Walk

__all__ = [
    "AdamsBashforth",
    "Adaptive",
    "Analytic",
    "Angle",
    "Annealed",
    "AnyNoise",
    "Callback",
    "Churn",
    "Confident",
    "Corrector",
    "CosineGrid",
    "DPMSolver",
    "Euler",
    "ExponentialEuler",
    "Grid",
    "Heun",
    "JumpSampler",
    "JumpSolver",
    "Last",
    "LogSNRGrid",
    "NominalLeap",
    "NormMatched",
    "Ordered",
    "OrdinalLeap",
    "Path",
    "PowerGrid",
    "PredictorCorrector",
    "ProductSampler",
    "Sampler",
    "Sampling",
    "SigmaGrid",
    "Solver",
    "StepSize",
    "TorchSDE",
    "Unmasking",
    "Walk",
    "auto",
]
