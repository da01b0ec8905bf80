"""Measurements in a process of their own, so that the peak of memory is theirs."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

__all__ = ["apart", "peak_gib"]


def apart(module: str, one: str, threads: int) -> dict[str, Any]:
    """What `python -m module --one ONE --threads N` prints last, as JSON.

    Raises:
        RuntimeError: if it fails; its last words are in the message.
    """
    command = [sys.executable, "-m", module, "--one", one, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_gib() -> float:
    """The most memory that this process has had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**30 if sys.platform == "darwin" else 2**20)
