"""Samplers: grids of times, solvers of one step, and the loop that joins them."""

from unnoise.core.sampler.grid import Grid, LogSNRGrid, PowerGrid, SigmaGrid
from unnoise.core.sampler.sampler import Callback, Sampler
from unnoise.core.sampler.solver import AdamsBashforth, AnyNoise, DPMSolver, Heun, Solver

__all__ = [
    "AdamsBashforth",
    "AnyNoise",
    "Callback",
    "DPMSolver",
    "Grid",
    "Heun",
    "LogSNRGrid",
    "PowerGrid",
    "Sampler",
    "SigmaGrid",
    "Solver",
]
