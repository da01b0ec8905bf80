"""A model of a user's frames: what `Imputer`, `Forecaster` and the GluonTS estimator have learned."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unnoise.core.batch import Batch
from unnoise.core.checkpoint import CheckpointError, read_about
from unnoise.core.random import seeded
from unnoise.core.training import Fit, History, fit
from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.covariates import Covariates
from unnoise.domains.timeseries.fitted import FittedSeries
from unnoise.domains.timeseries.model import Network, best_scale, saved_reference, series_model
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.patterns import Pattern, Points
from unnoise.domains.timeseries.reference import Seasonal, fit_profile, fit_reference
from unnoise.domains.timeseries.standard import Units
from unnoise.domains.timeseries.windows import Windows, stacked, teaching

__all__ = ["Learned", "learn", "reference_of"]

_POINTS, _FEW, _MANY = 8_192, 4_096, 16  # by which the reference is fitted; fewer of more channels


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained model and what stands between it and a user's series.

    Attributes:
        like: the names and the clock of the panel it was trained on.
        units: of values.
        covariates: as the network sees them.
        length: of a window, in points.
        scale: of the noise, in the clock's units.
        fitted: the model.
        network: its size.
        history: the losses of training.
    """

    like: Panel
    units: Units
    covariates: Covariates
    length: int
    scale: float
    fitted: FittedSeries
    network: Network
    history: History

    def draw(
        self, parts: Sequence[Series], wanted: Sequence[NDArray[np.bool_]], samples: int, seed: int,
        nfe: int, units: Sequence[Series] | None = None, names: Sequence[int] | None = None,
    ) -> list[NDArray[np.float64]]:  # fmt: skip
        """Draws of what is wanted of windows given what is known of them.

        Args:
            parts: windows of series, of any length.
            wanted: entries that are not known and are to be drawn, (T, C) each.
            samples: S.
            seed: of all randomness; a window's draws depend on it and on its name alone.
            nfe: evaluations of the network.
            units: the series that the windows' units are those of; None: the windows themselves.
            names: of the windows; None: 0, 1, ...

        Returns:
            (S, T, C) of each window in the user's units: draws, what is known, and NaN elsewhere.
        """
        standards = [self.units(s) for s in (parts if units is None else units)]
        batch = stacked([self.covariates(s) for s in parts], standards)
        given = batch.mask
        assert given is not None
        asked = torch.zeros_like(given)
        for k, some in enumerate(wanted):
            asked[k, : len(some)] = torch.from_numpy(some)
        asked = asked & ~given
        drawn = self.fitted.draw(
            batch.replace(mask=given | asked), given, samples, seed, nfe, names
        ).double()
        drawn[:, ~(given | asked)] = torch.nan
        return [
            standard.decode(drawn[:, k, : len(s)].numpy())
            for k, (s, standard) in enumerate(zip(parts, standards, strict=True))
        ]

    def save(self, path: Path | str, about: Mapping[str, Any]) -> None:
        """Write all of it in one file: weights (safetensors) with a JSON header, `about` beside."""
        told = {
            "channels": list(self.like.channels),
            "known": list(self.like.known),
            "static": list(self.like.static),
            "clock": self.like.clock.to_json(),
            "units": self.units.to_json(),
            "covariates": self.covariates.to_json(),
            "length": self.length,
            "scale": self.scale,
            "network": asdict(self.network),
            "longest": self._longest,
            "history": list(self.history.rows),
        }
        self.fitted.model.save(path, {**about, "learned": told})

    @staticmethod
    def load(path: Path | str, format: str) -> tuple[Learned, Mapping[str, Any]]:
        """What `save` wrote, and the `about` that was beside.

        Raises:
            CheckpointError: if the file is missing, unreadable, or its about names another format.
        """
        about = read_about(Path(path))
        if about.get("format") != format:
            raise CheckpointError(f"{path}: holds no {format}; it says {about.get('format')!r}")
        told = about["learned"]
        clock = Clock.from_json(told["clock"])
        names = {k: tuple(told[k]) for k in ("channels", "known", "static")}
        like = _blank(names["channels"], names["known"], names["static"], clock)
        covariates = Covariates.from_json(told["covariates"], clock)
        network, channels = Network(**told["network"]), len(like.channels)
        reference = saved_reference(Path(path))
        shape = (told["length"], channels)
        with torch.random.fork_rng(devices=[]):
            net = network.build(channels, *covariates.widths, told["longest"])
        model = series_model(shape, net, reference, Points(), told["scale"])
        model.load(path)
        made = Learned(
            like, Units.from_json(told["units"]), covariates, told["length"], told["scale"],
            FittedSeries(model.eval()), network, History(told["history"]),
        )  # fmt: skip
        return made, about

    @property
    def adjacent(self) -> float:
        """The correlation of the noise a typical gap apart."""
        return float(np.exp(-self.like.gap / self.scale))

    @property
    def _longest(self) -> float:
        network: Any = self.fitted.model.denoiser
        return float(network.network.longest)


