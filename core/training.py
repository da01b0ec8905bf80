"""Training: one function over a Lightning Trainer.

Devices, precision, clipping, distribution, progress and checkpoints are Lightning's. What is ours
is that a step is a pure function of (seed, step, state): its rows of data, its noise, its dropout
are drawn from generators seeded by the step's number, so there is no position to lose and nothing
random to save. A run that is killed and resumed ends on the same bits as one that was not, and w
devices see the rows and the noise that one device with a w times larger batch would see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from unnoise.core.batch import Batch

if TYPE_CHECKING:
    from unnoise.core.model import Model

__all__ = ["Fit", "History", "fit"]


@dataclass(frozen=True)
class Fit:
    """How to train.

    Attributes:
        steps: optimizer steps.
        batch: rows a step, over all devices.
        lr: peak learning rate of AdamW; linear warm-up, cosine decay to zero.
        warmup: steps of warm-up.
        weight_decay: AdamW's.
        clip: largest gradient norm.
        ema: decay of the averaged weights, which are the result; 0: the last weights.
        precision: Lightning's precision flag: "32-true", "bf16-mixed", ...; "auto": of these two the one
            in which the device is faster.
        compile: compile the network (pays on GPUs and long runs).
        checkpoint_every: steps between resumable checkpoints.
        log_every: steps between rows of the history.
    """

    steps: int
    batch: int = 128
    lr: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    precision: str = "32-true"
    compile: bool = False
    checkpoint_every: int = 500
    log_every: int = 20

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "lr", "clip", "checkpoint_every", "log_every"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Fit: {name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"Fit: ema must be in [0, 1), got {self.ema}")

    def learning_rate(self, step: int) -> float:
        """The factor on `lr` at a step (0-based)."""
        ramp = min(1.0, (step + 1) / max(self.warmup, 1))
        return ramp * 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1.0)))


@dataclass(frozen=True)
class History:
    """What happened: the loss (a mean over `log_every` steps) and the seconds of training spent,
    by step."""

    rows: list[Mapping[str, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds of training, over all resumptions."""
        return float(self.rows[-1]["seconds"]) if self.rows else 0.0


def fit(
    model: Model,
    data: Batch,
    how: Fit,
    folder: Path | str | None = None,
    *,
    seed: int = 0,
    progress: bool = True,
    **trainer: Any,
) -> History:
    """Train the model in place on all rows of `data` (in the data's units); it ends with the
    averaged weights.

    With a folder, a checkpoint is kept there, Ctrl-C leaves one too, and calling again with the
    same arguments resumes bit-exactly.

    Args:
        model: what to train; its own initial weights count, so make it under a fixed seed.
        data: the training rows, held in memory.
        how: the settings.
        folder: where to keep the resumable state; None: nowhere.
        seed: of row order, noise and dropout.
        progress: show a progress bar.
        **trainer: passed on to `lightning.Trainer`: devices, strategy, accelerator, logger,
        callbacks, ...

    Raises:
        ValueError: if there are fewer rows than a batch holds, the data aren't finite, or the
            folder holds the state of a run with other settings, data or model.
        KeyboardInterrupt: after Ctrl-C, when the checkpoint is written.
    """
    from unnoise.core.loop import (
        run,  # Lightning takes seconds to import, so only those who train pay
    )

    if len(data) < how.batch:
        raise ValueError(
            f"fit: {len(data)} rows are fewer than a batch of {how.batch}; lower Fit.batch"
        )
    _refuse_nonfinite(data.x)
    return run(model, data, how, None if folder is None else Path(folder), seed, progress, trainer)


def describe(how: Fit, seed: int) -> dict[str, Any]:
    """What must agree between a run and its continuation."""
    return {**asdict(how), "seed": seed}


def _refuse_nonfinite(x: Tensor) -> None:
    if x.is_floating_point() and not bool(x.isfinite().all()):
        bad = (~x.isfinite()).nonzero()
        raise ValueError(
            f"fit: the data hold {len(bad)} values that are NaN or infinite, the first at index {tuple(bad[0].tolist())}"
        )
