r"""Adaptive Runge–Kutta on the probability flow: as many evaluations as a tolerance asks for.

Dormand & Prince's pair of orders 5 and 4 in the time of the path. The error of a step is that of
the worst row, each row's a root mean square in units of (tolerance x the state's own scale), so a
step that is right for a batch is right for each of its members.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from unnoise.core.operator import combine
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.sampler.solver import Draw, Mean
from unnoise.core.sampler.walk import Angle, Callback, Path, Walk

__all__ = ["Adaptive"]

_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
_ERROR = tuple(a - b for a, b in zip((*_STAGES[6], 0.0), _FOURTH, strict=True))


@dataclass(frozen=True)
class Adaptive(Walk):
    """The flow to a tolerance; six evaluations a step, and the rejected ones.

    Attributes:
        tolerance: of a step, relative to the state's scale (its root mean square, at least that
            of the noise).
        path: the schedule that is walked; None: that of the process.
        denoise: end with E[x_0 | x] at t = 0.
        max_steps: give up after so many.

    Raises:
        ValueError: if the tolerance isn't positive.
        RuntimeError: from a call, if `max_steps` don't suffice.
    """

    tolerance: float = 1e-4
    path: Path = field(default_factory=Angle)
    denoise: bool = True
    max_steps: int = 10_000

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ValueError(f"Adaptive: tolerance must be positive, got {self.tolerance}")

    def walk(
        self, process: LinearGaussian, mean: Mean, x: Tensor, draw: Draw, callback: Callback | None
    ) -> Tensor:
        t, h, first = 1.0, -0.05, None
        for k in range(self.max_steps):
            h = -min(-h, t)
            stages, end, error = self._attempt(process, mean, x, t, h, first)
            scale = (end.square() + x.square()).reshape(len(x), -1).mean(1).sqrt()
            worst = (error.reshape(len(x), -1).square().mean(1).sqrt() / scale).max().item()
            ratio = worst / self.tolerance
            if ratio <= 1:
                x, t, first = end, t + h, stages[-1]
                if callback is not None:
                    (level,) = process.schedule.levels(torch.tensor([max(t, 0.0)]))
                    callback(k, level, x)
                if t <= 1e-12:
                    return x
            else:
                first = stages[0]
            h *= min(5.0, max(0.2, 0.9 * max(ratio, 1e-10) ** -0.2))
        raise RuntimeError(
            f"Adaptive: {self.max_steps} steps of tolerance {self.tolerance} ended at t = {t:.3g}; "
            "raise the tolerance or max_steps, or walk another path"
        )

    def _attempt(
        self,
        process: LinearGaussian,
        mean: Mean,
        x: Tensor,
        t: float,
        h: float,
        first: Tensor | None,
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """The slopes at the stages, the state at the end, and the error estimate; the last slope
        of one step is the first of the next."""
        times = torch.tensor([t + c * h for c in _NODES], dtype=torch.float64).clamp(0, 1)
        levels = process.schedule.levels(times)
        stages: list[Tensor] = []
        end = x
        for level, (p, q), weights in zip(levels, process.slopes(levels), _STAGES, strict=True):
            end = _along(x, h, weights, stages)
            if not stages and first is not None:
                stages.append(first)
            else:
                stages.append(combine(p, end, q, mean(end, level)))
        return stages, end, _along(torch.zeros_like(x), h, _ERROR, stages)


def _along(x: Tensor, h: float, weights: tuple[float, ...], stages: list[Tensor]) -> Tensor:
    out = x.clone()
    for w, slope in zip(weights, stages, strict=True):
        if w != 0:
            out.add_(slope, alpha=h * w)
    return out
