"""Training: a run that is stopped and resumed, or spread over devices, ends on the numbers of one that was not."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import MeanDenoiser, Velocity
from unnoise.core.model import Model
from unnoise.core.objective import Denoising
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import Cosine
from unnoise.core.training import Fit, History, fit

# neither 7 nor 10 nor the six batches of an epoch divides another: every counter is somewhere inside
HOW = Fit(40, batch=16, lr=3e-3, warmup=5, ema=0.9, checkpoint_every=10, log_every=7)
Make = Callable[[], Model]
Rows = list[tuple[float, float]]


class Killed(Exception):
    """The power went out."""


class At(Callback):
    """Does something when a hook is reached after a number of steps, once."""

    def __init__(self, hook: str, step: int, act: Callable[[], None]) -> None:
        self.step, self.act, self.done = step, act, False
        setattr(self, hook, self._reached)

    def _reached(self, trainer: Any, *_: object) -> None:
        if not self.done and trainer.global_step == self.step:
            self.done = True
            self.act()


def kill() -> None:
    raise Killed


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def make(network: Callable[..., nn.Module]) -> Make:
    """Always the same untrained model, with dropout."""

    def model() -> Model:
        net = network(2, dropout=0.2, dtype=torch.float32)
        objective = Denoising(condition_dropout=0.2)
        return Model(Gaussian(Cosine()), MeanDenoiser(net, Velocity()), (2,), objective=objective)

    return model


@pytest.fixture
def data() -> Batch:
    x = normal(torch.empty(100, 2), seeded(7)) * 0.5 + 0.3
    return Batch(x, cond={"label": torch.arange(100) % 3})


def rows(history: History) -> Rows:
    """The history without its clock."""
    return [(row["step"], row["loss"]) for row in history.rows]


def numpy_state() -> list[int]:
    state: list[int] = np.random.get_state(legacy=False)["state"]["key"].tolist()
    return state


def weights(model: Model) -> list[Tensor]:
    return [v.clone() for v in model.state_dict().values()]


def train(
    model: Model, data: Batch, how: Fit = HOW, folder: Path | None = None, **options: Any
) -> History:
    return fit(model, data, how, folder, progress=False, **options)


@pytest.fixture
def whole(make: Make, data: Batch) -> tuple[list[Tensor], Rows]:
    """Weights and history of the run that nothing stopped."""
    model = make()
    history = train(model, data)
    return weights(model), rows(history)


def assert_same(model: Model, history: History, whole: tuple[list[Tensor], Rows]) -> None:
    """Bit for bit."""
    assert all(map(torch.equal, weights(model), whole[0]))
    assert rows(history) == whole[1]


# --- stopping and resuming -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "step"),
    [
        ("on_train_batch_end", 1),  # before any checkpoint
        ("on_train_batch_end", 10),  # while one is due
        ("on_train_batch_start", 10),  # just after the first
        ("on_after_backward", 14),
        ("on_train_batch_end", 23),
        ("on_train_batch_end", 39),
        ("on_train_batch_start", 0),
    ],
)
def test_a_killed_run_resumes_bit_for_bit(
    make: Make,
    data: Batch,
    whole: tuple[list[Tensor], Rows],
    tmp_path: Path,
    hook: str,
    step: int,
) -> None:
    with pytest.raises(Killed):
        train(make(), data, folder=tmp_path, callbacks=[At(hook, step, kill)])
    model = make()
    assert_same(model, train(model, data, folder=tmp_path), whole)


def test_a_run_may_be_killed_again_and_again(
    make: Make, data: Batch, whole: tuple[list[Tensor], Rows], tmp_path: Path
) -> None:
    for step in (12, 13, 25, 31):
        with pytest.raises(Killed):
            train(make(), data, folder=tmp_path, callbacks=[At("on_train_batch_end", step, kill)])
    model = make()
    assert_same(model, train(model, data, folder=tmp_path), whole)


@pytest.mark.parametrize(
    ("hook", "step"),
    [
        ("on_train_batch_start", 0),
        ("on_before_backward", 13),
        ("on_before_optimizer_step", 13),
        ("on_before_zero_grad", 20),
        ("on_train_batch_end", 33),
        ("on_train_batch_end", 40),  # too late to stop anything
    ],
)
def test_ctrl_c_leaves_a_checkpoint_of_its_step(
    make: Make,
    data: Batch,
    whole: tuple[list[Tensor], Rows],
    tmp_path: Path,
    hook: str,
    step: int,
) -> None:
    """Wherever it falls into a step, the step is finished, written, and the run resumes bit for bit."""
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(make(), data, folder=tmp_path, callbacks=[At(hook, step, interrupt)])
    assert signal.getsignal(signal.SIGINT) == handler
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
    assert saved == (step if hook == "on_train_batch_end" else step + 1)
    model = make()
    assert_same(model, train(model, data, folder=tmp_path), whole)


def test_ctrl_c_without_a_folder_stops_too(make: Make, data: Batch) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(make(), data, callbacks=[At("on_train_batch_start", 3, interrupt)])


@pytest.mark.parametrize("checkpoint_every", [10, 15, 1000])
def test_a_finished_run_is_not_run_again(
    make: Make, data: Batch, tmp_path: Path, checkpoint_every: int
) -> None:
    how = Fit(40, batch=16, checkpoint_every=checkpoint_every, log_every=7)
    first, again = make(), make()
    history = train(first, data, how, tmp_path)
    steps: list[int] = []
    spy = Callback()
    spy.on_train_batch_start = lambda *_: steps.append(1)  # type: ignore[method-assign]
    assert rows(train(again, data, how, tmp_path, callbacks=[spy])) == rows(history)
    assert all(map(torch.equal, weights(again), weights(first)))
    assert not steps


def test_a_run_of_other_settings_is_refused_by_name(
    make: Make, data: Batch, tmp_path: Path
) -> None:
    train(make(), data, folder=tmp_path)
    other = Fit(40, batch=16, lr=1e-3, warmup=5, ema=0.5, checkpoint_every=10, log_every=7)
    with pytest.raises(ValueError, match=r"ema was 0\.9 and is 0\.5, lr was 0\.003 and is 0\.001"):
        train(make(), data, other, tmp_path)
    with pytest.raises(ValueError, match=r"seed was 0 and is 1"):
        train(make(), data, folder=tmp_path, seed=1)


LABELS, COORDS = torch.arange(100) % 3, torch.linspace(0, 1, 2).expand(100, 2)
KNOWN: dict[str, Any] = {
    "mask": torch.ones(100, 2, dtype=torch.bool),
    "observed": torch.zeros(100, 2, dtype=torch.bool),
    "coords": COORDS,
    "cond": {"label": LABELS, "age": COORDS[:, :1]},
}
OTHER: dict[str, dict[str, Any]] = {
    "states": {"x": torch.arange(200.0).reshape(100, 2) / 200},
    "a mask": {"mask": torch.arange(200).reshape(100, 2) != 7},
    "no mask": {"mask": None},
    "what is observed": {"observed": torch.arange(200).reshape(100, 2) == 7},
    "times": {"coords": 2 * COORDS},
    "a type of the same bytes": {"observed": torch.zeros(100, 2, dtype=torch.uint8)},
    "a shape of the same bytes": {"coords": COORDS[..., None]},
    "a condition": {"cond": {"label": LABELS.flip(0), "age": COORDS[:, :1]}},
    "the name of a condition": {"cond": {"kind": LABELS, "age": COORDS[:, :1]}},
    "no condition": {"cond": {}},
    "an empty condition": {"cond": {**KNOWN["cond"], "none": torch.zeros(100, 0)}},
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_a_run_of_other_data_is_refused(
    make: Make, data: Batch, tmp_path: Path, change: dict[str, Any]
) -> None:
    """What is known of the states belongs to the data; how it lies in memory and its order don't."""
    how, known = Fit(2, batch=16), data.replace(**KNOWN)
    history = train(make(), known, how, tmp_path)
    same = known.map(lambda v: v.t().contiguous().t())  # by columns
    same = same.replace(cond=dict(reversed(same.cond.items())))
    assert rows(train(make(), same, how, tmp_path)) == rows(history)
    with pytest.raises(ValueError, match="other settings .data was"):
        train(make(), known.replace(**change), how, tmp_path)


