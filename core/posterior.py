"""What a denoiser says about x_0 given x_t: a belief, not a bare tensor.

    Mean        its expectation E[x_0 | x_t]: all that a Gaussian process needs (score, noise and velocity are linear in it)
    Categories  probabilities over an alphabet for every entry; with real `values` it has a mean too, so quantised data can be
                denoised by a network that knows its levels, and decoded exactly
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Categories", "Mean", "Posterior"]


class Posterior(Protocol):
    """A belief about x_0 that has an expectation."""

    @property
    def mean(self) -> Tensor:
        """E[x_0 | x_t], shaped as the state."""


@dataclass(frozen=True, eq=False)
class Mean:
    """E[x_0 | x_t], shaped as the state (Tweedie: x_0 = (x_t + sigma^2 score) / alpha)."""

    mean: Tensor


@dataclass(frozen=True, eq=False)
class Categories:
    """Independent probabilities softmax(logits) over real `values`: logits (B, ..., K), values (K,)."""

    logits: Tensor
    values: Tensor

    @cached_property
    def mean(self) -> Tensor:
        """sum_k p_k values_k, shaped as the state."""
        return torch.softmax(self.logits, -1) @ self.values
