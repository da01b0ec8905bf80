"""What a denoiser says about x_0 given x_t: a belief, not a bare tensor.

- `Mean`: its expectation E[x_0 | x_t], all that a Gaussian process needs, for score, noise and
  velocity are linear in it.
- `Levels`: probabilities of each level of quantised data for every entry; it has a mean, and
  decodes exactly.
- `Categories`: probabilities p(x_0 | x_t) of each level of every column of codes.
- `Ratios`: p_t(y) / p_t(x) of the states that differ from x_t in one column, the score of a jump
  process.
- `Parts`: one belief a part of mixed data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

__all__ = ["Categories", "Levels", "Mean", "Parts", "Posterior", "Ratios"]


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
class Levels:
    """Independent probabilities softmax(query key') of the levels `values`: query (B, ..., E), key
    (K, E), values (K,).

    The mean is an attention of entries onto levels, so a fused kernel computes it without ever
    holding B x ... x K numbers; it runs in the query's own precision, whatever autocast says,
    since the evidence in the query needs it.
    """

    query: Tensor
    key: Tensor
    values: Tensor

    @property
    def logits(self) -> Tensor:
        """(B, ..., K)."""
        with torch.autocast(self.query.device.type, enabled=False):
            return self.query @ self.key.T

    @cached_property
    def mean(self) -> Tensor:
        """sum_k p_k values_k, shaped as the state."""
        width = self.query.shape[-1]
        q = self.query.reshape(1, 1, -1, width)
        v = pad(self.values[:, None].to(q.dtype), (0, width - 1))
        with torch.autocast(q.device.type, enabled=False):
            out = scaled_dot_product_attention(q, self.key[None, None], v[None, None], scale=1.0)
        return out[..., 0].reshape(self.query.shape[:-1])


@dataclass(frozen=True, eq=False)
class Categories:
    """p(x_0 = k | x_t) ~ exp(logits) of every column, (B, ..., K); -inf where a column lacks a
    level."""

    logits: Tensor


@dataclass(frozen=True, eq=False)
class Ratios:
    """log p_t(x with x_d := y) / p_t(x), (B, ..., N); 0 at y = x_d.

    The same up to a constant as log p_t(y | the other columns), which is what SDDM's networks
    name (Sun et al. 2023); SEDD's name the ratio itself (Lou et al. 2024).
    """

    log_ratio: Tensor


@dataclass(frozen=True, eq=False)
class Parts:
    """A belief about every part of a state of mixed data, by name."""

    parts: Mapping[str, Mean | Levels | Categories | Ratios]
