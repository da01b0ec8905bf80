r"""Jump diffusion of codes: a continuous-time Markov chain a column, $q(x_t | x_0) = e^{B_t R}$.

A chain runs backwards with the rates $\hat R[x, y] = R[y, x]\, s_y$ (into x, not out of it), with s
the ratio $p_t(y)/p_t(x)$ of two states that differ in one column. All of it follows from a belief
about $x_0$, or about the ratios:

    cavity       w_k = p(x_0 = k | x_t) / q_t(k -> x)       p(x_0 | the other columns), up to a factor
    ratio        s_y = (w q_t)_y / (w q_t)_x
    reverse      p(x_s = v | x_t) ~ (w q_s)_v  q_{t|s}(v -> x)         D3PM's posterior, SDDM's step
    path KL      int sum_d sum_{y /= x} R[y, x] (s_y - r_y + r_y log(r_y / s_y)) dB
                 r_y = q_t(x_0 -> y) / q_t(x_0 -> x)                   the ratio if x_0 is known

The last is one formula for all rates: score entropy with its constant. For the absorbing state it
is MDLM's, $\int \frac{d\alpha}{1 - \alpha} \sum_{masked} -\log p(x_0 | x_t)$, and with exact ratios
it equals $-\log p(x_0)$ at every x_0 (up to what is left at the end). $dB = (1 - \alpha)/2\, d\lambda$.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from unnoise.core.batch import Batch
from unnoise.core.distribution import Jumped, Lattice
from unnoise.core.posterior import Categories, Ratios
from unnoise.core.process.base import Process
from unnoise.core.rates import Rates
from unnoise.core.rates.base import elapsed
from unnoise.core.schedule import Level, Schedule

__all__ = ["Jump", "JumpBelief"]

JumpBelief = Categories | Ratios


class Jump(Process[JumpBelief]):
    """Columns of codes that jump independently under `rates`.

    States are codes as floats, (B, ...), so that they travel like any other; a column is an entry.
    The prior is what noise makes of independent columns.

    Args:
        schedule: any; alpha = sigmoid(log-SNR / 2) is the share that is kept.
        rates: of each entry, or of one that all share.
        base: frequencies of the levels, (D, K), that the prior is the noisy version of; None: the
            stationary law, or equal frequencies where that is a state of none of the data.
    """

    def __init__(self, schedule: Schedule, rates: Rates, base: Tensor | None = None) -> None:
        super().__init__()
        self.schedule = schedule
        self.rates = rates
        self.base: Tensor
        self.register_buffer("base", _base(rates) if base is None else base.double())

    def prior(self, batch: Batch) -> Lattice:
        (end,) = self.schedule.levels(torch.ones(1))
        law = self._padded(self.base.double().to(batch.x.device))[None]
        law = self.rates.push(law, elapsed(end, law)).log().to(batch.x.dtype)
        law = law.expand(len(batch), math.prod(batch.x.shape[1:]), -1)
        return Lattice(like(law, batch.x), self._states(batch.x), batch)

    def marginal(self, x_0: Tensor, level: Level, batch: Batch) -> Jumped:
        return Jumped(self.rates, x_0, elapsed(flat(level), x_0), batch)

    def reverse(
        self, x_t: Tensor, level: Level, to: Level, posterior: JumpBelief, batch: Batch
    ) -> Lattice:
        law = self.step_law(x_t, elapsed(flat(level), x_t), elapsed(flat(to), x_t), posterior)
        return Lattice(like(law, x_t), self._states(x_t), batch)

    def rate(
        self, x_0: Tensor, x_t: Tensor, level: Level, posterior: JumpBelief, batch: Batch
    ) -> Tensor:
        B, x = elapsed(flat(level), x_t), codes(x_t)
        log_s = self.log_ratio(x_t, B, posterior)
        row = self.rates.row(codes(x_0), B)
        r = row / _tiny(row.gather(-1, x[..., None]))
        divergence = log_s.exp() - r + torch.xlogy(r, r) - r * log_s
        cost = (self.rates.into(x).to(x_t.dtype) * divergence).sum(-1)
        if batch.mask is not None:
            cost = cost * batch.mask.expand_as(batch.x).reshape(cost.shape)
        return -0.5 * torch.expm1(-B).reshape(-1) * cost.sum(1)

    def decode(self, x_t: Tensor, level: Level, posterior: JumpBelief, batch: Batch) -> Lattice:
        """The belief itself; of ratios, the reverse step to the data."""
        if isinstance(posterior, Categories):
            logits = posterior.logits
        else:
            B = elapsed(flat(level), x_t)
            law = self.step_law(x_t, B, torch.zeros_like(B), posterior)[..., : self.rates.levels]
            logits = like(law, x_t)
        return Lattice(logits, self._states(x_t)[: self.rates.levels], batch)

    def on(self, schedule: Schedule) -> Jump:
        return Jump(schedule, self.rates, self.base)

    def dims(self, batch: Batch) -> Tensor:
        return batch.dims()

    def excess(self, x_0: Tensor, x_t: Tensor, level: Level, batch: Batch) -> Tensor:
        return x_0.new_zeros(len(x_0))

    def log_ratio(self, x_t: Tensor, B: Tensor, posterior: JumpBelief) -> Tensor:
        """log s of every state that differs from x_t in one column, (B, D, N)."""
        if isinstance(posterior, Ratios):
            return self._ratios(posterior)
        law = _tiny(self.rates.push(self.cavity(x_t, B, posterior), B)).log()
        return law - law.gather(-1, codes(x_t)[..., None])

    def cavity(self, x_t: Tensor, B: Tensor, posterior: Categories) -> Tensor:
        """p(x_0 | x_t) / q(x_0 -> x_t) of each column up to a factor, (B, D, N): the column's own
        reading taken out of the belief again."""
        odds, _ = self._odds(x_t, B, posterior)
        return self._padded(torch.softmax(odds, -1))

    def step_law(self, x_t: Tensor, B: Tensor, B_s: Tensor, posterior: JumpBelief) -> Tensor:
        """log p(x_s | x_t) of each column up to a constant, (B, D, N)."""
        if isinstance(posterior, Categories):
            # what can't have become x_t was not x_0, however sure the belief is of it
            odds, impossible = self._odds(x_t, B, posterior)
            w = torch.softmax(odds.masked_fill(impossible, -torch.inf), -1)
            law = self.rates.push(self._padded(w), B_s)
        else:
            gap = B - B_s
            if not bool(gap.isfinite().all()):
                raise ValueError(
                    "Jump: ratios can't be taken back from where nothing is kept; give the schedule a finite log_snr_min"
                )
            law = self.rates.push(torch.softmax(self._ratios(posterior), -1), -gap).clamp(min=0)
            if not bool(law.isfinite().all()):
                raise ValueError(
                    "Jump: these rates forget too fast for ratios to be taken back over so long a step; "
                    "take more steps, or Euler or ExponentialEuler"
                )
        return (law * self.rates.column(codes(x_t), B - B_s)).log()

    def _odds(self, x_t: Tensor, B: Tensor, posterior: Categories) -> tuple[Tensor, Tensor]:
        """log p(x_0 | x_t) / q(x_0 -> x_t) up to a constant, and where q is 0, (B, D, K)."""
        reading = self.rates.column(codes(x_t), B)[..., : self.rates.levels]
        return columns(posterior.logits) - _tiny(reading).log(), reading == 0

    def _ratios(self, posterior: Ratios) -> Tensor:
        """Log ratios (B, D, N) with next to nothing where a column lacks a level."""
        log_ratio = columns(posterior.log_ratio)
        if min(self.rates.sizes) == self.rates.levels:
            return log_ratio
        absent = ~self.rates.exists().to(log_ratio.device)
        return log_ratio.masked_fill(absent, math.log(torch.finfo(log_ratio.dtype).tiny))

    def _padded(self, law: Tensor) -> Tensor:
        """A law of levels as one of states."""
        return pad(law, (0, self.rates.states - self.rates.levels))

    def _states(self, x: Tensor) -> Tensor:
        return torch.arange(self.rates.states, dtype=x.dtype, device=x.device)


def codes(x: Tensor) -> Tensor:
    """States (B, ...) as integer codes (B, D)."""
    return x.reshape(len(x), math.prod(x.shape[1:])).long()


def columns(table: Tensor) -> Tensor:
    """A table of entries (B, ..., N) as one of columns (B, D, N)."""
    return table.reshape(len(table), math.prod(table.shape[1:-1]), table.shape[-1])


def like(table: Tensor, x: Tensor) -> Tensor:
    """A table of columns (B, D, N) as one of entries (B, ..., N) of a state x."""
    return table.reshape(*x.shape, table.shape[-1])


def flat(level: Level) -> Level:
    """A level of states (B, ...) as one of columns (B, D)."""
    if not isinstance(level.log_snr, Tensor):
        return level
    t, alpha, sigma, log_snr = (
        v.reshape(-1, 1) if isinstance(v, Tensor) else v
        for v in (level.t, level.alpha, level.sigma, level.log_snr)
    )
    return Level(t, alpha, sigma, log_snr)


def _base(rates: Rates) -> Tensor:
    law = rates.stationary()[:, : rates.levels]
    if rates.mask is not None:
        law = rates.exists()[:, : rates.levels].double()
    return law / law.sum(-1, keepdim=True)


def _tiny(x: Tensor) -> Tensor:
    """x with its zeros replaced by the least normal number, for a logarithm with a gradient."""
    return x.clamp(min=torch.finfo(x.dtype).tiny)
