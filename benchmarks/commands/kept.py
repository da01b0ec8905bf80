"""Training that isn't finished: kept in a folder beside the checkpoint that it is to become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["forget_training", "require_same_training", "training_of", "what_is_kept"]

_ABOUT = "about.json"


def training_of(checkpoint: Path) -> Path:
    """The folder of the training that is to become a checkpoint."""
    return checkpoint.with_name(f"{checkpoint.name}.training")


def require_same_training(checkpoint: Path, about: Mapping[str, object]) -> None:
    """Note what a training is of, or refuse to go on with one of something else.

    Args:
        checkpoint: that it is to become.
        about: as JSON, what the state of a training doesn't know of it.

    Raises:
        ValueError: if there is another; it says what differs.
    """
    from unnoise.core.checkpoint import atomic_write  # needs torch

    folder = training_of(checkpoint)
    path = folder / _ABOUT
    if path.exists() and (folder / "last.ckpt").exists():
        before = json.loads(path.read_text("utf-8"))
        told = [f"{k} was {before.get(k)} and is {v}" for k, v in about.items() if before.get(k) != v]  # fmt: skip
        if told:
            raise ValueError(
                f"{folder}: holds a training of something else ({', '.join(told)}); name another --checkpoint, or delete this folder"
            )
    atomic_write(path, json.dumps(about, indent=1))


def forget_training(checkpoint: Path) -> None:
    """Remove what training kept on its way, and its folder if nothing else is there."""
    folder = training_of(checkpoint)
    for name in ("last.ckpt", "fit.json", _ABOUT):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def what_is_kept(checkpoint: Path | None) -> str:
    """After Ctrl-C: what is there, and how to go on."""
    if checkpoint is None:
        return "nothing was kept; with --checkpoint FILE the same command would go on"
    if checkpoint.exists():
        return f"the model is in {checkpoint}, and the same command uses it"
    folder = training_of(checkpoint)
    if (folder / "last.ckpt").exists():
        return f"the training so far is in {folder}, and the same command goes on from there"
    forget_training(checkpoint)
    return "there was nothing to keep yet; the same command begins again"
