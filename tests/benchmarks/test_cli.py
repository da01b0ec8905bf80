"""The command line: what it prints can be used, and what goes wrong is one line with a remedy."""

import math
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer.main
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from unnoise.benchmarks import cli, runner
from unnoise.benchmarks.records import Measurement, Record, append, read
from unnoise.benchmarks.runner import Run
from unnoise.core.checkpoint import read_about, save_weights
from unnoise.core.likelihood import IMMSE, Bound, Flow, Hutchinson, Likelihood, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import seeded
from unnoise.core.sampler import AnyNoise, LogSNRGrid, Sampler, auto
from unnoise.core.training import Fit
from unnoise.domains import images, make
from unnoise.domains.task import Preset, Task

TASK = "images/digits"
FIT = Fit(2, batch=8, lr=0.3, warmup=1, ema=0.5, log_every=1)  # large, so that labels matter
GENERATE = {"samples": 10, "bound_draws": 2, "flow_images": 0, "sweep_samples": 0}


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code and what it said."""

    code: int
    out: str
    err: str


def small() -> Task:
    """The digits with two steps to train and one number to score."""
    task = images.digits()
    return replace(
        task,
        presets={
            "smoke": Preset(FIT, {"widths": (8, 8), "blocks": 1}, GENERATE),
            "wide": Preset(FIT, {"widths": (8, 16), "blocks": 1}, GENERATE),
        },
        metrics={"bits_per_dim": task.metrics["bits_per_dim"]},
        figures={},
    )


@pytest.fixture(scope="module", autouse=True)
def digits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(images.DOMAIN, "digits", small)
        yield


@pytest.fixture(scope="module")
def trained(digits: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one trained model."""
    out = tmp_path_factory.mktemp("trained") / "runs"
    answer = CliRunner().invoke(cli.app, ["train", TASK, "--out", str(out), "--quiet"])
    assert answer.exit_code == 0, answer.output
    assert Path(answer.stdout.strip()) == Run(TASK, "smoke", 0, out).checkpoint
    return out


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder, on a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def runs(trained: Path, here: Path) -> Path:
    """A copy of the trained run, below the folder that commands run in."""
    shutil.copytree(trained, here / "runs")
    return Path("runs")


