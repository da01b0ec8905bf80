r"""How much noise is enough? The bound as a function of the time T at which the path stops.

    NELBO(T) = E[-log p(x | x_0)] + int_{lambda_T}^{lambda_max} E rate d(log-SNR) + KL(q(x_T | x) || nu_T)
             = H(data) + G(T) + KL(p_T || nu_T)                        (Franzese et al. 2023)

The path's cost is additive in log-SNR: it is measured once, a cell between two neighbouring T at a
time, and cumulated; the prior nu_T costs no network. All T and all priors see the same items and the
same noise, so differences between them are known far better than the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.distribution import divergence
from unnoise.core.likelihood import Bound
from unnoise.core.likelihood.base import path_kl
from unnoise.core.model import Model
from unnoise.core.prior.base import Prior
from unnoise.core.progress import track
from unnoise.core.random import seeded
from unnoise.core.times import LogSNRTimes

__all__ = ["Horizon", "horizon"]

_PATH, _FIT, _END = range(3)  # streams of the seed


@dataclass(frozen=True, eq=False)
class Horizon:
    """Bounds on -log p of held-out items, for each prior and each end of the path.

    Attributes:
        times: ends T of the path, increasing, (K,).
        log_snr: the log-SNR there, (K,).
        nats: for each prior the bound on every item in nats of the data's units, (K, B).
        path: its part that no prior changes, decoder and path, (K, B).
    """

    times: Tensor
    log_snr: Tensor
    nats: Mapping[str, Tensor]
    path: Tensor

    def nelbo(self, prior: str) -> tuple[Tensor, Tensor]:
        """The mean over items, and its standard error, (K,) each."""
        return _mean(self.nats[prior])

    def best(self, prior: str) -> int:
        """The index of the T with the smallest bound."""
        return int(self.nats[prior].mean(1).argmin())

    def excess(self, prior: str) -> tuple[Tensor, Tensor]:
        """What every T costs over the best, and the standard error of that difference, (K,)
        each."""
        nats = self.nats[prior]
        return _mean(nats - nats[self.best(prior)])

    def shortest(self, prior: str, errors: float = 1.0) -> int:
        """The index of the shortest path that is worse than the best by no more than so many
        standard errors of the difference."""
        mean, stderr = self.excess(prior)
        return int((mean <= errors * stderr).nonzero()[0, 0])


@torch.no_grad()
def horizon(
    model: Model,
    train: Batch,
    valid: Batch,
    priors: Mapping[str, Callable[[], Prior] | None],
    times: Sequence[float],
    *,
    draws: int = 16,
    copies: int = 16,
    batch: int = 250,
    seed: int = 0,
) -> Horizon:
    """The bound of `valid` for every prior and every end of the path.

    Args:
        model: a trained model; a learned prior of its own is left aside.
        train: what the priors are fitted to.
        valid: what the bound is measured on: choose T here, report elsewhere.
        priors: by name, each as a function that makes an unfitted one; None: the process's own.
        times: the ends T, increasing, in (0, 1].
        draws: evaluations for each item and each interval between neighbouring T.
        copies: noisy states that a prior is fitted to, for each item of `train`; and that its
            term is averaged over, for each item of `valid`.
        batch: items at once.
        seed: of all randomness.

    Raises:
        ValueError: if the times don't increase in (0, 1], there is no prior, or fewer than two
            items to measure.
    """
    if not times or any(b <= a for a, b in pairwise(times)):
        raise ValueError(f"horizon: times must increase, got {list(times)}")
    if not priors:
        raise ValueError("horizon: give at least one prior, such as {'standard': None}")
    if len(valid) < 2:
        raise ValueError(f"horizon: needs at least two items for an error, got {len(valid)}")
    ends = [model.until(t) for t in times]
    parts = [valid.rows(slice(i, i + batch)) for i in range(0, len(valid), batch)]
    generator = seeded(seed, _PATH)
    path = torch.cat(
        [_path(ends, part, draws, generator) for part in track(parts, "the path's cost")], 1
    )
    nats = {}
    for number, (name, make) in enumerate(priors.items()):
        rows = []
        for t, end in track(list(zip(times, ends, strict=True)), f"prior: {name}"):
            if make is not None:
                end = model.until(t, make())
                end.fit_prior(train, copies, seeded(seed, _FIT, number))
            noise = seeded(seed, _END)  # the same at every T, for every prior
            rows.append(torch.cat([_prior_kl(end, part, copies, noise) for part in parts]))
        nats[name] = path + torch.stack(rows)
    log_snr = torch.tensor([end.process.schedule.log_snr_min for end in ends])
    return Horizon(torch.tensor(list(times)), log_snr, nats, path)


def _path(ends: Sequence[Model], batch: Batch, draws: int, generator: torch.Generator) -> Tensor:
    """Decoder and path down to every end, in nats of the data's units, (K, B) in float64."""
    first = ends[0]
    encoded = first.encode(batch)
    (level,) = first.process.schedule.levels(torch.ones(1))
    whole = Bound(draws)(
        first.process,
        first.denoiser,
        encoded,
        prior=first.process.marginal(encoded.x, level, encoded),  # which costs nothing
        values=first.transform.values,
        generator=generator,
    )
    costs = [-whole.shifted(first.transform.log_det).nats]
    for above, below in pairwise(ends):
        high, low = (end.process.schedule.log_snr_min for end in (above, below))
        cell = below.with_schedule(below.process.schedule.between(high, low))
        density = below.transform.values is None
        costs.append(
            path_kl(
                cell.process,
                cell.denoiser,
                encoded,
                draws,
                LogSNRTimes(),
                density=density,
                generator=generator,
            )[0]
        )
    return torch.stack(costs).double().cumsum(0).cpu()


def _prior_kl(model: Model, batch: Batch, copies: int, generator: torch.Generator) -> Tensor:
    """KL(q(x_T | x) || nu) of each item, (B,) in float64: exact for the process's own prior, a
    mean over `copies` noisy states for a learned one."""
    encoded = model.encode(batch)
    (end,) = model.process.schedule.levels(torch.ones(1))
    if model.prior is None:
        law = model.process.marginal(encoded.x, end, encoded)
        return divergence(law, model.process.prior(encoded), generator).double().cpu()
    many = encoded.map(lambda v: v.repeat_interleave(copies, 0))
    law = model.process.marginal(many.x, end, many)
    kl = divergence(law, model.prior.law(many), generator).double().cpu()
    return kl.reshape(len(batch), copies).mean(1)


def _mean(items: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard error over the columns."""
    return items.mean(1), items.std(1) / items.shape[1] ** 0.5
