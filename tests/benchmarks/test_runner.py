"""The runner: what it keeps, what it does not repeat, and what an interruption costs (nothing)."""

import errno
import json
import math
import re
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unnoise.benchmarks import provenance, runner
from unnoise.benchmarks.records import Record, read
from unnoise.benchmarks.runner import Run, UnknownPreset, device_of, execute
from unnoise.core import checkpoint, training
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Karras, MeanDenoiser
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator, normal, seeded
from unnoise.core.schedule import Cosine
from unnoise.core.training import Fit
from unnoise.core.transform import Affine
from unnoise.domains.task import Metric, Preset, Score, Sound, Splits, Task

STEPS = 12
FIT = Fit(STEPS, batch=16, warmup=2, ema=0.9, checkpoint_every=4, log_every=4)


class Net(nn.Module):
    """A linear network that can be stopped at one of its calls in training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.Dropout(0.1), nn.Linear(width, 2))
        self.calls = 0
        self.at: dict[int, Callable[[], None]] = {}

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        if self.training:
            self.calls += 1
            self.at.get(self.calls, lambda: None)()
        out: Tensor = self.layers(torch.cat([x, log_snr[:, None]], 1))
        return out


@dataclass(frozen=True)
class Points:
    points: Tensor
    nfe: int | None = None


def load() -> Splits:
    points = normal(torch.empty(128, 2), seeded(0)) * torch.tensor([1.0, 0.5])
    return Splits(Batch(points[:64]), Batch(points[64:96]), Batch(points[96:]), Affine())


def model(splits: Splits, preset: Preset) -> Model:
    return Model(Gaussian(Cosine()), MeanDenoiser(Net(**preset.network), Karras(1.0)), (2,))


def generate(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Points:
    return Points(model.sample(preset.generate["n"], generator=generator), 32)


def spread(outputs: Points, splits: Splits) -> Score:
    return Score(outputs.points.std().item(), 0.5)


def curve(outputs: Points, splits: Splits) -> Figure:
    figure = Figure()
    figure.subplots().plot(outputs.points[:, 0].numpy())
    return figure


TASK = Task(
    "two numbers",
    data=load,
    model=model,
    generate=generate,
    metrics={
        "spread": Metric(spread, "higher", "spread of the points", "units", "exact"),
        "missing": Metric(lambda o, s: None, "lower", "what nobody has"),
    },
    presets={"smoke": Preset(FIT, {"width": 8}, {"n": 20})},
    floor=lambda splits, preset: Points(splits.train.x),
    baseline=lambda splits, preset: Points(torch.zeros(4, 2)),
    figures={"Points, first of all!": curve, "Nothing": lambda outputs, splits: None},
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("toy/points", "smoke", 3, tmp_path / "runs")


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of all calls of `fit`, which still trains."""
    called: list[Path] = []

    def fit(model: Model, data: Batch, how: Fit, folder: Path, **more: Any) -> Any:
        called.append(folder)
        return training.fit(model, data, how, folder, **more)

    monkeypatch.setattr(runner, "fit", fit)
    return called


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, fits: list[Path]) -> Callable[..., None]:
    """Makes the task that every name finds, with some of it changed."""

    def put(**changes: object) -> None:
        monkeypatch.setattr(runner, "make", lambda name: replace(TASK, **changes))  # type: ignore[arg-type]

    put()
    return put


@pytest.fixture
def straight(offer: Callable[..., None], tmp_path: Path) -> tuple[Run, Record]:
    """A run that nothing disturbed."""
    run = Run("toy/points", "smoke", 3, tmp_path / "straight")
    return run, execute(run, show_progress=False)


def same_bits(a: Run, b: Run) -> bool:
    one, other = load_file(a.checkpoint), load_file(b.checkpoint)
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


def losses(run: Run) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows]


def leftovers(run: Run) -> list[str]:
    return [p.name for p in run.out.rglob("*") if p.name.endswith((".part", ".ckpt"))]


def stopped_at(step: int, act: Callable[[], None]) -> Callable[[Splits, Preset], Model]:
    """A model that acts in one of its steps."""

    def make(splits: Splits, preset: Preset) -> Model:
        made = model(splits, preset)
        made.denoiser.network.at = {step: act}  # type: ignore[union-attr]
        return made

    return make


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def killed() -> None:
    raise SystemExit(9)


