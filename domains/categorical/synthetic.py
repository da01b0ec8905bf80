"""What a model of a mixed table is scored on: synthetic rows, the bound of test rows, and a label drawn
anew; of the model, of real rows, and of columns that know nothing of each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Kind, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.progress import track
from unnoise.core.random import Generator
from unnoise.core.sampler import Sampling
from unnoise.core.training import History
from unnoise.core.transform import Affine
from unnoise.domains.categorical.table import Kind as ColumnKind
from unnoise.domains.categorical.table.bound import rows_bound
from unnoise.domains.categorical.table.encoder import Encoder, States
from unnoise.domains.categorical.table.fitted import FittedTable, table_sampler
from unnoise.domains.categorical.table.law import Network, build
from unnoise.domains.categorical.table.spelling import Label
from unnoise.domains.task import Preset, Splits

__all__ = ["MixedTable", "Settings", "Synthetic"]


@dataclass(frozen=True)
class Settings:
    """How much to generate: the keywords of `Preset.generate`.

    Attributes:
        samples: rows drawn.
        nfe: noise levels of each.
        draws: of the bound, see `rows_bound`.
        tests: test rows of the bound.
        fill: test rows whose label is drawn given the rest.
        fills: times that it is drawn.
    """

    samples: int
    nfe: int = 32
    draws: int = 64
    tests: int = 4_000
    fill: int = 2_000
    fills: int = 32


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Outputs of a model of a mixed table; None: not made.

    Attributes:
        frame: synthetic rows.
        bound: of the first test rows, in nats.
        odds: how often the label's later level was drawn for the first test rows, given the rest.
        nfe: noise levels of a row.
    """

    frame: pd.DataFrame
    bound: LikelihoodResult | None = None
    odds: NDArray[np.float64] | None = None
    nfe: int | None = None


@dataclass(frozen=True, eq=False)
class MixedTable:
    """A table in three parts, and how its columns are encoded.

    Attributes:
        train, valid, test: rows.
        label: the column to predict, of two levels.
        kinds: of columns that aren't inferred.
    """

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame
    label: str
    kinds: Mapping[Label, ColumnKind]

    @cached_property
    def encoder(self) -> Encoder:
        """Fitted to the training rows."""
        return Encoder.fit(self.train, self.kinds)

    @cached_property
    def positive(self) -> str:
        """The label's later level, in sorted order."""
        return str(max(self.train[self.label]))

    def splits(self) -> Splits:
        """States with what `rows_bound` and training need to know of them."""
        train, valid, test = (
            _batch(self.encoder.encode(part)) for part in (self.train, self.valid, self.test)
        )
        return Splits(train, valid, test, Affine())

    def model(self, splits: Splits, preset: Preset) -> Model:
        """The untrained model of a preset."""
        base = self.encoder.frequencies(self.train)
        return build(self.encoder, base, Network(**preset.network))

    def fitted(self, model: Model) -> FittedTable:
        """A trained model that speaks frames."""
        return FittedTable(self.encoder, model, History())

    def sampler(self, nfe: int) -> Sampling:
        """See `table_sampler`."""
        return table_sampler(self.encoder, nfe)

    def bound(
        self, model: Model, rows: Batch, draws: int, generator: Generator
    ) -> LikelihoodResult:
        """See `rows_bound`."""
        columns = len(self.encoder.columns)
        return rows_bound(model, _states(rows), columns, draws, generator)

    def generated(
        self, model: Model, splits: Splits, preset: Preset, generator: Generator
    ) -> Synthetic:
        """Everything that the report shows of a model."""
        how, table = Settings(**preset.generate), self.fitted(model)
        pieces = [
            splits.test.rows(slice(i, min(i + 500, how.tests)))
            for i in range(0, min(how.tests, len(splits.test)), 500)
        ]
        bounds = [
            self.bound(model, piece, how.draws, generator) for piece in track(pieces, "bound")
        ]
        asked = self.test.iloc[: how.fill].assign(**{self.label: None})
        last = self.sampler(2)  # a lone code needs no steps
        drawn = [
            (table.impute(asked, last, generator)[self.label] == self.positive).to_numpy()
            for _ in track(range(how.fills), f"{self.label} given the rest")
        ]
        frame = table.sample(how.samples, self.sampler(how.nfe), generator)
        return Synthetic(frame, LikelihoodResult.cat(bounds), np.mean(drawn, axis=0), how.nfe)

    def real(self, splits: Splits, preset: Preset) -> Synthetic:
        """The perfect sampler: training rows."""
        return Synthetic(self.train.iloc[: Settings(**preset.generate).samples])

    def independent(self, splits: Splits, preset: Preset) -> Synthetic:
        """Columns as they are, each in an order of its own, and the likelihood of that."""
        how, rng = Settings(**preset.generate), np.random.default_rng(0)
        columns = {name: rng.choice(self.train[name], how.samples) for name in self.train}
        states = _states(splits.test.rows(slice(how.tests)))
        nats, base = states.log_scale.clone(), self.encoder.frequencies(self.train)
        places = len(self.encoder.numbers)
        for law in base.values():
            codes = states.x[:, places : places + len(law)].long()
            nats += law.log().T.gather(0, codes).sum(1)
            places += len(law)
        dims = torch.full((len(nats),), float(len(self.encoder.columns)))
        exact = LikelihoodResult(nats, dims, Kind.EXACT, torch.zeros_like(nats), nfe=0)
        odds = np.full(
            min(how.fill, len(self.test)), (self.train[self.label] == self.positive).mean()
        )
        return Synthetic(pd.DataFrame(columns).astype(self.train.dtypes), exact, odds)

    def write(self, states: Tensor, path: Path) -> None:
        """States as rows of a CSV file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.encoder.decode(states).to_csv(path, index=False)


def _batch(states: States) -> Batch:
    return Batch(states.x, cond={"width": states.width, "log_scale": states.log_scale})


def _states(rows: Batch) -> States:
    known = torch.ones_like(rows.x, dtype=torch.bool)
    return States(rows.x, rows.cond["width"], known, rows.cond["log_scale"])
