"""What a likelihood estimate is: never a bare number of bits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor

__all__ = ["Kind", "LikelihoodResult", "Summary"]


class Kind(StrEnum):
    """What an estimate of log p promises."""

    EXACT = "exact"
    LOWER_BOUND = "lower bound"
    ESTIMATE = "estimate"


@dataclass(frozen=True)
class Summary:
    """A mean over a data set with its standard error, in one unit."""

    value: float
    stderr: float
    unit: str


@dataclass(frozen=True, eq=False)
class LikelihoodResult:
    """log p(x) of every item in nats of the user's data.

    Attributes:
        nats: log density or log probability of each item, (B,).
        dims: entries of each item that exist, (B,).
        kind: what `nats` promises: exact up to rounding and step size, a lower bound in
            expectation, or an estimate without a side.
        stderr: standard error of each item's Monte-Carlo estimate, (B,); 0 where nothing is
            random.
        nfe: network evaluations spent on each item (a full Jacobian trace of d entries counts as
            d).
    """

    nats: Tensor
    dims: Tensor
    kind: Kind
    stderr: Tensor
    nfe: int

    def bits_per_dim(self) -> Summary:
        """-log2 p(x) / dims, averaged over the items; a lower bound on nats is an upper bound
        here."""
        bit = self.dims * math.log(2)
        return _summary(-self.nats / bit, self.stderr / bit, "bits/dim")

    def pooled_bits_per_dim(self) -> Summary:
        """All bits over all dimensions, for items of unequal size; the error is that of the choice of
        items."""
        cost, dims = -self.nats.double() / math.log(2), self.dims.double()
        mean = cost.sum() / dims.sum()
        error = (cost - mean * dims).std() * len(cost) ** 0.5 / dims.sum()
        return Summary(mean.item(), error.item(), "bits/dim")

    def mean_nats(self) -> Summary:
        """log p(x) averaged over the items."""
        return _summary(self.nats, self.stderr, "nats")

    def shifted(self, nats_per_dim: float) -> LikelihoodResult:
        """The result in other units: log p + dims x nats_per_dim."""
        return (
            self if nats_per_dim == 0 else replace(self, nats=self.nats + self.dims * nats_per_dim)
        )

    def to(self, device: torch.device | str) -> LikelihoodResult:
        """The result on another device."""
        nats, dims, stderr = (v.to(device) for v in (self.nats, self.dims, self.stderr))
        return replace(self, nats=nats, dims=dims, stderr=stderr)

    @staticmethod
    def cat(results: list[LikelihoodResult]) -> LikelihoodResult:
        """The results of consecutive batches as one."""
        first = results[0]
        nats, dims, stderr = (
            torch.cat(parts)
            for parts in zip(*((r.nats, r.dims, r.stderr) for r in results), strict=True)
        )
        return replace(first, nats=nats, dims=dims, stderr=stderr)


def _summary(items: Tensor, stderr: Tensor, unit: str) -> Summary:
    # the spread over items holds the Monte-Carlo error too: each item's estimate is an
    # independent draw
    n = len(items)
    spread = items.std().item() / math.sqrt(n) if n > 1 else stderr.item()
    return Summary(items.mean().item(), spread, unit)
