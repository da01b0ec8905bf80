"""The entries that are scored: samples of each beside its truth, a chunk at a time.

Samples are (S, N, ...), the truth is (N, ...): N windows, which may come from different series or
from different times of one. What is missing in the truth isn't scored, nor what a mask leaves out.
Samples stay in their own precision and place; only a chunk at a time is gathered, in float64, so
that 100 samples of a million entries need less than 100 MB beyond themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Entries"]

_CHUNK = 1 << 21  # numbers: 16 MB of float64

Floats = NDArray[np.float64]
Terms = Callable[[Floats, Floats], tuple[Floats, ...]]


@dataclass(frozen=True, eq=False)
class Entries:
    """Samples and the truth of those entries of N windows that are scored.

    Attributes:
        samples: (S, E), all entries, scored or not.
        truth: (N, ...), float64.
        scored: The places of scored entries among the E, ascending.
    """

    samples: NDArray[Any]
    truth: Floats
    scored: NDArray[np.intp]

    @staticmethod
    def of(samples: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Entries:
        """Pairs samples with the truth.

        Args:
            samples: (S, N, ...); those of entries that aren't scored are never looked at. Of an
                array that isn't contiguous this makes a contiguous copy.
            truth: (N, ...), NaN where it is unknown.
            mask: Which of the known entries to score, (N, ...); None: all.

        Raises:
            ValueError: If shapes don't fit, no entry is scored, or a true value is infinite.
        """
        x, y = np.asarray(samples), np.asarray(truth, dtype=np.float64)
        if not y.ndim or x.ndim != y.ndim + 1 or x.shape[1:] != y.shape or not len(x):
            raise ValueError(
                "samples, truth: need (S, N, ...) with S > 0 and (N, ...), got "
                f"{x.shape} and {y.shape}"
            )
        known = ~np.isnan(y)
        if mask is not None:
            known &= _mask(mask, y.shape)
        if not known.any():
            raise ValueError("truth: no entry is both known and in the mask; nothing to score")
        if np.isinf(y[known]).any():
            place = _place(np.flatnonzero(known & np.isinf(y))[0], y.shape)
            raise ValueError(f"truth: entry {place} is infinite; make it NaN to leave it out")
        return Entries(x.reshape(len(x), -1), y, np.flatnonzero(known))

    @property
    def windows(self) -> NDArray[np.intp]:
        """The window of every scored entry."""
        windows: NDArray[np.intp] = self.scored // (self.truth.size // len(self.truth))
        return windows

    def chunks(self) -> Iterator[tuple[Floats, Floats]]:
        """Scored entries in their order, a few at a time: samples (e, S) and truth (e,), float64.

        Raises:
            ValueError: If a sample of a scored entry is NaN or infinite.
        """
        step = max(1, _CHUNK // len(self.samples))
        for start in range(0, len(self.scored), step):
            at = self.scored[start : start + step]
            x = np.ascontiguousarray(self.samples[:, at].T, dtype=np.float64)
            bad = ~np.isfinite(x).all(axis=1)
            if bad.any():
                place = _place(at[bad.argmax()], self.truth.shape)
                raise ValueError(f"samples: of entry {place} one is NaN or infinite")
            yield x, self.truth.reshape(-1)[at]

    def sums(self, terms: Terms) -> Floats:
        """Terms of entries, summed over each window that has a scored entry, (N, K).

        Args:
            terms: Of samples (e, S) and truth (e,), K arrays (e,).
        """
        windows, sums, start = self.windows, None, 0
        for x, y in self.chunks():
            values = np.stack(terms(x, y))
            if sums is None:
                sums = np.zeros((len(values), len(self.truth)))
            for total, term in zip(sums, values, strict=True):
                np.add.at(total, windows[start : start + len(y)], term)
            start += len(y)
        assert sums is not None  # something is scored
        return sums.T[np.unique(windows)]


def _mask(mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    held = np.asarray(mask)
    if held.dtype != bool or held.shape != shape:
        raise ValueError(f"mask: needs booleans of the truth's shape {shape}, got {held.dtype} "
                         f"{held.shape}")  # fmt: skip
    return held


def _place(entry: np.intp, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(entry, shape))
