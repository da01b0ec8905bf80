r"""The law of every entry of a series given some: a multitask Ornstein-Uhlenbeck process in linear
time (Bonilla et al. 2007, "Multi-task Gaussian process prediction"; Hartikainen and Särkkä 2010).

    y_c(t) = sum_k z_c^k(t) + N(0, R_c),   Cov(z^k(s), z^k(t)) = exp(-|s - t| / tau_k) S_k

Channels share their times' correlation and have the covariance S_k among themselves. The process is
Markov, so conditioning is a Kalman smoother in O(T C^3) where a dense covariance takes O(T^3 C^3);
its answer is the same to rounding, at any times. Given what a user knows, every other entry is
normal, N(m, s^2), and the diffusion has only the standardised residual (x - m) / s to learn.

As tau grows at a fixed rate S / tau, the process becomes a Brownian motion. tau = inf is that limit:
S is then the covariance of increments over one unit of time, and the level at the first point is as
uncertain as if the path had run for `DIFFUSE` units before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from unnoise.core.noise.root import previous
from unnoise.core.random import Generator, normal
from unnoise.domains.timeseries.reference.conditioning import Conditioning
from unnoise.domains.timeseries.reference.kalman import Chain
from unnoise.domains.timeseries.reference.maps import ENTRIES, LinearMap, Maps

__all__ = ["DIFFUSE", "Reference"]

DIFFUSE = 1e6  # leaves ten of sixteen digits to the increments
WORKSPACE = 2**22  # numbers in a stack of T matrices (D, D): rows of a batch are taken in parts


class Reference(nn.Module):
    """y(t) = sum_k z^k(t) + N(0, R), z^k of the correlation time tau_k and the covariance S_k.

    Values are those of standardised channels, without their seasonal profile: the process is
    centred. Entries that are not given are not read. Computes in float64 and answers in the
    precision of the values.

    Args:
        tau: correlation times in the units of the times, (K,); infinite: a Brownian motion.
        S: covariances of the channels, (K, C, C); of increments in one unit of time if tau is
            infinite.
        R: variances of white measurement noise, (C,), positive.

    Raises:
        ValueError: if shapes don't fit, or a number is not of its kind.
    """

    tau: Tensor
    S: Tensor
    R: Tensor

    def __init__(self, tau: Tensor, S: Tensor, R: Tensor) -> None:
        super().__init__()
        if S.ndim != 3 or S.shape != (len(tau), len(R), len(R)):
            raise ValueError(
                f"Reference: S must be (K, C, C) for tau (K,) and R (C,), got shapes "
                f"{tuple(S.shape)}, {tuple(tau.shape)} and {tuple(R.shape)}"
            )
        if not (tau > 0).all():
            raise ValueError(f"Reference: every tau must be positive, got {tau.tolist()}")
        if not ((R > 0) & R.isfinite()).all():
            c = int((~((R > 0) & R.isfinite())).nonzero()[0])
            raise ValueError(
                f"Reference: the noise R must be positive and finite, channel {c} has {R[c].item():g}; "
                "1e-6 of the channel's variance stands for none"
            )
        if not torch.allclose(S, S.mT) or torch.linalg.cholesky_ex(S)[1].any():
            raise ValueError("Reference: every S must be symmetric and positive definite")
        self.register_buffer("tau", tau.double())
        self.register_buffer("S", S.double())
        self.register_buffer("R", R.double())
        self.maps = Maps()

    def extra_repr(self) -> str:
        return f"tau={[round(t, 4) for t in self.tau.tolist()]}, channels={len(self.R)}"

    def forward(
        self, values: Tensor, given: Tensor, times: Tensor, exists: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, (B, T, C) each, of a measurement of every entry, given those
        of `given`; where one is given already, of a second one.

        Args:
            values: (B, T, C).
            given: where they are known, (B, T, C) or what broadcasts to it.
            times: (B, T), increasing.
            exists: the points that are not padding, (B, T); of the others nothing is read and the
                answer means nothing. None: all.

        Raises:
            ValueError: if the times of a row are not finite or decrease, or a shape doesn't fit.
        """
        y, *pattern = self._checked(values, given, times, exists)
        law = y.new_zeros(2, *y.shape)
        rest = torch.ones(len(y), dtype=torch.bool, device=y.device)
        if y[0].numel() <= ENTRIES:
            for rows in _groups(*pattern):
                one = [v[rows[:1]] for v in pattern]
                key = (*one, self.tau, self.S, self.R)
                make = partial(LinearMap.of, partial(self.condition, *one), y)
                law[:, rows] = self.maps(make, y.device, *key).law(y[rows])
                rest[rows] = False
        if rest.any():
            some = [v[rest] for v in (y, *pattern)]
            law[:, rest] = self._by_parts(Conditioning.law, *some, dim=1)
        mean, variance = law
        return mean.to(values.dtype), (variance + self.R).sqrt().to(values.dtype)

    def log_prob(
        self, values: Tensor, given: Tensor, times: Tensor, exists: Tensor | None = None
    ) -> Tensor:
        """The log density of the given entries of each row, (B,), in nats; arguments and errors as
        those of `forward`."""
        checked = self._checked(values, given, times, exists)
        log_prob = self._by_parts(Conditioning.log_prob, *checked, dim=0)
        return log_prob.to(values.dtype)

    def joint(
        self,
        values: Tensor,
        given: Tensor,
        times: Tensor,
        n: int,
        generator: Generator,
        exists: Tensor | None = None,
    ) -> Tensor:
        """n draws of all entries together, (n, B, T, C): those given as they are, the others as
        measurements from their law given them.

        Matheron's rule: a path y* of the prior, moved to the data by the smoothed mean of y - y*.
        """

        def draw(conditioning: Conditioning, values: Tensor, noise: Tensor) -> Tensor:
            path = self._path(noise, conditioning)
            smoother = conditioning.gains.smoother()
            return (path + conditioning.mean(values[..., None] - path, smoother)).movedim(3, 0)

        shape = (*values.shape[:2], self.S.shape[0] + 1, len(self.R), n)
        noise = normal(torch.empty(shape, dtype=torch.float64, device=values.device), generator)
        checked = self._checked(values, given, times, exists)
        drawn = self._by_parts(draw, *checked, noise, dim=1).to(values.dtype)
        return torch.where(given, values, drawn)

    def adjacent(self, times: Tensor, exists: Tensor | None = None) -> Tensor:
        """The mean correlation of neighbouring measurements of a row, (B,), channels on average:
        near 0 the process explains nothing, near 1 a path is one number. That of a Brownian
        component is 1.

        Raises:
            ValueError: if the times of a row are not finite or decrease.
        """
        gap, first = gaps(times, exists)
        decay = torch.exp(-gap[..., None] / self.tau)
        span = torch.where(self.tau.isinf(), DIFFUSE, 1.0)
        level = span[:, None] * self.S.diagonal(dim1=1, dim2=2)
        correlation = (decay @ level / (level.sum(0) + self.R)).mean(2)
        pairs = ~first if exists is None else ~first & exists
        return (correlation * pairs).sum(1) / pairs.sum(1).clamp(min=1)

    def condition(self, given: Tensor, gap: Tensor, first: Tensor) -> Conditioning:
        """The smoother of a pattern (B, T, C) at points with a gap (B, T) to the one before; those
        of a row up to the first existing one are in `first`."""
        rows = len(gap)
        if _alike(given, gap, first):
            given, gap, first = given[:1], gap[:1], first[:1]
        return Conditioning(self.chain(gap).gains(given.transpose(0, 1)), rows)

    def parts(self, values: Tensor) -> list[slice]:
        """The rows of values (B, T, C) that are conditioned at a time."""
        size = max(1, WORKSPACE // (values.shape[1] * self.S.shape[0] ** 2 * values.shape[2] ** 2))
        return [slice(start, start + size) for start in range(0, len(values), size)]

    def chain(self, gap: Tensor) -> Chain:
        """The prior of paths with gaps (B, T) between their points: 0 at the first."""
        gap, tau, endless = gap.T[..., None], self.tau.double(), self.tau.isinf()
        decay = torch.exp(-gap / tau)
        drive = torch.where(endless, gap, -torch.expm1(-2 * gap / tau))
        drive[0] = torch.where(endless, DIFFUSE, 1.0)
        decay, drive = (x.repeat_interleave(len(self.R), 2) for x in (decay, drive))
        return Chain(decay, drive, torch.block_diag(*self.S).double(), self.R.double())

    def _path(self, noise: Tensor, conditioning: Conditioning) -> Tensor:
        """Measurements of prior paths, (B, T, C, n), of normal draws (B, T, K + 1, C, n)."""
        chain = conditioning.gains.chain
        noise = noise.transpose(0, 1)
        z = (torch.linalg.cholesky(self.S.double()) @ noise[:, :, :-1]).flatten(2, 3)
        z = chain.drive.sqrt()[..., None] * z
        path = [z[0]]
        for t in range(1, len(z)):
            path.append(chain.decay[t, :, :, None] * path[-1] + z[t])
        error = self.R.sqrt()[:, None] * noise[:, :, -1]
        return (chain.observe(torch.stack(path), 2) + error).transpose(0, 1)

    def _checked(
        self, values: Tensor, given: Tensor, times: Tensor, exists: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Values that are given, in float64, and zeros; what is given; gaps, and where there is none."""
        if values.ndim != 3 or values.shape[2] != len(self.R):
            raise ValueError(
                f"Reference: values must be (B, T, {len(self.R)}), got {tuple(values.shape)}"
            )
        if times.shape != values.shape[:2]:
            raise ValueError(
                f"Reference: times must be {tuple(values.shape[:2])}, got {tuple(times.shape)}"
            )
        gap, first = gaps(times, exists)
        given = given.expand_as(values)
        if exists is not None:
            given = given & exists[..., None]
        return torch.where(given, values, 0.0).double(), given, gap, first

    def _by_parts(
        self, f: Callable[..., Tensor], values: Tensor, given: Tensor, gap: Tensor, first: Tensor,
        *others: Tensor, dim: int,
    ) -> Tensor:  # fmt: skip
        """f(conditioning, values, *others) of parts of the rows, put together along `dim`."""
        parts = []
        for rows in self.parts(values):
            conditioning = self.condition(given[rows], gap[rows], first[rows])
            parts.append(f(conditioning, values[rows], *(x[rows] for x in others)))
        return torch.cat(parts, dim)


def _groups(given: Tensor, gap: Tensor, first: Tensor) -> list[Tensor]:
    """Rows of one pattern each, of patterns that at least four rows have, and a quarter of all."""
    rows = torch.cat([given.flatten(1).double(), gap, first.double()], 1)
    _, group, count = rows.unique(dim=0, return_inverse=True, return_counts=True)
    common = (count >= max(4, len(rows) / 4)).nonzero()[:, 0].tolist()
    return [(group == g).nonzero()[:, 0] for g in common]


def _alike(*patterns: Tensor) -> bool:
    """Whether all rows are the first."""
    return all(bool((p == p[:1]).all()) for p in patterns)


def gaps(times: Tensor, exists: Tensor | None) -> tuple[Tensor, Tensor]:
    """Of points at times (B, T): the time since the existing one before, and where there is none,
    (B, T) each. The gap is 0 there, and at points that don't exist.

    Raises:
        ValueError: if the times of a row are not finite or decrease.
    """
    everywhere = torch.ones_like(times, dtype=torch.bool) if exists is None else exists
    before, first = previous(everywhere)
    times = times.double()
    gap = torch.where(first | ~everywhere, 0.0, times - times.gather(1, before))
    wrong = everywhere & ~(times.isfinite() & (gap >= 0))
    if wrong.any():
        row, k = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"Reference: the times of a row must be finite and increase; in row {row} point {k} is at "
            f"{times[row, k].item():g}, the one before it at {times[row, before[row, k]].item():g}. "
            "Sort the points, or say with `exists` which are padding"
        )
    return gap, first
