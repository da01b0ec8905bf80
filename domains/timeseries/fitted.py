"""A fitted model of series: answers to questions, in standard units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.progress import track
from unnoise.core.random import Rows, seeded
from unnoise.core.sampler import Sampling, auto
from unnoise.domains.timeseries.model import resized
from unnoise.domains.timeseries.question import SPREAD, answered, asked
from unnoise.domains.timeseries.questions import Questions, encoded

__all__ = ["FittedSeries"]

_CELLS = 2**17  # entries that are worked on at once, at most


@dataclass(frozen=True, eq=False)
class FittedSeries:
    """A trained model of windows.

    Attributes:
        model: whose objective is `Questions`.
    """

    model: Model

    @property
    def questions(self) -> Questions:
        """What it was trained on."""
        objective = self.model.objective
        if not isinstance(objective, Questions):
            raise TypeError(
                f"FittedSeries: a model of series is trained on Questions, this one on {type(objective).__name__}"
            )
        return objective

    def draw(
        self, batch: Batch, given: Tensor, samples: int, seed: int, nfe: int,
        names: Sequence[int] | None = None, sampler: Sampling | None = None,
    ) -> Tensor:  # fmt: skip
        """Draws of the entries in the batch's mask given some: (S, B, T, C).

        Sample s of row k depends on the seed, on s and on the row's own name, not on what is drawn beside it.

        Args:
            batch: values (B, T, C), the mask of those that are given or wanted, times, covariates.
            given: which are given.
            samples: S.
            seed: of all randomness.
            nfe: evaluations of the network.
            names: of the rows; None: 0 ... B - 1.
            sampler: how; None: the best of `nfe`.
        """
        names = range(len(batch)) if names is None else names
        how = auto(nfe, self.model.process) if sampler is None else sampler
        per = max(1, _CELLS // (samples * batch.x[0].numel()))
        out = []
        for k in track(range(0, len(batch), per), f"samples, {nfe} evaluations each"):
            rows = slice(k, k + per)
            question = self.ask(batch.rows(rows), given[rows])
            out.append(self._answers(question, samples, seed, how, names[rows]))
        return torch.cat(out, 1)

    def ask(self, batch: Batch, given: Tensor) -> Batch:
        """The question, where the network is."""
        device = next(self.model.parameters()).device
        with torch.no_grad():
            question = asked(batch.to(device), given.to(device), self.questions.reference)
            return encoded(self.model.denoiser, question)

    def log_prob(
        self, batch: Batch, given: Tensor, draws: int, generator: torch.Generator
    ) -> LikelihoodResult:
        """A lower bound on log p(targets | given) of each row, in nats of standard units, on the CPU as draws
        are."""
        per, out = max(1, _CELLS // batch.x[0].numel()), []
        for k in track(range(0, len(batch), per), "bound"):
            question = self.ask(batch.rows(slice(k, k + per)), given[k : k + per])
            model = resized(self.model, tuple(question.x.shape[1:]))
            result = model.log_prob(question, Bound(draws), generator)
            spread = torch.where(question.mask, question.cond[SPREAD], 0.0).sum((1, 2))  # type: ignore[arg-type]
            out.append(replace(result, nats=result.nats - spread))
        return LikelihoodResult.cat(out).to("cpu")

    def _answers(
        self, question: Batch, samples: int, seed: int, how: Sampling, names: Sequence[int]
    ) -> Tensor:
        many, out, per = len(question), [], max(1, _CELLS // question.x.numel())
        model = resized(self.model, tuple(question.x.shape[1:]))
        for s in range(0, samples, per):
            some = range(s, min(s + per, samples))
            copies = question.rows(torch.arange(many).repeat(len(some)))
            streams = Rows([seeded(seed, j, int(k)) for j in some for k in names])
            r = model.sample(copies, how, generator=streams)
            out.append(answered(r, copies).cpu().unflatten(0, (len(some), many)))
        return torch.cat(out)
