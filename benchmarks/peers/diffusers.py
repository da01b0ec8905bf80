"""diffusers' fast samplers on its own linear-beta process: `python -m
unnoise.benchmarks.peers.diffusers`.

A scheduler's `sigmas` are sigma / alpha, its states preserve variance, and its last step returns
the last prediction of x_0, so a budget is its number of steps.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unnoise.benchmarks.peers.common import Draw, Mean, library, report

__all__ = ["main"]


def sampler(name: str, **settings: Any) -> Draw:
    """A scheduler by its name, told E[x_0 | x] at every step."""
    kind = getattr(library("diffusers", "diffusers"), name)

    def draw(mean: Mean, noise: Tensor, budget: int) -> Tensor:
        scheduler = kind(prediction_type="sample", solver_order=2, **settings)
        scheduler.set_timesteps(budget)
        x = noise * scheduler.init_noise_sigma
        for t, ratio in zip(scheduler.timesteps, scheduler.sigmas.tolist(), strict=False):
            alpha = (1 + ratio**2) ** -0.5
            x = scheduler.step(mean(x, alpha, alpha * ratio), t, x).prev_sample
        end: Tensor = x
        return end

    return draw


def main() -> None:
    """Print the figures."""
    report(
        {
            "diffusers UniPC-2 (Karras)": sampler(
                "UniPCMultistepScheduler", use_karras_sigmas=True
            ),
            "diffusers DPM++ 2M (log-SNR)": sampler(
                "DPMSolverMultistepScheduler", use_lu_lambdas=True
            ),
        },
        "diffusers",
    )


if __name__ == "__main__":
    main()
