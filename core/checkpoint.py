"""Checkpoints without pickle: safetensors weights with a JSON header, written to a temporary name
and renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

__all__ = [
    "CheckpointError",
    "atomic_write",
    "load_weights",
    "read_about",
    "read_weights",
    "save_weights",
]

_FORMAT = "unnoise-1"


class CheckpointError(ValueError):
    """A checkpoint that can't be read, or belongs to another model."""


def save_weights(module: nn.Module, path: Path, about: Mapping[str, Any]) -> None:
    """Write the module's state and `about` (any JSON) to `path`.

    Raises:
        OSError: if the file can't be written; nothing is left under `path` then.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(state, part, {"format": _FORMAT, "about": json.dumps(dict(about))})
        os.replace(part, path)
    except (SafetensorError, OSError) as error:
        raise OSError(
            f"{path}: can't be written ({error}); check free space and permissions"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def read_about(path: Path) -> dict[str, Any]:
    """The JSON that was saved with the weights.

    Raises:
        CheckpointError: if the file is missing or no checkpoint of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({error}); it may be truncated, train or copy it again"
        ) from error
    if header.get("format") != _FORMAT:
        raise CheckpointError(f"{path}: a safetensors file, but not written by unnoise")
    about: dict[str, Any] = json.loads(header["about"])
    return about


def read_weights(path: Path, prefix: str) -> dict[str, Tensor]:
    """The saved tensors whose names begin with `prefix`, by the rest of their names.

    Raises:
        CheckpointError: if the file is unreadable, or holds none.
    """
    read_about(path)
    with safe_open(path, "pt") as file:
        names = [k for k in file.keys() if k.startswith(prefix)]  # noqa: SIM118 (it is no mapping)
        found = {k.removeprefix(prefix): file.get_tensor(k) for k in names}
    if not found:
        raise CheckpointError(f"{path}: made for another model, it holds no {prefix}...")
    return found


def load_weights(module: nn.Module, path: Path) -> dict[str, Any]:
    """Load `path` into the module, whose names and shapes must match; returns what was saved with
    it.

    Raises:
        CheckpointError: if the file is unreadable, or made for another architecture.
    """
    about = read_about(path)
    saved, own = load_file(path), module.state_dict()
    wrong = sorted(
        k
        for k in saved.keys() | own.keys()
        if k not in saved or k not in own or saved[k].shape != own[k].shape
    )
    if wrong:
        raise CheckpointError(
            f"{path}: made for another model ({len(wrong)} tensors differ, first {wrong[0]!r}); it says {about}"
        )
    module.load_state_dict(saved)
    return about


def atomic_write(path: Path, text: str) -> None:
    """Write text under a temporary name and rename it, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
