r"""Traces of Jacobians, by reverse mode: with J = df/dx, a product u' J costs about one evaluation.

    exact        sum_i e_i' J e_i
    Hutchinson   u' J u, u Rademacher: unbiased, variance 2 (|S|^2 - sum S_ii^2), S = (J + J') / 2
    Hutch++      tr(Q' J Q) + mean of g' P J P g, P = I - Q Q', Q an orthonormal basis of the range of
                 J' on a few probes (Meyer et al. 2021): what J has of low rank is exact

A call takes `chunk` rows through the network's graph, directions times states. Of a large batch that
is one direction, by a plain backward pass, which any network has; of a small one several, in one
batched pass. Both were faster than forward mode in all forms (`python -m
unnoise.benchmarks.overhead`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from unnoise.core.random import Generator, normal, uniform

__all__ = ["ExactTrace", "HutchPlusPlus", "Hutchinson", "Trace"]

Field = Callable[[Tensor], Tensor]  # acts on each row alone


class Trace(ABC):
    """The trace of a field's Jacobian."""

    @abstractmethod
    def probes(self, x: Tensor, generator: Generator) -> Tensor | None:
        """Random directions (n, B, ...), drawn once a trajectory; None: none are needed."""

    @abstractmethod
    def __call__(self, f: Field, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        """f(x), and estimates of the trace of df/dx, (n, B): independent given what they share (n
        = 1 if exact)."""

    @abstractmethod
    def evaluations(self, dims: int) -> int:
        """What one call costs, in network evaluations."""


@dataclass(frozen=True)
class ExactTrace(Trace):
    """sum_i e_i' J e_i: the cost of as many evaluations as a state has entries.

    Attributes:
        chunk: rows in one call, at least one direction's; memory is linear in it.

    Raises:
        ValueError: if it is less than 1.
    """

    chunk: int = 256

    def __post_init__(self) -> None:
        require_positive("ExactTrace", chunk=self.chunk)

    def probes(self, x: Tensor, generator: Generator) -> None:
        return None

    def __call__(self, f: Field, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        y, pull = pullback(f, x, self.chunk)
        dims = x[0].numel()
        size = at_a_time(self.chunk, len(x), dims)
        u = torch.zeros(size, len(x), dims, dtype=x.dtype, device=x.device)
        trace = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for start in range(0, dims, size):
            part = u[: dims - start]
            ones = part[..., start : start + size].diagonal(dim1=0, dim2=2)  # e_i in every row
            ones.fill_(1)
            rows = pull(part.reshape(-1, *x.shape)).reshape(part.shape)
            trace += rows[..., start : start + size].diagonal(dim1=0, dim2=2).sum(1)
            ones.fill_(0)
        return y, trace[None]

    def evaluations(self, dims: int) -> int:
        return dims


@dataclass(frozen=True)
class Hutchinson(Trace):
    """u' J u for n Rademacher probes u; exact for diagonal Jacobians.

    Costs 1 + n evaluations, `chunk` rows in one call.

    Raises:
        ValueError: if n or chunk is less than 1.
    """

    n: int = 1
    chunk: int = 256

    def __post_init__(self) -> None:
        require_positive("Hutchinson", n=self.n, chunk=self.chunk)

    def probes(self, x: Tensor, generator: Generator) -> Tensor:
        return rademacher(self.n, x, generator)

    def __call__(self, f: Field, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        assert probes is not None
        y, pull = pullback(f, x, self.chunk)
        return y, (pull(probes) * probes).reshape(len(probes), len(x), -1).sum(2)

    def evaluations(self, dims: int) -> int:
        return 1 + self.n


@dataclass(frozen=True)
class HutchPlusPlus(Trace):
    """tr(Q' J Q) + g' P J P g for n / 3 probes g: a third of the n products finds Q, a third is
    spent on it, a third on the rest. Exact for rank up to n / 3 (Meyer et al. 2021, algorithm 1).
    It pays where few directions hold the trace; elsewhere `Hutchinson` has as many probes for it.
    Q's probes are Gaussian, since a few signs may be parallel; g's are Rademacher.

    Costs 1 + n evaluations, `chunk` rows in one call.

    Raises:
        ValueError: if n isn't a positive multiple of three, or chunk is less than 1.
    """

    n: int = 6
    chunk: int = 256

    def __post_init__(self) -> None:
        require_positive("HutchPlusPlus", n=self.n, chunk=self.chunk)
        if self.n % 3:
            raise ValueError(
                f"HutchPlusPlus: n must be a positive multiple of 3 (thirds of the products), got {self.n}"
            )

    def probes(self, x: Tensor, generator: Generator) -> Tensor:
        third = self.n // 3
        sketch = normal(x.new_empty(len(x), third, *x.shape[1:]), generator).transpose(0, 1)
        return torch.cat([sketch, rademacher(third, x, generator)])

    def __call__(self, f: Field, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
        assert probes is not None
        y, pull = pullback(f, x, self.chunk)
        sketch, g = (p.reshape(len(p), len(x), -1) for p in probes.chunk(2))

        def product(u: Tensor) -> Tensor:
            """J' on directions (m, B, d)."""
            return pull(u.reshape(-1, *x.shape)).reshape(u.shape)

        columns = product(sketch).permute(1, 2, 0)
        q = torch.linalg.qr(columns).Q.permute(2, 0, 1)  # (m, B, d), orthonormal in every row
        found = (product(q) * q).sum((0, 2))
        rest = g - torch.einsum("mbd,mbe,nbe->nbd", q, q, g)
        return y, found + (product(rest) * rest).sum(2)

    def evaluations(self, dims: int) -> int:
        return 1 + self.n


def rademacher(n: int, x: Tensor, generator: Generator) -> Tensor:
    """Signs (n, B, ...), each row's from its own part of the stream."""
    u = uniform((len(x), n, *x.shape[1:]), x, generator).transpose(0, 1)
    return (u < 0.5).to(x.dtype) * 2 - 1


def pullback(f: Field, x: Tensor, chunk: int) -> tuple[Tensor, Field]:
    """f(x), and the map from directions u (n, B, ...) to u' df/dx (n, B, ...), `chunk` rows in one
    call."""
    size = at_a_time(chunk, len(x), x[0].numel())
    with torch.enable_grad(), nullcontext() if size == 1 else sdpa_kernel(SDPBackend.MATH):
        x = x.detach().requires_grad_()  # fused attention has no batched gradient
        y = f(x)

    def pull(u: Tensor) -> Tensor:
        parts = u.to(y.dtype).split(size)
        return torch.cat([products(p) for p in parts]) if len(parts) > 1 else products(parts[0])

    def products(u: Tensor) -> Tensor:
        if len(u) == 1:
            (row,) = torch.autograd.grad(y, x, u[0], retain_graph=True)
            return row[None]
        (rows,) = torch.autograd.grad(y, x, u, retain_graph=True, is_grads_batched=True)
        return rows

    return y.detach(), pull


def at_a_time(chunk: int, rows: int, dims: int) -> int:
    """Directions in one call."""
    return min(max(1, chunk // rows), dims)


def require_positive(name: str, **numbers: int) -> None:
    """Refuse numbers below 1.

    Raises:
        ValueError: if there is one.
    """
    for what, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}: {what} must be at least 1, got {number}")