def test_a_run_for_another_objective_is_refused(make: Make, data: Batch, tmp_path: Path) -> None:
    model = make()
    train(model, data, Fit(2, batch=16), tmp_path)
    model.objective = Denoising(condition_dropout=0.3)
    with pytest.raises(ValueError, match="other settings .objective was"):
        train(model, data, Fit(2, batch=16), tmp_path)


# --- what a run is -------------------------------------------------------------------------------


def test_seeds_matter_and_nothing_else_does(
    make: Make, data: Batch, whole: tuple[list[Tensor], Rows], tmp_path: Path
) -> None:
    """Neither the folder nor the state of any global generator; the state is left alone, numpy's too."""
    before = numpy_state()
    model = make()
    with torch.random.fork_rng():
        torch.manual_seed(123)
        history = train(model, data, folder=tmp_path)
    assert_same(model, history, whole)
    assert numpy_state() == before
    other = make()
    train(other, data, seed=1)
    assert not any(map(torch.equal, weights(other)[:2], whole[0][:2]))


def test_a_run_is_adamw_on_the_model_loss(make: Make, data: Batch) -> None:
    """The same steps by hand: permuted epochs, warm-up and cosine, clipping, the average of the weights."""
    model, hand = make(), make().train()
    history = train(model, data)
    mean = [p.clone() for p in hand.parameters()]
    optimizer = torch.optim.AdamW(hand.parameters(), 1.0, betas=(0.9, 0.99), weight_decay=0.01)
    losses = []
    for step in range(40):
        epoch, position = divmod(step, 6)
        order = torch.randperm(100, generator=seeded(0, 0, epoch))
        batch = data.rows(order[16 * position : 16 * (position + 1)])
        with torch.random.fork_rng():
            torch.manual_seed(seeded(0, 2, step, 0).initial_seed())
            loss = hand.loss(batch, seeded(0, 1, step))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(hand.parameters(), 1.0)
        ramp = min(1, (step + 1) / 5) * (1 + math.cos(math.pi * step / 40)) / 2
        optimizer.param_groups[0]["lr"] = 3e-3 * ramp
        optimizer.step()
        losses.append(loss.item())
        decay = min(0.9, (2 + step) / (11 + step))
        with torch.no_grad():
            for average, now in zip(mean, hand.parameters(), strict=True):
                average.lerp_(now, 1 - decay)
    for got, expected in zip(model.parameters(), mean, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7)
    bounds = [0, 7, 14, 21, 28, 35, 40]
    expected_rows = [(b, np.mean(losses[a:b])) for a, b in pairwise(bounds)]
    assert [step for step, _ in rows(history)] == bounds[1:]
    assert [v for _, v in rows(history)] == pytest.approx([v for _, v in expected_rows], rel=1e-5)


