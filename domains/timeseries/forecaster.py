"""Forecasting: a frame in, the frame of what comes next out.

    made = Forecaster(horizon=48).fit(frame)
    made.forecast().mean()                            48 steps after the frame
    made.forecast(12).quantiles()                     fewer
    made.forecast(["2027-01-01", ...])                at stamps, as irregular series need
    made.forecast(frame=newer)                        of other rows of the same columns
    made.save(path), Forecaster.load(path)

Regular and irregular frames take one path: a time is a number, whatever the gaps. Holes in the past are no
obstacle, and are not filled first.
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
from unnoise.domains.timeseries.answer import Ahead
from unnoise.domains.timeseries.calendar import periods
from unnoise.domains.timeseries.frames import Layout, covariates, layout_of
from unnoise.domains.timeseries.frontend import (
    default_fit,
    layout_from_json,
    layout_to_json,
    require_positive,
)
from unnoise.domains.timeseries.future import Step, future
from unnoise.domains.timeseries.learned import Learned, learn
from unnoise.domains.timeseries.model import Network
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.patterns import Cut, Pattern
from unnoise.domains.timeseries.windows import part

__all__ = ["Forecaster", "ahead", "default_context"]

_FORMAT = "forecaster-1"
_LONGEST = 384  # points of a context that nobody asked for


class Forecaster:
    """A diffusion model of what comes given what was.

    Args:
        horizon: the most points that a forecast will have.
        context: points of the past that are looked at; None: `default_context`, some of everything periodic.
        fit: how to train; None: `frontend.default_fit`, a minute or two.
        network: its size; None: the default.

    Raises:
        ValueError: if horizon or context is less than 1.
    """

    def __init__(
        self,
        horizon: int,
        context: int | None = None,
        *,
        fit: Fit | None = None,
        network: Network | None = None,
    ) -> None:
        for name, value in (("horizon", horizon), ("context", context)):
            if value is not None and value < 1:
                raise ValueError(f"Forecaster: {name} must be at least 1 point, got {value}")
        self.horizon = horizon
        self.context = context
        self.how = fit
        self.network = network or Network()
        self._learned: Learned | None = None
        self._layout: Layout | None = None
        self._frame: pd.DataFrame | None = None

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
    ) -> Forecaster:
        """Learn a frame; anything learned before is forgotten.

        Args:
            frame: the rows.
            layout: which columns are what, `Wide(...)` or `Long(...)`; None: guessed, see `layout_of`.
            seed: of weights, the order of windows, and noise.
            progress: show a progress bar.
            folder: where a resumable state is kept; the same call goes on from it.
            **trainer: passed on to `lightning.Trainer`.

        Returns:
            The forecaster.

        Raises:
            ValueError: if the frame can't be read, nothing can be learned of a channel, or every series is shorter
                than horizon and one point.
        """
        layout = layout or layout_of(frame)
        panel = layout.read(frame)
        longest = max(len(s) for s in panel.series)
        if longest <= self.horizon:
            raise ValueError(
                f"Forecaster: the longest series has {longest} points, and learning to see {self.horizon} ahead needs more than that; take a shorter horizon"
            )
        context = self.context or default_context(panel, self.horizon)
        length = min(context + self.horizon, longest)
        how = self.how or default_fit(sum(len(s) for s in panel.series))
        self._learned = learn(
            panel,
            ahead(self.horizon),
            length,
            how,
            self.network,
            seed,
            progress,
            folder,
            **trainer,
        )
        self._layout, self._frame = layout, frame
        return self

    def forecast(
        self,
        horizon: int | Sequence[object] | None = None,
        frame: pd.DataFrame | None = None,
        future_covariates: pd.DataFrame | None = None,
        step: Step | None = None,
        n_samples: int = 100,
        seed: int = 0,
        nfe: int = 12,
    ) -> Ahead:
        """Draws of what comes after a frame.

        Args:
            horizon: how many steps, or stamps in rising order; None: as many steps as were trained.
            frame: the past, of the same columns as in training; None: that of training.
            future_covariates: a frame of covariates known at all times that covers the horizon, if there are such.
            step: the gap between two steps of an irregular series: "h", "ME", a Timedelta, a number.
            n_samples: paths.
            seed: of all randomness.
            nfe: evaluations of the network.

        Raises:
            ValueError: if the horizon is longer than trained, its times can't be told, covariates are missing, a
                series has no known value to go on from, n_samples is less than 1 or nfe less than 2.
            RuntimeError: before `fit`, or for a loaded forecaster without a frame.
        """
        learned, layout = self._require_fitted()
        require_positive(n_samples)
        past = self._frame if frame is None else frame
        if past is None:
            raise RuntimeError("forecast: a loaded forecaster has no past; pass frame=")
        panel = layout.read(past, learned.like)
        asked = future(panel, self.horizon if horizon is None else horizon, step)
        if len(asked[0]) > self.horizon:
            raise ValueError(
                f"forecast: {len(asked[0])} points are more than the {self.horizon} of training; fit a Forecaster(horizon={len(asked[0])})"
            )
        # the question of training is that of the whole horizon, and a shorter forecast a part of its answer
        whole = isinstance(horizon, int) and not panel.known
        times = future(panel, self.horizon, step) if whole else asked
        known = self._covariates(panel, layout, future_covariates, times)
        context = max(1, learned.length - self.horizon)
        parts = [
            _extended(part(s, slice(max(0, len(s) - context), None)), t, z)
            for s, t, z in zip(panel.series, times, known, strict=True)
        ]
        wanted = [
            np.repeat((np.arange(len(s)) >= len(s) - len(t))[:, None], s.values.shape[1], 1)
            for s, t in zip(parts, times, strict=True)
        ]
        _require_past(parts, learned.like)
        drawn = learned.draw(parts, wanted, n_samples, seed, nfe, panel.series)
        arrays = [
            a[:, a.shape[1] - len(t) :][:, : len(some)]
            for a, t, some in zip(drawn, times, asked, strict=True)
        ]
        return Ahead(layout, past, panel, asked, arrays)

    def save(self, path: Path | str) -> None:
        """Write all that forecasting needs but the past, in one file: weights (safetensors) with a JSON header.

        Raises:
            RuntimeError: before `fit`.
        """
        learned, layout = self._require_fitted()
        about = {"format": _FORMAT, "layout": layout_to_json(layout), "horizon": self.horizon}
        learned.save(path, about)

    @staticmethod
    def load(path: Path | str) -> Forecaster:
        """The forecaster that was saved.

        Raises:
            CheckpointError: if the file is missing, unreadable, or no forecaster.
        """
        learned, about = Learned.load(path, _FORMAT)
        made = Forecaster(about["horizon"], network=learned.network)
        made._learned, made._layout = learned, layout_from_json(about["layout"])
        return made

    def _covariates(
        self,
        panel: Panel,
        layout: Layout,
        told: pd.DataFrame | None,
        times: Sequence[NDArray[np.float64]],
    ) -> Sequence[NDArray[np.float64]]:
        """Covariates of the times to come."""
        if not panel.known:
            return [np.zeros((len(t), 0)) for t in times]
        if told is None:
            raise ValueError(
                f"forecast: covariates {', '.join(map(repr, panel.known))} must be known ahead; pass future_covariates="
            )
        return covariates(layout, told, panel, times)

    def _require_fitted(self) -> tuple[Learned, Layout]:
        if self._learned is None or self._layout is None:
            raise RuntimeError("Forecaster: nothing learned yet; call fit(frame), or load(path)")
        return self._learned, self._layout


def ahead(horizon: int) -> Pattern:
    """The whole horizon is asked for; of a shorter forecast, what is beyond is dropped."""
    return Cut(horizon)


def default_context(panel: Panel, horizon: int) -> int:
    """Points of the past: three horizons, and somewhat more than the longest cycle that fits."""
    cycles = [1.1 * p / panel.gap for p in periods(panel)]
    fitting = [c for c in cycles if c <= _LONGEST]
    return min(_LONGEST, max(3 * horizon, 16, *(int(c) + 1 for c in fitting)))


def _extended(series: Series, times: NDArray[np.float64], known: NDArray[np.float64]) -> Series:
    """The series with times to come, at which nothing is known but covariates."""
    void = np.full((len(times), series.values.shape[1]), np.nan)
    return replace(
        series,
        times=np.concatenate([series.times, times]),
        values=np.concatenate([series.values, void]),
        known=np.concatenate([series.known, known]),
    )


def _require_past(parts: Sequence[Series], like: Panel) -> None:
    for series in parts:
        if not np.isfinite(series.values).any():
            raise ValueError(
                f"forecast: no value of {', '.join(map(repr, like.channels))} is known in the context of {series.title}; there is nothing to go on from"
            )
