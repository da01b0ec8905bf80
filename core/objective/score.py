r"""Score matching without the data that made the noisy state: Hyvärinen's divergence.

For $x_t = A x_0 + R z$ a belief's mean m(x_t) sees the noise $\hat z = R^{-1} (x_t - A m)$. By
Stein's lemma, $E[z' \hat z] = E\, tr(1 - A\, dm/dx_t)$, the rate of denoising is in the mean

    E 1/2 |R^-1 A (x_0 - m)|^2 = E[ (|z_hat|^2 - d) / 2 + div(A m) ]

whose right side knows x_t alone. In terms of the score, for white noise, it is $\sigma^2 E[|s|^2 /
2 + div\, s] + d / 2$ (Hyvärinen 2005): the loss of denoising, its constant included, so weights and
times mean the same. It costs a derivative of the network and is right only if x_t really is what it
says, marginally; denoising needs neither. It is there to be compared with, and to check the other.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.likelihood.trace import rademacher
from unnoise.core.objective.denoising import Weighted
from unnoise.core.objective.weight import Weight
from unnoise.core.process import Process
from unnoise.core.process.linear import LinearGaussian
from unnoise.core.random import Generator
from unnoise.core.schedule import Level
from unnoise.core.times import Times

__all__ = ["ImplicitScoreMatching", "SlicedScoreMatching"]


class _Divergence(Weighted):
    """(|z_hat|^2 - d) / 2 + div(A m), its divergence along some directions."""

    @abstractmethod
    def directions(self, x_t: Tensor, generator: Generator) -> Tensor:
        """v (n, B, ...) with the sum of v v' over n the identity, in the mean."""

    def rate(
        self,
        process: Process[Any],
        denoiser: Denoiser[Any],
        x_t: Tensor,
        level: Level,
        batch: Batch,
        generator: Generator,
    ) -> Tensor:
        if not isinstance(process, LinearGaussian):
            raise TypeError(
                f"{type(self).__name__}: needs a linear Gaussian process, got {type(process).__name__}; take Denoising()"
            )
        v = self.directions(x_t, generator)
        learns = torch.is_grad_enabled()
        # fused attention has no second derivative
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            x_t = x_t.detach().requires_grad_()
            mean = denoiser(x_t, level, batch).mean
            mean = mean if batch.mask is None else mean * batch.mask
            signal = process.marginal(mean, level, batch).mean
            total = torch.zeros_like(x_t)
            for u in v:  # in turn: batched, some layers (group norm) have no second derivative
                (along,) = torch.autograd.grad(
                    signal, x_t, u, create_graph=learns, retain_graph=True
                )
                total = total + along * u
        excess = process.excess(mean, x_t.detach(), level, batch)
        return excess + total.reshape(len(x_t), -1).sum(1)


class ImplicitScoreMatching(_Divergence):
    """The exact divergence: one product with the Jacobian an entry of the state (Hyvärinen
    2005)."""

    def directions(self, x_t: Tensor, generator: Generator) -> Tensor:
        flat = x_t.reshape(len(x_t), -1)
        basis = torch.eye(flat.shape[1], dtype=x_t.dtype, device=x_t.device)
        return basis[:, None, :].expand(-1, *flat.shape).reshape(-1, *x_t.shape)


class SlicedScoreMatching(_Divergence):
    """The divergence along random slices, v' (ds/dx) v, with |s|^2 in full: the variance reduction
    of Song et al. 2019, eq. 8.

    The slices are Rademacher's: with S the symmetric part of A dm/dx_t their variance is 2 (|S|^2 -
    sum_i S_ii^2) / slices.

    Args:
        weight: see `Weighted`.
        times: see `Weighted`.
        stratified: see `Weighted`.
        condition_dropout: see `Weighted`.
        slices: how many directions, each of which costs a product with the Jacobian.

    Raises:
        ValueError: if there is no slice.
    """

    def __init__(
        self,
        weight: Weight | None = None,
        times: Times | None = None,
        stratified: bool = True,
        condition_dropout: float = 0.0,
        slices: int = 1,
    ) -> None:
        super().__init__(weight, times, stratified, condition_dropout)
        if slices < 1:
            raise ValueError(f"SlicedScoreMatching: slices must be at least 1, got {slices}")
        self.slices = slices

    def directions(self, x_t: Tensor, generator: Generator) -> Tensor:
        return rademacher(self.slices, x_t, generator) / math.sqrt(self.slices)
