"""The runner: train (or resume), generate, score, record. The same for every task of every domain.

A run is a (task, preset, seed) and lives in one folder, `<out>/<task>/<preset>/seed-<n>`:

    fit.json, last.ckpt      what was asked, and the resumable state of training
    history.jsonl            the training curve
    model.safetensors        the trained model; when it is there, training is over
    figures/*.svg            what the report shows
    sounds/*.wav             what it plays

A preset without a `fit` has a model that is exact as it is: its folder holds the figures only.

When all is done the run's record is appended to `<out>/records.jsonl`, and a rerun finds it there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from unnoise.benchmarks import charts, sounds
from unnoise.benchmarks.provenance import commit, versions
from unnoise.benchmarks.records import Measurement, Record, append, latest, read
from unnoise.core.checkpoint import atomic_write, read_about
from unnoise.core.device import best_device
from unnoise.core.model import Model
from unnoise.core.progress import quiet, shown
from unnoise.core.random import seeded
from unnoise.core.training import fit
from unnoise.domains import make
from unnoise.domains.task import Preset, Splits, Task

__all__ = [
    "Run",
    "UnknownPreset",
    "build",
    "device_of",
    "execute",
    "finished",
    "preset_of",
    "train",
]

_GENERATE = 10  # the stream of a seed that sampling and scoring draw from


class UnknownPreset(ValueError):
    """A preset that the task doesn't have."""


@dataclass(frozen=True)
class Run:
    """What to run and where to keep it.

    Raises:
        ValueError: for a seed that torch can't take.
    """

    task: str
    preset: str
    seed: int
    out: Path

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"--seed: need 0 to 2^63 - 1, got {self.seed}")

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.out / self.task / self.preset / f"seed-{self.seed}"

    @property
    def checkpoint(self) -> Path:
        """The trained model."""
        return self.folder / "model.safetensors"

    @property
    def history(self) -> Path:
        """Its training curve."""
        return self.folder / "history.jsonl"

    @property
    def records(self) -> Path:
        """The file that all runs of `out` append to."""
        return self.out / "records.jsonl"


def execute(
    run: Run, *, device: str = "auto", show_progress: bool = True, again: bool = False
) -> Record:
    """Do the run, or what is left of it, and return its record.

    Raises:
        UnknownTask, UnknownPreset: for a name that isn't there.
        OSError: if the folder can't be written, before anything is trained.
        KeyboardInterrupt: after Ctrl-C; the same call resumes.
    """
    task = make(run.task)
    preset = preset_of(task, run)
    done = finished(run, preset)
    if done is not None and not again:
        return done
    with quiet(not show_progress):
        splits = task.data()
        # before the training, so that what can fail early does
        floor = task.floor(splits, preset) if task.floor else None
        baseline = task.baseline(splits, preset) if task.baseline else None
        model = train(run, task, splits, device=device, show_progress=show_progress)
        outputs = task.generate(model, splits, preset, seeded(run.seed, _GENERATE))
        measured = _measure(task, splits, outputs, floor, baseline)
        drawn = {title: draw(outputs, splits) for title, draw in task.figures.items()}
        tables = {title: fill(outputs, splits) for title, fill in task.tables.items()}
        heard = task.sounds(outputs, splits) if task.sounds else {}
    record = Record(
        task=run.task,
        preset=run.preset,
        seed=run.seed,
        metrics=measured,
        nfe=getattr(outputs, "nfe", None),
        train_seconds=_train_seconds(run, preset),
        parameters=sum(p.numel() for p in model.parameters()),
        steps=preset.fit.steps if preset.fit else 0,
        versions=versions(),
        commit=commit(),
        settings=_settings(preset) | _circumstances(run, preset, device),
        figures=charts.keep(drawn, run.folder / "figures", run.out),
        tables={title: table for title, table in tables.items() if table is not None},
        sounds=sounds.keep(heard, run.folder / "sounds", run.out),
        history=str(run.history.relative_to(run.out)) if preset.fit else None,
    )
    append(run.records, record)
    return record