def test_without_averaging_the_last_weights_are_the_result(make: Make, data: Batch) -> None:
    """An average with decay 0 is the weights themselves; with 0.9 it lags behind."""
    last, lagging = make(), make()
    train(last, data, Fit(40, batch=16, ema=0))
    train(lagging, data, Fit(40, batch=16, ema=0.9))
    assert not any(map(torch.equal, last.parameters(), lagging.parameters()))
    assert not last.training


def test_training_approaches_the_optimum(make: Make, gaussian: Mixture) -> None:
    """A few hundred steps on N(0.7, 0.25): the loss comes within 3 % of that of the exact denoiser."""

    class Line(nn.Module):
        """Affine in the state, with coefficients that know the level: the optimum is among them."""

        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                self.layers = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 2))

        def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
            a, b = self.layers(log_snr[:, None] / 6).chunk(2, 1)
            out: Tensor = a * x + b
            return out

    data = Batch(gaussian.sample(2000, seeded(1)).float())
    model = Model(Gaussian(Cosine()), MeanDenoiser(Line(), Velocity()), (1,))
    train(model, data, Fit(600, batch=128, lr=1e-2, ema=0.98, log_every=50))
    test = Batch(gaussian.sample(20_000, seeded(2)).float())
    exact = Model(Gaussian(Cosine()), gaussian, (1,))
    loss, best = (m.loss(test, seeded(3)).item() for m in (model, exact))
    assert best < loss < 1.03 * best


