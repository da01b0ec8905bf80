r"""Flows between two data sets: rectified flow with any coupling (Liu et al. 2023).

Nothing in x_t = alpha x_0 + sigma x_1 needs x_1 to be Gaussian. With (x_0, x_1) drawn together from
any coupling of pi_0 and pi_1, the belief E[x_0 | x_t] is learned by the same loss, and the flow

    d(x_t / alpha) / d(sigma / alpha) = E[x_1 | x_t],   x_1 ~ pi_1 at t = 1

has the law of x_t at every level, so it carries pi_1 to pi_0. Only noise-free solvers do: fresh
noise would have to be fresh noise. Laws of x_1 have no known density, so there are no likelihoods.

What the flow learns depends on the coupling: of independent pairs paths bend, of optimally
transported ones less. `reflow` makes pairs (end, start) of a flow that has been learned; a flow
learned from them is straighter, and at `straightness` 0 one Euler step is exact.

The window: at t = 1 the state still holds alpha_1 x_0, alpha_1 = sigmoid(log_snr_min / 2), of which
a start at sigma_1 x_1 knows nothing; it moves the end by about alpha_1 |x_0|, 5e-5 with
`Rectified(13.3, -20)`. Below -30 float32 times don't reach. Let the network see the time,
sigmoid(-log_snr / 2), for the log-SNR runs off to -20 in the last percent of it, where one Euler
step looks and training hardly does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.model import Model
from unnoise.core.noise import Noise
from unnoise.core.objective import Weight
from unnoise.core.posterior import Posterior
from unnoise.core.process import Gaussian, LinearGaussian
from unnoise.core.progress import track
from unnoise.core.random import Generator, uniform
from unnoise.core.sampler import AdamsBashforth, Callback, Sampler, Walk
from unnoise.core.schedule import Level, Rectified, Schedule

__all__ = [
    "Blind",
    "Coupling",
    "Empirical",
    "FlowMatching",
    "Paired",
    "independent",
    "optimal",
    "reflow",
    "straightness",
    "transport",
]

Coupling = Callable[[Tensor, Tensor], Tensor]  # x_0, x_1 (B, ...) -> the row of x_1 for each x_0


def independent(x_0: Tensor, x_1: Tensor) -> Tensor:
    """Rows as they come, (B,)."""
    return torch.arange(len(x_0), device=x_0.device)


def optimal(x_0: Tensor, x_1: Tensor) -> Tensor:
    """The permutation of the rows of x_1 that minimises sum |x_0 - x_1|^2, (B,): minibatch optimal
    transport (Tong et al. 2024). Its cost is cubic in B.

    Raises:
        ValueError: if there aren't as many x_1 as x_0.
    """
    from scipy.optimize import linear_sum_assignment

    if x_0.shape != x_1.shape:
        raise ValueError(
            f"optimal: x_0 has shape {tuple(x_0.shape)} and x_1 {tuple(x_1.shape)}; give as many states of the same shape"
        )
    flat_0, flat_1 = (x.detach().reshape(len(x), -1).double().cpu() for x in (x_0, x_1))
    # the squares of a state's own entries are paid by every permutation
    _, rows = linear_sum_assignment((flat_0 @ flat_1.T).numpy(), maximize=True)
    return torch.from_numpy(rows).to(x_0.device)


class _Data(Noise):
    """A law of x_1 that is known by its draws alone."""

    def colour(self, z: Tensor, batch: Batch) -> Tensor:
        return z if batch.mask is None else z * batch.mask

    def whiten(self, x: Tensor, batch: Batch) -> Tensor:
        """The state itself: the rate is half the snr times the squared error."""
        return x if batch.mask is None else x * batch.mask

    def log_det(self, batch: Batch) -> Tensor:
        raise self._unknown()

    def dims(self, batch: Batch) -> Tensor:
        raise self._unknown()

    def _unknown(self) -> ValueError:
        return ValueError(
            f"{type(self).__name__}: x_1 is data, of unknown density, so there are no likelihoods; use white noise for them"
        )


class Paired(_Data):
    """x_1 is the partner that the batch brings, `batch.cond[key]`, shaped as the state.

    The partner is in the model's units. The network must not read it (see `Blind`).

    Raises:
        ValueError: if a batch brings none, or one of another shape; if a density is asked for.
    """

    def __init__(self, key: str = "x_1") -> None:
        super().__init__()
        self.key = key

    def sample(self, batch: Batch, generator: Generator = None) -> Tensor:
        if self.key not in batch.cond:
            raise ValueError(
                f"Paired: the batch has no cond[{self.key!r}]; give each state its partner, or sample with `transport`"
            )
        partner = batch.cond[self.key]
        if partner.shape != batch.x.shape:
            raise ValueError(
                f"Paired: cond[{self.key!r}] has shape {tuple(partner.shape)}, the states {tuple(batch.x.shape)}; give partners of their shape"
            )
        return self.colour(partner.to(batch.x.dtype), batch)

    def extra_repr(self) -> str:
        return f"key={self.key!r}"


class Empirical(_Data):
    """x_1 is drawn from a data set afresh, and given to the states of the batch by a coupling.

    Args:
        x_1: the data set (N, ...), in the model's units; it moves with the model, but isn't saved.
        coupling: who gets whom: `independent` or `optimal`.

    Raises:
        ValueError: if its states have another shape than those of a batch; if a density is asked
            for.
    """

    def __init__(self, x_1: Tensor, coupling: Coupling = independent) -> None:
        super().__init__()
        self.x_1: Tensor
        self.register_buffer("x_1", x_1, persistent=False)
        self.coupling = coupling

    def sample(self, batch: Batch, generator: Generator = None) -> Tensor:
        if self.x_1.shape[1:] != batch.x.shape[1:]:
            raise ValueError(
                f"Empirical: x_1 has states of shape {tuple(self.x_1.shape[1:])}, the batch of {tuple(batch.x.shape[1:])}; give both one shape"
            )
        u = uniform((len(batch),), batch.x, generator)
        some = self.x_1[(u.double() * len(self.x_1)).long()].to(batch.x.dtype)
        return self.colour(some[self.coupling(batch.x, some)], batch)

    def extra_repr(self) -> str:
        return f"{len(self.x_1)} states"


class Blind(Denoiser[Posterior]):
    """A denoiser that isn't shown `batch.cond[key]`: for networks that read every condition."""

    def __init__(self, denoiser: Denoiser[Posterior], key: str = "x_1") -> None:
        super().__init__()
        self.denoiser = denoiser
        self.key = key

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Posterior:
        shown = {k: v for k, v in batch.cond.items() if k != self.key}
        return self.denoiser(x_t, level, batch.replace(cond=shown))


