r"""Problems whose every answer is known: a Gaussian mixture, noise to start from, draws to be
compared with, and points whose density is asked for.

The exact posterior mean stands in for the network, so a figure is of the sampler or likelihood
alone, and needs no training. `set_ups/` holds our own synthetic mixtures, in which the peers'
figures of `reference/core.toml` were measured; they are arrays so that figures stay comparable to
the last digit: weights, means, standard deviations along rotated axes (covariance = R diag(std^2)
R'), 64 test points with their log density, and in two dimensions also 64 directions and five noise
(Sobol) and reference (stratified) sets of 4,096 points. Elsewhere the sets are scrambled Sobol
points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import torch
from torch import Tensor

from unnoise.core.analytic import Mixture
from unnoise.core.random import normal, seeded

__all__ = [
    "STD",
    "Problem",
    "digits",
    "mixture",
    "mnist",
    "part",
    "quasi_normal",
    "quasi_sample",
]

STD = 0.5  # that features of images are scaled to, an entry
SETS, POINTS, DIRECTIONS, TESTS = 5, 4096, 64, 64


@dataclass(frozen=True, eq=False)
class Problem:
    """What is known.

    Attributes:
        law: the law of the data in d dimensions: its exact denoiser and density.
        noise: starts of the samples, standard normal, (S, N, d) float32.
        reference: draws of the law that samples are compared with, (S, N, d) float32.
        directions: that they are projected on, unit vectors (P, d) float64.
        points: whose log density is asked for, (M, d) float64.
    """

    law: Mixture
    noise: Tensor
    reference: Tensor
    directions: Tensor
    points: Tensor

    def matched(self) -> Mixture:
        """The Gaussian with the law's mean and covariance: the trivial model."""
        weights = self.law.log_weights.exp()
        mean = weights @ self.law.means
        within = torch.einsum(
            "k,kij,kj,klj->il", weights, self.law.axes, self.law.lam, self.law.axes
        )
        gap = self.law.means - mean
        return Mixture.gaussian(mean, within + torch.einsum("k,ki,kj->ij", weights, gap, gap))

    @property
    def data_std(self) -> float:
        """The standard deviation of the directions that carry the variance, sqrt(tr S^2 / tr S):
        what `effective_std` measures on draws."""
        variances = self.matched().lam[0]
        return (variances.square().sum() / variances.sum()).sqrt().item()


@cache
def part(load: Callable[[], Problem], sets: int, points: int, tests: int) -> Problem:
    """The first sets of a problem, the first points of each, and the first test points."""
    whole = load()
    noise, reference = (v[:sets, :points] for v in (whole.noise, whole.reference))
    return Problem(whole.law, noise, reference, whole.directions, whole.points[:tests])


@cache
def mixture(dims: int) -> Problem:
    """The mixture of five Gaussians in 2, 16 or 64 dimensions."""
    with (
        as_file(files("unnoise.benchmarks.core") / "set_ups" / f"mixture-{dims}.npz") as path,
        np.load(path, allow_pickle=False) as file,
    ):
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    axes, stds = arrays["rotations"], arrays["stds"]
    covariances = torch.einsum("kij,kj,klj->kil", axes, stds.square(), axes)
    law = Mixture(arrays["weights"], arrays["means"], covariances)
    points = arrays["test_points"]
    if "noise" not in arrays:
        return _problem(law, points)
    return Problem(law, arrays["noise"], arrays["reference"], arrays["projections"], points)


@cache
def digits() -> Problem:
    """Ten Gaussians fitted to 16 principal components of scikit-learn's 8 x 8 digits."""
    from unnoise.data import load_digits

    images = load_digits()["images"]
    return _fitted(images[:1437], images[1437:], components=16)


@cache
def mnist() -> Problem:
    """Ten Gaussians fitted to 32 principal components of the first 6,000 images of MNIST."""
    from unnoise.data import load_mnist

    data = load_mnist()
    return _fitted(data["train_images"][:6000], data["test_images"], components=32)


def quasi_normal(n: int, dims: int, seed: int) -> Tensor:
    """Standard normal points (n, dims) in float64 from a scrambled Sobol sequence."""
    engine = torch.quasirandom.SobolEngine(dims, scramble=True, seed=seed)
    uniform = engine.draw(n, dtype=torch.float64)
    z: Tensor = torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))
    return z


def quasi_sample(law: Mixture, n: int, seed: int) -> Tensor:
    """Points (n, d) in float64 that follow a mixture more evenly than draws do: one coordinate of
    a Sobol sequence chooses the component, the others are its normal deviates."""
    z = quasi_normal(n, law.means.shape[1] + 1, seed)
    edges = law.log_weights.exp().cumsum(0)[:-1]
    k = torch.bucketize(torch.special.ndtr(z[:, 0]), edges, right=True)
    return law.means[k] + torch.einsum("bij,bj->bi", law.axes[k], law.lam[k].sqrt() * z[:, 1:])


def _problem(law: Mixture, points: Tensor) -> Problem:
    """A law with sets of our own."""
    dims = law.means.shape[1]
    noise = torch.stack([quasi_normal(POINTS, dims, k) for k in range(SETS)])
    reference = torch.stack([quasi_sample(law, POINTS, SETS + k) for k in range(SETS)])
    directions = normal(torch.empty(DIRECTIONS, dims, dtype=torch.float64), seeded(0))
    directions = torch.nn.functional.normalize(directions)
    return Problem(law, noise.float(), reference.float(), directions, points)


def _fitted(train: np.ndarray, test: np.ndarray, components: int) -> Problem:
    """The mixture of images' principal components, scaled to the common standard deviation; the
    test points are components of images that it has not seen."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    train, test = (x.reshape(len(x), -1).astype(float) for x in (train, test[:TESTS]))
    with threadpool_limits(1):  # on small matrices, threads that wait for each other cost tenfold
        project = PCA(components, svd_solver="covariance_eigh").fit(train)
        features = project.transform(train)
        scale = STD / features.std()
        fit = GaussianMixture(10, reg_covar=1e-4, random_state=0).fit(scale * features)
        points = torch.from_numpy(scale * project.transform(test))
    law = Mixture(*(torch.from_numpy(v) for v in (fit.weights_, fit.means_, fit.covariances_)))
    return _problem(law, points)
