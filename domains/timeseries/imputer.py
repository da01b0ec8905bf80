"""Imputation: a frame with holes in, the same frame without them out.

    made = Imputer().fit(frame)
    made.impute(frame).mean()                 the frame, holes filled
    made.impute(frame, n_samples=100)         .samples(), .median(), .quantiles()
    made.at(frame, times)                     the law at times that the frame doesn't have
    made.save(path), Imputer.load(path)

Series may be irregular, of unequal length, and measured in each channel at times of its own (`Long`). Training
hides what is known: points, stretches, channels, and what is missing elsewhere; so a gap of any kind is a
question that was asked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unnoise.core.training import Fit, History
from unnoise.domains.timeseries.answer import Ahead, Filled
from unnoise.domains.timeseries.frames import Layout, layout_of
from unnoise.domains.timeseries.frontend import (
    default_fit,
    layout_from_json,
    layout_to_json,
    require_positive,
)
from unnoise.domains.timeseries.learned import Learned, learn
from unnoise.domains.timeseries.model import Network
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.patterns import (
    Blocks,
    Borrowed,
    Channels,
    Mixture,
    Pattern,
    Points,
)
from unnoise.domains.timeseries.windows import part

__all__ = ["GAPS", "Imputer"]

GAPS = Mixture([Points(), Blocks(), Channels(), Borrowed()], [0.4, 0.25, 0.1, 0.25])
_FORMAT = "imputer-1"
_WINDOW = 64  # points

Mask = NDArray[np.bool_]


class Imputer:
    """A diffusion model of what is missing given what is known.

    Args:
        window: points that are looked at together; None: 64, or all of a series that has less.
        fit: how to train; None: `frontend.default_fit`, a minute or two.
        network: its size; None: the default.
        gaps: what training hides; None: `GAPS`, some of everything.
    """

    def __init__(
        self,
        window: int | None = None,
        *,
        fit: Fit | None = None,
        network: Network | None = None,
        gaps: Pattern | None = None,
    ) -> None:
        if window is not None and window < 2:
            raise ValueError(f"Imputer: window must be at least 2 points, got {window}")
        self.window = window
        self.how = fit
        self.network = network or Network()
        self.gaps = gaps or GAPS
        self._learned: Learned | None = None
        self._layout: Layout | None = None

    @property
    def history(self) -> History:
        """The losses of training."""
        return self._require_fitted()[0].history

    @property
    def adjacent(self) -> float:
        """The correlation of the noise between neighbouring points, as chosen from the data: near 0 it is white, near
        1 a path of it is one number."""
        return self._require_fitted()[0].adjacent

    def fit(
        self,
        frame: pd.DataFrame,
        layout: Layout | None = None,
        seed: int = 0,
        progress: bool = True,
        folder: Path | str | None = None,
        **trainer: Any,
    ) -> Imputer:
        """Learn a frame; anything learned before is forgotten.

        Args:
            frame: the rows.
            layout: which columns are what, `Wide(...)` or `Long(...)`; None: guessed, see `layout_of`.
            seed: of weights, the order of windows, and noise.
            progress: show a progress bar.
            folder: where a resumable state is kept; the same call goes on from it.
            **trainer: passed on to `lightning.Trainer`.

        Returns:
            The imputer.

        Raises:
            ValueError: if the frame can't be read, or nothing can be learned of a channel; what is wrong is named.
        """
        layout = layout or layout_of(frame)
        panel = layout.read(frame)
        length = min(self.window or _WINDOW, max(len(s) for s in panel.series))
        points = sum(len(s) for s in panel.series)
        how = self.how or default_fit(points)
        self._learned = learn(
            panel, self.gaps, length, how, self.network, seed, progress, folder, **trainer
        )
        self._layout = layout
        return self

    def impute(
        self, frame: pd.DataFrame, n_samples: int = 50, seed: int = 0, nfe: int = 12
    ) -> Filled:
        """Draws of the frame's missing cells given the others.

        A long series is seen through windows that overlap by half, and each cell is drawn in that in whose middle
        it lies; cells of one window belong together, draw by draw.

        Args:
            frame: of the same columns as in training; any rows.
            n_samples: draws of each cell.
            seed: of all randomness.
            nfe: evaluations of the network.

        Raises:
            ValueError: as `fit`, or if n_samples is less than 1 or nfe less than 2.
            RuntimeError: before `fit`.
        """
        learned, layout = self._require_fitted()
        require_positive(n_samples)
        panel = layout.read(frame, learned.like)
        cells = layout.cells(frame, panel)
        wanted = [some & np.isnan(s.values) for some, s in zip(cells, panel.series, strict=True)]
        arrays = self._drawn(learned, panel.series, wanted, n_samples, seed, nfe)
        return Filled(layout, frame, panel, [s.times for s in panel.series], arrays)

    def at(
        self,
        frame: pd.DataFrame,
        times: Sequence[object],
        n_samples: int = 50,
        seed: int = 0,
        nfe: int = 12,
    ) -> Ahead:
        """Draws of all channels at times that the frame doesn't have, given the frame.

        Args:
            frame: as in `impute`.
            times: stamps, in rising order; the same for all series.
            n_samples, seed, nfe: as in `impute`.

        Raises:
            ValueError: as `impute`, or if a time can't be read; or for a frame with covariates of times, which
                aren't known there.
            RuntimeError: before `fit`.
        """
        learned, layout = self._require_fitted()
        require_positive(n_samples)
        if learned.like.known:
            raise ValueError(
                f"at: covariates {', '.join(map(repr, learned.like.known))} aren't known at new times; add rows with them and empty targets to the frame, and impute it"
            )
        panel = layout.read(frame, learned.like)
        new = np.asarray(panel.clock.numbers(_stamps(times, panel)), np.float64)
        if not (np.diff(new) > 0).all():
            raise ValueError("at: times must rise; sort them and leave out what is there twice")
        both = [_with(s, new) for s in panel.series]
        wanted = [np.isin(s.times, new)[:, None] & np.isnan(s.values) for s in both]
        arrays = self._drawn(learned, both, wanted, n_samples, seed, nfe)
        here = [np.isin(s.times, new) for s in both]
        drawn = [a[:, some] for a, some in zip(arrays, here, strict=True)]
        return Ahead(layout, frame, panel, [new] * len(both), drawn)

    def save(self, path: Path | str) -> None:
        """Write all that imputation needs in one file: weights (safetensors) with a JSON header.

        Raises:
            RuntimeError: before `fit`.
        """
        learned, layout = self._require_fitted()
        learned.save(path, {"format": _FORMAT, "layout": layout_to_json(layout)})

    @staticmethod
    def load(path: Path | str) -> Imputer:
        """The imputer that was saved.

        Raises:
            CheckpointError: if the file is missing, unreadable, or no imputer.
        """
        learned, about = Learned.load(path, _FORMAT)
        made = Imputer(max(2, learned.length), network=learned.network)
        made._learned, made._layout = learned, layout_from_json(about["layout"])
        return made

    def _drawn(
        self, learned: Learned, series: Sequence[Series], wanted: Sequence[Mask], samples: int,
        seed: int, nfe: int,
    ) -> list[NDArray[np.float64]]:  # fmt: skip
        """Draws of every series, (S, T, C), window by window."""
        out = [np.repeat(s.values[None], samples, 0) for s in series]
        jobs = [
            (k, points, kept)
            for k, s in enumerate(series)
            for points, kept in windows(len(s), learned.length)
            if wanted[k][kept].any()
        ]
        parts = [part(series[k], points) for k, points, _ in jobs]
        asked = [wanted[k][points] for k, points, _ in jobs]
        units = [series[k] for k, _, _ in jobs]
        drawn = learned.draw(parts, asked, samples, seed, nfe, units) if jobs else []
        for (k, points, kept), draws in zip(jobs, drawn, strict=True):
            inner = slice(kept.start - points.start, kept.stop - points.start)
            here = wanted[k][kept]
            out[k][:, kept][:, here] = draws[:, inner][:, here]
        return out

    def _require_fitted(self) -> tuple[Learned, Layout]:
        if self._learned is None or self._layout is None:
            raise RuntimeError("Imputer: nothing learned yet; call fit(frame), or load(path)")
        return self._learned, self._layout


def windows(points: int, length: int) -> list[tuple[slice, slice]]:
    """Windows that cover a series, half of each overlapping the next, and the part of each that is kept: up to
    where the next window's middle is nearer."""
    last = max(points - length, 0)
    starts = sorted({*range(0, last + 1, max(1, length // 2)), last})
    ends = [min(s + length, points) for s in starts]
    cuts = [(a + b) // 2 for a, b in zip(starts[1:], ends[:-1], strict=True)]
    kept = zip([0, *cuts], [*cuts, points], strict=True)
    return [(slice(s, e), slice(*k)) for s, e, k in zip(starts, ends, kept, strict=True)]


def _with(series: Series, times: NDArray[np.float64]) -> Series:
    """The series with more times, at which nothing is known."""
    both = np.union1d(series.times, times)
    values = np.full((len(both), series.values.shape[1]), np.nan)
    values[np.isin(both, series.times)] = series.values
    return replace(series, times=both, values=values, known=np.zeros((len(both), 0)))


def _stamps(times: Sequence[object], panel: Panel) -> Any:
    if not panel.clock.dated:
        return np.asarray(times, np.float64)
    return pd.DatetimeIndex(times).as_unit("ns")