@dataclass(frozen=True)
class FlowMatching(Weight):
    r"""$2 (1 + \sigma/\alpha)^2$: the loss is $E|v - (x_1 - x_0)|^2$, the error of the velocity on
    straight lines (Lipman et al. 2023; Liu et al. 2023, eq. 1). Take it with `Rectified`."""

    def __call__(self, level: Level, schedule: Schedule) -> Tensor:
        log_snr = torch.as_tensor(level.log_snr).reshape(-1)
        return 2 * (1 + torch.exp(-0.5 * log_snr)).square()


def transport(
    model: Model, starts: Batch, sampler: Walk | None = None, *, rows: int = 4096
) -> Tensor:
    """Where the flow carries rows of pi_1, in the data's units, shaped as starts.x.

    Args:
        model: of a belief E[x_0 | x_t], whatever x_1 is.
        starts: the rows x_1 in the model's units, with their conditions and masks.
        sampler: one that draws no noise; None: 31 steps on straight lines.
        rows: how many are carried at once.

    Raises:
        ValueError: if the sampler draws noise, or entries of the starts are said to be observed.
    """
    walk = Sampler(AdamsBashforth(2), steps=31, path=Rectified()) if sampler is None else sampler
    parts = [slice(k, k + rows) for k in range(0, len(starts), rows)]
    return torch.cat([_carry(model, starts.rows(part), walk) for part in track(parts, "flow")])


def reflow(
    model: Model,
    starts: Batch,
    sampler: Walk | None = None,
    *,
    key: str = "x_1",
    rows: int = 4096,
) -> Batch:
    """Pairs (end, start) of the flow, the data of a model whose noise is `Paired(key)` (Liu et al.
    2023, algorithm 1): ends in the data's units, starts in the model's. See `transport`."""
    ends = transport(model, starts, sampler, rows=rows)
    return starts.replace(x=ends, cond={**starts.cond, key: starts.x})


def straightness(model: Model, starts: Batch, steps: int = 128) -> Tensor:
    r"""$\int |(Z_1 - Z_0) - \dot Z_t|^2 dt$ of each path, (B,), 0 if it is straight (Liu et al.
    2023, sec. 2.2); in the model's units, summed over entries, with an error of order steps^-2.

    It is $\int |\dot Z_t|^2 dt - |Z_1 - Z_0|^2$: what a path costs more than the straight line.
    """
    schedule = model.process.schedule
    path = Rectified().between(schedule.log_snr_max, schedule.log_snr_min)
    (first,) = path.levels(torch.ones(1))
    states = [(first, first.sigma * starts.x)]
    solver = AdamsBashforth(3, heun_start=True)
    walk = Sampler(solver, steps, path=path, denoise=False)
    _carry(model, starts, walk, lambda k, level, x: states.append((level, x)))
    excess = -_square(states[0][1] - states[-1][1])
    for (level, x), (to, y) in pairwise(states):
        excess += _square(x - y) / (float(level.t) - float(to.t))
    return excess


class _Silent(_Data):
    """No x_1 but that of the start."""

    def sample(self, batch: Batch, generator: Generator = None) -> Tensor:
        raise ValueError(
            "transport: the sampler draws noise, which only white noise has afresh; pass a noise-free one, such as "
            "Sampler(AdamsBashforth(2), path=Rectified()) or Sampler(AnyNoise(0.0))"
        )


def _carry(model: Model, starts: Batch, walk: Walk, callback: Callback | None = None) -> Tensor:
    """The ends of the starts, in the data's units."""
    if starts.observed is not None:
        raise ValueError(
            "transport: starts.observed would hold entries of x_0 to the values of x_1; pass starts without it"
        )
    own = model.process
    if not isinstance(own, LinearGaussian):
        raise TypeError(f"transport: a flow is that of numbers, not of {type(own).__name__}")
    process = Gaussian(own.schedule, _Silent(), own.data_std)
    (first,) = process.schedule.levels(torch.ones(1))
    x = first.sigma * starts.x
    ends = walk(process, model.denoiser, starts, x=x, callback=callback)
    return model.transform.decode(ends, starts.cond)


def _square(x: Tensor) -> Tensor:
    return x.square().reshape(len(x), -1).sum(1)
