"""`unnoise train | sample | likelihood`: one model, from a task or a saved checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unnoise.benchmarks.commands.options import (
    Device,
    Out,
    Preset,
    Quiet,
    Threads,
    resumable,
    use_threads,
)

if TYPE_CHECKING:
    from unnoise.core.batch import Batch
    from unnoise.core.model import Model
    from unnoise.domains.task import Preset as Budget
    from unnoise.domains.task import Splits, Task

__all__ = ["likelihood", "sample", "train"]

_AT_ONCE = 32_768  # entries that are sampled at once, of states that are small

TaskName = Annotated[str, typer.Argument(help="A task, as in `unnoise bench list`.")]
Target = Annotated[
    str,
    typer.Argument(help="A checkpoint (model.safetensors), or a task that was trained before."),
]
Seed = Annotated[int, typer.Option("--seed", help="Source of all randomness.")]


def train(
    task: TaskName, preset: Preset = "smoke", seed: Seed = 0, out: Out = Path("runs"),
    device: Device = "auto", threads: Threads = 0, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Train a task's model (or go on where it was stopped) and print the path of its
    checkpoint."""
    from unnoise.benchmarks.runner import Run, preset_of
    from unnoise.benchmarks.runner import train as train_run
    from unnoise.domains import make

    use_threads(threads)
    run = Run(task, preset, seed, out)
    made = make(task)
    _require_training(task, preset_of(made, run))
    with resumable():
        train_run(run, made, made.data(), device=device, show_progress=not quiet)
    typer.echo(run.checkpoint)


