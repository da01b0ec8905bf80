"""`unnoise forecast | impute`: the library's own answers in files, and what is wrong in one line."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from unnoise.benchmarks import cli
from unnoise.benchmarks.commands import series
from unnoise.core.model import Model
from unnoise.domains.timeseries import Forecaster, Imputer

TRAIN = ["--steps", "2", "--width", "16", "--quiet"]


@dataclass(frozen=True)
class Told:
    """What a command left: its exit code and what it said."""

    code: int
    out: str
    err: str


def rooms() -> pd.DataFrame:
    """Two series of unequal length on one clock, with holes, rows in no order."""
    rng = np.random.default_rng(0)
    parts = []
    for room, n in (("hall", 70), ("attic", 50)):
        stamps = pd.date_range("2026-03-01", periods=n, freq="h")
        heat = np.sin(np.arange(n) / 4) + 0.1 * rng.standard_normal(n)
        parts.append(pd.DataFrame({"room": room, "ts": stamps.astype(str), "heat": heat}))
    frame = pd.concat(parts, ignore_index=True)
    frame["load"] = 2 - frame["heat"] + 0.1 * rng.standard_normal(len(frame))
    frame["open"] = (np.arange(len(frame)) // 5) % 2
    frame.loc[10:19, "heat"] = np.nan
    return frame.sample(frac=1, random_state=1)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    rooms().to_csv("rooms.csv", index=False)
    return tmp_path


@pytest.fixture
def unnoise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """Runs the real entry point, in this process."""

    def run(*words: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["unnoise", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        code = end.value.code
        return Told(code if isinstance(code, int) else 0, out, err)

    return run


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the rooms, made by the command."""
    folder = tmp_path_factory.mktemp("forecaster")
    rooms().to_csv(folder / "rooms.csv", index=False)
    words = f"forecast {folder}/rooms.csv --item room --target heat,load --horizon 6 --samples 2"
    words += f" --checkpoint {folder}/made.safetensors -o {folder}/out.csv"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["unnoise", *words.split(), *TRAIN])
        torch.set_num_threads(1)
        cli.main()
    assert not end.value.code
    return folder / "made.safetensors"


def read(path: str) -> pd.DataFrame:
    return pd.read_csv(path, float_precision="round_trip")