@pytest.fixture
def unnoise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Runs the real entry point, in this process."""

    def run(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["unnoise", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        code = end.value.code
        return Answer(code if isinstance(code, int) else 0, out, err)

    return run


def model_of(run: Run) -> Model:
    task = make(run.task)
    model = runner.build(task, task.data(), task.presets[run.preset], run.seed)
    model.load(run.checkpoint)
    return model.eval()


def files(folder: Path) -> dict[str, bytes | None]:
    """All that is below a folder; what a folder holds is None."""
    return {str(p): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


# --- help -------------------------------------------------------------------------------------


def commands(command: Any, *names: str) -> Iterator[tuple[list[str], Any]]:
    """Every command with its names."""
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            yield from commands(each, *names, name)
    else:
        yield [*names], command


COMMANDS = list(commands(typer.main.get_command(cli.app)))


def test_help_names_every_command_and_where_to_start() -> None:
    text = " ".join(CliRunner().invoke(cli.app, ["--help"]).output.split())
    assert "Start here: unnoise bench run images/digits --preset smoke" in text
    for names, _ in COMMANDS:
        assert names[0] in text


@pytest.mark.parametrize(
    ("names", "command"), COMMANDS, ids=lambda v: "-".join(v) if isinstance(v, list) else ""
)
def test_every_command_shows_an_example_that_it_understands(
    names: list[str], command: Any
) -> None:
    answer = CliRunner().invoke(cli.app, [*names, "--help"])
    assert answer.exit_code == 0
    if names == ["data", "where"]:  # its example is for a shell
        return
    text = " ".join(answer.output.split())
    example = re.search(rf"Example: unnoise {' '.join(names)}(.*)", text)
    assert example is not None
    words = shlex.split(example[1].partition("&&")[0])
    command.make_context(names[-1], words)  # raises for an option that isn't there


def test_the_version_is_printed(unnoise: Callable[..., Answer]) -> None:
    answer = unnoise("--version")
    assert re.fullmatch(r"\d+\.\d+\S*\n", answer.out)
    assert answer.code == 0


def test_tasks_are_listed_with_their_presets(unnoise: Callable[..., Answer]) -> None:
    answer = unnoise("bench", "list")
    (line,) = (line for line in answer.out.splitlines() if TASK in line)
    assert "smoke, wide" in line
    assert "images/mnist" in answer.out


# --- train, sample, likelihood ----------------------------------------------------------------


def test_training_again_trains_nothing(runs: Path, unnoise: Callable[..., Answer]) -> None:
    before = files(runs)
    answer = unnoise("train", TASK, "--out", runs, "--quiet")
    assert answer == Answer(0, f"{Run(TASK, 'smoke', 0, runs).checkpoint}\n", "")
    assert files(runs) == before


@pytest.mark.parametrize("by_file", [True, False])
@pytest.mark.parametrize(
    ("options", "sampler", "labels", "guidance"),
    [
        ([], auto(5), range(12), 1.0),
        (["--label", 3], auto(5), [3] * 12, 1.0),
        (["--guidance", 2], auto(5), range(12), 2.0),
        (["--noise-level", 1], Sampler(AnyNoise(1.0), steps=4), range(12), 1.0),
    ],
    ids=["plain", "label", "guidance", "noise-level"],
)
def test_samples_are_those_of_the_trained_model(
    runs: Path, unnoise: Callable[..., Answer], by_file: bool,
    options: list[object], sampler: Sampler, labels: list[int], guidance: float,
) -> None:  # fmt: skip
    run = Run(TASK, "smoke", 0, runs)
    target = run.checkpoint if by_file else TASK
    answer = unnoise(
        "sample", target, "--out", runs, "-n", 12, "--nfe", 5, "-o", "x.npy", *options, "--quiet"
    )
    assert answer == Answer(0, "x.npy\n", "")
    cond = {"label": torch.tensor([c % 10 for c in labels])}
    batch = make(TASK).data().test.rows(slice(12)).replace(cond=cond)
    expected = model_of(run).sample(batch, sampler, guidance=guidance, generator=seeded(0))
    assert np.array_equal(np.load("x.npy"), expected.numpy())
    if options:
        unnoise("sample", target, "--out", runs, "-n", 12, "--nfe", 5, "-o", "plain.npy")
        assert not np.array_equal(np.load("plain.npy"), expected.numpy()), "it matters"


def test_samples_can_be_a_picture(runs: Path, unnoise: Callable[..., Answer]) -> None:
    answer = unnoise("sample", TASK, "--out", runs, "-n", 2, "--nfe", 2, "-o", "new/x.png", "-q")
    assert answer == Answer(0, "new/x.png\n", "")
    assert Path("new/x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "method", "n", "split"),
    [
        ("bound", Bound(4), 12, "test"),
        ("bound", Bound(4), 60, "train"),
        ("immse", IMMSE(4), 12, "test"),
        ("flow", Flow(64, Hutchinson(1), LogSNRGrid()), 1, "valid"),
    ],
    ids=["bound", "bound-in-two-batches", "immse", "flow-of-one"],
)
def test_likelihoods_are_those_of_the_trained_model(
    runs: Path, unnoise: Callable[..., Answer], name: str, method: Likelihood, n: int, split: str
) -> None:
    answer = unnoise(
        "likelihood", TASK, "--out", runs, "--method", name, "-n", n, "--draws", 4,
        "--split", split,
    )  # fmt: skip
    data = getattr(make(TASK).data(), split).rows(slice(n)).without_condition()
    model, generator = model_of(Run(TASK, "smoke", 0, runs)), seeded(0)
    result = LikelihoodResult.cat(
        [model.log_prob(data.rows(slice(i, i + 50)), method, generator) for i in range(0, n, 50)]
    )
    bits, nats = result.bits_per_dim(), result.mean_nats()
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        f"{bits.value:.4f} ± {bits.stderr:.4f} bits/dim   "
        f"{nats.value:.2f} ± {nats.stderr:.2f} nats   (upper bound on bits/dim; {n} {split} items, 64 dims, {result.nfe} evaluations each)\n"
    )


# --- bench ------------------------------------------------------------------------------------


def test_a_benchmark_is_run_once_and_reported(runs: Path, unnoise: Callable[..., Answer]) -> None:
    first = unnoise("bench", "run", TASK, "--out", runs)
    assert first.code == 0
    assert first.err.splitlines()[0] == f"{TASK} smoke seed 0: running"
    assert "bits/dim, variational bound ↓" in first.out
    (record,) = read(runs / "records.jsonl")
    assert f"{record.metrics['bits_per_dim'].value:.4g}" in first.out
    second = unnoise("bench", "run", TASK, "--out", runs)
    assert second.err == f"{TASK} smoke seed 0: done already, --again scores it again\n"
    assert second.out == first.out
    assert len(read(runs / "records.jsonl")) == 1
    assert unnoise("bench", "run", TASK, "--out", runs, "--again", "--quiet").err == ""
    assert len(read(runs / "records.jsonl")) == 2
    assert unnoise("bench", "report", "--out", runs) == Answer(0, f"{runs}/report.html\n", "")
    assert TASK in (runs / "report.html").read_text()
    to = Path("elsewhere/page.html")
    assert unnoise("bench", "report", "--out", runs, "--to", to) == Answer(0, f"{to}\n", "")
    assert to.read_text() == (runs / "report.html").read_text()


def test_several_tasks_and_seeds_are_run_in_turn(
    here: Path, unnoise: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, int]] = []

    def execute(run: Run, **more: object) -> Record:
        asked.append((run.task, run.preset, run.seed))
        return record(0)

    monkeypatch.setattr(runner, "execute", execute)
    assert unnoise("bench", "run", TASK, "images/mnist", "--seed", "4,2", "-q").code == 0
    assert asked == [(task, "smoke", seed) for task in (TASK, "images/mnist") for seed in (4, 2)]
    asked.clear()
    assert unnoise("bench", "run", "--suite", "demo", "-q").code == 0
    assert (TASK, "smoke", 0) in asked


@pytest.mark.parametrize(
    "words", [("train", TASK), ("bench", "run", TASK)], ids=["train", "bench-run"]
)
def test_ctrl_c_says_how_to_go_on(
    unnoise: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def interrupted(model: Model, *arguments: Any) -> Tensor:
        signal.raise_signal(signal.SIGINT)
        return loss(model, *arguments)

    loss = Model.loss
    monkeypatch.setattr(Model, "loss", interrupted)
    answer = unnoise(*words, "--quiet")
    line = "stopped; the same command goes on where it was\n"
    assert answer == Answer(130, "", line)
    folder = Run(TASK, "smoke", 0, Path("runs")).folder
    assert sorted(p.name for p in folder.iterdir()) == ["fit.json", "last.ckpt"]


def record(seed: int, **values: tuple[float, str]) -> Record:
    metrics = {
        name: Measurement(value, None, "", direction, "estimate", name)  # type: ignore[arg-type]
        for name, (value, direction) in values.items()
    }
    return Record(TASK, "smoke", seed, metrics, 1, 1.0, 1, 1, {}, None)


def test_compare_marks_the_better_value_by_its_direction(
    here: Path, unnoise: Callable[..., Answer]
) -> None:
    nan = math.nan
    old = {"bits": (2.0, "lower"), "share": (0.5, "higher"), "same": (1.0, "lower")}
    new = {"bits": (1.5, "lower"), "share": (0.4, "higher"), "same": (1.0, "lower")}
    append(Path("old/records.jsonl"), record(0, **old, gone=(1.0, "lower"), lost=(nan, "lower")))
    append(Path("old/records.jsonl"), record(1, **old))
    append(Path("new/records.jsonl"), record(0, **new, fresh=(1.0, "lower"), lost=(1.0, "lower")))
    answer = unnoise("bench", "compare", "old", "new")
    assert (answer.code, answer.err) == (0, "")
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in answer.out.splitlines()
        if line.startswith("│")
    ]
    assert rows == [
        [TASK, "smoke", "0", "bits", "2", "1.5", "new"],
        [TASK, "smoke", "0", "share", "0.5", "0.4", "old"],
        [TASK, "smoke", "0", "same", "1", "1", "="],
        [TASK, "smoke", "0", "lost", "nan", "1", "—"],
    ]


# --- what goes wrong --------------------------------------------------------------------------

ERRORS: dict[str, tuple[str, int, str]] = {
    "unknown task": ("train images/digitz", 2, r"'images/digitz'; did you mean images/digits\?"),
    "one unknown": (f"bench run {TASK} images/digitz", 2, r"did you mean images/digits\?"),
    "unknown preset": (f"train {TASK} -p huge", 2, r"no preset 'huge'; it has smoke, wide"),
    "no task": ("bench run", 1, r"name tasks, or a --suite"),
    "task and suite": (f"bench run {TASK} --suite demo", 1, r"not both"),
    "unknown suite": ("bench run --suite grand", 1, r"no suite 'grand'; known: cpu, demo"),
    "seeds": (f"bench run {TASK} --seed 0,one", 1, r"--seed: '0,one' is not a list of integers"),
    "large seed": (f"train {TASK} --seed {2**64}", 1, r"--seed: need 0 to 2\^63 - 1, got 1844"),
    "not trained": (
        f"sample {TASK} --seed 9 --out runs", 1,
        rf"not trained yet; do it with: unnoise train {TASK} --preset smoke --seed 9 --out runs$",
    ),
    "no checkpoint": ("sample nowhere.safetensors", 1, r"nowhere\.safetensors: no such checkpoint"),
    "garbage": ("sample garbage.safetensors", 1, r"garbage\.safetensors: not a readable checkpoint"),
    "truncated": ("likelihood short.safetensors", 1, r"short\.safetensors: .*may be truncated"),
    "foreign": ("sample foreign.safetensors", 1, r"not written by unnoise"),
    "no task inside": ("sample bare.safetensors", 1, r"doesn't say which task it is of"),
    "no seed inside": ("sample half.safetensors", 1, r"doesn't say which task it is of"),
    "other architecture": ("sample other.safetensors", 1, r"made for another model"),
    "other preset": (f"sample {TASK} -p wide", 1, r"made for another model .*'preset': 'smoke'"),
    "method": (f"likelihood {TASK} --method guess", 1, r"--method: 'guess' is none of bound, flow"),
    "split": (f"likelihood {TASK} --split dev", 1, r"--split: 'dev' is none of train, valid, test"),
    "label": (f"sample {TASK} --label 10", 1, r"no class 10; labels are 0 to 9"),
    "suffix": (f"sample {TASK} -o new/x.jpg", 1, r"--output: new/x\.jpg .*\.png or \.npy"),
    "noise level": (f"sample {TASK} --noise-level -1", 1, r"noise"),
    "device": (f"sample {TASK} --device abacus", 1, r"no 'abacus' here; there is cpu"),
    "training device": (f"train {TASK} --seed 5 --device abacus", 1, r"no 'abacus' here"),
    "folder in the way": (f"train {TASK} --out file/below", 1, r"can't be written .*--out"),
    "no records": ("bench report --out empty", 1, r"empty: no runs recorded here"),
    "nothing to compare": ("bench compare runs empty", 1, r"no runs recorded here"),
    "no data": ("train images/mnist", 1, r"UNNOISE_DATA is 'nowhere', which is not a folder"),
}  # fmt: skip


@pytest.fixture
def broken(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints with everything that can be wrong with them, and no sampling."""
    run = Run(TASK, "smoke", 0, runs)
    whole, about = run.checkpoint.read_bytes(), read_about(run.checkpoint)
    Path("garbage.safetensors").write_bytes(b"no checkpoint at all")
    Path("short.safetensors").write_bytes(whole[: len(whole) // 2])
    save_file({"w": torch.zeros(2)}, "foreign.safetensors")
    save_weights(model_of(run), Path("bare.safetensors"), {})
    save_weights(model_of(run), Path("half.safetensors"), {"task": TASK, "preset": "smoke"})
    save_weights(torch.nn.LayerNorm(1), Path("other.safetensors"), about)
    wide = Run(TASK, "wide", 0, runs).checkpoint
    wide.parent.mkdir(parents=True)
    wide.write_bytes(whole)
    Path("file").write_text("in the way")
    monkeypatch.setenv("UNNOISE_DATA", "nowhere")

    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("too late to find out")

    for name in ("sample", "log_prob", "loss"):
        monkeypatch.setattr(Model, name, refuse)


@pytest.mark.parametrize(("words", "code", "told"), ERRORS.values(), ids=list(ERRORS))
def test_what_goes_wrong_is_one_line_and_costs_nothing(
    here: Path, broken: None, unnoise: Callable[..., Answer], words: str, code: int, told: str
) -> None:
    before = files(here)
    answer = unnoise(*shlex.split(words))
    assert (answer.code, answer.out) == (code, "")
    assert re.fullmatch(r"error: [^\n]+\n", answer.err), answer.err
    assert re.search(told, answer.err.strip()), answer.err
    assert files(here) == before


@pytest.mark.parametrize(
    "words",
    [
        f"train {TASK} --seed one",
        f"sample {TASK} -n 0",
        f"sample {TASK} --label -1",
        f"sample {TASK} --nfe 1",
        f"train {TASK} --out file",
        f"train {TASK} --colour red",
        "train",
        "dance",
    ],
)
def test_wrong_usage_is_no_traceback(
    here: Path, broken: None, unnoise: Callable[..., Answer], words: str
) -> None:
    before = files(here)
    answer = unnoise(*shlex.split(words))
    assert answer.code == 2
    assert answer.err
    assert "Traceback" not in answer.err
    assert files(here) == before


@pytest.mark.parametrize("name", ["unknown task", "truncated"])
def test_the_installed_command_says_the_same(here: Path, name: str) -> None:
    """The same in a process of its own, where nothing is patched."""
    words, code, told = ERRORS[name]
    Path("short.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    answer = subprocess.run(
        [sys.executable, "-c", "from unnoise.benchmarks.cli import main; main()", *words.split()],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (code, "")
    assert re.fullmatch(r"error: [^\n]+\n", answer.stderr), answer.stderr
    assert re.search(told, answer.stderr.strip())
    assert [p.name for p in here.iterdir()] == ["short.safetensors"]


def test_the_command_line_imports_nothing_heavy() -> None:
    heavy = ("torch", "lightning", "numpy", "scipy", "pandas", "sklearn", "matplotlib", "jinja2")
    code = f"import sys, unnoise.benchmarks.cli; print(*[m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "\n"
