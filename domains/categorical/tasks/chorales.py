"""Bach's chorales: four voices on a grid of sixteenth notes, and voices drawn to a given soprano."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.training import Fit
from unnoise.data import load_chorales
from unnoise.domains.categorical.baselines import StepMarkov
from unnoise.domains.categorical.figures import piano_roll
from unnoise.domains.categorical.metrics import hellinger, outliers
from unnoise.domains.categorical.networks import Convolutions
from unnoise.domains.categorical.outputs import Rows
from unnoise.domains.categorical.problem import Problem
from unnoise.domains.categorical.scores import BITS
from unnoise.domains.categorical.tasks.common import Completion, code_task
from unnoise.domains.categorical.write import MIDI, write_midi
from unnoise.domains.task import Metric, Preset, Score, Splits, Task

__all__ = ["TASKS", "chorales"]

STEPS, STRIDE = 128, 16  # of a row (eight bars); between the starts of two training rows
VOICES = 4
LOWEST, HIGHEST = 36, 81
PITCHES = (-1, *range(LOWEST, HIGHEST + 1))  # of the codes; -1 is silence
SHIFTS = range(-3, 4)  # semitones that training pieces are transposed by, where they fit
PRESETS = {
    "smoke": Preset(
        Fit(60, batch=16, lr=2e-3, warmup=20, ema=0.9),
        {"width": 64, "layers": 4},
        {"samples": 4, "nfe": 17, "draws": 4, "tests": 20, "fill": 8},
    ),
    "cpu": Preset(
        Fit(3_000, batch=32, lr=2e-3, warmup=200, ema=0.998, precision="auto"),
        {"width": 192, "layers": 10, "kernel": 5, "dilations": (1, 2, 4, 8, 16), "dropout": 0.1},
        {"samples": 64, "nfe": 129, "draws": 64, "fill": 128, "batch": 64},
    ),
    "paper": Preset(
        Fit(30_000, batch=128, lr=1e-3, warmup=1_000, ema=0.9995, precision="auto"),
        {"width": 512, "layers": 20, "kernel": 5, "dilations": (1, 2, 4, 8, 16), "dropout": 0.2},
        {"samples": 256, "nfe": 257, "draws": 256, "fill": 183, "batch": 64},
    ),
}


@cache
def problem() -> Problem:
    """Rows of eight bars, (128, 4); of test and validation pieces each step once, the last row of a
    piece padded."""
    songs = {k: [_codes(torch.from_numpy(s)) for s in v] for k, v in load_chorales().items()}
    train = [shifted for song in songs["train"] for shifted in _transposed(song)]
    rows = torch.cat(
        [song.unfold(0, STEPS, STRIDE).transpose(1, 2) for song in train if len(song) >= STEPS]
    )
    valid, test = (_padded(songs[part]) for part in ("valid", "test"))
    whole = torch.ones(1, 1, 1, dtype=torch.bool).expand(len(rows), STEPS, VOICES)
    return Problem(
        rows.contiguous().to(torch.uint8),
        valid[0],
        test[0],
        (len(PITCHES),),
        masks=(whole, valid[1], test[1]),
    )


def chorales() -> Task:
    """The task of the chorales."""

    def network(problem: Problem, how: Mapping[str, Any]) -> Callable[[int, int, int], nn.Module]:
        return lambda columns, states, out: Convolutions(VOICES, states, out, **how)

    def soprano(x: Tensor) -> Tensor:
        given = torch.zeros_like(x, dtype=torch.bool)
        given[..., 0] = True
        return given

    return code_task(
        "Bach's chorales, four voices, rows of eight bars; voices drawn to a given soprano",
        problem,
        PRESETS,
        {
            "bits_per_dim": BITS,
            "hellinger": _music(hellinger, "note histograms: Hellinger distance, drawn voices"),
            "outliers": _music(
                outliers, "share of drawn notes that the piece lacks, drawn voices"
            ),
            "hellinger_all": _music(
                hellinger, "… all voices, the given among them", everything=True
            ),
            "outliers_all": _music(
                outliers, "… all voices, the given among them", everything=True
            ),
        },
        network=network,
        completion=Completion(soprano, Steps.fit),
        figures={"Notes": piano_roll(PITCHES)},
        write=write_midi(lambda: PITCHES),
        formats=MIDI,
    )


@dataclass(frozen=True)
class Steps:
    """Each voice by its own step before, in rows that may be padded."""

    model: StepMarkov

    @staticmethod
    def fit() -> Steps:
        """Fitted to the training pieces as they are."""
        songs = [_codes(torch.from_numpy(s)) for s in load_chorales()["train"]]
        return Steps(StepMarkov.fit(songs, [len(PITCHES)] * VOICES))

    def nats(self, batch: Batch) -> Tensor:
        """log p of the steps that exist, (N,)."""
        x = batch.x.long()
        first, after = torch.stack([*self.model.first]), torch.stack([*self.model.log_p])
        voice = torch.arange(VOICES)
        begin = first[voice, 0, x[:, :1]]
        nats = torch.cat([begin, after[voice, x[:, :-1], x[:, 1:]]], 1)
        exists = torch.ones_like(x, dtype=torch.bool) if batch.mask is None else batch.mask
        return torch.where(exists, nats, 0.0).sum((1, 2))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Rows (n, D)."""
        return self.model.rows(STEPS).sample(n, generator)

    def complete(self, x: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Voices by themselves: a given one tells nothing of the others."""
        return self.model.rows(STEPS).complete(x, observed, generator)


def _music(judge: Callable[..., Score], title: str, everything: bool = False) -> Metric:
    def score(outputs: Rows, splits: Splits) -> Score | None:
        done = outputs.filled
        if done is None:
            return None
        mask = splits.test.mask
        exists = torch.ones_like(done.observed) if mask is None else mask[: len(done.drawn)]
        where = exists if everything else exists & ~done.observed
        return judge(done.drawn, done.originals, len(PITCHES), where)

    return Metric(score, "lower", title)


def _codes(notes: Tensor) -> Tensor:
    return torch.where(notes < 0, 0, notes - LOWEST + 1)


def _transposed(song: Tensor) -> list[Tensor]:
    """The song in all keys that fit; silence stays."""
    sounding = song[song > 0]
    top = len(PITCHES) - 1
    fits = [s for s in SHIFTS if int(sounding.min()) + s >= 1 and int(sounding.max()) + s <= top]
    return [torch.where(song > 0, song + s, 0) for s in fits]


def _padded(songs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows (N, STEPS, VOICES) of songs that don't overlap, and which of their entries exist."""
    rows, masks = [], []
    for song in songs:
        count = math.ceil(len(song) / STEPS)
        room = torch.zeros(count * STEPS, VOICES, dtype=torch.uint8)
        room[: len(song)] = song.to(torch.uint8)
        exists = torch.zeros_like(room, dtype=torch.bool)
        exists[: len(song)] = True
        rows.append(room.unflatten(0, (count, STEPS)))
        masks.append(exists.unflatten(0, (count, STEPS)))
    return torch.cat(rows), torch.cat(masks)


TASKS: dict[str, Callable[[], Task]] = {"jsb": chorales}
