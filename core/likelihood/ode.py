r"""Rules for an ODE dy/dt = f(t, y) on a grid of times, with everything that depends on time known
beforehand: a rule names its nodes, and asks for slopes at node number k.

The state is a tuple, all of it walked alike: a point and the log density carried with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unnoise.core.quadrature import multistep

__all__ = ["AdamsMultistep", "Rule", "RungeKutta"]

State = tuple[Tensor, ...]
Slope = Callable[[int, State], State]  # f at node k


class Rule(ABC):
    """A way to walk a grid."""

    @abstractmethod
    def evaluations(self, steps: int) -> int:
        """Evaluations of that many steps."""

    @abstractmethod
    def nodes(self, times: Tensor) -> Tensor:
        """The times at which slopes are needed, in order, on a grid (K + 1,)."""

    @abstractmethod
    def __call__(self, f: Slope, y: State, times: Tensor) -> State:
        """y at the end of the grid."""


@dataclass(frozen=True)
class RungeKutta(Rule):
    """Kutta's fourth-order rule of four stages with nodes 0, 3/10, 6/10, 1.

    Every pair of inner nodes gives one fourth-order rule (Kutta 1901; Butcher 2016, section
    322). On log densities of mixtures in 2, 16 and 64 dimensions these two halve the error of the
    classical 1/2, 1/2.
    """

    def evaluations(self, steps: int) -> int:
        return 4 * steps

    def nodes(self, times: Tensor) -> Tensor:
        h = times.diff()
        return (times[:-1, None] + h[:, None] * times.new_tensor(_NODES)).flatten()

    def __call__(self, f: Slope, y: State, times: Tensor) -> State:
        for k, h in enumerate(times.diff().tolist()):
            slopes: list[State] = []
            for i, row in enumerate(_STAGES):
                slopes.append(f(4 * k + i, _moved(y, [h * a for a in row], slopes)))
            y = _moved(y, [h * b for b in _WEIGHTS], slopes)
        return y


# With nodes u, v and the conditions of order four; derived and checked in the tests.
_NODES = (0.0, 3 / 10, 6 / 10, 1.0)
_STAGES = ((), (3 / 10,), (-3 / 20, 3 / 4), (181 / 216, -245 / 216, 35 / 27))
_WEIGHTS = (7 / 54, 50 / 189, 25 / 54, 1 / 7)


@dataclass(frozen=True)
class AdamsMultistep(Rule):
    """Variable-step Adams–Bashforth: one evaluation a step. It starts with the orders that its
    memory allows, where the grid's steps should be small.

    Raises:
        ValueError: if the order isn't 1 to 4.
    """

    order: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 4:
            raise ValueError(f"AdamsMultistep: order must be 1 to 4, got {self.order}")

    def evaluations(self, steps: int) -> int:
        return steps

    def nodes(self, times: Tensor) -> Tensor:
        return times[:-1]

    def __call__(self, f: Slope, y: State, times: Tensor) -> State:
        slopes: list[State] = []
        for k, weights in enumerate(multistep(times.tolist(), self.order, np.ones_like)):
            slopes = [f(k, y), *slopes[: self.order - 1]]
            y = _moved(y, weights.tolist(), slopes)
        return y


def _moved(y: State, weights: Sequence[float], slopes: Sequence[State]) -> State:
    """y + sum_j weights_j slopes_j, in every part of the state."""
    out = []
    for i, part in enumerate(y):
        for w, slope in zip(weights, slopes, strict=True):
            part = torch.add(part, slope[i], alpha=w)
        out.append(part)
    return tuple(out)
