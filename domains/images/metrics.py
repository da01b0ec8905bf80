r"""Sample quality of images, without downloaded weights.

A metric compares two *sets*: real images and generated ones. No network is inside: every function
takes rows, so the same formula serves raw pixels (8 x 8 digits) and the features of `features.py`.
Four questions, one function each, plus one for conditional samples:

* `sliced_wasserstein`: how far must mass move, seen through random one-dimensional projections?
* `frechet_distance`: do mean and covariance agree? Biased upwards, by a term that falls as 1/N:
  compare only figures at equal sizes, and show real-vs-real beside them as the floor.
* `kernel_distance`: do all moments up to the third agree? Unbiased, so that zero is the floor at
  any size.
* `precision_recall`: are the samples realistic (precision), and is everything covered (recall)?
* `class_agreement`: does a conditional sample look like the class that was asked for?

All work in float64 on the CPU whatever comes in, so that a figure does not depend on the device.
"""

import math

import numpy as np
import torch
from torch import Tensor


def sliced_wasserstein(a: Tensor, b: Tensor, projections: int = 512, seed: int = 0) -> float:
    r"""Sliced 2-Wasserstein distance (lower is better, 0 for equal sets, in the unit of the data).

    .. math:: SW_2(a, b)^2 = \frac 1 P \sum_{p=1}^P \int_0^1
              \big(F^{-1}_{\theta_p \cdot a}(u) - F^{-1}_{\theta_p \cdot b}(u)\big)^2 du,
              \qquad \theta_p \text{ uniform on the unit sphere of } R^d

    The quantile functions are steps; the integral is exact for any two sizes, since the steps of
    both are merged; for equal sizes it is the mean squared gap of the sorted values. Adding c to
    every pixel gives |c| (in the mean square over directions): read it as an error per pixel.

    References:
        Bonneel, Rabin, Peyré, Pfister (2015), Sliced and Radon Wasserstein Barycenters of
        Measures.

    Args:
        a: One set, (N, ...), flattened to (N, d).
        b: The other set, (M, ...), flattened to (M, d).
        projections: P, the number of directions; the Monte-Carlo error falls as 1/sqrt(P).
        seed: Of the directions; the same seed gives comparable figures.

    Raises:
        ValueError: For an empty set, unequal d, NaN or infinite entries, fewer than one
            projection.

    >>> sliced_wasserstein(torch.zeros(2, 1), torch.ones(3, 1))
    1.0
    """
    a, b = _matrices(1, a=a, b=b)
    if projections < 1:
        raise ValueError(f"projections: need at least 1, got {projections}")
    theta = unit_directions(projections, a.shape[1], seed)
    i, j, width = _merged_steps(len(a), len(b))
    total = 0.0
    for some in torch.split(theta, 64):  # 64 sorted copies of a data set at a time fit in memory
        x, y = (some @ a.T).sort(1).values, (some @ b.T).sort(1).values
        total += float(((x[:, i] - y[:, j]).square() @ width).sum())
    return math.sqrt(total / projections)


def unit_directions(count: int, dim: int, seed: int) -> Tensor:
    """The (count, dim) directions of `sliced_wasserstein`, uniform on the sphere, float64."""
    generator = torch.Generator().manual_seed(seed)
    gaussian = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(gaussian, dim=1)


