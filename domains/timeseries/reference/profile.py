r"""The seasonal profile: the mean level of each channel as a function of the phase in known periods.

    f_c(t) = sum_j beta_cj phi_j(t),   phi: 1, cos and sin of 2 pi h t / p for harmonics h of each period p

If one period is a multiple of another, as the week is of the day, the products of their waves are
features too: an hour of a Sunday isn't one of a Monday. The coefficients are those of ridge
regression on the known entries,

    beta_c = (sum phi phi' + n lambda diag(0, 1, ..., 1))^-1 sum phi y_c

which has a channel's own pattern of known entries, and leaves the constant free. Series drift, so a
few dozen weeks may show a weekly pattern that isn't there; lambda is the one that best predicts each
fifth of the data from the others. Phases are counted from the clock's origin: times of training and
of use must have the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Profile", "fit_profile"]

HARMONICS = 6  # of a day: details of four hours
TOGETHER = 3  # harmonics of each of two periods whose products are features
CHUNK = 2**16  # times whose features are made at once
FOLDS = 5
RIDGES = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 1e3)  # from as good as free to as good as none


class Profile(nn.Module):
    """f(t) = phi(t) beta.

    Args:
        frequencies: of the waves, in cycles per unit of time, (J,): each has a cosine and a sine.
        beta: (1 + 2 J, C): the constant's, the cosines', the sines'.

    Raises:
        ValueError: if shapes don't fit.
    """

    frequencies: Tensor
    beta: Tensor

    def __init__(self, frequencies: Tensor, beta: Tensor) -> None:
        super().__init__()
        if beta.ndim != 2 or len(beta) != 1 + 2 * len(frequencies):
            raise ValueError(
                f"Profile: {len(frequencies)} frequencies need beta ({1 + 2 * len(frequencies)}, C), "
                f"got {tuple(beta.shape)}"
            )
        self.register_buffer("frequencies", frequencies.double())
        self.register_buffer("beta", beta.double())

    @staticmethod
    def none(channels: int) -> Profile:
        """That of data without periods: zero everywhere."""
        return Profile(torch.zeros(0), torch.zeros(1, channels))

    def forward(self, times: Tensor) -> Tensor:
        """The profile at times (...), (..., C), in float64."""
        return features(times, self.frequencies) @ self.beta


@torch.no_grad()
def fit_profile(
    values: Tensor,
    mask: Tensor,
    times: Tensor,
    periods: Sequence[float],
    resolution: float = 1.0,
    ridge: float | None = None,
) -> Profile:
    """The profile of training data.

    Args:
        values: (B, T, C), rows in the order of time.
        mask: where they are known, (B, T, C).
        times: (B, T), in units since the clock's origin; where nothing is known they are not read.
        periods: in units of the times; none: the profile is a constant.
        resolution: the usual gap between times: no wave is faster than two of them.
        ridge: lambda, positive, against the mean square 1/2 of a wave. None: the best of `RIDGES`.

    Raises:
        ValueError: if a period is not positive, or a channel has no known value.
    """
    omega = waves(periods, resolution).to(values.device)
    values, mask, times = values.flatten(0, 1).double(), mask.flatten(0, 1), times.flatten()
    counts = mask.sum(0)
    if (counts == 0).any():
        channel = (counts == 0).nonzero()[0].item()
        raise ValueError(
            f"fit_profile: channel {channel} has no known value in the training data; leave it out"
        )
    folds = [
        Normal.of(y, known, t, omega)
        for y, known, t in zip(*(x.chunk(FOLDS) for x in (values, mask, times)), strict=True)
    ]
    whole = Normal(*(torch.stack(x).sum(0) for x in zip(*map(Normal.parts, folds), strict=True)))
    if ridge is None:
        ridge = min(RIDGES, key=lambda one: sum(f.loss(whole.less(f).beta(one)) for f in folds))
    return Profile(omega, whole.beta(ridge).T)


@dataclass(frozen=True, eq=False)
class Normal:
    """The normal equations of C regressions: sum phi phi' (C, J, J), sum phi y (C, J), and the
    numbers of entries (C,)."""

    gram: Tensor
    moment: Tensor
    count: Tensor

    @staticmethod
    def of(values: Tensor, mask: Tensor, times: Tensor, frequencies: Tensor) -> Normal:
        """Those of values (N, C) that are known, at times (N,)."""
        channels, size = values.shape[1], 1 + 2 * len(frequencies)
        gram, moment = values.new_zeros(channels, size, size), values.new_zeros(channels, size)
        for y, known, t in zip(*(x.split(CHUNK) for x in (values, mask, times)), strict=True):
            phi = features(torch.where(known.any(1), t, 0.0), frequencies)
            for c in range(channels):
                rows = known[:, c]
                gram[c] += phi[rows].T @ phi[rows]
                moment[c] += phi[rows].T @ y[rows, c]
        return Normal(gram, moment, mask.sum(0).double())

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.gram, self.moment, self.count

    def less(self, other: Normal) -> Normal:
        """Those without the entries of `other`."""
        return Normal(*(a - b for a, b in zip(self.parts(), other.parts(), strict=True)))

    def beta(self, ridge: float) -> Tensor:
        """The coefficients, (C, J)."""
        penalty = torch.full_like(self.moment[0], ridge)
        penalty[0] = 1e-14  # the constant is free, and zero where a channel has no entry
        count = self.count.clamp(min=1)
        solution: Tensor = torch.linalg.solve(
            self.gram + torch.diag_embed(count[:, None] * penalty), self.moment
        )
        return solution

    def loss(self, beta: Tensor) -> float:
        """The sum of squared errors of coefficients (C, J), less that of zeros."""
        fit = torch.einsum("ci,cij,cj->", beta, self.gram, beta)
        return (fit - 2 * (beta * self.moment).sum()).item()


def waves(periods: Sequence[float], resolution: float) -> Tensor:
    """The frequencies of a profile's features, (J,), increasing and each once.

    A product of waves of two periods is a pair of waves at the sum and at the difference of their
    frequencies.

    Raises:
        ValueError: if a period is not positive and finite.
    """
    for period in periods:
        if not 0 < period < math.inf:
            raise ValueError(f"Profile: a period must be positive and finite, got {period}")
    found = [h / p for p in periods for h in range(1, HARMONICS + 1)]
    for short in periods:
        for long in periods:
            if is_multiple(long, short):
                pairs = [
                    (h / short, k / long)
                    for h in range(1, TOGETHER + 1)
                    for k in range(1, TOGETHER + 1)
                ]
                found += [f + sign * g for f, g in pairs for sign in (-1, 1)]
    slow = sorted(f for f in found if 0 < f < 0.5 / resolution * (1 + 1e-9))
    apart = [f for f, last in zip(slow, [0.0, *slow], strict=False) if f > last * (1 + 1e-9)]
    return torch.tensor(apart, dtype=torch.float64)


def is_multiple(long: float, short: float) -> bool:
    """Whether a period is a whole number of shorter ones, at least two."""
    ratio = long / short
    return ratio > 1.5 and abs(ratio - round(ratio)) < 1e-9 * ratio


def features(times: Tensor, frequencies: Tensor) -> Tensor:
    """phi at times (...), (..., 1 + 2 J) in float64."""
    # whole cycles are dropped while they are exact: stamps may be large
    angle = 2 * math.pi * (times.double()[..., None] * frequencies).remainder(1.0)
    return torch.cat([torch.ones_like(angle.sum(-1, keepdim=True)), angle.cos(), angle.sin()], -1)
