"""Metrics of enhanced speech, the main one first; tables of rivals and of cost, and by how disturbed it was.

PESQ, the main one, needs a package that is built from C; without it a run has the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from unnoise.domains.audio.metrics import over_files
from unnoise.domains.audio.outputs import (
    LOG_MMSE,
    RIVALS,
    UNPROCESSED,
    Enhanced,
    rival_waves,
)
from unnoise.domains.task import Metric, Score, Splits, Table

__all__ = ["MEASURES", "MODEL", "by_label", "means", "metrics", "rivals", "row"]

MODEL = "this model"


@dataclass(frozen=True)
class Measure:
    """A measure of files: its symbol in tables, a title and a unit."""

    symbol: str
    title: str
    unit: str = ""


MEASURES: Mapping[str, Measure] = {
    "pesq": Measure("PESQ", "PESQ, wide band", "MOS"),
    "estoi": Measure("ESTOI", "ESTOI (intelligibility)"),
    "si_sdr": Measure("SI-SDR", "SI-SDR", "dB"),
    "si_sir": Measure("SI-SIR", "SI-SIR (less noise)", "dB"),
    "si_sar": Measure("SI-SAR", "SI-SAR (fewer artefacts)", "dB"),
}


def metrics(source: str) -> dict[str, Metric]:
    """All of a task's, means over the files of a test.

    Args:
        source: the data, as titles name them.
    """
    return {
        name: Metric(partial(_score, name), "higher", f"{each.title}, test of {source}", each.unit)
        for name, each in MEASURES.items()
    }


def rivals(outputs: Enhanced, splits: Splits) -> Table:
    """The same figures of enhancers that learn nothing, and of the model at every number of evaluations."""
    rows = {name: row(rival_waves(outputs.exam, name)) for name in RIVALS}
    return rows | {f"{MODEL}, {nfe} NFE": row(one) for nfe, one in outputs.by_cost.items()}


def by_label(outputs: Enhanced, splits: Splits) -> Table:
    """Figures of the files that are disturbed alike: of the model, and of two rivals."""
    everyone = {name: rival_waves(outputs.exam, name) for name in (UNPROCESSED, LOG_MMSE)}
    everyone[MODEL] = outputs
    return {
        f"{label}, {name}": means(_alike(one, label))
        for label in dict.fromkeys(outputs.exam.labels)
        for name, one in everyone.items()
    }


def row(made: Enhanced) -> Mapping[str, float | None]:
    """A row of a table: means over files, and what they cost."""
    return {**means(made.judged), "RTF": made.rtf, "NFE": made.nfe}


def means(judged: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each measure that there is over files, by symbol."""
    return {
        each.symbol: over_files(file[name] for file in judged).score.value
        for name, each in MEASURES.items()
        if name in judged[0]
    }


def _alike(made: Enhanced, label: str) -> list[Mapping[str, float]]:
    """The files of a label."""
    rows = zip(made.exam.labels, made.judged, strict=True)
    return [judged for own, judged in rows if own == label]


def _score(name: str, outputs: Enhanced, splits: Splits) -> Score | None:
    """The mean over files; None where the measure's package isn't installed."""
    if name not in outputs.judged[0]:
        return None
    return over_files(file[name] for file in outputs.judged).score
