"""The Lightning side of `fit`: imported only when training starts."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import re
import warnings
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from unnoise.core.batch import Batch
from unnoise.core.callbacks import Interruption, Recorder, Stopped
from unnoise.core.checkpoint import atomic_write
from unnoise.core.device import best_device, precision_on
from unnoise.core.model import Model
from unnoise.core.random import Shard, seeded
from unnoise.core.training import Fit, History, describe

__all__ = ["run"]

_ORDER, _NOISE, _DROPOUT = 0, 1, 2  # streams of a seed


class Steps(Dataset[Batch]):
    """The batch of a step, as a function of the step's number: each epoch is one permutation, cut
    into batches."""

    def __init__(self, data: Batch, batch: int, seed: int, rank: int, world: int) -> None:
        self.data, self.batch, self.seed, self.rank, self.world = data, batch, seed, rank, world
        self.epoch, self.order = -1, torch.empty(0, dtype=torch.long)

    def __getitem__(self, step: int) -> Batch:
        epoch, position = divmod(step, len(self.data) // self.batch)
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = torch.randperm(len(self.data), generator=seeded(self.seed, _ORDER, epoch))
        rows = self.order[position * self.batch : (position + 1) * self.batch]
        each = self.batch // self.world
        return self.data.rows(rows[self.rank * each : (self.rank + 1) * each])


class Training(L.LightningModule):
    """A model with its averaged copy and its optimizer."""

    def __init__(self, model: Model, how: Fit, seed: int) -> None:
        super().__init__()
        self.model, self.how, self.seed = model, how, seed
        self.average = copy.deepcopy(model).requires_grad_(False)
        if how.compile:
            model.denoiser.compile()  # in place: the names in checkpoints stay

    def forward(self, batch: Batch) -> Tensor:
        base = seeded(self.seed, _NOISE, self.global_step, device=self.device)
        shard = Shard(base, self.global_rank, self.trainer.world_size)
        dropout = seeded(self.seed, _DROPOUT, self.global_step, self.global_rank).initial_seed()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(
            devices
        ):  # dropout draws from the global stream: lend it this step's
            torch.manual_seed(dropout)
            return self.model.loss(batch, shard)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss: Tensor = self(batch)
        self.log("loss", loss, prog_bar=True, logger=False)
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(
            self.model.parameters(),
            self.how.lr,
            betas=(0.9, 0.99),
            weight_decay=self.how.weight_decay,
            fused=self._fused,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.how.learning_rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        if self._fused:  # Lightning won't, as such an optimizer may scale gradients back itself
            nn.utils.clip_grad_norm_(self.model.parameters(), self.how.clip)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    @property
    def _fused(self) -> bool:
        """Whether a step of the optimizer is one call; not where gradients have a scale at clipping."""
        return not self.how.precision.startswith("16")

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        return batch.to(device)


class Averaging(Callback):
    """The exponential average of the weights. Its decay rises as (1 + step) / (10 + step), so the
    initial weights are forgotten."""

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, *_: object
    ) -> None:
        assert isinstance(module, Training)
        step = trainer.global_step
        decay = min(module.how.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(module.average.parameters()), list(module.model.parameters()), 1 - decay
            )
            for mean, now in zip(module.average.buffers(), module.model.buffers(), strict=True):
                mean.copy_(now)


def run(
    model: Model,
    data: Batch,
    how: Fit,
    folder: Path | None,
    seed: int,
    progress: bool,
    trainer_options: dict[str, Any],
) -> History:
    """See `unnoise.core.training.fit`."""
    how = replace(how, precision=precision_on(_device(trainer_options), how.precision))
    last = (
        None if folder is None else _resumable(folder, describe(how, seed) | _about(model, data))
    )
    recorder = Recorder(how)
    # the order matters: a checkpoint must hold the average and the history of its own step
    callbacks: list[Callback] = [Averaging(), recorder, *trainer_options.pop("callbacks", [])]
    if folder is not None:
        callbacks.append(
            ModelCheckpoint(
                folder,
                "last",
                every_n_train_steps=how.checkpoint_every,
                save_top_k=1,
                enable_version_counter=False,
            )
        )
    interruption = Interruption(folder)
    callbacks.append(interruption)
    if progress:
        callbacks.append(RichProgressBar(refresh_rate=how.log_every, leave=True))
    with warnings.catch_warnings():
        _quiet()
        trainer = L.Trainer(
            max_steps=how.steps, max_epochs=-1, precision=how.precision, gradient_clip_val=how.clip, callbacks=callbacks,  # type: ignore[arg-type]
            enable_progress_bar=progress, enable_model_summary=False, logger=trainer_options.pop("logger", False),
            enable_checkpointing=folder is not None, use_distributed_sampler=False, **trainer_options,
        )  # fmt: skip
        if how.batch % trainer.world_size:
            raise ValueError(
                f"fit: a batch of {how.batch} can't be split over {trainer.world_size} devices"
            )
        training = Training(model.train(), how, seed)
        start = 0 if last is None else _step_of(last)
        feed = Steps(data, how.batch, seed, trainer.global_rank, trainer.world_size)
        # as long as the whole run: Lightning counts the steps before a resumption as fetched from it
        steps = range(start, start + how.steps)
        loader = DataLoader(feed, batch_size=None, sampler=steps, generator=seeded(seed))
        try:
            trainer.fit(training, loader, ckpt_path=last, weights_only=True)
        except Stopped:
            raise KeyboardInterrupt from None
        finally:
            interruption.restore()
    model.load_state_dict(training.average.state_dict())
    model.eval()
    return History(recorder.rows)


def _about(model: Model, data: Batch) -> dict[str, str]:
    """What a state is of beside its settings, as digests."""
    digest = hashlib.sha256()
    for name, value in sorted(data.tensors().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        flat = value.detach().cpu().reshape(-1).contiguous()
        digest.update(flat.view(torch.uint8).numpy().data)  # of any type
    parts = {"network": model.denoiser, "objective": model.objective}
    return {"data": digest.hexdigest()} | {name: _form(part) for name, part in parts.items()}


def _form(module: nn.Module) -> str:
    """A digest of what a module says of itself, without addresses of objects that say nothing."""
    words = re.sub(" at 0x[0-9a-f]+", "", repr(module))
    return hashlib.sha256(words.encode()).hexdigest()


def _device(trainer_options: dict[str, Any]) -> str:
    """The type of device that Lightning will take."""
    asked = trainer_options.get("accelerator", "auto")
    return best_device().type if asked in ("auto", "gpu") else str(asked)


def _resumable(folder: Path, settings: dict[str, Any]) -> Path | None:
    """The checkpoint to resume from, if there is one; refuses one of other settings."""
    about, last = folder / "fit.json", folder / "last.ckpt"
    if last.exists() and about.exists():
        saved = json.loads(about.read_text())
        changed = sorted(k for k in settings if saved.get(k) != settings[k])
        if changed:
            was = ", ".join(f"{k} was {saved.get(k)!r} and is {settings[k]!r}" for k in changed)
            raise ValueError(
                f"{folder}: holds a run with other settings ({was}); use another folder, or delete this one"
            )
        return last
    atomic_write(about, json.dumps(settings, indent=1))
    return None


def _step_of(checkpoint: Path) -> int:
    try:
        return int(torch.load(checkpoint, weights_only=True, map_location="cpu")["global_step"])
    except (EOFError, RuntimeError, KeyError, UnpicklingError) as error:
        raise ValueError(
            f"{checkpoint}: damaged ({error}); delete it to train from the start"
        ) from error


def _quiet() -> None:
    """Silence Lightning's advice about what was done on purpose (few workers, no logger, a short
    epoch)."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