def _merged_steps(n: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pieces of [0, 1] between the cuts i/n and j/m: step i, step j and width of each."""
    # in units of 1/(n m) the cuts are integers, so that common ones coincide exactly
    starts = torch.from_numpy(np.union1d(np.arange(n) * m, np.arange(m) * n))
    widths = torch.cat([starts, torch.tensor([n * m])]).diff()
    return starts // m, starts // n, widths.double() / (n * m)


def frechet_distance(fa: Tensor, fb: Tensor) -> float:
    r"""Squared Fréchet distance of Gaussians fitted to the rows (lower is better, unit squared).

    .. math:: |\mu_a - \mu_b|^2 + \mathrm{tr}\,\Sigma_a + \mathrm{tr}\,\Sigma_b
              - 2\,\mathrm{tr}\,(\Sigma_a \Sigma_b)^{1/2}

    The formula of FID; on Inception features it *is* FID, on others it is comparable only to
    itself. No matrix root is taken: with :math:`\Sigma = R^\top R` from the QR factors of the
    centred rows, the eigenvalues of :math:`\Sigma_a \Sigma_b` are the squared singular values of
    :math:`R_a R_b^\top`, so the last trace is its nuclear norm. That holds for singular
    covariances (N <= d, dead features) as well, and rounding is never blown up by a square root
    near 0.

    References:
        Heusel et al. (2017), GANs Trained by a Two Time-Scale Update Rule, eq. 6; Dowson & Landau
        (1982).

    Args:
        fa: Features of one set, (N, d).
        fb: Features of the other set, (M, d).

    Raises:
        ValueError: For fewer than two rows, unequal d, NaN or infinite entries.

    >>> round(frechet_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]])), 12)
    9.0
    """
    fa, fb = _matrices(2, fa=fa, fb=fb)
    mean_a, root_a = _moments(fa)
    mean_b, root_b = _moments(fb)
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    value = (mean_a - mean_b).square().sum() + root_a.square().sum() + root_b.square().sum()
    return max(0.0, float(value - 2 * cross))


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and R with R^T R = the unbiased covariance (d, d)."""
    mean = x.mean(0)
    return mean, torch.linalg.qr((x - mean) / math.sqrt(len(x) - 1), mode="r").R


