"""What the scripts share: the problem, the protocol, and how a figure is printed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from unnoise.benchmarks.core.accuracy import SAMPLER_NFE, sliced_w2
from unnoise.benchmarks.core.problem import mixture
from unnoise.core.batch import Batch
from unnoise.core.schedule import Level

__all__ = ["Draw", "Mean", "library", "report"]

Mean = Callable[[Tensor, float, float], Tensor]  # (x, alpha, sigma) -> E[x_0 | x]
Draw = Callable[[Mean, Tensor, int], Tensor]  # (mean, standard normal noise, budget) -> samples


def library(name: str, install: str) -> Any:
    """A module that may be missing.

    Raises:
        SystemExit: if it is, with what would mend it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"skipped: {error.name} is not installed; in an environment of its own: pip install {install}"
        ) from None


@torch.no_grad()
def report(draws: dict[str, Draw], package: str) -> None:
    """Print, as tables for `core.toml`, the sliced W2 of samplers on the two-dimensional mixture.

    Raises:
        RuntimeError: if a sampler calls the network more often than its budget allows.
    """
    torch.set_num_threads(1)
    for name, draw in draws.items():
        values = ", ".join(f"{nfe} = {_sliced_w2(draw, nfe):.4f}" for nfe in SAMPLER_NFE)
        print(f'name = "{name}"  # {package} {version(package)}\nvalue = {{{values}}}')


def _sliced_w2(draw: Draw, budget: int) -> float:
    problem, calls = mixture(2), 0

    def mean(x: Tensor, alpha: float, sigma: float) -> Tensor:
        nonlocal calls
        calls += 1
        return problem.law(x, Level(0.0, alpha, sigma, 0.0), Batch(x)).mean

    samples = draw(mean, problem.noise.flatten(0, 1), budget).reshape(problem.noise.shape)
    if calls > budget:
        raise RuntimeError(f"{calls} calls of the network, {budget} were allowed")
    return sliced_w2(samples, problem.reference, problem.directions).median().item()