def test_a_run_keeps_its_model_its_history_its_figures_and_its_record(
    straight: tuple[Run, Record],
) -> None:
    run, record = straight
    assert read(run.records) == [record]
    assert [step for step, _ in losses(run)] == [4, 8, 12]
    assert checkpoint.read_about(run.checkpoint)["task"] == "toy/points"
    assert record.figures == {
        "Points, first of all!": "toy/points/smoke/seed-3/figures/points-first-of-all.svg"
    }
    (figure,) = record.figures.values()
    assert (run.out / figure).read_text().lstrip().startswith("<")
    assert record.history == "toy/points/smoke/seed-3/history.jsonl"
    assert (run.out / record.history).exists()
    assert sorted(p.name for p in run.folder.iterdir()) == [
        "figures", "fit.json", "history.jsonl", "model.safetensors",
    ]  # fmt: skip


def test_sounds_are_kept_and_a_checkpoint_says_what_it_is(
    run: Run, offer: Callable[..., None]
) -> None:
    heard = {"a title": {"noisy": Sound(torch.zeros(3), 8_000)}}
    told = {"format": "toy-1", "task": "not the task's to say"}
    offer(sounds=lambda outputs, splits: heard, about=lambda model, preset: told)
    record = execute(run, show_progress=False)
    assert record.sounds == {
        "a title": {"noisy": "toy/points/smoke/seed-3/sounds/a-title-noisy.wav"}
    }
    assert (run.out / record.sounds["a title"]["noisy"]).read_bytes()[:4] == b"RIFF"
    about = checkpoint.read_about(run.checkpoint)
    assert (about["format"], about["task"]) == ("toy-1", "toy/points")


def test_a_record_says_what_was_run(straight: tuple[Run, Record]) -> None:
    run, record = straight
    assert (record.task, record.preset, record.seed) == ("toy/points", "smoke", 3)
    assert record.steps == STEPS
    assert record.nfe == 32
    assert record.parameters == (3 * 8 + 8) + (8 * 2 + 2)
    assert record.settings["network"] == {"width": 8}
    assert record.settings["generate"] == {"n": 20}
    assert record.settings["fit"]["steps"] == STEPS
    assert record.settings["threads"] == 1
    assert record.settings["device"] == str(device_of("auto"))
    assert record.settings["trained in"] == "32-true"
    assert record.versions["torch"] == torch.__version__
    rows = (run.folder / "history.jsonl").read_text().splitlines()
    assert record.train_seconds == json.loads(rows[-1])["seconds"] > 0


def test_every_metric_stands_between_its_floor_and_its_baseline(
    straight: tuple[Run, Record],
) -> None:
    _, record = straight
    assert list(record.metrics) == ["spread"], "what isn't measured has no row"
    measured = record.metrics["spread"]
    splits = load()
    assert measured.floor == splits.train.x.std().item()
    assert measured.baseline == 0
    assert (measured.stderr, measured.unit, measured.kind) == (0.5, "units", "exact")
    assert (measured.direction, measured.title) == ("higher", "spread of the points")


def test_a_task_that_needs_no_training_is_scored_as_it_is(
    run: Run, offer: Callable[..., None], fits: list[Path]
) -> None:
    exact = Preset(None, {"width": 8}, {"n": 20})
    table = {"row": {"column": 1.5, "gap": None}}
    offer(
        presets={"smoke": exact},
        tables={"Numbers": lambda o, s: table, "None": lambda o, s: None},
    )
    record = execute(run, show_progress=False)
    assert (record.steps, record.train_seconds, record.history) == (0, 0.0, None)
    assert record.metrics["spread"].value > 0
    assert record.settings["fit"] is None
    assert record.settings["device"] == "cpu"
    assert record.tables == {"Numbers": table}
    assert fits == []
    assert [p.name for p in run.folder.iterdir()] == ["figures"], "there is nothing to keep"
    assert execute(run, show_progress=False) == record, "it is not repeated"
    assert read(run.records) == [record]


