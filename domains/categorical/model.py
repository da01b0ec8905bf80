"""Models of codes: a network that names the odds of every level, read by Bayes' rule, under the
absorbing noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Elbo, MaskedColumns, Objective
from unnoise.core.process import Jump
from unnoise.core.rates import Rates, Refresh
from unnoise.core.reading import Bayes, CodeDenoiser
from unnoise.core.schedule import Rectified
from unnoise.core.transform import Codes
from unnoise.domains.categorical.problem import Problem

__all__ = ["absorbing_model", "jump_model"]

Network = Callable[[int, int, int], nn.Module]  # columns, states, odds a column


def absorbing_model(problem: Problem, network: Network) -> Model:
    """A masked diffusion of a problem's rows: the share kept falls linearly from all to nothing, so
    that the prior is all masks and the bound has two terms less; trained on the bound with the time
    integrated out."""
    return jump_model(
        problem, Refresh.absorbing(problem.sizes), network, objective=MaskedColumns()
    )


def jump_model(
    problem: Problem,
    rates: Rates,
    network: Network,
    window: tuple[float, float] = (math.inf, -math.inf),
    objective: Objective | None = None,
) -> Model:
    """A model under any rates.

    Args:
        problem: whose rows are modelled.
        rates: of its columns.
        network: makes one of (columns, states, odds a column).
        window: log-SNR at the data and at the noise; rates that don't absorb want it finite.
        objective: of the training; None: the bound's integral.
    """
    net = network(problem.columns, rates.states, rates.levels)
    denoiser: Denoiser[Any] = CodeDenoiser(net, Bayes(rates))
    shape = tuple(problem.train.shape[1:])
    process = Jump(Rectified(*window), rates)
    return Model(process, denoiser, shape, Codes(), objective or Denoising(Elbo()))
