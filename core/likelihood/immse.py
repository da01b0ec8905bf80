r"""I-MMSE: the likelihood as an integral of the denoising error (Kong et al. 2023).

    densities      -log p(x) = d/2 log(2 pi e) + 1/2 int (|eps - eps_hat|^2 - d sigmoid(l)) dl
    probabilities  -log P(x) = 1/2 int |eps - eps_hat|^2 dl
    both           -log p(x) = E[-log p(x | x_c)] + 1/2 int_(-inf)^c |eps - eps_hat|^2 dl

over all log-SNRs l, or those below any cut c; an equality for the exact posterior mean, an upper
bound on the mean of -log p for any other. Only a window can be measured. Below it the posterior
mean has stopped moving, |x - mean|^2 is constant, and its tail is integrated exactly. Above it a
density's two terms cancel, and a probability's error is that of rounding to a grid of step D: at
most 4 d sum_j exp(-(j - 1/2)^2 D^2 snr / 2) nats. Where the window doesn't resolve the grid and this
is too much, it is cut at its top, and the process's decoder is p(x | x_c).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import softplus

from unnoise.core.likelihood.base import PathLikelihood, Query
from unnoise.core.likelihood.result import Kind, LikelihoodResult
from unnoise.core.schedule import Schedule

__all__ = ["IMMSE", "rounding_tail"]


@dataclass(frozen=True)
class IMMSE(PathLikelihood):
    """log p(x) from the denoising error alone: needs no prior.

    Costs `draws` + 1 evaluations, and one more where there is a cut.

    Attributes:
        cut: a log-SNR in the window, above which the decoder stands for the path: the
            non-variational point likelihood (McAllester 2023). None: no cut, or, for
            probabilities that the window doesn't resolve, at its top.

    Raises:
        ValueError: if `draws` is odd or less than 2, or the cut isn't in the window of the
            process.
    """

    draws: int = 64
    cut: float | None = None

    def estimate(self, query: Query) -> LikelihoodResult:
        process = query.gaussian("IMMSE")
        below_cut = self._window(process.schedule)
        cut = replace(query, process=process.on(below_cut))
        path, stderr = self.path(cut)
        start, end = cut.ends
        x_t = cut.noisy(end)
        # below the window the rate is snr |x - mean|^2 / 2: its integral is its value at the edge
        belief = query.denoiser(x_t, end, query.batch)
        below = process.rate(query.batch.x, x_t, end, belief, query.batch)
        spent, kind = self.draws + 1, Kind.LOWER_BOUND
        top = float(start.log_snr)
        tail = math.inf if query.values is None else rounding_tail(query.values, top)
        if self.cut is None and query.values is None:
            # what the Gaussian N(0, C) has paid up to the window's top
            entropy = query.dims * (math.log(2 * math.pi * math.e) - _softplus(top))
            above = 0.5 * (entropy + process.noise.log_det(query.batch))
            kind = Kind.ESTIMATE
        elif self.cut is None and tail < NEGLIGIBLE:
            above = query.dims * tail
        else:
            above, spent = -cut.reconstruction(start), spent + 1
        return LikelihoodResult(-(above + path + below), query.dims, kind, stderr, spent)

    def _window(self, schedule: Schedule) -> Schedule:
        low, high = schedule.log_snr_min, schedule.log_snr_max
        if self.cut is None:
            return schedule
        if not low < self.cut <= high:
            raise ValueError(
                f"IMMSE: cut={self.cut} must be a log-SNR in the window of the process, above {low:.4g} and up to {high:.4g}"
            )
        return schedule.between(self.cut, low)


NEGLIGIBLE = 1e-3  # nats an entry


def rounding_tail(values: Tensor, log_snr: float) -> float:
    """A bound in nats an entry on 1/2 int mmse dsnr above a log-SNR, for entries on a grid: the
    error of rounding."""
    step = (values[1] - values[0]).item()
    j = torch.arange(1, len(values), dtype=torch.float64)
    return float(4 * torch.exp(-0.5 * ((j - 0.5) * step) ** 2 * math.exp(log_snr)).sum())


def _softplus(x: float) -> float:
    return float(softplus(torch.as_tensor(x, dtype=torch.float64)))
