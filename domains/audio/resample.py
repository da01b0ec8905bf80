r"""Any sample rate to any other, by a windowed sinc (Crochiere & Rabiner 1983, section 2.3).

With up / down the ratio of the rates in lowest terms and M the larger of the two, the wave is
thought of with up - 1 zeros after every sample, filtered, and every down-th sample is kept:

    y[m] = sum_k h[m down - k up] x[k],   h[t] = up c / M sinc(c t / M) kaiser(t / (Z M)), |t| <= Z M

Only the terms that aren't 0 are computed. Outputs m = q up + p of one phase p use one set of taps,
so `up` sets do for all, and a run of phases is one matrix times the windows that begin at q down.
Beyond its ends the wave is 0. `scipy.signal.resample_poly(x, up, down, window=h)` is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["Resampler", "narrow", "taps"]

_ZEROS = 64  # Z, zero crossings at each side
_CUTOFF = 0.955  # c, of the lower Nyquist frequency: the stop band begins where aliases would
_KAISER = 9.0  # the stop band is 90 dB down
_PIECE = 1 << 15  # about so many samples, in or out, are computed at once


@dataclass(frozen=True)
class Resampler:
    """Waves (C, N) at `source` Hz to (C, ceil(N up / down)) at `target` Hz.

    Frequencies to .91 of the lower Nyquist frequency pass unchanged to 1e-4; what would be aliased
    is 90 dB down. Equal rates pass every bit.

    Raises:
        ValueError: if a rate isn't a positive integer.
    """

    source: int
    target: int

    def __post_init__(self) -> None:
        for rate in (self.source, self.target):
            if rate != int(rate) or rate <= 0:
                raise ValueError(
                    f"Resampler: a rate must be a positive integer in Hz, got {rate!r}"
                )

    @property
    def up(self) -> int:
        return self.target // math.gcd(self.source, self.target)

    @property
    def down(self) -> int:
        return self.source // math.gcd(self.source, self.target)

    def length(self, samples: int) -> int:
        """The number of samples that `samples` become."""
        return -(-samples * self.up // self.down)

    def __call__(self, wave: Tensor) -> Tensor:
        """The whole wave (C, N)."""
        return torch.cat(list(self.stream([wave])), 1)

    def stream(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Blocks (C, n) of one wave, cut anywhere; the result has the same bits however they are."""
        return iter(blocks) if self.source == self.target else self._stream(blocks)

    def _stream(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        reach = _ZEROS * max(self.up, self.down)
        left, right = reach // self.up, ((self.up - 1) * self.down + reach) // self.up
        turns = max(1, _PIECE // max(self.up, self.down))  # of all phases, at once
        step, span = turns * self.down, left + (turns - 1) * self.down + right + 1
        held: Tensor | None = None
        seen = done = 0
        for block in blocks:
            held = block.new_zeros(len(block), left) if held is None else held
            held = torch.cat([held, block], 1)
            seen += block.shape[1]
            while held.shape[1] >= max(span, step):
                yield self._turns(held[:, :span], turns)
                held, done = held[:, step:], done + turns * self.up
        while held is not None and done < self.length(seen):
            rest = torch.nn.functional.pad(held, (0, max(0, max(span, step) - held.shape[1])))
            yield self._turns(rest[:, :span], turns)[:, : self.length(seen) - done]
            held, done = rest[:, step:], done + turns * self.up

    def _turns(self, x: Tensor, turns: int) -> Tensor:
        """All phases of `turns` windows, (C, turns up); x[:, 0] is the oldest sample in reach."""
        parts = []
        for first, kernel in _kernels(self.up, self.down):
            windows = x[:, first:].unfold(1, len(kernel), self.down)[:, :turns]
            parts.append(windows @ kernel.to(x))
        return torch.cat(parts, 2).flatten(1)


def narrow(source: int, model: int, kept: float = 0.75) -> str | None:
    """A remark on a file whose band is under `kept` of its model's, as 8 kHz for a model of
    16 kHz; else None."""
    if source >= kept * model:
        return None
    return (
        f"sampled at {source} Hz, so there is nothing above {source / 2:g} Hz; the model was made for speech to {model / 2:g} Hz "
        "and the result may be worse than its figures: use a recording of a higher rate, or a model for this one"
    )


def taps(up: int, down: int) -> Tensor:
    """h (2 Z M + 1,), float64, of sum `up`: a constant stays."""
    m = max(up, down)
    t = torch.arange(-_ZEROS * m, _ZEROS * m + 1, dtype=torch.float64) / m
    shape = torch.sqrt(1 - (t / _ZEROS).square())
    h: Tensor = torch.sinc(_CUTOFF * t) * torch.special.i0(_KAISER * shape)
    return h * (up / h.sum())


@lru_cache(maxsize=8)
def _kernels(up: int, down: int) -> list[tuple[int, Tensor]]:
    """Runs of phases, each with the place of its first sample from the oldest in reach, and its
    matrix (W, phases): runs are so short that at most half of it is 0."""
    h, reach = taps(up, down), _ZEROS * max(up, down)
    run = max(1, 2 * reach // down)
    found = []
    for low in range(0, up, run):
        p = torch.arange(low, min(low + run, up))
        first = -((reach - low * down) // up)
        last = (int(p[-1]) * down + reach) // up
        t = p * down - torch.arange(first, last + 1)[:, None] * up
        inside = t.abs() <= reach
        kernel = torch.where(inside, h[(t + reach).clamp(0, 2 * reach)], 0)
        found.append((first + reach // up, kernel))
    return found
