r"""Answers to a question that is asked again and again: windows of a regular grid with the same entries given.

The mean of a Gaussian given others is linear in these, and its variance doesn't depend on them,

    E[x | y] = A y,     Var[x | y] = const

so for one pattern of gaps and given entries the smoother is run once, on the columns of the identity, and every
batch after that is one product of matrices. Forecasting asks such questions only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.domains.timeseries.reference.conditioning import Conditioning

__all__ = ["LinearMap", "Maps"]

ENTRIES = 2_048  # of a window, at most: A has their square
KEPT = 8


@dataclass(frozen=True, eq=False)
class LinearMap:
    """Mean A y (n, n) of all n = T C entries, and their variance (n,)."""

    A: Tensor
    variance: Tensor

    @staticmethod
    def of(condition: Callable[[], Conditioning], like: Tensor) -> LinearMap:
        """Of what conditions one row of values (B, T, C)."""
        one = condition()
        n = like[0].numel()
        eye = torch.eye(n, dtype=torch.float64, device=like.device)
        columns = eye.reshape(1, *like.shape[1:], n)
        smoother = one.gains.smoother()
        return LinearMap(
            one.mean(columns, smoother).reshape(n, n),
            one.law(torch.zeros_like(like[:1]))[1].reshape(n),
        )

    def law(self, values: Tensor) -> Tensor:
        """E[H z | y] and Var[H z | y] of values (B, T, C): (2, B, T, C)."""
        mean = (values.flatten(1) @ self.A.T).reshape(values.shape)
        return torch.stack([mean, self.variance.reshape(values.shape[1:]).expand_as(mean)])


class Maps:
    """The latest maps, by device and pattern. Copies and pickles start empty."""

    def __init__(self) -> None:
        self.kept: OrderedDict[tuple[torch.device, bytes], LinearMap] = OrderedDict()

    def __call__(
        self, make: Callable[[], LinearMap], device: torch.device, *pattern: Tensor
    ) -> LinearMap:
        """That of a pattern on a device, made if it isn't there: whatever else it depends on must be in the
        pattern."""
        key = device, b"".join(v.contiguous().cpu().numpy().tobytes() for v in pattern)
        found = self.kept.pop(key, None)
        self.kept[key] = make() if found is None else found
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return self.kept[key]

    def __reduce__(self) -> tuple[type[Maps], tuple[()]]:
        return type(self), ()