def build(
    task: Task, splits: Splits, preset: Preset, seed: int, checkpoint: Path | None = None
) -> Model:
    """The task's model with the initial weights of a seed, or with those of a checkpoint; torch's
    global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if checkpoint is None or task.saved is None:
            model = task.model(splits, preset)
        else:
            model = task.saved(splits, preset, checkpoint)
    if checkpoint is not None:
        model.load(checkpoint)
    return model


def train(
    run: Run, task: Task, splits: Splits, *, device: str = "auto", show_progress: bool = True
) -> Model:
    """The run's trained model, on its device: loaded if it is there, else trained or resumed, and
    saved; as it is, on the CPU, if there is nothing to train."""
    preset = preset_of(task, run)
    place = _place(preset, device)
    _require_writable(run.folder)
    if preset.fit is None:
        return build(task, splits, preset, run.seed).eval()
    if run.checkpoint.exists():
        _require_same(run, preset)
        model = build(task, splits, preset, run.seed, run.checkpoint)
    else:
        model = build(task, splits, preset, run.seed)
        bar = show_progress and shown()
        history = fit(
            model,
            splits.train,
            preset.fit,
            run.folder,
            seed=run.seed,
            progress=bar,
            accelerator=place.type,
            devices=1,
        )
        atomic_write(run.history, "".join(json.dumps(row) + "\n" for row in history.rows))
        told = task.about(model, preset) if task.about else {}
        asked = {"task": run.task, "preset": run.preset, "seed": run.seed, **_settings(preset)}
        model.save(run.checkpoint, {**told, **asked})
        (run.folder / "last.ckpt").unlink(missing_ok=True)
    return model.to(place).eval()


def preset_of(task: Task, run: Run) -> Preset:
    """The run's preset.

    Raises:
        UnknownPreset: if the task has none of that name.
    """
    if run.preset not in task.presets:
        raise UnknownPreset(
            f"{run.task} has no preset {run.preset!r}; it has {', '.join(task.presets)}"
        )
    return task.presets[run.preset]


def device_of(name: str) -> torch.device:
    """The device of a name; "auto" is the best there is.

    Raises:
        ValueError: if this machine has no such device.
    """
    best = best_device()
    here = {"cpu": torch.device("cpu"), best.type: best}
    if name == "auto":
        return best
    if name not in here:
        raise ValueError(f"--device: there is no {name!r} here; there is {', '.join(here)}")
    return here[name]


def _place(preset: Preset, device: str) -> torch.device:
    """Where a preset's model works: exact ones are in float64, which not every device has."""
    return device_of(device if preset.fit else "cpu")


def _circumstances(run: Run, preset: Preset, device: str) -> dict[str, Any]:
    """What a run depends on beside its settings. What it was trained in is what its state says: it may
    have been trained elsewhere."""
    found = {"threads": torch.get_num_threads(), "device": str(_place(preset, device))}
    state = run.folder / "fit.json"
    if state.exists():
        found["trained in"] = json.loads(state.read_text())["precision"]
    return found


def finished(run: Run, preset: Preset) -> Record | None:
    """The run's record, if there is one of the same settings."""
    if not run.records.exists():
        return None
    wanted = json.loads(json.dumps(_settings(preset)))
    for record in latest(read(run.records)):
        same = (record.task, record.preset, record.seed) == (run.task, run.preset, run.seed)
        if same and all(record.settings.get(k) == v for k, v in wanted.items()):
            return record
    return None


def _measure(
    task: Task, splits: Splits, outputs: Any, floor: Any, baseline: Any
) -> dict[str, Measurement]:
    measured = {}
    for name, metric in task.metrics.items():
        score = metric.score(outputs, splits)
        if score is None:
            continue
        low, trivial = (None if o is None else metric.score(o, splits) for o in (floor, baseline))
        measured[name] = Measurement(
            score.value, score.stderr, metric.unit, metric.direction, metric.kind, metric.title,
            None if low is None else low.value, None if trivial is None else trivial.value,
        )  # fmt: skip
    return measured


def _train_seconds(run: Run, preset: Preset) -> float:
    if preset.fit is None:
        return 0.0
    return float(json.loads(run.history.read_text().splitlines()[-1])["seconds"])


def _settings(preset: Preset) -> dict[str, Any]:
    return {
        "fit": asdict(preset.fit) if preset.fit else None,
        "network": dict(preset.network),
        "generate": dict(preset.generate),
    }


def _require_same(run: Run, preset: Preset) -> None:
    """Refuse a model that was trained with other settings."""
    saved, now = _training(read_about(run.checkpoint)), _training(_settings(preset))
    changed = sorted(k for k in saved | now if saved.get(k) != now.get(k))
    if changed:
        was = ", ".join(f"{k} was {saved.get(k)!r} and is {now.get(k)!r}" for k in changed)
        raise ValueError(
            f"{run.folder}: holds a model trained with other settings ({was}); "
            "use another folder, or delete this one"
        )


def _training(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the weights depend on, as JSON keeps it."""
    parts = json.loads(json.dumps({part: settings.get(part, {}) for part in ("fit", "network")}))
    return {f"{part}.{key}": v for part, values in parts.items() for key, v in values.items()}


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{folder}: can't be written ({error.strerror}); choose another folder with --out"
        ) from error
