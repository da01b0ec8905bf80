r"""A learned prior: a density nu fitted to the noisy states x_T at which the process stops.

Averaged over data, the bound of a model whose path ends at T is (Franzese et al. 2023)

    NELBO(T) = H(data) + G(T) + KL(p_T || nu),

with G(T) what the network's errors cost along the path: it grows with T. At N(0, I) the mismatch
KL falls with T, so there is a best T; a nu that fits p_T makes the mismatch small at every T, and
with it the best T. Sampling starts from the same nu.

A prior is a law of whole states in the gauge of its process, whatever their condition is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.distribution import Distribution
from unnoise.core.random import Generator

__all__ = ["Prior", "PriorLaw"]


class Prior(nn.Module, ABC):
    """A law of states of one shape, standard normal until it is fitted.

    What is fitted is saved and loaded with the model. A prior that can be drawn from but has no
    density leaves `log_prob` as it is.

    Args:
        shape: of one state, () for scalars.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    @property
    def dims(self) -> int:
        """Entries of a state."""
        return math.prod(self.shape)

    @abstractmethod
    def fit(self, x_T: Tensor, generator: Generator = None) -> None:
        """Fit to states `(N, *shape)`, in place."""

    @abstractmethod
    def draw(self, n: int, generator: Generator = None) -> Tensor:
        """States `(n, *shape)`."""

    def log_prob(self, x_T: Tensor) -> Tensor:
        """log density of states `(B, *shape)` in nats, (B,).

        Raises:
            ValueError: if this prior has none.
        """
        raise ValueError(
            f"{type(self).__name__} can be drawn from but has no log_prob, so there is no likelihood; "
            f"pass a prior that has one, such as FullGaussian({self.shape}), or take IMMSE(), which needs none"
        )

    def law(self, batch: Batch) -> PriorLaw:
        """The law of the states of a batch.

        Raises:
            ValueError: if they have another shape, or entries that don't exist.
        """
        if tuple(batch.x.shape[1:]) != self.shape:
            raise ValueError(
                f"{type(self).__name__}: fitted to states of shape {self.shape}, the batch holds {tuple(batch.x.shape[1:])}"
            )
        if batch.mask is not None and not bool(batch.mask.all()):
            raise ValueError(
                f"{type(self).__name__} is a law of whole states, and the batch's mask hides entries; "
                "drop the mask, or use the process's own prior"
            )
        return PriorLaw(self, batch)

    def rows(self, x_T: Tensor) -> Tensor:
        """States as rows (N, d) in float64.

        Raises:
            ValueError: if there are fewer than two, of another shape, or not finite.
        """
        if tuple(x_T.shape[1:]) != self.shape or len(x_T) < 2:
            raise ValueError(
                f"{type(self).__name__}: fit needs at least two states (N, {', '.join(map(str, self.shape))}), got {tuple(x_T.shape)}"
            )
        if not bool(torch.isfinite(x_T).all()):
            raise ValueError(f"{type(self).__name__}: fit got states with NaN or infinite entries")
        return x_T.detach().reshape(len(x_T), -1).double()


@dataclass(frozen=True, eq=False)
class PriorLaw(Distribution):
    """A learned prior on the states of a batch, in their dtype and on their device."""

    prior: Prior
    batch: Batch

    @torch.no_grad()
    def sample(self, generator: Generator = None) -> Tensor:
        return self.prior.draw(len(self.batch), generator).to(self.batch.x)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.prior.log_prob(x).to(x.dtype)

    def on(self, values: Tensor) -> Distribution:
        """A prior is a law of noisy states, which lie on no grid.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{type(self.prior).__name__} is a law of noisy states: it decodes no grid; the process's decode does"
        )