def left(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


ASKED = ["forecast", "rooms.csv", "--item", "room", "--target", "heat,load", "--horizon", 4]


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mean", "median", "quantiles", "samples"])
def test_a_forecast_is_the_librarys(
    forecaster: Path, unnoise: Callable[..., Told], kind: str
) -> None:
    told = unnoise(
        *ASKED, "--checkpoint", forecaster, "--samples", 7, "--nfe", 3, "--seed", 5,
        "--output-kind", kind, "-o", "out.csv", "-q",
    )  # fmt: skip
    assert told == Told(0, "out.csv\n", "")
    made = Forecaster.load(forecaster)
    answer = made.forecast(4, pd.read_csv("rooms.csv"), n_samples=7, seed=5, nfe=3)
    out = read("out.csv")
    if kind in ("mean", "median"):
        expected = answer.mean() if kind == "mean" else answer.median()
        assert list(out.columns) == ["room", "ts", "heat", "load"]
    elif kind == "samples":
        expected = answer.samples()
        assert list(out.columns) == ["sample", "room", "ts", "heat", "load"]
        assert list(out["sample"]) == [s for s in range(7) for _ in range(8)]
    else:
        expected = answer.quantiles()
        levels = (0.05, 0.25, 0.5, 0.75, 0.95)
        names = [f"{c} q{q:g}" for c in ("heat", "load") for q in levels]
        assert list(out.columns) == ["room", "ts", *names]
    values = out.select_dtypes("float").to_numpy()
    assert np.array_equal(values, expected.select_dtypes("float").to_numpy())
    first = pd.Timestamp(rooms().query("room == 'attic'")["ts"].max()) + pd.Timedelta("1h")
    assert pd.to_datetime(out[out["room"] == "attic"]["ts"]).min() == first


def test_levels_of_your_own_are_written(forecaster: Path, unnoise: Callable[..., Told]) -> None:
    told = unnoise(*ASKED, "--checkpoint", forecaster, "--quantiles", "0.1,0.9", "-o", "q.parquet")
    assert told.code == 0
    assert told.err == f"{forecaster}: used, nothing was trained\n"
    out = pd.read_parquet("q.parquet")
    assert list(out.columns[2:]) == ["heat q0.1", "heat q0.9", "load q0.1", "load q0.9"]
    assert (out["heat q0.1"] < out["heat q0.9"]).all()


def test_imputation_fills_the_holes_and_nothing_else(unnoise: Callable[..., Told]) -> None:
    words = ["impute", "rooms.csv", "--item", "room", "--known", "open", "--window", 16]
    words += ["--samples", 3, "--checkpoint", "made.safetensors", *TRAIN]
    told = unnoise(*words, "-o", "full.csv", "--plot", "full.png")
    assert told == Told(0, "full.csv\nfull.png\n", "")
    frame, full = read("rooms.csv"), read("full.csv")
    known = frame["heat"].notna()
    assert (~known).sum() == 10
    assert full["heat"].notna().all()
    pd.testing.assert_frame_equal(full[known], frame[known])
    made = Imputer.load("made.safetensors")
    assert made.window == 16
    pd.testing.assert_frame_equal(full, made.impute(pd.read_csv("rooms.csv"), 3).median())
    assert Path("full.png").read_bytes().startswith(b"\x89PNG")
    again = unnoise(*words, "-o", "again.csv")
    assert again.code == 0
    assert Path("again.csv").read_bytes() == Path("full.csv").read_bytes()


def test_the_same_seed_is_the_same_file_and_what_happened_is_said(
    unnoise: Callable[..., Told],
) -> None:
    words = [*ASKED, "--samples", 2, "--steps", 2, "--width", 16]
    for name in ("one", "two"):
        told = unnoise(*words, "-o", f"{name}.csv", "--checkpoint", f"{name}.safetensors")
        assert told.err == f"{name}.safetensors: trained and written\n"
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
    assert unnoise(*words, "-o", "one.csv").err == "trained; --checkpoint FILE would keep it\n"


def test_measurements_in_rows_and_numeric_stamps(unnoise: Callable[..., Told]) -> None:
    frame = rooms().query("room == 'hall'").drop(columns=["open", "room"])
    frame["ts"] = (pd.to_datetime(frame["ts"]) - pd.Timestamp("2026-03-01")) / pd.Timedelta("1h")
    long = frame.melt("ts", var_name="what", value_name="value")
    long.to_csv("long.csv", index=False)
    told = unnoise(
        "impute", "long.csv", "--time", "ts", "--long", "what", "value", "--samples", 2,
        "--checkpoint", "made.safetensors", *TRAIN,
    )  # fmt: skip
    assert told == Told(0, "imputed.csv\n", "")
    full = read("imputed.csv")
    assert full["value"].notna().all()
    made = Imputer.load("made.safetensors")
    expected = made.impute(pd.read_csv("long.csv"), 2).median()
    assert np.array_equal(full["value"], expected["value"])


def test_covariates_ahead_and_steps_of_an_irregular_series(unnoise: Callable[..., Told]) -> None:
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.exponential(1.0, 60))
    heat = np.sin(t) + 0.1 * rng.standard_normal(60)
    pd.DataFrame({"t": t, "heat": heat, "open": t % 3 < 1}).to_csv("odd.csv", index=False)
    ahead = t[-1] + 0.5 * np.arange(1, 5)
    pd.DataFrame({"t": ahead, "open": [True, False] * 2}).to_csv("ahead.csv", index=False)
    told = unnoise(
        "forecast", "odd.csv", "--time", "t", "--known", "open", "--future", "ahead.csv",
        "--horizon", 4, "--step", 0.5, "--context", 12, "--samples", 2, *TRAIN,
    )  # fmt: skip
    assert told == Told(0, "forecast.csv\n", "")
    out = read("forecast.csv")
    assert list(out.columns) == ["t", "heat"]
    np.testing.assert_allclose(out["t"], ahead, rtol=1e-12)


