r"""Readings: how what a network says of a noisy state becomes a belief about the data.

A column of codes can be asked for in four ways; the network's output is (B, ..., K levels) for the
first two and (B, ..., N states) for the others, F below:

    Bayes         p(x_0 | x_t) ~ exp(F) q(x_0 -> x_t)   F: log p(x_0 | the other columns) (SDDM's
                                                        reverse_prob); the column's own reading enters exactly
    Direct        p(x_0 | x_t) ~ exp(F)                 the network reads its own column itself
    Conditionals  s_y = exp(F_y - F_x)                  F: log p_t(x_d | the other columns) (SDDM's direct)
    Scores        s_y = exp(F_y)                        SEDD

Under the absorbing noise Bayes' rule copies what isn't masked and never names the mask: MDLM's SUBS
rule is Bayes' rule. A network that never sees the column it speaks of (a hollow one) makes `Bayes`
and `Conditionals` exact in form; any other may use them as well, as `LevelDenoiser` does for grey levels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, Parameterisation, Q_co
from unnoise.core.posterior import Categories, Mean, Parts, Ratios
from unnoise.core.process.jump import codes, flat
from unnoise.core.rates import Rates
from unnoise.core.rates.base import elapsed
from unnoise.core.schedule import Level

__all__ = [
    "Bayes",
    "CodeDenoiser",
    "Conditionals",
    "Direct",
    "Means",
    "PartsDenoiser",
    "Reading",
    "Scores",
]


class Reading(nn.Module, ABC, Generic[Q_co]):
    """What a network sees of a state, and how its output is read."""

    def sees(self, x_t: Tensor, level: Level) -> Tensor:
        """The state as the network sees it; codes as they are."""
        return x_t

    @abstractmethod
    def read(self, out: Tensor, x_t: Tensor, level: Level) -> Q_co:
        """The belief."""


class Means(Reading[Mean]):
    """E[x_0 | x_t] = c_skip x_t + c_out F(c_in x_t): numbers, see `Parameterisation`."""

    def __init__(self, parameterisation: Parameterisation) -> None:
        super().__init__()
        self.parameterisation = parameterisation

    def sees(self, x_t: Tensor, level: Level) -> Tensor:
        return self.parameterisation.coefficients(level)[0] * x_t

    def read(self, out: Tensor, x_t: Tensor, level: Level) -> Mean:
        _, c_skip, c_out = self.parameterisation.coefficients(level)
        return Mean(c_skip * x_t + c_out * out)


class Bayes(Reading[Categories]):
    """p(x_0 | x_t) ~ exp(F) q(x_0 -> x_t)."""

    def __init__(self, rates: Rates) -> None:
        super().__init__()
        self.rates = rates

    def read(self, out: Tensor, x_t: Tensor, level: Level) -> Categories:
        evidence = self.rates.column(codes(x_t), elapsed(flat(level), x_t))
        evidence = evidence[..., : self.rates.levels].clamp(min=torch.finfo(x_t.dtype).tiny)
        return Categories(_levels(out.to(x_t.dtype) + evidence.log().reshape_as(out), self.rates))


class Direct(Reading[Categories]):
    """p(x_0 | x_t) ~ exp(F), and 0 for levels that can't have become x_t."""

    def __init__(self, rates: Rates) -> None:
        super().__init__()
        self.rates = rates

    def read(self, out: Tensor, x_t: Tensor, level: Level) -> Categories:
        evidence = self.rates.column(codes(x_t), elapsed(flat(level), x_t))
        impossible = (evidence[..., : self.rates.levels] == 0).reshape_as(out)
        out = out.to(x_t.dtype).masked_fill(impossible, -torch.inf)
        return Categories(_levels(out, self.rates))


class Conditionals(Reading[Ratios]):
    """s_y = exp(F_y - F_x), F up to a constant log p_t(x_d | the other columns)."""

    def read(self, out: Tensor, x_t: Tensor, level: Level) -> Ratios:
        out = out.to(x_t.dtype)
        return Ratios(out - out.gather(-1, x_t.long()[..., None]))


class Scores(Reading[Ratios]):
    """s_y = exp(F_y) for every y but x_d."""

    def read(self, out: Tensor, x_t: Tensor, level: Level) -> Ratios:
        here = nn.functional.one_hot(x_t.long(), out.shape[-1]).bool()
        return Ratios(out.to(x_t.dtype).masked_fill(here, 0.0))


class CodeDenoiser(Denoiser[Q_co]):
    """A network F(x (B, ...), log_snr (B,), batch) and how it is read."""

    def __init__(
        self, network: Callable[[Tensor, Tensor, Batch], Tensor], reading: Reading[Q_co]
    ) -> None:
        super().__init__()
        self.network = network
        self.reading = reading

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Q_co:
        seen = self.reading.sees(x_t, level)
        return self.reading.read(self.network(seen, level.condition(x_t), batch), x_t, level)


class PartsDenoiser(Denoiser[Parts]):
    """One network for all parts of a mixed state, F(parts by name, log_snr (B,), batch) -> outputs
    by name, each read in its own way.

    Args:
        network: the network.
        readings: of each part.
        widths: entries of each part in the last dimension, as those of `Product`.
    """

    def __init__(
        self,
        network: Callable[[Mapping[str, Tensor], Tensor, Batch], Mapping[str, Tensor]],
        readings: Mapping[str, Reading[Any]],
        widths: Mapping[str, int],
    ) -> None:
        super().__init__()
        self.network = network
        self.readings = nn.ModuleDict(dict(readings))
        self.widths = dict(widths)

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Parts:
        x = dict(zip(self.widths, x_t.split(list(self.widths.values()), -1), strict=True))
        readings: dict[str, Reading[Any]] = dict(self.readings.items())  # type: ignore[arg-type]
        seen = {k: readings[k].sees(v, level) for k, v in x.items()}
        out = self.network(seen, level.condition(x_t), batch)
        return Parts({k: readings[k].read(out[k], v, level) for k, v in x.items()})


def _levels(logits: Tensor, rates: Rates) -> Tensor:
    """Logits with -inf where a column lacks a level."""
    if min(rates.sizes) == rates.levels:
        return logits
    absent = ~rates.exists()[:, : rates.levels].to(logits.device)
    return logits.masked_fill(absent.reshape(*logits.shape[1:]), -torch.inf)