def test_history_counts_steps_and_seconds(make: Make, data: Batch, tmp_path: Path) -> None:
    history = train(make(), data, folder=tmp_path)
    assert [row["step"] for row in history.rows] == [7, 14, 21, 28, 35, 40]
    seconds = [row["seconds"] for row in history.rows]
    assert seconds == sorted(seconds)
    assert history.seconds == seconds[-1] > 0
    assert History().seconds == 0


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_numbers_are_refused_by_index(
    make: Make, data: Batch, bad: float
) -> None:
    x = data.x.clone()
    x[17, 1] = x[40, 0] = bad
    with pytest.raises(ValueError, match=r"2 values .* first at index \(17, 1\)"):
        train(make(), data.replace(x=x))


def test_fewer_rows_than_a_batch_are_refused(make: Make, data: Batch) -> None:
    with pytest.raises(ValueError, match="15 rows are fewer than a batch of 16"):
        train(make(), data.rows(slice(0, 15)))


def test_a_loss_that_explodes_is_reported(make: Make, data: Batch) -> None:
    with pytest.raises(FloatingPointError, match=r"the loss became (inf|nan) near step \d+"):
        train(make(), data, Fit(200, batch=16, lr=1e18, warmup=0))


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"batch": 0},
        {"lr": 0.0},
        {"lr": math.nan},
        {"clip": -1.0},
        {"ema": 1.0},
        {"ema": -0.1},
        {"log_every": 0},
        {"checkpoint_every": 0},
    ],
    ids=str,
)
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Fit(**{"steps": 10, **settings})


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    how = Fit(100, warmup=10)
    rates = [how.learning_rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[100] == pytest.approx(0)
    assert max(rates) == rates[9]
    assert all(a > b for a, b in pairwise(rates[9:]))


# --- several devices -----------------------------------------------------------------------------

SCRIPT = """
import json, os, sys, torch
from torch import nn
from unnoise.core.batch import Batch
from unnoise.core.denoiser import MeanDenoiser, Velocity
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.schedule import Cosine
from unnoise.core.training import Fit, fit

torch.set_num_threads(1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 2))
    def forward(self, x, log_snr, batch):
        return self.layers(torch.cat([x, log_snr[:, None] / 4], 1))

torch.manual_seed(0)
model = Model(Gaussian(Cosine()), MeanDenoiser(Net(), Velocity()), (2,))
data = Batch(normal(torch.empty(100, 2), seeded(5)))
devices, out = int(sys.argv[1]), sys.argv[2]
options = {"strategy": "ddp"} if devices > 1 else {}
history = fit(model, data, Fit(30, batch=16, warmup=3, ema=0.9, log_every=4), progress=False,
              accelerator="cpu", devices=devices, **options)
rank = os.environ.get("LOCAL_RANK", "0")
with open(f"{out}.{rank}", "w") as file:
    json.dump({"loss": [row["loss"] for row in history.rows],
               "weights": [p.flatten().tolist() for p in model.parameters()]}, file)
"""


def _wait_for_the_end_of(group: int) -> None:
    """Returns when no process of the group is left; the ranks end in no order."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("a rank is still running")


@pytest.fixture
def on_devices(tmp_path: Path) -> Callable[[int], list[dict[str, Any]]]:
    """Runs the script in processes of its own; gives what each rank saw."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def run(devices: int) -> list[dict[str, Any]]:
        out = tmp_path / f"out{devices}"
        command = [
            sys.executable,
            "-W",
            "error::RuntimeWarning",
            str(script),
            str(devices),
            str(out),
        ]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own session: the script and its ranks
            raise
        assert process.returncode == 0, said
        _wait_for_the_end_of(process.pid)
        return [json.loads(Path(f"{out}.{rank}").read_text()) for rank in range(devices)]

    return run


@pytest.mark.slow
def test_two_devices_follow_the_curve_of_one(
    on_devices: Callable[[int], list[dict[str, Any]]],
) -> None:
    """Rows and noise are those of one device with the whole batch; every rank ends on the same weights."""
    (one,), two = on_devices(1), on_devices(2)
    assert len(one["loss"]) == 8
    assert two[0] == two[1]
    assert two[0]["loss"] == pytest.approx(one["loss"], abs=1e-5)
    for mine, theirs in zip(two[0]["weights"], one["weights"], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)