def test_columns_may_be_named_one_by_one(unnoise: Callable[..., Told], forecaster: Path) -> None:
    words = [w if w != "heat,load" else "heat" for w in ASKED] + ["--target", "load"]
    assert unnoise(*words, "--checkpoint", forecaster, "-q").code == 0


# --- what goes wrong --------------------------------------------------------------------------

ROOMS = "rooms.csv --item room"
ERRORS: dict[str, tuple[str, str]] = {
    "no file": ("impute nothing.csv", r"nothing\.csv: no such file"),
    "suffix": ("impute rooms.xlsx", r"rooms\.xlsx: unknown suffix"),
    "output suffix": (f"impute {ROOMS} -o x.txt", r"--output: x\.txt is no file that ends in \.csv or"),
    "plot suffix": (f"impute {ROOMS} --plot x.gif", r"--plot: x\.gif is no file that ends in \.png"),
    "checkpoint suffix": (f"impute {ROOMS} --checkpoint x.pt", r"--checkpoint: .*\.safetensors"),
    "folder": (f"impute {ROOMS} -o new/x.csv", r"--output: new: no such folder"),
    "overwriting": (f"impute {ROOMS} -o ./rooms.csv", r"--output: .*is the table that is read"),
    "text column": ("impute rooms.csv", r"'room' has type object; .* pass --item 'room'"),
    "no column": (f"impute {ROOMS} --target heet", r"no column 'heet'; its columns are .*'heat'"),
    "no stamps": ("impute numbers.csv", r"no column holds dates.* pass --time"),
    "two roles": (f"impute {ROOMS} --target heat,load --known load", r"'load' is both targets and known"),
    "bad stamp": ("impute stamps.csv --time ts", r"column 'ts': row 1 .*'noon'"),
    "bad number": ("impute text.csv --target x", r"column 'x': has type object"),
    "void": ("impute void.csv", r"no value is known of 'x'"),
    "twice": ("impute rooms.csv --target heat", r"same stamp .*pass --item"),
    "long": ("impute rooms.csv --long what heat", r"--long: the table has no column 'what'"),
    "long target": (f"impute {ROOMS} --long open heat --target heat", r"--target: in a --long table"),
    "semicolons": ("impute semi.csv", r"aren't separated by commas"),
    "levels": (f"impute {ROOMS} --quantiles 0.1,high", r"--quantiles: '0.1,high' is no list"),
    "level": (f"impute {ROOMS} --quantiles 5,95", r"--quantiles: '5,95' is no list"),
    "kinds": (f"impute {ROOMS} --quantiles 0.5 --output-kind mean", r"can't go with --output-kind mean"),
    "width": (f"impute {ROOMS} --width 20", r"width"),
    "garbage": (f"impute {ROOMS} --checkpoint garbage.safetensors", r"not a readable checkpoint"),
    "too long": (f"forecast {ROOMS} --target heat --horizon 70", r"longest series has 70 points"),
    "irregular": ("forecast odd.csv --time t --horizon 3", r"irregular.* a step"),
    "step": (f"forecast {ROOMS} --horizon 3 --step often", r"step: 'often' is no frequency"),
    "no future": (f"forecast {ROOMS} --known open --horizon 3", r"--future: covariates 'open' must be known"),
    "short future": (
        f"forecast {ROOMS} --known open --horizon 3 --future rooms.csv", r"covariates: .* has none at 2026",
    ),
}  # fmt: skip


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables with everything that can be wrong with them, and no training."""
    Path("rooms.xlsx").write_bytes(b"")
    Path("garbage.safetensors").write_bytes(b"no checkpoint at all")
    Path("numbers.csv").write_text("x,y\n1,2\n3,4\n")
    Path("stamps.csv").write_text("ts,x\n2026-01-01,1\nnoon,2\n")
    Path("text.csv").write_text("ts,x\n2026-01-01,1\n2026-01-02,two\n")
    Path("void.csv").write_text("ts,x\n2026-01-01,\n2026-01-02,\n")
    Path("semi.csv").write_text("ts;x\n2026-01-01;1\n")
    Path("odd.csv").write_text("t,x\n0,1\n1,2\n1.3,3\n2.9,1\n")

    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("too late to find out")

    monkeypatch.setattr("unnoise.core.training.fit", refuse)
    monkeypatch.setattr("unnoise.domains.timeseries.learned.fit", refuse)


@pytest.mark.parametrize(("words", "told"), ERRORS.values(), ids=list(ERRORS))
def test_what_is_wrong_is_one_line_and_costs_nothing(
    here: Path, bad: None, unnoise: Callable[..., Told], words: str, told: str
) -> None:
    before = left(here)
    answer = unnoise(*shlex.split(words))
    assert (answer.code, answer.out) == (2, ""), answer.err
    assert re.fullmatch(r"error: [^\n]+\n", answer.err), answer.err
    assert re.search(told, answer.err), answer.err
    assert left(here) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("forecast rooms.csv --item room --target heat --horizon 4",
         r"trained with targets \('heat', 'load'\), and here it is \('heat',\)"),
        ("forecast rooms.csv --item room --target heat,load --horizon 7",
         r"--horizon: .* trained for 6 steps, got 7"),
        ("impute rooms.csv --item room --target heat,load", r"holds no imputer-1"),
    ],
    ids=["columns", "horizon", "kind"],
)  # fmt: skip
def test_a_checkpoint_of_something_else_is_refused(
    here: Path, bad: None, forecaster: Path, unnoise: Callable[..., Told], words: str, told: str
) -> None:
    before = left(here)
    answer = unnoise(*shlex.split(words), "--checkpoint", forecaster)
    assert (answer.code, answer.out) == (2, "")
    assert re.search(told, answer.err), answer.err
    assert re.fullmatch(r"error: [^\n]+\n", answer.err), answer.err
    assert left(here) == before


def test_a_figure_that_fails_leaves_no_table(
    here: Path, forecaster: Path, unnoise: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("unnoise.domains.timeseries.plot.fan", fails)
    before = left(here)
    answer = unnoise(*ASKED, "--checkpoint", forecaster, "--plot", "x.png", "-q")
    assert answer == Told(2, "", "error: no space left on device\n")
    assert left(here) == before


IMPUTED = ["impute", "rooms.csv", "--item", "room", "--target", "heat,load", "--samples", 2]
KEPT = ["--checkpoint", "made.safetensors", *TRAIN]
RESUMES = "stopped; the training so far is in made.safetensors.training, and the same command goes on from there\n"


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A letter a step of training. Ctrl-C is pressed in the first, and only there."""
    seen: list[str] = []
    loss = Model.loss

    def interrupted(model: Model, *arguments: Any) -> Tensor:
        if not seen:
            signal.raise_signal(signal.SIGINT)
        seen.append("s")
        return loss(model, *arguments)

    monkeypatch.setattr(Model, "loss", interrupted)
    return seen