def bare(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Points:
    return Points(generate(model, splits, preset, generator).points)


@pytest.mark.parametrize(
    ("lacking", "changes"),
    [
        ("floor", {"floor": None}),
        ("baseline", {"baseline": None}),
        ("figures", {"figures": {}}),
        ("nfe", {"generate": bare}),
    ],
)
def test_what_a_task_does_not_say_is_left_out(
    run: Run, offer: Callable[..., None], lacking: str, changes: dict[str, object]
) -> None:
    offer(**changes)
    record = execute(run, show_progress=False)
    kept = {
        "floor": record.metrics["spread"].floor,
        "baseline": record.metrics["spread"].baseline,
        "figures": record.figures or None,
        "nfe": record.nfe,
    }
    assert [name for name, value in kept.items() if value is None] == [lacking]


def test_a_run_that_is_recorded_is_not_repeated(
    straight: tuple[Run, Record], offer: Callable[..., None], fits: list[Path]
) -> None:
    run, record = straight

    def refuse(*arguments: object) -> Any:
        raise AssertionError("it did something")

    offer(data=refuse, model=refuse, generate=refuse)
    assert execute(run, show_progress=False) == record
    assert read(run.records) == [record]
    assert len(fits) == 1


def test_again_scores_again_and_trains_nothing(
    straight: tuple[Run, Record], fits: list[Path]
) -> None:
    run, record = straight
    second = execute(run, show_progress=False, again=True)
    assert read(run.records) == [record, second]
    assert second.metrics == record.metrics
    assert second.train_seconds == record.train_seconds
    assert len(fits) == 1


def test_the_model_of_a_checkpoint_is_what_the_task_says(
    straight: tuple[Run, Record], offer: Callable[..., None]
) -> None:
    """A task that fits something to the data doesn't do it again for weights that hold it."""
    run, record = straight
    asked: list[Path] = []

    def refuse(*arguments: object) -> Any:
        raise AssertionError("it made an untrained model")

    def saved(splits: Splits, preset: Preset, path: Path) -> Model:
        asked.append(path)
        return model(splits, preset)

    offer(model=refuse, saved=saved)
    assert execute(run, show_progress=False, again=True).metrics == record.metrics
    assert asked == [run.checkpoint]


def test_other_generation_settings_score_again_and_train_nothing(
    straight: tuple[Run, Record], offer: Callable[..., None], fits: list[Path]
) -> None:
    run, record = straight
    offer(presets={"smoke": Preset(FIT, {"width": 8}, {"n": 30})})
    second = execute(run, show_progress=False)
    assert second.settings["generate"] == {"n": 30}
    assert second.metrics != record.metrics
    assert len(fits) == 1


def test_the_seed_makes_the_run(straight: tuple[Run, Record], tmp_path: Path) -> None:
    run, record = straight
    twin = replace(run, out=tmp_path / "twin")
    assert execute(twin, show_progress=False).metrics == record.metrics
    assert same_bits(run, twin)
    other = replace(run, seed=4)
    assert execute(other, show_progress=False).metrics != record.metrics
    assert not same_bits(run, other)
    assert [r.seed for r in read(run.records)] == [3, 4]


def test_a_seed_makes_the_initial_weights() -> None:
    splits, preset = load(), TASK.presets["smoke"]
    one, same, other = (
        runner.build(TASK, splits, preset, seed).state_dict() for seed in (3, 3, 4)
    )
    weights = [k for k in one if "weight" in k]
    assert weights
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not any(torch.equal(one[k], other[k]) for k in weights)


def test_a_run_stopped_while_scoring_goes_on_there(
    run: Run, straight: tuple[Run, Record], offer: Callable[..., None], fits: list[Path]
) -> None:
    def stop(*arguments: object) -> Any:
        raise KeyboardInterrupt

    offer(generate=stop)
    with pytest.raises(KeyboardInterrupt):
        execute(run, show_progress=False)
    assert run.checkpoint.exists()
    assert not run.records.exists()
    offer()
    assert execute(run, show_progress=False).metrics == straight[1].metrics
    assert fits == [straight[0].folder, run.folder], "each was trained once"


@pytest.mark.parametrize("step", [1, 4, 5, 7, 11, 12])
@pytest.mark.parametrize(("act", "error"), [(ctrl_c, KeyboardInterrupt), (killed, SystemExit)])
def test_a_run_stopped_in_training_ends_on_the_same_bits(
    run: Run, straight: tuple[Run, Record], offer: Callable[..., None],
    act: Callable[[], None], error: type[BaseException], step: int,
) -> None:  # fmt: skip
    handler = signal.getsignal(signal.SIGINT)
    offer(model=stopped_at(step, act))
    with pytest.raises(error):
        execute(run, show_progress=False)
    assert signal.getsignal(signal.SIGINT) is handler
    assert not run.checkpoint.exists()
    assert not run.records.exists()
    if error is KeyboardInterrupt:
        assert leftovers(run) == ["last.ckpt"]
    offer()
    record = execute(run, show_progress=False)
    assert losses(run) == losses(straight[0])
    assert same_bits(run, straight[0])
    assert record.metrics == straight[1].metrics
    assert leftovers(run) == []


def test_an_unfinished_run_of_other_settings_is_refused(
    run: Run, offer: Callable[..., None]
) -> None:
    offer(model=stopped_at(5, ctrl_c))
    with pytest.raises(KeyboardInterrupt):
        execute(run, show_progress=False)
    offer(presets={"smoke": Preset(replace(FIT, lr=0.5), {"width": 8}, {"n": 20})})
    with pytest.raises(ValueError, match=r"other settings \(lr was 0\.001 and is 0\.5\)"):
        execute(run, show_progress=False)


@pytest.mark.parametrize(
    ("fit", "network", "told"),
    [
        (replace(FIT, steps=13), {"width": 8}, "fit.steps was 12 and is 13"),
        (FIT, {"width": 9}, "network.width was 8 and is 9"),
    ],
)
def test_a_trained_model_of_other_settings_is_refused(
    straight: tuple[Run, Record], offer: Callable[..., None], fits: list[Path],
    fit: Fit, network: dict[str, int], told: str,
) -> None:  # fmt: skip
    run, record = straight
    offer(presets={"smoke": Preset(fit, network, {"n": 20})})
    with pytest.raises(ValueError, match=re.escape(f"other settings ({told})")) as caught:
        execute(run, show_progress=False)
    assert str(run.folder) in str(caught.value)
    assert read(run.records) == [record]
    assert len(fits) == 1


@pytest.mark.parametrize("blocked", ["runs", "runs/toy", "runs/toy/points/smoke/seed-3"])
def test_a_folder_that_cannot_be_made_fails_before_training(
    run: Run, offer: Callable[..., None], fits: list[Path], tmp_path: Path, blocked: str
) -> None:
    path = tmp_path / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    with pytest.raises(OSError, match="can't be written") as caught:
        execute(run, show_progress=False)
    assert str(run.folder) in str(caught.value)
    assert "--out" in str(caught.value)
    assert fits == []


def test_a_folder_that_cannot_be_written_fails_before_training(
    run: Run, offer: Callable[..., None], fits: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**more: object) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(OSError, match="can't be written .Permission denied."):
        execute(run, show_progress=False)
    assert fits == []


@pytest.fixture(params=["limit", "half"])
def full_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights find no space: the system refuses to write on, or half a file is there already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limited(state: dict[str, Tensor], path: Path, about: dict[str, str]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            save_file(state, path, about)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def half(state: dict[str, Tensor], path: Path, about: dict[str, str]) -> None:
        path.write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "save_file", limited if request.param == "limit" else half)


def test_a_full_disk_leaves_no_half_of_a_model_and_no_record(
    run: Run, straight: tuple[Run, Record], full_disk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match=r"model\.safetensors"):
        execute(run, show_progress=False)
    assert not run.checkpoint.exists()
    assert not run.records.exists()
    assert leftovers(run) == ["last.ckpt"], "training is not lost"
    monkeypatch.setattr(checkpoint, "save_file", save_file)
    assert execute(run, show_progress=False).metrics == straight[1].metrics
    assert same_bits(run, straight[0])


def test_data_of_another_shape_are_refused_naming_both(
    run: Run, offer: Callable[..., None]
) -> None:
    def three() -> Splits:
        return replace(load(), train=Batch(torch.zeros(64, 3)))

    offer(data=three)
    with pytest.raises(ValueError, match=r"shape \(2,\), the batch holds \(3,\)"):
        execute(run, show_progress=False)
    assert not run.checkpoint.exists()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_data_that_are_not_finite_are_refused_naming_the_place(
    run: Run, offer: Callable[..., None], bad: float
) -> None:
    def holed() -> Splits:
        splits = load()
        splits.train.x[5, 1] = bad
        return splits

    offer(data=holed)
    with pytest.raises(ValueError, match=r"1 values? .*NaN or infinite.*\(5, 1\)"):
        execute(run, show_progress=False)
    assert not run.checkpoint.exists()


def test_a_loss_that_diverges_ends_the_run(run: Run, offer: Callable[..., None]) -> None:
    wild = replace(FIT, lr=1e30, warmup=0)
    offer(presets={"smoke": Preset(wild, {"width": 8}, {"n": 20})})
    with pytest.raises(FloatingPointError, match=r"loss became (nan|inf) near step \d+; lower"):
        execute(run, show_progress=False)
    assert not run.checkpoint.exists()
    assert not run.records.exists()


def test_an_unknown_preset_is_told_the_known(
    run: Run, offer: Callable[..., None], fits: list[Path]
) -> None:
    with pytest.raises(UnknownPreset, match="toy/points has no preset 'big'; it has smoke"):
        execute(replace(run, preset="big"), show_progress=False)
    assert fits == []
    assert not run.out.exists()


def test_a_device_that_is_not_here_fails_before_training(
    run: Run, offer: Callable[..., None], fits: list[Path]
) -> None:
    with pytest.raises(ValueError, match="there is no 'abacus' here; there is cpu"):
        execute(run, device="abacus", show_progress=False)
    assert fits == []


def test_a_record_names_the_commit_of_the_checkout_or_none(
    straight: tuple[Run, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = straight[1].commit
    assert commit is None or re.fullmatch(r"[0-9a-f]{12,40}(-dirty)?", commit)
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None, "no git, no commit"