def learn(
    panel: Panel, pattern: Pattern, length: int, how: Fit, network: Network, seed: int,
    progress: bool, folder: Path | str | None, **trainer: Any,
) -> Learned:  # fmt: skip
    """Train a model of a panel's windows.

    Args:
        panel: the series.
        pattern: what training gives of a window.
        length: of a window, in points.
        how: to train; a batch is never larger than the training set.
        network: its size; a kind that is None is chosen.
        seed: of weights, the order of windows, and noise.
        progress: show a progress bar.
        folder: where a resumable state is kept; the same call goes on from it.
        **trainer: passed on to `lightning.Trainer`.

    Raises:
        ValueError: for channels of which nothing can be learned.
    """
    panel.check_learnable()
    covariates, units = Covariates.of(panel), Units.of(panel)
    seen = replace_series(panel, [covariates(s) for s in panel.series])
    data = teaching(Windows.fitting(seen, length).cut(seen, units))
    reference = reference_of(data, covariates.calendar.periods, panel.gap)
    network = network.chosen(data)
    scale = best_scale(data, reference, pattern, seeded(seed), panel.gap)
    assert data.coords is not None
    longest = float((data.coords[:, -1] - data.coords[:, 0]).max())
    with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global stream
        torch.manual_seed(seed)
        net = network.build(len(panel.channels), *covariates.widths, longest)
    model = series_model(tuple(data.x.shape[1:]), net, reference, pattern, scale)
    how = replace(how, batch=min(how.batch, len(data)))
    history = fit(model, data, how, folder, seed=seed, progress=progress, **trainer)
    return Learned(
        panel, units, covariates, length, scale, FittedSeries(model.eval()), network, history
    )


def replace_series(panel: Panel, series: Sequence[Series]) -> Panel:
    """A panel of other series, whose covariates have no names any more."""
    f, s = series[0].known.shape[1], len(series[0].static)
    known, static = (tuple(f"{k} {j}" for j in range(n)) for k, n in (("known", f), ("static", s)))
    return Panel(series, panel.channels, known, static, panel.clock)


def reference_of(data: Batch, periods: Sequence[float], gap: float) -> Seasonal:
    """What answers first: a seasonal profile, and a fast and a slow process about it.

    Args:
        data: training windows in standard units.
        periods: of the profile, in the times' unit.
        gap: a typical one between times.
    """
    assert data.mask is not None and data.coords is not None
    x, t = data.x.double(), data.coords
    profile = fit_profile(x, data.mask, t, periods, gap)
    span = float((t[:, -1] - t[:, 0]).median())
    tau = (3 * gap, max(span, 10 * gap))
    points = _FEW if x.shape[2] > _MANY else _POINTS
    rest = fit_reference(x - profile(t), data.mask, t, tau, rounds=8, points=points)
    return Seasonal(profile, rest)


def _blank(
    channels: tuple[Hashable, ...], known: tuple[Hashable, ...], static: tuple[Hashable, ...], clock: Clock
) -> Panel:  # fmt: skip
    """Names and a clock, without values."""
    empty = Series(
        None, np.zeros(1), np.full((1, len(channels)), np.nan), np.zeros((1, len(known))),
        np.zeros(len(static)),
    )  # fmt: skip
    return Panel([empty], channels, known, static, clock)
