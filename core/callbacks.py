"""What goes along with training: the history that is kept, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from unnoise.core.training import Fit

__all__ = ["Interruption", "Recorder", "Stopped"]


class Recorder(Callback):
    """Keeps the history: losses stay on the device until a row is due. Its rows are part of the
    resumable state."""

    def __init__(self, how: Fit) -> None:
        self.how = how
        self.rows: list[Mapping[str, float]] = []
        self.losses: list[torch.Tensor] = []
        self.spent, self.since = 0.0, 0.0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.since = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: object
    ) -> None:
        self.losses.append(outputs["loss"].detach())
        if trainer.global_step % self.how.log_every == 0 or trainer.global_step == self.how.steps:
            here = torch.stack(self.losses).mean()
            loss = trainer.strategy.reduce(here, reduce_op="mean").item()  # over all devices
            if not loss < float("inf"):
                raise FloatingPointError(
                    f"fit: the loss became {loss} near step {trainer.global_step}; lower Fit.lr, or check the data's scale"
                )
            self.rows.append(
                {"step": trainer.global_step, "loss": loss, "seconds": round(self._seconds(), 3)}
            )
            self.losses = []

    def state_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "losses": [loss.cpu() for loss in self.losses],
            "spent": self._seconds(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self.losses, self.spent = state["rows"], state["losses"], state["spent"]

    def _seconds(self) -> float:
        return self.spent + time.monotonic() - self.since


class Interruption(Callback):
    """Ctrl-C ends the run after the step that it falls into; a second one ends it at once. That
    step, as the run's last, leaves a checkpoint."""

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.asked = folder, False
        self.before: Any = signal.SIG_DFL

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._ask)

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        last = trainer.global_step == trainer.max_steps
        if self.folder is not None and (self.asked or last):
            trainer.save_checkpoint(self.folder / "last.ckpt")
        if self.asked:
            raise Stopped

    def restore(self) -> None:
        """Put the handler back that was there before."""
        if self.before is not signal.SIG_DFL:
            signal.signal(signal.SIGINT, self.before)

    def _ask(self, *_: object) -> None:
        self.asked = True
        self.restore()


class Stopped(Exception):
    """Leaves Lightning's loop between two steps."""