@pytest.mark.parametrize("asked", [ASKED, IMPUTED], ids=["forecast", "impute"])
def test_after_ctrl_c_the_same_command_goes_on_and_ends_as_if_nothing_had_been(
    here: Path, unnoise: Callable[..., Told], losses: list[str], asked: list[object]
) -> None:
    words = [*asked, *KEPT, "-o", "out.csv"]
    assert unnoise(*words) == Told(130, "", RESUMES)
    folder = here / "made.safetensors.training"
    assert sorted(p.name for p in folder.iterdir()) == ["fit.json", "last.ckpt"]
    assert not Path("made.safetensors").exists()
    assert unnoise(*words) == Told(0, "out.csv\n", "")
    assert len(losses) == 2  # one step before, one after
    assert Path("made.safetensors").exists()
    assert not folder.exists()
    assert unnoise(*asked, *TRAIN, "-o", "straight.csv").code == 0
    assert Path("out.csv").read_bytes() == Path("straight.csv").read_bytes()


def test_training_for_something_else_is_not_gone_on_with(
    here: Path, unnoise: Callable[..., Told], losses: list[str]
) -> None:
    """Even where the windows are the same."""
    assert unnoise(*IMPUTED, "--window", 10, *KEPT) == Told(130, "", RESUMES)
    before = left(here)
    for words, told in (
        ([*ASKED, "--context", 6, *KEPT], "objective was"),
        ([*IMPUTED, "--window", 10, *KEPT, "--seed", 1], "seed was 0 and is 1"),
        ([*IMPUTED, "--window", 10, *KEPT, "--width", 32], "network was"),
        ([*IMPUTED, "--window", 9, *KEPT], "data was"),
    ):
        answer = unnoise(*words)
        assert (answer.code, answer.out) == (2, "")
        assert re.fullmatch(rf"error: made[^\n]+other settings \({told}[^\n]+\n", answer.err)
    assert left(here) == before


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ([], "stopped; nothing was kept; with --checkpoint FILE the same command would go on\n"),
        (
            ["--checkpoint", "made.safetensors"],
            "stopped; there was nothing to keep yet; the same command begins again\n",
        ),
    ],
)
def test_ctrl_c_before_the_first_step_leaves_nothing(
    here: Path, unnoise: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, kept: list[str], told: str
) -> None:  # fmt: skip
    def interrupted(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unnoise.core.loop.L.Trainer", interrupted)
    before = left(here)
    assert unnoise(*ASKED, *TRAIN, *kept) == Told(130, "", told)
    assert left(here) == before


def test_ctrl_c_while_drawing_keeps_the_model(
    unnoise: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Imputer, "impute", interrupted)
        line = "stopped; the model is in made.safetensors, and the same command uses it\n"
        assert unnoise(*IMPUTED, *KEPT) == Told(130, "", line)
    told = unnoise(*IMPUTED, "--checkpoint", "made.safetensors")
    assert told == Told(0, "imputed.csv\n", "made.safetensors: used, nothing was trained\n")


@pytest.mark.parametrize(
    "words",
    [
        f"impute {ROOMS} --seed -1",
        f"impute {ROOMS} --seed {2**63}",
        f"impute {ROOMS} --samples 0",
        f"impute {ROOMS} --nfe 1",
        f"impute {ROOMS} --long what",
        f"impute {ROOMS} --output-kind mode",
        f"forecast {ROOMS}",
        f"forecast {ROOMS} --horizon 0",
        "impute",
    ],
)
def test_wrong_usage_is_no_traceback(
    here: Path, bad: None, unnoise: Callable[..., Told], words: str
) -> None:
    before = left(here)
    answer = unnoise(*shlex.split(words))
    assert answer.code == 2
    assert "─ Error ─" in answer.err
    assert "Traceback" not in answer.err
    assert left(here) == before


def test_without_pandas_the_extra_is_named(here: Path) -> None:
    code = (
        "import sys; sys.modules['pandas'] = None; from unnoise.benchmarks import cli; cli.main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, "impute", "rooms.csv"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    line = "error: impute: pandas is not installed; pip install 'unnoise[timeseries]'\n"
    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "", line)


def test_steps_that_are_few_are_averaged_over_fewer() -> None:
    """The average over 1 / (1 - ema) steps must forget where training began."""
    for steps in (10, 100, 300, 3000):
        how = series._fit(steps)
        assert how is not None
        assert how.ema**steps < 0.05
        assert how.warmup <= steps / 4
    assert series._fit(None) is None
