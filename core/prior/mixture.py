r"""The Gaussian mixture: what is left of the data's clusters at T."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.prior.base import Prior
from unnoise.core.random import Generator, uniform

__all__ = ["MixturePrior"]


class MixturePrior(Prior):
    r"""$\sum_k w_k N(m_k, S_k)$, fitted by expectation maximisation (scikit-learn's
    `GaussianMixture`).

    Args:
        shape: of one state.
        components: how many, K.
        shared: one covariance for all: most of it is noise, which is, and K of them would be
            fitted to the noise of few states.
        floor: added to the diagonals of the S_k; below sigma_T^2 it changes little.

    Raises:
        ValueError: if there are no components, or fewer states than them.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        components: int = 20,
        shared: bool = True,
        floor: float = 1e-6,
    ) -> None:
        super().__init__(shape)
        if components < 1:
            raise ValueError(f"MixturePrior: needs at least one component, got {components}")
        self.components = components
        self.shared = shared
        self.floor = floor
        eye = torch.eye(self.dims, dtype=torch.float64)
        self.mixture = Mixture(
            torch.ones(components),
            torch.zeros(components, self.dims),
            eye.expand(components, -1, -1),
        )

    def fit(self, x_T: Tensor, generator: Generator = None) -> None:
        from sklearn.mixture import GaussianMixture  # only who fits one waits for the import

        x = self.rows(x_T)
        if len(x) < self.components:
            raise ValueError(
                f"MixturePrior: {len(x)} states can't have {self.components} components; fit more states"
            )
        seed = int(uniform((), x, generator) * 2**31)
        fitted = GaussianMixture(
            self.components,
            covariance_type="tied" if self.shared else "full",
            reg_covar=self.floor,
            tol=1e-2,  # nats a state
            random_state=seed,
        ).fit(x.cpu().numpy())
        weights, means, covariances = (
            torch.from_numpy(v).to(x)
            for v in (fitted.weights_, fitted.means_, fitted.covariances_)
        )
        self.mixture = Mixture(weights, means, covariances.expand(len(means), -1, -1))

    def draw(self, n: int, generator: Generator = None) -> Tensor:
        return self.mixture.sample(n, generator).reshape(n, *self.shape)

    def log_prob(self, x_T: Tensor) -> Tensor:
        return self.mixture.log_prob(x_T)
