r"""DeepAR of GluonTS: a recurrent network that draws one step after the other.

Every channel is a series of its own, with Student-t steps whose parameters a two-layer LSTM
computes from earlier values, lags of the seasons that the frequency suggests, and the scale. It is
what most papers compare with, trained here as a user of GluonTS would, but for three things: one
thread, draws from a generator that is handed in, and no calendar, so that a forecast depends on
the history alone. Channels are independent given their pasts, so what they have in common is
missing from the law of their sum.

References:
    Salinas et al. (2020), DeepAR: Probabilistic Forecasting with Autoregressive Recurrent
    Networks.
"""

from __future__ import annotations

import logging
import random
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from unnoise.domains.timeseries.baselines.contract import Floats, check_counts, check_history

__all__ = ["DeepAR"]


@dataclass(frozen=True, eq=False)
class DeepAR:
    """A trained DeepAR.

    Attributes:
        freq: How far steps are apart, in the words of pandas: "h", "D", "B".
        horizon: The most steps that it forecasts.
        predictor: GluonTS' own.
    """

    freq: str
    horizon: int
    predictor: Any

    @staticmethod
    def fit(
        series: Floats,
        freq: str,
        horizon: int,
        rng: np.random.Generator,
        epochs: int = 5,
        batches: int = 50,
    ) -> DeepAR:
        """Trains on series (N, T, C) without gaps.

        Args:
            series: In the units of the data: the network scales each window itself.
            freq: How far steps are apart, in the words of pandas; it chooses the lags.
            horizon: Steps to forecast, and to learn from at a time.
            rng: Of initial weights and batches.
            epochs: GluonTS' own default is 100.
            batches: Of 32 windows, an epoch.

        Raises:
            ValueError: If series have gaps or are no longer than the horizon.
        """
        check_counts(horizon=horizon, epochs=epochs, batches=batches)
        x = check_history(series, horizon + 1)
        with _contained(rng), tempfile.TemporaryDirectory() as folder:
            from gluonts.torch.model.deepar import DeepAREstimator

            estimator = DeepAREstimator(
                freq=freq,
                prediction_length=horizon,
                time_features=[],
                num_batches_per_epoch=batches,
                trainer_kwargs={
                    "max_epochs": epochs,
                    "accelerator": "cpu",
                    "devices": 1,
                    "logger": False,
                    "enable_progress_bar": False,
                    "enable_model_summary": False,
                    "default_root_dir": folder,
                },
            )
            return DeepAR(freq, horizon, estimator.train(_rows(x, freq), cache_data=True))

    def forecast(
        self, history: Floats, horizon: int, samples: int, rng: np.random.Generator
    ) -> Floats:
        """Samples (S, N, H, C), as `Forecasts` says, for at most the horizon of the training."""
        check_counts(horizon=horizon, samples=samples)
        if horizon > self.horizon:
            raise ValueError(f"horizon: DeepAR was trained for {self.horizon}, got {horizon}")
        x = check_history(history, 1)
        n, _, c = x.shape
        with _contained(rng):
            forecasts = self.predictor.predict(_rows(x, self.freq), num_samples=samples)
            drawn = np.stack([forecast.samples for forecast in forecasts]).astype(np.float64)
        path: Floats = drawn.reshape(n, c, samples, -1).transpose(2, 0, 3, 1)
        return path[:, :, :horizon]


def _rows(x: Floats, freq: str) -> list[dict[str, Any]]:
    """Every channel of every series as GluonTS wants it, (N * C) rows. The date is made up."""
    import pandas as pd

    start = pd.Period("2000-01-03", freq)
    rows = np.moveaxis(x, 2, 1).reshape(-1, x.shape[1]).astype(np.float32)
    return [{"start": start, "target": row} for row in rows]


@contextmanager
def _contained(rng: np.random.Generator) -> Iterator[None]:
    """GluonTS draws from three global generators, in as many threads as there are, and talks: here
    generators are seeded, there is one thread, it is quiet, and after it all is as before."""
    drawn, plain = np.random.get_state(), random.getstate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning.pytorch  # noqa: F401  # draws, and sets the level of its own log

        log = logging.getLogger("lightning.pytorch")
        threads, level = torch.get_num_threads(), log.level
        seeds = [int(seed) for seed in rng.integers(2**32, size=3)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds[0])
            np.random.seed(seeds[1])
            random.seed(seeds[2])
            torch.set_num_threads(1)
            log.setLevel(logging.ERROR)
            try:
                yield
            finally:
                log.setLevel(level)
                torch.set_num_threads(threads)
                np.random.set_state(drawn)
                random.setstate(plain)
