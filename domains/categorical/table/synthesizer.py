"""A synthesizer of tables: pandas in, pandas out.

    synth = TableSynthesizer().fit(frame)
    synth.sample(1000)          rows like those of the frame
    synth.impute(holes)         p(missing | given), any pattern
    synth.log_prob(frame)       nats a row
    synth.save(path), TableSynthesizer.load(path)

Columns may be names, ordered levels or numbers in any mixture; see `kinds`. Training gives every other
row some of its cells, none to all of them, so that imputation is sampling and no approximation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from unnoise.core.batch import Batch
from unnoise.core.checkpoint import CheckpointError, read_about
from unnoise.core.likelihood import LikelihoodResult
from unnoise.core.random import seeded
from unnoise.core.training import Fit, History, fit
from unnoise.domains.categorical.table.encoder import Encoder
from unnoise.domains.categorical.table.fitted import FittedTable, table_sampler
from unnoise.domains.categorical.table.kinds import Kind
from unnoise.domains.categorical.table.law import Network, build
from unnoise.domains.categorical.table.spelling import Label, Scalar

__all__ = ["TableSynthesizer"]

_FORMAT = "table-1"


class TableSynthesizer:
    """A diffusion model of the rows of a table.

    Args:
        columns: kinds of some columns; those of others are inferred.
        fit: how to train; None: `default_fit` of the number of rows. A batch is never larger than
            the table.
        width, blocks, dropout: of the network, see `TableNetwork`.
        missing_values: what says "missing" in any column beside None and NaN, such as "?".
    """

    def __init__(
        self,
        columns: Mapping[Label, Kind] | None = None,
        *,
        fit: Fit | None = None,
        width: int = 512,
        blocks: int = 3,
        dropout: float = 0.1,
        missing_values: Sequence[Scalar] = (),
    ) -> None:
        self.columns = dict(columns or {})
        self.how = fit
        self.network = Network(width, blocks, dropout)
        self.missing_values = tuple(missing_values)
        self._fitted: FittedTable | None = None

    @property
    def history(self) -> History:
        """The losses of training."""
        return self._require_fitted().history

    def fit(
        self,
        frame: pd.DataFrame,
        seed: int = 0,
        progress: bool = True,
        folder: Path | str | None = None,
        **trainer: Any,
    ) -> TableSynthesizer:
        """Learn a table; anything learned before is forgotten.

        Args:
            frame: the rows.
            seed: of weights, row order and noise.
            progress: show a progress bar.
            folder: where a resumable state is kept; the same call goes on from it.
            **trainer: passed on to `lightning.Trainer`.

        Returns:
            The synthesizer.

        Raises:
            ValueError: if the frame can't be learned, or the folder holds another run; what is
                wrong is named.
        """
        encoder = Encoder.fit(frame, self.columns, self.missing_values)
        states, base = encoder.encode(frame), encoder.frequencies(frame)
        with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global stream
            torch.manual_seed(seed)
            model = build(encoder, base, self.network)
        how = self.how or default_fit(len(frame))
        how = replace(how, batch=min(how.batch, len(frame)))
        data = Batch(states.x, cond={"width": states.width})
        history = fit(model, data, how, folder, seed=seed, progress=progress, **trainer)
        self._fitted = FittedTable(encoder, model, history)
        return self

    def sample(self, n: int, seed: int = 0, nfe: int = 32) -> pd.DataFrame:
        """n rows, in the columns, the types and the spelling of the table.

        Args:
            n: how many.
            seed: of all randomness.
            nfe: noise levels, an evaluation of the network each; a row needs some more, see
                `OneByOne`.

        Raises:
            ValueError: if n is less than 1 or nfe less than 2.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        if n < 1:
            raise ValueError(f"sample: n must be at least 1, got {n}")
        return fitted.sample(n, table_sampler(fitted.encoder, nfe), seeded(seed))

    def impute(self, frame: pd.DataFrame, seed: int = 0, nfe: int = 32) -> pd.DataFrame:
        """The frame with a draw of p(missing | given) in the place of missing cells.

        What is given stays as it is, and so do index and types; a column of whole numbers or truth
        values that holes had made another type gets the table's. A column that was missing in all
        rows of the table stays missing.

        Args:
            frame: rows of the same columns, in any order.
            seed: of all randomness.
            nfe: see `sample`.

        Raises:
            ValueError: if the frame has no rows, other columns, or a value that the table never
                had; they are named.
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        return fitted.impute(frame, table_sampler(fitted.encoder, nfe), seeded(seed))

    def log_prob(self, frame: pd.DataFrame, draws: int = 64, seed: int = 0) -> LikelihoodResult:
        """A lower bound on log p of every row, in nats, with its standard error.

        Probabilities of levels and of numbers that occur often, densities of other numbers (whole
        ones: probabilities). That a cell is missing counts as what it is, an event with a
        probability. A dimension is a column.

        Args:
            frame: rows of the same columns, in any order.
            draws: evaluations for each row, a multiple of 16.
            seed: of all randomness.

        Raises:
            ValueError: as `impute`, or for a missing cell where the table had none; or if `draws`
                isn't a multiple of 16.
            RuntimeError: before `fit`.
        """
        return self._require_fitted().log_prob(frame, draws, seeded(seed))

    def save(self, path: Path | str) -> None:
        """Write all that sampling needs in one file: weights (safetensors) with a JSON header.

        Raises:
            RuntimeError: before `fit`.
        """
        fitted = self._require_fitted()
        about = {
            "format": _FORMAT,
            "network": asdict(self.network),
            "encoder": fitted.encoder.to_json(),
            "history": list(fitted.history.rows),
        }
        fitted.model.save(path, about)

    @staticmethod
    def load(path: Path | str) -> TableSynthesizer:
        """The synthesizer that was saved.

        Raises:
            CheckpointError: if the file is missing, unreadable, or no synthesizer.
        """
        about = read_about(Path(path))
        if about.get("format") != _FORMAT:
            raise CheckpointError(f"{path}: holds no TableSynthesizer")
        synth = TableSynthesizer(**about["network"])
        encoder = Encoder.from_json(about["encoder"])
        with torch.random.fork_rng(devices=[]):
            model = build(encoder, encoder.no_frequencies(), synth.network).eval()
        model.load(path)
        synth._fitted = FittedTable(encoder, model, History(about["history"]))
        return synth

    def _require_fitted(self) -> FittedTable:
        if self._fitted is None:
            raise RuntimeError(
                "TableSynthesizer: nothing learned yet; call fit(frame), or load(path)"
            )
        return self._fitted


def default_fit(rows: int) -> Fit:
    """How to train on so many rows: a hundred passes, or 4,000 steps if these are fewer.

    Small tables are learnt by heart if they are seen more often. A step of the default network
    takes a tenth of a second on two cores.
    """
    batch = min(rows, 2 ** max(5, min(9, int(math.log2(max(rows / 6, 1))))))
    steps = max(300, min(4000, 100 * rows // batch))
    return Fit(steps, batch, lr=2e-3, warmup=steps // 20, weight_decay=0.3, ema=1 - 4 / steps)
