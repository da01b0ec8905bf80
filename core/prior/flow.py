r"""The normalising flow: a Gaussian bent to the data, for what moments can't say."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unnoise.core.prior.base import Prior
from unnoise.core.prior.gaussian import FullGaussian
from unnoise.core.progress import track
from unnoise.core.random import Generator, normal, uniform

__all__ = ["FlowPrior"]


class FlowPrior(Prior):
    r"""$\log\nu(x) = \log N(f(z); 0, I) + \log|\det \partial f/\partial z| - \log\det L$, $z =
    L^{-1}(x - m)$.

    m and L are those of `FullGaussian`, fitted first; f is a stack of affine coupling layers (Dinh
    et al. 2017, by zuko) that starts as the identity and is fitted by maximum likelihood with
    AdamW and a cosine learning rate. A coupling layer is inverted in two passes, so a draw costs
    as little as a density.

    Args:
        shape: of one state, of at least two entries.
        transforms: coupling layers.
        width: of the two hidden layers of each.
        steps: of the optimiser.
        batch: rows a step.
        lr: the first learning rate.
        seed: of the initial weights.

    Raises:
        ImportError: if zuko isn't installed.
        ValueError: if a state has fewer than two entries.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        transforms: int = 4,
        width: int = 64,
        steps: int = 1000,
        batch: int = 256,
        lr: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(shape)
        if self.dims < 2:
            raise ValueError(
                f"FlowPrior: couples entries, and a state of shape {self.shape} has fewer than two; take MixturePrior"
            )
        try:
            from zuko.flows import MAF
        except ModuleNotFoundError as error:
            raise ImportError(
                "FlowPrior needs zuko: pip install 'unnoise[prior]'", name="zuko"
            ) from error
        self.steps, self.batch, self.lr = steps, batch, lr
        self.gaussian = FullGaussian(shape)
        with torch.random.fork_rng(devices=[]):  # zuko draws its weights from the global generator
            torch.default_generator.manual_seed(seed)
            self.flow = MAF(
                self.dims, transforms=transforms, hidden_features=(width, width), passes=2
            )
        for layer in self.flow.transform.transforms:  # the identity: the flow starts as a Gaussian
            nn.init.zeros_(layer.hyper[-1].weight)
            nn.init.zeros_(layer.hyper[-1].bias)
        self.flow.requires_grad_(False)  # trained by `fit` alone, not with the model

    def fit(self, x_T: Tensor, generator: Generator = None) -> None:
        self.gaussian.fit(x_T, generator)
        z = self.gaussian.whiten(self.rows(x_T))[0].to(self._dtype)
        self.flow.requires_grad_(True)
        optimiser = torch.optim.AdamW(self.flow.parameters(), self.lr)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        with torch.enable_grad():
            for _ in track(range(self.steps), "fitting the flow prior"):
                rows = (uniform((self.batch,), z, generator) * len(z)).long().clamp(max=len(z) - 1)
                loss = -self._log_prob(z[rows]).mean()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                rate.step()
        self.flow.requires_grad_(False)

    def draw(self, n: int, generator: Generator = None) -> Tensor:
        z = normal(self.gaussian.mean.new_empty(n, self.dims, dtype=self._dtype), generator)
        y: Tensor = self.flow().transform.inv(z)
        return self.gaussian.colour(y).reshape(n, *self.shape)

    def log_prob(self, x_T: Tensor) -> Tensor:
        z, log_det = self.gaussian.whiten(x_T.reshape(len(x_T), -1))
        return self._log_prob(z.to(self._dtype)).double() - log_det

    def _log_prob(self, z: Tensor) -> Tensor:
        """log density of whitened rows (B, d)."""
        y: Tensor
        log_det: Tensor
        y, log_det = self.flow().transform.call_and_ladj(z)
        return log_det - 0.5 * (y.square().sum(1) + self.dims * math.log(2 * math.pi))

    @property
    def _dtype(self) -> torch.dtype:
        weight: Tensor = next(self.flow.parameters())
        return weight.dtype
