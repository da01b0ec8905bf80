"""flow_matching's ODE solver on its conditional-OT path: `python -m
unnoise.benchmarks.peers.flow_matching`.

x_t = t x_1 + (1 - t) x_0 with noise x_0, so the velocity is (mean - x) / (1 - t): the walk stops
just before t = 1, and needs no last denoise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.benchmarks.peers.common import Draw, Mean, library, report

__all__ = ["main"]

END = 1 - 1e-5


def sampler(method: str, calls: int) -> Draw:
    """A fixed-step method that evaluates the velocity so often a step."""
    solver = library("flow_matching.solver", "flow_matching").ODESolver

    def draw(mean: Mean, noise: Tensor, budget: int) -> Tensor:
        def velocity(x: Tensor, t: Tensor) -> Tensor:
            return (mean(x, float(t), 1 - float(t)) - x) / (1 - float(t))

        times = torch.linspace(0, END, budget // calls + 1)
        walk = solver(velocity_model=velocity)
        end: Tensor = walk.sample(x_init=noise, step_size=None, method=method, time_grid=times)
        return end

    return draw


def main() -> None:
    """Print the figures."""
    report(
        {
            "flow_matching, conditional-OT path, RK4": sampler("rk4", 4),
            "flow_matching / torchcfm, midpoint": sampler("midpoint", 2),
        },
        "flow_matching",
    )


if __name__ == "__main__":
    main()
