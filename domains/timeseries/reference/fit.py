r"""The reference of a data set, by maximum likelihood: expectation-maximisation for the covariances
(Shumway and Stoffer 1982), Newton's steps for the correlation times.

Given the data, each step's innovation $w_t = z_t - a_t z_{t-1}$ has a known second moment, and

    S_k = mean of E[w_t w_t' | y] / q_t,   R_c = mean of E[(y_c - H z)^2 | y]

are the covariances that make it most likely. A round never lowers the likelihood, but is a short
step where noise and process look alike: rounds are stretched along the geodesic of covariances for
as long as the likelihood rises (Salakhutdinov and Roweis 2003). In log tau the likelihood is nearly
a parabola, so three values of it find the next tau.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.domains.timeseries.reference.kalman import Smoother
from unnoise.domains.timeseries.reference.reference import Reference, gaps

__all__ = ["fit_reference"]

NOISE = 0.05  # the share of a variance that is noise, to begin with
APART = 3.0  # from fast to middle and from middle to slow
LEAST = 1e-6  # no noise below this share of a channel's variance, nor of the standardised 1
FLAT = 1e-8  # no axis of a covariance below this share of their mean
STEP = 0.2  # in log tau, between the values of the likelihood
GROWTH, LONGEST = 1.5, 8.0  # of the stretch, while the likelihood rises


@dataclass(frozen=True, eq=False)
class Windows:
    """Training windows: values and what is given of them (B, T, C), times and points that exist
    (B, T)."""

    values: Tensor
    given: Tensor
    times: Tensor
    exists: Tensor

    def log_prob(self, reference: Reference) -> float:
        """The log density a given entry, on average."""
        total = reference.log_prob(self.values, self.given, self.times, self.exists).sum()
        return (total / self.given.sum()).item()


@torch.no_grad()
def fit_reference(
    values: Tensor,
    mask: Tensor,
    times: Tensor,
    tau: Sequence[float] | None = None,
    rounds: int = 20,
    points: int = 8192,
    tolerance: float = 5e-4,
) -> Reference:
    """The most likely `Reference` of training windows.

    Args:
        values: standardised values, (B, T, C), without their seasonal profile.
        mask: where they are known, (B, T, C).
        times: (B, T); a point without any known value is taken for padding.
        tau: correlation times to begin with, one a component, in the units of the times; an
            infinite one stays, for a Brownian motion. None: a fast and a slow one about the
            correlation of neighbours.
        rounds: the most rounds.
        points: about how many points to use, of windows taken evenly.
        tolerance: the least gain of a round, in nats an entry; below it the fit ends.

    Raises:
        ValueError: if a channel has no known value.
    """
    every = max(1, math.ceil(mask.any(2).sum().item() / points))
    while every > 1 and not mask[::every].any(0).any(0).all():
        every = (every + 1) // 2  # some channel is seldom measured
    values, mask, times = values[::every].double(), mask[::every], times[::every]
    empty = (~mask.any(0).any(0)).nonzero()
    if len(empty):
        raise ValueError(
            f"fit_reference: channel {empty[0].item()} has no known value in the training windows; leave it out"
        )
    windows = Windows(torch.where(mask, values, 0.0), mask, times, mask.any(2))
    reference = start(windows, tau)
    score, stretch = windows.log_prob(reference), 1.0
    finite = reference.tau.isfinite().nonzero()[:, 0].tolist()
    for turn in range(rounds):
        before = score
        step = most_likely_covariances(reference, windows)
        reference = between(reference, step, stretch)
        score, stretch = windows.log_prob(reference), min(LONGEST, GROWTH * stretch)
        if score < before:
            reference, score, stretch = step, windows.log_prob(step), 1.0
        if finite:
            k = finite[turn % len(finite)]
            reference, score = most_likely_time(reference, windows, k, score)
        if score - before < tolerance and turn >= len(finite):
            break
    return reference


def start(windows: Windows, tau: Sequence[float] | None) -> Reference:
    """Moments: the covariance of the channels, or of increments, shared by the components."""
    gap, _ = gaps(windows.times, windows.exists)
    steps = gap[:, 1:, None]
    pairs = windows.given[:, 1:] & windows.given[:, :-1] & (steps > 0)
    now, last = windows.values[:, 1:], windows.values[:, :-1]
    level = covariance(windows.values, windows.given)
    if tau is None:
        adjacent = (now * last * pairs).sum() / ((now.square() + last.square()) * pairs / 2).sum()
        correlation = (adjacent / (1 - NOISE)).clamp(0.1, 0.99)
        middle = (gap[gap > 0].median() / -correlation.log()).item()
        tau = [middle / APART, middle * APART]
    scaled = (now - last) / torch.where(pairs, steps, 1.0).sqrt()
    increments = covariance(scaled, pairs)
    S = torch.stack([increments if math.isinf(t) else level for t in tau])
    R = NOISE * torch.minimum(S.diagonal(dim1=1, dim2=2).amin(0), level.diagonal())
    R = R.clamp(min=LEAST)
    return Reference(torch.tensor(tau), (1 - NOISE) / len(tau) * S, R)


def covariance(x: Tensor, known: Tensor) -> Tensor:
    """The covariance (C, C) of centred values over pairs that are known, made positive definite."""
    x, known = (x * known).flatten(0, 1), known.flatten(0, 1).double()
    return positive((x.T @ x) / (known.T @ known).clamp(min=1), 1e-3)


def positive(S: Tensor, least: float = FLAT) -> Tensor:
    """The nearest to S (..., C, C) that has no axis below `least` of their mean."""
    sizes, axes = torch.linalg.eigh((S + S.mT) / 2)
    floor = least * sizes.mean(-1, keepdim=True).clamp(min=LEAST)
    S = axes * torch.maximum(sizes, floor)[..., None, :] @ axes.mT
    return (S + S.mT) / 2


def between(old: Reference, new: Reference, stretch: float) -> Reference:
    """The point of the geodesic from `old`'s covariances (0) to `new`'s (1), and beyond: they stay
    positive definite."""
    root = torch.linalg.cholesky(old.S)
    half = torch.linalg.solve_triangular(root, new.S, upper=False)
    ratio = torch.linalg.solve_triangular(root, half.mT, upper=False)
    sizes, axes = torch.linalg.eigh((ratio + ratio.mT) / 2)
    axes = root @ axes
    S = axes * sizes.pow(stretch)[:, None] @ axes.mT
    return Reference(new.tau, positive(S), old.R * (new.R / old.R).pow(stretch))


def most_likely_time(
    reference: Reference, windows: Windows, k: int, score: float
) -> tuple[Reference, float]:
    """A Newton step of tau_k from a reference of that score, or to the best value tried; and the
    score reached."""

    def moved(by: float) -> Reference:
        factor = torch.ones_like(reference.tau)
        factor[k] = math.exp(by)
        return Reference(factor * reference.tau, reference.S, reference.R)

    low, high = (windows.log_prob(moved(by)) for by in (-STEP, STEP))
    slope, curvature = (high - low) / 2, 2 * score - low - high
    # where the vertex is far or a minimum, five steps upwards
    by = slope / max(curvature, abs(slope) / 5) * STEP if slope else 0.0
    tried = [(score, 0.0), (low, -STEP), (high, STEP), (windows.log_prob(moved(by)), by)]
    best, by = max(tried)
    return moved(by), best


def most_likely_covariances(reference: Reference, windows: Windows) -> Reference:
    """One round of expectation-maximisation."""
    gap, first = gaps(windows.times, windows.exists)
    S, moves = torch.zeros_like(reference.S), torch.zeros_like(reference.tau)
    R, entries = torch.zeros_like(reference.R), windows.given.sum((0, 1))
    for rows in reference.parts(windows.values):
        conditioning = reference.condition(windows.given[rows], gap[rows], first[rows])
        y = conditioning.fold(windows.values[rows, :, :, None])
        smoother = conditioning.gains.smoother()
        mean, variance = smoother.mean(y), smoother.variance()
        R += errors(smoother, y, mean, variance)
        second = innovations(smoother, mean, variance)
        for k in range(len(S)):
            block = slice(k * len(R), (k + 1) * len(R))
            q = conditioning.gains.chain.drive[:, :, block.start]
            moved = q > 0
            if reference.tau[k].isinf():
                moved[0] = False  # the first level of a Brownian motion is no increment of it
            weight = torch.where(moved, 1 / q, 0.0)[..., None, None]
            S[k] += (weight * second[:, :, block, block]).sum((0, 1))
            moves[k] += y.shape[3] * moved.sum()
    S, R = S / moves[:, None, None], R / entries
    least = LEAST * S.diagonal(dim1=1, dim2=2).sum(0).clamp(min=1.0)
    return Reference(reference.tau, positive(S), torch.maximum(R, least))


def errors(smoother: Smoother, y: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """The sum of E[(y - H z)^2 | y] over the given entries of each channel, (C,), of the smoothed
    law of z."""
    given, chain = smoother.gains.given, smoother.gains.chain
    bias = (y - chain.observe(mean, 2)).square().sum(3)
    spread = chain.observe(chain.observe(variance, 2), 3).diagonal(dim1=2, dim2=3)
    return torch.where(given, bias + y.shape[3] * spread, 0.0).sum((0, 1))


def innovations(smoother: Smoother, mean: Tensor, variance: Tensor) -> Tensor:
    """E[w w' | y] of each step's w = z_t - a z_{t-1}, summed over columns: (T, B, D, D)."""
    a = smoother.gains.chain.decay[1:, :, :, None]
    w = torch.cat([mean[:1], mean[1:] - a * mean[:-1]])
    lagged = a * torch.stack(smoother.back).mT @ variance[1:]  # a Cov(z_{t-1}, z_t)
    spread = variance[1:] + a * variance[:-1] * a.mT - lagged - lagged.mT
    return w @ w.mT + mean.shape[3] * torch.cat([variance[:1], spread])
