r"""A question: what is the law of these entries of a series, given those?

The state of the diffusion is the targets alone; what is given is a condition. The reference, a Gaussian process
that knows the correlations in time and between channels, answers first, with N(m, s^2) for each entry, and the
diffusion is of what it leaves over,

    r = (x - m) / s,     log p(x) = log p(r) - sum log s

so a network that says nothing yet answers as the Gaussian process does, and what is learned is where that is
wrong. Residuals have about unit variance however much is given, and a sample can't be further off than noise of
that size: no scale has to be clipped.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unnoise.core.batch import Batch

__all__ = [
    "CONTEXT",
    "GIVEN",
    "KNOWN",
    "MEAN",
    "SPREAD",
    "STATIC",
    "VALUE",
    "Answers",
    "answered",
    "asked",
    "times",
    "wanted",
]

VALUE, GIVEN, MEAN, SPREAD = "value", "given", "mean", "spread"  # (B, T, C) each
KNOWN, STATIC = "known", "static"  # (B, T, F), (B, S)
CONTEXT = "context"  # features that a network made of the question, (B, L, W)

# (values, given, times, points that exist) -> mean and standard deviation of every entry, (B, T, C) each
Answers = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def asked(batch: Batch, given: Tensor, reference: Answers) -> Batch:
    """The question of a batch of series.

    Args:
        batch: values (B, T, C), the mask of those that are known or wanted, times in coords, covariates in cond.
        given: which entries are given, (B, T, C).
        reference: what answers first.

    Returns:
        Residuals of the targets, which are the mask less what is given, and zeros elsewhere; the conditions that
        networks read.
    """
    x, t = batch.x, times(batch)
    matters = torch.ones_like(given) if batch.mask is None else batch.mask.expand_as(x)
    wanted, exists = matters & ~given, (matters | given).any(2)
    mean, std = reference(torch.where(given, x, 0.0).double(), given, t, exists)
    r = torch.where(wanted, (x - mean) / std, 0.0).to(x.dtype)
    cond = {
        VALUE: torch.where(given, x, 0.0),
        GIVEN: given.to(x.dtype),
        MEAN: mean.to(x.dtype),
        SPREAD: std.log().to(x.dtype),
    }
    covariates = {k: batch.cond[k] for k in (KNOWN, STATIC) if k in batch.cond}
    return Batch(r, wanted, coords=t, cond=cond | covariates)


def answered(r: Tensor, question: Batch) -> Tensor:
    """Values of residuals, and what is given in its place: (B, T, C)."""
    cond = question.cond
    x = cond[MEAN] + cond[SPREAD].exp() * r
    return torch.where(cond[GIVEN].bool(), cond[VALUE], x)


def wanted(question: Batch) -> Tensor:
    """Which entries are targets, (B, T, C)."""
    if question.mask is None:
        return torch.ones_like(question.x, dtype=torch.bool)
    return question.mask.expand_as(question.x)


def times(batch: Batch) -> Tensor:
    """The times of a batch, (B, T) in float64.

    Raises:
        ValueError: if it has none.
    """
    if batch.coords is None:
        raise ValueError("a series has its times in Batch.coords, (B, T); this batch has none")
    return batch.coords.double()