def sample(
    target: Target,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 16,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; its suffix chooses the format. Default: samples, in the task's first format.")] = None,
    label: Annotated[int | None, typer.Option("--label", min=0, help="Class of all samples; default: all classes in turn.")] = None,
    guidance: Annotated[float, typer.Option("--guidance", min=0, help="1: plain conditional; above: sharper classes.")] = 1.0,
    nfe: Annotated[int, typer.Option("--nfe", min=2, help="Network evaluations a sample; the best sampler for so many is taken.")] = 32,
    noise_level: Annotated[float | None, typer.Option("--noise-level", help="Any-noise sampler: 0 DDIM, 1 ancestral.")] = None,
    preset: Preset = "smoke", seed: Seed = 0, out: Out = Path("runs"), device: Device = "auto", threads: Threads = 0, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Draw samples and write them to a file."""
    import torch

    from unnoise.core.batch import Batch
    from unnoise.core.process import LinearGaussian
    from unnoise.core.progress import quiet as quietly
    from unnoise.core.progress import track
    from unnoise.core.random import seeded
    from unnoise.core.sampler import AnyNoise, Sampler, auto

    use_threads(threads)
    task, splits, model = _load(target, preset, seed, out, device)
    generator = seeded(seed)
    empty = task.empty(n, generator) if task.empty else Batch.empty(n, model.shape)
    sampler = task.sampler(nfe) if task.sampler else auto(nfe, model.process)
    if noise_level is not None:
        if not isinstance(model.process, LinearGaussian):
            raise ValueError(f"--noise-level: {target} is no diffusion of numbers; leave it out")
        sampler = Sampler(AnyNoise(noise_level), steps=nfe - 1)
    if task.write is None:
        raise ValueError(f"{target}: this task can't write samples to a file")
    if to is None:
        to = Path("samples").with_suffix(task.formats[0] if task.formats else "")
    if task.formats and to.suffix not in task.formats:
        raise ValueError(f"--output: {to} doesn't end in {' or '.join(task.formats)}")
    if label is not None and task.conditions is None:
        raise ValueError(f"--label: {target} has no classes")
    cond = task.conditions(splits, n, label) if task.conditions else {}
    batch = empty.replace(cond=cond).to(next(model.parameters()).device)
    size = max(50, _AT_ONCE // max(math.prod(model.shape), 1))
    with quietly(quiet):
        drawn = [
            model.sample(
                batch.rows(slice(i, i + size)), sampler, guidance=guidance, generator=generator
            ).cpu()
            for i in track(range(0, n, size), f"{n} samples, {nfe} evaluations each")
        ]
    x = torch.cat(drawn)
    task.write(x if empty.mask is None else x.masked_fill(~empty.mask.expand_as(x), -1), to)
    typer.echo(to)


def likelihood(
    target: Target,
    method: Annotated[str, typer.Option("--method", help="bound, flow or immse; of codes bound or ordered.")] = "bound",
    split: Annotated[str, typer.Option("--split", help="train, valid or test.")] = "test",
    n: Annotated[int, typer.Option("-n", min=1, help="At most so many items.")] = 100,
    draws: Annotated[int, typer.Option("--draws", min=2, help="Noise levels an item, for bound and immse.")] = 64,
    preset: Preset = "smoke", seed: Seed = 0, out: Out = Path("runs"), device: Device = "auto", threads: Threads = 0, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Print log-likelihoods of held-out data, in bits/dim and nats, with standard errors and what
    they promise."""
    from unnoise.core.likelihood import IMMSE, Bound, Flow, Hutchinson, LikelihoodResult, Ordered
    from unnoise.core.progress import quiet as quietly
    from unnoise.core.progress import track
    from unnoise.core.random import seeded
    from unnoise.core.sampler import LogSNRGrid

    methods = {
        "bound": Bound(draws),
        "flow": Flow(64, Hutchinson(1), LogSNRGrid()),
        "immse": IMMSE(draws),
        "ordered": Ordered(),
    }
    if method not in methods:
        raise ValueError(f"--method: {method!r} is none of {', '.join(methods)}")
    use_threads(threads)
    task, splits, model = _load(target, preset, seed, out, device)
    if task.bound is not None and method != "bound":
        raise ValueError(f"--method: of {target} there is the bound only, got {method!r}")
    parts = {"train": splits.train, "valid": splits.valid, "test": splits.test}
    if split not in parts:
        raise ValueError(f"--split: {split!r} is none of {', '.join(parts)}")
    data = parts[split].rows(slice(n)).to(next(model.parameters()).device)
    generator = seeded(seed)

    def log_prob(rows: Batch) -> LikelihoodResult:
        if task.bound is not None:
            return task.bound(model, rows, draws, generator)
        return model.log_prob(rows.without_condition(), methods[method], generator)

    with quietly(quiet):
        results = [
            log_prob(data.rows(slice(i, i + 50)))
            for i in track(range(0, len(data), 50), f"log-likelihood ({method})")
        ]
    result = LikelihoodResult.cat(results)
    bits, nats = result.bits_per_dim(), result.mean_nats()
    meaning = "upper bound on bits/dim" if result.kind == "lower bound" else result.kind
    typer.echo(f"{bits.value:.4f} ± {bits.stderr:.4f} bits/dim   {nats.value:.2f} ± {nats.stderr:.2f} nats   ({meaning}; "
               f"{len(data)} {split} items, {float(result.dims.mean()):g} dims, {result.nfe} evaluations each)")  # fmt: skip


def _require_training(task: str, budget: Budget) -> None:
    if budget.fit is None:
        raise ValueError(
            f"{task}: its model is exact and has no checkpoint; score it with: unnoise bench run {task}"
        )


def _load(
    target: str, preset: str, seed: int, out: Path, device: str
) -> tuple[Task, Splits, Model]:
    """The task, its data and its trained model, from a checkpoint file or from the folder of
    runs."""
    from unnoise.benchmarks.runner import Run, build, device_of, preset_of
    from unnoise.core.checkpoint import CheckpointError, read_about
    from unnoise.domains import make

    if target.endswith(".safetensors"):
        about = read_about(Path(target))
        if not {"task", "preset", "seed"} <= about.keys():
            raise CheckpointError(
                f"{target}: doesn't say which task it is of; only checkpoints of `unnoise train` do"
            )
        run, path = Run(about["task"], about["preset"], int(about["seed"]), out), Path(target)
    else:
        run = Run(target, preset, seed, out)
        path = run.checkpoint
    task = make(run.task)
    budget = preset_of(task, run)
    _require_training(run.task, budget)
    if not path.exists():
        raise CheckpointError(
            f"{path}: not trained yet; do it with: unnoise train {run.task} --preset {run.preset} --seed {run.seed} --out {out}"
        )
    place = device_of(device)
    splits = task.data()
    model = build(task, splits, budget, run.seed, path)
    return task, splits, model.to(place).eval()