def kernel_distance(
    fa: Tensor, fb: Tensor, block: int | None = None, seed: int = 0
) -> tuple[float, float]:
    r"""Unbiased MMD² with KID's cubic kernel, and its standard error (lower is better, no unit).

    .. math:: E[k(a, a')] + E[k(b, b')] - 2 E[k(a, b)], \qquad k(x, y) = (x \cdot y / d + 1)^3

    Both sets are shuffled (samples often come sorted by label) and dealt into the same number q of
    blocks, which share nothing. Each block gives an unbiased estimate (pairs of a row with itself
    left out); the value is their mean, the standard error their deviation / sqrt(q). The value may
    be negative: its expectation is 0 exactly when the two distributions share all moments up to
    the third.

    References:
        Bińkowski, Sutherland, Arbel, Gretton (2018), Demystifying MMD GANs.

    Args:
        fa: Features of one set, (N, d).
        fb: Features of the other set, (M, d).
        block: Rows a block of the smaller set; q = min(N, M) // block. By default q is about 10.
            Small blocks make the standard error steadier, large ones make it smaller.
        seed: Of the shuffle.

    Raises:
        ValueError: For fewer than four rows, fewer than two blocks or two rows a block, unequal d,
            NaN or infinite entries.
    """
    fa, fb = _matrices(4, fa=fa, fb=fb)
    smaller = min(len(fa), len(fb))
    block = max(2, smaller // 10) if block is None else block
    if not 2 <= block <= smaller // 2:
        raise ValueError(f"block: need 2 to {smaller // 2} for {smaller} rows, got {block}")
    generator = torch.Generator().manual_seed(seed)
    shuffled = [x[torch.randperm(len(x), generator=generator)] for x in (fa, fb)]
    blocks = zip(*(x.tensor_split(smaller // block) for x in shuffled), strict=True)
    values = np.array([mmd_squared(x, y) for x, y in blocks])
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def mmd_squared(x: Tensor, y: Tensor) -> float:
    """The estimate of `kernel_distance` on one block: rows (n, d) and (m, d), n, m >= 2."""
    kxx, kyy, kxy = (((p @ q.T) / x.shape[1] + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    within = sum((k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (kxx, kyy))
    return float(within - 2 * kxy.mean())


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    r"""Improved precision and recall (both higher is better, shares in [0, 1]).

    The manifold of a set is the union of closed balls round its rows, each reaching that row's
    k-th nearest neighbour in the set:

    .. math:: \mathrm{precision} = \frac 1 M \#\{f : \exists r,\ |f - r| \le \rho_k(r)\}, \qquad
              \mathrm{recall} = \frac 1 N \#\{r : \exists f,\ |r - f| \le \rho_k(f)\}

    Precision falls when samples leave the data, recall when modes are dropped. A perfect sampler
    does not reach 1 (fresh rows fall between the balls): show real-vs-real beside it. Distances
    are taken entry by entry, not by a matrix product, so that ties (equal or quantised rows) are
    decided exactly. 10,000 rows each take about 0.2 GB, and on one core some 10 s at d = 64 but
    two minutes at d = 784: use features.

    References:
        Kynkäänniemi et al. (2019), Improved Precision and Recall Metric, eq. 1 and 2 (k = 3).

    Args:
        real: Real features, (N, d).
        fake: Generated features, (M, d).
        k: Which neighbour sets the radius.

    Raises:
        ValueError: For k < 1, k or fewer rows, unequal d, NaN or infinite entries.
    """
    if k < 1:
        raise ValueError(f"k: need at least 1, got {k}")
    real, fake = _matrices(k + 1, real=real, fake=fake)
    reach_real, reach_fake = _radii(real, k), _radii(fake, k)
    precise, recalled = [], torch.zeros(len(real), dtype=torch.bool)
    for rows, reach in zip(_chunks(fake), _chunks(reach_fake), strict=True):
        gap = _distances(rows, real)
        precise.append((gap <= reach_real).any(1))
        recalled |= (gap <= reach[:, None]).any(0)
    return torch.cat(precise).double().mean().item(), recalled.double().mean().item()


def _chunks(x: Tensor) -> tuple[Tensor, ...]:
    return torch.split(x, 500)  # their distances to 10,000 rows are 40 MB


def _distances(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(x: Tensor, k: int) -> Tensor:
    """Distance of each row to its k-th neighbour, (N,); the row itself is the zeroth."""
    return torch.cat([_distances(rows, x).kthvalue(k + 1, dim=1).values for rows in _chunks(x)])


def class_agreement(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    r"""Share of samples classified as their label, and its standard error (higher is better).

    .. math:: \hat p = \frac 1 N \sum_i [\arg\max_c \mathrm{logits}_{ic} = \mathrm{label}_i],
              \qquad \mathrm{stderr} = \sqrt{\hat p (1 - \hat p) / (N - 1)}

    A share in [0, 1]: chance is the floor, the classifier's accuracy on real images the ceiling
    that a perfect sampler reaches (a figure above it means samples more typical than the data).

    References:
        Ravuri & Vinyals (2019), Classification Accuracy Score, which exchanges the roles: trained
        on samples, tested on real images.

    Args:
        logits: A classifier's output on the samples, (N, classes).
        labels: The classes that were asked for, (N,), integers.

    Raises:
        ValueError: For fewer than two samples, labels that do not fit, NaN or infinite logits.

    >>> class_agreement(torch.eye(2), torch.tensor([0, 0]))
    (0.5, 0.5)
    """
    (logits,) = _matrices(2, logits=logits)
    labels = labels.detach().cpu()
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels: need shape ({len(logits)},), got {tuple(labels.shape)}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(f"labels: need 0 to {logits.shape[1] - 1}, got {low} to {high}")
    share = (logits.argmax(1) == labels).double().mean().item()
    return share, math.sqrt(share * (1 - share) / (len(labels) - 1))


def _matrices(least: int, **named: Tensor) -> list[Tensor]:
    """The named sets as float64 matrices (N, d), checked: N >= least, one d, finite entries."""
    for name, x in named.items():
        if x.ndim == 0 or len(x) < least:
            raise ValueError(f"{name}: need at least {least} samples, got shape {tuple(x.shape)}")
        bad = int((~torch.isfinite(x)).sum())
        if bad:
            raise ValueError(f"{name}: {bad} of {x.numel()} entries are NaN or infinite")
    rows = {k: x.detach().to("cpu", torch.float64).reshape(len(x), -1) for k, x in named.items()}
    if len({x.shape[1] for x in rows.values()}) > 1:
        found = ", ".join(f"{k} has {x.shape[1]}" for k, x in rows.items())
        raise ValueError(f"need equal dimensions: {found}")
    return list(rows.values())
