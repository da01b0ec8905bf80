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

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.checkpoint import CheckpointError, atomic_write, read_about
from unnoise.core.likelihood import Bound, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator, seeded
from unnoise.core.times import LogSNRTimes
from unnoise.core.training import Fit, History, fit
from unnoise.domains.categorical.table.encoder import Encoder
from unnoise.domains.categorical.table.kinds import Kind
from unnoise.domains.categorical.table.law import Network, build, spread, without_holes
from unnoise.domains.categorical.table.sampler import OneByOne
from unnoise.domains.categorical.table.spelling import Label, Scalar

__all__ = ["TableSynthesizer"]

_FORMAT = "table-1"
_CHUNK = 2**22  # numbers in a tensor of beliefs, at most
_ROUNDS = 8  # draws of where in its ranks a number lies, for a likelihood


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting makes: the encoder and the trained model."""

    encoder: Encoder
    model: Model
    history: History

    def chunks(self, n: int) -> Iterator[slice]:
        """Rows in slices whose beliefs fit into memory, however many levels a column has."""
        rows = max(1, min(4096, _CHUNK // self.encoder.cells))
        return (slice(k, min(k + rows, n)) for k in range(0, n, rows))


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
        self._fitted: Fitted | None = None

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
        if folder is not None:
            _require_same(
                Path(folder), {"table": _digest(states.x), "network": asdict(self.network)}
            )
        data = Batch(states.x, cond={"width": states.width})
        history = fit(model, data, how, folder, seed=seed, progress=progress, **trainer)
        self._fitted = Fitted(encoder, model, history)
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
        sampler, generator, some = _sampler(nfe), seeded(seed), []
        for rows in fitted.chunks(n):
            batch = Batch(torch.zeros(rows.stop - rows.start, *fitted.model.shape))
            x = fitted.model.sample(batch, sampler, generator=generator)
            x, known = fitted.encoder.reopened(x)
            some.append(_completed(fitted, x, known, sampler, generator))
        return fitted.encoder.decode(torch.cat(some))

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
        fitted, sampler, generator = self._require_fitted(), _sampler(nfe), seeded(seed)
        encoder = fitted.encoder
        states = encoder.encode(frame, holes=True)
        open_rows = (~states.known).any(1).nonzero()[:, 0]
        if not len(open_rows):
            return frame.copy()
        some = []
        for piece in fitted.chunks(len(open_rows)):
            rows = open_rows[piece]
            x = spread(states.x[rows], states.width[rows], generator)
            some.append(_completed(fitted, x, states.known[rows], sampler, generator))
        return encoder.filled(frame, open_rows.numpy(), encoder.decode(torch.cat(some)))

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
        fitted, generator = self._require_fitted(), seeded(seed)
        if draws < 1 or draws % (2 * _ROUNDS):
            raise ValueError(
                f"log_prob: draws must be a multiple of {2 * _ROUNDS}, {_ROUNDS} rounds of pairs, got {draws}"
            )
        states = fitted.encoder.encode(frame)
        some = []
        for rows in fitted.chunks(len(frame)):
            x, width = states.x[rows], states.width[rows]
            rounds = [_bound(fitted, x, width, draws, generator) for _ in range(_ROUNDS)]
            nats = torch.stack([result.nats for result in rounds])
            some.append(
                replace(
                    rounds[0],
                    nats=nats.mean(0) + states.log_scale[rows],
                    dims=torch.full((len(x),), float(len(fitted.encoder.columns))),
                    stderr=nats.std(0) / math.sqrt(_ROUNDS),
                    nfe=_ROUNDS * rounds[0].nfe,
                )
            )
        return LikelihoodResult.cat(some)

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
        synth._fitted = Fitted(encoder, model, History(about["history"]))
        return synth

    def _require_fitted(self) -> Fitted:
        if self._fitted is None:
            raise RuntimeError(
                "TableSynthesizer: nothing learned yet; call fit(frame), or load(path)"
            )
        return self._fitted


def default_fit(rows: int) -> Fit:
    """How to train on so many rows: some hundred passes, within minutes."""
    return Fit(3000, batch=min(512, rows), precision="bf16-mixed")


def _sampler(nfe: int) -> OneByOne:
    if nfe < 2:
        raise ValueError(f"nfe must be at least 2, a step and the last denoise, got {nfe}")
    return OneByOne(steps=nfe - 1)


def _completed(
    fitted: Fitted, x: Tensor, known: Tensor, sampler: OneByOne, generator: Generator
) -> Tensor:
    """States (n, D) with what isn't known drawn given the rest, and nothing missing."""
    rows = (~known).any(1)
    if bool(rows.any()):
        process, denoiser = without_holes(fitted.encoder, fitted.model)
        batch = Batch(x[rows], observed=known[rows])
        x = x.clone()
        x[rows] = sampler(process, denoiser, batch, generator=generator)
    return x


def _bound(
    fitted: Fitted, ranks: Tensor, width: Tensor, draws: int, generator: Generator
) -> LikelihoodResult:
    """log p of ranks and codes at one draw of the ranks: log p(z) - log phi(z)."""
    x = spread(ranks, width, generator)
    times = LogSNRTimes() if width.shape[1] else None
    method = Bound(draws // _ROUNDS, times)
    result = method(fitted.model.process, fitted.model.denoiser, Batch(x), generator=generator)
    z = x[:, : width.shape[1]].double()
    normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
    return replace(result, nats=result.nats.double() - normal)


def _digest(x: Tensor) -> str:
    return hashlib.sha256(x.numpy().tobytes()).hexdigest()


def _require_same(folder: Path, about: dict[str, Any]) -> None:
    """Refuse a folder that holds the state of a run on another table.

    Raises:
        ValueError: if it does.
    """
    path = folder / "table.json"
    if path.exists() and json.loads(path.read_text()) != about:
        raise ValueError(
            f"{folder}: holds a run on another table, or of another network; use another folder, or delete this one"
        )
    atomic_write(path, json.dumps(about))
